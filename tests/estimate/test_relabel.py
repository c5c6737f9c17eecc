"""The order of exchangeable prompts, against all permutations in NumPy."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate import draws, nuts
from bayes_cmoe.estimate.diagnostics import convergence
from bayes_cmoe.estimate.map import find_map, fit_map
from bayes_cmoe.estimate.nuts import fit_nuts
from bayes_cmoe.estimate.relabel import Labels, labels_of
from bayes_cmoe.parts.gates import Gate, constant, softmax
from tests.parts.test_several_prompts import model_of

VARIANT = "softmax_several_prompts"


def labels_and_points(gate: Gate, prior: str = "flat") -> tuple[Posterior, Labels, np.ndarray]:
    posterior = Posterior(model_of(gate, "gaussian", 3, prior))
    labels = labels_of(posterior)
    assert labels is not None
    rng = np.random.default_rng(2)
    named = {
        name: np.exp(rng.normal(0.0, 0.5, (200, *shape)))
        if name == "nu"
        else rng.uniform(0.05, 0.95, (200, *shape))
        for name, shape in zip(posterior.layout.names, posterior.layout.shapes, strict=True)
    }
    parts = [named[name].reshape(200, -1) for name in posterior.layout.names]
    return posterior, labels, np.concatenate(parts, axis=1)


def by_prompt(labels: Labels, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Named values that change places with the prompts: sticks as shares, written out."""
    named = labels.layout.unravel(theta)
    if "lam" in named:
        lam = named["lam"]
        named["lam"] = np.array([p * np.prod(1 - lam[:j]) for j, p in enumerate(lam)])
    return named


@pytest.mark.parametrize("gate", [softmax, constant], ids=lambda gate: gate.name)
def test_the_order_is_the_nearest_of_all_and_leaves_the_density(gate: Gate) -> None:
    posterior, labels, points = labels_and_points(gate)
    reference, draws = points[0], points[1:]
    found = labels.matched(draws.reshape(1, 199, -1), reference)
    assert found.shape == (1, 199, len(reference))
    working_width = np.where(
        posterior.lower > 0,
        np.log(np.maximum(posterior.upper, 1e-300) / np.maximum(posterior.lower, 1e-300)),
        posterior.upper - posterior.lower,
    )
    unit = {k: v[0] for k, v in posterior.layout.unravel(working_width).items()}

    def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
        total = 0.0
        for name, value in one.items():
            log = name == "nu"
            apart = np.log(value / other[name]) if log else value - other[name]
            total += float(np.sum((apart / unit[name]) ** 2))
        return total

    there = by_prompt(labels, reference)
    moved = 0
    for draw, own in zip(draws, found[0], strict=True):
        here = by_prompt(labels, draw)
        orders = list(permutations(range(3)))
        candidates = [{k: v[list(order)] for k, v in here.items()} for order in orders]
        distances = [distance(candidate, there) for candidate in candidates]
        best = candidates[int(np.argmin(distances))]
        for name, value in by_prompt(labels, own).items():
            np.testing.assert_allclose(value, best[name], rtol=1e-9, atol=1e-12)
        moved += orders[int(np.argmin(distances))] != (0, 1, 2)
    assert 100 < moved < 199  # 5 of 6 orders are another
    rows = posterior.rows()
    for draw, own in zip(draws[:10], found[0, :10], strict=True):
        np.testing.assert_allclose(
            posterior.likelihood.logp(own, rows), posterior.likelihood.logp(draw, rows), rtol=1e-9
        )
    np.testing.assert_array_equal(labels.matched(reference, reference), reference)


@pytest.mark.parametrize(("gate", "share"), [(softmax, "tau"), (constant, "lam")])
def test_fits_are_sorted_by_the_largest_share(gate: Gate, share: str) -> None:
    _, labels, points = labels_and_points(gate)
    for theta, found in zip(points[:20], labels.sorted(points[:20]), strict=True):
        here, there = by_prompt(labels, theta), by_prompt(labels, found)
        order = np.argsort(-here[share])
        for name, value in there.items():
            np.testing.assert_allclose(value, here[name][order], rtol=1e-9, atol=1e-12)


def test_one_prompt_has_no_order() -> None:
    assert labels_of(Posterior(model_of(softmax, "gaussian", 1))) is None


def test_a_weak_prior_of_the_same_kind_gives_finite_units() -> None:
    _, labels, points = labels_and_points(softmax, "weak")
    units = np.concatenate([np.ravel(unit) for unit in labels.scale.values()])
    assert np.isfinite(units).all()
    assert (units > 0).all()
    swapped = labels.reordered(points, np.tile([2, 0, 1], (len(points), 1)))
    np.testing.assert_array_equal(labels.matched(swapped[3], points[3]), points[3])


@pytest.fixture(scope="module")
def study() -> tuple:
    variant = variant_named(VARIANT)
    regime = variant.regime("distinguishable")
    data = simulate(variant, regime, 600, seed=5)
    model = variant.model(regime, data)
    posterior = Posterior(model)
    return regime, model, posterior, posterior.layout.ravel(regime.truth(600))


def test_an_estimate_is_in_the_order_of_its_start(study) -> None:
    _, _, posterior, theta = study
    labels, rows = labels_of(posterior), posterior.rows()
    here = find_map(posterior, rows, theta)
    turned = labels.reordered(theta[None], np.array([[1, 0]]))[0]
    there = find_map(posterior, rows, turned)
    assert here.loglik == pytest.approx(there.loglik, abs=1e-6)
    back = labels.reordered(there.theta[None], np.array([[1, 0]]))[0]
    np.testing.assert_allclose(back, here.theta, atol=1e-4)
    named = posterior.layout.unravel(there.standard_error)
    expected = posterior.layout.unravel(here.standard_error)
    for name, value in named.items():
        np.testing.assert_allclose(value[::-1], expected[name], rtol=1e-3)
    np.testing.assert_array_equal(labels.matched(here.theta, theta), here.theta)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::bayes_cmoe.estimate.diagnostics.SamplingWarning")
def test_chains_in_different_orders_agree_after_relabelling(study, monkeypatch) -> None:
    """Chains begin at every mode that matters, so the second at the first's, turned round."""
    regime, model, posterior, _ = study
    start = fit_map(model, near=regime.truth(600), posterior=posterior)
    settings = {"draws": 400, "tune": 200, "chains": 2, "cores": 1, "seed": 1}
    tree = fit_nuts(model, start=start, posterior=posterior, **settings)
    assert convergence(tree).rhat < 1.1
    means = tree["posterior"]["a"].mean(("chain", "draw")).to_numpy()
    np.testing.assert_allclose(means, regime.truth(600)["a"], atol=1.5)
    for room in (draws, nuts):
        monkeypatch.setattr(room, "labels_of", lambda posterior: None)
    apart = fit_nuts(model, start=start, posterior=posterior, **settings)
    assert convergence(apart).rhat > 1.5


def test_standard_errors_of_two_prompts_cover_their_truths(study) -> None:
    """Squared errors over variances are chi-squared, once labels are the truth's."""
    regime, _, posterior, theta = study
    size = posterior.layout.size
    variant = variant_named(VARIANT)
    total, count = 0.0, 12
    for seed in range(count):
        data = simulate(variant, regime, 3000, seed=100 + seed)
        rows = posterior.rows_of(variant.model(regime, data))
        found = find_map(posterior, rows, theta)
        hessian = -posterior.likelihood.hessian(found.theta, rows)
        error = found.theta - theta
        total += float(error @ hessian @ error)
    low, high = stats.chi2(count * size).ppf([1e-4, 1 - 1e-4])
    assert low < total < 1.15 * high  # 3,000 rows are not infinitely many
