"""Published against computed: the exponents of a variant's regimes beside their bound's slopes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.study.rates import Rate
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.boundary import boundary_words
from bayes_cmoe.theory.draws import DRAWS
from bayes_cmoe.theory.exponents import exponents
from bayes_cmoe.theory.information import ACCURACY
from bayes_cmoe.theory.published import rate_of

__all__ = ["SIZES", "theory", "theory_rows"]

WORDS = ("source", "condition", "mark", "boundary")
SIZES = tuple(float(n) for n in np.geomspace(1e3, 1e6, 7))


def theory(
    variant: str | Variant,
    regime: str | Regime | None = None,
    *,
    n: ArrayLike = SIZES,
    draws: int = DRAWS,
    seed: int = 0,
    accuracy: float = ACCURACY,
) -> xr.Dataset:
    """The three numbers of every parameter: published exponent, bound, and the bound's slope.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime, optional
        All of the variant's when left out.
    n : array, shape (n,)
        Sizes, two at least.
    draws, seed : int
        Of the information's Monte-Carlo expectation.
    accuracy : float
        Largest relative Monte-Carlo error of a bound; slopes are far more precise, because all
        sizes share their draws.

    Returns
    -------
    xarray.Dataset over ``row`` (coordinates ``regime``, ``parameter``) and ``n``; of a regime with
    more experts than its truth a row for each rate, without a bound (NaN): ``exponent``
    (published, on the regime's path; NaN where there is none), ``lower`` (that of the minimax lower
    bound, likewise), ``source``, ``condition``, ``mark``, ``boundary`` (the regime's phase
    boundary in words), ``bound`` and ``bound_se`` on the RMSE, ``slope`` and ``slope_se``.

    Raises
    ------
    InputError
        When a name is unknown, a truth is outside its box or singular, or the draws are too few.
    """
    chosen = variant_named(variant)
    regimes: Sequence[Regime] = (
        list(chosen.regimes.values()) if regime is None else [chosen.regime(regime)]
    )
    tables = []
    for own in regimes:
        if own.over_specified:
            table = _unbounded(own, np.asarray(n, dtype=float))
        else:
            table = exponents(chosen, own, n=n, draws=draws, seed=seed, accuracy=accuracy)
        rates = [rate_of(own, str(name)) for name in table.parameter.values]
        table = table.assign(
            source=("parameter", [rate.source if rate else "" for rate in rates]),
            condition=("parameter", [rate.condition if rate else "" for rate in rates]),
            mark=("parameter", [rate.mark if rate else "" for rate in rates]),
            boundary=("parameter", [boundary_words(own) if rate else "" for rate in rates]),
            lower=("parameter", [_lower(own, rate) for rate in rates]),
        )
        names = table.parameter.values
        table = table.drop_vars("parameter").rename(parameter="row")
        tables.append(
            table.assign_coords(
                regime=("row", [own.name] * len(names)), parameter=("row", list(names))
            )
        )
    whole = xr.concat(tables, dim="row", combine_attrs="drop")
    return whole.assign_attrs(variant=chosen.name, draws=draws, seed=seed)


def _unbounded(regime: Regime, sizes: NDArray) -> xr.Dataset:
    """The rates of a regime whose truth is a set: there is no information bound."""
    names = [rate.parameter for rate in regime.published]
    nothing = np.full(len(names), np.nan)
    powers = (regime.path.alpha, regime.path.gamma)
    flat = dict.fromkeys(("slope", "slope_se"), ("parameter", nothing))
    wide = (("parameter", "n"), np.full((len(names), len(sizes)), np.nan))
    exponent = [float(rate.upper.at(*powers)) for rate in regime.published]
    return xr.Dataset(
        {**flat, "bound": wide, "bound_se": wide, "exponent": ("parameter", exponent)},
        coords={"parameter": names, "n": sizes},
    )


def _lower(regime: Regime, rate: Rate | None) -> float:
    if rate is None or rate.lower is None:
        return float("nan")
    return float(rate.lower.at(regime.path.alpha, regime.path.gamma))


def theory_rows(table: xr.Dataset) -> list[dict[str, Any]]:
    """The rows of `theory`'s table as plain values, fit for JSON.

    Each has regime, parameter, exponent and lower (numbers or None), source, condition, mark and
    boundary (or None), n, bound, bound_se, slope and slope_se (None where there is no bound).
    """
    rows = []
    for i in range(table.sizes["row"]):
        own = table.isel(row=i)
        rows.append(
            {
                "regime": str(own.regime.item()),
                "parameter": str(own.parameter.item()),
                **{name: _known(own[name].item()) for name in ("exponent", "lower")},
                **{name: str(own[name].item()) or None for name in WORDS},
                "n": [float(n) for n in table.n.values],
                "bound": [_known(bound) for bound in own.bound.values],
                "bound_se": [_known(error) for error in own.bound_se.values],
                "slope": _known(own.slope.item()),
                "slope_se": _known(own.slope_se.item()),
            }
        )
    return rows


def _known(number: float) -> float | None:
    return None if np.isnan(number) else float(number)
