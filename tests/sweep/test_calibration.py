"""Calibration through the whole pipeline, with engines of NumPy alone; resuming; the commands."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe.commands.cli import main
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.engines import ENGINES, Engine
from bayes_cmoe.parts.outside import load_plugin
from bayes_cmoe.report.calibration import calibrated
from bayes_cmoe.sweep.design import CalibratePlan, Design, MapPlan
from bayes_cmoe.sweep.presets import read_design, toml_of
from bayes_cmoe.sweep.provenance import truth_of
from bayes_cmoe.sweep.run import run_sweep, state_of
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store
from bayes_cmoe.sweep.worker import redraw, run_task
from tests.outside.conftest import nothing_left
from tests.sweep.designs import measured

PLUGIN = Path(__file__).parent / "engines.py"
FAR = "constant_contaminated/distinguishable"
PRIOR = {
    "lam": {"kind": "beta"},
    "a": {"kind": "normal", "center": 0.0, "sd": 1.5},
    "b": {"kind": "normal", "center": 0.0, "sd": 1.0},
    "nu": {"kind": "lognormal", "center": 0.3, "sd": 0.7},
}
ROWS = 4


def design(engine, replications=100, prior=None):
    return Design(
        "toy",
        (Setting.parse(FAR),),
        prior=json.dumps(PRIOR if prior is None else prior),
        calibrate=CalibratePlan((ROWS,), replications, engine),
    )


@pytest.fixture(scope="module", autouse=True)
def engines():
    with nothing_left():
        load_plugin(PLUGIN)
        yield


@pytest.fixture(scope="module")
def exact(engines, tmp_path_factory):
    """A finished run of the exact engine."""
    folder = tmp_path_factory.mktemp("exact") / "run"
    run_sweep(design("resampled"), folder, workers=1)
    return folder


def said(engine, replications, folder):
    own = design(engine, replications)
    return calibrated(own, run_sweep(own, folder, workers=1))


def test_an_exact_engine_is_calibrated_in_all_quantities(exact):
    found = calibrated(design("resampled"), Store(exact).collect())
    names = list(found.quantities["quantity"])
    assert names == ["lam", "a[x1]", "b", "nu", "log-likelihood", "share x distance"]
    assert (found.quantities["fits"] == 100).all()
    assert (found.quantities["p"] > 0.02).all()
    assert found.rejected.empty


def test_a_posterior_too_narrow_is_rejected(tmp_path):
    found = said("tempered", 100, tmp_path / "run")
    assert "log-likelihood" in set(found.rejected["quantity"])


def test_an_engine_that_ignores_the_data_is_rejected_by_the_log_likelihood(tmp_path):
    found = said("unweighted", 40, tmp_path / "run")
    assert list(found.rejected["quantity"]) == ["log-likelihood"]


def test_doubted_fits_are_counted_and_the_trusted_ones_judged_alone(tmp_path):
    found = said("honest", 100, tmp_path / "run")
    (counts,) = found.counts.to_dict("records")
    assert counts["trusted"] + counts["doubted"] == counts["finished"] == 100
    assert 20 < counts["doubted"] < 80
    assert len(found.doubts) == counts["doubted"]
    assert set(found.doubts["message"]) == {"first response positive"}
    assert found.quantities["rejected"].any()
    assert not found.quantities["trusted_rejected"].any()
    assert (found.quantities["fits"] == 100).all()


def test_draws_that_are_no_draws_are_doubted():
    """An engine may trust itself with ten effective draws; ranks among 99 cannot."""
    own = design("stuck", 2)
    (task,) = own.tasks()
    found = run_task(own, task)
    assert list(found["status"].to_numpy()) == ["doubted", "doubted"]
    assert (found["ess_bulk"] < 60).all()
    assert "effective draws, fewer than the 99 ranked among" in found["message"].item(0)


def test_a_chunk_is_a_few_fits_also_of_few_rows():
    """A sampler takes its seconds on four rows too, and a stopped run loses a chunk at most."""
    assert [task.count for task in design("nuts").tasks()] == [5] * 20
    thousand = Design("d", (Setting.parse(FAR),), prior="flat", calibrate=CalibratePlan((1000,), 3))
    assert [task.count for task in thousand.tasks()] == [1, 1, 1]


def test_a_stopped_run_resumes_to_the_same_bits(exact, tmp_path):
    folder = Path(shutil.copytree(exact, tmp_path / "run"))
    for chunk in sorted((folder / "chunks").iterdir())[::3]:
        chunk.unlink()
    assert 0 < state_of(folder).finished < 100
    again = run_sweep(design("resampled"), folder, workers=1)
    assert measured(again).identical(measured(Store(exact).collect()))


def test_any_row_can_be_drawn_again_alone(exact):
    whole = Store(exact).collect()
    row = redraw(
        design("resampled"), "constant_contaminated", "distinguishable", ROWS, 17, "calibrate"
    )
    own = whole["pit"].to_numpy()[whole["replicate"].to_numpy() == 17]
    assert np.array_equal(row["pit"].to_numpy(), own)


@pytest.mark.slow
def test_two_processes_give_the_same_bits(exact, tmp_path):
    together = run_sweep(design("resampled"), tmp_path / "run", workers=2)
    assert measured(together).identical(measured(Store(exact).collect()))


def test_a_design_is_read_as_it_was_written(exact):
    own = design("resampled")
    assert read_design(exact / "design.toml") == own
    assert toml_of(own) == (exact / "design.toml").read_text(encoding="utf-8")


def test_what_cannot_be_calibrated_is_refused():
    setting = (Setting.parse(FAR),)
    plan = CalibratePlan((ROWS,), 10)
    with pytest.raises(InputError, match="fixed beforehand"):
        Design("d", setting, prior="weak", calibrate=plan)
    with pytest.raises(InputError, match="design of its own"):
        Design("d", setting, map=MapPlan((100,), 1), calibrate=plan)
    with pytest.raises(InputError, match="unknown engine 'nut': did you mean 'nuts'"):
        CalibratePlan((ROWS,), 10, "nut")
    with pytest.raises(InputError, match="the prior lacks lam, b, nu"):
        design("nuts", prior={"a": {"kind": "normal", "center": 0, "sd": 1}})
    with pytest.raises(InputError, match="lacks 'sd'"):
        design("nuts", prior={"a": {"kind": "normal", "center": 0}})


def altered(engine, prior=None, **parts):
    return Design(
        "toy",
        (Setting.parse(FAR),),
        prior=json.dumps(PRIOR | (prior or {})),
        calibrate=CalibratePlan((ROWS,), 3, engine, **parts),
    )


def test_data_come_from_the_expert_that_is_named(monkeypatch):
    """A slope of 1000: a tanh stays within one of zero, a line goes far beyond."""
    steep = {"a": {"kind": "normal", "center": 1000.0, "sd": 1.0}}
    seen = []

    def look(model, seed, posterior):
        seen.append(np.abs(columns_of(model)["response"]).max())
        shape = (1, 200)
        draws = {name: (("chain", "draw"), np.full(shape, 0.5)) for name in ("lam", "b", "nu")}
        draws["a"] = (("chain", "draw", "feature"), np.full((*shape, 1), 0.5))
        return xr.DataTree.from_dict({"posterior": xr.Dataset(draws)})

    monkeypatch.setitem(ENGINES, "look", Engine("look", look, lambda tree: ""))
    for expert in ("", "tanh", "linear"):
        own = altered("look", steep, expert=expert)
        (task,) = own.tasks()
        run_task(own, task)
    own, same, line = np.reshape(seen, (3, 3))
    assert np.array_equal(own, same)
    assert own.max() < 30
    assert line.max() > 100


def test_parts_that_are_not_named_leave_the_fingerprints_as_they_were():
    """The design's, recorded before there was a choice; the truth's, of the regime itself."""
    assert design("nuts").hash == "6dac93cbb8c15638"
    setting = Setting.parse(FAR)
    assert altered("nuts").hash != altered("nuts", expert="linear").hash
    plain = truth_of(altered("nuts"), setting)
    assert truth_of(altered("nuts", expert="tanh"), setting) == plain
    assert truth_of(altered("nuts", expert="linear"), setting) != plain


def test_parts_that_there_are_not_are_refused():
    with pytest.raises(InputError, match="unknown gate of constant_contaminated 'softmax'"):
        altered("nuts", gate="softmax")
    with pytest.raises(InputError, match="unknown expert 'tanhh': did you mean 'tanh'"):
        altered("nuts", expert="tanhh")
    with pytest.raises(InputError, match="unknown parameter of the prior 'b'"):
        altered("nuts", expert="tanh-nobias")


def run(capsys, *words):
    code = main([*("--plugin", str(PLUGIN)), "calibrate", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_writes_the_page_and_goes_on(capsys, tmp_path):
    file, folder = tmp_path / "prior.json", tmp_path / "run"
    file.write_text(json.dumps(PRIOR))
    words = ["constant_contaminated", "-o", folder, "--engine", "resampled", "-n", ROWS]
    words += ["--datasets", 12, "--prior", file, "--workers", 1]
    code, out, err = run(capsys, *words, "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["prior"] == PRIOR
    assert record["engine"] == "resampled"
    assert record["counts"][0]["finished"] == 12
    assert [row["quantity"] for row in record["quantities"]][-1] == "share x distance"
    assert record == json.loads((folder / "calibration.json").read_text())
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert record["verdict"] in page
    assert "lognormal center 0.3, sd 0.7" in page
    assert "figures/places-constant_contaminated-distinguishable-n4.svg" in page
    assert (folder / "figures" / "places-constant_contaminated-distinguishable-n4.png").exists()
    before = {chunk: chunk.stat().st_mtime_ns for chunk in (folder / "chunks").iterdir()}
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "12 of 12 fits: 12 trusted, 0 doubted" in out
    assert before == {chunk: chunk.stat().st_mtime_ns for chunk in (folder / "chunks").iterdir()}
    words[words.index(12)] = 13
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "holds a run of another design (calibrate differ)" in err


def test_the_command_takes_another_gate_and_expert(capsys, tmp_path):
    """An engine of draws from the prior, so that any parts will do; the page names them."""
    folder = tmp_path / "run"
    words = ["multinomial_contaminated", "-o", folder, "--engine", "prior-draws", "-n", ROWS]
    words += ["--datasets", 2, "--workers", 1, "--kind", "merging"]
    words += ["--gate", "constant", "--expert", "tanh", "--no-bias"]
    code, _, err = run(capsys, *words)
    assert code == 0, err
    text = (folder / "design.toml").read_text(encoding="utf-8")
    assert 'gate = "constant"' in text
    assert 'expert = "tanh-nobias"' in text
    own = read_design(folder / "design.toml")
    assert set(json.loads(own.prior)) == {"lam", "a"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "constant gate" in page
    assert "tanh-nobias" in page


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["constant_contaminated", "--gate", "soft"], "unknown gate of constant_contaminated"),
        (["constant_contaminated", "--expert", "tan"], "did you mean 'tanh'"),
        (["softmax"], "unknown variant"),
        (["constant_contaminated", "--engine", "nutz"], "unknown engine"),
        (["constant_contaminated", "--kind", "merged"], "unknown kind of prior"),
        (["constant_contaminated", "--regime", "mergin"], "did you mean 'merging'"),
        (["constant_contaminated", "-n", "0"], "sizes = [0]"),
        (["constant_contaminated", "--datasets", "0"], "replications = 0"),
        (["constant_contaminated", "--ranked", "5"], "ranked = 5"),
        (["constant_contaminated", "--workers", "0"], "--workers 0"),
        (["constant_contaminated", "--prior", "none.json"], "cannot be read"),
        (["constant_contaminated", "--prior", "bad.json"], "not a JSON file"),
        (["constant_contaminated", "--prior", "list.json"], "not a JSON object"),
        (["constant_contaminated", "--prior", "part.json"], "the prior lacks a, b, nu"),
        (["constant_contaminated", "--prior", "part.json", "--kind", "merging"], "exclude"),
        (["constant_contaminated", "--prior", "other.json"], "unknown parameter of the prior"),
        (["constant_contaminated", "--prior", "nan.json"], "give a finite center"),
        (["constant_contaminated", "--prior", "long.json"], "has numbers of shape (2,)"),
    ],
    ids=lambda case: "-".join(case[1:]) if isinstance(case, list) else "",
)
def test_a_slip_ends_with_one_line(capsys, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "part.json").write_text(json.dumps({"lam": {"kind": "beta"}}))
    for name, changed in {
        "other": {"c": {"kind": "beta"}},
        "nan": {"b": {"kind": "normal", "center": float("nan"), "sd": 1.0}},
        "long": {"a": {"kind": "normal", "center": [0.0, 0.0], "sd": 1.0}},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(PRIOR | changed))
    code, out, err = run(capsys, *words, "-o", "out")
    lines = [line for line in err.splitlines() if line.startswith("bayes-cmoe: ")]
    assert (code, out, len(lines)) == (2, "", 1)
    assert expected in lines[0]
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
