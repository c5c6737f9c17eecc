"""A Dask cluster gives the same table, and its faults are said in one line each."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from distributed import Client, LocalCluster

import bayes_cmoe.sweep.cluster as clusters
import bayes_cmoe.sweep.run as run
from bayes_cmoe.commands.cli import main
from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.run import StoppedError, WorkerDiedError, run_sweep, state_of
from bayes_cmoe.sweep.store import Store
from tests.sweep.designs import BOTH, FAR, TINY, measured

PATIENCE = 120.0
LONG = Design("long", (FAR,), map=MapPlan((300, 100_000), 300))


@contextmanager
def cluster_of(workers, threads=1):
    with LocalCluster(
        n_workers=workers, threads_per_worker=threads, dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.fixture
def not_here(monkeypatch):
    """A fit in this process is then an error; processes that are started have none of it."""

    def refuse(design, task):
        raise AssertionError(f"{task.name} is run in the client")

    monkeypatch.setattr(run, "run_task", refuse)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (2, 1)])
def test_a_dask_cluster_gives_the_same_table(finished, tmp_path, not_here, workers, threads):
    with cluster_of(workers, threads) as cluster:
        table = run_sweep(BOTH, tmp_path / "run", cluster=cluster.scheduler_address)
    assert measured(table).identical(measured(Store(finished).collect()))


def once_begun(folder, act):
    """Do something to a cluster when the first chunk is there."""

    def wait():
        deadline = time.monotonic() + PATIENCE
        while not list(folder.glob("chunks/*.arrows")) and time.monotonic() < deadline:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_dask_worker_that_dies_is_made_up_for(finished, tmp_path):
    folder = tmp_path / "run"
    with cluster_of(2) as cluster:
        victim = cluster.workers[0].pid
        killer = once_begun(folder, lambda: os.kill(victim, signal.SIGKILL))
        table = run_sweep(BOTH, folder, cluster=cluster.scheduler_address)
        assert not killer.is_alive()
    assert measured(table).identical(measured(Store(finished).collect()))


def assert_one_line(capsys, code, expected, *words):
    captured = capsys.readouterr()
    said = captured.err.splitlines()
    assert code == expected, captured.err
    assert "Traceback" not in captured.err
    for word in words:
        assert word in said[-1]


def test_no_scheduler_is_said_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clusters, "CONNECTION_SECONDS", 0.5)
    words = ["compare", "quick", "-o", str(tmp_path / "run"), "--cluster", "tcp://127.0.0.1:1"]
    assert_one_line(capsys, main(words), 2, "no Dask scheduler answers")
    assert not (tmp_path / "run").exists()


def test_a_cluster_without_workers_is_said_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(clusters, "CONNECTION_SECONDS", 2)
    with cluster_of(0) as cluster:
        words = ["compare", "quick", "-o", str(tmp_path / "run")]
        code = main([*words, "--cluster", cluster.scheduler_address])
    assert_one_line(capsys, code, 2, "has no workers: start some (dask worker tcp://")
    assert not (tmp_path / "run").exists()


def test_a_worker_of_another_version_is_refused_before_anything_is_done(
    tmp_path, monkeypatch, not_here
):
    ours = clusters.versions()
    with cluster_of(1) as cluster, monkeypatch.context() as patch:
        patch.setattr(clusters, "versions", lambda: {**ours, "numpy": "1.0"})
        patch.setattr(Client, "run", lambda client, function: {"tcp://there:1": ours})
        with pytest.raises(InputError, match=r"worker tcp://there:1 has other versions .*numpy"):
            run_sweep(TINY, tmp_path / "run", cluster=cluster.scheduler_address)
    assert not (tmp_path / "run").exists()


@contextmanager
def own_cluster(tmp_path, workers=1):
    """A scheduler and workers as processes of their own; yields them and the address."""
    log = tmp_path / "scheduler.log"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    started = []
    try:
        with log.open("w") as stream:
            command = [*words, "--port", "0", "--no-dashboard", "--no-show"]
            started.append(subprocess.Popen(command, stderr=stream, stdout=stream))
        deadline = time.monotonic() + PATIENCE
        while "tcp://" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = "tcp://" + log.read_text().split("tcp://")[1].split()[0]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
        for _ in range(workers):
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen([*worker, "--nthreads", "1"], **quiet))
        yield started, address
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_scheduler_that_dies_is_said_so(tmp_path, capfd):
    folder = tmp_path / "run"
    with own_cluster(tmp_path) as (processes, address):
        once_begun(folder, processes[0].kill)
        begun = time.monotonic()
        with pytest.raises(
            WorkerDiedError, match=r"the scheduler of the cluster went away: \d+ of "
        ):
            run_sweep(LONG, folder, cluster=address)
        assert time.monotonic() - begun < PATIENCE
    assert capfd.readouterr().err == ""
    assert 0 < state_of(folder).finished < LONG.fits


@pytest.mark.slow
def test_workers_that_all_leave_are_said_so(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(clusters, "PATIENCE", 3)
    folder = tmp_path / "run"
    with own_cluster(tmp_path) as (processes, address):
        once_begun(folder, processes[1].kill)
        with pytest.raises(StoppedError, match=r"no workers for 3 seconds: \d+ of 600 fits are"):
            run_sweep(LONG, folder, cluster=address)
    assert capfd.readouterr().err == ""
    assert not state_of(folder).damaged
