"""Gates, experts, families and variants from outside, from Python."""

import numpy as np
import pytest

from bayes_cmoe import Data, expert_named, simulate, variant_named
from bayes_cmoe.compiled.components import Components, responsibilities
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.nuts import fit_nuts
from bayes_cmoe.parts.experts import evaluate
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.worker import redraw
from bayes_cmoe.theory.distinguishability import distinguishability
from bayes_cmoe.theory.information import information
from bayes_cmoe.theory.modulus import modulus
from bayes_cmoe.theory.scores import scores_of
from tests.outside.conftest import COVERED
from tests.outside.densities import log_density, responsibility

COINCIDE = {"sigmoid_gate": True, "counts": True, "hidden_layer": False, "merging_slopes": True}
"""Whether the frozen expert has the prompt's form, so that they coincide where it merges to."""


def moved(regime, by=0.05):
    """The truth, each entry moved by another number."""
    truth = regime.truth(1000.0)
    return {
        name: value + by * (1.0 + np.arange(value.size)).reshape(value.shape) / value.size
        for name, value in truth.items()
    }


def test_densities_and_responsibilities_are_scipys(plugin):
    variant = variant_named(plugin)
    for regime in variant.regimes.values():
        data = simulate(variant, regime, 300, seed=1)
        model = variant.model(regime, data)
        theta = moved(regime)
        likelihood, components = Likelihood(model), Components(model)
        vector = likelihood.layout.ravel(theta)
        np.testing.assert_allclose(
            likelihood.logp(vector, components.rows()),
            log_density(plugin, theta, data.x, data.y),
            rtol=1e-11,
            atol=1e-11,
        )
        np.testing.assert_allclose(
            components.at(vector).responsibility,
            responsibility(plugin, theta, data.x, data.y),
            rtol=1e-9,
            atol=1e-14,
        )


def numerical_scores(plugin, layout, theta, data):
    vector, columns = layout.ravel(theta), []
    for step in 1e-5 * np.eye(layout.size):
        ends = [
            log_density(plugin, layout.unravel(vector + sign * step), data.x, data.y)
            for sign in (1.0, -1.0)
        ]
        columns.append((ends[0] - ends[1]) / 2e-5)
    return np.array(columns).T


def test_the_information_bound_is_the_inverse_of_the_scores_second_moments(plugin):
    """Scores of SciPy's density by differences, at rows drawn from the model."""
    variant = variant_named(plugin)
    regime = variant.regime("far")
    layout = scores_of(variant, regime).layout
    n = 60_000
    data = simulate(variant, regime, n, seed=2)
    scores = numerical_scores(plugin, layout, regime.truth(1e4), data)
    expected = np.sqrt(np.diag(np.linalg.inv(scores.T @ scores / n)) / 1e4)
    found = information(variant, regime, n=1e4)
    whole = [name for name, part in layout.slices.items() if part.stop - part.start == 1]
    assert whole
    for name in layout.names:
        own = np.sqrt(np.sum(expected[layout.slices[name]] ** 2))
        # The second moments of n rows are off by about sqrt(2/n) in each direction, and tails add.
        np.testing.assert_allclose(float(found.bound.sel(parameter=name)), own, rtol=0.05)


def test_the_modulus_tends_to_the_bound(plugin):
    variant = variant_named(plugin)
    regime = variant.regime("far")
    share = regime.gate.share.name
    found = modulus(variant, regime, share, 1e7, draws=2048)
    bound = float(information(variant, regime, n=1e7).bound.sel(parameter=share))
    assert float(found["modulus"].item()) == pytest.approx(bound, rel=0.15)


def test_distinguishability_sees_where_the_experts_coincide(plugin):
    found = distinguishability(plugin, "far")
    assert found.independent is not COINCIDE[plugin]
    assert ("f0 = f" in found.relations) is COINCIDE[plugin]


@pytest.mark.parametrize("plugin", COVERED, indirect=True)
@pytest.mark.filterwarnings("ignore::bayes_cmoe.estimate.diagnostics.SamplingWarning")
def test_map_and_nuts_find_the_truth(plugin):
    variant = variant_named(plugin)
    regime = variant.regime("far")
    data = simulate(variant, regime, 1500, seed=3)
    model = variant.model(regime, data)
    truth = regime.truth(1500)
    compiled = Posterior(model)
    point = fit_map(model, near=truth, posterior=compiled)
    error = point["standard_error"]
    for name, value in truth.items():
        estimate = point["point_estimate"][name].to_numpy()
        assert np.all(np.abs(estimate - value) < 5.0 * error[name].to_numpy())
    posterior = fit_nuts(
        model, draws=80, tune=120, chains=2, seed=1, start=point, posterior=compiled
    )
    share = regime.gate.share.parameter
    mean = float(posterior["posterior"][share].mean())
    assert abs(mean - float(truth[share])) < 5.0 * float(error[share])
    rows = responsibilities(model, posterior)["responsibility"].to_numpy()
    at_truth = responsibility(plugin, truth, data.x, data.y)
    assert np.corrcoef(rows, at_truth)[0, 1] > 0.97


def test_a_row_of_a_sweep_is_drawn_again(plugin):
    design = Design("again", (Setting(plugin, "far"),), map=MapPlan((300,), 2))
    first, second = (redraw(design, plugin, "far", 300, 1) for _ in range(2))
    assert first.drop_vars("seconds").identical(second.drop_vars("seconds"))
    assert np.isfinite(first["error"].sel(target="expert")).all()


@pytest.mark.parametrize("plugin", ["hidden_layer"], indirect=True)
def test_a_hidden_layer_is_evaluated_as_written(plugin):
    rng = np.random.default_rng(4)
    x, theta = rng.normal(size=(20, 2)), {"A": rng.normal(size=(3, 2))}
    theta |= {"c": rng.normal(size=3), "w": rng.normal(size=3)}
    expected = [np.dot(np.tanh(theta["A"] @ row + theta["c"]), theta["w"]) for row in x]
    np.testing.assert_allclose(evaluate(expert_named("hidden"), x, theta), expected, rtol=1e-12)
    model = variant_named(plugin).build(
        Data(x, x[:, 0]), frozen=variant_named(plugin).regime("far").frozen
    )
    assert model.named_vars_to_dims["A"] == ("hidden", "feature")
    assert len(model.coords["hidden"]) == 3
