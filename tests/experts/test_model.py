"""The softmax-gated mixture of trainable experts: density, draws, order, priors, regimes."""

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from bayes_cmoe import InputError, simulate
from bayes_cmoe.compiled.components import Components, responsibilities
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.splits import doubled, fewer_prompts
from bayes_cmoe.parts.families import gaussian
from bayes_cmoe.parts.fixed_prior import priors_of
from bayes_cmoe.parts.gates import softmax, softmax_experts
from bayes_cmoe.parts.mixture import contaminated_model, experts_model, mixture_of
from bayes_cmoe.parts.predictions import frozen_predictions
from bayes_cmoe.parts.prior import Weak
from bayes_cmoe.parts.rebuilt import with_fewer_prompts, with_rows
from tests import reference
from tests.experts.parts import VARIANT, in_order, log_density, model, orders, point, table


@pytest.mark.parametrize(("experts", "features"), [(1, 2), (2, 1), (3, 2), (4, 1)])
def test_density_is_that_of_scipy_in_every_order(experts: int, features: int) -> None:
    data = table(features)
    likelihood = Likelihood(model(data, experts))
    theta = point(experts, features)
    rows = likelihood.rows(columns_of(model(data, experts)))
    expected = log_density(theta, data.x, data.y)
    found = likelihood.logp(likelihood.layout.ravel(theta), rows)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    for order in orders(experts) if experts > 1 else []:
        moved = likelihood.layout.ravel(in_order(theta, order))
        np.testing.assert_allclose(likelihood.logp(moved, rows), expected, rtol=1e-11)


def test_parameters_have_their_dims_and_no_column_is_frozen() -> None:
    built = model(table(2), 3)
    dims = {rv.name: tuple(built.named_vars_to_dims[rv.name]) for rv in built.free_RVs}
    assert dims == {
        "beta": ("free_expert", "feature"),
        "tau": ("free_expert",),
        "a": ("expert", "feature"),
        "b": ("expert",),
        "nu": ("expert",),
    }
    assert set(columns_of(built)) == {"x", "response"}
    alone = model(table(2), 1, {"beta": (-1.0, 1.0), "tau": (-1.0, 1.0), "nu": (0.1, 2.0)})
    assert {rv.name for rv in alone.free_RVs} == {"a", "b", "nu"}


DRAWS = 40_000


def test_components_are_drawn_with_their_frequencies_and_moments() -> None:
    simulator = Simulator(model(table(1), 3))
    theta = point(3, 1) | {"b": np.array([-9.0, 0.0, 9.0]), "nu": np.array([0.1, 0.2, 0.3])}
    theta["a"] = np.zeros((3, 1))
    x = np.full((DRAWS, 1), 0.4)
    vector = simulator.layout.ravel(theta)
    y = simulator.draw(vector, {"x": x}, np.random.default_rng(3))
    scores = np.append(theta["beta"] @ [0.4] + theta["tau"], 0.0)
    shares = np.exp(scores) / np.exp(scores).sum()
    owner = np.argmin(np.abs(y[:, None] - theta["b"]), axis=1)
    error = np.sqrt(DRAWS * shares * (1 - shares))
    assert (np.abs(np.bincount(owner) - DRAWS * shares) < 5 * error).all()
    for j in range(3):
        own, alone = y[owner == j], simulator.draw(vector, {"x": x}, np.random.default_rng(4), j)
        assert abs(own.mean() - theta["b"][j]) < 5 * np.sqrt(theta["nu"][j] / len(own))
        assert abs(own.var() / theta["nu"][j] - 1) < 5 * np.sqrt(2 / len(own))
        assert abs(alone.mean() - theta["b"][j]) < 5 * np.sqrt(theta["nu"][j] / DRAWS)
    assert simulator.components == 3


def test_responsibilities_are_those_of_bayes_rule() -> None:
    data, theta = table(2), point(3, 2)
    built = model(data, 3)
    found = Components(built).at(Likelihood(built).layout.ravel(theta)).responsibilities
    columns, joint = {"x": data.x, "response": data.y}, []
    scores = np.vstack([theta["beta"] @ data.x.T + theta["tau"][:, None], np.zeros(data.n)])
    for j in range(3):
        own = reference.one_prompt({k: theta[k] for k in ("a", "b", "nu")}, j)
        joint.append(np.exp(scores[j] + reference.prompt_log_density("linear", own, columns)))
    expected = np.array(joint) / np.sum(joint, axis=0)
    np.testing.assert_allclose(found, expected.T, rtol=1e-10)


def test_points_are_sorted_by_intercept_and_matched_up_to_translation() -> None:
    posterior = Posterior(model(table(2), 3, "flat"))
    labels, layout = labels_of(posterior), posterior.layout
    assert labels is not None
    truth = point(3, 2)
    truth["b"][:] = truth["b"].mean()  # ties are broken by the slopes
    rank = tuple(int(i) for i in np.argsort(truth["a"][:, 0]))
    expected = layout.ravel(in_order(truth, rank))
    reference_point = layout.ravel(truth)
    moved = np.array([layout.ravel(in_order(truth, order)) for order in orders(3)])
    np.testing.assert_allclose(labels.sorted(moved), np.tile(expected, (6, 1)), atol=1e-14)
    noise = 0.01 * np.random.default_rng(0).normal(size=moved.shape)
    matched = labels.matched(moved + noise, reference_point)
    assert np.abs(matched - reference_point).max() < 0.1
    single = labels.matched(reference_point, reference_point)
    np.testing.assert_array_equal(single, reference_point)


def test_a_fit_with_one_expert_less_is_a_fit_in_every_split() -> None:
    data = table(2)
    for experts in (2, 3):
        posterior = Posterior(model(data, experts, "flat"))
        smaller = fewer_prompts(posterior)
        assert smaller is not None
        mixture, theta = mixture_of(posterior.model), point(experts - 1, 2)
        assert mixture is not None
        expected = log_density(theta, data.x, data.y)
        for j in range(experts - 1):
            fewer = smaller.layout.ravel(theta)
            twin = doubled(mixture, posterior.layout, smaller.layout, fewer, j)
            rows = posterior.rows()
            np.testing.assert_allclose(posterior.likelihood.logp(twin, rows), expected, rtol=1e-11)
    assert with_fewer_prompts(model(data, 1)) is None


def test_a_model_at_new_rows_keeps_prior_and_experts() -> None:
    built, new = model(table(2), 3), table(2, rows=4, seed=9)
    moved = with_rows(built, new)
    theta = point(3, 2)
    likelihood = Likelihood(moved)
    rows = likelihood.rows(columns_of(moved))
    found = likelihood.logp(likelihood.layout.ravel(theta), rows)
    np.testing.assert_allclose(found, log_density(theta, new.x, new.y), rtol=1e-12)
    here = Posterior(built).log_priors(likelihood.layout.ravel(theta))
    there = Posterior(moved).log_priors(likelihood.layout.ravel(theta))
    np.testing.assert_array_equal(here, there)


@pytest.fixture(scope="module")
def fitted():
    data = simulate(VARIANT, "exact", 600, seed=3)
    return data, fit_map(model(data, 2))


def test_a_fit_is_sorted_and_near_the_truth(fitted) -> None:
    data, tree = fitted
    assert tree["optimizer_result"]["status"].item() == "converged"
    point, error = (tree[name].to_dataset() for name in ("point_estimate", "standard_error"))
    assert (np.diff(point["b"]) > 0).all()
    for name, value in VARIANT.regime("exact").truth(600).items():
        assert (np.abs(point[name].to_numpy() - value) < 4 * error[name].to_numpy()).all(), name
    theta = {name: point[name].to_numpy() for name in point.data_vars}
    total = log_density(theta, data.x, data.y).sum()
    assert tree["optimizer_result"]["loglik"].item() == pytest.approx(total, rel=1e-12)


def test_rows_are_given_to_the_experts_by_name(fitted) -> None:
    data, tree = fitted
    found = responsibilities(model(data, 2), tree)
    assert list(found.component.to_numpy()) == ["expert 0", "expert 1"]
    np.testing.assert_allclose(found["responsibilities"].sum("component"), 1.0, rtol=1e-12)
    resting = tree["optimizer_result"]["prompt_rows"].item()
    held = found["responsibilities"].sum("obs").to_numpy()
    assert resting == pytest.approx(held.min(), rel=1e-9)


@pytest.mark.parametrize("name", ["over-3", "tilt-4", "plane-4", "plane-5"])
def test_an_over_specified_truth_has_the_truths_density(name: str) -> None:
    regime, rng = VARIANT.regime(name), np.random.default_rng(0)
    x, y = rng.uniform(0, 1, (40, regime.features)), rng.normal(0, 5, 40)
    truth, measure = regime.truth(100), regime.measure(100)
    assert len(truth["b"]) == regime.prompts > len(measure["b"])
    np.testing.assert_allclose(log_density(truth, x, y), log_density(measure, x, y), rtol=1e-10)


def test_the_authors_designs_are_as_printed() -> None:
    """The experts and gates in the authors' order and gauge, and their grid of x."""
    line = {"beta": np.array([[25.0]]), "tau": np.array([-8.0])}
    line |= {"a": np.array([[-20.0], [20.0]]), "b": np.array([15.0, -5.0])}
    line["nu"] = np.array([0.3, 0.4]) ** 2
    plane = {"beta": np.array([[1.0, -1.0], [1.0, 0.5]]), "tau": np.array([0.3, 0.5])}
    plane |= {"a": np.array([[1.5, 0.9], [0.6, 0.5], [1.1, -0.3]]), "b": np.full(3, 0.5)}
    plane["nu"] = np.array([0.2, 0.3, 0.2]) ** 2
    rng = np.random.default_rng(2)
    for name, printed in {"exact": line, "exact-grid": line, "plane-3": plane}.items():
        truth = VARIANT.regime(name).truth(1000)
        x, y = rng.uniform(0, 1, (50, len(truth["a"][0]))), rng.normal(0.0, 3.0, 50)
        found, expected = log_density(truth, x, y), log_density(printed, x, y)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    grid = VARIANT.regime("over-3-grid").draw_inputs(rng, 5)
    np.testing.assert_array_equal(grid[:, 0], [0.0, 0.25, 0.5, 0.75, 1.0])


def test_gates_and_counts_that_do_not_go_together_are_refused() -> None:
    data = table(1)
    known = frozen_predictions("gaussian", mean=np.zeros(data.n), scale=1.0)
    parts = {"expert": "linear", "prior": "weak"}
    with pytest.raises(InputError, match="weighs no frozen expert"):
        contaminated_model(data, frozen=known, gate=softmax_experts, prompt=gaussian, **parts)
    with pytest.raises(InputError, match="weighs a frozen expert"):
        experts_model(data, gate=softmax, family=gaussian, experts=2, **parts)
    with pytest.raises(InputError, match="0 experts make no sense: give a whole number from 1"):
        model(data, 0)


def test_scores_have_a_prior_that_knows_no_order() -> None:
    """Normal, entries of different experts correlated by one half; drawn so, too."""
    built = model(table(2), 4)
    posterior, priors = Posterior(built), priors_of(built)
    theta = point(4, 2)
    vector = posterior.layout.ravel(theta)
    found = posterior.layout.unravel(posterior.log_priors(vector))
    halves = 0.5 * (np.eye(3) + 1.0)
    slope, level = np.array(priors["beta"].sd), priors["tau"].sd
    columns = [
        stats.multivariate_normal.logpdf(column, cov=halves * sd**2)
        for column, sd in zip(theta["beta"].T, slope, strict=True)
    ]
    assert found["beta"].sum() == pytest.approx(sum(columns), rel=1e-12)
    expected = stats.multivariate_normal.logpdf(theta["tau"], cov=halves * level**2)
    assert found["tau"].sum() == pytest.approx(expected, rel=1e-12)
    total = float(posterior.log_prior(vector))
    assert total == pytest.approx(sum(part.sum() for part in found.values()), rel=1e-12)
    for order in orders(4):
        moved = posterior.layout.ravel(in_order(theta, order))
        assert float(posterior.log_prior(moved)) == pytest.approx(total, rel=1e-12)
    with built:
        names = ["beta", "tau"]
        python = {"mode": "FAST_COMPILE"}
        drawn = pm.sample_prior_predictive(
            6000, random_seed=1, var_names=names, compile_kwargs=python
        )["prior"]
    # A correlation of half is known to .0097 from 6,000 draws, a variance to 1.8 %.
    tau, beta = drawn["tau"].values[0] / level, drawn["beta"].values[0] / slope
    for draws in (tau, beta[..., 0], beta[..., 1]):
        assert np.abs(np.cov(draws.T) - halves).max() < 0.08
    assert abs(np.corrcoef(beta[:, 0, 0], beta[:, 0, 1])[0, 1]) < 0.06


def test_a_prior_of_each_experts_own_is_taken_as_it_stands() -> None:
    own = {"tau": Weak("normal", 0.0, (1.0, 2.0))}
    posterior, theta = Posterior(model(table(2), 3, own)), point(3, 2)
    found = posterior.layout.unravel(posterior.log_priors(posterior.layout.ravel(theta)))["tau"]
    np.testing.assert_allclose(found, stats.norm.logpdf(theta["tau"], scale=[1.0, 2.0]), rtol=1e-12)
