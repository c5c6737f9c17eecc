"""A sweep set beside the theory: tables of rates, errors, coverage and agreement.

Everything here is arithmetic on the table of fits and on the bounds; nothing is fitted again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.report.posterior_tables import (
    coverage_rows,
    pooled_rows,
    sampling_rows,
    spread_rows,
)
from bayes_cmoe.shown import Shown
from bayes_cmoe.sweep.averages import median
from bayes_cmoe.sweep.cells import MEASURES, RESOLVED, Cell, cells_of, measured_of, targets_of
from bayes_cmoe.sweep.design import Design, Task, fits_of
from bayes_cmoe.sweep.measured import LEVEL, Measured, slope_of
from bayes_cmoe.sweep.rows import FAILURES
from bayes_cmoe.sweep.verdicts import Verdict, power, verdict

__all__ = ["RESOLVED", "Comparison", "compare"]

SAME = 1e-3
"""Optima whose log posteriors are nearer than this, in nats, are the same to any statistic."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
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
        minimax lower bound, that of the modulus where theory is not local at all sizes, the
        efficiency at the largest n; what the slope says of the bound's and
        of the exponent; the power to see a difference of 1/8; the slope without controls; then the
        same over the sizes that theory calls local.
    errors : DataFrame
        A row for each of these and n: RMSE of the MAP (mean posterior expected loss of NUTS) with
        its interval, controlled and plain, the bound (its limit), how many fits count and how many
        failed, the median, the efficiency, the resolution, the share of fits at the box's edge.
    coverage, pooled : DataFrame
        How often credible intervals hold the truth: by parameter and n; over all of them, and over
        those at sizes that theory calls local.
    spread : DataFrame
        Median posterior standard deviation over the bound, and mean radius of the 90 % ball.
    sampling : DataFrame
        How well NUTS mixed.
    agreement : DataFrame
        How often a rival start, or one from the prior, ends above the start at the truth.
    statuses : DataFrame
        Fits by status code.
    waiting : dict of str to int
        Fits that are still to come, as far as is known, by method.
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
    waiting: Mapping[str, int] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """The design's name, how far it is, and what its rates say of the bound."""
        words = list(self.rates["verdict"]) if len(self.rates) else []
        said = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
        return {
            "design": self.design.name,
            "regimes": tuple(self.regimes),
            "fits": f"{self.table.sizes.get('fit', 0)} of "
            f"{self.table.sizes.get('fit', 0) + sum(self.waiting.values())}",
            "rates beside the bound": said or "none yet",
        }

    @property
    def regimes(self) -> list[str]:
        """The labels of the settings, in the design's order."""
        return [setting.label for setting in self.design.settings]


def compare(
    table: xr.Dataset,
    design: Design,
    bounds: Mapping[str, xr.Dataset],
    waiting: Iterable[Task] = (),
) -> Comparison:
    """Set a sweep beside the theory.

    Parameters
    ----------
    table : xarray.Dataset
        The fits; sizes that have not been run yet may be absent.
    design : Design
    bounds : mapping of str to xarray.Dataset
        From `bayes_cmoe.sweep.bounds.all_bounds`.
    waiting : iterable of Task
        From `bayes_cmoe.sweep.rounds.pending`.

    Returns
    -------
    Comparison
    """
    cells = list(cells_of(table, design, bounds))
    measured = [
        (cell, target, found)
        for cell in cells
        for target in targets_of(cell)
        if (found := measured_of(cell, target)) is not None
    ]
    sampled = [cell for cell in cells if cell.method == "nuts"]
    return Comparison(
        design=design,
        table=table,
        bounds=bounds,
        rates=pd.DataFrame([_rate(*one, design.margin) for one in measured if len(one[0].n) > 1]),
        errors=pd.DataFrame([row for one in measured for row in _errors(*one)]),
        coverage=pd.DataFrame([row for cell in sampled for row in coverage_rows(cell)]),
        pooled=pd.DataFrame([row for cell in sampled for row in pooled_rows(cell)]),
        spread=pd.DataFrame([row for cell in sampled for row in spread_rows(cell)]),
        sampling=pd.DataFrame([row for cell in sampled for row in sampling_rows(cell)]),
        agreement=pd.DataFrame([row for cell in cells for row in _agreement(cell)]),
        statuses=pd.DataFrame([row for cell in cells for row in _statuses(cell)]),
        waiting=dict(fits_of(waiting)),
    )


def _bound(cell: Cell, target: str) -> NDArray:
    return cell.theoretical(MEASURES[cell.method][2], target)


def _rate(cell: Cell, target: str, measured: Measured, margin: float) -> dict[str, object]:
    bound = _bound(cell, target)
    exponent = float(cell.theory["exponent"].sel(target=target))
    local = cell.local
    efficiency = measured.efficiency(bound)
    row: dict[str, object] = {
        "regime": cell.regime,
        "method": cell.method,
        "parameter": target,
        **_slope(measured, bound, exponent, margin),
        "modulus_slope": _modulus_slope(cell, target),
        "exponent_lower": float(cell.theory["lower"].sel(target=target)),
        "efficiency": efficiency.value[-1],
        "efficiency_low": efficiency.low[-1],
        "efficiency_high": efficiency.high[-1],
        "median_slope": _median_slope(measured),
        "local_from": float(cell.n[local].min()) if local.sum() > 1 else np.nan,
        "local_sizes": int(local.sum()),
    }
    found: dict[str, object] = {}
    if local.sum() > 1:
        found = _slope(measured.at(local), bound[local], exponent, margin)
    numbers = ("slope", "low", "high", "bound_slope", "needed")
    words = ("verdict", "says", "exponent_verdict", "exponent_says")
    return (
        row
        | {f"local_{name}": found.get(name, np.nan) for name in numbers}
        | {f"local_{name}": found.get(name, "") for name in words}
    )


def _slope(measured: Measured, bound: NDArray, exponent: float, margin: float) -> dict[str, object]:
    """A slope, and what it says of the bound's and of the exponent."""
    beside = verdict(measured, bound, margin=margin, known=False)
    power_law = None if np.isnan(exponent) else np.asarray(measured.n, dtype=float) ** exponent
    towards = verdict(measured, power_law, margin=margin)
    plain = measured.plain.slope
    return {
        "slope": float(measured.slope.value),
        "low": float(measured.slope.low),
        "high": float(measured.slope.high),
        "bound_slope": np.nan if np.isnan(bound).any() else float(slope_of(measured.n, bound)),
        "exponent": exponent,
        "verdict": beside.word,
        "says": _says(beside, measured, bound),
        "difference": beside.difference,
        "difference_low": beside.low,
        "difference_high": beside.high,
        "needed": beside.needed,
        "exponent_verdict": towards.word,
        "exponent_says": _says(towards, measured, power_law),
        "exponent_needed": towards.needed,
        "power": power(float(measured.slope.half)),
        "plain_slope": float(plain.value),
        "plain_low": float(plain.low),
        "plain_high": float(plain.high),
    }


def _says(found: Verdict, measured: Measured, reference: NDArray | None) -> str:
    """A verdict in words; of a rate that differs also whether it comes nearer as n grows."""
    if found.word != "differs" or reference is None or not measured.settles(reference):
        return str(found)
    return f"{found}, coming nearer"


def _modulus_slope(cell: Cell, target: str) -> float:
    """Slope of the MAP's line beyond the local range; NaN where it is the bound's or not known."""
    values = cell.theoretical("modulus", target)
    if cell.method != "map" or cell.local.all() or not np.isfinite(values).all():
        return np.nan
    return float(slope_of(cell.n, values))


def _median_slope(measured: Measured) -> float:
    if not measured.enough:
        return np.nan
    return float(slope_of(measured.n, np.nanmedian(np.abs(measured.errors), axis=1)))


def _errors(cell: Cell, target: str, measured: Measured) -> Iterator[dict[str, object]]:
    bound, average, plain = _bound(cell, target), measured.average, measured.plain.average
    efficiency = measured.efficiency(bound)
    controls, typical = cell.medians(target)
    for i, n in enumerate(cell.n):
        status = cell.fits[i]["status"].to_numpy()
        middle = median(np.abs(measured.errors[i]), controls[i], typical[i], LEVEL)
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
            **dict(zip(("median", "median_low", "median_high"), middle, strict=True)),
            "efficiency": efficiency.value[i],
            "efficiency_low": efficiency.low[i],
            "efficiency_high": efficiency.high[i],
            "plain": plain.value[i],
            "plain_low": plain.low[i],
            "plain_high": plain.high[i],
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
