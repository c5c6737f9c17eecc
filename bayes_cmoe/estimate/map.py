"""Maximum a posteriori: under the flat prior, the maximum-likelihood estimate over the box."""

import time
from collections.abc import Mapping

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.descent import Optimum, Status, descend, polish
from bayes_cmoe.estimate.gating import gating_of
from bayes_cmoe.estimate.hops import sharpened
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.result import MapEstimate, map_tree
from bayes_cmoe.estimate.search import SAME, Search, counted, search
from bayes_cmoe.estimate.starts import Starts
from bayes_cmoe.estimate.verdict import prompt_rows, standard_error, verdict

__all__ = ["MapEstimate", "find_map", "fit_map"]

EXPLORE = 4096
"""Above this many rows the starts are compared on an evenly spaced part of them."""
CONTENDERS = 8
"""Optima of the part, at most, that are descended from on all rows."""
DOUBT = 4.0
"""Standard errors of the difference on the part within which two optima may change places."""


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
    found = counted([descend(objective, point) for point in points], rows.n)
    return _estimate(objective, polish(objective, found.ends[0]), found, rows.n, begun)


def _estimate(
    objective: Objective, best: Optimum, found: Search, explored: int, begun: float
) -> MapEstimate:
    working, posterior = objective.working, objective.posterior
    theta = working.natural(best.w)
    held = (best.w <= working.lower) | (best.w >= working.upper)
    natural = best.curvature
    if natural is None:
        natural = objective.natural_hessian(theta)
    errors = standard_error(-natural, held)
    resting = prompt_rows(objective, best.w)
    return MapEstimate(
        theta=theta,
        status=verdict(objective, best, found, errors, resting),
        loglik=posterior.likelihood.value(theta, objective.rows),
        logp=-best.value * objective.rows.n,
        gradient_norm=best.gradient_norm,
        iterations=best.iterations,
        standard_error=errors,
        held=held,
        rows_of_prompt=resting,
        search=found,
        starts=np.array([working.natural(end.w) for end in found.ends]),
        explored=explored,
        seconds=time.perf_counter() - begun,
    )


def fit_map(
    model: pm.Model,
    *,
    starts: int = 256,
    near: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
    posterior: Posterior | None = None,
) -> xr.DataTree:
    """Fit a model by maximum a posteriori from as many starts as it takes.

    Rounds of starts descend side by side, on a part of the rows where these are many, until the
    best optimum was found several times and few others are to be expected (Boender and Rinnooy Kan
    1987); the best are finished by Newton steps on all rows. The log-Jacobian of PyMC's transforms
    is left out, so under the flat prior this is the maximum-likelihood estimate over the box.

    Parameters
    ----------
    model : pm.Model
        Any model of the suite, or one that `Likelihood` accepts.
    starts : int
        Starts at most, rounded up to whole rounds of 32; ignored when `near` is given.
    near : mapping of str to array, optional
        A single start, as in studies that start near the truth.
    seed : int
        Of the starts.
    posterior : Posterior, optional
        The model compiled already, to fit other data without another compilation.

    Returns
    -------
    xarray.DataTree
        ``point_estimate`` and ``standard_error`` (one variable a parameter), ``optimizer_result``
        (status, loglik, logp, gradient_norm a row, iterations, seconds, n, prompt_rows; of the
        starts found, distinct, unseen), ``starts``, ``observed_data``, ``constant_data``. The
        status is one of `Status` and says no more than was found.

    Raises
    ------
    InputError
        When the model is not one that `Likelihood` accepts, or `near` does not fit it.

    Examples
    --------
    >>> from bayes_cmoe import simulate, variant_named
    >>> variant = variant_named("constant_contaminated")
    >>> data = simulate(variant, "distinguishable", 2000, seed=1)
    >>> tree = fit_map(variant.model("distinguishable", data))
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
    posterior: Posterior, columns: Mapping[str, NDArray], rows: Rows, most: int, seed: int
) -> MapEstimate:
    begun = time.perf_counter()
    stride = -(-rows.n // EXPLORE)
    part = {name: column[::stride] for name, column in columns.items()}
    few = rows if stride == 1 else posterior.likelihood.rows(part)
    exploration, objective = Objective(posterior, few), Objective(posterior, rows)
    lanes = posterior.lanes
    starts = Starts(exploration, lanes, part, gating_of(posterior, exploration.working))
    found = search(starts, most, seed)
    ends = _contenders(exploration, found)
    if stride > 1:
        ends = [descend(objective, end.w) for end in ends]
    polished = [polish(objective, end) for end in ends]
    best = min(polished, key=lambda end: end.value if np.isfinite(end.value) else np.inf)
    if best.status is Status.STALLED or not found.settled:
        best = sharpened(objective, lanes, columns, best, seed)
    return _estimate(objective, best, found, few.n, begun)


def _contenders(exploration: Objective, found: Search) -> list[Optimum]:
    """The optima of the explored rows that may be the best on all rows, best first."""
    likelihood, working = exploration.posterior.likelihood, exploration.working

    def row_values(end: Optimum) -> NDArray:
        return likelihood.logp(working.natural(end.w), exploration.rows)

    best = found.ends[0]
    contenders, first, last = [best], row_values(best), best.value
    for end in found.ends[1:]:
        if len(contenders) == CONTENDERS or not np.isfinite(end.value):
            break
        if (end.value - last) * exploration.rows.n < SAME:
            continue
        spread = np.std(row_values(end) - first) / exploration.rows.n**0.5
        if end.value - best.value <= DOUBT * spread:
            contenders.append(end)
        last = end.value
    return contenders
