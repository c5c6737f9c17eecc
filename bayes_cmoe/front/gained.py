"""What a fit gains on the frozen model, in words, by rows that it has not seen."""

from __future__ import annotations

import warnings

import arviz as az
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.front.left_out import leave_one_out

__all__ = ["better", "doubt", "gain", "left_out"]

REFITTED = 4000
"""Rows up to which each is left out of the fit itself where importance weights fail: two minutes

at ninety parameters."""


def gain(posterior: xr.DataTree, rows: xr.Dataset, compiled: Posterior) -> str:
    """Whether rows left out are better predicted than by the frozen model alone.

    Parameters
    ----------
    posterior : DataTree
    rows : Dataset
        Predictions at its rows.
    compiled : Posterior
        Its model, compiled: each row is left out of the fit itself where importance weights fail.
    """
    each, khat = left_out(posterior)
    frozen = rows["frozen_log_score"].to_numpy()
    if khat is None or len(each) > REFITTED:
        found = better(each - frozen, "the frozen model alone")
        return f"Leaving out one row at a time, prediction is {found}{doubt(khat)}."
    each = leave_one_out(posterior, posterior=compiled)["log_score"].to_numpy()
    found = better(each - frozen, "the frozen model alone")
    return (
        "Leaving out one row at a time, and estimating anew from all others, prediction is "
        f"{found}. (Importance weights of the posterior, which spare that, fail here: a Pareto k "
        f"of {khat:.2f}.)"
    )


def left_out(posterior: xr.DataTree) -> tuple[NDArray, float | None]:
    """Log-scores of the rows, each left out in turn, shape (n,), and the Pareto k if too large."""
    with warnings.catch_warnings():
        # What it warns of is part of the answer.
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)
        loo = az.loo(posterior, pointwise=True)
    khat = float(loo.pareto_k.max())
    return loo.elpd_i.to_numpy().ravel(), khat if khat > loo.good_k else None


def doubt(khat: float | None) -> str:
    """What is to be said of scores by importance weights with such a tail."""
    return "" if khat is None else f" (not to be relied on: a Pareto k of {khat:.2f})"


def better(each: NDArray, other: str) -> str:
    """A gain in log-score over another prediction, from its value at each row."""
    n, total = len(each), float(each.sum())
    error = float(np.sqrt(n) * each.std(ddof=1)) if n > 1 else np.nan
    word = "better" if total > 0 else "worse"
    sure = "" if abs(total) > 2 * error else ", which is within its error"
    return f"{abs(total):.1f} nats {word} in all than {other}, standard error {error:.1f}{sure}"
