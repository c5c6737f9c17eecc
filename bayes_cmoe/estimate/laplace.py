"""Nested Laplace approximations as a proposal, fitted to its own weighted draws.

From every mode that the starts found the posterior's ridges are followed: along the gate's level,
and along each direction in which it is as flat as its prior. Laplace approximations about their
nodes, as multivariate t densities, and one about the prior make the proposal; it is fitted to its
own weighted draws, and fresh draws from it are weighted. Independent of NUTS but for the density.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.importance import TRUSTED, Weights, weights_of
from bayes_cmoe.estimate.pool import Pool
from bayes_cmoe.estimate.proposal import Proposal
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.ridge import (
    Node,
    complement,
    conditional_mode,
    covariance_of,
    level_directions,
    ridge,
    ridge_directions,
    spacing,
    tilt_of,
)

Ridge = tuple[NDArray, list[Node]]

__all__ = ["Sample", "explored", "importance_sample", "modes_of"]

MODES = 6
"""Optima whose ridges are followed at most, the best first."""
EDGE, FARTHEST = 8.0, 300.0
"""How far out a point may begin on the unconstrained scale: of an interval, and of a half-line."""
LIGHT = 1e-5
"""Nodes with a smaller share of the mass are left out of the proposal."""
SPREAD_OUT, PRIOR = 0.1, 0.05
"""Shares of the proposal that go to all nodes alike, and to the prior."""
TAILS = 5.0
"""Degrees of freedom of the proposal."""
ROUND = 2000
"""Draws that are added in each of at most ROUNDS rounds; to all of them the proposal is fitted."""
ROUNDS = 16
SOUND = 0.5
"""k-hat at which the proposal needs no further fit, once it had one that pays no more."""
MOST = 60_000
"""Draws of the final proposal at most."""
FEW = 256
"""Draws that show where the mass is, when nothing is asked of them beyond that."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Weighted draws from the posterior.

    Parameters
    ----------
    u : array, shape (draw, parameter)
        Unconstrained scale.
    log_target : array, shape (draw,)
        Log posterior density, not normalised.
    weights : Weights
    modes : tuple of Node
        The posterior's modes that the proposal began from, the best first.
    ridges : tuple of (direction, nodes)
        Those of the best mode.
    """

    u: NDArray
    log_target: NDArray
    weights: Weights
    modes: tuple[Node, ...]
    ridges: tuple[Ridge, ...]

    @property
    def trusted(self) -> bool:
        """Whether the tail of the weights lets them be believed."""
        return self.weights.khat < TRUSTED


def modes_of(posterior: Posterior, rows: Rows, points: NDArray) -> list[Node]:
    """The different modes, on the unconstrained scale, that are reached from some points.

    Several prompts have each mode once for every order of the prompts (of up to three).

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    points : array, shape (point, parameter)
        Natural scale, the most promising first.

    Returns
    -------
    list of Node, the best first; may be empty
    """
    every = np.eye(posterior.layout.size)
    # At the edge of an interval Newton's steps would begin where the density is flat. Elsewhere a
    # point is what it is: an intercept of 17 is no edge.
    bounded = np.isfinite(posterior.lower) & np.isfinite(posterior.upper)
    reach = np.where(bounded, EDGE, np.inf)
    reach[np.isfinite(posterior.lower) ^ np.isfinite(posterior.upper)] = FARTHEST
    found: list[Node] = []
    for theta in _in_all_orders(posterior, points):
        with np.errstate(divide="ignore"):
            u = np.clip(posterior.unconstrained_from(theta), -reach, reach)
        node = conditional_mode(posterior, rows, u, every)
        if np.isfinite(node.value) and not any(_same(node, other) for other in found):
            found.append(node)
    return sorted(found, key=lambda node: -node.value)


def _in_all_orders(posterior: Posterior, points: NDArray) -> NDArray:
    labels = labels_of(posterior)
    if labels is None or labels.mixture.prompts > 3:
        return points
    orders = np.array(list(permutations(range(labels.mixture.prompts))))
    return np.concatenate(
        [labels.reordered(np.repeat(theta[None], len(orders), axis=0), orders) for theta in points]
    )


def _same(one: Node, other: Node) -> bool:
    away = one.u - other.u
    return abs(one.value - other.value) < 0.02 and away @ other.curvature @ away < 0.1


def _component(node: Node, direction: NDArray, step: float) -> NDArray:
    """The root of a covariance: `step` along the direction, Laplace's at right angles to it."""
    free, tilt = complement(direction), tilt_of(node, direction)
    rest = free @ covariance_of(free.T @ node.curvature @ free) @ free.T
    covariance = rest + step**2 * np.outer(tilt, tilt)
    return np.linalg.cholesky(covariance + 1e-10 * np.diag(np.diag(covariance)))


def _ridges(posterior: Posterior, rows: Rows, modes: list[Node]) -> list[list[Ridge]]:
    """All of the best mode's; of the others, which the prompts' orders multiply, the levels'."""
    levels = level_directions(posterior)
    followed = [ridge_directions(posterior, modes[0])]
    followed += [levels or ridge_directions(posterior, mode) for mode in modes[1:]]
    return [
        [(direction, ridge(posterior, rows, mode, direction)) for direction in directions]
        for mode, directions in zip(modes, followed, strict=True)
    ]


def _first_proposal(posterior: Posterior, modes: list[Node], ridges: list[list[Ridge]]) -> Proposal:
    centers, roots, heights = [], [], []
    for mode, own in zip(modes, ridges, strict=True):
        for direction, nodes in own:
            step, free = spacing(mode, direction), complement(direction)
            for node in nodes:
                centers.append(node.u)
                roots.append(_component(node, direction, step))
                heights.append(node.marginal(free) + np.log(step))
    mass = np.exp(np.array(heights) - max(heights))
    kept = mass > LIGHT * mass.sum()
    mass = mass[kept] / mass[kept].sum()
    weights = (1.0 - SPREAD_OUT) * mass + SPREAD_OUT / len(mass)
    center, curvature = posterior.prior_laplace
    return Proposal(
        np.append((1.0 - PRIOR) * weights, PRIOR),
        np.concatenate([np.array(centers)[kept], center[None]]),
        np.concatenate([np.array(roots)[kept], np.linalg.cholesky(covariance_of(curvature))[None]]),
        TAILS,
    )


def _nowhere(posterior: Posterior, rows: Rows) -> Sample:
    u = np.zeros((1, posterior.layout.size))
    value = posterior.unconstrained_many(u, rows)
    return Sample(u, value, weights_of(value, np.full(1, np.nan)), (), ())


def _weighted(
    posterior: Posterior,
    rows: Rows,
    modes: list[Node],
    ridges: list[list[Ridge]],
    proposal: Proposal,
    rng: Generator,
    count: int,
) -> Sample:
    u = proposal.draw(rng, count)
    value = posterior.unconstrained_many(u, rows)
    weights = weights_of(value, proposal.log_density(u))
    return Sample(u, value, weights, tuple(modes), tuple(ridges[0]))


def explored(posterior: Posterior, rows: Rows, points: NDArray, rng: Generator) -> Sample:
    """Where the mass is: modes, the best one's ridges along the levels, and a few weighted draws.

    Enough to choose a sampler's coordinates and to begin its chains, at a small part of the cost
    of `importance_sample`; the weights are not to be believed beyond that.

    Parameters
    ----------
    posterior, rows, points, rng
        As for `importance_sample`.
    """
    modes = modes_of(posterior, rows, points[:MODES])
    if not modes:
        return _nowhere(posterior, rows)
    levels = level_directions(posterior) or ridge_directions(posterior, modes[0])
    ridges = [[(direction, ridge(posterior, rows, modes[0], direction)) for direction in levels]]
    ridges += [[(levels[0], [mode])] for mode in modes[1:]]
    proposal = _first_proposal(posterior, modes, ridges)
    return _weighted(posterior, rows, modes, ridges, proposal, rng, FEW)


def importance_sample(
    posterior: Posterior, rows: Rows, points: NDArray, rng: Generator, wanted: float
) -> Sample:
    """Weighted draws from the posterior, worth so many independent ones where that can be had.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    points : array, shape (point, parameter)
        Where optima were found, natural scale, the best first; the first `MODES` are used.
    rng : numpy.random.Generator
    wanted : float
        Effective draws.

    Returns
    -------
    Sample; its `weights` say whether it can be believed.
    """
    modes = modes_of(posterior, rows, points[:MODES])
    if not modes:
        return _nowhere(posterior, rows)
    ridges = _ridges(posterior, rows, modes)
    proposal = _first_proposal(posterior, modes, ridges)

    def weighted(count: int) -> Sample:
        return _weighted(posterior, rows, modes, ridges, proposal, rng, count)

    def needed(sample: Sample) -> int:
        """Draws that are worth those wanted, by the efficiency of a sample."""
        return int(np.clip(1.2 * wanted / sample.weights.efficiency, ROUND, MOST))

    def fitted(sample: Sample) -> Proposal:
        pool.add(proposal, sample.u, sample.log_target)
        return proposal.refitted(pool.u, pool.share)

    pool, before = Pool(posterior.layout.size), MOST
    for turn in range(ROUNDS):
        sample = weighted(ROUND)
        count = needed(sample)
        # The last fit saved fewer draws than it took.
        if turn > 0 and sample.weights.khat < SOUND and before - count < ROUND and count < MOST:
            break
        proposal, before = fitted(sample), count
    # Only fresh draws count: the proposal is fitted to the others.
    final = weighted(count)
    if not final.trusted or final.weights.effective < wanted:
        # The larger sample has seen more of the tails: fit to it once more.
        proposal = fitted(final)
        again = weighted(max(count, needed(final)))
        better = (again.trusted, again.weights.effective) >= (
            final.trusted, final.weights.effective,
        )  # fmt: skip
        final = again if better else final
    return final
