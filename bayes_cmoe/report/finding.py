"""What a sweep found, in plain sentences."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.sweep_parts import KINDS, kind_of
from bayes_cmoe.sweep.verdicts import MOST, two_digits

__all__ = ["finding"]

FEW = 10
"""Data sets from which intervals are still rough."""
NAMES = {"map": "the MAP's error", "nuts": "the posterior's expected loss"}


def finding(comparison: Comparison) -> list[str]:
    """What a sweep found: how fast the share is learned, and how its rates stand to the bound.

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
    return [*_share(comparison), _verdicts(comparison), *_few(comparison)]


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


def _verdicts(comparison: Comparison) -> str:
    """How many rates say what of the bound."""
    rates, margin = comparison.rates, comparison.design.margin
    known = rates[~rates["verdict"].isin(["no theory", "too few fits"])]
    if known.empty:
        return "No rate can be set beside an information bound yet."
    counts = known["verdict"].value_counts()
    agree, differ, open_ = (int(counts.get(word, 0)) for word in ("agrees", "differs", "undecided"))
    verb = "agrees" if agree == 1 else "agree"
    parts = [f"{agree} {verb} with the information bound's slope to within {margin:g}"]
    if differ:
        local = known[(known["verdict"] == "differs") & (known["local_verdict"] == "agrees")]
        beside = f" ({len(local)} of them agree over the local sizes)" if len(local) else ""
        parts.append(f"{differ} differ{'s' if differ == 1 else ''} from it{beside}")
    if open_:
        needed = np.nanmedian(known.loc[known["verdict"] == "undecided", "needed"])
        parts.append(f"{open_} {'is' if open_ == 1 else 'are'} undecided{_would_decide(needed)}")
    return f"Of {len(known)} measured rates {_listed(parts)}."


def _would_decide(needed: float) -> str:
    if not needed <= MOST:
        return ""
    return f" (about {two_digits(needed):,.0f} data sets of each size would decide half of them)"


def _share(comparison: Comparison) -> list[str]:
    """How fast the share is learned in regimes of each kind, by the first method that has both."""
    for method in comparison.design.plans:
        kinds = {kind: _slopes(comparison, method, kind) for kind in KINDS[:2]}
        if all(len(slopes) for slopes in kinds.values()):
            easy, hard = kinds.values()
            return [
                f"In the prompt's share {NAMES[method]} falls as {_power(easy)} where prompt and "
                f"frozen expert are distinguishable, and as {_power(hard)} where they are not"
                f"{_ratio(comparison, method)}."
            ]
    return []


def _slopes(comparison: Comparison, method: str, kind: str) -> list[float]:
    """Slopes of the share's error in the regimes of a kind."""
    slopes = [float(row["slope"]) for row in _rows(comparison, method, kind)]
    return [slope for slope in slopes if np.isfinite(slope)]


def _rows(comparison: Comparison, method: str, kind: str) -> list[dict[str, float]]:
    rates = comparison.rates
    found = []
    for setting in comparison.design.settings:
        if setting.label not in comparison.bounds or kind_of(setting) != kind:
            continue
        share = comparison.bounds[setting.label].attrs["share"]
        own = rates[
            (rates["regime"] == setting.label)
            & (rates["method"] == method)
            & (rates["parameter"] == share)
        ]
        found += own.to_dict("records")
    return found


def _ratio(comparison: Comparison, method: str) -> str:
    """How many times as large the merging error is at the largest size, for one pair of regimes."""
    labels = [[row["regime"] for row in _rows(comparison, method, kind)] for kind in KINDS[:2]]
    if [len(own) for own in labels] != [1, 1]:
        return ""
    last = [_last(comparison.errors, str(own[0]), method, comparison) for own in labels]
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
