import warnings

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import optimize, stats

from bayes_cmoe.compiled.chart import affine_chart
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.agreement import disagreements
from bayes_cmoe.estimate.charts import mapped, ridge_chart, unmapped
from bayes_cmoe.estimate.diagnostics import SamplingWarning
from bayes_cmoe.estimate.importance import weights_of
from bayes_cmoe.estimate.laplace import modes_of
from bayes_cmoe.estimate.nested import fit_nested
from bayes_cmoe.estimate.ridge import Node, conditional_mode, level_directions, ridge
from tests.estimate.studies import Study

SMALL = Study("constant_contaminated", "distinguishable", "laplace", 400, 11)


@pytest.fixture(scope="module")
def nested() -> xr.DataTree:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return fit_nested(SMALL.model, seed=5, log_likelihood=True, posterior=SMALL.posterior)


def test_posterior_and_evidence_agree_with_an_independent_density(nested: xr.DataTree) -> None:
    """Flat prior: the NumPy likelihood over the box, a multivariate t, and the box's volume."""
    names = SMALL.posterior.layout.names
    flat = np.column_stack([nested["posterior"][name].to_numpy().ravel() for name in names])
    draws, log_weight = SMALL.importance_sampled(flat, 20_000)
    bounds = np.array(SMALL.bounds)
    weight = np.exp(log_weight - log_weight.max())
    evidence = np.log(weight.mean()) + log_weight.max()
    evidence -= np.sum(np.log(bounds[:, 1] - bounds[:, 0]))
    se = weight.std() / weight.mean() / np.sqrt(len(weight))
    found = nested.attrs["log_evidence"]
    assert found == pytest.approx(evidence, abs=4.0 * np.hypot(se, nested.attrs["log_evidence_se"]))
    weight /= weight.sum()
    expected = weight @ draws
    error = np.sqrt(weight**2 @ (draws - expected) ** 2)
    error = np.hypot(error, flat.std(axis=0) / np.sqrt(nested.attrs["effective"]))
    assert (np.abs(flat.mean(axis=0) - expected) < 4.5 * error).all()
    spread = np.sqrt(weight @ (draws - expected) ** 2)
    assert flat.std(axis=0) == pytest.approx(spread, rel=0.1)


def test_tree_is_what_arviz_reads(nested: xr.DataTree) -> None:
    assert list(az.summary(nested, var_names=["lam", "a"]).index) == ["lam", "a[x1]"]
    assert np.isfinite(az.loo(nested).elpd)
    assert nested.attrs["engine"] == "nested"
    assert nested.attrs["trusted"] == 1
    ess = az.ess(nested["posterior"].to_dataset())
    assert all(float(ess[name].min()) > 3000.0 for name in ess)


def test_same_seed_same_draws(nested: xr.DataTree) -> None:
    again = fit_nested(SMALL.model, seed=5, posterior=SMALL.posterior)
    xr.testing.assert_equal(nested["posterior"].to_dataset(), again["posterior"].to_dataset())


def test_evidence_of_a_conjugate_model_of_ones_own() -> None:
    """y = a x + e with a ~ N(0, 2^2), e ~ N(0, 1): y ~ N(0, I + 4 x x'); not of the suite."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 1))
    y = 0.7 * x[:, 0] + rng.normal(size=30)
    with pm.Model(coords={"feature": ["x1"]}) as model:
        inputs = pm.Data("x", x, dims=("obs", "feature"))
        slope = pm.Normal("a", 0.0, 2.0)
        given = pm.Data("response", y, dims="obs")
        pm.Normal("y", slope * inputs[:, 0], 1.0, observed=given, dims="obs")
    tree = fit_nested(model, seed=1)
    exact = stats.multivariate_normal(np.zeros(30), np.eye(30) + 4.0 * x @ x.T).logpdf(y)
    assert tree.attrs["log_evidence"] == pytest.approx(exact, abs=0.03)
    precision = 0.25 + x[:, 0] @ x[:, 0]
    assert float(tree["posterior"]["a"].mean()) == pytest.approx(x[:, 0] @ y / precision, abs=0.02)
    assert float(tree["posterior"]["a"].std()) == pytest.approx(precision**-0.5, rel=0.06)


def test_a_mode_far_from_zero_is_found() -> None:
    """Two modes of one coordinate, at -20 with nine tenths of the mass and at 0 with the rest."""
    with pm.Model(coords={"feature": ["x1"]}) as model:
        pm.Data("x", np.zeros((2, 1)), dims=("obs", "feature"))
        place = pm.NormalMixture("m", w=[0.9, 0.1], mu=[-20.0, 0.0], sigma=0.1)
        given = pm.Data("response", np.zeros(2), dims="obs")
        pm.Normal("y", 0.0 * place, 1.0, observed=given, dims="obs")
    posterior = Posterior(model)
    found = modes_of(posterior, posterior.rows(), np.array([[-20.1], [0.1]]))
    assert [node.u[0] for node in found] == pytest.approx([-20.0, 0.0], abs=1e-6)
    assert found[0].value - found[1].value == pytest.approx(np.log(9.0))
    assert found[0].curvature[0, 0] == pytest.approx(100.0)


def test_fewer_draws_where_the_weights_are_worth_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a warning: an answer worth less than 100 draws a chain is not to be trusted."""
    monkeypatch.setattr("bayes_cmoe.estimate.laplace.MOST", 200)
    monkeypatch.setattr("bayes_cmoe.estimate.laplace.ROUND", 200)
    with pytest.warns(SamplingWarning, match="not to be trusted"):
        tree = fit_nested(SMALL.model, seed=1, posterior=SMALL.posterior)
    kept = tree["posterior"].sizes["draw"] * tree["posterior"].sizes["chain"]
    assert kept <= tree.attrs["effective"] < 400
    assert tree.attrs["trusted"] == 0


@pytest.fixture(scope="module")
def mode() -> Node:
    rows = SMALL.posterior.rows()
    theta = SMALL.posterior.layout.ravel(SMALL.truth)
    (found,) = modes_of(SMALL.posterior, rows, theta[None])
    return found


def test_conditional_modes_are_scipys(mode: Node) -> None:
    """With the first coordinate moved and held; the slope of the others is zero there."""
    posterior, rows = SMALL.posterior, SMALL.posterior.rows()
    free = np.eye(4)[:, 1:]
    begin = mode.u + np.array([0.5, 0.0, 0.0, 0.0])
    found = conditional_mode(posterior, rows, begin, free)

    def negative(rest: np.ndarray) -> float:
        return -posterior.unconstrained(np.append(begin[0], rest), rows)[0]

    best = optimize.minimize(negative, begin[1:], method="Nelder-Mead", options={"xatol": 1e-4})
    assert found.u[0] == begin[0]
    assert found.u[1:] == pytest.approx(best.x, abs=5e-3)
    assert found.value >= -best.fun - 1e-3


def test_a_ridge_passes_its_mode_and_ends_where_the_mass_does(mode: Node) -> None:
    (direction,) = level_directions(SMALL.posterior)
    nodes = ridge(SMALL.posterior, SMALL.posterior.rows(), mode, direction)
    at = np.array([node.u @ direction for node in nodes])
    assert np.diff(at) == pytest.approx(np.diff(at)[0])
    assert any(np.array_equal(node.u, mode.u) for node in nodes)
    # One standard deviation a step, and exp(-9) is at sqrt(18) of them for a normal density.
    assert 7 <= len(nodes) <= 12


def test_charts_are_inverted_and_their_volumes_are_finite_differences(mode: Node) -> None:
    (direction,) = level_directions(SMALL.posterior)
    nodes = ridge(SMALL.posterior, SMALL.posterior.rows(), mode, direction)
    root = np.random.default_rng(1).normal(size=(4, 4))
    z = np.random.default_rng(2).normal(size=(6, 4))
    z[0, 0], z[1, 0] = 30.0, -30.0
    for chart in (ridge_chart(nodes, direction), affine_chart(mode.u, root)):
        u, volume = mapped(z, chart)
        assert unmapped(u, chart) == pytest.approx(z, abs=1e-8)
        step = 1e-6
        for point, logged in zip(z, volume, strict=True):
            moved = [mapped((point + step * e)[None], chart)[0][0] for e in np.eye(4)]
            back = [mapped((point - step * e)[None], chart)[0][0] for e in np.eye(4)]
            jacobian = (np.array(moved) - np.array(back)) / (2.0 * step)
            assert logged == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=1e-5)
    affine, _ = mapped(z, affine_chart(mode.u, root))
    lower = np.linalg.cholesky(root @ root.T)
    assert affine == pytest.approx(mode.u + z @ lower.T, abs=1e-9)


def test_a_ridge_chart_has_the_conditional_modes_on_its_axis(mode: Node) -> None:
    (direction,) = level_directions(SMALL.posterior)
    nodes = ridge(SMALL.posterior, SMALL.posterior.rows(), mode, direction)
    chart = ridge_chart(nodes, direction)
    z = unmapped(np.array([node.u for node in nodes]), chart)
    assert z[:, 1:] == pytest.approx(np.zeros((len(nodes), 3)), abs=1e-8)


def test_a_charts_density_is_the_posteriors_with_the_volume(mode: Node) -> None:
    posterior, rows = SMALL.posterior, SMALL.posterior.rows()
    (direction,) = level_directions(posterior)
    chart = ridge_chart(ridge(posterior, rows, mode, direction), direction)
    z = np.array([0.3, -0.7, 0.4, 1.1])
    u, volume = mapped(z[None], chart)
    value, gradient = posterior.charted(z, chart, rows)
    assert value == pytest.approx(posterior.unconstrained(u[0], rows)[0] + volume[0], rel=1e-10)
    assert posterior.unconstrained_many(u, rows)[0] == pytest.approx(value - volume[0], rel=1e-10)
    step = 1e-5
    slope = [
        (posterior.charted(z + step * e, chart, rows)[0]
         - posterior.charted(z - step * e, chart, rows)[0]) / (2 * step)
        for e in np.eye(4)
    ]  # fmt: skip
    assert gradient == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_engines_that_differ_are_named() -> None:
    """Means .2 sd apart, then spreads 20 % apart, from 4,000 draws of each; equal laws are not."""
    rng = np.random.default_rng(4)
    others = rng.standard_normal((4000, 1))
    weights = weights_of(np.zeros(4000), np.zeros(4000))
    same = rng.standard_normal((4, 1000, 1))
    assert disagreements(("a",), same, others, weights) == []
    (line,) = disagreements(("a",), same + 0.2, others, weights)
    assert line.startswith("a mean")
    (line,) = disagreements(("a",), 1.2 * same, others, weights)
    assert line.startswith("a sd")
    shift = 2.0 * np.sqrt(2.0 / 4000.0)
    assert disagreements(("a",), same + shift, others, weights) == []
