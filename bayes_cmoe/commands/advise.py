"""`bayes-cmoe advise`: rows that each form of the prompt would need, before any label is known."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns, split_names
from bayes_cmoe.commands.tabular import check_seed, plain_table, print_result
from bayes_cmoe.commands.words import Place, Whole, named_numbers, number_of, range_of
from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.files.columns import check_not_constant
from bayes_cmoe.files.tables import column_names, read_table
from bayes_cmoe.parts.data import Data
from bayes_cmoe.study.variant import Variant, variant_named

if TYPE_CHECKING:
    from bayes_cmoe.theory.advice import Advice

__all__ = ["advise"]

FUNCTION = "function"
MOST_TRUTHS = 1000


def advise(
    data: Place,
    *,
    x: Annotated[list[str], Parameter(name=["-x", "--features"], negative=())],
    frozen: FrozenColumns = NOT_STATED,
    variant: str | None = None,
    experts: Annotated[list[str] | None, Parameter(negative=())] = None,
    gate: str | None = None,
    error: str = "0.1",
    share: str = "0.1,0.5",
    shift: str = "0.5,2",
    spread: str = "0.5,1.5",
    steepness: str = "0,1",
    truths: Whole = 24,
    seed: Whole = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Say how many rows each form of the prompt would need, before any label.

    By the information bound at truths drawn from what is believed of the new task, since the truth
    is not known. Where a form is not told from the frozen expert with so many rows, it says so and
    gives the modulus of continuity in place of a promise.

    Parameters
    ----------
    data
        The new task's inputs: .csv, .tsv or .parquet; no response is looked at.
    x
        Columns of the inputs, separated by commas.
    variant
        softmax_contaminated for numbers and multinomial_contaminated for classes when left out.
    experts
        Forms separated by commas: linear, tanh, sigmoid, gelu, relu, each also with -nobias behind,
        low-rank-2 (linear in two principal components of the inputs), or one of your own.
    gate
        Name of a gate, where the variant leaves a choice.
    error
        Wanted root mean squared error: of the prompt's function over its rows, in standard
        deviations of the frozen expert (in logits for classes), or by name, such as
        function=0.1,share=0.05.
    share
        What is believed of the prompt's mean share: two numbers, or one that is certain.
    shift
        Of the distance between its function and the point of its form nearest to the frozen expert,
        in standard deviations of the latter (in logits for classes).
    spread
        Of its standard deviation, in units of the frozen expert's.
    steepness
        Of the standard deviation over the rows of the gate's log-odds.
    truths
        How many truths are drawn.
    seed
        Seed of the random numbers.
    json
        Print one JSON object instead of a table.
    """
    check_seed(seed)
    if not 1 <= truths <= MOST_TRUTHS:
        raise InputError(f"--truths {truths}: give a number from 1 to {MOST_TRUTHS}")
    ranges = {
        name: range_of(f"--{name}", text)
        for name, text in (
            ("share", share), ("shift", shift), ("spread", spread), ("steepness", steepness)
        )
    }  # fmt: skip
    wanted = {FUNCTION: error} if number_of(error) is not None else None
    errors = named_numbers("--error", error if wanted is None else f"{FUNCTION}={error}")
    chosen = variant_named(_usual(frozen) if variant is None else variant)
    if not chosen.frozen:
        raise InputError(f"{chosen.name} has no frozen expert: choose a contaminated variant")
    frozen.check(chosen.response)
    forms = None if experts is None else split_names("--experts", experts)
    rows, known = _read(data, x, frozen, chosen)
    from bayes_cmoe.front.advise import advise_at
    from bayes_cmoe.theory.plausible import Beliefs

    beliefs = Beliefs(**ranges)
    # Whatever a library prints while it works is not the result.
    with contextlib.redirect_stdout(sys.stderr):
        found = advise_at(
            rows, known, chosen,
            experts=forms, gate=gate, error=errors, beliefs=beliefs, truths=truths, seed=seed,
        )  # fmt: skip
    if json:
        print(json_format.dumps({**_record(found), "beliefs": ranges}, allow_nan=False))
    else:
        _show(found, rows)
    return 0


def _usual(frozen: FrozenColumns) -> str:
    """The variant for what the frozen expert predicts."""
    if frozen.probs is not None:
        return "multinomial_contaminated"
    if frozen.arguments:
        raise InputError("--frozen-arguments: name a variant for that response by --variant")
    return "softmax_contaminated"


def _read(data: Place, x: list[str], frozen: FrozenColumns, variant: Variant) -> tuple[Data, Any]:
    inputs = split_names("-x", x)
    header = column_names(data) if frozen.constants else ()
    table = read_table(data, [*inputs, *frozen.needed(header)])
    for name in inputs:
        check_not_constant(table, name)
    classes = len(frozen.names) if frozen.probs is not None else None
    matrix = table.matrix(inputs)
    rows = Data(matrix, np.zeros(len(matrix)), inputs, classes)
    return rows, frozen.read(table, variant.response)


def _record(found: Advice) -> dict[str, Any]:
    def plain(value: Any) -> float | None:
        return float(value) if np.isfinite(value) else None

    forms = []
    for name in found.forms:
        own = found.sel(form=name)
        forms.append(
            {
                "form": name,
                "homogeneous": bool(own["homogeneous"]),
                "distance": plain(own["distance"]),
                "standing": str(own["standing"].item()),
                "advice": str(own["advice"].item()),
                "needed": {
                    f"{float(level):g}": plain(own["needed"].sel(quantile=level))
                    for level in own["quantile"].to_numpy()
                },
                "modulus": {
                    str(what): plain(own["modulus"].sel(moved=what))
                    for what in own["moved"].to_numpy()
                },
                "rows": {
                    str(what): [plain(rows) for rows in own["rows"].sel(wanted=what).to_numpy()]
                    for what in own["wanted"].to_numpy()
                },
            }
        )
    errors = zip(found["wanted"].to_numpy(), found["error"].to_numpy(), strict=True)
    return {
        "wanted": {str(name): float(error) for name, error in errors},
        "gate": found.attrs["gate"],
        "truths": found.sizes["truth"],
        "seed": found.attrs["seed"],
        "forms": forms,
    }


def _show(found: Advice, rows: Data) -> None:
    from bayes_cmoe.theory.advice import count_in_words

    view = plain_table(
        "form", "beside f0", "median truth", "9 in 10", "worst", "share resolved from"
    )
    for name in found.forms:
        own = found.sel(form=name)
        needed = [
            "-" if np.isnan(level) else count_in_words(level) for level in own["needed"].to_numpy()
        ]
        known = own["resolved"].to_numpy()
        middle = count_in_words(np.nanmedian(known)) if not np.isnan(known).all() else "-"
        kind = "homogeneous" if bool(own["homogeneous"]) else "heterogeneous"
        view.add_row(name, kind, *needed, middle)
    errors = zip(found["wanted"].to_numpy(), found["error"].to_numpy(), strict=True)
    wanted = ", ".join(f"{name} to {float(error):g}" for name, error in errors)
    print_result(
        f"rows for {wanted}, by the information bound at {found.sizes['truth']} plausible truths; "
        f"{rows.n} inputs {shortened(', '.join(rows.features))}",
        view,
        note="\n".join(f"- {text}" for text in found["advice"].to_numpy())
        + "\nthe truth is not known: these are draws of what is believed of it. Fewer rows say that"
        " a form is cheaper to learn, and not that it can say what is new",
    )
