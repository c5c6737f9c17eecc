"""What may be said of a maximum: standard errors, the rows it rests on, and its status."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.gating import gating_of
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.region import prior_region
from bayes_cmoe.estimate.search import Search
from bayes_cmoe.parts.mixture import mixture_of
from bayes_cmoe.parts.parameter import Role

__all__ = ["REMEDIES", "prompt_rows", "standard_error", "verdict"]

SINGULAR = 1e-13
"""Eigenvalue of the information, scaled to unit diagonal, that rounding may have made."""
HANDFUL, NARROW_HANDFUL = 2.0, 5.0
"""Rows a parameter of the prompt below which a prompt is a spike on a handful of rows; the second

where its variance is LOW: so many rows lie on some line by chance, in many ways."""
LOW = 1 / 6
"""Part of the prior's range, of the logarithm, in which a variance is low: two standard deviations
or more below the mode."""

REMEDIES = {
    Status.LOCAL: "a maximum near the one start that was given; a better one may lie elsewhere: "
    "leave the start out",
    Status.UNCONFIRMED: "the best maximum was found once only, or the starts led to so many others "
    "that a better one may have been missed: allow more starts, or use fewer parameters",
    Status.UNIDENTIFIED: "the data leave a direction of the parameters open: use the weak prior, "
    "fewer parameters or more rows",
    Status.SPIKE: "an expert rests on a handful of rows for its parameters, where the likelihood "
    "hardly bounds it (its variance shrinks, its logits grow): use the weak prior, fewer "
    "parameters or more rows, or conclude that there is no such expert",
    Status.EDGE: "the estimate lies at the edge of the box, so the data do not bound it: look at "
    "the data, or use the weak prior",
    Status.STALLED: "no point was found at which the gradient is zero: allow more starts, or use "
    "fewer parameters, or an expert without kinks",
    Status.NON_FINITE: "the log-density is no number, or has no largest value: look at the scale "
    "of the data, and give variances a prior that vanishes at zero, such as a log-normal one",
    Status.FAILED: "the computation broke off: look at the scale of the data",
}
"""What a status other than converged means and what to try."""


def standard_error(curvature: NDArray, held: NDArray) -> NDArray:
    """Roots of the diagonal of the inverse information, shape (parameter,).

    Parameters
    ----------
    curvature : array, shape (parameter, parameter)
        Minus the Hessian of the log posterior density.
    held : array of bool, shape (parameter,)
        Entries that an edge holds; they are NaN and the others are given them.

    Returns
    -------
    array; NaN everywhere when the curvature is not positive definite to rounding.
    """
    error = np.full(len(held), np.nan)
    free = ~held
    information = curvature[np.ix_(free, free)]
    if not np.isfinite(information).all():
        return error
    scale = 1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    eigenvalues, directions = np.linalg.eigh(information * np.outer(scale, scale))
    if len(eigenvalues) == 0 or eigenvalues[0] <= SINGULAR:
        return error
    error[free] = scale * np.sqrt(np.sum(directions**2 / eigenvalues, axis=1))
    return error


def prompt_rows(objective: Objective, w: NDArray) -> float:
    """Sum of the rows' responsibilities r = pi f / p; NaN where the model's gate is not known.

    Of several prompts it is the smallest, that of the prompt on the fewest rows.

    From the gate as it is, shut and opened, see `Likelihood.between`. Rows on which the densities
    agree count as the mean of others.
    """
    gating = gating_of(objective.posterior, objective.working)
    if gating is None or not np.isfinite(w).all():
        return np.nan
    if _prompts(objective) > 1:
        theta = objective.working.natural(w)
        parts = _components(objective.posterior).at(theta, objective.rows)
        held = np.nan_to_num(parts.responsibilities).sum(axis=0)
        return float(held[-_prompts(objective) :].min())

    gates = np.array([w, gating.shut, gating.opened])
    points = objective.working.natural(np.where(gating.entries, gates, w))
    held, known = objective.posterior.likelihood.between(points, objective.rows)
    return held / known * objective.rows.n if known else np.nan


@lru_cache(maxsize=8)
def _components(posterior: Posterior) -> Components:
    return Components(posterior.model)


def _prompts(objective: Objective) -> int:
    mixture = mixture_of(objective.posterior.model)
    return 1 if mixture is None else mixture.prompts


def _is_narrow(objective: Objective, w: NDArray) -> bool:
    """Whether a variance is LOW."""
    posterior = objective.posterior
    mixture = mixture_of(posterior.model)
    if mixture is None:
        return False
    names = np.repeat(posterior.layout.names, posterior.layout.sizes)
    scales = np.isin(names, mixture.names(Role.SCALE))
    lower, _, upper = prior_region(posterior, objective.working)
    return bool(np.any((w < lower + LOW * (upper - lower))[scales]))


def verdict(
    objective: Objective, best: Optimum, found: Search, errors: NDArray, resting: float
) -> Status:
    """The status of a maximum: no more than was found.

    Parameters
    ----------
    objective : Objective
    best : Optimum
        After its last Newton step.
    found : Search
        The starts that led to it.
    errors : array, shape (parameter,)
        Its standard errors.
    resting : float
        From `prompt_rows`.
    """
    if best.status not in (Status.CONVERGED, Status.EDGE):
        return best.status
    gating = gating_of(objective.posterior, objective.working)
    of_prompt = 0 if gating is None else int(np.sum(~gating.entries))
    handful = NARROW_HANDFUL if _is_narrow(objective, best.w) else HANDFUL
    if np.isfinite(resting) and 0 < resting < handful * of_prompt / _prompts(objective):
        return Status.SPIKE
    if best.status is Status.EDGE:
        return Status.EDGE
    lower, upper = objective.posterior.lower, objective.posterior.upper
    if not np.isfinite(errors).all() or np.any(errors > upper - lower):
        return Status.UNIDENTIFIED
    if len(found.ends) == 1:
        return Status.LOCAL
    if not found.confirmed:
        return Status.UNCONFIRMED
    return Status.CONVERGED
