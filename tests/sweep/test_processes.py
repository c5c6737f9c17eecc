"""The same table from one process and several, whatever is killed on the way."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.presets import read_design
from bayes_cmoe.sweep.run import run_sweep, state_of
from bayes_cmoe.sweep.store import Store
from tests.sweep.designs import BOTH, TINY, measured

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from bayes_cmoe.sweep.run import StoppedError, run_sweep
from tests.sweep.designs import BOTH
try:
    run_sweep(BOTH, sys.argv[1], workers=int(sys.argv[2]))
except StoppedError as error:
    print(error, file=sys.stderr)
    sys.exit(130)
"""
PATIENCE = 300.0


def sweeping(folder, workers):
    return [sys.executable, "-c", PROGRAM, str(folder), str(workers)]


@contextmanager
def started(command):
    """A sweep in a session of its own, which is ended whatever happens.

    It takes SIGHUP as from a terminal, even where these tests themselves were started by nohup.
    """
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
        signal.signal(signal.SIGHUP, before)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_chunks(folder, count, process):
    deadline = time.monotonic() + PATIENCE
    while len(list(Path(folder).glob("chunks/*.arrows"))) < count:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers_of(parent):
    """Processes that joblib started for a parent and that do the work."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_text()
            if int(after_name[1]) == parent and "LokyProcess" in command:
                found.append(int(status.parent.name))
    return found


def assert_resumes(folder, finished, workers=1):
    assert not state_of(folder).damaged
    resumed = run_sweep(BOTH, folder, workers=workers)
    assert measured(resumed).identical(measured(Store(finished).collect()))


def test_two_processes_give_the_table_of_one(finished, tmp_path):
    together = run_sweep(BOTH, tmp_path / "run", workers=2)
    assert measured(together).identical(measured(Store(finished).collect()))


def test_a_killed_run_resumes_to_the_same_table(finished, tmp_path):
    folder = tmp_path / "run"
    with started(sweeping(folder, 1)) as process:
        wait_for_chunks(folder, 2, process)
        process.kill()
        process.wait()
    assert 0 < state_of(folder).finished < BOTH.fits
    assert_resumes(folder, finished)


@pytest.mark.slow
def test_ctrl_c_ends_a_run_of_two_processes_with_a_message(finished, tmp_path):
    folder = tmp_path / "run"
    with started(sweeping(folder, 2)) as process:
        wait_for_chunks(folder, 2, process)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "fits are kept: run the same command again" in said
    assert "Traceback" not in said
    assert_resumes(folder, finished)


@pytest.mark.slow
def test_a_killed_worker_ends_the_run_with_a_message(finished, tmp_path):
    folder = tmp_path / "run"
    with started(sweeping(folder, 2)) as process:
        wait_for_chunks(folder, 1, process)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "a worker died" in said
    assert_resumes(folder, finished)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing_and_repeat_nothing(finished, tmp_path):
    folder, rng = tmp_path / "run", np.random.default_rng(1)
    for attempt in range(20):
        with started(sweeping(folder, 1 + attempt % 2)) as process:
            # Most of a start is import and compilation; a chunk comes every few tenths of a second.
            with suppress(subprocess.TimeoutExpired):
                process.wait(float(rng.uniform(2.0, 12.0)))
            victims = workers_of(process.pid) if attempt % 3 == 0 else []
            with suppress(ProcessLookupError):
                os.kill(victims[0] if victims else process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
    assert_resumes(folder, finished)
    assert len(list(folder.glob("chunks/*"))) == len(list(BOTH.tasks()))


def processes_of(session):
    """All processes of a session that `started` began, but those that have ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = status.read_text().rpartition(")")[2].split()
            if int(after_name[3]) == session and after_name[0] != "Z":
                found.append(int(status.parent.name))
    return found


def command_line(folder, tmp_path):
    file = tmp_path / "long.toml"
    file.write_text(LONG, encoding="utf-8")
    return [sys.executable, "-m", "bayes_cmoe", "compare", file, "-o", folder, "--workers", "2"]


LONG = """
name = "long"
regimes = ["constant_contaminated/distinguishable"]

[map]
sizes = [300, 100_000]
replications = 600
"""
SOON = 30.0
"""Seconds within which no process may be left, on a busy machine too: orphans lived for minutes."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)]
)
def test_no_process_outlives_a_signal_to_its_parent(tmp_path, number, code):
    folder = tmp_path / "run"
    with started(command_line(folder, tmp_path)) as process:
        wait_for_chunks(folder, 1, process)
        assert len(workers_of(process.pid)) == 2
        os.kill(process.pid, number)
        begun = time.monotonic()
        # The session's own number stays with its processes when the first has ended.
        while processes_of(process.pid) and time.monotonic() < begun + 60.0:
            process.poll()
            time.sleep(0.1)
        assert time.monotonic() - begun < SOON
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert "fits are kept: run the same command again" in said.splitlines()[-1]
    state = state_of(folder)
    assert not state.damaged
    assert 0 < state.finished < state.fits


@pytest.mark.slow
def test_nohup_keeps_a_run_alive(tmp_path):
    folder = tmp_path / "run"
    with started(["nohup", *command_line(folder, tmp_path)]) as process:
        wait_for_chunks(folder, 1, process)
        os.kill(process.pid, signal.SIGHUP)
        count = len(list(folder.glob("chunks/*.arrows")))
        wait_for_chunks(folder, count + 3, process)


@pytest.mark.slow
def test_of_two_designs_that_begin_at_once_one_has_the_folder(tmp_path):
    texts = [LONG.replace("600", "2"), LONG.replace("600", "3").replace("100_000", "500")]
    files = [tmp_path / f"{i}.toml" for i in range(2)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    for attempt in range(2):
        folder = tmp_path / f"run{attempt}"
        words = [sys.executable, "-m", "bayes_cmoe", "compare"]
        both = [
            subprocess.Popen([*words, file, "-o", folder, "--workers", "1"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for file in files
        ]  # fmt: skip
        said = [process.communicate(timeout=PATIENCE)[1] for process in both]
        codes = [process.returncode for process in both]
        assert sorted(codes) == [0, 2], said
        winner, loser = codes.index(0), codes.index(2)
        assert Store(folder).design().hash == read_design(files[winner]).hash
        assert Store(folder).collect().sizes["fit"] == read_design(files[winner]).fits
        last = said[loser].splitlines()[-1]
        assert "another run is at work there" in last or "holds a run of another design" in last


def test_a_run_that_finds_a_design_written_meanwhile_is_refused(tmp_path, monkeypatch):
    """The moment between the look for a design and the write: both happen under one lock."""
    folder = tmp_path / "run"
    begun: list[str] = []

    def second(store, design):
        if not begun:
            begun.append(design)
            with pytest.raises(InputError, match="another run is at work there"):
                run_sweep(TINY, folder, workers=1)

    monkeypatch.setattr(Store, "_check_names", second)
    with Store(folder).opened(BOTH):
        assert begun == [BOTH]
    assert Store(folder).design() == BOTH


def test_a_worker_ends_when_its_parent_is_gone():
    """Also one whose parent went before it could look."""
    program = """
import os, sys, time
from bayes_cmoe.sweep.parent import end_with
child = os.fork()
if child == 0:
    middle = os.getpid()
    if os.fork() == 0:
        if sys.argv[1] == "late":
            time.sleep(0.5)
        end_with(middle)
        time.sleep(600)
        os._exit(0)
    time.sleep(0.2)
    os._exit(0)
os.waitpid(child, 0)
"""
    for when in ("early", "late"):
        words = [sys.executable, "-c", program, when]
        # The pipe is closed when the last process that holds it has ended.
        subprocess.run(words, stdout=subprocess.PIPE, cwd=ROOT, check=True, timeout=PATIENCE)
