"""Rounds of starts until nothing better is to be expected: multistart with a rule to stop.

After N starts that led to W different good optima the posterior mean of the share of starts that
would lead to one not seen yet is W (W + 1) / (N (N - 1)), whatever the basins' sizes, under a
uniform prior on them (Boender and Rinnooy Kan 1987, doi:10.1007/BF02591684). The rounds end
when this is small and the best optimum was found several times, or at the most starts that they may
take; hops from the best optima follow, to those that lie close to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator, SeedSequence

from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.estimate.basins import Basins
from bayes_cmoe.estimate.descent import finish
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.hops import PROMISE, RIVAL, TOGETHER, hop
from bayes_cmoe.estimate.optimum import Optimum
from bayes_cmoe.estimate.starts import Starts

__all__ = ["SAME", "Search", "counted", "search"]

SAME = 0.02
"""Ends whose summed log posteriors are within this of one another are one optimum."""
UNSEEN = 0.0025
AGAIN, OFTEN = 3, 40
"""How often the best optimum is to be found before the search may end; and how often is enough,

however many poor optima there are besides."""
HOPS = 12
"""Rounds of hops from the optima found, at most."""
IDLE, IDLE_UNSETTLED = 1, 4
"""How many rounds of hops in turn gain nothing before they end."""
BASES = 8
"""Optima, the best first, from which a round of hops begins."""


@dataclass(frozen=True, eq=False)
class Search:
    """What a search found.

    Parameters
    ----------
    ends : tuple of Optimum
        Best first.
    found : int
        How many starts, or hops from other optima, ended at the best.
    distinct : int
        Number of different optima within RIVAL of the best.
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

    @property
    def confirmed(self) -> bool:
        """Whether the best was found again, and by more starts than what is unseen may get.

        Else an optimum no harder to find than the best one may well have been missed.
        """
        if self.found < 2:
            return False
        return self.settled or self.unseen <= self.found / len(self.ends)


def search(starts: Starts, most: int, seed: int, known: Sequence[Optimum] = ()) -> Search:
    """Descend from rounds of starts until the search is settled.

    Parameters
    ----------
    starts : Starts
    most : int
        Starts at most, rounded up to whole rounds.
    seed : int
    known : sequence of Optimum
        Ends of other starts.
    """
    objective = starts.objective
    seeds = SeedSequence(seed).spawn(1 + -(-most // LANES))
    first = np.random.default_rng(seeds[0])
    inverse = starts.inverse_hessian(starts.draw(first, LANES))
    ends, basins = list(known), Basins(objective)
    result = Search((), 0, 0)
    for spawned in seeds[1:]:
        points = starts.round(np.random.default_rng(spawned), inverse)
        bounds = (objective.working.lower, objective.working.upper)
        enough = PROMISE / objective.rows.n
        flock = descend_together(starts.everything, points, bounds, inverse, TOGETHER, enough)
        for w in flock.best_first:
            worth = min((end.cost for end in ends), default=np.inf) + RIVAL / objective.rows.n
            ends.append(replace(finish(objective, w, basins, worth), origin="draw"))
        result = counted(ends, objective.rows.n)
        if result.settled:
            break
    return _hopped(starts, result, first, basins)


def _hopped(starts: Starts, result: Search, rng: Generator, basins: Basins) -> Search:
    """The search with hops from its best optima, until they gain nothing any more.

    A hop that leads back to where it began is no start that found it again.
    """
    rows = starts.objective.rows.n
    idle, enough = 0, IDLE if result.settled else IDLE_UNSETTLED
    for _ in range(HOPS):
        bases = _different(result, rows)[:BASES]
        landed = hop(starts, bases, rng, basins, farthest=0.5 * rows**0.5)
        gained = (bases[0].cost - min(end.cost for end in landed)) * rows > SAME
        idle = 0 if gained else idle + 1
        moved = [
            replace(end, origin="hop")
            for lane, end in enumerate(landed)
            if not abs(end.cost - bases[lane % len(bases)].cost) * rows <= SAME
        ]
        result = counted([*result.ends, *moved], rows)
        if idle >= enough and result.found >= AGAIN:
            break
    return result


def _different(result: Search, rows: int) -> list[Optimum]:
    """One end for each optimum, best first."""
    kept = list(result.ends[:1])
    for end in result.ends[1:]:
        if (end.value - kept[-1].value) * rows > SAME:
            kept.append(end)
    return kept


def counted(ends: Sequence[Optimum], rows: int) -> Search:
    """Ends in order, and how many optima they are."""
    values = np.array([end.cost for end in ends]) * rows
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    gaps = np.diff(ranked[np.isfinite(ranked) & (ranked <= ranked[0] + RIVAL)])
    return Search(
        tuple(ends[i] for i in order),
        int(np.sum(ranked <= ranked[0] + SAME)) if np.isfinite(ranked[0]) else 0,
        1 + int(np.sum(gaps > SAME)) if np.isfinite(ranked[0]) else 0,
    )
