"""Maximum a posteriori: under the flat prior, the maximum-likelihood estimate over the box."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import CHUNK, Rows
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.descent import Optimum, Status, descend, polish
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.result import map_tree
from bayes_cmoe.estimate.starts import starting_points

__all__ = ["MapEstimate", "find_map", "fit_map"]

EXPLORE = CHUNK
"""Above this many rows the starts are compared on an evenly spaced part of them."""
SAME = 1e-3
"""Two starts with summed log posteriors within this of one another found the same optimum."""


@dataclass(frozen=True, eq=False)
class MapEstimate:
    """A MAP estimate as numbers.

    Parameters
    ----------
    theta : array, shape (parameter,)
        Natural scale.
    status : Status
    loglik : float
        Summed natural log-likelihood at theta.
    logp : float
        loglik plus the log prior density of theta.
    gradient_norm : float
        Largest entry of the gradient a row, in working coordinates.
    iterations : int
        Of the start that won, Newton steps included.
    standard_error : array, shape (parameter,)
        From the inverse of minus the Hessian; NaN where an edge holds the parameter, and
        everywhere when the Hessian is not negative definite.
    held : array of bool, shape (parameter,)
        Which parameters lie at an edge of the box.
    starts : array, shape (start, parameter)
        Where each start ended.
    start_logp : array, shape (start,)
        What it found, on the rows that the starts were compared on.
    start_status : tuple of Status
    seconds : float
    """

    theta: NDArray
    status: Status
    loglik: float
    logp: float
    gradient_norm: float
    iterations: int
    standard_error: NDArray
    held: NDArray
    starts: NDArray
    start_logp: NDArray
    start_status: tuple[Status, ...]
    seconds: float


def find_map(posterior: Posterior, rows: Rows, starts: ArrayLike) -> MapEstimate:
    """MAP from given starts, on rows that are laid out already; for use inside sweeps.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    starts : array, shape (start, parameter)
        Natural scale.
    """
    begun = time.perf_counter()
    objective = Objective(posterior, rows)
    points = [objective.working.working(start) for start in np.atleast_2d(np.asarray(starts))]
    ends = [descend(objective, point) for point in points]
    ranked = sorted(ends, key=lambda end: end.value if np.isfinite(end.value) else np.inf)
    return _estimate(objective, polish(objective, ranked[0]), ends, rows.n, begun)


def _estimate(
    objective: Objective, best: Optimum, ends: Sequence[Optimum], explored: int, begun: float
) -> MapEstimate:
    working, posterior = objective.working, objective.posterior
    theta = working.natural(best.w)
    held = (best.w <= working.lower) | (best.w >= working.upper)
    natural = best.curvature
    if natural is None:
        natural = objective.natural_hessian(theta)
    return MapEstimate(
        theta=theta,
        status=best.status,
        loglik=posterior.likelihood.value(theta, objective.rows),
        logp=-best.value * objective.rows.n,
        gradient_norm=best.gradient_norm,
        iterations=best.iterations,
        standard_error=_standard_error(-natural, held),
        held=held,
        starts=np.array([working.natural(end.w) for end in ends]),
        start_logp=np.array([-end.value * explored for end in ends]),
        start_status=tuple(end.status for end in ends),
        seconds=time.perf_counter() - begun,
    )


def _standard_error(curvature: NDArray, held: NDArray) -> NDArray:
    error = np.full(len(held), np.nan)
    free = ~held
    information = curvature[np.ix_(free, free)]
    if not np.isfinite(information).all():
        return error
    scale = 1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    eigenvalues, directions = np.linalg.eigh(information * np.outer(scale, scale))
    if len(eigenvalues) == 0 or eigenvalues[0] <= 1e-13:
        return error
    error[free] = scale * np.sqrt(np.sum(directions**2 / eigenvalues, axis=1))
    return error


def fit_map(
    model: pm.Model,
    *,
    starts: int = 8,
    near: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
    posterior: Posterior | None = None,
) -> xr.DataTree:
    """Fit a model by maximum a posteriori with several starts.

    Each start descends by L-BFGS-B; the best is finished by Newton steps on all rows. The
    log-Jacobian of PyMC's transforms is left out, so under the flat prior this is the
    maximum-likelihood estimate over the box.

    Parameters
    ----------
    model : pm.Model
        Any model of the suite, or one that `Likelihood` accepts.
    starts : int
        Number of starts that cover the prior; ignored when `near` is given.
    near : mapping of str to array, optional
        A single start, as in studies that start near the truth.
    seed : int
        Of the cover of the prior.
    posterior : Posterior, optional
        The model compiled already, to fit other data without another compilation.

    Returns
    -------
    xarray.DataTree
        ``point_estimate`` and ``standard_error`` (one variable a parameter), ``optimizer_result``
        (status, loglik, logp, gradient_norm a row, iterations, seconds, n), ``starts``,
        ``observed_data``, ``constant_data``.

    Raises
    ------
    InputError
        When the model is not one that `Likelihood` accepts, or `near` does not fit it.

    Examples
    --------
    >>> from bayes_cmoe import simulate, variant_named
    >>> variant = variant_named("constant_contaminated")
    >>> data = simulate(variant, "distinguishable", 2000, seed=1)
    >>> tree = fit_map(variant.model("distinguishable", data), starts=2)
    >>> tree["optimizer_result"]["status"].item()
    'converged'
    """
    compiled = Posterior(model) if posterior is None else posterior
    columns = columns_of(model)
    rows = compiled.likelihood.rows(columns)
    if near is not None:
        estimate = find_map(compiled, rows, compiled.layout.ravel(near))
    else:
        estimate = _find_map_from_anywhere(compiled, columns, rows, starts, seed)
    return map_tree(estimate, model, compiled.layout, rows.n)


def _find_map_from_anywhere(
    posterior: Posterior, columns: Mapping[str, NDArray], rows: Rows, count: int, seed: int
) -> MapEstimate:
    begun = time.perf_counter()
    stride = -(-rows.n // EXPLORE)
    part = {name: column[::stride] for name, column in columns.items()}
    few = rows if stride == 1 else posterior.likelihood.rows(part)
    exploration, objective = Objective(posterior, few), Objective(posterior, rows)
    points = starting_points(exploration, part, count, seed)
    ends = [descend(exploration, point) for point in points]
    ranked = sorted(ends, key=lambda end: end.value if np.isfinite(end.value) else np.inf)
    best = polish(objective, descend(objective, ranked[0].w) if stride > 1 else ranked[0])
    rivals = [end for end in ranked[1:] if (end.value - ranked[0].value) * few.n < SAME]
    # A start that stopped a little short may still hold the better optimum.
    for rival in rivals[:1] if best.status is Status.STALLED else []:
        other = polish(objective, rival)
        best = other if other.value < best.value else best
    return _estimate(objective, best, ends, few.n, begun)
