"""Leave-one-out of a point estimate, exactly: each row's log-density at the maximum of the others.

One row more or less moves a maximum little, so the maximum of all rows is a start from which a few
steps lead to that without the row; many rows are left out side by side. Importance weights of
posterior draws, which PSIS-LOO rests on, fail where parameters are many: this does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.descent import equilibrated, polish
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum, Status

__all__ = ["left_out_scores"]

STEPS = 60
ENOUGH = 1e-9
"""Gain of the summed log posterior that the next step promises, below which a maximum is found: the

estimate is then within 1e-4 posterior standard deviations of it."""
FLATTEST = 1e-10
"""Smallest eigenvalue of the information, scaled to unit diagonal, that is believed."""


def left_out_scores(
    posterior: Posterior, columns: Mapping[str, NDArray], theta: NDArray, left_out: NDArray
) -> NDArray:
    """log p(y_i|x_i) at the maximum of the posterior of all rows but i.

    The maximum is the one that ascent from that of all rows leads to; the prior stays what it is.

    Parameters
    ----------
    posterior : Posterior
    columns : mapping of str to array
        The rows, as `Likelihood.rows` takes them.
    theta : array, shape (parameter,)
        Where the posterior of all rows is highest, natural scale.
    left_out : array of int, shape (row,)
        The rows to leave out, one at a time.

    Returns
    -------
    array, shape (row,)
    """
    rows = posterior.likelihood.rows(columns)
    objective = Objective(posterior, rows)
    start = objective.working.working(theta)
    inverse = _inverse(objective, start)
    found = []
    for first in range(0, len(left_out), LANES):
        few = left_out[first : first + LANES]
        for place, w in zip(few, _without(objective, columns, few, start, inverse), strict=True):
            row = {name: column[place : place + 1] for name, column in columns.items()}
            at = objective.working.natural(w)
            found.append(posterior.likelihood.value(at, posterior.likelihood.rows(row)))
    return np.array(found)


def _inverse(objective: Objective, w: NDArray) -> NDArray:
    """The inverse of the information of all rows, in working coordinates."""
    _, gradient, natural = objective.derivatives(w)
    information = objective.rows.n * objective.hessian(w, gradient, natural)
    scale, eigenvalues, directions = equilibrated(information, np.ones(len(w), dtype=bool))
    size = np.maximum(np.abs(eigenvalues), FLATTEST)
    return (directions / size) @ directions.T * np.outer(scale, scale)


def _without(
    objective: Objective,
    columns: Mapping[str, NDArray],
    few: NDArray,
    start: NDArray,
    inverse: NDArray,
) -> list[NDArray]:
    """The maxima without each of a few rows, in working coordinates."""
    working, lanes = objective.working, objective.posterior.lanes
    weights = np.ones((objective.rows.n, LANES))
    weights[few, np.arange(len(few))] = 0.0
    rows = lanes.rows(columns, weights)

    def minus_log_density(w: NDArray) -> tuple[NDArray, NDArray]:
        theta = working.natural(w)
        value, gradient = lanes.value_and_gradient(theta, rows)
        with np.errstate(over="ignore", invalid="ignore"):
            # A step may go so far that a logged variance has no number; it is not taken then.
            return -value, -working.gradient(theta, gradient)

    bounds = working.lower, working.upper
    starts = np.repeat(start[None], len(few), axis=0)
    flock = descend_together(minus_log_density, starts, bounds, inverse, STEPS, ENOUGH)
    _, gradient = minus_log_density(flock.w)
    held = (flock.w <= working.lower) | (flock.w >= working.upper)
    slope = np.where(held, 0.0, gradient)
    left = np.einsum("si,ij,sj->s", slope, inverse, slope)
    return [
        w if missing < 1e3 * ENOUGH else _finished(objective, columns, place, w)
        for place, w, missing in zip(few, flock.w, left, strict=True)
    ]


def _finished(
    objective: Objective, columns: Mapping[str, NDArray], place: int, w: NDArray
) -> NDArray:
    """Newton's steps to the maximum without a row, from a point near it."""
    others = {name: np.delete(column, place, axis=0) for name, column in columns.items()}
    posterior = objective.posterior
    own = Objective(posterior, posterior.likelihood.rows(others))
    value, _ = own.value_and_gradient(w)
    return polish(own, Optimum(w, value, np.inf, Status.STALLED, 0)).w
