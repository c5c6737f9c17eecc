"""`bayes-cmoe report`: the report of a run again, from what it has finished."""

from __future__ import annotations

import json as json_format
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from bayes_cmoe.commands.words import Place, Whole, program, recall
from bayes_cmoe.errors import InputError
from bayes_cmoe.files.outputs import check_folder_writable
from bayes_cmoe.lazy import xr

if TYPE_CHECKING:
    from bayes_cmoe.sweep.design import Design

__all__ = ["WORKER_DIED", "check_workers", "report", "report_of"]

PIPE_WIDTH = 160
MOST_WORKERS = 1024
WORKER_DIED = 1
"""Exit status."""


def report(
    folder: Place,
    *,
    workers: Whole | None = None,
    latex: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Rebuild the report of a run from its finished fits; the run need not be at its end.

    Parameters
    ----------
    folder
        Folder of the run, as given to `compare` with -o.
    workers
        Processes for the information bounds, where they are not there yet; as many as processors
        when left out.
    latex
        Write the tables as LaTeX and the figures as PDF, too.
    """
    check_workers(workers)
    recall(folder)
    return report_of(folder, workers, latex=latex)


def check_workers(workers: int | None) -> None:
    """Refuse a number of processes that makes no sense."""
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"--workers {workers}: give a number from 1 to {MOST_WORKERS}")


def report_of(folder: Path, workers: int | None, *, json: bool = False, latex: bool = False) -> int:
    """Write the report of the run in a folder, and print its rates; the exit status.

    Parameters
    ----------
    folder : Path
    workers : int, optional
        Processes for the information bounds.
    json : bool
        Print a calibration as one JSON object instead of a table.
    latex : bool
        Write a sweep's tables as LaTeX and its figures as PDF, too.

    Raises
    ------
    InputError
        When the folder holds no run or cannot be written to, no fit is finished, or a chunk file is
        damaged.
    KeyboardInterrupt
        With a message that says how to go on.
    """
    from bayes_cmoe.sweep.store import Store

    store = Store(folder)
    design = store.design()
    check_folder_writable(folder)
    table = store.collect()
    if design.calibrate is not None:
        if latex:
            raise InputError("--latex is for sweeps, and this is a calibration: leave it out")
        return _calibration_of(design, table, folder, json)

    from bayes_cmoe.compiled.private import dead_worker_error
    from bayes_cmoe.report.comparison import compare
    from bayes_cmoe.report.finding import finding
    from bayes_cmoe.report.sweep_files import write_report
    from bayes_cmoe.report.sweep_summary import summary_tables
    from bayes_cmoe.sweep.bounds import all_bounds
    from bayes_cmoe.sweep.rounds import pending

    again = shlex.join([*program(), "report", str(folder)])
    said = Console(stderr=True, markup=False, highlight=False, emoji=False)
    try:
        with said.status("computing the information bounds"):
            bounds = all_bounds(design, folder, workers or os.cpu_count() or 1)
        with said.status("comparing and drawing"):
            done = {task for task in design.tasks() if store.is_done(task)}
            waiting = pending(design, store, done, bounds)
            comparison = compare(table, design, bounds, waiting)
            write_report(comparison, folder, latex=latex)
    except dead_worker_error():
        print(
            "bayes-cmoe: error: a worker died (killed, or out of memory) before the report was "
            f"written: all finished fits are kept: {again} --workers 1 makes it",
            file=sys.stderr,
        )
        return WORKER_DIED
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped before the report was written: all finished fits are kept: {again} makes it"
        ) from None

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        # A file or a pipe has no width to keep to.
        console.width = PIPE_WIDTH
    for view in summary_tables(comparison):
        console.print(view)
    for sentence in finding(comparison) or ["no regime has two sizes yet, so there is no rate"]:
        print(sentence)
    if waiting:
        finished = table.sizes["fit"]
        total = finished + sum(task.count for task in waiting)
        console.print(f"not finished: {finished} of {total} fits")
    print(f"wrote {folder / 'report.html'}, with figures and tables beside it", file=sys.stderr)
    return 0


def _calibration_of(design: Design, table: xr.Dataset, folder: Path, json: bool) -> int:
    """Write the page of a calibration, and print its table; the exit status."""
    from bayes_cmoe.report.calibration import calibrated
    from bayes_cmoe.report.calibration_page import (
        calibration_record,
        calibration_table,
        verdict_of,
        write_calibration,
    )

    found = calibrated(design, table)
    write_calibration(found, folder)
    print(f"wrote {folder / 'report.html'}, with figures and tables beside it", file=sys.stderr)
    if json:
        print(json_format.dumps(calibration_record(found), allow_nan=False))
        return 0
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    console.print(calibration_table(found))
    console.print(verdict_of(found))
    return 0
