"""The line that errors follow where theory is not local: the modulus of continuity, halved."""

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.study.losses import loss_names
from bayes_cmoe.study.targets import EXPERT, Targets
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.modulus import modulus
from bayes_cmoe.theory.profiles import half_splits

__all__ = ["RESOLVED", "moduli"]

RESOLVED = 5.0
"""Resolution from which theory is local: the share's bound is a fifth of the share, or less."""
LOCAL = 8**-0.5
"""c of the Hellinger ball, over sqrt(n), in which the modulus is the bound where it is local."""
DRAWS = 2**12
SPREAD = "-spread"
"""Behind the parameter in the name of the loss that says how far a cell's atoms lie apart in it."""


def moduli(
    design: Design, setting: Setting, targets: Targets, bound: NDArray, resolution: NDArray
) -> NDArray:
    """Half of how far each target can move within two standard errors, at a design's sizes.

    Parameters
    ----------
    design : Design
    setting : Setting
    targets : Targets
    bound : array, shape (target, n)
        The information bounds, which it is where theory is local.
    resolution : array, shape (n,)

    Returns
    -------
    array, shape (target, n); NaN where theory is not local, but for share and expert of a design
    that asks for them. Where the fit has more experts than the truth, for the spreads within a
    cell: those of two atoms of even shares.

    References
    ----------
    Donoho and Liu (1991), doi:10.1214/aos/1176348114.
    """
    sizes = np.array(sorted({n for plan in design.plans.values() for n in plan.sizes}))
    far = ~(resolution >= RESOLVED)
    found = np.where(far, np.nan, bound)
    regime = setting.study
    if regime.over_specified:
        for name, values in _spreads(setting, sizes).items():
            found[len(targets.names) + loss_names(regime).index(name)] = values
    if not design.modulus or not far.any() or not np.isfinite(bound).all():
        return found
    alpha, gamma = (None if one is None else float(one) for one in (setting.alpha, setting.gamma))
    for name in (targets.share, EXPERT):
        if name in targets.names:
            own = modulus(
                setting.variant, setting.regime, name, sizes[far], c=2.0 * LOCAL, alpha=alpha,
                gamma=gamma, draws=DRAWS,
            )  # fmt: skip
            found[targets.names.index(name), far] = own["modulus"].to_numpy() / 2.0
    return found


def _spreads(setting: Setting, sizes: NDArray) -> dict[str, NDArray]:
    """Half of how far two atoms of even shares may part, by the loss's name, (size,) each, or NaN.

    Of the parameters whose rate is known: where a tilt is open others may part for nothing.
    """
    rated = [rate.parameter for rate in setting.study.published]
    distances, found = 2.0 * LOCAL / sizes**0.5, {}
    for name in (name for name in rated if name.endswith(SPREAD)):
        parameter = name.removesuffix(SPREAD)
        own = half_splits(setting.variant, setting.regime, parameter, distances)
        found[name] = np.where(np.isfinite(own), own / 2.0, np.nan)
    return found
