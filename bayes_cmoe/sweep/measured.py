"""Measured rates: slopes of log error on log n, controlled by the linearised error, with intervals.

Errors come as arrays (size, replicate) with NaN for a fit that failed, and beside them, where
theory gives them, the linearised errors on the same data and their known mean (`averages`). The
sizes are independent, so that a slope's error follows from the averages' errors; no size is left
out after the fact.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.sweep.averages import FEWEST, Average, average, middle

__all__ = ["LEVEL", "Interval", "Measured", "Spread", "slope_of"]

LEVEL = 0.95
"""Of the intervals."""
POWERS = {"rms": 2.0, "mean": 1.0, "median": 1.0}


@dataclass(frozen=True, eq=False)
class Interval:
    """A number, or an array of them, and its interval."""

    value: NDArray
    low: NDArray
    high: NDArray

    def holds(self, other: ArrayLike) -> NDArray:
        """Whether another value lies inside."""
        return (self.low <= np.asarray(other)) & (np.asarray(other) <= self.high)

    @property
    def half(self) -> NDArray:
        """Half of its width."""
        return (self.high - self.low) / 2.0


@dataclass(frozen=True, eq=False)
class Spread:
    """What makes an interval wide.

    Parameters
    ----------
    parts : array, shape (..., size)
        What each size's replications add to the variance.
    known : array, shape (...)
        Half-width by the limits' errors alone, which no replication mends.
    quantile : array, shape (...)
        Student's.
    """

    parts: NDArray
    known: NDArray | float
    quantile: NDArray | float

    def half(self, factors: ArrayLike = 1.0) -> NDArray:
        """Half-width with so many times the replications, of all sizes or (size,) each."""
        drawn = np.sum(self.parts / np.asarray(factors), axis=-1)
        return np.hypot(self.quantile * np.sqrt(drawn), self.known)


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
    return np.log(np.asarray(values, dtype=float)) @ _weights(np.asarray(n, dtype=float))


def _weights(n: NDArray) -> NDArray:
    """What each size's log value counts for in the slope; (size,)"""
    centred = np.log(n) - np.log(n).mean()
    return centred / np.sum(centred**2)


@dataclass(frozen=True, eq=False)
class Measured:
    """Errors of one target, method and regime over the sizes of a design.

    Parameters
    ----------
    n : array, shape (size,)
        Growing.
    errors : array, shape (size, replicate)
        NaN where a fit failed.
    statistic : {"rms", "mean", "median"}
        How replications are averaged: the root mean square of an estimate's errors, the mean of
        posterior expected losses, or their median, without controls.
    controls : array, shape (size, replicate), optional
        The linearised errors on the same data (what an efficient posterior would have for its
        expected loss), in the errors' units; NaN where there is none.
    limits : array, shape (size,), optional
        Their root mean square (their mean), known from theory.
    signed : array, shape (size, replicate, k), optional
        Linearised errors of the target's entries with their signs; NaN where there are none.
    slack : array, shape (size,), optional
        Relative Monte-Carlo error of the limits.
    level : float
        Of the intervals.

    Raises
    ------
    InputError
        When the shapes do not fit; from the slopes when there are fewer than two sizes.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> n = np.array([100, 1000, 10000])
    >>> linear = rng.standard_normal((3, 40)) / np.sqrt(n)[:, None]
    >>> errors = linear * (1.0 + 0.1 * rng.standard_normal((3, 40)))
    >>> measured = Measured(n, errors, controls=linear, limits=n**-0.5)
    >>> [round(float(one.slope.half), 2) for one in (measured.plain, measured)]
    [0.08, 0.01]
    """

    n: NDArray
    errors: NDArray
    statistic: str = "rms"
    controls: NDArray | None = None
    limits: NDArray | None = None
    slack: NDArray | None = None
    signed: NDArray | None = None
    level: float = LEVEL

    def __post_init__(self) -> None:
        choose("statistic", self.statistic, tuple(POWERS))
        if self.errors.ndim != 2 or len(self.n) != len(self.errors):
            raise InputError(
                f"errors of shape {self.errors.shape} for {len(self.n)} sizes: "
                "give (size, replicate)"
            )
        if self.controls is not None and self.controls.shape != self.errors.shape:
            raise InputError(
                f"controls of shape {self.controls.shape} beside errors of shape "
                f"{self.errors.shape}: give one for each error"
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
    def plain(self) -> "Measured":
        """The same without controls."""
        return replace(self, controls=None)

    def at(self, chosen: slice | NDArray) -> "Measured":
        """The same at some of the sizes."""
        parts = {name: getattr(self, name) for name in ("controls", "limits", "slack", "signed")}
        own: dict[str, Any] = {
            name: None if part is None else part[chosen] for name, part in parts.items()
        }
        return replace(self, n=self.n[chosen], errors=self.errors[chosen], **own)

    @property
    def _power(self) -> float:
        return POWERS[self.statistic]

    @cached_property
    def _averages(self) -> list[Average]:
        """Averages of the errors to their power, a size at a time."""
        power = self._power
        if self.statistic == "median":
            return [middle(np.abs(row)) for row in self.errors]
        if self.controls is None or self.limits is None:
            return [average(_raised(row, power)) for row in self.errors]
        signed = [None] * len(self.n) if self.signed is None else self.signed
        rows = zip(self.errors, self.controls, self.limits, signed, strict=True)
        return [
            average(_raised(error, power), np.abs(control) ** power, limit**power, more)
            for error, control, limit, more in rows
        ]

    @cached_property
    def logs(self) -> NDArray:
        """Logarithm of RMSE, or of mean expected loss; (size,)"""
        return np.array([own.log for own in self._averages]) / self._power

    @cached_property
    def _variances(self) -> NDArray:
        """Of the logarithms, by the replications alone; (size,)"""
        return np.array([(own.error / self._power) ** 2 for own in self._averages])

    @cached_property
    def _leverages(self) -> NDArray:
        """How the limits' relative errors pass on to the averages; (size,)"""
        return np.array([own.leverage for own in self._averages])

    def spread(self, known: bool = True) -> "Spread":
        """What makes the interval of the slope's `difference` from a reference wide.

        Parameters
        ----------
        known : bool
            Whether the reference is known without error.
        """
        return self._spread(self._over, self._leverages + (0.0 if known else 1.0))

    def _interval(self, weights: NDArray, values: NDArray, passed: NDArray) -> Interval:
        """Student's interval of combinations of values, one for each size."""
        half = self._spread(weights, passed).half()
        value = weights @ values
        return Interval(value, value - half, value + half)

    def _spread(self, weights: NDArray, passed: NDArray) -> "Spread":
        """Of combinations of the logs; (..., size).

        All sizes of a combination measure its spread together, as Welch and Satterthwaite have
        it; `passed` says how much of the limits' errors passes on to each value.
        """
        slack = np.zeros(len(self.n)) if self.slack is None else self.slack
        parts = weights**2 * self._variances
        known = np.sum(weights**2 * (passed * slack) ** 2, axis=-1)
        own = np.array([average.freedom for average in self._averages])
        total = parts.sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            joint = np.where(total > 0, total**2 / np.sum(parts**2 / own, axis=-1), np.inf)
        tail = (1.0 + self.level) / 2.0
        quantile = t.ppf(tail, np.maximum(joint, 1.0))
        return Spread(parts, norm.ppf(tail) * np.sqrt(known), quantile)

    @cached_property
    def average(self) -> Interval:
        """RMSE, or mean expected loss, of each size."""
        found = self._interval(np.eye(len(self.n)), self.logs, self._leverages)
        return Interval(np.exp(found.value), np.exp(found.low), np.exp(found.high))

    @cached_property
    def slope(self) -> Interval:
        """Slope of the log average on log n over all sizes."""
        return self._interval(self._over, self.logs, self._leverages)

    @cached_property
    def _over(self) -> NDArray:
        if len(self.n) < 2:
            raise InputError("a slope needs two sizes at least: give more")
        return _weights(self.n)

    @cached_property
    def local_slopes(self) -> Interval:
        """Slope between each size and the next, (size - 1,), from the fits of the two alone."""
        found = [self.at(slice(i, i + 2)).slope for i in range(len(self.n) - 1)]
        ends = [[one.value, one.low, one.high] for one in found]
        return Interval(*np.array(ends, dtype=float).reshape(-1, 3).T)

    def efficiency(self, bounds: ArrayLike) -> Interval:
        """Bound over average at each size; one in the local regime.

        Parameters
        ----------
        bounds : array, shape (size,)
            Information bound on the RMSE.
        """
        ratios = np.log(np.asarray(bounds, dtype=float)) - self.logs
        found = self._interval(np.eye(len(self.n)), ratios, 1.0 + self._leverages)
        return Interval(np.exp(found.value), np.exp(found.low), np.exp(found.high))

    def difference(self, reference: ArrayLike, known: bool = True) -> Interval:
        """Slope of the average minus that of a reference on the same sizes.

        Parameters
        ----------
        reference : array, shape (size,)
            A bound, or n to the power of an exponent.
        known : bool
            Whether the reference is known without error; a bound has the limits' error.
        """
        ratios = self.logs - np.log(np.asarray(reference, dtype=float))
        return self._interval(self._over, ratios, self._leverages + (0.0 if known else 1.0))

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
        ratios = self.logs - np.log(np.asarray(reference, dtype=float))
        early, late = np.zeros((2, len(self.n)))
        early[:half], late[-half:] = _weights(self.n[:half]), _weights(self.n[-half:])
        gain = np.sign(early @ ratios) * early - np.sign(late @ ratios) * late
        return bool(self._interval(gain, ratios, self._leverages).low > 0.0)


def _raised(errors: NDArray, power: float) -> NDArray:
    """Errors to a power; one too large for a number counts as the largest there is."""
    with np.errstate(over="ignore"):
        return np.minimum(np.abs(errors) ** power, np.finfo(float).max)
