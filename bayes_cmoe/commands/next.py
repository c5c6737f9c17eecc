"""`bayes-cmoe next`: which rows of a table to ask a response for."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bayes_cmoe.commands.new_rows import new_rows
from bayes_cmoe.commands.tabular import check_seed, plain_table, print_result
from bayes_cmoe.commands.words import Place, Whole, named_numbers
from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.files.outputs import check_file_writable, whole_file
from bayes_cmoe.files.tables import check_ending, write_table

if TYPE_CHECKING:
    from bayes_cmoe.theory.next_rows import NextRows

__all__ = ["next"]

MOST = 1000


def next(
    fit: Place,
    new: Place,
    *,
    parameter: str | None = None,
    wanted: str | None = None,
    rows: Annotated[Whole, Parameter(name=["-n", "--rows"])] = 10,
    seed: Whole = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
    output: Annotated[Place | None, Parameter(name=["-o", "--output"])] = None,
) -> int:
    """Say which rows of a table to ask a response for next.

    Candidates are ranked by how much the variance of what is hardest to learn would fall when
    their response is known, and a batch is chosen one row after the other, each given those before.
    A fit that is not resolved (a spike, a merged prompt) gets no ranking: it says why.

    Parameters
    ----------
    fit
        A fit.nc of `bayes-cmoe fit -o`, or its folder.
    new
        The candidates: .csv, .tsv or .parquet, with the fit's inputs and frozen columns by name.
    parameter
        What is to be known better: function (the default: the prompt's function over its own
        rows), share (the mean of the prompt's share), a parameter, an entry such as a[x1], or
        expert for all of the prompt's parameters.
    wanted
        In place of --parameter wanted standard errors, such as NAME=0.1,NAME=0.2: what is farthest
        from its wish counts.
    rows
        Rows of the batch.
    seed
        Seed of the fit's diagnosis.
    json
        Print one JSON object instead of a table.
    output
        All candidates in their order with gain, rank and place in the batch: .csv, .tsv, .parquet.
    """
    check_seed(seed)
    if not 1 <= rows <= MOST:
        raise InputError(f"--rows {rows}: give a number from 1 to {MOST}")
    if parameter is not None and wanted is not None:
        raise InputError("--parameter and --wanted: give one of them")
    wishes = None if wanted is None else named_numbers("--wanted", wanted)
    if output is not None:
        check_ending(output)
        check_file_writable(output)
    from bayes_cmoe.front.origin import origin_of
    from bayes_cmoe.front.saved import read_fit

    tree = read_fit(fit)
    origin = origin_of(tree)
    instead = "ask in Python, by bayes_cmoe.next_rows(tree, new, frozen=model)"
    table = new_rows(new, origin, instead)
    from bayes_cmoe.front.next_rows import next_rows

    # Whatever a library prints while it works is not the result.
    with contextlib.redirect_stdout(sys.stderr):
        found = next_rows(tree, table, parameter=parameter, wanted=wishes, rows=rows, seed=seed)
    inputs = {name: table[name] for name in origin.features}
    if output is not None:
        told = {name: found[name].to_numpy() for name in ("gain", "first_order", "rank", "batch")}
        with whole_file(output) as staging:
            write_table({**inputs, **told}, staging)
        print(f"wrote {shortened(str(output))}", file=sys.stderr)
    if json:
        print(json_format.dumps(_record(found), allow_nan=False))
    else:
        _show(found, inputs)
    return 0


def _record(found: NextRows) -> dict[str, Any]:
    own = found.attrs
    return {
        **{name: own[name] for name in ("parameter", "standard_error", "variance", "binding")},
        "candidates": found.sizes["obs"],
        "batch": [
            {
                "row": int(row) + 1,
                "gain": float(found["gain"][row]),
                "first_order": float(found["first_order"][row]),
                "rank": int(found["rank"][row]),
                "standard_error": float(after),
            }
            for row, after in zip(
                found["chosen"].to_numpy(), found["standard_error"].to_numpy(), strict=True
            )
        ],
    }


def _show(found: NextRows, inputs: dict[str, Any]) -> None:
    own, name = found.attrs, found.attrs["parameter"]
    view = plain_table(
        "next", "row", *inputs, "alone it takes off the variance", f"error of {name} then"
    )
    pairs = zip(found["chosen"].to_numpy(), found["standard_error"].to_numpy(), strict=True)
    for place, (row, after) in enumerate(pairs, 1):
        values = [f"{column[row]:.4g}" for column in inputs.values()]
        share = float(found["gain"][row]) / own["variance"]
        view.add_row(str(place), str(row + 1), *values, f"{share:.2%}", f"{after:.4g}")
    print_result(
        f"{found.sizes['obs']} candidates; {name} has the standard error "
        f"{own['standard_error']:.4g}",
        view,
        note=f"it is hardest to learn along {own['binding']}\n"
        "(each entry in units of its standard error); rows are counted from 1, and each is chosen "
        "given those before",
    )
