"""The limit experiment at one truth: what an efficient estimate and posterior would show there.

On the data of a fit, with mean score s, an efficient estimate is off by L = I^-1 s to first order,
and the posterior is normal about it: theta* + L + Z, Z ~ N(0, I^-1 / n). So L says of every fit
what its error, expected loss, ball and intervals would be in the limit, and L ~ N(0, I^-1 / n) what
these are on average: control variates, and their known means.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats.qmc import MultivariateNormalQMC

from bayes_cmoe.study.concentration import LEVELS, MASS
from bayes_cmoe.study.losses import SHIFT

__all__ = ["Limit"]

LAW_DRAWS = 2**14
"""Quasi-random draws of L."""
POSTERIOR_DRAWS = 2**11
"""Quasi-random draws of Z."""
FEW_DRAWS = 2**9
"""Draws of L over which the posterior's radius is averaged."""


@dataclass(frozen=True, eq=False)
class Limit:
    """The limit experiment of a regime at one size.

    Parameters
    ----------
    names : tuple of str
        The targets; losses are last.
    entries : array of bool, shape (target - loss, measured)
        Which entries of the measured vector a target is the norm of.
    spread : array, shape (measured, entry)
        J I^-1/2 n^-1/2: the linearised error from standard normal numbers.
    losses : callable
        From `bayes_cmoe.study.losses.losses_at`.

    References
    ----------
    van der Vaart (1998), Asymptotic Statistics, chapters 7, 8 and 10.
    """

    names: tuple[str, ...]
    entries: NDArray
    spread: NDArray
    losses: Callable[[Mapping[str, NDArray]], NDArray]

    def distances(self, shift: NDArray) -> NDArray:
        """The size of every target's error, (..., target), from (..., measured)."""
        squares = np.square(shift)
        own = np.sqrt(squares @ self.entries.T.astype(float))
        named = {name: own[..., i] for i, name in enumerate(self.names[: len(self.entries)])}
        return np.concatenate([own, self.losses({**named, SHIFT: shift})], axis=-1)

    @cached_property
    def _law(self) -> NDArray:
        """L over and over, (draw, measured)."""
        return _normal(self.spread.shape[1], LAW_DRAWS) @ self.spread.T

    @cached_property
    def _posterior(self) -> NDArray:
        """Z, (draw, measured)."""
        return _normal(self.spread.shape[1], POSTERIOR_DRAWS, seed=1) @ self.spread.T

    @cached_property
    def _deviations(self) -> tuple[NDArray, NDArray]:
        """Which targets are one number, and the standard deviation of each of these."""
        count = len(self.entries)
        single = np.append(self.entries.sum(axis=1) == 1, [False] * (len(self.names) - count))
        spread = np.sqrt(np.sum(self.spread**2, axis=1))
        return single, spread[np.argmax(self.entries[single[:count]], axis=1)]

    def rms(self) -> NDArray:
        """Root mean square of every target's error, (target,)"""
        variances = self.entries @ np.sum(self.spread**2, axis=1)
        losses = np.mean(self.distances(self._law)[:, len(variances) :] ** 2, axis=0)
        return np.sqrt(np.append(variances, losses))

    def median(self) -> NDArray:
        """Median of the size of every target's error, (target,)"""
        return np.median(self.distances(self._law), axis=0)

    def expected(self) -> NDArray:
        """Mean of the posterior expected loss over data sets, (target,): E‖N(0, 2V/n)‖."""
        found = self.distances(2.0**0.5 * self._law).mean(axis=0)
        single, deviations = self._deviations
        found[single] = 2.0 * deviations / np.pi**0.5
        return found

    def radius(self) -> NDArray:
        """Mean over data sets of the radius that holds 90 % of the posterior, (target,)"""
        return self.posterior(self._law[:FEW_DRAWS])[1].mean(axis=0)

    def posterior(self, linear: NDArray) -> tuple[NDArray, NDArray]:
        """Expected loss and radius of the limiting posterior about L.

        Parameters
        ----------
        linear : array, shape (fit, measured)

        Returns
        -------
        expected_loss, radius : array, shape (fit, target)
        """
        found = [self._about(one) for one in linear]
        losses, radii = (
            np.array(part).reshape(-1, len(self.names)) for part in zip(*found, strict=True)
        )
        single, deviations = self._deviations
        center = self.distances(linear)[:, single] / deviations
        folded = 2.0 * norm.pdf(center) + center * (2.0 * norm.cdf(center) - 1.0)
        losses[:, single] = deviations * folded
        return losses, radii

    def _about(self, linear: NDArray) -> tuple[NDArray, NDArray]:
        # All in order, each target's side by side: of so few numbers that is the fastest way.
        sizes = np.sort(self.distances(linear + self._posterior).T, axis=1)
        place = MASS * (sizes.shape[1] - 1)
        low = int(place)
        above = sizes[:, low + 1] - sizes[:, low]
        return sizes.mean(axis=1), sizes[:, low] + (place - low) * above

    def covered(self, linear: NDArray) -> NDArray:
        """Whether the limiting posterior's intervals hold the truth, (fit, level, target).

        1 or 0 for a target of one number, NaN for the others.
        """
        single, deviations = self._deviations
        center = self.distances(linear)[:, None, single] / deviations
        reach = norm.ppf((1.0 + np.array(LEVELS)) / 2.0)[:, None]
        found = np.full((len(linear), len(LEVELS), len(self.names)), np.nan)
        found[..., single] = center <= reach
        return found


def _normal(size: int, draws: int, seed: int = 0) -> NDArray[Any]:
    return MultivariateNormalQMC(np.zeros(size), rng=seed).random(draws)
