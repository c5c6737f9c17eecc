"""`bayes-cmoe compare`: run a design, set it beside the theory, write the report."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from bayes_cmoe.commands.report import WORKER_DIED, check_workers, report_of
from bayes_cmoe.commands.words import Place, Whole, recall
from bayes_cmoe.errors import InputError
from bayes_cmoe.files.outputs import check_folder_writable
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.presets import design_named

__all__ = ["compare", "run_design"]


def compare(
    design: str,
    *,
    output: Annotated[Place, Parameter(name=["-o", "--output"])],
    workers: Whole | None = None,
    cluster: str | None = None,
    retry_failed: Annotated[bool, Parameter(negative=())] = False,
    keep_draws: Whole | None = None,
) -> int:
    """Run what is not done yet of a design, and write its report.

    A run that stopped is resumed by the same command. Exit status 1 says that a worker died or the
    cluster went away, 130 (129, 143) that Ctrl-C (SIGHUP, SIGTERM) stopped the run; what was
    finished is kept.

    Parameters
    ----------
    design
        A preset (quick, regimes, distinguishable, paper-a, paper-b, paper-c, paper-d), or the TOML
        file of a design.
    output
        Folder for the fits, the report, figures and tables.
    workers
        Processes on this machine; as many as processors when left out.
    cluster
        Address of a Dask scheduler, whose workers are used instead.
    retry_failed
        Run again the chunks in which a fit failed.
    keep_draws
        Draws of each posterior that are kept with its fit, thinned evenly, so that `open_sweep`
        shows posteriors; a part of the design.
    """
    check_workers(workers)
    if workers is not None and cluster is not None:
        raise InputError("--workers and --cluster exclude each other: leave one out")
    recall(output)
    chosen = design_named(design)
    if keep_draws is not None:
        chosen = _keeping(chosen, keep_draws)
    return run_design(chosen, output, workers=workers, cluster=cluster, retry_failed=retry_failed)


def _keeping(design: Design, count: int) -> Design:
    """The design with draws kept.

    Raises
    ------
    InputError
        When it has no posteriors, or not so many draws.
    """
    if design.nuts is None:
        raise InputError(
            f"--keep-draws {count}: design {design.name!r} has no [nuts]: leave the option out"
        )
    return replace(design, nuts=replace(design.nuts, keep_draws=count))


def run_design(
    chosen: Design,
    output: Path,
    *,
    workers: int | None,
    cluster: str | None = None,
    retry_failed: bool = False,
    json: bool = False,
) -> int:
    """Run what is not done yet of a design in a folder, and write its report; the exit status.

    Parameters
    ----------
    chosen : Design
    output : Path
    workers, cluster, retry_failed
        As of `run_sweep`.
    json : bool
        Print a calibration as one JSON object instead of a table.

    Raises
    ------
    InputError
        When the folder cannot be written to or holds something else, or there is no cluster.
    KeyboardInterrupt
        With a message that says how to go on.
    """
    check_folder_writable(output)
    _check_own(output)

    from bayes_cmoe.sweep.run import StoppedError, WorkerDiedError, run_sweep

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    try:
        run_sweep(
            chosen,
            output,
            workers=workers,
            cluster=cluster,
            retry_failed=retry_failed,
            console=console,
        )
    except WorkerDiedError as error:
        print(f"bayes-cmoe: error: {error}", file=sys.stderr)
        return WORKER_DIED
    except StoppedError as error:
        raise KeyboardInterrupt(str(error)) from None
    return report_of(output, workers, json=json)


def _check_own(folder: Path) -> None:
    """Refuse a folder that holds other things than a run.

    Raises
    ------
    InputError
    """
    from bayes_cmoe.sweep.store import Store

    store = Store(folder)
    if not folder.exists() or store.design_file.exists():
        return
    # A run that was killed before its design was written, or has just begun, leaves its own files.
    held = [*folder.iterdir(), *(store.chunks.iterdir() if store.chunks.is_dir() else ())]
    if not all(store.is_own(file) for file in held):
        raise InputError(
            f"{folder}: holds other things and no sweep: give a new or an empty folder with -o"
        )
