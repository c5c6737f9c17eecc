"""The same table from one process, several and a cluster, whatever is killed on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.run import run_sweep, state_of
from bayes_cmoe.sweep.store import Store
from tests.sweep.designs import BOTH, measured

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


@contextmanager
def started(folder, workers):
    """A sweep in a process group of its own, which is ended whatever happens."""
    command = [sys.executable, "-c", PROGRAM, str(folder), str(workers)]
    with subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True
    ) as process:
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
    with started(folder, 1) as process:
        wait_for_chunks(folder, 2, process)
        process.kill()
        process.wait()
    assert 0 < state_of(folder).finished < BOTH.fits
    assert_resumes(folder, finished)


@pytest.mark.slow
def test_ctrl_c_ends_a_run_of_two_processes_with_a_message(finished, tmp_path):
    folder = tmp_path / "run"
    with started(folder, 2) as process:
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
    with started(folder, 2) as process:
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
        with started(folder, 1 + attempt % 2) as process:
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


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_table(finished, tmp_path):
    from distributed import LocalCluster

    folder = tmp_path / "run"
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        table = run_sweep(BOTH, folder, cluster=cluster.scheduler_address)
    assert measured(table).identical(measured(Store(finished).collect()))


@pytest.mark.slow
def test_a_dask_worker_that_dies_is_made_up_for(finished, tmp_path):
    from distributed import LocalCluster

    folder = tmp_path / "run"
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        victim = cluster.workers[0].pid

        def kill_early():
            while not list(folder.glob("chunks/*.arrows")):
                time.sleep(0.02)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill_early, daemon=True)
        killer.start()
        table = run_sweep(BOTH, folder, cluster=cluster.scheduler_address)
        assert not killer.is_alive()
    assert measured(table).identical(measured(Store(finished).collect()))


def test_no_scheduler_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr("bayes_cmoe.sweep.cluster.CONNECTION_SECONDS", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        run_sweep(BOTH, tmp_path / "run", cluster="tcp://127.0.0.1:1")
