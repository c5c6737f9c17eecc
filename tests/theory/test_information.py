import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from bayes_cmoe import InputError, variant_named
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.information import (
    check_accuracy,
    information,
    information_along,
)

CONSTANT = "constant_contaminated"
SOFTMAX = "softmax_contaminated"
MULTINOMIAL = "multinomial_contaminated"


def quadrature_bounds(lam: float, a: float, b: float, nu: float) -> np.ndarray:
    """Bounds at n = 1 for N(x + 0.3, 1) contaminated by N(a x + b, nu), x ~ N(0, 1).

    Scores written by hand, summed over a product rule, factored by QR.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    x, wx = nodes[:, None], weights[:, None] / math.sqrt(2.0 * math.pi)
    grid = np.linspace(-14.0, 14.0, 4001)
    y, wy = x + 0.3 + grid, grid[1] - grid[0]
    r0, r1 = y - x - 0.3, y - a * x - b
    f0 = np.exp(-0.5 * r0**2) / math.sqrt(2.0 * math.pi)
    f1 = np.exp(-0.5 * r1**2 / nu) / math.sqrt(2.0 * math.pi * nu)
    p = (1.0 - lam) * f0 + lam * f1
    scores = np.stack(
        [
            (f1 - f0) / p,
            lam * f1 * r1 / nu * x / p,
            lam * f1 * r1 / nu / p,
            lam * f1 * (r1**2 / nu - 1.0) / (2.0 * nu) / p,
        ],
        axis=-1,
    )
    rooted = (scores * np.sqrt(p * wx * wy)[..., None]).reshape(-1, 4)
    scale = np.linalg.norm(rooted, axis=0)
    inverse = np.linalg.inv(np.linalg.qr(rooted / scale, mode="r")) / scale[:, None]
    return np.linalg.norm(inverse, axis=1)


@pytest.mark.parametrize(
    "truth",
    [
        {"lam": 0.3, "a": [1.6], "b": 0.9, "nu": 1.4},
        {"lam": 0.7, "a": [0.2], "b": -0.6, "nu": 0.6},
        {"lam": 0.3, "a": [1.02], "b": 0.32, "nu": 1.02},
        {"lam": 0.3, "a": [1.0], "b": 0.35, "nu": 1.0 + 0.05**2 / 3.0},
    ],
    ids=["apart", "apart-too", "merging", "degenerate"],
)
def test_bound_agrees_with_quadrature(truth: dict) -> None:
    found = information(CONSTANT, "linear-merging-a", n=1.0, truth=truth, draws=2**17)
    values = (truth["lam"], truth["a"][0], truth["b"], truth["nu"])
    exact = quadrature_bounds(*values)
    own = found.sel(parameter=["lam", "a", "b", "nu"])
    # `information` itself refuses a Monte-Carlo error above 1 %.
    assert np.all(np.abs(own.bound - exact) < 5.0 * own.bound_se)


def test_monte_carlo_error_is_the_scatter_over_seeds() -> None:
    found = [
        information(CONSTANT, "merging", n=1e6, draws=2**14, seed=seed, accuracy=1.0).bound_se
        for seed in range(2)
    ]
    bounds = np.array(
        [
            information(CONSTANT, "merging", n=1e6, draws=2**14, seed=seed, accuracy=1.0).bound
            for seed in range(24)
        ]
    )
    claimed = np.mean([error.values for error in found], axis=0)
    ratio = bounds.std(axis=0, ddof=1) / claimed
    # 24 seeds: the scatter is itself known to 15 %; the claimed error to about as much.
    assert np.all((ratio > 0.5) & (ratio < 2.0))


def test_a_replicates_pull_is_the_derivative_of_the_deviations_logarithm() -> None:
    """d log sqrt(trace D I^-1 D') when a replicate's share grows, by central differences."""
    rng = np.random.default_rng(0)
    root = np.triu(rng.standard_normal((3, 3))) + 3.0 * np.eye(3)
    draws = rng.standard_normal((16, 40, 3)) * [1.0, 0.5, 2.0]
    blocks = np.einsum("bri,brj->bij", draws, draws) / 40
    jacobian = rng.standard_normal((2, 3))
    layout = Layout(("a",), ((3,),), (("feature",),), {"feature": ("x1", "x2", "x3")})
    deviation, influence = Information(layout, np.zeros(3), root, blocks, 640).deviation(jacobian)

    def log_deviation(shares: np.ndarray) -> float:
        matrix = root.T @ np.einsum("b,bij->ij", shares / shares.sum(), blocks) @ root
        return 0.5 * math.log(np.trace(jacobian @ np.linalg.inv(matrix) @ jacobian.T))

    assert math.log(deviation) == pytest.approx(log_deviation(np.ones(16)), rel=1e-12)
    step = 1e-4
    # Of 16 equal shares one grows by step: the mean moves by step (block - mean) / 16.
    slopes = [
        16 * (log_deviation(1.0 + step * unit) - log_deviation(1.0 - step * unit)) / (2 * step)
        for unit in np.eye(16)
    ]
    np.testing.assert_allclose(influence, slopes, rtol=1e-5, atol=1e-7)
    assert influence.sum() == pytest.approx(0.0, abs=1e-12)


def test_functions_of_the_parameters_by_the_delta_method() -> None:
    functions = {
        "odds": lambda theta: jnp.exp(theta["tau"]),
        "norm": lambda theta: jnp.concatenate([theta["a"], theta["nu"][None]]),
        "gap": lambda theta: jnp.sqrt(jnp.sum(theta["beta"] ** 2)),
    }
    found = information(SOFTMAX, "distinguishable", functions=functions, draws=2**14)
    bound = found.bound.to_series()
    assert bound["odds"] == pytest.approx(bound["exp_tau"])
    assert bound["exp_tau"] == pytest.approx(math.exp(0.5) * bound["tau"])
    assert bound["norm"] == pytest.approx(bound["expert"])
    assert bound["expert"] == pytest.approx(math.hypot(bound["a"], bound["nu"]))
    beta = found.truth.values[:2]
    covariance = np.linalg.inv(found.information.values)[:2, :2]
    unit = beta / np.linalg.norm(beta)
    assert bound["gap"] == pytest.approx(math.sqrt(unit @ covariance @ unit / 1e4), rel=1e-6)


def test_eigenvalues_and_the_hardest_direction() -> None:
    found = information(CONSTANT, "linear-merging-b", n=1e6, draws=2**14, accuracy=1.0)
    scale = np.sqrt(np.diag(found.information))
    unit = found.information.values / np.outer(scale, scale)
    np.testing.assert_allclose(found.eigenvalue, np.linalg.eigvalsh(unit), rtol=1e-6)
    vectors = found.eigenvector.values
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(vectors @ unit @ vectors.T, np.diag(found.eigenvalue), atol=1e-9)
    # A merging intercept is confused with the share: raise one and lower the other.
    weights = dict(zip(found.entry.values, vectors[0], strict=True))
    assert weights["lam"] * weights["b"] < 0
    assert "lam" in found.attrs["hardest"]
    assert "b" in found.attrs["hardest"]
    json.dumps(found.attrs)


def test_small_eigenvalues_keep_their_digits() -> None:
    """At delta = 1e-3 the degenerate direction's eigenvalue is near 1e-20 of the largest."""
    path = variant_named(CONSTANT).regime("linear-merging-degenerate")
    truths = [path.truth(2.0 / delta, gamma=1) for delta in (1e-3, 2e-3)]
    small, large = information_along(CONSTANT, path, truths, draws=2**14)
    assert small.spectrum[0][0] / small.spectrum[0][-1] < 1e-16
    unit = np.eye(4)[:1]
    power = math.log(large.deviation(unit)[0] / small.deviation(unit)[0]) / math.log(2.0)
    assert power == pytest.approx(-4.0, abs=0.02)


def test_the_same_draws_whatever_else_is_asked() -> None:
    regime = variant_named(CONSTANT).regime("merging")
    truths = [regime.truth(n) for n in (1e3, 1e4, 1e5)]
    many = information_along(CONSTANT, regime, truths, draws=2**18)
    (alone,) = information_along(CONSTANT, regime, truths[1:2], draws=2**18)
    np.testing.assert_array_equal(many[1].matrix, alone.matrix)


def test_a_truth_that_is_asked_for_again_is_found_once() -> None:
    regime = variant_named(CONSTANT).regime("merging")
    truths = [regime.truth(n) for n in (1e3, 1e4, 1e3)]
    first, other, again = information_along(CONSTANT, regime, truths, draws=2**14)
    assert again is first
    assert not np.array_equal(other.matrix, first.matrix)


SAME = {"a": [1.0], "b": 0.3, "nu": 1.0}
SAME_CLASSES = {"a": [[1.5, 0.0], [0.0, 1.5]], "b": [0.5, 0.0]}


@pytest.mark.parametrize(
    ("variant", "truth", "unidentified"),
    [
        (CONSTANT, {"lam": 0.0}, "a[x1], b, nu not identified"),
        (CONSTANT, SAME, "lam not identified"),
        (SOFTMAX, {"a": [1.0, 0.5], "nu": 1.0}, "beta[x1], beta[x2], tau not identified"),
        (MULTINOMIAL, SAME_CLASSES, "beta[x1], beta[x2], tau not identified"),
        (CONSTANT, {"lam": 1.0}, "not finite"),
    ],
    ids=["no-share", "same", "same-softmax", "same-multinomial", "all-prompt"],
)
def test_singular_truths_are_named(variant: str, truth: dict, unidentified: str) -> None:
    with pytest.raises(InputError) as caught:
        information(variant, "merging", truth=truth, draws=2**14)
    assert unidentified in str(caught.value)
    assert "\n" not in str(caught.value)


def test_beyond_double_precision_is_said() -> None:
    with pytest.raises(InputError, match="lam, b apart there, to the 16 digits"):
        information(CONSTANT, "linear-merging-degenerate", n=2e5, gamma=1, draws=2**14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"truth": {"lam": 1.5}}, "outside the box"),
        ({"truth": {"lamb": 0.5}}, "did you mean 'lam'"),
        ({"truth": {"a": [1.0, 2.0]}}, "has shape"),
        ({"draws": 1000}, "too few for 4 parameters: give at least 16384"),
        ({"draws": 2**14, "accuracy": 1e-3}, r"about [\d.]+e\+\d+ draws are needed"),
    ],
)
def test_bad_questions(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        information(CONSTANT, "merging", n=1e4, **arguments)


@pytest.mark.parametrize("ratio", np.geomspace(1.01, 300.0, 23))
def test_the_draws_asked_for_are_enough_and_not_many_more(ratio: float) -> None:
    """A Monte-Carlo error falls as the root of the draws."""
    with pytest.raises(InputError) as caught:
        check_accuracy("lam", 0.01 * ratio, 10**5, 0.01)
    asked = float(str(caught.value).split("about ")[1].split()[0])
    assert 1.0 <= asked / (10**5 * ratio**2) < 1.3


def test_the_draws_said_to_be_needed_are_enough() -> None:
    with pytest.raises(InputError) as caught:
        information(CONSTANT, "merging", n=1e4, draws=2**14, accuracy=0.005)
    needed = int(float(str(caught.value).split("about ")[1].split()[0]))
    assert needed > 2**14
    found = information(CONSTANT, "merging", n=1e4, draws=needed, accuracy=1.0)
    assert float((found.bound_se / found.bound).max()) < 0.0075
