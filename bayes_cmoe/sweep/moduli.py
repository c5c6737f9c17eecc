"""The line that errors follow where theory is not local: the modulus of continuity, halved."""

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.study.targets import EXPERT, Targets
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.modulus import modulus

__all__ = ["RESOLVED", "moduli"]

RESOLVED = 5.0
"""Resolution from which theory is local: the share's bound is a fifth of the share, or less."""
LOCAL = 8**-0.5
"""c of the Hellinger ball, over sqrt(n), in which the modulus is the bound where it is local."""
DRAWS = 2**12


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
    that asks for them.

    References
    ----------
    Donoho and Liu (1991), doi:10.1214/aos/1176348114.
    """
    sizes = np.array(sorted({n for plan in design.plans.values() for n in plan.sizes}))
    far = ~(resolution >= RESOLVED)
    found = np.where(far, np.nan, bound)
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
