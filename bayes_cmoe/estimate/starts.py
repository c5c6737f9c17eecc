"""Where an optimiser starts: a low-discrepancy cover of the prior, the most promising first."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from bayes_cmoe.estimate.objective import Objective

__all__ = ["starting_points"]

CANDIDATES_PER_START = 16
REACH = 3.0
"""Half-width, in prior standard deviations, of the cover along a direction without edges."""


def _cover(objective: Objective) -> tuple[NDArray, NDArray]:
    """Lower and upper corner, in w, of the region that the starts cover."""
    working = objective.working
    origin = np.clip(np.zeros_like(working.lower), working.lower, working.upper)
    inside = np.isfinite(working.lower) & np.isfinite(working.upper)
    origin[inside] = (working.lower[inside] + working.upper[inside]) / 2.0
    theta = working.natural(origin)
    _, gradient, hessian = (np.asarray(d) for d in objective.posterior.prior_derivatives(theta))
    curvature = -np.diag(working.hessian(theta, gradient, hessian))
    # Without edges the weak priors are normal in w, so one Newton step finds centre and spread.
    curvature = np.where(curvature > 0, curvature, 1.0)
    center = origin + working.gradient(theta, gradient) / curvature
    spread = REACH / np.sqrt(curvature)
    lower = np.where(inside, working.lower, np.maximum(center - spread, working.lower))
    upper = np.where(inside, working.upper, np.minimum(center + spread, working.upper))
    return lower, upper


def starting_points(objective: Objective, count: int, seed: int) -> NDArray:
    """Starting points in working coordinates, shape (count, parameter).

    A scrambled Sobol sequence covers the prior's box (three standard deviations where a prior has
    no edges) at two scales, whole and shrunk to a fifth around its centre, because a wide box is
    mostly empty; of 16 candidates a start those with the largest posterior density are kept.

    Parameters
    ----------
    objective : Objective
    count : int
    seed : int
    """
    lower, upper = _cover(objective)
    sobol = qmc.Sobol(len(lower), rng=np.random.default_rng(seed))
    unit = sobol.random(1 << int(np.ceil(np.log2(count * CANDIDATES_PER_START))))
    unit[::2] = 0.5 + (unit[::2] - 0.5) / 5.0
    candidates = lower + unit * (upper - lower)
    values = np.array([objective.value_and_gradient(w)[0] for w in candidates])
    return candidates[np.argsort(np.where(np.isfinite(values), values, np.inf))[:count]]
