"""Merging, spiked and empty data: what `diagnose` and `plan` must not promise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from bayes_cmoe import Data, frozen_log_density, frozen_predictions, simulate, variant_named
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.replicas import Replicas
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.modulus import modulus
from bayes_cmoe.theory.null_law import NullLaw, null_law, suprema
from bayes_cmoe.theory.planner import _held, plan
from bayes_cmoe.theory.standing import Evidence, standing_of

CONSTANT = "constant_contaminated"
OTHERS = ("unconfirmed", "unidentified", "local", "stalled")
LOCAL = Evidence("converged", "", "", 20.0, NullLaw(9.0, 2.8, 0.001), 900.0, 3, True, 9.0, 8.0)


def without_prompt(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, the frozen mean x + 0.3 and y from N(mean, 1)."""
    rng = np.random.default_rng([11, seed])
    x = rng.standard_normal((n, 1))
    mean = x[:, 0] + 0.3
    return x, mean, mean + rng.standard_normal(n)


def linear(x: np.ndarray, mean: np.ndarray, y: np.ndarray):
    frozen = frozen_predictions("gaussian", mean=mean, scale=1.0)
    return variant_named(CONSTANT).build(Data(x, y), frozen=frozen, expert="linear", prior="flat")


def no_promise(found) -> None:
    assert np.isnan(found.stderr_doubled).all()
    assert "promise" in found.attrs["advice"]
    assert "\n" not in found.attrs["advice"]
    assert "0.71" not in found.attrs["advice"]


def test_the_local_regime_is_promised() -> None:
    standing = standing_of(LOCAL)
    assert standing.name == "local"
    assert "0.71" in standing.advice


@pytest.mark.parametrize(
    ("change", "name"),
    [
        *(
            ({"status": s}, "unfinished")
            for s in ("unconfirmed", "unidentified", "local", "stalled")
        ),
        ({"status": "spike"}, "spike"),
        ({"prompt_rows": 14.0}, "spike"),
        ({"prompt_rows": 0.5}, "empty"),
        ({"null": NullLaw(1.0, 2.8, 0.4), "gain": 3.0}, "empty"),
        ({"at_edge": "nu"}, "edge"),
        ({"singular": "singular along b"}, "unidentified"),
        ({"distance": 3.9}, "unresolved"),
        ({"distance": np.nan, "gain": 3.9}, "unresolved"),
        ({"resolution": 4.9}, "unresolved"),
        ({"resolution": np.nan}, "unresolved"),
    ],
)
def test_each_objection_by_itself(change: dict, name: str) -> None:
    standing = standing_of(replace(LOCAL, **change))
    assert standing.name == name
    assert "0.71" not in standing.advice
    assert "\n" not in standing.advice


@pytest.mark.parametrize("change", [{"status": "spike"}, {"prompt_rows": 14.0}])
def test_a_prompt_without_a_variance_is_no_spike_on_repeated_responses(change: dict) -> None:
    """Of classes: too many parameters for the rows, which says nothing of a single response."""
    of_classes = standing_of(replace(LOCAL, has_scale=False, **change))
    assert of_classes.name == "spike"
    assert "more parameters than its rows can bear" in of_classes.advice
    assert "repeat" not in of_classes.advice
    assert "repeat" in standing_of(replace(LOCAL, **change)).advice
    assert standing_of(replace(LOCAL, has_scale=False)).name == "local"
    assert "\n" not in of_classes.advice


@pytest.mark.parametrize("change", [{"distance": 4.0}, {"resolution": 5.0}, {"prompt_rows": 15.0}])
def test_the_limits_themselves_are_local(change: dict) -> None:
    assert standing_of(replace(LOCAL, **change)).name == "local"


def test_merging_data_get_the_modulus_instead() -> None:
    variant = variant_named(CONSTANT)
    regime = variant.regime("merging")
    n = 6000
    model = variant.model(regime, simulate(variant, regime, n, seed=0))
    tree = fit_map(model)
    found = diagnose(model, tree)
    assert found.attrs["status"] == "converged"
    assert found.attrs["standing"] == "unresolved"
    no_promise(found)
    lam = found.sel(entry="lam")
    assert float(found.resolution) == pytest.approx(float(lam.estimate / lam.stderr), rel=1e-3)
    assert float(found.resolution) < 5.0
    assert np.all(found.modulus_doubled < found.modulus)
    # The rows' inputs are N(0, 1) as the regime's are, so the regime's own modulus at this truth
    # is the same but for 4096 draws and 6000 rows.
    values = {name: np.asarray(tree["point_estimate"][name]) for name in ("lam", "a", "b", "nu")}
    own = modulus(CONSTANT, _held(regime, values), "lam", n)
    ours, theirs = float(found.modulus.sel(target="lam")), float(own.modulus.item())
    assert ours == pytest.approx(theirs, rel=0.15)


def test_spiked_data_are_called_so() -> None:
    """Twelve responses on one exact line, far from the frozen expert."""
    x, mean, y = without_prompt(400, 1)
    y[:12] = 6.0 - 2.0 * x[:12, 0]
    found = diagnose(linear(x, mean, y))
    assert found.attrs["standing"] == "spike"
    assert 11.0 < float(found.prompt_rows) < 15.0
    no_promise(found)
    assert f"about {float(found.prompt_rows):.1f} rows" in found.attrs["advice"]


def test_empty_data_are_called_so() -> None:
    x, mean, y = without_prompt(1000, 3)
    found = diagnose(linear(x, mean, y))
    assert found.attrs["standing"] in ("empty", "spike")
    assert float(found.null_pvalue) > 0.05
    no_promise(found)
    assert "without a prompt" in found.attrs["advice"]


def test_a_share_of_zero_is_an_answer_not_an_error() -> None:
    x, mean, y = without_prompt(500, 3)
    model = linear(x, mean, y)
    tree = fit_map(model, near={"lam": 0.3, "a": [1.0], "b": 0.3, "nu": 1.0})
    tree["point_estimate"]["lam"][...] = 0.0
    found = diagnose(model, tree)
    assert found.attrs["standing"] == "empty"
    assert np.isnan(found.stderr).all()
    no_promise(found)


def test_quantiles_of_known_suprema() -> None:
    """One score is a normal cut at zero, two independent ones the larger: Phi(q)^k = 0.95."""
    for k in (1, 2):
        drawn = suprema(np.eye(k), np.random.default_rng(1))
        wanted = norm.ppf(0.95 ** (1.0 / k))
        # 999 draws know the quantile to about sqrt(.05 .95 / 999) / density = 0.07.
        assert np.quantile(drawn, 0.95) == pytest.approx(wanted, abs=0.21)
        assert drawn.min() == 0.0
    alike = suprema(np.ones((3, 3)), np.random.default_rng(1))
    assert np.quantile(alike, 0.95) == pytest.approx(norm.ppf(0.95), abs=0.21)


def test_a_prompt_exceeds_the_null_law() -> None:
    rng = np.random.default_rng(4)
    x, mean, y = without_prompt(1000, 4)
    new = rng.random(1000) < 0.2
    y[new] = (2.0 - x[new, 0]) + 0.7 * rng.standard_normal(int(new.sum()))
    model = linear(x, mean, y)
    law = null_law(Replicas(Posterior(model), Components(model)), columns_of(model))
    assert law.statistic > law.quantile
    # A p-value by simulation is never zero: the data are one of the 1000.
    assert 1 / 1000 <= law.pvalue < 0.02


@pytest.mark.slow
def test_five_percent_of_200_empty_data_sets_are_rejected() -> None:
    interval = binomtest(rejections(200), 200).proportion_ci(0.99)
    assert interval.low < 0.05 < interval.high


def rejections(count: int) -> int:
    found = 0
    model = linear(*without_prompt(400, 1000))
    replicas, simulator = Replicas(Posterior(model), Components(model)), Simulator(model)
    theta = np.array([0.5, 1.0, 0.0, 1.0])
    for seed in range(count):
        columns = columns_of(linear(*without_prompt(400, 1000 + seed)))

        def frozen(known, rng):
            return {**known, "response": simulator.draw(theta, known, rng, 0)}

        found += null_law(replicas, columns, frozen, seed).pvalue <= 0.05
    return found


def test_each_component_can_be_drawn_alone() -> None:
    x, mean, y = without_prompt(4000, 5)
    model = linear(x, mean, y)
    simulator, rng = Simulator(model), np.random.default_rng(0)
    theta = np.array([0.5, -2.0, 5.0, 0.25])
    known = columns_of(model)
    for component, (middle, scale) in enumerate([(mean, 1.0), (5.0 - 2.0 * x[:, 0], 0.5)]):
        standard = (simulator.draw(theta, known, rng, component) - middle) / scale
        assert abs(standard.mean()) < 4.0 / 4000**0.5
        assert standard.std() == pytest.approx(1.0, abs=4.0 / 8000**0.5)
    center, spread = simulator.placed(theta, known, rng, 8)
    np.testing.assert_allclose((center - [mean, 5.0 - 2.0 * x[:, 0]]).mean(axis=1), 0.0, atol=0.03)
    np.testing.assert_allclose((spread**2).mean(axis=1), [1.0, 0.25], rtol=0.05)


def test_plans_outside_the_local_range_promise_nothing() -> None:
    few = plan(CONSTANT, "merging", parameter="lam", n=1e3)
    assert few.attrs["standing"] == "unresolved"
    assert few.attrs["advice"].startswith("no promise")
    lam = float(few.truth.sel(entry="lam"))
    assert float(few.resolution) == pytest.approx(lam / float(few.bound.sel(parameter="lam")))
    assert float(few.resolution) < 5.0
    assert float(few.modulus) > 1.2 * float(few.bound.sel(parameter="lam"))
    wanted = plan(CONSTANT, "merging", parameter="lam", error=0.25)
    assert wanted.attrs["standing"] == "unresolved"
    assert float(wanted.modulus) > 0.25


def test_plans_in_the_local_range_keep_their_promise() -> None:
    found = plan(CONSTANT, "merging", parameter="lam", n=1e5)
    assert found.attrs["standing"] == "local"
    assert found.attrs["advice"] == ""
    assert np.isnan(found.modulus)


def test_log_densities_alone_say_why_there_is_no_modulus() -> None:
    variant = variant_named(CONSTANT)
    data = simulate(variant, "merging", 6000, seed=0)
    mean = np.tanh(data.x[:, 0] + 0.3)
    logp = norm.logpdf(data.y, mean, 1.0)
    model = variant.build(data, frozen=frozen_log_density(logp), expert="tanh", prior="flat")
    found = diagnose(model, fit_map(model))
    assert found.attrs["standing"] == "unresolved"
    assert "own responses only" in found.attrs["advice"]
    assert np.isnan(found.modulus).all()
