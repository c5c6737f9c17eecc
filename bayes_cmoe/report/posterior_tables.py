"""What a sweep's posteriors say: coverage, posterior spread beside the bound, and mixing."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, t

from bayes_cmoe.sweep.averages import FEWEST, average, share
from bayes_cmoe.sweep.cells import Cell, entries_of, targets_of
from bayes_cmoe.sweep.measured import LEVEL

__all__ = ["coverage_rows", "jeffreys", "pooled_rows", "sampling_rows", "spread_rows"]

UNMIXED = 1.1
"""R-hat above which chains have not mixed."""
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
    """Coverage of each entry's intervals at each size: controlled, and plain with Jeffreys'."""
    for target in entries_of(cell):
        held, controls = _covered(cell, target)
        for i, j in np.ndindex(held.shape[:2]):
            level = float(cell.fits[i]["level"][j])
            kept = held[i, j][np.isfinite(held[i, j])]
            count = len(kept)
            plain = (kept.mean() if count else np.nan, *jeffreys(kept.sum(), count))
            known = count >= FEWEST and np.isfinite(controls[i, j]).any()
            found = share(held[i, j], controls[i, j], level, LEVEL) if known else plain
            yield {
                "regime": cell.regime, "parameter": target, "n": int(cell.n[i]), "level": level,
                "covered": found[0], "low": found[1], "high": found[2], "fits": count,
                "plain": plain[0], "plain_low": plain[1], "plain_high": plain[2],
            }  # fmt: skip


def _covered(cell: Cell, target: str) -> tuple[NDArray, NDArray]:
    """Whether each fit's intervals hold the truth, and the limit's on the same data.

    Both have shape (size, level, replicate).
    """
    held, controls = cell.stacked("covered", target), cell.controls_of("covered", target)
    return held, controls


def pooled_rows(cell: Cell) -> Iterator[dict[str, object]]:
    """Coverage over all entries and sizes, then over those that theory calls local.

    Entries of one fit are dependent, fits are not: a fit counts once, with the share of its entries
    whose intervals hold the truth.
    """
    entries = [_covered(cell, target) for target in entries_of(cell)]
    held, controls = (np.mean(part, axis=0) for part in zip(*entries, strict=True))
    ranges = {"all sizes": np.ones(len(cell.n), dtype=bool), "local sizes": cell.local}
    for over, chosen in ranges.items():
        for j, level in enumerate(cell.fits[0]["level"].to_numpy()):
            own, beside = (part[chosen, j].ravel() for part in (held, controls))
            kept = own[np.isfinite(own)]
            if len(kept) < 2:
                continue
            known = np.isfinite(beside).any()
            found = share(own, beside, float(level), LEVEL) if known else _student(kept)
            yield {
                "regime": cell.regime, "over": over, "level": float(level), "covered": found[0],
                "low": found[1], "high": found[2], "fits": len(kept), "plain": kept.mean(),
            }  # fmt: skip


def _student(shares: NDArray) -> tuple[float, float, float]:
    """The mean of shares with Student's interval."""
    mean, count = float(shares.mean()), len(shares)
    half = float(t.ppf(TAILS[1], count - 1)) * float(shares.std(ddof=1)) / count**0.5
    return mean, max(mean - half, 0.0), min(mean + half, 1.0)


def spread_rows(cell: Cell) -> Iterator[dict[str, object]]:
    """Median posterior standard deviation over the bound, and mean radius of the 90 % ball."""
    for target in targets_of(cell):
        bound, radii = cell.theoretical("bound", target), cell.stacked("radius", target)
        controls = cell.controls_of("radius", target)
        limits = cell.theoretical("radius", target)
        for i, (n, fits) in enumerate(zip(cell.n, cell.fits, strict=True)):
            deviation = float(fits["posterior_sd"].sel(target=target).median())
            radius, low, high = average(radii[i], controls[i], limits[i]).interval(LEVEL)
            yield {
                "regime": cell.regime, "parameter": target, "n": int(n),
                "sd_over_bound": deviation / bound[i], "radius": radius, "radius_low": low,
                "radius_high": high, "radius_limit": limits[i],
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
