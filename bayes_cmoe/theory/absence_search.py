"""The search of a test for a prompt: the same on the data at hand and on data drawn from f0.

Without a prompt nothing is unknown, so a test that treats the data at hand and data drawn from f0
at the same inputs alike has its level exactly, whatever its search finds (Barnard 1963, in the
discussion of Bartlett, J. R. Statist. Soc. B 25, 294). The search is therefore made for speed: the
score of a share at zero at the points of a cover, its ascent from the best of them, and the ascent
of the likelihood from where that ends. Prompts on a handful of rows score little, so spikes, which
lift the likelihood without bound and say nothing, are not looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.replicas import Replicas, Table
from bayes_cmoe.estimate.flock import descend_together, skipping
from bayes_cmoe.theory.cover import SHUT, Ground, minus_log_density

__all__ = ["Found", "Search"]

POINTS = 192
ASCENTS = 4
"""Points of the cover from which the score and the likelihood ascend."""
SCORE_STEPS, RATIO_STEPS = 20, 50
TOGETHER = 32
"""Responses a batch, which bounds the memory."""
SCREENED = 2048
"""Above this many rows an evenly spaced part of them is looked at by the cover."""
LEAST, MOST = 1e-3, 0.5
"""Between these, times the gate's level share, the likelihood's ascent begins."""
SMALL = 1e-3
"""An ascent that promises less than this, in S or in the log-likelihood, is done."""


@dataclass(frozen=True, eq=False)
class Found:
    """What the search found for each response.

    Parameters
    ----------
    score : array, shape (response,)
        max(0, sup S) over prompts.
    ratio : array, shape (response,)
        2 (max log-likelihood - that of f0 alone), zero at least.
    theta : array, shape (response, parameter)
        Where the likelihood was highest.
    """

    score: NDArray
    ratio: NDArray
    theta: NDArray


@dataclass(frozen=True, eq=False)
class Search:
    """A search for a prompt in many responses at the same inputs.

    Parameters
    ----------
    replicas : Replicas
    ground : Ground
    columns : mapping of str to array
        The rows; their response is not looked at.
    points : array, shape (point, parameter)
        The cover, in working coordinates.
    """

    replicas: Replicas
    ground: Ground
    columns: Mapping[str, NDArray]
    points: NDArray

    @classmethod
    def of(
        cls, replicas: Replicas, ground: Ground, columns: Mapping[str, NDArray], rng: Generator
    ) -> "Search":
        """A search with a cover of its own."""
        return cls(replicas, ground, columns, ground.cover(rng, POINTS))

    def __call__(self, responses: NDArray) -> Found:
        """Search in responses, shape (response, n)."""
        # Always whole batches, so that one compilation serves them all.
        parts = [
            self._batch(responses[first : first + TOGETHER])
            for first in range(0, len(responses), TOGETHER)
        ]
        return Found(
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.ratio for part in parts]),
            np.concatenate([part.theta for part in parts]),
        )

    def _batch(self, responses: NDArray) -> Found:
        count = len(responses)
        lanes = np.minimum(np.arange(TOGETHER), count - 1)
        table = self.replicas.table(self.columns, responses[lanes])
        best = self._best_points(responses[lanes])[:count]
        which = np.repeat(np.arange(count), ASCENTS)
        score, w = self._ascended(self.points[best.ravel()], which, table)
        scores = np.maximum(score.reshape(count, ASCENTS).max(axis=1), 0.0)
        likelihood, top = self._climbed(w, which, table)
        own = likelihood.reshape(count, ASCENTS)
        place = np.arange(count) * ASCENTS + own.argmax(axis=1)
        frozen = self.replicas.frozen(self.ground.working.natural(self.points[0]), table)[:count]
        gain = np.maximum(2.0 * (likelihood[place] - frozen), 0.0)
        return Found(scores, gain, self.ground.working.natural(top[place]))

    def _best_points(self, responses: NDArray) -> NDArray:
        """The points of the cover at which S is highest, shape (response, ASCENTS)."""
        stride = -(-responses.shape[1] // SCREENED)
        part = {name: column[::stride] for name, column in self.columns.items()}
        table = self.replicas.table(part, responses[:, ::stride])
        thetas = self.ground.working.natural(self.points)
        pairs = np.tile(thetas, (len(responses), 1))
        which = np.repeat(np.arange(len(responses)), len(thetas))
        scores = self.replicas.scores(pairs, which, table).reshape(len(responses), -1)
        return np.argsort(-np.nan_to_num(scores, nan=-np.inf), axis=1, kind="stable")[:, :ASCENTS]

    def _ascended(self, start: NDArray, which: NDArray, table: Table) -> tuple[NDArray, NDArray]:
        """S and the points after its ascent with the share held at zero."""
        working = self.ground.working

        def minus_score(w: NDArray, moved: NDArray) -> tuple[NDArray, NDArray]:
            theta = working.natural(w)
            value, gradient = self.replicas.score(theta, which[moved], table)
            return -value, -working.gradient(theta, gradient)

        bounds = self.ground.shut_bounds()
        found = descend_together(
            skipping(minus_score), start, bounds, self.ground.inverse, SCORE_STEPS, SMALL
        )
        return -found.value, found.w

    def _climbed(self, w: NDArray, which: NDArray, table: Table) -> tuple[NDArray, NDArray]:
        """Log-likelihoods and points after an ascent of all parameters, share included."""
        ground = self.ground
        theta = ground.working.natural(w)
        newton = self.replicas.newton_share(theta, which, table)
        start = ground.with_share(w, np.clip(SHUT * np.nan_to_num(newton), LEAST, MOST))
        function = minus_log_density(self.replicas, ground.working, which, table)
        found = descend_together(
            skipping(function), start, ground.bounds, ground.inverse, RATIO_STEPS, SMALL / table.n
        )
        return -found.value * table.n, found.w
