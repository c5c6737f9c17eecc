"""Responsibilities against a mixture written down with SciPy."""

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.components import Components, responsibilities
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.result import parameter_dataset
from tests import reference
from tests.table import CASES, Case, Columns

SHOWN = (
    "constant/linear/gaussian",
    "softmax/tanh/laplace",
    "multinomial-softmax/linear/categorical",
)


def parts_by_scipy(case: Case, theta: Columns, columns: Columns) -> tuple[NDArray, ...]:
    frozen = reference.frozen_log_density(case.family, columns)
    prompt = reference.prompt_log_density(case.expert, theta, columns)
    stay, move = reference.log_weights(case.x, theta)
    together = reference.contaminated(case.expert, case.family, theta, columns)
    mine = np.exp(move + prompt - together)
    responsibilities = np.column_stack([1.0 - mine, mine])
    return frozen, prompt, np.exp(move), mine, responsibilities, np.column_stack([stay, move])


@pytest.mark.parametrize("name", SHOWN)
def test_parts_are_those_of_the_mixture(name: str) -> None:
    case = CASES[name]
    components = Components(case.model())
    found = components.at(components.layout.ravel(case.theta))
    expected = parts_by_scipy(case, case.theta, case.columns(case.x, case.y))
    for part, value in zip(found, expected, strict=True):
        assert part.shape == value.shape
        np.testing.assert_allclose(part, value, rtol=1e-12, atol=1e-15)


def test_parts_of_several_prompts_are_those_of_the_mixture() -> None:
    case = CASES["softmax_several_prompts/tanh/laplace"]
    model, columns = case.model(), case.columns(case.x, case.y)
    components = Components(model)
    found = components.at(components.layout.ravel(case.theta))
    shares = np.exp(reference.component_log_weights(case.x, case.theta))
    densities = np.exp(
        reference.component_log_densities(case.expert, case.family, case.theta, columns)
    )
    joint = shares * densities
    np.testing.assert_allclose(found.frozen, np.log(densities[0]), rtol=1e-12)
    np.testing.assert_allclose(found.share, shares[1:].sum(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.shares, shares.T, rtol=1e-12)
    np.testing.assert_allclose(found.log_density, np.log(joint.sum(axis=0)), rtol=1e-11)
    np.testing.assert_allclose(
        np.exp(found.prompt), joint[1:].sum(axis=0) / shares[1:].sum(axis=0), rtol=1e-12
    )
    each = (joint / joint.sum(axis=0)).T
    assert each.shape == (case.data.n, 3)
    np.testing.assert_allclose(found.responsibilities, each, rtol=1e-12)
    np.testing.assert_allclose(found.responsibility, 1.0 - each[:, 0], rtol=1e-12)
    point = parameter_dataset(components.layout, components.layout.ravel(case.theta))
    tree = xr.DataTree.from_dict({"point_estimate": point})
    table = responsibilities(model, tree, components=components)["responsibilities"]
    assert table.dims == ("obs", "component")
    assert table["component"].to_numpy().tolist() == ["frozen", "prompt 0", "prompt 1"]
    np.testing.assert_allclose(table, each, rtol=1e-12)


def test_prompts_without_any_share_count_alike_in_their_mixture() -> None:
    case = CASES["softmax_several_prompts/linear-nobias/gaussian"]
    components = Components(case.model())
    shut = case.theta | {"tau": np.full(2, -np.inf)}
    found = components.at(components.layout.ravel(shut))
    columns = case.columns(case.x, case.y)
    densities = np.exp(
        reference.component_log_densities(case.expert, case.family, case.theta, columns)
    )
    np.testing.assert_allclose(np.exp(found.prompt), densities[1:].mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(found.share, 0.0)


def test_a_trace_left_to_the_frozen_expert_counts_where_the_prompt_is_far() -> None:
    """One minus the prompt's share is zero in 64 bits, and log p is the frozen expert's all the
    same where the prompt's density is less still."""
    case = CASES["softmax/tanh/laplace"]
    components = Components(case.model())
    theta = case.theta | {"tau": np.asarray(60.0), "nu": np.asarray(1e-4)}
    found = components.at(components.layout.ravel(theta))
    assert np.all(np.asarray(found.share) == 1.0)
    wanted = reference.contaminated(case.expert, case.family, theta, case.columns(case.x, case.y))
    assert np.any(found.log_density > found.prompt + 10.0)
    np.testing.assert_allclose(found.log_density, wanted, rtol=1e-11)


def test_extremes_are_zero_and_one() -> None:
    """Far in the tails, and where the frozen classifier rules the label out."""
    case = CASES["multinomial-softmax/linear/categorical"]
    components = Components(case.model())
    columns = case.columns(case.x, case.y)
    certain = np.zeros_like(columns["frozen_probs"])
    certain[:, 0] = 1.0
    components.model.set_data("frozen_probs", certain)
    found = components.at(components.layout.ravel(case.theta)).responsibility
    np.testing.assert_array_equal(found[case.y != 0], 1.0)
    assert np.all((found[case.y == 0] > 0) & (found[case.y == 0] < 1))
    for tau, limit in ((-800.0, 0.0), (800.0, 1.0)):
        theta = components.layout.ravel(case.theta | {"tau": np.asarray(tau)})
        np.testing.assert_array_equal(components.at(theta).responsibility[case.y == 0], limit)


def test_over_draws_it_is_the_mean_of_every_draws() -> None:
    case = CASES["softmax/tanh/laplace"]
    model = case.model()
    components = Components(model)
    layout = components.layout
    rng = np.random.default_rng(3)
    draws = layout.ravel(case.theta) + 0.05 * rng.standard_normal((2, 3, layout.size))
    posterior = parameter_dataset(layout, draws, {"chain": np.arange(2), "draw": np.arange(3)})
    tree = xr.DataTree.from_dict({"posterior": posterior})
    found = responsibilities(model, tree, components=components)
    columns = case.columns(case.x, case.y)
    each = [parts_by_scipy(case, layout.unravel(theta), columns) for theta in draws.reshape(6, -1)]
    np.testing.assert_allclose(found["responsibility"], np.mean([e[3] for e in each], axis=0))
    np.testing.assert_allclose(found["share"], np.mean([e[2] for e in each], axis=0))
    assert found["mean_share"].dims == ("chain", "draw")
    np.testing.assert_allclose(found["mean_share"].to_numpy().ravel(), [e[2].mean() for e in each])


def test_other_models_are_refused() -> None:
    with pm.Model(coords={"obs": range(3)}) as model:
        pm.Data("x", np.zeros((3, 1)), dims=("obs", "feature"))
        response = pm.Data("response", np.zeros(3), dims="obs")
        pm.Normal("y", pm.Normal("b"), 1.0, observed=response, dims="obs")
    with pytest.raises(InputError, match="y is not a contaminated mixture"):
        Components(model)
