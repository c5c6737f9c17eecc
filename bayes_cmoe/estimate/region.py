"""Where a prior lies, in working coordinates: the region that starts are drawn from."""

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.coordinates import Working

__all__ = ["REACH", "prior_region"]

REACH = 3.0
"""Half-width, in prior standard deviations, along a direction without edges."""


def prior_region(posterior: Posterior, working: Working) -> tuple[NDArray, NDArray, NDArray]:
    """Lower corner, middle and upper corner of the prior's range, each of shape (parameter,)."""
    inside = np.isfinite(working.lower) & np.isfinite(working.upper)
    origin = np.clip(np.zeros_like(working.lower), working.lower, working.upper)
    origin[inside] = (working.lower[inside] + working.upper[inside]) / 2.0
    theta = working.natural(origin)
    _, gradient, hessian = (np.asarray(d) for d in posterior.prior_derivatives(theta))
    curvature = -np.diag(working.hessian(theta, gradient, hessian))
    # Without edges the weak priors are normal in w, so one Newton step finds centre and spread.
    curvature = np.where(curvature > 0, curvature, 1.0)
    middle = np.where(inside, origin, origin + working.gradient(theta, gradient) / curvature)
    spread = REACH / np.sqrt(curvature)
    lower = np.where(inside, working.lower, np.maximum(middle - spread, working.lower))
    upper = np.where(inside, working.upper, np.minimum(middle + spread, working.upper))
    given = np.isfinite(posterior.initial)
    initial = working.working(np.where(given, posterior.initial, 1.0))
    return lower, np.where(given, initial, middle), upper
