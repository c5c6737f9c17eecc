"""`bayes-cmoe plan`: rows for a wanted error, or the error at a number of rows."""

import contextlib
import json as json_format
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from bayes_cmoe.commands.tabular import check_seed, plain_table, print_result, record_of
from bayes_cmoe.errors import InputError
from bayes_cmoe.theory.information import DRAWS
from bayes_cmoe.theory.planner import plan as plan_of

__all__ = ["plan"]


def plan(
    variant: str,
    *,
    regime: str,
    parameter: str = "expert",
    error: float | None = None,
    n: Annotated[float | None, Parameter(name=["-n", "--rows"])] = None,
    at: float | None = None,
    truth: str | None = None,
    alpha: float | None = None,
    gamma: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
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
    given = None if truth is None else _parsed(truth)
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


def _parsed(text: str) -> dict[str, Any]:
    try:
        given = json_format.loads(text)
    except json_format.JSONDecodeError as error:
        raise InputError(
            f"--truth is not JSON ({error}): give for example '{{\"lam\": 0.2}}'"
        ) from None
    if not isinstance(given, dict):
        raise InputError("--truth: give an object of parameters, for example '{\"lam\": 0.2}'")
    return given
