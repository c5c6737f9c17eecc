"""Run a sweep: tasks through joblib, on this machine or a Dask cluster; resumable at any point."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.rows import FAILURES
from bayes_cmoe.sweep.store import DamagedError, Store
from bayes_cmoe.sweep.worker import THREADS, limit_threads, run_task

__all__ = ["State", "StoppedError", "WorkerDiedError", "run_sweep", "state_of"]

CONNECTION_SECONDS = 10
_ADDRESS = re.compile(r"((tcp|tls|wss?|ucx)://)?(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):\d{1,5}")


class StoppedError(RuntimeError):
    """A run stopped early; what was finished is kept, and the message says how to go on."""


class WorkerDiedError(StoppedError):
    """A run stopped because a worker died; otherwise it was Ctrl-C."""


@dataclass(frozen=True)
class State:
    """How far a run is.

    Parameters
    ----------
    fits, finished, failed : int
        All fits of the design, those finished, and those of them that failed.
    statuses : dict of (str, str) to int
        Finished fits by method and status code.
    damaged : tuple of str
        One line for each chunk file that is not whole.
    """

    fits: int
    finished: int
    failed: int
    statuses: dict[tuple[str, str], int]
    damaged: tuple[str, ...]


def state_of(folder: str | Path) -> State:
    """How far the run in a folder is.

    Raises
    ------
    InputError
        When the folder holds no run.
    """
    store = Store(Path(folder))
    design = store.design()
    found: Counter[tuple[str, str]] = Counter()
    damaged = []
    for task in design.tasks():
        if store.is_done(task):
            try:
                found.update((task.method, code) for code in store.statuses(design, task))
            except DamagedError as error:
                damaged.append(str(error))
    failed = sum(count for (_, code), count in found.items() if code in FAILURES)
    return State(design.fits, found.total(), failed, dict(found), tuple(damaged))


def run_sweep(
    design: Design,
    folder: str | Path,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    retry_failed: bool = False,
    console: Console | None = None,
) -> xr.Dataset:
    """Run what is not done yet of a design, and return the whole table.

    Parameters
    ----------
    design : Design
    folder : str or Path
        Where chunks are kept; a run that stopped there is resumed.
    workers : int, optional
        Processes on this machine, each with one thread; as many as processors by default. With 1,
        everything happens in this process.
    cluster : str, optional
        Address of a Dask scheduler, whose workers are used instead.
    retry_failed : bool
        Whether to run again the chunks in which a fit failed.
    console : rich.console.Console, optional
        Where to show progress; nothing is shown when left out.

    Returns
    -------
    xarray.Dataset, see `bayes_cmoe.sweep.store.Store.collect`.

    Raises
    ------
    InputError
        When the folder cannot be written to or holds something else, or there is no cluster.
    StoppedError
        On Ctrl-C.
    WorkerDiedError
        When a worker dies.
    """
    store = Store(Path(folder))
    store.prepare(design)
    with store.locked():
        waiting = [task for task in design.tasks() if _waits(store, design, task, retry_failed)]
        if waiting:
            _run(design, store, waiting, workers, cluster, console)
    return store.collect()


def _waits(store: Store, design: Design, task: Task, retry_failed: bool) -> bool:
    if not store.is_done(task):
        return True
    codes = store.statuses(design, task)
    return retry_failed and any(code in FAILURES for code in codes)


def _run(
    design: Design,
    store: Store,
    waiting: list[Task],
    workers: int | None,
    cluster: str | None,
    console: Console | None,
) -> None:
    how = f"run the same command again to go on from there (folder {store.folder})"
    finished = design.fits - sum(task.count for task in waiting)
    with ExitStack() as stack:
        # A pool starts all its processes at once, whether there is work for them or not.
        count = min(workers or os.cpu_count() or 1, len(waiting))
        parallel = stack.enter_context(_workers(count, cluster))
        bar = stack.enter_context(_progress(console))
        shown = bar.add_task(design.name, total=design.fits, completed=finished, rate="")
        results = parallel(delayed(_named)(design, task) for task in waiting)
        stack.callback(_end, results)
        try:
            for task, table in results:
                store.write(design, task, table)
                finished += task.count
                speed = bar.tasks[0].speed
                rate = f"{speed:.1f} fits/s" if speed else ""
                bar.update(shown, advance=task.count, rate=rate)
        except KeyboardInterrupt:
            raise StoppedError(
                f"stopped: {finished} of {design.fits} fits are kept: {how}"
            ) from None
        except _deaths(cluster):
            raise WorkerDiedError(
                f"a worker died (killed, or out of memory): {finished} of {design.fits} fits are "
                f"kept: {how}, with fewer workers if memory was short"
            ) from None


def _named(design: Design, task: Task) -> tuple[Task, xr.Dataset]:
    return task, run_task(design, task)


def _end(results: Generator[Any]) -> None:
    """Call off what is still under way; after an early end joblib warns of results not used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        results.close()


@contextmanager
def _workers(count: int, cluster: str | None) -> Iterator[Parallel]:
    """Something that runs delayed calls and yields results as they are finished."""
    with ExitStack() as stack:
        if cluster is not None:
            client = _client(cluster)
            stack.callback(client.close)
            client.run(limit_threads)
            stack.enter_context(parallel_config(backend="dask", client=client))
            count = -1
        elif count > 1:
            stack.enter_context(_one_thread_each())
            stack.enter_context(warnings.catch_warnings())
            # loky renews a worker that has grown by a large size's data; nothing is lost by it.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
            stack.enter_context(parallel_config(backend="loky", inner_max_num_threads=1))
        yield Parallel(n_jobs=count, return_as="generator_unordered", batch_size=1)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that are started meanwhile begin with one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    limit_threads()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "a cluster needs Dask: pip install 'bayes-cmoe[cluster]', or leave --cluster out"
        ) from None
    if not _ADDRESS.fullmatch(address):
        # Dask would take twenty seconds and a traceback to say so.
        raise InputError(f"{address!r} is no Dask scheduler's address: write tcp://host:8786")
    try:
        # Not as the default client: xarray would then ask the cluster for leave to write a file.
        return Client(address, timeout=CONNECTION_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address!r} ({error}): start one, or check the address"
        ) from None


def _deaths(cluster: str | None) -> tuple[type[BaseException], ...]:
    """What is raised when a worker, or the whole cluster, is lost."""
    if cluster is None:
        return (TerminatedWorkerError,)
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    return (KilledWorker, CommClosedError, CancelledError)


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("fits {task.fields[rate]}"),
        TextColumn("time left"),
        TimeRemainingColumn(),
        console=console,
        disable=console is None,
    )
