"""`bayes-cmoe theory`: published exponents against the information bound."""

import contextlib
import json as json_format
import math
import sys
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from bayes_cmoe.commands.diagnose import diagnose
from bayes_cmoe.commands.plan import plan
from bayes_cmoe.commands.tabular import check_draws, check_seed, plain_table, print_result
from bayes_cmoe.commands.words import Sizes, Whole
from bayes_cmoe.errors import InputError
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.theory.draws import DRAWS

__all__ = ["app_commands", "theory"]

SIZES = (1e3, 1e4, 1e5, 1e6)


def theory(
    variant: str,
    *,
    regime: str | None = None,
    n: Annotated[Sizes | None, Parameter(name=["-n", "--sizes"], negative=())] = None,
    draws: Whole = DRAWS,
    seed: Whole = 0,
    learning_coefficient: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Show published exponents against the information bound and its slope.

    Parameters
    ----------
    variant
        Name of the variant; `bayes-cmoe variants` lists them.
    regime
        One regime; all of them when left out.
    n
        Sizes, once for each; 1e3, 1e4, 1e5 and 1e6 when left out.
    draws
        Monte-Carlo draws of the information.
    seed
        Seed of the random numbers.
    learning_coefficient
        Also compute each regime's learning coefficient at its truth for the smallest size, under
        the flat prior on the regime's box; up to five minutes a regime.
    json
        Print one JSON object instead of a table.
    """
    check_seed(seed)
    check_draws(draws)
    sizes = [float(size) for size in n or SIZES]
    if len(set(sizes)) < 2:
        raise InputError("-n: a slope needs two sizes at least: give -n 1e3 -n 1e5")
    chosen = variant_named(variant)
    if regime is not None:
        chosen.regime(regime)
    from bayes_cmoe.theory.report import theory as theory_of
    from bayes_cmoe.theory.report import theory_rows

    with contextlib.redirect_stdout(sys.stderr):
        table = theory_of(variant, regime, n=sorted(sizes), draws=draws, seed=seed)
    rows = theory_rows(table)
    regimes = list(dict.fromkeys(row["regime"] for row in rows))
    learnt = _learning(variant, regimes, min(sizes), seed) if learning_coefficient else {}
    if json:
        content = {"variant": table.attrs["variant"], "rows": rows}
        if learnt:
            content["learning_coefficients"] = learnt
        print(json_format.dumps(content, allow_nan=False))
        return 0
    print_result(
        f"{table.attrs['variant']}: published exponents and the information bound",
        *(_view(rows, name) for name in regimes),
        note="error ~ n^exponent, and in the worst case no estimator's falls faster than n^lower; "
        "the bound is on the RMSE, its slope over the sizes from "
        f"{min(sizes):g} to {max(sizes):g}, with its Monte-Carlo error.\n"
        "± beside a bound is its Monte-Carlo error, where it reaches the last digit shown."
        + "".join(f"\n{_learning_words(name, own)}" for name, own in learnt.items()),
    )
    return 0


def _learning(variant: str, regimes: list[str], n: float, seed: int) -> dict[str, dict[str, float]]:
    """Each regime's learning coefficient with its interval, at the largest precision."""
    from bayes_cmoe.theory.learning import learning_coefficient

    found = {}
    for name in regimes:
        with contextlib.redirect_stdout(sys.stderr):
            last = learning_coefficient(variant, name, n=n, seed=seed).isel(m=-1)
        numbers = {key: last[key].item() for key in ("coefficient", "lower", "upper", "m")}
        found[name] = {**numbers, "parameters": last.attrs["parameters"]}
    return found


def _learning_words(regime: str, own: dict[str, float]) -> str:
    return (
        f"{regime}: learning coefficient {own['coefficient']:.2f} "
        f"({own['lower']:.2f} to {own['upper']:.2f}) at a precision of {own['m']:g}, half the "
        f"number of parameters is {own['parameters'] / 2:g}"
    )


def _with_error(bound: float | None, error: float | None) -> str:
    """The bound to three digits, and its Monte-Carlo error where that reaches the third of them.

    Examples
    --------
    >>> _with_error(0.1234, 0.0001), _with_error(0.1234, 0.0009), _with_error(None, None)
    ('0.123', '0.123 ± 0.0009', '')
    """
    if bound is None or error is None:
        return ""
    shown = f"{bound:.3g}"
    unit = 10.0 ** (math.floor(math.log10(bound)) - 2) if bound > 0 else 0.0
    return shown if error < 0.5 * unit else f"{shown} ± {error:.1g}"


def _view(rows: list[dict[str, Any]], regime: str) -> Table:
    """One regime's rows."""
    own = [row for row in rows if row["regime"] == regime]
    sources = list(dict.fromkeys(row["source"] for row in own if row["source"]))
    sizes = own[0]["n"]
    view = plain_table(
        "parameter",
        "exponent",
        "lower",
        "slope",
        "±",
        f"bound, n={sizes[0]:g}",
        f"n={sizes[-1]:g}",
    )
    view.title = f"{regime}: {'; '.join(sources) or 'no published rate'}"
    boundary = next((row["boundary"] for row in own if row["boundary"]), None)
    if boundary:
        view.title += f"; can be learnt while {boundary}"
    view.title_justify = "left"
    for row in own:
        view.add_row(
            row["parameter"],
            *("" if row[name] is None else f"{row[name]:.4g}" for name in ("exponent", "lower")),
            *("" if row[name] is None else f"{row[name]:.3f}" for name in ("slope", "slope_se")),
            _with_error(row["bound"][0], row["bound_se"][0]),
            _with_error(row["bound"][-1], row["bound_se"][-1]),
        )
    return view


app_commands: dict[str, Callable[..., int]] = {
    "theory": theory,
    "plan": plan,
    "diagnose": diagnose,
}
"""The sub-commands by name, as the command line mounts them."""
