"""Where an optimiser starts: draws on all scales of the prior, the best of many, parts of the rows.

No one way finds every optimum. Draws on all scales find wide basins whatever the prior's width, and
draws in the metric of the log density those of parameters that are tied to one another (slopes and
intercept, where x lies far from zero); the best of many draws finds narrow ones; a start that first
sees a part of the rows (neighbours in x, those that the frozen expert explains worst, or any) finds
the prompt that explains that part.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES, Lanes
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.gating import Gating
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.region import prior_region

__all__ = ["SIGHT", "Starts"]

NARROWEST = 0.02
"""Smallest scale of the draws, as a share of the prior's own: a wide box is mostly empty."""
SMALLEST_STEP, LARGEST_STEP = 0.3, 30.0
"""Scales of the draws in the metric of the log density: one changes a row's by about one."""
SCREENED = 16
"""Draws from which a screened start is the best."""
WAYS = ("screened",) * 10 + ("drawn",) * 8 + ("near",) * 7 + ("worst",) * 4 + ("any",) * 3
"""How the starts of a round are made."""
SMALLEST, LARGEST = 0.03, 0.6
"""Shares of the rows that a start may first see."""
ROWS_PER_PARAMETER = 4
SIGHT = 25
"""Iterations on the part of the rows."""
PRECONDITIONERS = 8


@dataclass(frozen=True, eq=False)
class Starts:
    """A source of starting points for one objective.

    Parameters
    ----------
    objective : Objective
        On the rows that are explored.
    lanes : Lanes
    columns : mapping of str to array
        The same rows.
    gating : Gating or None
    """

    objective: Objective
    lanes: Lanes
    columns: Mapping[str, NDArray]
    gating: Gating | None

    def function(self, weights: NDArray | None = None) -> Callable[[NDArray], tuple]:
        """The objective a row at many points, with the weights of the rows in each lane."""
        rows = self.lanes.rows(self.columns, weights)
        working, count = self.objective.working, self.objective.rows.n

        def value_and_gradient(w: NDArray) -> tuple[NDArray, NDArray]:
            theta = working.natural(w)
            value, gradient = self.lanes.value_and_gradient(theta, rows)
            return -value / count, -working.gradient(theta, gradient) / count

        return value_and_gradient

    @cached_property
    def everything(self) -> Callable[[NDArray], tuple]:
        """The objective a row at many points, on all rows; laid out once for rounds and hops."""
        return self.function()

    def draw(self, rng: Generator, count: int) -> NDArray:
        """Points on all scales about the prior's middle, shape (count, parameter), in w."""
        lower, middle, upper = self._region
        scale = NARROWEST ** rng.random((count, 1))
        w = middle + scale * (rng.random((count, len(middle))) - 0.5) * (upper - lower)
        return np.clip(w, self.objective.working.lower, self.objective.working.upper)

    def draw_scaled(self, rng: Generator, inverse: NDArray, count: int) -> NDArray:
        """Points about the middle in the metric of the log density, shape (count, parameter)."""
        working, (_, middle, _) = self.objective.working, self._region
        size = SMALLEST_STEP * (LARGEST_STEP / SMALLEST_STEP) ** rng.random((count, 1))
        steps = rng.standard_normal((count, len(middle))) @ np.linalg.cholesky(inverse).T
        return np.clip(middle + size * steps, working.lower, working.upper)

    @cached_property
    def _region(self) -> tuple[NDArray, NDArray, NDArray]:
        """Lower corner, middle and upper corner, in w, of the region that the draws cover."""
        return prior_region(self.objective.posterior, self.objective.working)

    def inverse_hessian(self, points: NDArray) -> NDArray:
        """A rough inverse Hessian, positive definite: of the typical curvature at some points."""
        found = []
        for w in points[:PRECONDITIONERS]:
            value, gradient = self.objective.value_and_gradient(w)
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                continue
            natural = self.objective.natural_hessian(self.objective.working.natural(w))
            hessian = self.objective.hessian(w, gradient, natural)
            if np.isfinite(hessian).all():
                eigenvalues, directions = np.linalg.eigh(hessian)
                found.append((directions * np.abs(eigenvalues)) @ directions.T)
        if not found:
            return np.eye(points.shape[1])
        typical = np.median(found, axis=0)
        diagonal = np.diag(typical)
        scale = 1.0 / np.sqrt(np.maximum(diagonal, max(1e-12 * diagonal.max(), 1e-300)))
        eigenvalues, directions = np.linalg.eigh(typical * np.outer(scale, scale))
        return (directions / np.maximum(eigenvalues, 1e-3)) @ directions.T * np.outer(scale, scale)

    def round(self, rng: Generator, inverse: NDArray) -> NDArray:
        """LANES starting points, shape (LANES, parameter), in w.

        Parameters
        ----------
        rng : numpy.random.Generator
        inverse : array, shape (parameter, parameter)
            From `inverse_hessian`.
        """
        weights = np.column_stack([self._part(way, rng) for way in WAYS])
        seen = self.function(weights)
        # The best of many draws of one kind: of both it would nearly always be the same kind.
        scaled = np.arange(LANES) % 2 == 1
        pool = np.array(
            [
                np.where(
                    scaled[:, None],
                    self.draw_scaled(rng, inverse, LANES),
                    self.draw(rng, LANES),
                )
                for _ in range(SCREENED)
            ]
        )
        partial = np.array([way not in ("screened", "drawn") for way in WAYS])
        if self.gating is not None:
            # A part of the rows may well come from the prompt alone: let it begin with a say.
            pool[:, partial] = self.gating.levelled(pool[:, partial])
        values = np.array([seen(points)[0] for points in pool])
        best = np.argmin(np.where(np.isfinite(values), values, np.inf), axis=0)
        best[np.array([way == "drawn" for way in WAYS])] = 0
        starts = pool[best, np.arange(LANES)]
        bounds = (self.objective.working.lower, self.objective.working.upper)
        moved = descend_together(seen, starts, bounds, inverse, SIGHT, 0.0).w
        if self.gating is not None:
            moved[partial] = self.gating.levelled(moved[partial])
        return moved

    def _part(self, way: str, rng: Generator) -> NDArray:
        """Weights of the rows that a start first sees, shape (n,); they sum to n."""
        n = self.objective.rows.n
        if way in ("screened", "drawn"):
            return np.ones(n)
        share = SMALLEST * (LARGEST / SMALLEST) ** rng.random()
        fewest = ROWS_PER_PARAMETER * self.objective.posterior.layout.size
        count = int(np.clip(round(share * n), min(fewest, n), n))
        if way == "near":
            x = self._inputs
            chosen = np.argsort(np.sum((x - x[rng.integers(n)]) ** 2, axis=1), kind="stable")
        elif way == "worst" and self.gating is not None:
            chosen = self._worst_first
        else:
            chosen = rng.permutation(n)
        weights = np.zeros(n)
        weights[chosen[:count]] = n / count
        return weights

    @cached_property
    def _inputs(self) -> NDArray:
        """The inputs in units of their standard deviations, shape (n, feature)."""
        x = np.asarray(self.columns["x"], dtype=float)
        x = x.reshape(len(x), -1)  # of a model of one's own it may be a vector
        spread = x.std(axis=0)
        return (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)

    @cached_property
    def _worst_first(self) -> NDArray:
        """The rows in the order in which the frozen expert alone explains them, worst first."""
        assert self.gating is not None
        working, likelihood = self.objective.working, self.objective.posterior.likelihood
        middle = np.clip(np.zeros_like(working.lower), working.lower, working.upper)
        shut = np.where(self.gating.entries, self.gating.shut, middle)
        logp = likelihood.logp(working.natural(shut), self.objective.rows)
        return np.argsort(logp, kind="stable")
