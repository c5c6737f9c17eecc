"""From the prior to the posterior by degrees: particles along prior(u) exp(degree * energy(u)).

Sequential Monte Carlo with adaptive degrees (Del Moral, Doucet and Jasra 2006): the next degree is
as high as the particles' weights bear; they are resampled and moved by Langevin steps in the metric
of each particle's own place (Girolami and Calderhead 2011), corrected by Metropolis and Hastings.
Narrow, flat and curved directions of a singular posterior, and modes of any shape, each have their
own step there. Independent of NUTS and of Laplace approximations but for the density.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pymc as pm
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayes_cmoe.compiled.energy import Energies, Field
from bayes_cmoe.estimate.importance import resampled

__all__ = ["Stop", "Tempered", "prior_points", "temper"]

BEARABLE = 0.9
"""Share of the particles that the weights of one degree leave effective. Many small degrees are
worth more than as many steps at few: at 0.6 the evidence of a three-expert fit scatters by 4."""
MOVES = 4
"""Steps of every particle at each degree."""
SETTLED = 2
"""At a degree that was asked for, so many times as many more."""
WANTED = 0.5
"""Acceptance rate that the step is tuned to."""
FIRST, SHORTEST, LONGEST = 1.0, 0.02, 2.0
"""Step of a standard deviation's length at first, and its limits."""
SPREAD = 8.0
"""The steps of one round differ by this factor, so that every particle has one of its size."""


class Stop(NamedTuple):
    """The particles at one degree.

    Parameters
    ----------
    degree : float
    u : array, shape (particle, parameter)
        Equal weights.
    energy : array, shape (particle,)
    log_evidence : float
        log of the integral of prior(u) exp(degree * energy(u)).
    """

    degree: float
    u: NDArray
    energy: NDArray
    log_evidence: float


@dataclass(frozen=True, eq=False)
class Tempered:
    """A run.

    Parameters
    ----------
    stops : tuple of Stop
        At the degrees that were asked for.
    acceptance : array, shape (step,)
        Accepted share of steps at every degree that was passed.
    """

    stops: tuple[Stop, ...]
    acceptance: NDArray


def prior_points(energies: Energies, count: int, rng: Generator) -> NDArray:
    """Draws of a model's prior on the unconstrained scale, shape (count, parameter)."""
    layout, model = energies.posterior.layout, energies.posterior.model
    drawn = pm.draw(model.free_RVs, count, random_seed=int(rng.integers(2**31)))
    return energies.unconstrained(layout.vectors(dict(zip(layout.names, drawn, strict=True))))


def temper(
    field: Callable[[NDArray], Field],
    start: NDArray,
    stops: Sequence[float],
    rng: Generator,
    *,
    moves: int = MOVES,
) -> Tempered:
    """Particles from the prior to each of some degrees.

    Parameters
    ----------
    field : callable
        Points, (point, parameter), to the `Field` there.
    start : array, shape (particle, parameter)
        Draws of the prior, unconstrained scale.
    stops : sequence of float
        Degrees, positive.
    rng : Generator
    moves : int
        Steps of every particle at each degree.

    Raises
    ------
    FloatingPointError
        When the density is no number at any draw of the prior.

    References
    ----------
    Del Moral, Doucet and Jasra (2006), doi:10.1111/j.1467-9868.2006.00553.x; Girolami and
    Calderhead (2011), doi:10.1111/j.1467-9868.2010.00765.x.
    """
    u, here = start, field(start)
    if not np.isfinite(here.energy).any():
        raise FloatingPointError("the density is no number at any draw of the prior")
    floor = np.diag(1.0 / np.maximum(np.var(start, axis=0), 1e-12))
    degree, log_evidence, step = 0.0, 0.0, FIRST
    kept: list[Stop] = []
    acceptance: list[float] = []
    for goal in sorted(stops):
        while degree < goal:
            nearer = _next_degree(here.energy, degree, goal)
            weight = (nearer - degree) * here.energy
            log_evidence += float(logsumexp(weight) - np.log(len(u)))
            chosen = resampled(rng, np.exp(weight - logsumexp(weight)), len(u))
            u, here, degree = u[chosen], here.at(chosen), nearer
            own, rates = _floor(here, degree, floor), []
            for _ in range(moves * (1 + SETTLED * (degree == goal))):
                u, here, rate = _moved(field, u, here, degree, own, step, rng)
                step = float(np.clip(step * np.exp(rate - WANTED), SHORTEST, LONGEST))
                rates.append(rate)
            acceptance.append(float(np.mean(rates)))
        kept.append(Stop(degree, u.copy(), here.energy.copy(), log_evidence))
    return Tempered(tuple(kept), np.array(acceptance))


def _next_degree(energy: NDArray, degree: float, goal: float) -> float:
    """The farthest degree up to the goal at which enough particles are still effective."""

    def effective(other: float) -> float:
        log_weight = (other - degree) * energy
        return float(np.exp(2.0 * logsumexp(log_weight) - logsumexp(2.0 * log_weight)))

    # Particles without mass cannot be made effective: what the others are worth is what counts.
    enough = BEARABLE * np.isfinite(energy).sum()
    if effective(goal) >= enough:
        return goal
    low, high = 0.0, goal - degree
    # The step may be smaller than the goal by many powers of ten.
    while effective(degree + high) < enough:
        low, high = 0.0, high / 2.0
    low, high = high, 2.0 * high
    while high - low > 1e-3 * low:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(degree + middle) >= enough else (low, middle)
    return degree + low


def _moved(
    field: Callable[[NDArray], Field],
    u: NDArray,
    here: Field,
    degree: float,
    floor: NDArray,
    step: float,
    rng: Generator,
) -> tuple[NDArray, Field, float]:
    """One Langevin step of every particle, and the accepted share.

    u' ~ N(u + step²/2 G^-1 grad, step² G^-1), G = degree * metric(u) + the prior's precision.
    """
    sizes = step * SPREAD ** (rng.random(len(u)) - 0.5)
    ahead, root = _drift(here, degree, floor)
    noise = rng.standard_normal(u.shape)
    # With G = R R', R'^-1 z has the covariance G^-1.
    scattered = np.linalg.solve(np.swapaxes(root, 1, 2), noise[..., None])[..., 0]
    proposed = u + 0.5 * sizes[:, None] ** 2 * ahead + sizes[:, None] * scattered
    there = field(proposed)
    back, back_root = _drift(there, degree, floor)
    returned = u - proposed - 0.5 * sizes[:, None] ** 2 * back
    white = np.einsum("pji,pj->pi", back_root, returned) / sizes[:, None]
    forward = -0.5 * np.sum(noise**2, axis=1) + _log_diagonal(root)
    backward = -0.5 * np.sum(white**2, axis=1) + _log_diagonal(back_root)
    with np.errstate(invalid="ignore"):
        gain = there.prior + degree * there.energy - here.prior - degree * here.energy
        ratio = gain + backward - forward
    ratio = np.where(np.isfinite(there.energy), np.nan_to_num(ratio, nan=-np.inf), -np.inf)
    taken = np.log(rng.random(len(u))) < ratio
    rate = float(np.mean(np.exp(np.minimum(ratio, 0.0))))
    return np.where(taken[:, None], proposed, u), here.where(taken, there), rate


def _floor(at: Field, degree: float, floor: NDArray) -> NDArray:
    """The prior's precision, raised by the root of what the energy adds to it on average.

    In a direction that the metric does not see, since the energy changes with a fourth power there,
    the particles lie within that root's root: steps of the prior's own length would all be refused.
    """
    added = degree * np.mean(np.einsum("pii->pi", at.metric) / np.diag(floor))
    return floor * np.sqrt(1.0 + added)


def _drift(at: Field, degree: float, floor: NDArray) -> tuple[NDArray, NDArray]:
    """G^-1 grad and the lower triangular root of G."""
    root = np.linalg.cholesky(degree * at.metric + floor)
    slope = at.prior_slope + degree * at.slope
    half = np.linalg.solve(root, slope[..., None])
    return np.linalg.solve(np.swapaxes(root, 1, 2), half)[..., 0], root


def _log_diagonal(root: NDArray) -> NDArray:
    """Half the log-determinant of G."""
    return np.sum(np.log(np.diagonal(root, axis1=1, axis2=2)), axis=1)
