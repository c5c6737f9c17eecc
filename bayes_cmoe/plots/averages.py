"""Averages over the replicates of a sweep, and slopes over its sizes, with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import binomtest

from bayes_cmoe.sweep.measured import LEVEL, Measured

__all__ = ["PARTS", "averaged", "measured_slopes", "proportions"]

PARTS = ("value", "low", "high")
FEWEST_SIZES = 2


def _each(data: xr.Dataset, over: Callable[[NDArray], Any], dims: tuple[str, ...]) -> xr.Dataset:
    """A function of (n, replicate) for every target and regime, with `part` as its first dim."""
    found = {}
    for name, values in data.data_vars.items():
        table = values.transpose("regime", "n", "replicate").to_numpy().astype(float)
        found[name] = (("regime", "part", *dims), np.array([over(own) for own in table]))
    coords = {"regime": data["regime"], "part": list(PARTS)}
    return xr.Dataset(found, coords | {dim: data[dim] for dim in dims})


def averaged(data: xr.Dataset, statistic: str = "rms", level: float = LEVEL) -> xr.Dataset:
    """Errors averaged over replicates, with intervals: (regime, part, n), parts value, low, high.

    Parameters
    ----------
    data : Dataset
        Errors of each target over (regime, n, replicate); NaN where there is none.
    statistic : {"rms", "mean", "median"}
    level : float
        Of the intervals.
    """
    sizes = data["n"].to_numpy()

    def over(errors: NDArray) -> NDArray:
        table = np.full((3, len(sizes)), np.nan)
        seen = np.isfinite(errors).any(axis=1)
        if seen.any():
            own = Measured(sizes[seen], errors[seen], statistic, level=level).average
            table[:, seen] = [own.value, own.low, own.high]
        return table

    return _each(data, over, ("n",))


def measured_slopes(data: xr.Dataset, statistic: str = "rms", level: float = LEVEL) -> xr.Dataset:
    """Slopes of log error on log n with intervals: (regime, part); NaN with fewer than two sizes.

    Parameters
    ----------
    data, statistic, level
        As for `averaged`.
    """
    sizes = data["n"].to_numpy()

    def over(errors: NDArray) -> NDArray:
        seen = np.isfinite(errors).any(axis=1)
        if seen.sum() < FEWEST_SIZES:
            return np.full(3, np.nan)
        own = Measured(sizes[seen], errors[seen], statistic, level=level).slope
        return np.array([own.value, own.low, own.high], dtype=float)

    return _each(data, over, ())


def proportions(data: xr.Dataset, level: float = LEVEL) -> xr.Dataset:
    """How often a thing of 0 and 1 is 1, with exact binomial intervals: (regime, part, n).

    Parameters
    ----------
    data : Dataset
        0, 1 or NaN over (regime, n, replicate).
    level : float
        Of the intervals (Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404).
    """

    def one(held: NDArray) -> tuple[float, float, float]:
        known = held[np.isfinite(held)]
        if not len(known):
            return np.nan, np.nan, np.nan
        limits = binomtest(int(known.sum()), len(known)).proportion_ci(level)
        return float(known.mean()), float(limits.low), float(limits.high)

    return _each(data, lambda table: np.array([one(row) for row in table]).T, ("n",))
