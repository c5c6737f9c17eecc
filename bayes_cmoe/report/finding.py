"""What a sweep found, in plain sentences."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.sweep_parts import KINDS, PLACES, kind_of, leading
from bayes_cmoe.study.losses import LOSS
from bayes_cmoe.sweep.verdicts import MOST, two_digits

__all__ = ["finding"]

FEW = 10
"""Data sets from which intervals are still rough."""
NAMES = {"map": "the MAP's error", "nuts": "the posterior's expected loss"}
SUBJECTS = {False: "the prompt's share", True: "the loss between mixing measures"}
"""What is led with, of prompts beside a frozen expert and of experts alone."""


def finding(comparison: Comparison) -> list[str]:
    """What a sweep found: how fast share or loss fall, and how its rates stand to the bound.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    list of str
        None where no regime has two sizes yet; the last says where data sets are few.
    """
    if comparison.rates.empty:
        return []
    leads = [sentence for alone in SUBJECTS for sentence in _leading(comparison, alone)]
    return [*leads, *_verdicts(comparison), *_few(comparison)]


def _few(comparison: Comparison) -> list[str]:
    """A caution where intervals come from few data sets."""
    known = comparison.rates["method"].unique()
    few = [
        f"{method.upper()} has {plan.replications} data set{'s' if plan.replications > 1 else ''}"
        for method, plan in comparison.design.plans.items()
        if method in known and plan.replications <= FEW
    ]
    if not few:
        return []
    return [f"{_listed(few)} of each size: intervals from so few are rough, and verdicts hints."]


def _verdicts(comparison: Comparison) -> list[str]:
    """How many rates say what of the bound: where theory is local, and over all sizes."""
    rates, margin = comparison.rates, comparison.design.margin
    whole = _counted(rates, "", margin)
    if not whole:
        return ["No rate can be set beside an information bound yet."]
    local = _counted(rates, "local_", margin)
    if not local or local == whole:
        return [f"Of {whole}."]
    return [f"Over the sizes at which theory is local, of {local}.", f"Over all sizes, of {whole}."]


def _counted(rates: pd.DataFrame, over: str, margin: float) -> str:
    """How many rates agree, differ and are undecided; empty where none has a verdict."""
    verdicts = rates[f"{over}verdict"]
    agree, differ, open_ = (
        int((verdicts == word).sum()) for word in ("agrees", "differs", "undecided")
    )
    if not agree + differ + open_:
        return ""
    verb = "agrees" if agree == 1 else "agree"
    parts = [f"{agree} {verb} with the information bound's slope to within {margin:g}"]
    if differ:
        parts.append(f"{differ} differ{'s' if differ == 1 else ''} from it")
    if open_:
        needed = np.nanmedian(rates.loc[verdicts == "undecided", f"{over}needed"])
        parts.append(
            f"{open_} {'is' if open_ == 1 else 'are'} undecided{_would_decide(needed, open_)}"
        )
    return f"{agree + differ + open_} measured rates {_listed(parts)}"


def _would_decide(needed: float, rates: int) -> str:
    if not needed <= MOST:
        return ""
    which = "it" if rates == 1 else "half of them"
    return f" (about {two_digits(needed):,.0f} data sets of each size would decide {which})"


def _leading(comparison: Comparison, alone: bool) -> list[str]:
    """How fast the share is learned in regimes of each kind, by the first method that has both.

    The loss, of experts `alone`.

    Where theory is local, if both kinds have such sizes: elsewhere a few fits at an edge of the box
    make an error as large as one likes.
    """
    places = {"local_slope": ", at the sizes at which theory is local", "slope": ""}
    for method in comparison.design.plans:
        for slope, where in places.items():
            easy, hard = (_slopes(comparison, alone, method, kind, slope) for kind in KINDS[:2])
            if easy and hard:
                here, there = PLACES[alone]
                return [
                    f"In {SUBJECTS[alone]} {NAMES[method]} falls as {_power(easy)} {here}, and as "
                    f"{_power(hard)} {there}{where}{_ratio(comparison, alone, method)}."
                ]
    return []


def _slopes(comparison: Comparison, alone: bool, method: str, kind: str, slope: str) -> list[float]:
    """Slopes of what is led with in the regimes of a kind."""
    slopes = [float(row[slope]) for row in _rows(comparison, alone, method, kind)]
    return [slope for slope in slopes if np.isfinite(slope)]


def _rows(comparison: Comparison, alone: bool, method: str, kind: str) -> list[dict[str, Any]]:
    rates = comparison.rates
    found = []
    for setting in comparison.design.settings:
        if setting.label not in comparison.bounds or kind_of(setting) != kind:
            continue
        lead = leading(setting, comparison.bounds[setting.label])
        if (lead == LOSS) != alone:
            continue
        own = rates[
            (rates["regime"] == setting.label)
            & (rates["method"] == method)
            & (rates["parameter"] == lead)
        ]
        found += [
            {str(name): value for name, value in row.items()} for row in own.to_dict("records")
        ]
    return found


def _ratio(comparison: Comparison, alone: bool, method: str) -> str:
    """How many times as large the merging error is at the largest size, for one pair of regimes."""
    rows = [_rows(comparison, alone, method, kind) for kind in KINDS[:2]]
    # Losses of different fits are no multiples of one another.
    if alone or [len(own) for own in rows] != [1, 1]:
        return ""
    last = [_last(comparison.errors, str(own[0]["regime"]), method, comparison) for own in rows]
    if not all(np.isfinite(last)) or not last[0] > 0:
        return ""
    n = int(comparison.design.plans[method].sizes[-1])
    return f": at n = {n:,} it is {last[1] / last[0]:.2g} times as large"


def _last(errors: pd.DataFrame, label: str, method: str, comparison: Comparison) -> float:
    share = comparison.bounds[label].attrs["share"]
    own = errors[
        (errors["regime"] == label)
        & (errors["method"] == method)
        & (errors["parameter"] == share)
        & (errors["n"] == comparison.design.plans[method].sizes[-1])
    ]
    return float(own["rmse"].iloc[0]) if len(own) else np.nan


def _power(slopes: Sequence[float]) -> str:
    low, high = min(slopes), max(slopes)
    first = f"n^{low:.2f}"
    return first if f"{low:.2f}" == f"{high:.2f}" else f"{first} to n^{high:.2f}"


def _listed(parts: Sequence[str]) -> str:
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
