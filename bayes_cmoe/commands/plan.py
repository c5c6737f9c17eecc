"""`bayes-cmoe plan`: rows for a wanted error, or the error at a number of rows."""

import contextlib
import json as json_format
import math
import sys
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from bayes_cmoe.commands.tabular import (
    check_draws,
    check_seed,
    plain_table,
    print_result,
    record_of,
)
from bayes_cmoe.commands.words import Exponent, Number, Rows, Whole
from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.theory.draws import DRAWS

__all__ = ["plan"]

EXAMPLE = "'{\"NAME\": 0.2}'"


def plan(
    variant: str,
    *,
    regime: str,
    parameter: str = "expert",
    error: Number | None = None,
    n: Annotated[Rows | None, Parameter(name=["-n", "--rows"])] = None,
    at: Rows | None = None,
    truth: str | None = None,
    alpha: Exponent | None = None,
    gamma: Exponent | None = None,
    draws: Whole = DRAWS,
    seed: Whole = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Say how many rows a wanted error needs, or what error a number of rows gives.

    Parameters
    ----------
    variant
        Name of the variant.
    regime
        Name of the regime, which gives the experts and the truth.
    parameter
        A parameter's name, exp_tau, or expert for the joint norm of the expert's.
    error
        Wanted root mean squared error of the parameter.
    n
        Number of rows.
    at
        Hold the truth fixed where the regime has it at this size.
    truth
        Parameters of the truth to replace, as JSON, such as '{"lam": 0.2}'.
    alpha
        Another exponent of the vanishing share than the regime's own.
    gamma
        Another exponent of the merging prompt than the regime's own.
    draws
        Monte-Carlo draws of the information.
    seed
        Seed of the random numbers.
    json
        Print one JSON object instead of a table.
    """
    check_seed(seed)
    check_draws(draws)
    given = None if truth is None else _parsed(truth)
    variant_named(variant).regime(regime)
    from bayes_cmoe.theory.planner import plan as plan_of

    with contextlib.redirect_stdout(sys.stderr):
        found = plan_of(
            variant,
            regime,
            parameter=parameter,
            error=error,
            n=n,
            at=at,
            truth=given,
            alpha=alpha,
            gamma=gamma,
            draws=draws,
            seed=seed,
        )
    if json:
        print(json_format.dumps(record_of(found), allow_nan=False))
        return 0
    view = plain_table("parameter", "error (bound on the RMSE)")
    for name in found.parameter.values:
        own = found.sel(parameter=name)
        view.add_row(str(name), f"{float(own.bound):.4g} ± {float(own.bound_se):.1g}")
    margin = f" ± {found.attrs['n_se']:.2g}" if found.attrs["n_se"] else ""
    truth_text = ", ".join(
        f"{label} = {value:.4g}"
        for label, value in zip(found.entry.values, found.truth.values, strict=True)
    )
    rows = f"n = {found.attrs['n']:.6g}{margin} rows"
    advice = found.attrs["advice"]
    print_result(
        f"{variant}, {regime}: {f'the bound alone at {rows}' if advice else rows}",
        view,
        note=(f"{advice}\n" if advice else "") + f"truth: {truth_text}\n"
        f"{parameter} is hardest to learn along {found.attrs['binding']}\n"
        "(each entry in units of its error were the others known)",
    )
    return 0


def _parsed(text: str) -> dict[str, NDArray]:
    """The parameters that a JSON object gives: finite numbers, each name once."""
    try:
        # Whole numbers as floats: Python refuses to read one of many thousand digits.
        given = json_format.loads(text, object_pairs_hook=_object, parse_int=float)
    except (json_format.JSONDecodeError, RecursionError) as error:
        reason = str(error) if isinstance(error, ValueError) else "nested too deep"
        raise InputError(f"--truth is not JSON ({reason}): give for example {EXAMPLE}") from None
    if not isinstance(given, dict):
        raise InputError(f"--truth: give an object of parameters, for example {EXAMPLE}")
    return {name: _numbers(name, value) for name, value in given.items()}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("--truth: a parameter is given twice: give each once")
    return found


def _numbers(name: str, value: Any) -> NDArray:
    def plain(entry: Any) -> bool:
        if isinstance(entry, list):
            return all(map(plain, entry))
        return isinstance(entry, float) and math.isfinite(entry)

    try:
        if plain(value):
            return np.asarray(value, dtype=float)
    except (ValueError, RecursionError):  # rows of several lengths, or nested too deep
        pass
    raise InputError(
        f"--truth: {shortened(name)} is no number and no array of numbers: give for example "
        f"{EXAMPLE}"
    )
