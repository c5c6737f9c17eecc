"""Averages over replications, sharpened by a control whose mean is known.

An estimate's error e and its linearisation on the same data, L = I^-1 S / n, are nearly one number,
and the mean of what is made of L is known: E|L|^2 = trace V / n. What L happened to be, above or
below its mean, is taken off what e happened to be:

    m = mean(a) - c (mean(b) - E b),    c = cov(a, b) / var(b), kept within [0, 1].

c is estimated from the fits. At zero the control says nothing and m is the plain mean; at one the
error is its linearisation. L itself, with its sign, has mean zero and is a second control, since
errors are much larger on one side where a prompt merges. The interval is the jackknife's, on the
scale of the logarithm, so it knows that the coefficients were estimated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t
from scipy.stats.mstats import mjci

__all__ = ["FEWEST", "Average", "average", "median", "middle", "share"]

FEWEST = 2
"""Replications that an interval needs."""
CONTROLLED = 4
"""Replications that a coefficient needs: below, the mean is a plain one."""
SIGNED = 20
"""Replications for each control, from which signed ones are used too."""
TINY = 1e-15


@dataclass(frozen=True)
class Average:
    """A mean over replications, on the scale of its logarithm.

    Parameters
    ----------
    log : float
        Logarithm of the mean; NaN where too few replications count.
    error : float
        Its standard error.
    freedom : float
        Degrees of freedom of the error.
    leverage : float
        c E(b) / m: how a relative error of the control's known mean passes on to the mean.
    """

    log: float
    error: float
    freedom: float
    leverage: float = 0.0

    def interval(self, level: float) -> tuple[float, float, float]:
        """The mean and its interval."""
        half = t.ppf((1.0 + level) / 2.0, self.freedom) * self.error
        value, low, high = np.exp([self.log, self.log - half, self.log + half])
        return float(value), float(low), float(high)


NOTHING = Average(np.nan, np.nan, 1.0)


def average(
    values: ArrayLike,
    controls: ArrayLike | None = None,
    expected: float = np.nan,
    signed: ArrayLike | None = None,
) -> Average:
    """Mean of a positive quantity, controlled where there is a control.

    Parameters
    ----------
    values : array, shape (replicate,)
        Not negative; NaN where a fit failed.
    controls : array, shape (replicate,), optional
        In the units of the values; NaN where there is none.
    expected : float
        The controls' mean, known from theory.
    signed : array, shape (replicate, k), optional
        More controls, whose means are zero: linearised errors with their signs, which an error
        follows that is larger on one side. Used from twenty replications for each control.

    References
    ----------
    Glasserman (2003), Monte Carlo Methods in Financial Engineering, section 4.1. Efron and Stein
    (1981), doi:10.1214/aos/1176345462.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> linear = rng.standard_normal(100)
    >>> error = linear + 0.1 * rng.standard_normal(100)  # E error^2 = 1.01
    >>> plain, sharp = average(error**2), average(error**2, linear**2, 1.0)
    >>> [round(float(np.exp(one.log)), 2) for one in (plain, sharp)]
    [0.74, 1.0]
    >>> sharp.error < plain.error / 4
    True
    """
    own = np.asarray(values, dtype=float)
    kept = np.isfinite(own)
    count = int(kept.sum())
    if count < FEWEST or not np.nanmax(own[kept]) > 0:
        return NOTHING
    # Scaled by the largest, since a norm may be huge where a gate runs away.
    top = own[kept].max()
    a, nothing = own[kept] / top, np.zeros((count, 0))
    beside = np.full(own.shape, np.nan) if controls is None else np.asarray(controls, dtype=float)
    b = beside[kept] / expected
    if not np.isfinite(b).all() or count < CONTROLLED:
        return _jackknifed(a, np.ones(count), nothing, 0.0, top)
    more = nothing if signed is None else np.asarray(signed, dtype=float)[kept]
    if count < SIGNED * (1 + more.shape[1]) or not np.isfinite(more).all():
        more = nothing
    return _jackknifed(a, b, more / (more.std(axis=0) + TINY), expected / top, top)


def _jackknifed(a: NDArray, b: NDArray, signed: NDArray, most: float, top: float) -> Average:
    """The controlled mean of a by b, whose mean is one; the coefficient at most `most`."""
    count, k = signed.shape
    table = np.column_stack([a, b, signed])
    products = table[:, :, None] * table[:, None, :]
    sums, squares = table.sum(axis=0), products.sum(axis=0)
    mean, coefficient = _controlled(sums, squares, count, most)
    less = _controlled(_without_each(table), _without_each(products), count - 1, most)
    logs = np.log(less[0])
    # Its mean, not the whole sample's, as the centre: the variance has no bias from there.
    error = np.sqrt((count - 1) / count * np.sum((logs - logs.mean()) ** 2))
    freedom = count - 2 - k if most else count - 1
    return Average(
        float(np.log(mean) + np.log(top)), float(error), freedom, float(coefficient / mean)
    )


def _without_each(values: NDArray) -> NDArray:
    """Sums over the first axis, each entry left out in turn.

    Not the sum less the entry: nothing would be left of the others beside one from a gate that ran
    away.
    """
    nothing = np.zeros_like(values[:1])
    before = np.concatenate([nothing, np.cumsum(values[:-1], axis=0)])
    after = np.concatenate([np.cumsum(values[:0:-1], axis=0)[::-1], nothing])
    return before + after


def _controlled(
    sums: NDArray, squares: NDArray, count: int, most: float
) -> tuple[NDArray, NDArray]:
    """Means and coefficients from the sums of (a, b, signed) and of their products.

    What the signed controls explain is taken off a and b first; plain where the rest is no mean.
    """
    means = sums / count
    spread = squares / count - means[..., :, None] * means[..., None, :]
    cross = spread[..., 2:, :2]
    if cross.shape[-2]:
        taken = np.linalg.solve(spread[..., 2:, 2:], cross)
        means = means[..., :2] - np.einsum("...k,...kj->...j", means[..., 2:], taken)
        spread = spread[..., :2, :2] - np.swapaxes(cross, -1, -2) @ taken
    ab, bb = spread[..., 0, 1], spread[..., 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        coefficient = np.where(bb > TINY, np.clip(ab / bb, 0.0, most), 0.0)
    mean = means[..., 0] - coefficient * (means[..., 1] - 1.0)
    good = mean > 0
    plain = sums[..., 0] / count
    return np.where(good, mean, plain), np.where(good, coefficient, 0.0)


def middle(values: ArrayLike) -> Average:
    """Median of a positive quantity, without any control, on the scale of its logarithm.

    Its error is that of the bootstrap's law of the median, which is known: the middle order
    statistic of as many values drawn again is the i-th smallest with a probability of a beta law.

    Parameters
    ----------
    values : array, shape (replicate,)
        Not negative; NaN where a fit failed.

    References
    ----------
    Maritz and Jarrett (1978), doi:10.1080/01621459.1978.10480027.

    Examples
    --------
    >>> found = middle(np.append(np.arange(1.0, 101.0), 1e9))  # one fit lies far off
    >>> [round(end, 1) for end in found.interval(0.95)]
    [51.0, 41.8, 62.2]
    """
    own = np.asarray(values, dtype=float)
    own = own[np.isfinite(own)]
    if len(own) < FEWEST or not np.median(own) > 0:
        return NOTHING
    # A value of zero counts as one that is much smaller than the others.
    logs = np.log(np.maximum(own, TINY * np.median(own)))
    return Average(float(np.median(logs)), float(mjci(logs, [0.5])[0]), len(own) - 1)


def median(
    values: ArrayLike, controls: ArrayLike, expected: float, level: float
) -> tuple[float, float, float]:
    """Median, controlled by how many controls lie below their own, known, median.

    Where more than half of them do, the values' median is sought that much higher among the values.

    Parameters
    ----------
    values, controls : array, shape (replicate,)
        As of `average`.
    expected : float
        The controls' median.
    level : float
        Of the interval.

    Returns
    -------
    median, low, high : float
        NaN where too few replications count.

    References
    ----------
    Hesterberg and Nelson (1998), doi:10.1287/mnsc.44.9.1295.

    Examples
    --------
    >>> values = np.arange(1.0, 102.0)  # the median of the law they are from is 60.5
    >>> [round(float(end), 2) for end in median(values, values, 60.5, 0.95)]
    [59.0, 53.41, 64.58]
    """
    own, beside = (np.asarray(one, dtype=float) for one in (values, controls))
    kept = np.isfinite(own)
    count = int(kept.sum())
    if count < FEWEST:
        return np.nan, np.nan, np.nan
    own, beside = own[kept], beside[kept]
    below = own <= np.median(own)
    middle, spread = 0.5, 0.5
    if np.isfinite(beside).all() and count >= CONTROLLED:
        control = beside <= expected
        shift = control.mean() - 0.5
        variance = control.var()
        slope = np.mean((below - below.mean()) * control) / variance if variance else 0.0
        coefficient = float(np.clip(slope, 0.0, 1.0))
        middle = 0.5 + coefficient * shift
        # One fit in which the two disagree is imagined, as for shares.
        apart = np.var(below - coefficient * control) * count + 0.5
        spread = min((apart / (count + 1.0)) ** 0.5, 0.5)
    half = t.ppf((1.0 + level) / 2.0, count - 1) * spread / count**0.5
    ends = np.clip([middle, middle - half, middle + half], 0.0, 1.0)
    value, low, high = np.quantile(own, ends)
    return float(value), float(low), float(high)


def share(
    held: ArrayLike, controls: ArrayLike, expected: float, level: float
) -> tuple[float, float, float]:
    """A share, such as coverage, with the share that a control holds in the same fits.

    The plain regression of one on the other, after four imagined fits of weight one half each in
    which both, either or none holds: where all fits agree, the interval is then still as wide as
    their number allows (Agresti and Min, 2005).

    Parameters
    ----------
    held : array, shape (replicate,)
        Between 0 and 1; NaN where a fit failed.
    controls : array, shape (replicate,)
        The same of the control; NaN where there is none, and the share is then a plain one.
    expected : float
        The control's known share.
    level : float
        Of the interval.

    Returns
    -------
    share, low, high : float
        NaN where too few replications count.

    References
    ----------
    Agresti and Min (2005), doi:10.1002/sim.1781.

    Examples
    --------
    >>> held = np.repeat([1.0, 0.0], [56, 4])  # 93 % of 60, where the control holds the same
    >>> np.round(share(held, held, 0.9, 0.95), 2)
    array([0.9 , 0.87, 0.93])
    """
    a, b = (np.asarray(one, dtype=float) for one in (held, controls))
    kept = np.isfinite(a)
    count = int(kept.sum())
    if count < FEWEST:
        return np.nan, np.nan, np.nan
    controlled = bool(np.isfinite(b[kept]).all()) and count >= CONTROLLED
    a, b = a[kept], b[kept] if controlled else np.full(count, expected)
    weights = np.append(np.ones(count), np.full(4, 0.5))
    a, b = np.append(a, [1.0, 1.0, 0.0, 0.0]), np.append(b, [1.0, 0.0, 1.0, 0.0])
    weights /= weights.sum()
    da, db = a - weights @ a, b - weights @ b
    slope = np.clip((weights @ (da * db)) / (weights @ db**2), 0.0, 1.0)
    coefficient = float(slope) if controlled else 0.0
    rest = da - coefficient * db
    value = float(np.mean(a[:count]) - coefficient * (np.mean(b[:count]) - expected))
    half = t.ppf((1.0 + level) / 2.0, count - 1) * np.sqrt(weights @ rest**2 / (count + 2))
    center = float(weights @ a - coefficient * (weights @ b - expected))
    return value, max(min(center - half, value), 0.0), min(max(center + half, value), 1.0)
