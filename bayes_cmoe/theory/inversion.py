"""Tests of a value of the share or of one parameter whose level holds where little is identified.

Near merging the likelihood ratio of a value has no chi-square law, and the law that it has depends
on how far the prompt lies from the frozen expert, which the data do not tell well (Andrews and
Cheng 2012, doi:10.3982/ECTA9456). So it is drawn: at the estimate with the value held, and at the
least and the most favourable identification that the data leave open, along rays on which the
share or the displacement from the frozen expert is multiplied. The largest p-value counts. The
ends of the rays are where the likelihood falls by a quantile of a first stage, whose level is taken
off the second's (Bonferroni), a tenth of the whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import binom, chi2

from bayes_cmoe.compiled.replicas import Table
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.theory.lines import Entry, Line, Product, parameter_of_share
from bayes_cmoe.theory.profile import Curve, Heights

__all__ = ["FIRST_STAGE", "Inversion", "drawn_limits"]

FIRST_STAGE = 0.1
"""Share of the level that the first stage takes."""
FACTORS = np.concatenate([np.linspace(0.0, 1.0, 26), np.geomspace(1.0, 20.0, 26)[1:]])
BATCH = 32
CLEAR = 0.005
"""Probability of so many, or so few, draws beyond the observed ratio at a p-value of alpha at which
no more are needed (Besag and Clifford 1991, doi:10.1093/biomet/78.2.301)."""
ITERATIONS, SMALL = 80, 1e-3
"""Of the ascents on drawn responses: a ratio is to be known to hundredths."""
NEARBY = 2
"""Starts about the frozen expert in every search."""


@dataclass(frozen=True, eq=False)
class Inversion:
    """Tests of values of one target.

    Parameters
    ----------
    heights : Heights
    simulator : Simulator
    columns : mapping of str to array
        The rows; their response is not looked at.
    line : Line
    level : float
        Of the interval, such as 0.9.
    draws : int
        Responses at each point at most.
    nearby : array, shape (start, parameter)
        Starts in w that every search has.
    """

    heights: Heights
    simulator: Simulator
    columns: Mapping[str, NDArray]
    line: Line
    level: float
    draws: int
    nearby: NDArray

    @classmethod
    def of(
        cls,
        heights: Heights,
        simulator: Simulator,
        columns: Mapping[str, NDArray],
        line: Line,
        level: float,
        draws: int,
        rng: Generator,
    ) -> "Inversion":
        """Tests with starts of their own."""
        ground = heights.ground
        near = ground.with_share(ground.near(rng, NEARBY), np.full(NEARBY, 0.5))
        quick = replace(heights, iterations=ITERATIONS, small=SMALL)
        return cls(quick, simulator, columns, line, level, draws, near)

    @property
    def alpha(self) -> float:
        """A value is refused where its p-value is at most this."""
        return (1.0 - self.level) * (1.0 - FIRST_STAGE)

    def ratios(self, responses: NDArray, value: float, theta: NDArray) -> tuple[NDArray, NDArray]:
        """2 (free maximum - maximum with the value held), by one search for all responses.

        Parameters
        ----------
        responses : array, shape (response, n)
        value : float
        theta : array, shape (start, parameter)
            Points from which both searches start, beside those near the frozen expert.

        Returns
        -------
        ratio : array, shape (response,)
        held : array, shape (response, parameter)
            The maxima with the value held.
        """
        count = len(responses)
        # Always a whole batch, so that one compilation serves them all.
        filled = responses[np.minimum(np.arange(BATCH), count - 1)]
        heights, working = self.heights, self.heights.ground.working
        table = heights.replicas.table(self.columns, filled)
        values = np.full(count, value)
        shared = np.concatenate([working.working(theta), self.nearby])
        starts = np.repeat(shared[None], count, axis=0)
        low, at_low = heights.best(starts, table, self.line, values)
        also = working.working(at_low)[:, None]
        high, at_high = heights.best(np.concatenate([starts, also], axis=1), table)
        again, at_again = heights.best(working.working(at_high)[:, None], table, self.line, values)
        better = again > low
        held = np.where(better[:, None], at_again, at_low)
        best = np.maximum(low, again)
        # The value held is one of the free points.
        return 2.0 * (np.maximum(high, best) - best), held

    def drawn(self, theta: NDArray, value: float, rng: Generator) -> Iterator[NDArray]:
        """Ratios of a value in responses drawn at a point, a batch at a time, without end.

        Parameters
        ----------
        theta : array, shape (parameter,)
            At which the target has the value.
        value : float
        rng : numpy.random.Generator
        """
        while True:
            responses = np.array(
                [self.simulator.draw(theta, self.columns, rng) for _ in range(BATCH)]
            )
            yield self.ratios(responses, value, theta[None])[0]

    def limit_at(self, theta: NDArray, rng: Generator) -> float:
        """The level's quantile of the ratio of a point's own value, in responses drawn there.

        Parameters
        ----------
        theta : array, shape (parameter,)
        rng : numpy.random.Generator
        """
        batches = islice(
            self.drawn(theta, float(self.line.value(theta)), rng), -(-self.draws // BATCH)
        )
        found = np.sort(np.concatenate(list(batches)))
        # Of so many ratios and one more, all alike, this share is at most the rank-th.
        rank = int(np.ceil(self.level * (len(found) + 1)))
        return float(found[min(rank, len(found)) - 1])

    def pvalue(
        self, observed: float, value: float, theta: NDArray, response: NDArray, rng: Generator
    ) -> float:
        """The largest p-value of an observed ratio over the identification left open.

        Draws end as soon as it is clear on which side of `alpha` it lies, and points after the
        first one that lies above.

        Parameters
        ----------
        observed : float
            The likelihood ratio of the value.
        value : float
        theta : array, shape (parameter,)
            The estimate with the value held.
        response : array, shape (n,)
        rng : numpy.random.Generator
        """
        largest = 0.0
        filled = np.repeat(response[None], BATCH, axis=0)
        table = self.heights.replicas.table(self.columns, filled)
        for point in self.identifications(value, theta, table):
            largest = max(largest, self._pvalue_at(observed, value, point, rng))
            if largest > self.alpha:
                break
        return largest

    def _pvalue_at(self, observed: float, value: float, theta: NDArray, rng: Generator) -> float:
        beyond, drawn = 0, 0
        for ratio in self.drawn(theta, value, rng):
            beyond += int(np.sum(ratio >= observed))
            drawn += BATCH
            # Whether it is on one side of alpha is all that is asked.
            if binom.sf(beyond - 1, drawn, self.alpha) < CLEAR:
                break
            if binom.cdf(beyond, drawn, self.alpha) < CLEAR or drawn >= self.draws:
                break
        return (1 + beyond) / (1 + drawn)

    def identifications(self, value: float, theta: NDArray, table: Table) -> NDArray:
        """Points with the value held at which its ratio is drawn, shape (point, parameter)."""
        cut = float(chi2.ppf(1.0 - FIRST_STAGE * (1.0 - self.level), 1))
        points = [theta]
        for ray in self._rays(value, theta):
            which = np.zeros(len(ray), dtype=int)
            height, _ = self.heights.replicas.log_posterior(ray, which, table)
            here = height[int(np.argmin(np.abs(FACTORS - 1.0)))]
            open_ = np.nan_to_num(2.0 * (here - height), nan=np.inf) <= cut
            one = int(np.argmin(np.abs(FACTORS - 1.0)))
            below = one - int(np.argmin(np.append(open_[one::-1], False))) + 1
            above = one + int(np.argmin(np.append(open_[one:], False))) - 1
            points += [ray[place] for place in (below, above) if place != one]
        return np.array(points)

    def _rays(self, value: float, theta: NDArray) -> list[NDArray]:
        """theta with the share, or the displacement from the frozen expert, times `FACTORS`."""
        ground, line = self.heights.ground, self.line
        center = ground.working.natural(ground.center)
        free = [int(i) for i in ground.targets.expert_entries if int(i) != line.entry]
        held = np.full(len(FACTORS), value)
        rays = []
        if free and not isinstance(line, Product):
            moved = np.tile(theta, (len(FACTORS), 1))
            moved[:, free] = center[free] + FACTORS[:, None] * (theta[free] - center[free])
            rays.append(self._inside(moved, held))
        of_expert = line.entry in ground.targets.expert_entries
        if of_expert or not isinstance(line, Entry):
            moved = np.tile(theta, (len(FACTORS), 1))
            place = int(ground.share_entries.start)
            share = float(ground.targets.share_of(theta))
            moved[:, place] = parameter_of_share(ground, FACTORS * share)
            rays.append(self._inside(moved, held))
        return rays

    def _inside(self, theta: NDArray, held: NDArray) -> NDArray:
        """The points with the value held; NaN where the box ends first."""
        ground = self.heights.ground
        lower, upper = (ground.working.natural(edge) for edge in ground.bounds)
        inside = ((theta >= lower) & (theta <= upper)).all(axis=1)
        w = ground.working.working(np.clip(theta, lower, upper))
        points = self.line.natural(np.clip(w, *self.line.bounds(held)), held)
        return np.where(inside[:, None], points, np.nan)


def drawn_limits(
    test: Inversion, curve: Curve, limit: float, rng: Generator
) -> tuple[float, float]:
    """The ratio's quantiles below and above the estimate, chi-square's at least.

    Drawn at the ends of the chi-square interval, each with its own value held: there the question
    is decided, and the estimate itself is often better told from the frozen expert than the truth.

    Parameters
    ----------
    test : Inversion
    curve : Curve
        The profile of its line.
    limit : float
        The chi-square quantile.
    rng : numpy.random.Generator
    """
    inside = np.flatnonzero(curve.drop <= limit)
    low, high = (test.limit_at(curve.theta[place], rng) for place in (inside[0], inside[-1]))
    return max(limit, low), max(limit, high)
