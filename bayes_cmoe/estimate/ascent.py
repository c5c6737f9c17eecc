"""The largest energy from many starts side by side: Levenberg and Marquardt's steps in its metric.

For the log-likelihood the metric is the empirical Fisher information, which is there at any point
and positive semi-definite, singular maxima included (Berndt, Hall, Hall and Hausman 1974).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.energy import Field

__all__ = ["highest"]

STEPS = 200
STILL = 20
"""Steps without a gain of ENOUGH in any lane after which the search ends."""
ENOUGH = 1e-7
EASIER, HARDER = 0.2, 5.0
RANGE = (1e-10, 1e12)
FARTHEST = 60.0
"""Unconstrained parameters stay within: beyond, shares and variances are zero to rounding."""


def highest(field: Callable[[NDArray], Field], starts: NDArray) -> tuple[NDArray, float]:
    """The point of the largest energy found, and the energy there.

    Parameters
    ----------
    field : callable
        Points, (point, parameter), to the `Field` there.
    starts : array, shape (point, parameter)
        Unconstrained scale.

    References
    ----------
    Marquardt (1963), doi:10.1137/0111030.
    """
    u, here = starts.copy(), field(starts)
    damping, still = np.full(len(u), 1e-2), 0
    for _ in range(STEPS):
        scale = np.einsum("pii->pi", here.metric)
        # A parameter that nothing depends on keeps its place.
        scale = np.maximum(scale, 1e-8 * np.max(scale, axis=1, keepdims=True) + 1e-300)
        curved = here.metric + damping[:, None, None] * np.eye(u.shape[1]) * scale[:, :, None]
        step = np.linalg.solve(curved, here.slope[..., None])[..., 0]
        proposed = np.clip(u + step, -FARTHEST, FARTHEST)
        there = field(proposed)
        with np.errstate(invalid="ignore"):
            gain = there.energy - here.energy
        better = gain > 0
        still = 0 if np.any(gain > ENOUGH) else still + 1
        u, here = np.where(better[:, None], proposed, u), here.where(better, there)
        damping = np.clip(damping * np.where(better, EASIER, HARDER), *RANGE)
        if still == STILL:
            break
    best = int(np.argmax(here.energy))
    return u[best], float(here.energy[best])
