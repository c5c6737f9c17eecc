"""Where an optimiser starts: a low-discrepancy cover of the prior, at two scales."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from bayes_cmoe.estimate.focus import focused_points
from bayes_cmoe.estimate.objective import Objective

__all__ = ["starting_points"]

CANDIDATES_PER_START = 16
REACH = 3.0
"""Half-width, in prior standard deviations, of the cover along a direction without edges."""
NEAR = 0.2
"""The inner cover's width as a share of the outer one's: a wide box is mostly empty."""


def _cover(objective: Objective) -> tuple[NDArray, NDArray, NDArray]:
    """Lower corner, middle and upper corner, in w, of the region that the starts cover."""
    working = objective.working
    inside = np.isfinite(working.lower) & np.isfinite(working.upper)
    origin = np.clip(np.zeros_like(working.lower), working.lower, working.upper)
    origin[inside] = (working.lower[inside] + working.upper[inside]) / 2.0
    theta = working.natural(origin)
    _, gradient, hessian = (np.asarray(d) for d in objective.posterior.prior_derivatives(theta))
    curvature = -np.diag(working.hessian(theta, gradient, hessian))
    # Without edges the weak priors are normal in w, so one Newton step finds centre and spread.
    curvature = np.where(curvature > 0, curvature, 1.0)
    middle = np.where(inside, origin, origin + working.gradient(theta, gradient) / curvature)
    spread = REACH / np.sqrt(curvature)
    lower = np.where(inside, working.lower, np.maximum(middle - spread, working.lower))
    upper = np.where(inside, working.upper, np.minimum(middle + spread, working.upper))
    given = np.isfinite(objective.posterior.initial)
    initial = working.working(np.where(given, objective.posterior.initial, 1.0))
    return lower, np.where(given, initial, middle), upper


def starting_points(
    objective: Objective, columns: Mapping[str, NDArray], count: int, seed: int
) -> NDArray:
    """Starting points in working coordinates, shape (count, parameter).

    A scrambled Sobol sequence covers the prior's box (three standard deviations where a prior has
    no edges), three points in four shrunk to a fifth around the model's initial values. Up to three
    starts are led by the rows that the frozen expert explains worst (`focused_points`); of the rest
    half are the candidates with the largest posterior density. These tend to shut a bad prompt out,
    so the other half is taken as it comes.

    Parameters
    ----------
    objective : Objective
    columns : mapping of str to array
        The objective's rows.
    count : int
    seed : int
    """
    candidates = _candidates(objective, count * CANDIDATES_PER_START, seed)
    values = np.array([objective.value_and_gradient(w)[0] for w in candidates])
    order = np.argsort(np.where(np.isfinite(values), values, np.inf))
    focused = focused_points(objective, columns, candidates)[: (count + 1) // 2]
    best = order[: (count - len(focused)) // 2]
    others = np.setdiff1d(np.arange(len(candidates)), best)[: count - len(focused) - len(best)]
    return np.concatenate([focused, candidates[best], candidates[others]])


def _candidates(objective: Objective, count: int, seed: int) -> NDArray:
    lower, middle, upper = _cover(objective)
    sobol = qmc.Sobol(len(lower), rng=np.random.default_rng(seed))
    unit = sobol.random(1 << int(np.ceil(np.log2(count))))
    candidates = lower + unit * (upper - lower)
    inner = middle + NEAR * (unit - 0.5) * (upper - lower)
    near = np.arange(len(unit)) % 4 < 3
    candidates[near] = np.clip(inner[near], objective.working.lower, objective.working.upper)
    return candidates
