"""Maximum a posteriori: under the flat prior, the maximum-likelihood estimate over the box."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.basins import Basins
from bayes_cmoe.estimate.clusters import clustered_points
from bayes_cmoe.estimate.descent import finish, polish, seek
from bayes_cmoe.estimate.gating import gating_of
from bayes_cmoe.estimate.hops import sharpened
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.parted import parted_points
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.result import MapEstimate, map_tree
from bayes_cmoe.estimate.search import SAME, Search, counted, search
from bayes_cmoe.estimate.splits import doubled, fewer_prompts, finished_ends, split_points
from bayes_cmoe.estimate.starts import Starts
from bayes_cmoe.estimate.verdict import prompt_rows, standard_error, verdict
from bayes_cmoe.parts.mixture import mixture_of
from bayes_cmoe.parts.pymc_names import takes_pymc_names

__all__ = ["MapEstimate", "find_map", "find_map_from_anywhere", "fit_map"]

EXPLORE = 4096
"""Above this many rows the starts are compared on an evenly spaced part of them."""
DENSEST = 16
"""One in so many rows at most, from which hops on all rows follow; on more they take minutes."""
MANY, THIN = 16_384, 8
"""From so many rows on, every so many-th row gives the curvature of steps near a maximum."""
CONTENDERS = 8
"""Optima of the part, at most, that are descended from on all rows."""
DOUBT = 4.0
"""Standard errors of the difference on the part within which two optima may change places."""


def find_map(posterior: Posterior, rows: Rows, starts: ArrayLike) -> MapEstimate:
    """MAP from given starts, on rows that are laid out already; for use inside sweeps.

    Several prompts are in the order of those of the first start.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    starts : array, shape (start, parameter)
        Natural scale.
    """
    begun = time.perf_counter()
    objective = Objective(posterior, rows)
    given = np.atleast_2d(np.asarray(starts, dtype=float))
    points = [objective.working.working(start) for start in given]
    part = Objective(posterior, rows.thinned(THIN)) if rows.n >= MANY else None
    basins = Basins(objective)
    ends = [replace(seek(objective, point, basins, part), origin="given") for point in points]
    found = counted(ends, rows.n)
    best, labels = found.ends[0], labels_of(posterior)
    if labels is not None:
        best = _ordered(objective, best, lambda theta: labels.matched(theta, given[0]))
    return _estimate(objective, best, found, rows.n, begun)


def _ordered(objective: Objective, best: Optimum, order: Callable[[NDArray], NDArray]) -> Optimum:
    """An optimum with its prompts in another order, unless the prior tells them apart."""
    theta = objective.working.natural(best.w)
    moved = order(theta)
    if not np.isfinite(theta).all() or np.array_equal(theta, moved):
        return best
    w = objective.working.working(moved)
    value, _ = objective.value_and_gradient(w)
    worse = not (value - best.value) * objective.rows.n < SAME
    return best if worse else replace(best, w=w, value=value, curvature=None)


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
        origin=best.origin,
        starts=np.array([working.natural(end.w) for end in found.ends]),
        explored=explored,
        seconds=time.perf_counter() - begun,
    )


@takes_pymc_names
def fit_map(
    model: pm.Model,
    *,
    starts: int = 256,
    near: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
    posterior: Posterior | None = None,
) -> xr.DataTree:
    """Fit a model by maximum a posteriori from as many starts as it takes.

    Rounds of starts descend side by side, on a part of the rows where these are many and in single
    precision unless it would blur them, until the best optimum was found several times and few
    others are to be expected (Boender and Rinnooy Kan 1987); every end is finished in double
    precision, the best by Newton steps on all rows. The log-Jacobian of PyMC's transforms
    is left out, so under the flat prior this is the maximum-likelihood estimate over the box.

    Several prompts are fitted after the fit with one less, whose prompts are split; so under the
    flat prior their likelihood is never below it. They are given in the order of their shares (of
    `Labels.sorted`), or in that of `near`. Without a frozen expert they also part along the slow
    path of a cell of two atoms, and start from local regressions on clusters of rows.

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
        starts found, distinct, unseen; origin, the kind of start that led to the estimate),
        ``starts``, ``observed_data``, ``constant_data``. The
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
        estimate = find_map_from_anywhere(compiled, columns, rows, starts, seed)
    return map_tree(estimate, model, compiled.layout, rows.n)


def find_map_from_anywhere(
    posterior: Posterior, columns: Mapping[str, NDArray], rows: Rows, most: int, seed: int
) -> MapEstimate:
    """MAP from as many starts as it takes, on rows that are laid out already: what `fit_map` does.

    Parameters
    ----------
    posterior : Posterior
    columns : mapping of str to array
    rows : Rows
        The columns, laid out.
    most : int
        Starts at most.
    seed : int
    """
    begun = time.perf_counter()
    stride = -(-rows.n // EXPLORE)
    part = {name: column[::stride] for name, column in columns.items()}
    few = rows if stride == 1 else posterior.likelihood.rows(part)
    exploration, objective = Objective(posterior, few), Objective(posterior, rows)
    lanes = posterior.exploring(part)
    starts = Starts(exploration, lanes, part, gating_of(posterior, exploration.working))
    smaller = fewer_prompts(posterior)
    split: list[Optimum] = []
    floor: list[Optimum] = []
    if smaller is not None:
        own = smaller.likelihood.rows(columns)
        fewer = find_map_from_anywhere(smaller, columns, own, most, seed).theta
        split = _split_ends(starts, smaller, fewer, seed)
        floor = [_floor(objective, smaller, fewer)]
    found = search(starts, most, seed, split)
    ends = _contenders(exploration, found)
    if stride > 1:
        basins = Basins(objective)
        ends = [replace(finish(objective, end.w, basins), origin=end.origin) for end in ends]
    done = (Status.CONVERGED, Status.EDGE)
    polished = [end if end.status in done else polish(objective, end) for end in ends]
    best = min([*polished, *floor], key=lambda end: end.cost)
    # What is best on a part of the rows need not be so on all of them.
    partial = 1 < stride <= DENSEST
    if partial or best.status is Status.STALLED or not found.settled:
        best = replace(sharpened(objective, lanes, columns, best, seed), origin=best.origin)
    labels = labels_of(posterior)
    if labels is not None:
        best = _ordered(objective, best, labels.sorted)
    return _estimate(objective, best, found, few.n, begun)


def _split_ends(starts: Starts, smaller: Posterior, theta: NDArray, seed: int) -> list[Optimum]:
    """Where starts from the fit with one prompt less lead, and from clusters of rows."""
    rng, fewer = np.random.default_rng(seed), smaller.layout
    ends = finished_ends(starts, split_points(starts, fewer, theta, rng), "split")
    mixture = mixture_of(smaller.model)
    if mixture is None or mixture.frozen:
        return ends
    ends += finished_ends(starts, parted_points(starts, fewer, theta, rng), "slow path")
    alone = smaller
    while (less := fewer_prompts(alone)) is not None:
        alone = less
    return ends + finished_ends(starts, clustered_points(starts, alone, rng), "clusters")


def _floor(objective: Objective, smaller: Posterior, theta: NDArray) -> Optimum:
    """The fit with one prompt less, its first prompt counted twice: the least that is reached."""
    posterior = objective.posterior
    mixture = mixture_of(posterior.model)
    assert mixture is not None
    twin = doubled(mixture, posterior.layout, smaller.layout, theta, 0)
    w = objective.working.working(twin)
    value, gradient = objective.value_and_gradient(w)
    norm = float(np.abs(gradient).max())
    return polish(objective, Optimum(w, value, norm, Status.STALLED, 0, origin="one less"))


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
