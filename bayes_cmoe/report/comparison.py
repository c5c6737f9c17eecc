"""A sweep set beside the theory: tables of rates, errors, coverage and agreement.

Everything here is arithmetic on the table of fits and on the bounds; nothing is fitted again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.report.cells import RESOLVED, Cell, cells_of, targets_of
from bayes_cmoe.report.posterior_tables import (
    LEVEL,
    coverage_rows,
    pooled_rows,
    sampling_rows,
    spread_rows,
)
from bayes_cmoe.report.rates import FEWEST, Measured, slope_of, verdict
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.rows import FAILURES

__all__ = ["RESOLVED", "Comparison", "compare"]

SAME = 1e-3
"""Optima whose log posteriors are nearer than this, in nats, are the same to any statistic."""
MEASURES = {"map": ("error", "rms", "bound"), "nuts": ("expected_loss", "mean", "expected")}
"""Method -> what is measured of a fit, how fits are averaged, and what theory says of it."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A sweep beside the theory.

    Parameters
    ----------
    design : Design
    table : xarray.Dataset
        The fits, as `bayes_cmoe.sweep.store.Store.collect` gives them.
    bounds : mapping of str to xarray.Dataset
        By setting, from `bayes_cmoe.sweep.bounds`.
    rates : DataFrame
        A row for each regime, method and parameter: the slope of log error on log n with its
        interval, the bound's slope on the same sizes, the asymptotic exponent and that of the
        minimax lower bound, the efficiency at the largest n, the verdict; then the same over the
        sizes that theory calls local.
    errors : DataFrame
        A row for each of these and n: RMSE of the MAP (mean posterior expected loss of NUTS) with
        its interval, the bound (its limit), how many fits count and how many failed, the median,
        the efficiency, the resolution, the share of fits at the box's edge.
    coverage, pooled : DataFrame
        How often credible intervals hold the truth: by parameter and n; over all of them, and over
        those at sizes that theory calls local.
    spread : DataFrame
        Median posterior standard deviation over the bound, and median radius of the 90 % ball.
    sampling : DataFrame
        How well NUTS mixed.
    agreement : DataFrame
        Whether starts from the prior reach the optimum that the start at the truth reaches.
    statuses : DataFrame
        Fits by status code.
    """

    design: Design
    table: xr.Dataset
    bounds: Mapping[str, xr.Dataset]
    rates: pd.DataFrame
    errors: pd.DataFrame
    coverage: pd.DataFrame
    pooled: pd.DataFrame
    spread: pd.DataFrame
    sampling: pd.DataFrame
    agreement: pd.DataFrame
    statuses: pd.DataFrame

    @property
    def regimes(self) -> list[str]:
        """The labels of the settings, in the design's order."""
        return [setting.label for setting in self.design.settings]


def compare(table: xr.Dataset, design: Design, bounds: Mapping[str, xr.Dataset]) -> Comparison:
    """Set a sweep beside the theory.

    Parameters
    ----------
    table : xarray.Dataset
        The fits; sizes that have not been run yet may be absent.
    design : Design
    bounds : mapping of str to xarray.Dataset
        From `bayes_cmoe.sweep.bounds.all_bounds`.

    Returns
    -------
    Comparison
    """
    cells = list(cells_of(table, design, bounds))
    measured = [
        (cell, target, found)
        for cell in cells
        for target in targets_of(cell)
        if (found := _measured(cell, target)) is not None
    ]
    sampled = [cell for cell in cells if cell.method == "nuts"]
    return Comparison(
        design=design,
        table=table,
        bounds=bounds,
        rates=pd.DataFrame([_rate(*one) for one in measured if len(one[0].n) > 1]),
        errors=pd.DataFrame([row for one in measured for row in _errors(*one)]),
        coverage=pd.DataFrame([row for cell in sampled for row in coverage_rows(cell)]),
        pooled=pd.DataFrame([row for cell in sampled for row in pooled_rows(cell)]),
        spread=pd.DataFrame([row for cell in sampled for row in spread_rows(cell)]),
        sampling=pd.DataFrame([row for cell in sampled for row in sampling_rows(cell)]),
        agreement=pd.DataFrame([row for cell in cells for row in _agreement(cell)]),
        statuses=pd.DataFrame([row for cell in cells for row in _statuses(cell)]),
    )


def _measured(cell: Cell, target: str) -> Measured | None:
    """The errors of one target; None where nothing of the kind was measured, such as no loss."""
    variable, statistic, _ = MEASURES[cell.method]
    errors = cell.stacked(variable, target)
    if not np.isfinite(errors).any():
        return None
    return Measured(cell.n, errors, statistic=statistic, level=LEVEL)


def _bound(cell: Cell, target: str) -> NDArray:
    return cell.theory[MEASURES[cell.method][2]].sel(target=target, n=cell.n).to_numpy()


def _rate(cell: Cell, target: str, measured: Measured) -> dict[str, object]:
    bound = _bound(cell, target)
    exponent = float(cell.theory["exponent"].sel(target=target))
    local = cell.local
    efficiency = measured.efficiency(bound)
    row: dict[str, object] = {
        "regime": cell.regime,
        "method": cell.method,
        "parameter": target,
        **_slope(measured, bound, exponent),
        "exponent_lower": float(cell.theory["lower"].sel(target=target)),
        "efficiency_low": efficiency.low[-1],
        "efficiency_high": efficiency.high[-1],
        "median_slope": _median_slope(measured),
        "local_from": float(cell.n[local].min()) if local.sum() > 1 else np.nan,
        "local_sizes": int(local.sum()),
    }
    if local.sum() > 1:
        there = Measured(cell.n[local], measured.errors[local], measured.statistic, LEVEL)
        found = _slope(there, bound[local], exponent)
    else:
        found = dict.fromkeys(("slope", "low", "high", "bound_slope"), np.nan)
    names = ("slope", "low", "high", "bound_slope", "verdict")
    return row | {f"local_{name}": found.get(name, "") for name in names}


def _slope(measured: Measured, bound: NDArray, exponent: float) -> dict[str, object]:
    known = None if np.isnan(bound).any() else bound
    asymptotic = None if np.isnan(exponent) else exponent
    nothing = known is None and asymptotic is None
    return {
        "slope": float(measured.slope.value),
        "low": float(measured.slope.low),
        "high": float(measured.slope.high),
        "bound_slope": np.nan if known is None else float(slope_of(measured.n, known)),
        "exponent": exponent,
        "efficiency": measured.efficiency(bound).value[-1],
        "verdict": "no theory" if nothing else verdict(measured, known, asymptotic),
    }


def _median_slope(measured: Measured) -> float:
    if not measured.enough:
        return np.nan
    return float(slope_of(measured.n, np.nanmedian(np.abs(measured.errors), axis=1)))


def _errors(cell: Cell, target: str, measured: Measured) -> Iterator[dict[str, object]]:
    bound, average = _bound(cell, target), measured.average
    efficiency = measured.efficiency(bound).value
    for i, n in enumerate(cell.n):
        status = cell.fits[i]["status"].to_numpy()
        own = np.abs(measured.errors[i])
        yield {
            "regime": cell.regime,
            "method": cell.method,
            "parameter": target,
            "n": int(n),
            "rmse": average.value[i],
            "low": average.low[i],
            "high": average.high[i],
            "bound": bound[i],
            "fits": int(measured.fits[i]),
            "failures": int(np.isin(status, FAILURES).sum()),
            "median": np.nanmedian(own) if measured.fits[i] >= FEWEST else np.nan,
            "efficiency": efficiency[i],
            "resolution": cell.resolution[i],
            "edge": float(np.mean(status == "edge")),
        }


def _agreement(cell: Cell) -> Iterator[dict[str, object]]:
    for n, fits in zip(cell.n, cell.fits, strict=True):
        gap = fits["anywhere_gap"].to_numpy()
        gap = gap[np.isfinite(gap)]
        if len(gap):
            yield {
                "regime": cell.regime,
                "n": int(n),
                "fits": len(gap),
                "same": float(np.mean(np.abs(gap) <= SAME)),
                "better": float(np.mean(gap > SAME)),
                "worse": float(np.mean(gap < -SAME)),
            }


def _statuses(cell: Cell) -> Iterator[dict[str, object]]:
    for n, fits in zip(cell.n, cell.fits, strict=True):
        codes, counts = np.unique(fits["status"].to_numpy().astype(str), return_counts=True)
        for code, count in zip(codes, counts, strict=True):
            yield {
                "regime": cell.regime, "method": cell.method, "n": int(n), "status": str(code),
                "fits": int(count),
            }  # fmt: skip
