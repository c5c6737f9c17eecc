"""What a sweep's posteriors say: coverage, posterior spread beside the bound, and mixing."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import beta, t

from bayes_cmoe.report.cells import Cell, entries_of, targets_of

__all__ = ["coverage_rows", "jeffreys", "pooled_rows", "sampling_rows", "spread_rows"]

UNMIXED = 1.1
"""R-hat above which chains have not mixed."""
LEVEL = 0.95
"""Of the intervals."""
TAILS = np.array([(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])


def jeffreys(held: float, count: float) -> NDArray:
    """Jeffreys' 95 % interval of a proportion of which `held` out of `count` were seen.

    Examples
    --------
    >>> jeffreys(9, 10).round(2)
    array([0.62, 0.99])
    """
    return beta.ppf(TAILS, held + 0.5, count - held + 0.5)


def coverage_rows(cell: Cell) -> Iterator[dict[str, object]]:
    """Coverage of each entry's intervals at each size, with its Jeffreys interval."""
    for n, fits in zip(cell.n, cell.fits, strict=True):
        for target in entries_of(cell):
            for level, row in zip(
                fits["level"].to_numpy(), fits["covered"].sel(target=target).T.to_numpy(),
                strict=True,
            ):  # fmt: skip
                kept = row[np.isfinite(row)]
                held, count = kept.sum(), len(kept)
                low, high = jeffreys(held, count)
                yield {
                    "regime": cell.regime, "parameter": target, "n": int(n), "level": level,
                    "covered": held / count if count else np.nan,
                    "low": low, "high": high, "fits": count,
                }  # fmt: skip


def pooled_rows(cell: Cell) -> Iterator[dict[str, object]]:
    """Coverage over all entries and sizes, then over those that theory calls local.

    With Student's interval over the fits' own coverages: entries of one fit are dependent, fits are
    not.
    """
    local = [own for own, near in zip(cell.fits, cell.local, strict=True) if near]
    for over, fits in (("all sizes", cell.fits), ("local sizes", local)):
        if not fits:
            continue
        whole = xr.concat(fits, dim="fit", join="exact")["covered"].sel(target=entries_of(cell))
        for level in whole["level"].to_numpy():
            own = whole.sel(level=level).mean("target").to_numpy()
            own = own[np.isfinite(own)]
            if len(own) < 2:
                continue
            half = t.ppf(TAILS[1], len(own) - 1) * own.std(ddof=1) / len(own) ** 0.5
            yield {
                "regime": cell.regime, "over": over, "level": level, "covered": own.mean(),
                "low": max(own.mean() - half, 0.0), "high": min(own.mean() + half, 1.0),
                "fits": len(own),
            }  # fmt: skip


def spread_rows(cell: Cell) -> Iterator[dict[str, object]]:
    """Median posterior standard deviation over the bound, and median radius of the 90 % ball."""
    for n, fits in zip(cell.n, cell.fits, strict=True):
        for target in targets_of(cell):
            own = fits.sel(target=target)
            bound = float(cell.theory["bound"].sel(target=target, n=n))
            yield {
                "regime": cell.regime, "parameter": target, "n": int(n),
                "sd_over_bound": float(own["posterior_sd"].median()) / bound,
                "radius": float(own["radius"].median()),
            }  # fmt: skip


def sampling_rows(cell: Cell) -> Iterator[dict[str, object]]:
    """How well the chains mixed at each size, and how many fits each engine made."""
    for n, fits in zip(cell.n, cell.fits, strict=True):
        yield {
            "regime": cell.regime,
            "n": int(n),
            "fits": fits.sizes["fit"],
            "weighted": int((fits["status"] == "weighted").sum()),
            "sampled": int((fits["status"] == "sampled").sum()),
            "unmixed": int((fits["rhat"] > UNMIXED).sum()),
            "divergences": int(fits["divergences"].sum()),
            "ess_bulk": float(fits["ess_bulk"].median()),
            "seconds": float(fits["seconds"].median()),
        }
