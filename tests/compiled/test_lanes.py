"""Many points side by side against the same points one by one, and against NumPy."""

import numpy as np
import pytest

from bayes_cmoe.compiled.lanes import LANES
from tests import reference
from tests.estimate.studies import STUDIES


def test_values_and_gradients_are_those_of_each_point_alone() -> None:
    study = STUDIES[0]
    posterior, columns = study.posterior, _columns(study)
    rng = np.random.default_rng(0)
    theta = posterior.layout.ravel(study.truth) * rng.uniform(0.7, 1.3, (LANES + 5, 4))
    lanes = posterior.lanes
    values, gradients = lanes.value_and_gradient(theta, lanes.rows(columns))
    for point, value, gradient in zip(theta, values, gradients, strict=True):
        alone, slope = posterior.likelihood.value_and_gradient(point, posterior.rows())
        prior, prior_slope, _ = posterior.prior_derivatives(point)
        assert value == pytest.approx(alone + float(prior), rel=1e-12)
        assert gradient == pytest.approx(slope + np.asarray(prior_slope), rel=1e-9, abs=1e-9)


def test_a_lane_weighs_the_rows_by_its_own_weights() -> None:
    study = STUDIES[0]
    setting_expert, columns = "tanh", _columns(study)
    weights = np.random.default_rng(1).gamma(1.0, size=(study.n, LANES))
    weights[::3, 0] = 0.0
    lanes = study.posterior.lanes
    theta = np.tile(study.posterior.layout.ravel(study.truth), (LANES, 1))
    values, _ = lanes.value_and_gradient(theta, lanes.rows(columns, weights))
    logp = reference.contaminated(setting_expert, study.family, study.truth, columns)
    box = np.array(study.bounds)
    log_prior = -np.log(box[:, 1] - box[:, 0]).sum()
    assert values == pytest.approx(weights.T @ logp + log_prior, rel=1e-11)


def test_a_row_without_weight_brings_in_no_infinity() -> None:
    study = STUDIES[0]
    columns = _columns(study)
    columns["response"] = columns["response"].copy()
    columns["response"][0] = 1e100
    weights = np.ones((study.n, LANES))
    weights[0] = 0.0
    lanes = study.posterior.lanes
    theta = np.tile(study.posterior.layout.ravel(study.truth), (LANES, 1))
    values, gradients = lanes.value_and_gradient(theta, lanes.rows(columns, weights))
    assert np.isfinite(values).all()
    assert np.isfinite(gradients).all()


def _columns(study) -> dict[str, np.ndarray]:
    from bayes_cmoe import variant_named

    setting = variant_named(study.variant).regime(study.regime)
    x = study.data.x
    return {"x": x, "response": study.data.y, **setting.frozen.columns(x)}
