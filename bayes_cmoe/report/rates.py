"""Measured rates: slopes of log error on log n with intervals, and what they say about the theory.

Errors come as arrays (size, replicate) with NaN for a fit that failed; uncertainty comes from
resampling the replications within each size. A verdict is decided by intervals over all sizes of
the design; no size is left out after the fact.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from bayes_cmoe.errors import InputError, choose

__all__ = ["Interval", "Measured", "slope_of", "verdict"]

FEWEST = 2
"""Fits that a size needs for its error to have an interval."""
VERDICTS = (
    "agrees with the bound",
    "agrees with the exponent",
    "pre-asymptotic",
    "off",
    "too few fits",
)


@dataclass(frozen=True, eq=False)
class Interval:
    """A number, or an array of them, and its bootstrap interval."""

    value: NDArray
    low: NDArray
    high: NDArray

    def holds(self, other: ArrayLike) -> NDArray:
        """Whether another value lies inside."""
        return (self.low <= np.asarray(other)) & (np.asarray(other) <= self.high)


def slope_of(n: ArrayLike, values: ArrayLike) -> NDArray:
    """Least-squares slope of log value on log n.

    Parameters
    ----------
    n : array, shape (size,)
    values : array, shape (..., size)

    Returns
    -------
    array, shape (...)

    Examples
    --------
    >>> slope_of([1e2, 1e4, 1e6], [1e-1, 1e-2, 1e-3]).round(12)
    np.float64(-0.5)
    """
    centred = np.log(np.asarray(n, dtype=float))
    centred = centred - centred.mean()
    return np.log(np.asarray(values, dtype=float)) @ centred / np.sum(centred**2)


@lru_cache(maxsize=64)
def _resamples(count: int, draws: int, seed: int, size: int) -> NDArray:
    """How large a share of each resample every one of `count` replications is: (draw, count).

    Independent for each size.
    """
    chosen = np.random.default_rng([seed, size]).integers(count, size=(draws, count))
    flat = (chosen + count * np.arange(draws)[:, None]).ravel()
    return np.bincount(flat, minlength=draws * count).reshape(draws, count) / count


@dataclass(frozen=True, eq=False)
class Measured:
    """Errors of one target, method and regime over the sizes of a design.

    Parameters
    ----------
    n : array, shape (size,)
        Growing.
    errors : array, shape (size, replicate)
        NaN where a fit failed.
    statistic : {"rms", "mean"}
        How replications are averaged: the root mean square of an estimate's errors, or the mean of
        posterior expected losses.
    level : float
        Of the intervals.
    draws, seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        When the shapes do not fit; from the slopes when there are fewer than two sizes.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> n = np.array([100, 1000, 10000])
    >>> measured = Measured(n, rng.standard_normal((3, 400)) / np.sqrt(n)[:, None])
    >>> float(measured.slope.value.round(1))
    -0.5
    """

    n: NDArray
    errors: NDArray
    statistic: str = "rms"
    level: float = 0.95
    draws: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        choose("statistic", self.statistic, ("rms", "mean"))
        if self.errors.ndim != 2 or len(self.n) != len(self.errors):
            raise InputError(
                f"errors of shape {self.errors.shape} for {len(self.n)} sizes: "
                "give (size, replicate)"
            )

    @cached_property
    def fits(self) -> NDArray:
        """Fits that count, of each size."""
        return np.isfinite(self.errors).sum(axis=1)

    @cached_property
    def enough(self) -> bool:
        """Whether every size has fits enough, and no error is exactly zero throughout."""
        return bool((self.fits >= FEWEST).all() and np.nanmax(self.errors**2, axis=1).min() > 0)

    @cached_property
    def _resampled(self) -> tuple[NDArray, NDArray]:
        """Averages over the replications themselves and over resamples: (size,), (draw, size)."""
        power = 2.0 if self.statistic == "rms" else 1.0
        here, again = np.full(len(self.n), np.nan), np.full((self.draws, len(self.n)), np.nan)
        for i, row in enumerate(np.abs(self.errors)):
            kept = row[np.isfinite(row)]
            if len(kept) < FEWEST:
                continue
            shares = _resamples(len(kept), self.draws, self.seed, i)
            # Scaled by the largest, since a norm may be huge where a gate runs away.
            top = kept.max() or 1.0
            powers = (kept / top) ** power
            here[i] = top * powers.mean() ** (1.0 / power)
            again[:, i] = top * (shares @ powers) ** (1.0 / power)
        return here, again

    def _interval(self, function: Callable[[NDArray], NDArray], joint: bool = True) -> Interval:
        """A function of the averages, with its interval.

        Resamples of R replications vary by (R - 1)/R too little, and the spread is itself measured
        with as many degrees of freedom: the interval is widened for both, as Student's is. `joint`
        says that all sizes together measure the spread.
        """
        here, again = self._resampled
        value, spread = function(here), function(again)
        tail = (1.0 - self.level) / 2.0
        low, high = np.quantile(spread, [tail, 1.0 - tail], axis=0)
        fits = np.maximum(self.fits, FEWEST)
        freedom = np.sum(fits - 1) if joint else fits - 1
        count = fits.min() if joint else fits
        widened = np.sqrt(count / (count - 1.0)) * t.ppf(tail, freedom) / norm.ppf(tail)
        return Interval(value, value - widened * (value - low), value + widened * (high - value))

    @cached_property
    def average(self) -> Interval:
        """RMSE, or mean expected loss, of each size."""
        found = self._interval(np.log, joint=False)
        return Interval(np.exp(found.value), np.exp(found.low), np.exp(found.high))

    @cached_property
    def slope(self) -> Interval:
        """Slope of the log average on log n over all sizes."""
        if len(self.n) < 2:
            raise InputError("a slope needs two sizes at least: give more")
        return self._interval(lambda averages: slope_of(self.n, averages))

    @cached_property
    def local_slopes(self) -> Interval:
        """Slope between each size and the next, (size - 1,), from the fits of the two alone."""
        pairs = [slice(i, i + 2) for i in range(len(self.n) - 1)]
        found = [replace(self, n=self.n[two], errors=self.errors[two]).slope for two in pairs]
        ends = [[one.value, one.low, one.high] for one in found]
        return Interval(*np.array(ends, dtype=float).reshape(-1, 3).T)

    def efficiency(self, bounds: ArrayLike) -> Interval:
        """Bound over average at each size; one in the local regime.

        Parameters
        ----------
        bounds : array, shape (size,)
            Information bound on the RMSE.
        """
        limits = np.asarray(bounds, dtype=float)
        found = self.average
        return Interval(limits / found.value, limits / found.high, limits / found.low)

    def settles(self, reference: ArrayLike) -> bool:
        """Whether the error's rate comes nearer to that of a reference as n grows.

        The slope of log(average / reference) is nearer to zero over the upper half of the sizes
        than over the lower half, by more than its interval; halves of an odd number of sizes share
        the middle one.

        Parameters
        ----------
        reference : array, shape (size,)
            A bound, or n to the power of an exponent.
        """
        half = -(-len(self.n) // 2)
        if half < 2:
            return False
        other = np.asarray(reference, dtype=float)

        def gain(averages: NDArray) -> NDArray:
            ratio = averages / other
            early = slope_of(self.n[:half], ratio[..., :half])
            late = slope_of(self.n[-half:], ratio[..., -half:])
            return np.abs(early) - np.abs(late)

        return bool(self._interval(gain).low > 0.0)


def verdict(
    measured: Measured, bounds: ArrayLike | None = None, exponent: float | None = None
) -> str:
    """What a measured rate says, in words.

    "agrees with the bound" when the slope's interval holds the slope of the information bound on
    the same sizes; else "agrees with the exponent" when it holds the asymptotic exponent; else
    "pre-asymptotic" when the rate still moves towards either (`Measured.settles`); else "off".

    Parameters
    ----------
    measured : Measured
    bounds : array, shape (size,), optional
        Information bound on the RMSE at the same sizes.
    exponent : float, optional
        Asymptotic exponent.

    Raises
    ------
    InputError
        When there is neither bound nor exponent to compare with.
    """
    references: list[NDArray] = []
    words = []
    if bounds is not None:
        references.append(np.asarray(bounds, dtype=float))
        words.append(VERDICTS[0])
    if exponent is not None:
        references.append(np.asarray(measured.n, dtype=float) ** exponent)
        words.append(VERDICTS[1])
    if not references:
        raise InputError("nothing to compare the rate with: give a bound or an exponent")
    if not measured.enough:
        return VERDICTS[4]
    for reference, word in zip(references, words, strict=True):
        if measured.slope.holds(slope_of(measured.n, reference)):
            return word
    if any(measured.settles(reference) for reference in references):
        return VERDICTS[2]
    return VERDICTS[3]
