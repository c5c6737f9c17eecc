"""What a calibration says: for every quantity, whether the truth's places are uniform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from arviz_stats.ecdf_utils import ecdf_pit
from numpy.typing import NDArray

from bayes_cmoe.sweep.calibration import DOUBTED, TRUSTED
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.rows import FAILURES

__all__ = ["BAND", "LEVEL", "Calibration", "band", "calibrated", "uniformity"]

LEVEL = 0.01
"""Chance that a page on which all is well says that something is not."""
BAND = 0.95
"""Chance that the difference of one quantity stays inside its band."""
SIMULATIONS = 1000
FEWEST = 10
"""Data sets below which nothing is said."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibration, finished or under way.

    Parameters
    ----------
    design : Design
    table : xarray.Dataset
        Of the fits, see `bayes_cmoe.sweep.rows`.
    quantities : DataFrame
        A row a regime, size and quantity: ``fits`` that gave ranks, ``p`` of uniformity, whether
        the ECDF leaves its ``beyond`` band, whether uniformity is ``rejected``; the same of the
        fits that the engine trusts (``trusted``, ``trusted_p``, ``trusted_beyond``,
        ``trusted_rejected``).
    counts : DataFrame
        A row a regime and size: fits ``planned``, ``finished``, ``trusted``, ``doubted``, and
        ``failed``.
    doubts : DataFrame
        Every fit that its engine doubts, or that failed.
    """

    design: Design
    table: xr.Dataset
    quantities: pd.DataFrame
    counts: pd.DataFrame
    doubts: pd.DataFrame

    def places(self, regime: str, n: int, quantity: str, *, trusted: bool) -> NDArray:
        """Where the truths lie, of all fits or of those that the engine trusts."""
        own = self.table.isel(fit=_of(self.table, regime, n))
        pit = own["pit"].sel(target=quantity).to_numpy().astype(float)
        use = np.isfinite(pit)
        if trusted:
            use &= own["status"].to_numpy().astype(str) == TRUSTED
        return pit[use]

    def of(self, regime: str, n: int) -> pd.DataFrame:
        """The quantities of one regime and size."""
        own = self.quantities
        if own.empty:
            return own
        return own[(own["regime"] == regime) & (own["n"] == n)]

    @property
    def rejected(self) -> pd.DataFrame:
        """Rows of the quantities of which uniformity is rejected, over all fits or the trusted."""
        if self.quantities.empty:
            return self.quantities
        return self.quantities[self.quantities["rejected"] | self.quantities["trusted_rejected"]]


def _of(table: xr.Dataset, regime: str, n: int) -> NDArray:
    chosen = (table["setting"].to_numpy() == regime) & (table["n"].to_numpy() == n)
    return np.flatnonzero(chosen)


def uniformity(places: NDArray) -> float:
    """The p-value of uniformity on (0, 1), good below 0.1; NaN of too few numbers.

    ArviZ's test: every order statistic's own p-value, combined as Cauchy variables (Tesso et al.
    2026, arXiv:2603.02928).

    Parameters
    ----------
    places : array, shape (fit,)
    """
    if len(places) < FEWEST:
        return float("nan")
    return float(array_stats.uniformity_test(places, method="pot_c")[0])


@lru_cache(maxsize=64)
def band(count: int) -> tuple[NDArray, NDArray, NDArray]:
    """A simultaneous band of the ECDF of uniform numbers: points, lower and upper difference.

    By ArviZ, from simulation (Säilynoja, Bürkner and Vehtari 2022, doi:10.1007/s11222-022-10090-6).

    Parameters
    ----------
    count : int
        How many numbers there are.
    """
    even = np.linspace(0.0, 1.0, count)
    points, _, lower, upper = ecdf_pit(even, BAND, SIMULATIONS)
    return points, lower - points, upper - points


def _is_beyond(places: NDArray) -> bool:
    if len(places) < FEWEST:
        return False
    points, lower, upper = band(len(places))
    ecdf = np.searchsorted(np.sort(places), points, side="right") / len(places)
    # At the ends there is nothing to say: the ECDF is 0 below and 1 above all numbers.
    inside = slice(1, -1)
    apart = (ecdf - points)[inside]
    slack = 1e-9
    return bool(np.any((apart < lower[inside] - slack) | (apart > upper[inside] + slack)))


def calibrated(design: Design, table: xr.Dataset) -> Calibration:
    """What the finished fits of a calibration say.

    Parameters
    ----------
    design : Design
    table : xarray.Dataset
        From `bayes_cmoe.sweep.store.Store.collect`.
    """
    plan = design.calibrate
    assert plan is not None
    groups = [
        (setting.label, n)
        for setting in design.settings
        for n in plan.sizes
        if len(_of(table, setting.label, n))
    ]
    empty = pd.DataFrame()
    found = Calibration(design, table, empty, empty, _doubts(table))
    rows = [row for regime, n in groups for row in _quantities(found, regime, n)]
    # Where all fits are trusted, the second test is the first one.
    tests = sum(
        np.isfinite(row["p"]) + (np.isfinite(row["trusted_p"]) and row["trusted"] < row["fits"])
        for row in rows
    )
    for row in rows:
        # By Bonferroni over all that is tested; of NaN nothing is said.
        row["rejected"] = bool(row["p"] * tests < LEVEL)
        row["trusted_rejected"] = bool(row["trusted_p"] * tests < LEVEL)
    counts = [_counts(table, regime, n, plan.replications) for regime, n in groups]
    return Calibration(design, table, pd.DataFrame(rows), pd.DataFrame(counts), found.doubts)


def _quantities(found: Calibration, regime: str, n: int) -> Iterator[dict[str, Any]]:
    for quantity in found.table["target"].to_numpy().astype(str):
        places = found.places(regime, n, quantity, trusted=False)
        trusted = found.places(regime, n, quantity, trusted=True)
        if len(places):
            yield {
                "regime": regime,
                "n": n,
                "quantity": quantity,
                "fits": len(places),
                "p": uniformity(places),
                "beyond": _is_beyond(places),
                "trusted": len(trusted),
                "trusted_p": uniformity(trusted),
                "trusted_beyond": _is_beyond(trusted),
            }


def _counts(table: xr.Dataset, regime: str, n: int, planned: int) -> dict[str, Any]:
    own = table.isel(fit=_of(table, regime, n))
    status = own["status"].to_numpy().astype(str)
    return {
        "regime": regime,
        "n": n,
        "planned": planned,
        "finished": len(status),
        "trusted": int(np.sum(status == TRUSTED)),
        "doubted": int(np.sum(status == DOUBTED)),
        "failed": int(np.isin(status, FAILURES).sum()),
        "seconds": float(np.nanmean(own["seconds"])) if "seconds" in own else float("nan"),
    }


def _doubts(table: xr.Dataset) -> pd.DataFrame:
    own = table.isel(fit=np.flatnonzero(table["status"].to_numpy().astype(str) != TRUSTED))
    return pd.DataFrame(
        {
            "regime": own["setting"].to_numpy().astype(str),
            "n": own["n"].to_numpy(),
            "replicate": own["replicate"].to_numpy(),
            "status": own["status"].to_numpy().astype(str),
            "message": own["message"].to_numpy().astype(str),
        }
    )
