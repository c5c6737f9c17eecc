"""How many rows for a wanted error, and what error at a given number of rows.

Both read the information bound, which the maximum-likelihood estimate attains in the local regime.
Where the share is not `LOCAL_SHARE` times its own bound the regime is not local at that size, no
estimate attains the bound, and the modulus of continuity stands in its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.study.regime import Path, Regime
from bayes_cmoe.study.targets import combination
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.draws import DRAWS
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.information import (
    ACCURACY,
    check_accuracy,
    information_along,
    truth_at,
)
from bayes_cmoe.theory.modulus import modulus
from bayes_cmoe.theory.scores import scores_of
from bayes_cmoe.theory.standing import LOCAL_SHARE

__all__ = ["plan"]

MOST_ROWS = 1e18
STEPS = 40


def plan(
    variant: str | Variant,
    regime: str | Regime,
    *,
    parameter: str = "expert",
    error: float | None = None,
    n: float | None = None,
    at: float | None = None,
    truth: Mapping[str, ArrayLike] | None = None,
    alpha: Fraction | float | None = None,
    gamma: Fraction | float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    accuracy: float = ACCURACY,
) -> xr.Dataset:
    """Rows for a wanted error on a parameter, or the errors at a given number of rows.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
    parameter : str
        A parameter's name, ``exp_tau``, or ``expert`` for the joint norm of the expert's.
    error : float, optional
        Wanted root mean squared error of it; give this or `n`.
    n : float, optional
        Number of rows; give this or `error`.
    at : float, optional
        Hold the truth fixed where the regime's path has it at this size; by default the truth
        moves along the path with the number of rows.
    truth : mapping of str to array, optional
        Replaces parameters of the regime's truth.
    alpha, gamma : optional
        Other exponents of the path than the regime's own.
    draws, seed, accuracy
        As for `bayes_cmoe.theory.information.information`.

    Returns
    -------
    xarray.Dataset with ``bound`` and ``bound_se`` (parameter) at n rows, ``truth`` and ``binding``
    (entry), the direction along which the parameter is hardest to learn; ``resolution``, the share
    over its bound, and ``modulus`` of the parameter, computed where the former is too small (else
    NaN); attributes ``n``, ``n_se`` (Monte-Carlo), ``parameter``, ``standing`` (``local``, or
    ``unresolved``: n and bounds are then no promise), ``advice``, ``binding`` and ``hardest`` in
    words.

    Raises
    ------
    InputError
        When neither or both of error and n are given, the parameter is unknown, no number of rows
        reaches the error, the truth is singular, or the draws are too few.

    Examples
    --------
    >>> few = plan("constant_contaminated", "distinguishable", parameter="lam", error=0.05)
    >>> many = plan("constant_contaminated", "distinguishable", parameter="lam", error=0.005)
    >>> round(many.attrs["n"] / few.attrs["n"])
    100
    """
    if (error is None) == (n is None):
        raise InputError("a plan needs a wanted error or a number of rows: give exactly one")
    chosen = variant_named(variant)
    setting = chosen.regime(regime)

    measured = scores_of(chosen, setting).targets

    def bound_at(rows: float) -> tuple[Information, dict[str, NDArray]]:
        values = truth_at(setting, rows if at is None else at, alpha, gamma, truth)
        (found,) = information_along(chosen, setting, [values], draws=draws, seed=seed)
        return found, measured.jacobians(found.theta)

    def log_bound(log_rows: float) -> float:
        found, targets = bound_at(float(np.exp(log_rows)))
        choose("parameter", parameter, targets)
        return float(np.log(found.deviation(targets[parameter])[0])) - 0.5 * log_rows

    slope = -0.5
    if n is None:
        if error is None or not error > 0:
            raise InputError(f"a wanted error of {error} makes no sense: give a positive number")
        log_rows, slope = _solve(log_bound, float(np.log(error)), 1e4 if at is None else at)
        n = float(np.ceil(np.exp(log_rows)))
    elif not n >= 1:
        raise InputError(f"{n} rows make no sense: give n >= 1")
    found, targets = bound_at(n)
    choose("parameter", parameter, targets)
    bounds, errors = {}, {}
    for name, jacobian in targets.items():
        deviation, influence = found.deviation(jacobian)
        relative = float(influence.std(ddof=1) / len(influence) ** 0.5)
        bounds[name], errors[name] = deviation / n**0.5, relative
    check_accuracy(parameter, errors[parameter], found.rows, accuracy)
    shares = dict(zip(measured.share_names, measured.shares_of(found.theta), strict=True))
    resolutions = {
        name: float(size) * n**0.5 / found.deviation(measured.jacobian(name, found.theta))[0]
        for name, size in shares.items()
    }
    share, resolution = min(resolutions.items(), key=lambda pair: pair[1])
    standing, advice, moved = "local", "", np.nan
    if resolution < LOCAL_SHARE:
        fixed = _held(setting, found.layout.unravel(found.theta))
        moved = float(modulus(chosen, fixed, parameter, n, seed=seed)["modulus"].item())
        standing = "unresolved"
        advice = (
            f"no promise: at n = {n:.3g} the share {share} is only {resolution:.1f} times its "
            f"bound ({LOCAL_SHARE:g} are needed), where no estimate attains the bound; within what "
            f"n rows tell apart, {parameter} moves by {moved:.3g} (modulus of continuity)"
        )
    labels = list(found.layout.labels)
    direction = found.binding(targets[parameter])
    return xr.Dataset(
        {
            "bound": ("parameter", list(bounds.values())),
            "bound_se": ("parameter", [errors[name] * bounds[name] for name in bounds]),
            "truth": ("entry", found.theta),
            "binding": ("entry", direction),
            "resolution": resolution,
            "modulus": moved,
        },
        coords={"parameter": list(bounds), "entry": labels},
        attrs={
            "variant": chosen.name,
            "regime": setting.name,
            "parameter": parameter,
            "standing": standing,
            "advice": advice,
            "n": n,
            "n_se": n * errors[parameter] / abs(slope) if error is not None else 0.0,
            "binding": combination(labels, direction),
            "hardest": combination(labels, found.spectrum[1][0]),
            "draws": found.rows,
            "seed": seed,
        },
    )


def _held(regime: Regime, truth: Mapping[str, NDArray]) -> Regime:
    """The regime with its truth held at a point, whatever n."""
    center = regime.path.center
    shift = {name: truth[name] - np.asarray(value, dtype=float) for name, value in center.items()}
    gate = {name: value for name, value in truth.items() if name not in center}
    return replace(regime, path=Path(gate, center, lambda _: shift))


def _solve(log_bound: Callable[[float], float], goal: float, start: float) -> tuple[float, float]:
    """log n at which the bound meets the goal, and the bound's slope there."""
    here, value = float(np.log(start)), log_bound(float(np.log(start)))
    slope = -0.5
    for _ in range(STEPS):
        step = float(np.clip((goal - value) / slope, -6.0, 6.0))
        there = min(max(here + step, 0.0), float(np.log(MOST_ROWS)))
        if abs(there - here) < 1e-6:
            break
        reached = log_bound(there)
        slope = (reached - value) / (there - here)
        here, value = there, reached
        if slope > -0.02:
            raise InputError(
                f"no number of rows reaches this error: at n = {np.exp(here):.3g} the bound is "
                f"{np.exp(value):.3g} and falls no more, because the truth moves as n grows: "
                "hold it fixed (at), or choose smaller exponents"
            )
        if abs(value - goal) < 1e-6:
            break
    if abs(value - goal) > 1e-3:
        least = here < 1.0
        raise InputError(
            f"the bound is {np.exp(value):.3g} at n = {np.exp(here):.3g}: "
            + ("already smaller with a handful of rows" if least else "more rows are not practical")
            + ": choose another error"
        )
    return here, slope
