"""What a measured rate decides: it agrees with a reference, differs, or more data would say.

The difference of slopes, measured minus the reference's, has an interval. It *agrees* when all of
the interval lies within the margin, *differs* when all of it lies outside, and is *undecided*
otherwise: then the number of data sets that would decide is given instead. A difference that is
proved and smaller than the margin agrees, and is printed as what it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.stats import norm

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.checks import MARGIN
from bayes_cmoe.sweep.measured import LEVEL, Measured

__all__ = ["MOST", "TELL_APART", "WORDS", "Verdict", "power", "two_digits", "verdict"]

TELL_APART = 0.125
"""Difference of the exponents -1/4 and -3/8."""
WORDS = ("agrees", "differs", "undecided", "too few fits", "no theory")
MOST = 1e6
"""Data sets beyond which their number is not worth a digit."""
CHANCE = 0.8
"""With which a rate is to be decided by the number of data sets that is named."""
QUANTILE = float(norm.ppf((1.0 + LEVEL) / 2.0))


def two_digits(number: float) -> float:
    """A number of data sets, rounded up to two digits.

    Examples
    --------
    >>> two_digits(1234.0)
    np.float64(1300.0)
    """
    digit = 10.0 ** np.floor(np.log10(number) - 1.0)
    return np.ceil(number / digit) * digit


@dataclass(frozen=True)
class Verdict:
    """What a slope says of a reference's.

    Parameters
    ----------
    word : str
        One of `WORDS`.
    difference, low, high : float
        Measured minus reference, and its interval; NaN where there is none.
    needed : float
        Replications a size, on average, that would decide, about; NaN where it is decided or cannot
        be.
    """

    word: str
    difference: float = np.nan
    low: float = np.nan
    high: float = np.nan
    needed: float = np.nan

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.high - self.low) / 2.0

    @property
    def is_proved(self) -> bool:
        """Whether the difference is not zero, however small."""
        return self.low > 0.0 or self.high < 0.0

    def __str__(self) -> str:
        """The verdict in words.

        Examples
        --------
        >>> print(Verdict("agrees", -0.012, -0.016, -0.008))
        agrees, -0.012 +- 0.004 off
        >>> print(Verdict("undecided", -0.04, -0.09, 0.01, needed=230.4))
        undecided: about 240 data sets would decide
        """
        if self.word == "agrees" and self.is_proved:
            return f"agrees, {self.difference:+.3f} +- {self.half:.3f} off"
        if self.word == "differs":
            return f"differs by {self.difference:+.3f} +- {self.half:.3f}"
        if self.word == "undecided" and not self.needed <= MOST:
            return "undecided"
        if self.word == "undecided":
            return f"undecided: about {two_digits(self.needed):.0f} data sets would decide"
        return self.word


def verdict(
    measured: Measured,
    reference: ArrayLike | None,
    *,
    margin: float = MARGIN,
    known: bool = True,
) -> Verdict:
    """What a measured slope says of a reference's.

    Parameters
    ----------
    measured : Measured
    reference : array, shape (size,), optional
        Information bound at the same sizes, or n to the power of an exponent; None or NaN where
        theory says nothing.
    margin : float
        Difference of slopes that matters.
    known : bool
        Whether the reference is known without error, as an exponent is.

    Raises
    ------
    InputError
        When the margin is not positive.

    References
    ----------
    Schuirmann (1987), doi:10.1007/BF01068419: two one-sided tests of equivalence.

    Examples
    --------
    >>> n = np.geomspace(1e3, 1e5, 5)
    >>> errors = np.random.default_rng(2).standard_normal((5, 400)) * n[:, None] ** -0.5
    >>> print(verdict(Measured(n, errors), n**-0.5))
    agrees
    >>> print(verdict(Measured(n, errors), n**-0.25).word)
    differs
    >>> print(verdict(Measured(n, errors[:, :20]), n**-0.5).word)
    undecided
    """
    if not margin > 0:
        raise InputError(f"margin {margin}: give a positive difference of slopes, such as 0.05")
    if reference is None or not np.isfinite(reference).all():
        return Verdict("no theory")
    if not measured.enough:
        return Verdict("too few fits")
    found = measured.difference(reference, known)
    value, low, high = (float(end) for end in (found.value, found.low, found.high))
    if max(-low, high) <= margin:
        return Verdict("agrees", value, low, high)
    if low >= margin or high <= -margin:
        return Verdict("differs", value, low, high)
    needed = _needed(float(measured.fits.mean()), value, high - value, margin)
    return Verdict("undecided", value, low, high, needed)


def _needed(fits: float, value: float, half: float, margin: float) -> float:
    """Replications with which the rate would be decided, in four cases out of five.

    The true difference is where the interval says that it may be: normal about `value`. Infinite
    beyond `MOST`.
    """
    error = half / QUANTILE
    truths = value + error * norm.ppf((np.arange(200) + 0.5) / 200)

    def decided(factor: float) -> float:
        """The probability, averaged over the truths, with `factor` times the replications."""
        spread = error / factor**0.5
        reach = margin / spread - QUANTILE
        place = truths / spread
        inside = np.maximum(norm.cdf(reach - place) - norm.cdf(-reach - place), 0.0)
        beyond = margin / spread + QUANTILE
        outside = norm.sf(beyond - place) + norm.cdf(-beyond - place)
        return float(np.mean(inside * (reach > 0) + outside))

    most = MOST / fits
    if decided(most) < CHANCE:
        return np.inf
    if decided(1.0) >= CHANCE:
        return fits
    lacking = brentq(lambda log: decided(np.exp(log)) - CHANCE, 0.0, np.log(most))
    return fits * float(np.exp(lacking))


def power(half: float, difference: float = TELL_APART) -> float:
    """Probability that an interval of half-width `half` shows a difference of slopes.

    Examples
    --------
    >>> round(power(0.05), 3)  # a difference of 1/8
    0.998
    """
    if not half > 0:
        return np.nan if np.isnan(half) else 1.0
    shift = QUANTILE * difference / half
    return float(norm.cdf(shift - QUANTILE) + norm.cdf(-shift - QUANTILE))
