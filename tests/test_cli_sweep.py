"""Sweeps from the command line: compare, report, status."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from joblib.externals.loky.process_executor import TerminatedWorkerError

import bayes_cmoe.report.sweep_files as sweep_files
import bayes_cmoe.sweep.run as sweep_run
from bayes_cmoe.commands.cli import main
from bayes_cmoe.errors import InputError
from bayes_cmoe.report.sweep_files import COLUMNS
from bayes_cmoe.sweep import bounds
from bayes_cmoe.sweep.presets import read_design
from bayes_cmoe.sweep.run import WorkerDiedError
from bayes_cmoe.sweep.store import Store

DESIGN = """
name = "small"
regimes = ["constant_contaminated/distinguishable"]

[map]
sizes = [300, 3000]
replications = 3
"""
REGIME = "constant_contaminated/distinguishable"
PATIENCE = 300.0


def run(capsys, *argv):
    code = main([str(word) for word in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def assert_refused(capsys, argv, *words, code=2):
    """One line on stderr, which may follow a progress bar."""
    found, out, err = run(capsys, *argv)
    assert found == code, err
    assert out == ""
    said = [line for line in err.splitlines() if line.startswith("bayes-cmoe: ")]
    assert len(said) == 1
    assert said[0].startswith("bayes-cmoe: error: ")
    assert "Traceback" not in err
    for word in words:
        assert word in said[0]


@pytest.fixture(scope="module")
def design_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("design") / "small.toml"
    file.write_text(DESIGN, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def finished(design_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["compare", str(design_file), "-o", str(folder), "--workers", "1"]) == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def no_fits(monkeypatch):
    def refuse(design, task):
        raise AssertionError("nothing is to be fitted here")

    monkeypatch.setattr(sweep_run, "run_task", refuse)


def first_chunk(folder):
    return sorted((folder / "chunks").iterdir())[0]


def test_compare_writes_all_that_there_is(finished):
    names = {file.name for file in finished.iterdir()}
    assert {"report.html", "rates.csv", "errors.csv", "table.nc", "design.toml"} <= names
    figures = {file.name for file in (finished / "figures").iterdir()}
    assert figures == {f"{Path(name).stem}{kind}" for name in figures for kind in (".png", ".svg")}
    assert "errors-constant_contaminated-distinguishable-lam.png" in figures
    for name, columns in COLUMNS.items():
        assert (finished / f"{name}.csv").read_text().startswith(",".join(columns))
    with xr.open_dataset(finished / "table.nc", engine="h5netcdf") as table:
        assert table.load().drop_attrs().identical(Store(finished).collect().drop_attrs())
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert f'id="rates-{REGIME.replace("/", "-").replace("_", "-")}"' in page
    assert "not finished" not in page


def test_latex_and_pdf_are_written_where_they_are_asked_for(capsys, copied, no_fits):
    code, _, _ = run(capsys, "report", copied, "--latex")
    assert code == 0
    figures = (copied / "figures.tex").read_text()
    for picture in (copied / "figures").glob("*.svg"):
        assert picture.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert f"{{figures/{picture.stem}.pdf}}" in figures
    for name in ("rates", "errors"):
        rows = len(pd.read_csv(copied / f"{name}.csv"))
        body = (copied / f"{name}.tex").read_text().partition("endfoot")[2]
        assert body.count(r"\\") == rows
    code, _, _ = run(capsys, "report", copied)
    assert code == 0
    assert not [*copied.glob("*.tex"), *(copied / "figures").glob("*.pdf")]


def test_the_slope_is_that_of_the_fits(finished):
    with xr.open_dataset(finished / "table.nc", engine="h5netcdf") as table:
        error = table["error"].sel(target="lam").to_numpy()
        n = table["n"].to_numpy()
    sizes = np.unique(n)
    rmse = [np.sqrt(np.mean(error[n == size] ** 2)) for size in sizes]
    rates = pd.read_csv(finished / "rates.csv").set_index("parameter")
    assert rates.loc["lam", "slope"] == pytest.approx(np.polyfit(np.log(sizes), np.log(rmse), 1)[0])
    assert rates.loc["lam", "exponent"] == -0.5


def test_a_finished_run_is_only_reported_again(capsys, design_file, copied, no_fits):
    before = {file: file.stat().st_mtime_ns for file in (copied / "chunks").iterdir()}
    (copied / "report.html").unlink()
    code, out, err = run(capsys, "compare", design_file, "-o", copied)
    assert code == 0
    assert {file: file.stat().st_mtime_ns for file in (copied / "chunks").iterdir()} == before
    assert out.startswith(REGIME)
    assert "MAP" in out
    assert str(copied / "report.html") in err
    assert (copied / "report.html").exists()


def test_a_run_that_is_not_finished_is_reported_as_such(capsys, copied, no_fits):
    first_chunk(copied).unlink()
    code, out, _ = run(capsys, "report", copied)
    assert code == 0
    assert "not finished: 3 of 6 fits" in out
    page = (copied / "report.html").read_text(encoding="utf-8")
    assert "This run is not finished:</strong> 3 of 6 fits" in page
    code, out, _ = run(capsys, "status", copied)
    assert code == 0
    assert "3 of 6 fits finished (50 %), 0 failed" in out
    command = out.splitlines()[-1].removeprefix("to go on: bayes-cmoe compare ").split(" -o ")
    assert read_design(Path(command[0])).name == "small"
    assert Path(command[1]) == copied


def test_status_as_json(capsys, copied):
    first_chunk(copied).write_bytes(first_chunk(copied).read_bytes()[:1000])
    code, out, err = run(capsys, "status", copied, "--json")
    record = json.loads(out)
    assert (code, err) == (0, "")
    assert (record["fits"], record["finished"], record["failed"]) == (6, 3, 0)
    assert record["methods"]["map"]["fits"] == 6
    assert sum(record["methods"]["map"]["statuses"].values()) == 3
    assert first_chunk(copied).name in record["damaged"][0]
    assert record["running"] is False


def test_status_tells_of_a_run_at_work(capsys, copied, design_file, no_fits):
    with Store(copied).locked():
        _, out, _ = run(capsys, "status", copied)
        assert out.splitlines()[-1] == "a run is at work there"
        assert_refused(capsys, ["compare", design_file, "-o", copied], "another run is at work")


def test_a_damaged_chunk_is_named(capsys, copied, design_file, no_fits):
    first_chunk(copied).write_bytes(b"")
    name = first_chunk(copied).name
    assert_refused(capsys, ["report", copied], name, "not as it was written", "delete it")
    assert_refused(capsys, ["compare", design_file, "-o", copied], name, "delete it")
    _, out, _ = run(capsys, "status", copied)
    assert "to go on: delete the damaged files, then bayes-cmoe compare" in out


def test_a_foreign_file_is_named(capsys, copied, design_file, no_fits):
    (copied / "chunks" / "notes.txt").write_text("mine")
    assert_refused(capsys, ["compare", design_file, "-o", copied], "notes.txt", "move it elsewhere")
    assert (copied / "chunks" / "notes.txt").read_text() == "mine"


def test_another_design_is_refused(capsys, copied, tmp_path, no_fits):
    other = tmp_path / "other.toml"
    other.write_text(DESIGN.replace("replications = 3", "replications = 4"))
    assert_refused(capsys, ["compare", other, "-o", copied], "another design (map differ)")


def test_an_edited_design_file_is_not_taken_for_damage_alone(capsys, copied, no_fits):
    file = copied / "design.toml"
    file.write_text(file.read_text().replace("entropy = 20240817", "entropy = 5"))
    how = "put design.toml back if it was edited"
    assert_refused(capsys, ["report", copied], how)
    assert_refused(capsys, ["compare", file, "-o", copied], how)


def test_a_run_that_was_killed_at_its_very_beginning_is_taken_up(
    capsys, design_file, tmp_path, monkeypatch
):
    def reached(*arguments, **options):
        raise WorkerDiedError("enough")

    monkeypatch.setattr(sweep_run, "run_sweep", reached)
    (tmp_path / "run" / "chunks").mkdir(parents=True)
    (tmp_path / "run" / ".part-17").touch()
    (tmp_path / "run" / "chunks" / ".part-17").touch()
    assert_refused(capsys, ["compare", design_file, "-o", tmp_path / "run"], "enough", code=1)


def test_options_reach_the_run(capsys, design_file, tmp_path, monkeypatch):
    given = {}

    def stopped(design, folder, **options):
        given.update(options)
        raise WorkerDiedError("enough")

    monkeypatch.setattr(sweep_run, "run_sweep", stopped)
    argv = ["compare", design_file, "-o", tmp_path / "run", "--retry-failed"]
    run(capsys, *argv, "--cluster", "tcp://here:1")
    assert (given["retry_failed"], given["cluster"], given["workers"]) == (
        True,
        "tcp://here:1",
        None,
    )
    run(capsys, *argv[:-1], "--workers", "3")
    assert (given["retry_failed"], given["cluster"], given["workers"]) == (False, None, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compare qick -o {new}", "did you mean 'quick'?"),
        ("compare quick -o {new} --workers 0", "--workers 0: give a number from 1"),
        ("compare quick -o {new} --workers -1", "--workers -1: give a number from 1"),
        ("compare quick -o {new} --workers 2 --cluster tcp://h:1", "exclude each other"),
        ("compare quick -o {file}", "is a file"),
        ("compare quick -o {other}", "holds other things and no sweep"),
        ("compare quick -o /proc/none", "cannot be written"),
        ("compare {new}.toml -o {new}", "cannot be read"),
        ("compare {file} -o {new}", "not a TOML file"),
        ("report {other}", "holds no sweep"),
        ("report {new}", "holds no sweep"),
        ("report {new} --workers 0", "--workers 0"),
        ("status {file}", "holds no sweep"),
    ],
)
def test_mistakes_end_in_one_line(capsys, tmp_path, no_fits, words, said):
    file, other, new = tmp_path / "file.toml", tmp_path / "other", tmp_path / "new"
    file.write_text("not [a design")
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    filled = words.format(file=file, other=other, new=new).split()
    assert_refused(capsys, filled, said)
    assert not new.exists()
    assert [one.name for one in other.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("deep", [".".join("a" * 100_000), "b = {" + ".".join("a" * 30_000)])
def test_deep_keys_of_a_design_are_refused_at_once(capsys, tmp_path, deep):
    file = tmp_path / "deep.toml"
    file.write_text(f"{deep} = 1\n")
    begun = time.perf_counter()
    assert_refused(capsys, ["compare", file, "-o", tmp_path / "new"], "more than 2000 dots")
    assert time.perf_counter() - begun < 5.0
    file.write_text("#" * 300_000)
    assert_refused(capsys, ["compare", file, "-o", tmp_path / "new"], "300000 bytes")


def test_a_design_that_is_a_pipe_or_a_device_is_not_waited_for(capsys, tmp_path):
    pipe, zero, folder = tmp_path / "pipe.toml", tmp_path / "zero.toml", tmp_path / "folder.toml"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    folder.mkdir()
    for file, words in ((pipe, "not a file"), (zero, "not a file"), (folder, "cannot be read")):
        assert_refused(capsys, ["compare", file, "-o", tmp_path / "new"], file.name, words)
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    pipe.rename(run_folder / "design.toml")
    for command in ("status", "report"):
        assert_refused(capsys, [command, run_folder], "not a file")


def test_no_cell_of_a_report_is_a_formula(tmp_path):
    table = pd.DataFrame(
        {"=regime": ["=1+1", "@a", "a[x1]"], "low": [-1.5, 2.0, np.nan], "n": [-1, 2, 3]}
    )
    plain = sweep_files.plain_table(table)
    assert list(plain.columns) == ["'=regime", "low", "n"]
    assert list(plain["'=regime"]) == ["'=1+1", "'@a", "a[x1]"]
    pd.testing.assert_frame_equal(plain[["low", "n"]], table[["low", "n"]])
    assert plain.to_csv(index=False).splitlines()[1] == "'=1+1,-1.5,-1"


@contextmanager
def file_limit(size):
    """Let this process write no file beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_report_whole(capsys, copied):
    def everything():
        files = [file for file in copied.rglob("*") if file.is_file()]
        return {file: file.read_bytes() for file in files}

    before = everything()
    with file_limit(30_000):
        assert_refused(capsys, ["report", copied], "cannot be written")
    assert everything() == before


def test_ctrl_c_says_how_to_go_on(capsys, design_file, tmp_path, monkeypatch):
    def interrupted(design, task):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_run, "run_task", interrupted)
    argv = ["compare", design_file, "-o", tmp_path / "run", "--workers", "1"]
    assert_refused(capsys, argv, "0 of 6 fits are kept: run the same command again", code=130)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_run_as_ctrl_c_does(
    capsys, design_file, tmp_path, monkeypatch, number, code
):
    def signalled(design, task):
        os.kill(os.getpid(), number)
        time.sleep(1.0)
        raise AssertionError("the signal came late")

    monkeypatch.setattr(sweep_run, "run_task", signalled)
    argv = ["compare", design_file, "-o", tmp_path / "run", "--workers", "1"]
    # Under nohup a hang-up is ignored, and stays so.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert_refused(capsys, argv, "0 of 6 fits are kept: run the same command again", code=code)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_an_ignored_signal_stays_ignored(capsys, copied, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    real = sweep_files.sweep_figures

    def signalled(comparison):
        os.kill(os.getpid(), signal.SIGHUP)
        return real(comparison)

    monkeypatch.setattr(sweep_files, "sweep_figures", signalled)
    try:
        assert run(capsys, "report", copied)[0] == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_links_in_a_run_are_not_written_through(capsys, copied, design_file, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    first_chunk(copied).unlink()
    (copied / "chunks" / f".part-{os.getpid()}").symlink_to(outside)
    (copied / f".part-{os.getpid()}").symlink_to(outside)
    (copied / "rates.csv").unlink()
    (copied / "rates.csv").symlink_to(outside)
    assert run(capsys, "compare", design_file, "-o", copied, "--workers", "1")[0] == 0
    assert outside.read_text() == "mine"
    (copied / ".lock").unlink()
    (copied / ".lock").symlink_to(outside)
    assert_refused(capsys, ["compare", design_file, "-o", copied], ".lock: is a link", "remove it")
    assert outside.read_text() == "mine"


def test_a_report_takes_the_old_ones_place(capsys, copied):
    """What the new one does not have goes, and what is no report's stays."""
    index = copied / "report.json"
    listed = json.loads(index.read_text())
    assert {"report.html", "rates.csv", "table.nc", "report.json"} <= set(listed)
    assert all((copied / name).is_file() for name in listed)
    gone = ["figures/gone.png", "gone.csv"]
    mine = ["figures/mine.png", "mine.csv", "notes.txt"]
    for name in (*gone, *mine):
        (copied / name).write_text("old")
    design = (copied / "design.toml").read_text()
    reach = ["../outside.csv", "/etc/x.csv", "design.toml", "chunks/x.csv", "notes.txt", 3]
    outside = copied.parent / "outside.csv"
    outside.write_text("mine")
    index.write_text(json.dumps([*listed, *gone, *reach]))
    assert run(capsys, "report", copied)[0] == 0
    assert not any((copied / name).exists() for name in gone)
    assert all((copied / name).read_text() == "old" for name in mine)
    assert outside.read_text() == "mine"
    assert (copied / "design.toml").read_text() == design
    assert json.loads(index.read_text()) == listed


@pytest.mark.parametrize("text", ["", "3", "[[]]", "\udcff"])
def test_a_list_of_files_that_makes_no_sense(capsys, copied, text):
    (copied / "report.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    assert run(capsys, "report", copied)[0] == 0


def test_what_a_kill_left_of_a_report_is_finished_by_status(capsys, copied):
    left = copied / ".ready-set"
    (left / "new").mkdir(parents=True)
    (left / "former.json").write_text('["rates.csv"]')
    (left / "new" / "report.html").write_text("the new page")
    assert run(capsys, "status", copied)[0] == 0
    assert (copied / "report.html").read_text() == "the new page"
    assert not (copied / "rates.csv").exists()
    assert not left.exists()


def test_ctrl_c_in_the_report_says_how_to_go_on(capsys, copied, monkeypatch):
    def interrupted(comparison):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_files, "sweep_figures", interrupted)
    how = f"bayes-cmoe report {copied} makes it"
    assert_refused(capsys, ["report", copied], "all finished fits are kept", how, code=130)


def test_a_dead_worker_is_told_from_ctrl_c(capsys, design_file, tmp_path, monkeypatch):
    def died(*arguments, **options):
        raise WorkerDiedError("a worker died: run the same command again")

    monkeypatch.setattr(sweep_run, "run_sweep", died)
    argv = ["compare", design_file, "-o", tmp_path / "run"]
    assert_refused(capsys, argv, "a worker died", code=1)


def test_a_worker_that_dies_over_the_bounds(capsys, copied, monkeypatch):
    def died(*arguments):
        raise TerminatedWorkerError("killed")

    monkeypatch.setattr(bounds, "all_bounds", died)
    again = f"bayes-cmoe report {copied} --workers 1 makes it"
    assert_refused(capsys, ["report", copied], "a worker died", again, code=1)


def test_a_file_where_the_bounds_go(capsys, copied):
    shutil.rmtree(copied / "bounds")
    (copied / "bounds").touch()
    assert_refused(capsys, ["report", copied], f"{copied / 'bounds'}: cannot be written")


def test_no_more_processes_than_tasks(design_file, tmp_path, monkeypatch):
    asked = []

    def stopped(count, function, calls):
        asked.append(count)
        raise InputError("enough")

    monkeypatch.setattr(sweep_run, "over_processes", stopped)
    main(["compare", str(design_file), "-o", str(tmp_path / "run"), "--workers", "1024"])
    assert asked == [2]


@pytest.mark.parametrize("address", ["", "here", "file://here:1", "inproc://here", "tcp://[::"])
def test_what_is_no_address_of_a_cluster(capsys, design_file, tmp_path, address):
    argv = ["compare", design_file, "-o", tmp_path / "run", "--cluster", address]
    assert_refused(capsys, argv, "is no Dask scheduler's address: write tcp://host:8786")
    assert not (tmp_path / "run").exists()


LONG = DESIGN.replace("replications = 3", "replications = 300").replace("3000", "100_000")


@contextmanager
def started(tmp_path):
    """A longer run of two processes, once its first chunk is there."""
    file, folder = tmp_path / "long.toml", tmp_path / "run"
    file.write_text(LONG)
    words = ["-m", "bayes_cmoe", "compare", str(file), "-o", str(folder), "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, *words], start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not list(folder.glob("chunks/*.arrows")):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def last_line(process):
    _, said = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    return said.splitlines()[-1]


@pytest.mark.slow
def test_a_real_ctrl_c(tmp_path):
    with started(tmp_path) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert "fits are kept: run the same command again" in last_line(process)
    assert process.returncode == 130


@pytest.mark.slow
def test_a_real_death_of_a_worker(tmp_path):
    with started(tmp_path) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [
            int(child)
            for child in children
            if "LokyProcess" in Path(f"/proc/{child}/cmdline").read_text()
        ]
        os.kill(workers[0], signal.SIGKILL)
        assert "a worker died" in last_line(process)
    assert process.returncode == 1


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_closed_pipe_is_not_told_as_a_dead_worker(finished, options):
    words = [sys.executable, "-m", "bayes_cmoe", "status", str(finished), *options]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as closed:
        done = subprocess.run(words, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_terminal_without_our_letters(finished):
    words = [sys.executable, "-m", "bayes_cmoe", "report", str(finished)]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, capture_output=True, env=ascii_only, check=False)
    assert done.returncode == 0
    assert b"distinguishable" in done.stdout
    assert b"Traceback" not in done.stderr
