"""Hops: descents from points about the optima found, near and far in their own units of error.

Starts that know nothing rarely fall into the narrow basins beside a good optimum: another few rows
taken in, the other side of an expert's kink.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES, Lanes
from bayes_cmoe.estimate.descent import Optimum, Status, descend, polish
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.starts import Starts

__all__ = ["PROMISE", "TOGETHER", "hop", "sharpened"]

TOGETHER = 80
"""Iterations of the descents side by side, before each end is finished alone."""
PROMISE = 1e-4
"""A step that promises less than this in the summed log posterior is not worth a call."""
NEAREST, FARTHEST = 0.3, 10.0
"""How far hops go, in standard errors, where nothing else is said."""
WORTH = 5.0
"""Ends worse than the best base by more than this, in the log posterior, stay unfinished."""
ROUNDS = 5
SMALL = 1e-3
"""A gain in the summed log posterior that asks for no further round."""


def hop(
    starts: Starts, bases: Sequence[Optimum], rng: Generator, farthest: float = FARTHEST
) -> list[Optimum]:
    """Ends of LANES descents from points about some optima.

    Parameters
    ----------
    starts : Starts
    bases : sequence of Optimum
        The best first.
    rng : numpy.random.Generator
    farthest : float
        Distance of the farthest hops, in standard errors at the base.

    Returns
    -------
    list of Optimum; finished are those that may be as good as the best base.
    """
    objective = starts.objective
    working, rows = objective.working, objective.rows.n
    inverses = [starts.inverse_hessian(base.w[None]) for base in bases]
    sizes = np.geomspace(NEAREST, max(farthest, NEAREST), LANES)
    points = []
    for lane, size in enumerate(sizes):
        own = lane % len(bases)
        root = np.linalg.cholesky(inverses[own] / rows)
        points.append(bases[own].w + size * (root @ rng.standard_normal(len(root))))
    bounds = (working.lower, working.upper)
    flock = descend_together(
        starts.everything, np.clip(points, *bounds), bounds, inverses[0], TOGETHER, PROMISE / rows
    )
    ends = []
    for w, value in zip(flock.w, flock.value, strict=True):
        worth = (value - bases[0].value) * rows < WORTH
        ends.append(descend(objective, w) if worth else _unfinished(w, value))
    return ends


def _unfinished(w: NDArray, value: float) -> Optimum:
    return Optimum(w, float(value), np.inf, Status.STALLED, TOGETHER)


def sharpened(
    objective: Objective,
    lanes: Lanes,
    columns: Mapping[str, NDArray],
    best: Optimum,
    seed: int,
) -> Optimum:
    """The best optimum near a doubtful one, by hops on all rows and Newton steps.

    Parameters
    ----------
    objective : Objective
        On all rows.
    lanes : Lanes
    columns : mapping of str to array
        The same rows.
    best : Optimum
    seed : int
    """
    starts, rng = Starts(objective, lanes, columns, None), np.random.default_rng(seed)
    for _ in range(ROUNDS):
        landed = sorted(hop(starts, [best], rng), key=lambda end: end.value)
        polished = polish(objective, landed[0])
        gain = (best.value - polished.value) * objective.rows.n
        best = polished if gain > 0 else best
        if not gain > SMALL:
            break
    return best
