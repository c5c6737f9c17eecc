"""Local exponents: the slope of the information bound on log n along a truth path.

All sizes share their random numbers, so a slope is far more precise than the bounds it joins.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import EXPERT, Function, Targets
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.boundary import boundary
from bayes_cmoe.theory.draws import DRAWS
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.information import (
    ACCURACY,
    check_accuracy,
    information_along,
    truth_at,
)
from bayes_cmoe.theory.published import rate_of
from bayes_cmoe.theory.scores import scores_of

__all__ = ["exponents", "phase_diagram", "powers"]

Number = Fraction | float


def _lines(
    targets: Targets,
    found: Sequence[Information],
    log_size: NDArray,
    functions: Mapping[str, Function] | None = None,
) -> dict[str, tuple[NDArray, NDArray, float, float]]:
    """For each target: deviations, their relative errors, slope on `log_size` and its error."""
    jacobians = [targets.jacobians(one.theta, functions) for one in found]
    if len(np.unique(log_size)) < 2:
        raise InputError("a slope needs two different sizes at least: give more")
    centred = log_size - log_size.mean()
    weights = centred / np.sum(centred**2)
    lines = {}
    for name in jacobians[0]:
        pairs = [one.deviation(own[name]) for one, own in zip(found, jacobians, strict=True)]
        deviations = np.array([deviation for deviation, _ in pairs])
        influences = np.array([influence for _, influence in pairs])
        root = influences.shape[1] ** 0.5
        errors = influences.std(axis=1, ddof=1) / root
        slope = float(weights @ np.log(deviations))
        slope_error = float((weights @ influences).std(ddof=1) / root)
        lines[name] = (deviations, errors, slope, slope_error)
    return lines


def exponents(
    variant: str | Variant,
    regime: str | Regime,
    *,
    n: ArrayLike,
    alpha: Number | None = None,
    gamma: Number | None = None,
    functions: Mapping[str, Function] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    accuracy: float = ACCURACY,
) -> xr.Dataset:
    """Information bound over sizes along a truth path, and its slope in log n.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
    n : array, shape (n,)
        Two sizes at least; any size costs the same, 10^12 as 10^3.
    alpha, gamma : optional
        Other exponents of the path than the regime's own.
    functions : mapping of str to callable, optional
        More targets, as for `information`.
    draws, seed, accuracy
        As for `information`.

    Returns
    -------
    xarray.Dataset with ``bound`` and ``bound_se`` (parameter, n), ``slope`` and ``slope_se``
    (parameter) and ``exponent`` (parameter), the published one or NaN.

    Raises
    ------
    InputError
        When a truth is outside the box or singular, or the draws are too few.
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    sizes = np.asarray(n, dtype=float)
    truths = [truth_at(setting, size, alpha, gamma) for size in sizes]
    found = information_along(chosen, setting, truths, draws=draws, seed=seed)
    targets = scores_of(chosen, setting).targets
    lines = _lines(targets, found, np.log(sizes), functions)
    a = setting.path.alpha if alpha is None else alpha
    g = setting.path.gamma if gamma is None else gamma
    theory = {name: rate_of(setting, name) for name in lines}
    for name, (_, errors, *_) in lines.items():
        check_accuracy(name, float(errors.max()), found[0].rows, accuracy)
    bound = np.array([line[0] for line in lines.values()]) / np.sqrt(sizes)
    error = np.array([line[1] for line in lines.values()]) * bound
    return xr.Dataset(
        {
            "bound": (("parameter", "n"), bound),
            "bound_se": (("parameter", "n"), error),
            "slope": ("parameter", [line[2] - 0.5 for line in lines.values()]),
            "slope_se": ("parameter", [line[3] for line in lines.values()]),
            "exponent": (
                "parameter",
                [float(rate.upper.at(a, g)) if rate else np.nan for rate in theory.values()],
            ),
        },
        coords={"parameter": list(lines), "n": sizes},
        attrs={
            "variant": chosen.name,
            "regime": setting.name,
            "alpha": float(a),
            "gamma": float(g),
            "draws": found[0].rows,
            "seed": seed,
        },
    )


def powers(
    variant: str | Variant,
    regime: str | Regime,
    *,
    delta: ArrayLike = (0.02, 0.04),
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Power of the shift delta in each bound, n^-1/2 taken out, gate fixed.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
        Gives the direction of the shift.
    delta : array, shape (delta,)
        At least two distances, not above the regime's own at n = 1.
    draws, seed : int

    Returns
    -------
    xarray.Dataset with ``deviation`` (parameter, delta), sqrt(n) times the bound, ``power`` and
    ``power_se`` (parameter).
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    distances = np.asarray(delta, dtype=float)
    truths = [setting.truth(setting.path.delta / d, alpha=0, gamma=1) for d in distances]
    found = information_along(chosen, setting, truths, draws=draws, seed=seed)
    lines = _lines(scores_of(chosen, setting).targets, found, np.log(distances))
    return xr.Dataset(
        {
            "deviation": (("parameter", "delta"), np.array([line[0] for line in lines.values()])),
            "power": ("parameter", [line[2] for line in lines.values()]),
            "power_se": ("parameter", [line[3] for line in lines.values()]),
        },
        coords={"parameter": list(lines), "delta": distances},
        attrs={"variant": chosen.name, "regime": setting.name, "draws": found[0].rows},
    )


SMALLEST = 0.004
"""The phase diagram follows a merging prompt down to this distance: local, and exact in doubles."""


def _window(regime: Regime, gamma: float) -> tuple[float, float]:
    """Two sizes at which a path of this gamma is local, within the reach of double precision."""
    reach = np.log10(regime.path.delta / SMALLEST) / gamma if gamma > 0 else np.inf
    last = min(16.0, float(reach))
    return 10.0 ** max(last - 2.0, 0.5 * last), 10.0**last


def phase_diagram(
    variant: str | Variant,
    regime: str | Regime,
    *,
    alpha: ArrayLike,
    gamma: ArrayLike,
    draws: int = 2**16,
    seed: int = 0,
) -> xr.Dataset:
    """Where the truth can be learnt: local exponents over the (alpha, gamma) plane.

    The gate vanishes as n^-alpha, the prompt merges as n^-gamma. A parameter is learnt when its
    bound falls faster than its own size: the share against lam* (the odds against exp tau*), the
    expert against its distance ‖Delta*‖ from the point to which it merges.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
        Gives the experts and the direction of the shift.
    alpha, gamma : array
        The grid.
    draws, seed : int
        Of each truth's expectation.

    Returns
    -------
    xarray.Dataset with ``slope``, ``slope_se`` and ``relative`` (parameter, alpha, gamma), the last
    the exponent of bound over size; ``consistent`` (alpha, gamma), all of them negative; and
    ``boundary`` (alpha), the published line.
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    alphas, gammas = np.asarray(alpha, dtype=float), np.asarray(gamma, dtype=float)
    windows = [_window(setting, g) for g in gammas]
    truths = [
        truth_at(setting, n, a, g)
        for a in alphas
        for g, window in zip(gammas, windows, strict=True)
        for n in window
    ]
    found = information_along(chosen, setting, truths, draws=draws, seed=seed)
    center = found[0].layout.ravel({**truths[0], **setting.path.center})
    targets = scores_of(chosen, setting).targets
    names = [targets.share, EXPERT]
    cells = []
    for i in range(0, len(found), 2):
        pair = found[i : i + 2]
        sizes = np.log(np.array(windows[i // 2 % len(gammas)]))
        lines = _lines(targets, pair, sizes)
        own = [
            np.array([targets.share_of(one.theta) for one in pair]),
            np.array([_merging(targets, one.theta, center) for one in pair]),
        ]
        growth = [np.diff(np.log(size))[0] / np.diff(sizes)[0] for size in own]
        slopes = np.array([[lines[name][2] - 0.5, lines[name][3]] for name in names])
        cells.append(np.column_stack([slopes, slopes[:, 0] - growth]))
    table = np.array(cells).reshape(len(alphas), len(gammas), len(names), 3)
    axes = ("alpha", "gamma", "parameter")
    return xr.Dataset(
        {
            "slope": (axes, table[..., 0]),
            "slope_se": (axes, table[..., 1]),
            "relative": (axes, table[..., 2]),
            "consistent": (axes[:2], (table[..., 2] < 0).all(axis=-1)),
            "boundary": ("alpha", [boundary(setting, a) for a in alphas]),
        },
        coords={"alpha": alphas, "gamma": gammas, "parameter": names},
        attrs={"variant": chosen.name, "regime": setting.name, "draws": found[0].rows},
    ).transpose("parameter", "alpha", "gamma")


def _merging(targets: Targets, theta: NDArray, center: NDArray) -> float:
    """Distance of the expert's parameters from where they merge to."""
    own = targets.expert_entries
    return float(np.linalg.norm((theta - center)[own]))
