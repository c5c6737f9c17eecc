"""Evidence from draws by bridge sampling (Meng and Wong 1996).

    Z = E_q[ p h ] / E_p[ q h ],   h = 1 / (s_1 p / Z + s_2 q),

p the density that was drawn from, not normalised, q a normalised proposal, s their shares of all
draws; Z is on both sides, and the iteration converges from anywhere. The proposal is a kernel
estimate from one half of the draws, and the other half bridges; then the halves change places. So
nothing is assumed of the posterior's shape. Where exchangeable experts make k! modes that are the
same, draws are brought into one order of them and the proposal's draws in other orders count as
without mass: what is found is the mass of one order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

__all__ = ["Evidence", "bridged"]

FREEDOM = 5.0
"""Degrees of freedom of the kernels, whose tails cover what half of the draws missed."""
ROUNDS = 1000
CLOSE = 1e-10
PROPOSED = 4
"""Draws of the proposal for each draw that bridges."""


class Evidence(NamedTuple):
    """A logarithm of an integral, and its standard error."""

    log: float
    error: float


def bridged(
    log_density: Callable[[NDArray], NDArray],
    draws: NDArray,
    rng: Generator,
    *,
    inside: Callable[[NDArray], NDArray] | None = None,
) -> Evidence:
    """log of the integral of a density over the part of space that its draws are from.

    Parameters
    ----------
    log_density : callable
        Points, (point, parameter), to log p there; -inf or NaN counts as no mass.
    draws : array, shape (draw, parameter)
        Of p, independent or nearly so, at least twice as many as parameters in each half.
    rng : Generator
    inside : callable, optional
        Points to whether they belong to that part, (point,); everywhere by default.

    References
    ----------
    Meng and Wong (1996), Statistica Sinica 6, 831-860; Fruehwirth-Schnatter (2004),
    doi:10.1111/j.1368-423X.2004.00125.x, for the standard error.
    """
    order = rng.permutation(len(draws))
    halves = draws[order[: len(draws) // 2]], draws[order[len(draws) // 2 :]]
    found = []
    for fitted, bridge in (halves, halves[::-1]):
        kernel = _Kernels(fitted)
        proposed = kernel.draw(rng, PROPOSED * len(bridge))
        target = log_density(proposed)
        if inside is not None:
            target = np.where(inside(proposed), target, -np.inf)
        target = np.where(np.isfinite(target), target, -np.inf)
        found.append(
            _iterated(
                log_density(bridge) - kernel.log_density(bridge),
                target - kernel.log_density(proposed),
            )
        )
    middle = np.mean([one.log for one in found])
    # The halves are not independent of one another: their errors are not divided by two.
    return Evidence(float(middle), float(np.sqrt(np.mean([one.error**2 for one in found]))))


class _Kernels:
    """A mixture of multivariate t about each of some points, by Silverman's rule."""

    def __init__(self, points: NDArray) -> None:
        count, size = points.shape
        self.points = points
        width = (4.0 / ((size + 2.0) * count)) ** (1.0 / (size + 4.0))
        cover = np.atleast_2d(np.cov(points.T))
        self.root = width * np.linalg.cholesky(cover + 1e-12 * np.diag(np.diag(cover)))

    def draw(self, rng: Generator, count: int) -> NDArray:
        size = self.points.shape[1]
        noise = rng.standard_normal((count, size)) @ self.root.T
        stretch = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, count))
        return self.points[rng.integers(len(self.points), size=count)] + noise * stretch[:, None]

    def log_density(self, at: NDArray) -> NDArray:
        count, size = self.points.shape
        inverse = np.linalg.inv(self.root)
        white, centres = at @ inverse.T, self.points @ inverse.T
        square = np.array([np.sum((centres - one) ** 2, axis=1) for one in white])
        logs = -0.5 * (FREEDOM + size) * np.log1p(square / FREEDOM)
        constant = (
            gammaln(0.5 * (FREEDOM + size))
            - gammaln(0.5 * FREEDOM)
            - 0.5 * size * np.log(FREEDOM * np.pi)
            - np.sum(np.log(np.diag(self.root)))
        )
        return logsumexp(logs, axis=1) - np.log(count) + constant


def _iterated(drawn: NDArray, proposed: NDArray) -> Evidence:
    """The fixed point, from log p/q at the draws of p and of q."""
    first, second = len(drawn), len(proposed)
    shares = np.log([first / (first + second), second / (first + second)])
    centre = float(np.median(drawn))
    drawn, proposed = drawn - centre, proposed - centre
    log_z = 0.0
    for _ in range(ROUNDS):
        above = logsumexp(proposed - np.logaddexp(shares[0] + proposed - log_z, shares[1]))
        below = logsumexp(-np.logaddexp(shares[0] + drawn - log_z, shares[1]))
        last, log_z = log_z, float(above - np.log(second) - below + np.log(first))
        if abs(log_z - last) < CLOSE:
            break
    # The relative variances of the two means.
    top = np.exp(proposed - log_z - np.logaddexp(shares[0] + proposed - log_z, shares[1]))
    bottom = np.exp(-np.logaddexp(shares[0] + drawn - log_z, shares[1]))
    variance = sum(np.var(part) / np.mean(part) ** 2 / len(part) for part in (top, bottom))
    return Evidence(log_z + centre, float(np.sqrt(variance)))
