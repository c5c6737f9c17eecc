"""Every command knows what a plugin file brings, wherever the file is named."""

import json
import shlex

import numpy as np
import pytest

from bayes_cmoe import variant_named
from bayes_cmoe.commands.cli import main
from tests.outside.conftest import COVERED, HERE, PLUGINS

DESIGN = """
name = "outside"
regimes = ["{plugin}/far"]

[map]
sizes = [300, 1200]
replications = 2

[nuts]
sizes = [150, 300]
replications = 1
draws = 20
tune = 30
"""


def said(capsys, words):
    """The JSON that a command prints."""
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def file_of(plugin):
    return str(HERE / f"{plugin}.py")


@pytest.fixture
def fitting(plugin, tmp_path, capsys):
    """The words with which simulate says that its file is fitted, without the program's name."""
    words = ["simulate", plugin, "--regime", "far", "-n", "1500", "--seed", "1"]
    assert main([*words, "-o", str(tmp_path / "d.csv")]) == 0
    return shlex.split(capsys.readouterr().err.splitlines()[-1])[1:]


@pytest.mark.parametrize("plugin", COVERED, indirect=True)
@pytest.mark.filterwarnings("ignore::bayes_cmoe.estimate.diagnostics.SamplingWarning")
def test_simulate_and_fit(plugin, fitting, tmp_path, capsys):
    """NUTS begins with the fit by MAP, and its record holds both."""
    assert fitting[:2] == ["--plugin", file_of(plugin)]
    counts = {"starts": 32, "draws": 30, "tune": 60, "chains": 2}
    short = [word for name, count in counts.items() for word in (f"--{name}", str(count))]
    short += ["--method", "nuts", "--json"]
    # So few draws need not mix, which is status 3.
    assert main([*fitting, *short, "-o", str(tmp_path / "fit")]) in (0, 3)
    record = json.loads(capsys.readouterr().out)
    assert (record["variant"], record["method"]) == (plugin, "nuts")
    assert (tmp_path / "fit" / "fit.nc").exists()
    regime = variant_named(plugin).regime("far")
    share = regime.gate.share.parameter
    truth = float(regime.truth(1500)[share])
    assert abs(record["estimate"][share] - truth) < 5.0 * record["stderr"][share]
    low, high = record["posterior"][share]["interval"]
    assert low < record["posterior"][share]["mean"] < high


def test_theory_and_plan(plugin, capsys):
    rows = said(capsys, ["theory", plugin, "-n", "1e3", "-n", "1e5"])["rows"]
    regimes = variant_named(plugin).regimes
    assert {row["regime"] for row in rows} == set(regimes)
    far = {row["parameter"]: row for row in rows if row["regime"] == "far"}
    for row in far.values():
        # Where nothing moves the bound is n^-1/2.
        assert row["slope"] == pytest.approx(-0.5, abs=1e-6)
    share = regimes["far"].gate.share.name
    few = said(capsys, ["plan", plugin, "--regime", "far", "-n", "1000"])
    assert few["bound"][share] == pytest.approx(far[share]["bound"][0], rel=1e-6)
    assert few["resolution"] == pytest.approx(
        regimes["far"].share(regimes["far"].truth(1000)) / few["bound"][share], rel=1e-6
    )


@pytest.mark.parametrize("plugin", COVERED, indirect=True)
def test_diagnose(plugin, fitting, capsys):
    words = ["diagnose", *fitting[3:]]
    found = said(capsys, words)
    assert found["variant"] == plugin
    assert found["standing"] == "local"
    # The least that 99 draws can give.
    assert found["null_pvalue"] == pytest.approx(0.01)


@pytest.mark.parametrize("plugin", COVERED, indirect=True)
def test_compare_report_and_status(plugin, tmp_path, capsys):
    file, folder = tmp_path / "design.toml", tmp_path / "run"
    file.write_text(DESIGN.format(plugin=plugin), encoding="utf-8")
    words = ["compare", str(file), "-o", str(folder), "--workers", "1"]
    assert main([*words, "--plugin", file_of(plugin)]) == 0
    capsys.readouterr()
    state = said(capsys, ["status", str(folder)])
    assert (state["finished"], state["failed"]) == (6, 0)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert plugin in page
    rates = np.genfromtxt(
        folder / "rates.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    assert np.isfinite(rates["bound_slope"][rates["parameter"] == "expert"]).all()
    (folder / "report.html").unlink()
    # All is done, so nothing is fitted again; the report is made by the same code either way.
    again = ["report", str(folder), "--workers", "1"] if plugin == PLUGINS[0] else words
    chunks = {chunk: chunk.stat().st_mtime_ns for chunk in (folder / "chunks").iterdir()}
    assert main(again) == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page
    assert chunks == {chunk: chunk.stat().st_mtime_ns for chunk in (folder / "chunks").iterdir()}


@pytest.mark.parametrize("plugin", ["merging_slopes"], indirect=True)
def test_rates_of_ones_own_reach_theory(plugin, capsys):
    rows = said(capsys, ["theory", plugin, "-n", "1e3", "-n", "1e5"])["rows"]
    by_place = {(row["regime"], row["parameter"]): row for row in rows}
    near = by_place["near", "lam"]
    assert (near["exponent"], near["lower"], near["mark"]) == (-0.25, None, "derived")
    assert near["boundary"] == "sqrt(n) lam Delta^2 -> infinity"
    assert by_place["near", "expert"]["exponent"] == -0.375
    assert by_place["far", "exp_tau"]["lower"] == -0.5
    # The slope of the bound on lam nears the rate that the file states.
    assert near["slope"] == pytest.approx(-0.25, abs=0.05)
