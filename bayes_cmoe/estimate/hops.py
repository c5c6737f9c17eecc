"""Hops: descents from the optima found, moved in their own units of error or by other rows.

Starts that know nothing rarely fall into the narrow basins beside a good optimum: another few rows
taken in, the other side of an expert's kink. Half of the hops set out from a point near by, or far,
in standard errors. The others first go downhill on rows that are weighted anew at random, as in the
Bayesian bootstrap (Rubin 1981, doi:10.1214/aos/1176345338): the optima of weighted rows lie where
those of a few rows more or less do (Elidan, Ninio, Friedman and Schuurmans 2002, Data perturbation
for escaping local maxima in learning, AAAI).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES, Lanes
from bayes_cmoe.estimate.basins import Basins
from bayes_cmoe.estimate.descent import finish
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.starts import SIGHT, Starts

__all__ = ["PROMISE", "RIVAL", "TOGETHER", "hop", "sharpened"]

TOGETHER = 80
"""Iterations of the descents side by side, before each end is finished alone."""
PROMISE = 1e-4
"""A step that promises less than this in the summed log posterior is not worth a call."""
NEAREST, FARTHEST = 0.3, 10.0
"""How far hops go, in standard errors, where nothing else is said."""
RIVAL = 5.0
"""Optima that are worse than the best by more than this, in the log posterior, are none of its
rivals: they stay unfinished, and how many there are says nothing of a better one."""
ROUNDS = 5
SMALL = 1e-3
"""A gain in the summed log posterior that asks for no further round."""


def hop(
    starts: Starts,
    bases: Sequence[Optimum],
    rng: Generator,
    basins: Basins,
    farthest: float = FARTHEST,
) -> list[Optimum]:
    """Ends of LANES hops from some optima, from each in turn.

    Parameters
    ----------
    starts : Starts
    bases : sequence of Optimum
        The best first.
    rng : numpy.random.Generator
    basins : Basins
        Maxima that are known; those that are met are added.
    farthest : float
        Distance of the farthest hops, in standard errors at the base.

    Returns
    -------
    list of Optimum, shape (LANES,), end i of base i modulo their number; finished are those that
    may be as good as the best base.
    """
    objective = starts.objective
    working, rows = objective.working, objective.rows.n
    inverses = [starts.inverse_hessian(base.w[None]) for base in bases]
    sizes = np.geomspace(NEAREST, max(farthest, NEAREST), LANES)
    points, weights = np.empty((LANES, len(working.lower))), np.ones((rows, LANES))
    for lane, size in enumerate(sizes):
        turn, own = divmod(lane, len(bases))
        points[lane] = bases[own].w
        if turn % 2 == 0:
            root = np.linalg.cholesky(inverses[own] / rows)
            points[lane] += size * (root @ rng.standard_normal(len(root)))
        else:
            drawn = rng.exponential(size=rows)
            weights[:, lane] = drawn / drawn.mean()
    bounds = (working.lower, working.upper)
    first = descend_together(
        starts.function(weights), np.clip(points, *bounds), bounds, inverses[0], SIGHT, 0.0
    )
    flock = descend_together(
        starts.everything, first.w, bounds, inverses[0], TOGETHER, PROMISE / rows
    )
    ends = []
    for w, value in zip(flock.w, flock.value, strict=True):
        worth = (value - bases[0].value) * rows < RIVAL
        ends.append(finish(objective, w, basins) if worth else _unfinished(w, value))
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
    basins = Basins(objective)
    basins.add(best)
    for _ in range(ROUNDS):
        polished = min(hop(starts, [best], rng, basins), key=lambda end: end.cost)
        gain = (best.cost - polished.cost) * objective.rows.n
        best = polished if gain > 0 else best
        if not gain > SMALL:
            break
    return best
