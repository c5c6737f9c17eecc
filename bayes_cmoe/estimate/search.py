"""Rounds of starts until nothing better is to be expected: multistart with a rule to stop.

After N starts that led to W different optima the posterior mean of the share of starts that would
lead to an optimum not seen yet is W (W + 1) / (N (N - 1)), whatever the basins' sizes, under a
uniform prior on them (Boender and Rinnooy Kan 1987, doi:10.1007/BF02591684). The search ends when
this is small and the best optimum was found several times, or at the most starts that it may take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES, Lanes
from bayes_cmoe.estimate.descent import Optimum, descend, polish
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.starts import Starts

__all__ = ["SAME", "Search", "counted", "search", "sharpened"]

SAME = 0.02
"""Ends whose summed log posteriors are within this of one another are one optimum."""
UNSEEN = 0.05
AGAIN, OFTEN = 3, 20
"""How often the best optimum is to be found before the search may end; and how often is enough,

however many poor optima there are besides."""
TOGETHER = 80
"""Iterations of the descents side by side, before each end is finished alone."""
PROMISE = 1e-4
"""A step that promises less than this in the summed log posterior is not worth a call."""
ROUNDS, FINISHED = 5, 4
"""Of the starts about a doubtful optimum: rounds at most, and ends that are finished in each."""
NEAREST, FARTHEST = 0.3, 10.0
"""How far these starts go, in standard errors."""
SMALL = 1e-3
"""A gain in the summed log posterior that asks for no further round."""


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Parameters
    ----------
    ends : tuple of Optimum
        Best first.
    found : int
        How many starts ended at the best.
    distinct : int
        Number of different optima.
    """

    ends: tuple[Optimum, ...]
    found: int
    distinct: int

    @property
    def unseen(self) -> float:
        """Expected share of starts that lead to an optimum not seen yet."""
        starts = len(self.ends)
        return min(1.0, self.distinct * (self.distinct + 1) / max(starts * (starts - 1), 1))

    @property
    def settled(self) -> bool:
        """Whether nothing better is to be expected."""
        return (self.found >= AGAIN and self.unseen < UNSEEN) or self.found >= OFTEN


def search(starts: Starts, most: int, seed: int) -> Search:
    """Descend from rounds of starts until the search is settled.

    Parameters
    ----------
    starts : Starts
    most : int
        Starts at most, rounded up to whole rounds.
    seed : int
    """
    objective = starts.objective
    seeds = SeedSequence(seed).spawn(1 + -(-most // LANES))
    first = np.random.default_rng(seeds[0])
    inverse = starts.inverse_hessian(starts.draw(first, LANES))
    everything = starts.function()
    ends: list[Optimum] = []
    result = Search((), 0, 0)
    for spawned in seeds[1:]:
        points = starts.round(np.random.default_rng(spawned), inverse)
        bounds = (objective.working.lower, objective.working.upper)
        enough = PROMISE / objective.rows.n
        flock = descend_together(everything, points, bounds, inverse, TOGETHER, enough)
        ends += [descend(objective, w) for w in flock.w]
        result = counted(ends, objective.rows.n)
        if result.settled:
            break
    return result


def counted(ends: Sequence[Optimum], rows: int) -> Search:
    """Ends in order, and how many optima they are."""
    values = np.array([end.value if np.isfinite(end.value) else np.inf for end in ends]) * rows
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    gaps = np.diff(ranked[np.isfinite(ranked)])
    return Search(
        tuple(ends[i] for i in order),
        int(np.sum(ranked <= ranked[0] + SAME)) if np.isfinite(ranked[0]) else 0,
        1 + int(np.sum(gaps > SAME)) if np.isfinite(ranked[0]) else 0,
    )


def sharpened(
    objective: Objective,
    lanes: Lanes,
    columns: Mapping[str, NDArray],
    best: Optimum,
    seed: int,
) -> Optimum:
    """The best optimum near a doubtful one, from starts within some standard errors of it.

    Where experts have kinks (relu) the likelihood has many small optima side by side.

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
    working, count = objective.working, objective.rows.n
    starts = Starts(objective, lanes, columns, None)
    function, rng = starts.function(), np.random.default_rng(seed)
    for _ in range(ROUNDS):
        inverse = starts.inverse_hessian(best.w[None])
        root = np.linalg.cholesky(inverse / count)
        sizes = np.geomspace(NEAREST, FARTHEST, LANES)[:, None]
        away = best.w + sizes * (rng.standard_normal((LANES, len(best.w))) @ root.T)
        points = np.clip(away, working.lower, working.upper)
        bounds = (working.lower, working.upper)
        flock = descend_together(function, points, bounds, inverse, TOGETHER, PROMISE / count)
        order = np.argsort(flock.value, kind="stable")[:FINISHED]
        ends = [polish(objective, descend(objective, flock.w[i])) for i in order]
        better = min(ends, key=lambda end: end.value if np.isfinite(end.value) else np.inf)
        gain = (best.value - better.value) * count
        best = better if gain > 0 else best
        if gain < SMALL:
            break
    return best
