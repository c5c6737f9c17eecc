"""Published and derived exponents of every regime, as a labelled table."""

from fractions import Fraction

import numpy as np
import xarray as xr

from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["boundary", "formula", "published", "rate_of"]


def rate_of(regime: Regime, parameter: str) -> Rate | None:
    """The published rate of one parameter, None when there is none."""
    return next((rate for rate in regime.published if rate.parameter == parameter), None)


def formula(exponent: Exponent | None) -> str:
    """An exponent in words.

    Examples
    --------
    >>> formula(Exponent(Fraction(-1, 2), Fraction(1), Fraction(2)))
    '-1/2 + alpha + 2 gamma'
    """
    if exponent is None:
        return ""
    text = str(exponent.constant)
    for value, name in ((exponent.alpha, "alpha"), (exponent.gamma, "gamma")):
        if value:
            size = "" if abs(value) == 1 else f"{abs(value)} "
            text += f" {'-' if value < 0 else '+'} {size}{name}"
    return text


def boundary(regime: Regime, alpha: Fraction | float) -> float:
    """The phase boundary that the rates imply: the largest gamma at which the share is learnt.

    It is learnt while its error falls faster than it does itself, -1/2 + A alpha + G gamma < -alpha
    for an error n^(-1/2 + A alpha + G gamma): under a strongly identifiable expert while
    sqrt(n) lam* ‖Delta*‖² -> infinity, gamma < (1/2 - alpha) / 2. Infinite where the share's rate
    does not depend on gamma, or none is known.
    """
    rate = rate_of(regime, regime.gate.share.name)
    upper = Exponent(Fraction(-1, 2)) if rate is None else rate.upper
    room = -(float(upper.constant) + (float(upper.alpha) + 1.0) * float(alpha))
    if not upper.gamma:
        return float("inf") if room > 0.0 else 0.0
    return max(0.0, room / float(upper.gamma))


def published(variant: str | Variant, regime: str | Regime | None = None) -> xr.Dataset:
    """Published exponents of a variant's regimes.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime, optional
        All of them when left out.

    Returns
    -------
    xarray.Dataset over ``row``, with the coordinates ``regime`` and ``parameter``: ``upper`` and
    ``lower`` (exponents on the regime's own path, NaN where none is published), their formulas in
    (alpha, gamma), ``source``, ``condition`` and ``mark`` (published or derived).

    Examples
    --------
    >>> table = published("constant_contaminated", "merging")
    >>> table.upper_formula.values.tolist()
    ['-1/2 + 2 gamma', '-1/2 + alpha + gamma']
    """
    chosen = variant_named(variant)
    regimes = list(chosen.regimes.values()) if regime is None else [chosen.regime(regime)]
    pairs = [(own, rate) for own in regimes for rate in own.published]

    def value(own: Regime, exponent: Exponent | None) -> float:
        return np.nan if exponent is None else float(exponent.at(own.path.alpha, own.path.gamma))

    columns = {
        "upper": [value(own, rate.upper) for own, rate in pairs],
        "lower": [value(own, rate.lower) for own, rate in pairs],
        "upper_formula": [formula(rate.upper) for _, rate in pairs],
        "lower_formula": [formula(rate.lower) for _, rate in pairs],
        "source": [rate.source for _, rate in pairs],
        "condition": [rate.condition for _, rate in pairs],
        "mark": [rate.mark for _, rate in pairs],
    }
    coords = {
        "regime": ("row", [own.name for own, _ in pairs]),
        "parameter": ("row", [rate.parameter for _, rate in pairs]),
    }
    return xr.Dataset(
        {name: ("row", column) for name, column in columns.items()},
        coords=coords,
        attrs={"variant": chosen.name},
    )
