"""A status says no more than was found."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe import Data, frozen_predictions, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import fit_map
from tests import reference
from tests.estimate.studies import STUDIES

CONSTANT = variant_named("constant_contaminated")


def result(model: Any, **options: Any) -> Any:
    return fit_map(model, **options)["optimizer_result"]


@pytest.mark.parametrize("study", [STUDIES[0], STUDIES[2], STUDIES[4]], ids=str)
def test_rows_of_the_prompt_are_the_sum_of_responsibilities(study) -> None:
    tree = fit_map(study.model, near=study.truth, posterior=study.posterior)
    theta = {name: tree["point_estimate"][name].to_numpy() for name in study.truth}
    setting = variant_named(study.variant).regime(study.regime)
    columns = {"x": study.data.x, "response": study.data.y, **setting.frozen.columns(study.data.x)}
    _, move = reference.log_weights(columns["x"], theta)
    prompt = move + reference.prompt_log_density(setting.expert, theta, columns)
    whole = reference.contaminated(setting.expert, study.family, theta, columns)
    expected = float(np.exp(prompt - whole).sum())
    assert tree["optimizer_result"]["prompt_rows"].item() == pytest.approx(expected, rel=1e-5)


def test_one_given_start_is_a_local_maximum_and_several_that_agree_a_maximum() -> None:
    study = STUDIES[0]
    near = result(study.model, near=study.truth, posterior=study.posterior)
    anywhere = result(study.model, posterior=study.posterior)
    assert near["status"].item() == "local"
    assert anywhere["status"].item() == "converged"
    assert anywhere["found"].item() >= 3
    assert anywhere["logp"].item() == pytest.approx(near["logp"].item(), abs=1e-6)


def spiked(n: int = 150) -> tuple[Data, Any]:
    """No prompt, but three rows on one line, far closer to it than chance would have them."""
    rng = np.random.default_rng(3)
    x = rng.uniform(-1.0, 1.0, n)
    y = rng.normal(0.0, 1.0, n)
    y[:3] = 2.0 + 3.0 * x[:3] + 1e-9 * rng.normal(size=3)
    return Data(x, y), frozen_predictions("gaussian", mean=np.zeros(n), scale=1.0)


def test_a_prompt_on_a_handful_of_rows_is_called_a_spike() -> None:
    data, f0 = spiked()
    box = {"lam": (0.0, 1.0), "a": (-20.0, 20.0), "b": (-20.0, 20.0), "nu": (1e-12, 10.0)}
    model = CONSTANT.build(data, frozen=f0, expert="linear", prior=box)
    near = {"lam": 0.02, "a": [3.0], "b": 2.0, "nu": 1e-6}
    found = fit_map(model, near=near)
    assert found["optimizer_result"]["status"].item() == "spike"
    assert found["optimizer_result"]["prompt_rows"].item() == pytest.approx(3.0, abs=0.5)
    assert found["point_estimate"]["nu"].item() < 1e-9
    # The weak prior is log-normal, sd 1.5, about half the variance of y: on k rows without any
    # distance its mode is at log(2 nu / var y) = -1.5² (k / 2 + 1), and distances widen it.
    weak = fit_map(CONSTANT.build(data, frozen=f0, expert="linear", prior="weak"), near=near)
    assert weak["optimizer_result"]["status"].item() == "spike"
    rows = weak["optimizer_result"]["prompt_rows"].item()
    narrowest = data.y.var() / 2.0 * np.exp(-(1.5**2) * (rows / 2.0 + 1.0))
    assert weak["point_estimate"]["nu"].item() > narrowest


def test_a_standard_error_wider_than_the_box_is_not_converged() -> None:
    """A tanh whose argument hardly varies: a saturated prompt has no slope that the data know."""
    rng = np.random.default_rng(5)
    n = 400
    x = rng.uniform(2.0, 3.0, n)
    new = rng.random(n) < 0.4
    y = np.where(new, 1.0, -2.0) + 0.3 * rng.normal(size=n)
    f0 = frozen_predictions("gaussian", mean=np.full(n, -2.0), scale=0.3)
    box = {"lam": (0.0, 1.0), "a": (-30.0, 30.0), "b": (-30.0, 30.0), "nu": (1e-3, 10.0)}
    model = CONSTANT.build(Data(x, y), frozen=f0, expert="tanh", prior=box)
    found = fit_map(model, near={"lam": 0.4, "a": [6.0], "b": 5.0, "nu": 0.09})
    assert found["optimizer_result"]["status"].item() in ("unidentified", "edge")


def test_the_default_finds_the_tanh_prompt_beside_a_laplace_expert() -> None:
    """Ten data sets of one plain design: by the log-likelihood at the truth's maximum, in SciPy.

    The flat box is the first data set's, and the model is compiled once.
    """
    posterior = None
    for seed in range(10):
        rng = np.random.default_rng([11, seed])
        n, lam, a, b, nu = 600, *rng.uniform([0.25, 1.1, -0.7, 0.15], [0.45, 1.7, -0.2, 0.3])
        x = rng.uniform(-2.0, 2.0, n)
        known = stats.laplace.rvs(0.6 * x + 0.1, 0.4, random_state=rng)
        fresh = stats.norm.rvs(np.tanh(a * x + b), nu**0.5, random_state=rng)
        y = np.where(rng.random(n) < lam, fresh, known)
        f0 = frozen_predictions("laplace", mean=0.6 * x + 0.1, scale=0.4)
        model = CONSTANT.build(Data(x, y), frozen=f0, expert="tanh", prior="flat")
        posterior = posterior or Posterior(model)
        near = result(model, near={"lam": lam, "a": [a], "b": b, "nu": nu}, posterior=posterior)
        found = result(model, seed=seed, posterior=posterior)
        assert found["logp"].item() >= near["logp"].item() - 1e-6
        assert found["status"].item() == "converged"


def test_a_narrow_prompt_on_few_rows_is_a_spike_and_a_wide_one_is_none() -> None:
    """Fourteen rows for three parameters, on one line; by the width of the noise about it.

    The weak prior's mode is at log(2 nu / var y) = -1.5², two standard deviations below it is low.
    """
    rng = np.random.default_rng(4)
    n, few = 300, 14
    x = rng.uniform(-1.0, 1.0, n)
    noise = rng.normal(size=few)
    for width, status in ((0.02, "spike"), (0.5, "local")):
        y = rng.normal(0.0, 1.0, n)
        y[:few] = 4.0 + 3.0 * x[:few] + width * noise
        f0 = frozen_predictions("gaussian", mean=np.zeros(n), scale=1.0)
        model = CONSTANT.build(Data(x, y), frozen=f0, expert="linear", prior="weak")
        near = {"lam": few / n, "a": [3.0], "b": 4.0, "nu": width**2}
        found = fit_map(model, near=near)
        low = y.var() / 2.0 * np.exp(-(1.5**2) - 2 * 1.5)
        assert bool(found["point_estimate"]["nu"].item() < low) is (status == "spike")
        assert 2.0 * 3 < found["optimizer_result"]["prompt_rows"].item() < 5.0 * 3
        assert found["optimizer_result"]["status"].item() == status
