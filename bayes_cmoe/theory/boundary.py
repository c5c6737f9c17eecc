"""The phase boundary of a regime: where its rates leave nothing to be learnt.

A rate n^(-c + A alpha + G gamma) says something only while it is small against its target's own
size: the share, n^-alpha; a shift, n^(-k gamma) where it is as the distance's k-th power; else one.
So of each rate there is left

    -c + (A + s) alpha + (G + k) gamma < 0,   s = 1 of the share, else 0,

which is sqrt(n) share^p Delta^q -> infinity, p = (A + s) / 2c, q = (G + k) / 2c.
"""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import EXPERT

__all__ = ["boundary", "boundary_words"]

NEAR = 1e-3
"""A distance at which a shift's power is read off."""
COARSEST = 6
"""Denominator of such a power at most."""


def boundary(regime: Regime, alpha: Fraction | float) -> float:
    """The phase boundary: the largest gamma at which every rate is small against its target.

    Parameters
    ----------
    regime : Regime
    alpha : Fraction or float

    Returns
    -------
    float; 0 where no gamma will do, infinity where every one will, NaN where the regime has no
    rates.

    Examples
    --------
    >>> from bayes_cmoe.study.variant import variant_named
    >>> constant = variant_named("constant_contaminated")
    >>> [boundary(constant.regime(name), 0) for name in ("merging", "linear-merging-b")]
    [0.25, 0.125]
    """
    if not regime.published:
        return float("nan")
    return min(_largest(_left(regime, rate), Fraction(alpha)) for rate in regime.published)


def _largest(left: Exponent, alpha: Fraction) -> float:
    """The gamma at which what is left of a rate is zero."""
    room = -left.at(alpha, 0)
    if room <= 0:
        return 0.0
    return float(room / left.gamma) if left.gamma > 0 else float("inf")


def boundary_words(regime: Regime) -> str:
    """The same in words, what follows from the rest left out.

    Empty where nothing is published, or there is no frozen expert, so that nothing vanishes.

    Examples
    --------
    >>> from bayes_cmoe.study.variant import variant_named
    >>> boundary_words(variant_named("constant_contaminated").regime("linear-merging-b"))
    'sqrt(n) lam Delta^4 -> infinity'
    """
    if not regime.gate.frozen:
        return ""
    pairs = set()
    for rate in regime.published:
        left = _left(regime, rate)
        pairs.add((left.alpha / (-2 * left.constant), left.gamma / (-2 * left.constant)))
    binding = [
        one
        for one in sorted(pairs)
        if not any(other != one and other[0] >= one[0] and other[1] >= one[1] for other in pairs)
    ]
    words = [_words(regime.gate.share.name, *one) for one in binding]
    return ", ".join(words)


def _words(share: str, p: Fraction, q: Fraction) -> str:
    factors = [_power(name, power) for name, power in ((share, p), ("Delta", q)) if power]
    return f"{' '.join(['sqrt(n)', *factors])} -> infinity"


def _power(name: str, power: Fraction) -> str:
    if power == 1:
        return name
    return f"{name}^{power}" if power.denominator == 1 else f"{name}^({power})"


def _left(regime: Regime, rate: Rate) -> Exponent:
    """A rate's exponent less that of its target's own size."""
    share = Fraction(rate.parameter == regime.gate.share.name)
    upper = rate.upper
    merging = _power_of_shift(regime, rate.parameter)
    return Exponent(upper.constant, upper.alpha + share, upper.gamma + merging)


def _power_of_shift(regime: Regime, target: str) -> Fraction:
    """k for which a target's shift is as Delta^k where it is small; 0 where it has none."""
    near, nearer = (regime.path.shift(distance) for distance in (NEAR, NEAR / 2.0))
    names = list(regime.path.center) if target == EXPERT else [target]
    here, there = _size(near, names), _size(nearer, names)
    if here == 0.0 or there == 0.0:
        return Fraction(0)
    return Fraction(float(np.log2(here / there))).limit_denominator(COARSEST)


def _size(shift: Mapping[str, ArrayLike], names: list[str]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(shift[name])) for name in names if name in shift)))
