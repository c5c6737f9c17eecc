import json
from dataclasses import replace

import numpy as np
import pytest

from bayes_cmoe import Data, InputError, frozen_log_density, simulate, variant_named
from bayes_cmoe.commands.cli import main
from bayes_cmoe.commands.frozen_columns import FrozenColumns
from bayes_cmoe.commands.theory import app_commands, theory
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.planner import plan

CONSTANT = "constant_contaminated"
DRAWS = 2**15


def test_rows_for_an_error_give_that_error() -> None:
    rows = plan(CONSTANT, "merging", parameter="lam", error=0.08, draws=DRAWS, accuracy=0.2)
    n = rows.attrs["n"]
    back = plan(CONSTANT, "merging", parameter="lam", n=n, draws=DRAWS, accuracy=0.2)
    assert float(back.bound.sel(parameter="lam")) == pytest.approx(0.08, rel=1e-3)
    np.testing.assert_allclose(rows.truth, back.truth)
    assert 0 < rows.attrs["n_se"] < n


def test_a_fixed_truth_follows_the_square_root_law() -> None:
    own = {"parameter": "expert", "at": 1e4, "draws": DRAWS, "accuracy": 0.2}
    few = plan(CONSTANT, "merging", error=0.2, **own)
    many = plan(CONSTANT, "merging", error=0.02, **own)
    assert many.attrs["n"] == pytest.approx(100.0 * few.attrs["n"], rel=1e-3)
    np.testing.assert_array_equal(few.truth, many.truth)


def test_a_share_given_replaces_the_regimes() -> None:
    found = plan(CONSTANT, "merging", n=1e4, truth={"lam": 0.2}, draws=DRAWS, accuracy=0.2)
    assert float(found.truth.sel(entry="lam")) == 0.2


def test_binding_direction_is_the_prompts_own() -> None:
    """An intercept that merges is learnt worst where the share makes up for it."""
    found = plan(CONSTANT, "linear-merging-b", parameter="lam", n=1e8, draws=DRAWS, accuracy=0.2)
    weights = dict(zip(found.entry.values, found.binding.values, strict=True))
    assert weights["lam"] * weights["b"] < 0
    assert abs(weights["a[x1]"]) < 0.1
    assert "lam" in found.attrs["binding"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one"),
        ({"error": 0.1, "n": 100.0}, "exactly one"),
        ({"error": -0.1}, "positive"),
        ({"n": 0.0}, "n >= 1"),
        ({"error": 0.1, "parameter": "lamb"}, "did you mean 'lam'"),
        ({"error": 0.05, "parameter": "lam", "gamma": 0.26}, "no number of rows"),
        ({"error": 1e-12, "parameter": "lam", "at": 1e4}, "not practical"),
    ],
)
def test_plans_that_cannot_be(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(CONSTANT, "merging", draws=DRAWS, accuracy=0.5, **arguments)


@pytest.fixture(scope="module")
def far() -> tuple:
    model = variant_named(CONSTANT).model(
        "distinguishable", simulate(CONSTANT, "distinguishable", 4000, seed=1)
    )
    tree = fit_map(model, starts=4)
    return model, tree, diagnose(model, tree)


def test_a_prompt_far_away_is_resolved(far: tuple) -> None:
    _, tree, found = far
    assert float(found.distance) > 10.0
    assert float(found.frozen_distance) > 10.0
    assert "n^-1/2" in found.attrs["advice"]
    np.testing.assert_allclose(found.stderr_doubled, found.stderr / np.sqrt(2.0))
    errors = tree["standard_error"]
    expected = np.concatenate([np.ravel(errors[name]) for name in ("lam", "a", "b", "nu")])
    np.testing.assert_allclose(found.stderr, expected, rtol=0.15)


def test_hellinger_distance_agrees_with_quadrature(far: tuple) -> None:
    model, tree, found = far
    columns = columns_of(model)
    a, b, nu = (np.ravel(tree["point_estimate"][name])[0] for name in ("a", "b", "nu"))
    x, mean = columns["x"][:, 0], columns["frozen_mean"]
    y = np.linspace(-12.0, 12.0, 2401)[:, None]
    scale = np.sqrt(0.5)
    frozen = np.exp(-np.abs(y - mean) / scale) / (2.0 * scale)
    prompt = np.exp(-0.5 * (y - np.tanh(a * x + b)) ** 2 / nu) / np.sqrt(2.0 * np.pi * nu)
    squared = 0.5 * np.sum((np.sqrt(prompt) - np.sqrt(frozen)) ** 2, axis=0) * 0.01
    assert float(found.hellinger) == pytest.approx(np.sqrt(squared.mean()), rel=0.02)
    value = Likelihood(model).logp(found.estimate.values, Likelihood(model).rows(columns))
    alone = -np.log(2.0 * scale) - np.abs(columns["response"] - mean) / scale
    gain = np.sqrt(2.0 * (value.sum() - alone.sum()))
    assert float(found.frozen_distance) == pytest.approx(gain, rel=1e-6)


def test_a_prompt_merged_is_not_resolved() -> None:
    data = simulate(CONSTANT, "merging", 400, seed=3, gamma=0.3)
    found = diagnose(variant_named(CONSTANT).model("merging", data))
    assert found.attrs["standing"] != "local"
    assert "promise" in found.attrs["advice"]
    assert np.isnan(found.stderr_doubled).all()


@pytest.mark.slow
def test_inputs_that_repeat_each_other_are_named() -> None:
    rng = np.random.default_rng(0)
    variant = variant_named("softmax_contaminated")
    regime = variant.regime("distinguishable")
    x = rng.standard_normal((3000, 1)) * [1.0, 1.0] + 0.02 * rng.standard_normal((3000, 2))
    same = replace(regime, inputs=lambda rng, n: x[:n])
    found = diagnose(variant.model(same, simulate(variant, same, 3000, seed=1)))
    assert any("a[x2] and a[x1]" in pair for pair in found.attrs["confused"])
    assert float(found.condition) > 100.0


def test_log_densities_have_no_hellinger_distance() -> None:
    data = simulate(CONSTANT, "distinguishable", 2000, seed=1)
    mean = np.tanh(data.x[:, 0] + 0.3)
    logp = -np.log(2.0 * np.sqrt(0.5)) - np.abs(data.y - mean) / np.sqrt(0.5)
    model = variant_named(CONSTANT).build(
        data, frozen=frozen_log_density(logp), expert="tanh", prior="flat"
    )
    found = diagnose(model)
    assert np.isnan(found.hellinger)
    assert float(found.frozen_distance) > 10.0
    assert "n^-1/2" in found.attrs["advice"]


def test_fewer_rows_than_parameters() -> None:
    data = Data(x=[0.0, 1.0, 2.0], y=[0.1, 0.9, 0.4])
    model = variant_named(CONSTANT).model("distinguishable", data)
    with pytest.raises(InputError, match="3 rows for 4 parameters"):
        diagnose(model)


def test_commands_by_name() -> None:
    assert set(app_commands) == {"theory", "plan", "diagnose"}


def test_theory_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert theory(CONSTANT, regime="merging", n=[1e3, 1e4], draws=DRAWS, json=True) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["variant"] == CONSTANT
    assert set(record["rows"][0]) == {
        "regime",
        "parameter",
        "exponent",
        "lower",
        "source",
        "condition",
        "mark",
        "boundary",
        "n",
        "bound",
        "bound_se",
        "slope",
        "slope_se",
    }


def test_theory_and_plan_print_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert theory(CONSTANT, regime="merging", n=[1e3, 1e4], draws=DRAWS) == 0
    out = capsys.readouterr().out
    assert "-0.375" in out
    assert "arXiv:2410.12258" in out
    planned = app_commands["plan"](
        CONSTANT, regime="merging", parameter="lam", n=5000.0, draws=2**17, truth='{"lam": 0.3}'
    )
    assert planned == 0
    assert "lam = 0.3" in capsys.readouterr().out
    with pytest.raises(InputError, match="not JSON"):
        app_commands["plan"](CONSTANT, regime="merging", n=5000.0, truth="lam=0.3")
    with pytest.raises(InputError, match="two sizes"):
        theory(CONSTANT, n=[1e3])


def test_diagnose_reads_a_table(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "d.csv"
    words = ["simulate", CONSTANT, "--regime", "distinguishable", "-n", "1500", "--seed", "1"]
    assert main([*words, "-o", str(table)]) == 0
    capsys.readouterr()
    arguments = {
        "y": "y",
        "x": ["x1"],
        "expert": "tanh",
        "frozen": FrozenColumns("laplace", "frozen_mean", "frozen_scale"),
    }
    assert app_commands["diagnose"](CONSTANT, table, json=True, **arguments) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["n"] == 1500
    assert record["status"] == "converged"
    assert set(record["stderr"]) == {"lam", "a[x1]", "b", "nu"}
