"""Rows ranked by what they add, against information and choices worked out by hand."""

from itertools import combinations

import numpy as np
import pytest
from scipy.integrate import quad_vec
from scipy.stats import norm

from bayes_cmoe import InputError, fit, next_rows
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.front.origin import model_of
from bayes_cmoe.study.targets import targets_of
from bayes_cmoe.theory.next_rows import _binding, _jacobian, next_rows_of, ranked

STATED = {"family": "gaussian", "mean": "f0", "scale": 0.3}


def table_of(rng, n, share, scale=0.3):
    x = rng.uniform(-2.0, 2.0, n)
    new = rng.random(n) < share
    y = np.where(new, 1.0 - x, 2.0 * x) + rng.normal(0.0, scale, n)
    return {"dose": x, "f0": 2.0 * x, "effect": y}


@pytest.fixture(scope="module")
def tree():
    table = table_of(np.random.default_rng(1), 400, 0.4)
    return fit(
        table, y="effect", x="dose", frozen=STATED, variant="constant_contaminated",
        expert="linear", prior="flat",
    )  # fmt: skip


CANDIDATES = {"dose": [-1.9, -0.4, 0.0, 0.4, 1.0, 3.0]}
CANDIDATES["f0"] = [2.0 * x for x in CANDIDATES["dose"]]


@pytest.fixture(scope="module")
def found(tree):
    return next_rows(tree, CANDIDATES, parameter="b", rows=3)


def log_density(theta, x, y):
    share, slope, intercept, variance = theta
    own = share * norm.pdf(y, slope * x + intercept, variance**0.5)
    return np.log((1.0 - share) * norm.pdf(y, 2.0 * x, 0.3) + own)


def gradient(theta, x, y, step=1e-5):
    return np.array(
        [
            (log_density(theta + h, x, y) - log_density(theta - h, x, y)) / (2.0 * step)
            for h in step * np.eye(4)
        ]
    )


def test_gains_are_those_of_quadrature_and_finite_differences(tree, found):
    point = tree["point_estimate"]
    theta = np.array([np.ravel(point[name])[0] for name in ("lam", "a", "b", "nu")])
    x, y = (np.asarray(tree[g][v]).ravel() for g, v in (("constant_data", "x"),
                                                        ("observed_data", "y")))  # fmt: skip
    hessian = np.array(
        [
            (gradient(theta + h, x, y) - gradient(theta - h, x, y)).sum(axis=1) / 2e-4
            for h in 1e-4 * np.eye(4)
        ]
    )
    covariance = np.linalg.inv(-0.5 * (hessian + hessian.T))
    assert found.attrs["standard_error"] == pytest.approx(covariance[2, 2] ** 0.5, rel=1e-3)
    for row, place in enumerate(CANDIDATES["dose"]):

        def squared(y, place=place):
            score = gradient(theta, place, y)
            return np.outer(score, score) * np.exp(log_density(theta, place, y))

        middle = sorted([2.0 * place, theta[1] * place + theta[2]])
        information, _ = quad_vec(
            squared, middle[0] - 2.5, middle[1] + 2.5, points=middle, epsrel=1e-7
        )
        first = covariance[2] @ information @ covariance[2]
        left = np.linalg.inv(np.linalg.inv(covariance) + information)
        assert float(found["first_order"][row]) == pytest.approx(first, rel=2e-3)
        assert float(found["gain"][row]) == pytest.approx(covariance[2, 2] - left[2, 2], rel=2e-3)


def test_the_best_row_tells_the_experts_apart(found):
    """An intercept is learned where the experts differ and the slope is known."""
    order = np.argsort(-found["gain"].to_numpy())
    np.testing.assert_array_equal(found["rank"].to_numpy()[order], np.arange(1, 7))
    assert found["chosen"][0] == order[0]
    assert (found["gain"] <= found["first_order"]).all()
    assert (np.diff(found["standard_error"]) < 0).all()
    assert "b" in found.attrs["binding"]


def informations(rng, count, size, rank=1):
    roots = rng.normal(size=(count, rank, size))
    return np.einsum("nri,nrj->nij", roots, roots)


def variance_with(covariance, information, jacobian, chosen):
    left = np.linalg.inv(np.linalg.inv(covariance) + information[list(chosen)].sum(axis=0))
    return np.trace(jacobian @ left @ jacobian.T)


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_is_greedy_and_its_errors_are_exact(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, 4))
    covariance, jacobian = root @ root.T, rng.normal(size=(2, 4))
    information = informations(rng, 7, 4, rank=2)
    found = ranked(covariance, information, jacobian, 3)
    chosen: list[int] = []
    for place in range(3):
        left = {
            row: variance_with(covariance, information, jacobian, [*chosen, row])
            for row in range(7)
            if row not in chosen
        }
        chosen.append(min(left, key=left.get))
        assert int(found["chosen"][place]) == chosen[-1]
        error = float(found["standard_error"][place])
        assert error**2 == pytest.approx(left[chosen[-1]], rel=1e-10)
    alone = [variance_with(covariance, information, jacobian, [row]) for row in range(7)]
    before = np.trace(jacobian @ covariance @ jacobian.T)
    np.testing.assert_allclose(found["gain"], before - np.array(alone), rtol=1e-8)
    first = np.einsum("kp,npq,kq->n", jacobian @ covariance, information, jacobian @ covariance)
    np.testing.assert_allclose(found["first_order"], first, rtol=1e-10)
    # No batch of three is better than the best, and greedy takes most of what that takes.
    best = min(
        variance_with(covariance, information, jacobian, batch)
        for batch in combinations(range(7), 3)
    )
    reached = float(found["standard_error"][-1]) ** 2
    assert best <= reached * (1.0 + 1e-10)
    assert before - reached > (1.0 - 1.0 / np.e) * (before - best)


def test_permuted_candidates_have_permuted_ranks():
    rng = np.random.default_rng(3)
    information, order = informations(rng, 8, 4, rank=2), rng.permutation(8)
    found = ranked(np.eye(4), information, np.eye(4)[:1], 5)
    moved = ranked(np.eye(4), information[order], np.eye(4)[:1], 5)
    for name in ("gain", "first_order"):
        np.testing.assert_allclose(moved[name], found[name].to_numpy()[order], rtol=1e-10)
    for name in ("rank", "batch"):
        np.testing.assert_array_equal(moved[name], found[name].to_numpy()[order])


def test_a_batch_is_not_copies_of_one_row():
    """Two rows that tell of the same direction, and one of the other: the second is the other."""
    information = np.array([np.diag([9.0, 0.0]), np.diag([8.9, 0.0]), np.diag([0.0, 2.0])])
    found = ranked(np.eye(2), information, np.eye(2), 3)
    np.testing.assert_array_equal(found["rank"], [1, 2, 3])
    np.testing.assert_array_equal(found["chosen"], [0, 2, 1])
    exhaustive = min(
        combinations(range(3), 2),
        key=lambda batch: variance_with(np.eye(2), information, np.eye(2), batch),
    )
    assert set(found["chosen"].to_numpy()[:2].tolist()) == set(exhaustive)


def test_the_target_farthest_from_its_wish_counts():
    covariance = np.diag([0.1, 0.2, 0.3]) ** 2
    jacobians = {"one": np.eye(3)[:1], "two": np.eye(3)[1:]}
    assert _binding(jacobians, covariance, {"one": 0.1, "two": 10.0}) == "one"
    assert _binding(jacobians, covariance, {"one": 10.0, "two": 0.1}) == "two"
    # The vector's error is the root of .2² + .3² = .36².
    assert _binding(jacobians, covariance, {"one": 0.1, "two": 0.35}) == "two"
    assert _binding(jacobians, covariance, {"one": 0.1, "two": 0.37}) == "one"
    assert _binding({"two": jacobians["two"]}, covariance, None) == "two"


def test_share_and_function_are_means_over_the_fits_rows(tree):
    """A constant gate's share is its parameter; a line's error is that of the line at the rows."""
    model = model_of(tree)
    targets, columns = targets_of(model, layout_of(model)), columns_of(model)
    theta = np.array([0.4, -1.0, 1.0, 0.1])
    components = Components(model)
    share = _jacobian(targets, components, columns, "share", theta)
    np.testing.assert_allclose(share, [[1.0, 0.0, 0.0, 0.0]], atol=1e-12)
    own = _jacobian(targets, components, columns, "function", theta)
    x = columns["x"][:, 0]
    design = np.column_stack([np.zeros_like(x), x, np.ones_like(x), np.zeros_like(x)])
    np.testing.assert_allclose(own.T @ own, design.T @ design / len(x), atol=1e-10)


def test_it_shows_itself(found):
    assert "\n" not in repr(found)
    assert repr(found).startswith("NextRows(parameter=b, candidates=6, next='rows ")
    assert "<td>6</td>" in found._repr_html_()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"parameter": "lamb"}, "did you mean 'lam'"),
        ({"wanted": {"lamb": 1.0}}, "did you mean 'lam'"),
        ({"wanted": {"lam": 0.0}}, "makes no sense"),
        ({"wanted": {}}, "name at least one"),
        ({"parameter": "lam", "wanted": {"lam": 0.1}}, "one of them"),
        ({"rows": 0}, "from 1 to 1000"),
    ],
)
def test_what_cannot_be_asked(tree, given, problem):
    with pytest.raises(InputError, match=problem):
        next_rows(tree, CANDIDATES, **given)


def test_log_densities_are_refused_before_any_work(tree):
    columns = {"x": np.zeros((2, 1)), "frozen_logp": np.zeros(2)}
    with pytest.raises(InputError, match="predictions or probabilities"):
        next_rows_of(model_of(tree), tree, columns)


def test_a_merged_prompt_gets_no_ranking(tree):
    merged = tree.copy(deep=True)
    for name, value in {"a": 1.95, "b": 0.1, "nu": 0.09}.items():
        merged["point_estimate"][name][...] = value
    with pytest.raises(InputError, match=r"no row can be said .* not resolved"):
        next_rows(merged, CANDIDATES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "word"), [("spike", "is a spike"), ("merged", "not resolved"), ("empty", "promise")]
)
def test_fits_that_promise_nothing_get_no_ranking(kind, word):
    rng = np.random.default_rng(7)
    table = table_of(rng, 300, 0.0)
    if kind == "spike":
        table["effect"][:12] = 6.0 - 2.0 * table["dose"][:12]
    if kind == "merged":
        table["effect"] = table["effect"] + np.where(rng.random(300) < 0.5, 0.35, 0.0)
    fitted = fit(
        table, y="effect", x="dose", frozen=STATED, variant="constant_contaminated",
        expert="linear", prior="flat",
    )  # fmt: skip
    with pytest.raises(InputError, match="no row can be said to be the best next one") as said:
        next_rows(fitted, CANDIDATES)
    assert word in str(said.value)
