"""`bayes-cmoe predict`: what a saved fit says of new rows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bayes_cmoe.commands.new_rows import new_rows
from bayes_cmoe.commands.tabular import check_seed
from bayes_cmoe.commands.words import Number, Place, Whole
from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.files.outputs import check_file_writable, whole_file
from bayes_cmoe.files.tables import check_ending, column_names, write_table
from bayes_cmoe.lazy import xr

if TYPE_CHECKING:
    from bayes_cmoe.front.origin import Origin

__all__ = ["predict"]

MOST_DRAWS = 10**5


def predict(
    fit: Place,
    new: Place,
    *,
    output: Annotated[Place, Parameter(name=["-o", "--output"])],
    calibrate: Place | None = None,
    level: Number = 0.9,
    draws: Whole = 1000,
    seed: Whole = 0,
) -> int:
    """Predict the rows of a table by a saved fit.

    A column a prediction: the expected response with the ends of its interval, or the probability
    of each class; the prompt's share; and where the table has the response, the probability that
    the row is the prompt's, its log-score and the frozen expert's.

    Parameters
    ----------
    fit
        A fit.nc of `bayes-cmoe fit -o`, or its folder.
    new
        The table: .csv, .tsv or .parquet, with the fit's inputs and frozen columns by name.
    output
        The predictions: .csv, .tsv or .parquet.
    calibrate
        A table with the response that was not fitted to: intervals and sets then hold a new
        response at the level, whatever the model is worth (split conformal prediction).
    level
        Of the intervals, 0 to 1.
    draws
        Posterior draws at most, and responses drawn for the interval.
    seed
        Seed of the random numbers.
    """
    check_seed(seed)
    if not 0 < level < 1:
        raise InputError(f"--level {level:g}: give a number between 0 and 1, such as 0.9")
    if not 1 <= draws <= MOST_DRAWS:
        raise InputError(f"--draws {draws}: give a number from 1 to {MOST_DRAWS}")
    check_ending(output)
    check_file_writable(output)
    from bayes_cmoe.front.origin import origin_of
    from bayes_cmoe.front.saved import read_fit

    tree = read_fit(fit)
    origin = origin_of(tree)
    rows = _columns(new, origin)
    held = None if calibrate is None else _columns(calibrate, origin)
    if held is not None and origin.response not in held:
        raise InputError(
            f"{calibrate}: no column {origin.response!r}: the rows to calibrate on need it"
        )
    from bayes_cmoe.front.predict import as_columns
    from bayes_cmoe.front.predict import predict as predicted

    # Whatever a library prints while it works is not the result.
    with contextlib.redirect_stdout(sys.stderr):
        found = predicted(tree, rows, calibrate=held, level=level, draws=draws, seed=seed)
    with whole_file(output) as staging:
        write_table(as_columns(found), staging)
    print(_said(found, output))
    return 0


def _columns(file: Path, origin: Origin) -> dict[str, Any]:
    """The columns that a prediction needs, and the response where there is one."""
    numeric = all(isinstance(label, int) for label in origin.labels)
    known = [origin.response] if origin.response in column_names(file) and numeric else []
    instead = "predict in Python, by bayes_cmoe.predict(tree, new, frozen=model)"
    return new_rows(file, origin, instead, known)


def _said(found: xr.Dataset, output: Path) -> str:
    said = [
        f"{found.sizes['obs']} rows predicted: {shortened(str(output))}",
        f"the prompt's share is {float(found['share'].mean()):.3f} on average",
    ]
    if "log_score" in found:
        scores: Mapping[str, Any] = {
            name: float(found[name].mean()) for name in ("log_score", "frozen_log_score")
        }
        said.append(
            f"mean log-score {scores['log_score']:.4f} nats, of the frozen expert alone "
            f"{scores['frozen_log_score']:.4f}"
        )
        said.append(f"{float(found['responsibility'].mean()):.1%} of the rows are the prompt's")
    return "\n".join(said)
