"""Sums in single precision against SciPy: near, but rounded, and none the worse for many rows."""

import numpy as np
import pytest

from bayes_cmoe import variant_named
from bayes_cmoe.compiled.blocks import CHUNK, FEW, PART
from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.single import survives_rounding
from tests import reference
from tests.estimate.studies import STUDIES

STUDY = STUDIES[0]
BOX = np.array(STUDY.bounds)
LOG_PRIOR = -np.log(BOX[:, 1] - BOX[:, 0]).sum()


def _columns(n: int) -> dict[str, np.ndarray]:
    setting = variant_named(STUDY.variant).regime(STUDY.regime)
    x, y = np.resize(STUDY.data.x[:, 0], n)[:, None], np.resize(STUDY.data.y, n)
    return {"x": x, "response": y, **setting.frozen.columns(x)}


@pytest.mark.parametrize("n", [1, 300, FEW + 5, CHUNK + 5])
def test_values_are_those_of_scipy_rounded(n: int) -> None:
    columns = _columns(n)
    lanes = STUDY.posterior.exploring(columns)
    theta = np.tile(STUDY.posterior.layout.ravel(STUDY.truth), (LANES, 1))
    values, _ = lanes.value_and_gradient(theta, lanes.rows(columns))
    logp = reference.contaminated("tanh", STUDY.family, STUDY.truth, columns)
    expected = logp.sum() + LOG_PRIOR
    # Adding up the blocks in single precision would lose as much again as all of them lose.
    assert values == pytest.approx(expected, rel=3e-8 if n > FEW else 1e-7)
    assert abs(values[0] - expected) > 1e-13 * abs(expected)


def test_a_lane_weighs_the_rows_by_its_own_weights() -> None:
    columns = _columns(700)
    weights = np.random.default_rng(1).gamma(1.0, size=(700, LANES))
    weights[::3, 0] = 0.0
    lanes = STUDY.posterior.exploring(columns)
    theta = np.tile(STUDY.posterior.layout.ravel(STUDY.truth), (LANES, 1))
    values, _ = lanes.value_and_gradient(theta, lanes.rows(columns, weights))
    logp = reference.contaminated("tanh", STUDY.family, STUDY.truth, columns)
    assert values == pytest.approx(weights.T @ logp + LOG_PRIOR, rel=1e-6)


def test_gradients_are_those_in_double_precision() -> None:
    columns = _columns(300)
    rough, lanes = STUDY.posterior.exploring(columns), STUDY.posterior.lanes
    rng = np.random.default_rng(0)
    theta = STUDY.posterior.layout.ravel(STUDY.truth) * rng.uniform(0.7, 1.3, (LANES + 5, 4))
    _, gradients = rough.value_and_gradient(theta, rough.rows(columns))
    _, expected = lanes.value_and_gradient(theta, lanes.rows(columns))
    assert gradients == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("n", [1, 200, PART])
@pytest.mark.parametrize("single", [True, False])
def test_within_a_program_the_function_is_that_of_scipy(n: int, single: bool) -> None:
    columns = _columns(n)
    posterior = STUDY.posterior
    lanes = posterior.exploring(columns) if single else posterior.lanes
    theta = np.tile(posterior.layout.ravel(STUDY.truth), (LANES, 1))
    theta[1:, 2] += 0.1
    values, slopes = lanes.within(_asked_twice, (theta, 0.1), posterior.likelihood.rows(columns))
    moved = dict(STUDY.truth, b=STUDY.truth["b"] + 0.1)
    logp = [
        reference.contaminated("tanh", STUDY.family, truth, columns).sum() + LOG_PRIOR
        for truth in (STUDY.truth, moved)
    ]
    assert values[1:] == pytest.approx(2 * logp[1], rel=3e-6 if single else 1e-12)
    assert values[0] == pytest.approx(sum(logp), rel=3e-6 if single else 1e-12)
    assert (abs(values[0] - sum(logp)) > 1e-13 * abs(sum(logp))) == single
    _, expected = posterior.lanes.value_and_gradient(theta, posterior.lanes.rows(columns))
    within = 1e-4 * np.abs(expected).max() if single else 1e-9
    assert slopes == pytest.approx(expected, abs=within)


def test_within_a_program_few_rows_are_seen() -> None:
    rows = STUDY.posterior.likelihood.rows(_columns(PART + 1))
    with pytest.raises(ValueError, match=f"{PART + 1} rows"):
        STUDY.posterior.lanes.within(_asked_twice, (np.zeros((LANES, 4)), 0.0), rows)


def _asked_twice(function, theta, shift):
    """The sum of the values at theta and at another point, and the gradient at the first."""
    value, slope = function(theta)
    moved = theta.at[:1, 2].add(shift)
    return value + function(moved)[0], slope


def test_what_is_too_large_to_be_rounded_is_no_error() -> None:
    columns = _columns(300)
    columns["response"] = columns["response"] * 1e60
    assert survives_rounding(columns)
    lanes = STUDY.posterior.exploring(columns)
    theta = np.tile(STUDY.posterior.layout.ravel(STUDY.truth), (LANES, 1))
    values, _ = lanes.value_and_gradient(theta, lanes.rows(columns))
    assert not np.isfinite(values).any()


def test_values_close_together_and_far_from_zero_keep_double_precision() -> None:
    x = np.random.default_rng(0).standard_normal((50, 2))
    assert survives_rounding({"x": x, "constant": np.full(50, 1e9), "none": np.zeros((50, 0))})
    assert survives_rounding({"x": 900.0 * x.std(axis=0) + x - x.mean(axis=0)})
    far = {"x": x + np.array([0.0, 2e3])}
    assert not survives_rounding(far)
    assert not survives_rounding({"x": -far["x"]})
    assert STUDY.posterior.exploring(far) is STUDY.posterior.lanes
    assert STUDY.posterior.exploring({"x": x}) is not STUDY.posterior.lanes


def test_double_precision_stays_what_it_is_when_single_came_first() -> None:
    model = variant_named(STUDY.variant).model(STUDY.regime, STUDY.data)
    posterior, columns = Posterior(model), columns_of(model)
    theta = posterior.layout.ravel(STUDY.truth)
    lanes = posterior.exploring(columns)
    lanes.value_and_gradient(theta[None], lanes.rows(columns))
    logp = reference.contaminated("tanh", STUDY.family, STUDY.truth, columns)
    rows = posterior.likelihood.rows(columns)
    assert posterior.likelihood.value(theta, rows) == pytest.approx(logp.sum(), rel=1e-13)
