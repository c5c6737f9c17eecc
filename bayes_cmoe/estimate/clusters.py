"""Starts from local regressions: rows in clusters, an expert for each, and again.

Rows are put into clusters by nearness of (x, y) (Lloyd 1982, from centres drawn as by Arthur and
Vassilvitskii 2007); an expert is fitted to each; every row goes to the expert that explains it
best, as in the regression clustering of Spaeth (1979, doi:10.1007/BF02265317), and so on. The
experts are the start's, and the clusters' sizes its shares.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.starts import ROWS_PER_PARAMETER, Starts
from bayes_cmoe.parts.mixture import mixture_of

__all__ = ["clustered_points"]

LLOYD = 5
ROUNDS = 4
"""Rounds of fits and new clusters."""
FITTED = 25
"""Iterations of a fit, the same as of a start on a part of the rows."""


def clustered_points(starts: Starts, alone: Posterior, rng: Generator) -> NDArray:
    """As many starting points as there are lanes for, shape (start, parameter), in w.

    Parameters
    ----------
    starts : Starts
        Of a model of several trainable experts.
    alone : Posterior
        The model of one of them.
    rng : numpy.random.Generator
    """
    objective = starts.objective
    mixture = mixture_of(objective.posterior.model)
    assert mixture is not None
    count = mixture.prompts
    groups = LANES // count
    own = alone.likelihood.rows(starts.columns)
    single = Starts(Objective(alone, own), alone.exploring(starts.columns), starts.columns, None)
    table = _table(single)
    labels = np.array([_lloyd(table, count, rng) for _ in range(groups)])
    first = single.draw(rng, LANES)
    inverse = single.inverse_hessian(first)
    w = np.repeat(single.objective.working.working(_middle(single))[None], groups * count, axis=0)
    for _ in range(ROUNDS):
        w = _fitted(single, labels, count, w, inverse)
        labels = _reassigned(single, labels, count, w)
    return _joined(starts, single, labels, w.reshape(groups, count, -1))


def _table(single: Starts) -> NDArray:
    """Inputs and response in units of their spread, shape (n, column)."""
    (name,) = set(single.objective.posterior.likelihood.columns) - {"x"}
    columns = np.column_stack([single.columns["x"], single.columns[name]]).astype(float)
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _lloyd(table: NDArray, count: int, rng: Generator) -> NDArray:
    """Clusters of rows, (n,), by a few steps of k-means in randomly stretched units."""
    points = table * np.exp(rng.normal(0.0, 1.0, table.shape[1]))
    centres = points[rng.integers(len(points), size=1)]
    for _ in range(count - 1):
        square = np.min(np.sum((points[:, None] - centres) ** 2, axis=-1), axis=1)
        chance = square / square.sum() if square.sum() > 0 else None
        centres = np.vstack([centres, points[rng.choice(len(points), p=chance)]])
    for _ in range(LLOYD):
        labels = np.argmin(np.sum((points[:, None] - centres) ** 2, axis=-1), axis=1)
        for j in range(count):
            if np.any(labels == j):
                centres[j] = points[labels == j].mean(axis=0)
    return labels


def _middle(single: Starts) -> NDArray:
    """One expert on all rows: where the fits of parts of them begin."""
    points = single.draw(np.random.default_rng(0), LANES)
    working = single.objective.working
    inverse = single.inverse_hessian(points)
    bounds = (working.lower, working.upper)
    found = descend_together(single.everything, points, bounds, inverse, 2 * FITTED, 0.0)
    return working.natural(found.w[np.argmin(np.nan_to_num(found.value, nan=np.inf))])


def _fitted(single: Starts, labels: NDArray, count: int, w: NDArray, inverse: NDArray) -> NDArray:
    """An expert for each cluster, (group x cluster, parameter); as it was where rows are few."""
    n = labels.shape[1]
    least = ROWS_PER_PARAMETER * w.shape[1]
    weights, working = np.ones((n, LANES)), single.objective.working
    kept = np.ones(len(w), dtype=bool)
    for lane in range(len(w)):
        member = labels[lane // count] == lane % count
        if member.sum() >= least:
            weights[:, lane], kept[lane] = member * (n / member.sum()), False
    full = np.concatenate([w, np.repeat(w[:1], LANES - len(w), axis=0)])
    bounds = (working.lower, working.upper)
    found = descend_together(single.function(weights), full, bounds, inverse, FITTED, 0.0)
    return np.where(kept[:, None], w, found.w[: len(w)])


def _reassigned(single: Starts, labels: NDArray, count: int, w: NDArray) -> NDArray:
    """Every row to the expert that explains it best, its cluster's share counted in."""
    objective, fresh = single.objective, np.empty_like(labels)
    for g, own in enumerate(labels):
        share = np.maximum(np.bincount(own, minlength=count), 1) / len(own)
        logs = [
            objective.posterior.likelihood.logp(
                objective.working.natural(w[g * count + j]), objective.rows
            )
            for j in range(count)
        ]
        fresh[g] = np.argmax(np.log(share)[:, None] + np.array(logs), axis=0)
    return fresh


def _joined(starts: Starts, single: Starts, labels: NDArray, experts: NDArray) -> NDArray:
    """The experts side by side, their shares those of their clusters; (group, parameter)."""
    posterior, working = starts.objective.posterior, starts.objective.working
    mixture = mixture_of(posterior.model)
    assert mixture is not None
    layout, gate, points = single.objective.posterior.layout, mixture.gate, []
    features = np.shape(starts.columns["x"])[1]
    for own, w in zip(labels, experts, strict=True):
        parts = [layout.unravel(single.objective.working.natural(one)) for one in w]
        atoms = {
            name: np.concatenate([part[name] for part in parts]) for name in mixture.prompt_names
        }
        share = np.maximum(np.bincount(own, minlength=len(w)), 1) / len(own)
        for parameter in gate.parameters:
            shape = (len(w), *(features for _ in parameter.dims))
            atoms[parameter.name] = np.full(shape, gate.level[parameter.name])
        level = gate.share.parameter
        atoms[level] = np.asarray(gate.share.vanish(atoms[level], 1.0 / share, 1.0))
        points.append(working.working(posterior.layout.ravel(mixture.stuck(atoms))))
    return np.array(points)
