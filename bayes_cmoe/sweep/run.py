"""Run a sweep: tasks through joblib, on this machine or a Dask cluster; resumable at any point."""

import os
from collections import Counter
from collections.abc import Generator, Mapping, Set
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bayes_cmoe.compiled.private import dead_worker_error
from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.agreement import (
    check_truths,
    check_versions,
    moved_truths,
    other_versions,
    strangers,
)
from bayes_cmoe.sweep.bounds import all_bounds, kept_bounds
from bayes_cmoe.sweep.cluster import ClusterLostError, WorkerLostError, connected, over_cluster
from bayes_cmoe.sweep.design import Design, Task, fits_of
from bayes_cmoe.sweep.processes import over_processes
from bayes_cmoe.sweep.provenance import difference, truth_of, versions
from bayes_cmoe.sweep.rounds import pending
from bayes_cmoe.sweep.rows import FAILURES
from bayes_cmoe.sweep.store import DamagedError, ForeignError, Store
from bayes_cmoe.sweep.worker import limit_threads, run_task

__all__ = ["State", "StoppedError", "WorkerDiedError", "run_sweep", "state_of"]


class StoppedError(RuntimeError):
    """A run stopped early; what was finished is kept, and the message says how to go on."""


class WorkerDiedError(StoppedError):
    """A run stopped because a worker died or the cluster went away; otherwise it was Ctrl-C."""


@dataclass(frozen=True)
class State:
    """How far a run is.

    Parameters
    ----------
    waiting : dict of str to int
        Fits that are still to come, as far as is known, by method.
    finished, failed : int
        Fits that are finished, and those of them that failed.
    statuses : dict of (str, str) to int
        Finished fits by method and status code.
    damaged : tuple of str
        One line for each chunk file that is not as it was written.
    foreign : tuple of str
        One line for each chunk file that another design, version or truth made.
    other_versions : str
        What of the versions that made the chunks is not here; empty when all is.
    moved_truths : str
        Settings whose truth, box or frozen expert changed since; empty when none did.
    """

    waiting: dict[str, int]
    finished: int
    failed: int
    statuses: dict[tuple[str, str], int]
    damaged: tuple[str, ...]
    foreign: tuple[str, ...]
    other_versions: str
    moved_truths: str

    @property
    def fits(self) -> int:
        """All fits that are needed, as far as is known."""
        return self.finished + sum(self.waiting.values())


def state_of(folder: str | Path) -> State:
    """How far the run in a folder is.

    Raises
    ------
    InputError
        When the folder holds no run.
    """
    store = Store(Path(folder))
    design = store.design()
    whole, damaged, foreign = {}, [], []
    for task in design.tasks():
        if store.is_done(task):
            try:
                whole[task] = store.chunk(design, task, ("status",))
            except DamagedError as error:
                damaged.append(str(error))
            except ForeignError as error:
                foreign.append(str(error))
    strange = strangers(whole)
    foreign += [f"{store.chunks / line}" for line in strange.values()]
    own = {task: chunk for task, chunk in whole.items() if task not in strange}
    found = Counter((task.method, code) for task, chunk in own.items() for code in chunk.statuses)
    failed = sum(count for (_, code), count in found.items() if code in FAILURES)
    waiting = pending(design, store, set(own), kept_bounds(design, store.folder))
    to_come = dict.fromkeys(design.plans, 0) | fits_of(waiting)
    return State(
        to_come, found.total(), failed, dict(found), tuple(damaged), tuple(foreign),
        other_versions(own), moved_truths(design, own),
    )  # fmt: skip


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
    with ExitStack() as stack:
        # Before a folder is made: one for which there is no cluster is not left behind.
        client = (
            stack.enter_context(connected(cluster, limit_threads)) if cluster is not None else None
        )
        stack.enter_context(store.opened(design))
        finished = store.finished(design, ("status",))
        check_truths(store.folder, design, finished)
        kept = {
            task
            for task, chunk in finished.items()
            if not retry_failed or not any(code in FAILURES for code in chunk.statuses)
        }
        bounds = {}
        if design.until is not None:
            bounds = all_bounds(design, store.folder, workers or os.cpu_count() or 1)
        while waiting := pending(design, store, kept, bounds):
            check_versions(store.folder, finished)
            _run(design, store, waiting, kept, workers, client, console)
            kept |= set(waiting)
    return store.collect()


def _run(
    design: Design,
    store: Store,
    waiting: list[Task],
    kept: Set[Task],
    workers: int | None,
    client: Any,
    console: Console | None,
) -> None:
    how = f"run the same command again to go on from there (folder {store.folder})"
    finished = sum(task.count for task in kept)
    total = finished + sum(task.count for task in waiting)
    truths = {setting: truth_of(design, setting) for setting in design.settings}
    calls = [(design, task, versions(), truths[task.setting]) for task in waiting]
    with ExitStack() as stack:
        results: Generator[Any]
        if client is None:
            # A pool starts all its processes at once, whether there is work for them or not.
            count = min(workers or os.cpu_count() or 1, len(waiting))
            results = stack.enter_context(over_processes(count, _measured, calls))
        else:
            results = over_cluster(client, _measured_alone, calls)
            stack.callback(results.close)
        bar = stack.enter_context(_progress(console))
        shown = bar.add_task(design.name, total=total, completed=finished, rate="")
        try:
            for task, table in results:
                store.write(design, task, table)
                finished += task.count
                speed = bar.tasks[0].speed
                rate = f"{speed:.1f} fits/s" if speed else ""
                bar.update(shown, advance=task.count, rate=rate)
        except KeyboardInterrupt:
            raise StoppedError(f"stopped: {finished} of {total} fits are kept: {how}") from None
        except (dead_worker_error(), WorkerLostError):
            raise WorkerDiedError(
                f"a worker died (killed, or out of memory): {finished} of {total} fits are "
                f"kept: {how}, with fewer workers if memory was short"
            ) from None
        except ClusterLostError as error:
            raise WorkerDiedError(
                f"{error}: {finished} of {total} fits are kept: start the cluster again, then {how}"
            ) from None


def _measured(
    design: Design, task: Task, made: Mapping[str, str], truth: str
) -> tuple[Task, xr.Dataset]:
    """A task's table, from a worker that has the versions and the truth that the run has."""
    differing = difference(versions(), made)
    if differing or truth_of(design, task.setting) != truth:
        what = differing or f"another truth, box or frozen expert of {task.setting.label}"
        raise InputError(f"a worker has other versions than the run ({what}): install the same")
    return task, run_task(design, task)


def _measured_alone(*arguments: Any) -> tuple[Task, xr.Dataset]:
    """The same on a cluster's worker, which may have come after the others were prepared."""
    limit_threads()
    return _measured(*arguments)


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
