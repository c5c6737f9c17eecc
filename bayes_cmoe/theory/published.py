"""Published and derived exponents of every regime, as a labelled table."""

import numpy as np
import xarray as xr

from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.boundary import boundary_words

__all__ = ["formula", "published", "rate_of"]


def rate_of(regime: Regime, parameter: str) -> Rate | None:
    """The published rate of one parameter, None when there is none."""
    return next((rate for rate in regime.published if rate.parameter == parameter), None)


def formula(exponent: Exponent | None) -> str:
    """An exponent in words.

    Examples
    --------
    >>> from fractions import Fraction
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
    (alpha, gamma), ``source``, ``condition``, ``boundary`` (the regime's, in words) and ``mark``
    (published or derived).

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
        "boundary": [boundary_words(own) for own, _ in pairs],
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
