"""Where prompts may lie: points over the range of a prior, most of them on the scale of f0.

A wide box is mostly empty: what a table of n rows can tell from the frozen expert lies within a few
units of f0's own spread. So half of the points lie about the prompt that is nearest to the frozen
expert, at distances measured by the information of one row there; the others on all scales of the
prior. None of them depends on the response at hand, so a test that looks at them is exact.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.replicas import PAIRS, Replicas, Table
from bayes_cmoe.estimate.coordinates import Working, working_coordinates
from bayes_cmoe.estimate.flock import descend_together, skipping
from bayes_cmoe.estimate.gating import Gating, gating_of
from bayes_cmoe.estimate.region import prior_region
from bayes_cmoe.study.targets import Targets, targets_of

__all__ = ["Ground", "ground_of", "inverse_information", "minus_log_density"]

NARROWEST = 0.02
"""Smallest scale of the points, as a share of the prior's own."""
RADII = (0.3, 1.0, 2.0, 4.0)
"""Distances from the nearest prompt; at 1 a row's log-density differs by about one."""
SHUT = 1e-9
"""The gate's level share is multiplied by it where a share stands for zero."""
FLAT = 1e-4
"""Least eigenvalue of an information that is inverted, as a share of the largest."""
FEW = 4096
"""Rows on which the nearest prompt is looked for."""
ITERATIONS = 80
CONVERGED = 1e-9
"""A step that promises less than this in a row's log-density is the end."""
TYPICAL = 0.3
"""Share at which the curvature of a likelihood is taken."""


@dataclass(frozen=True, eq=False)
class Ground:
    """What a search for a prompt knows before it sees a response; all in working coordinates.

    Parameters
    ----------
    targets : Targets
    working : Working
        Its bounds are finite.
    region : (lower, middle, upper), each of shape (parameter,)
        Where the prior lies.
    gating : Gating
    center : array, shape (parameter,)
        The prompt nearest to the frozen expert in the sense of Kullback and Leibler; gate level.
    root : array, shape (parameter, parameter)
        Its product with a standard normal vector is a displacement of about one of a row's
        log-density, of the trainable experts' entries; zero elsewhere.
    inverse : array, shape (parameter, parameter)
        About the inverse information of one row at a prompt near f0 with a fair share.
    """

    targets: Targets
    working: Working
    region: tuple[NDArray, NDArray, NDArray]
    gating: Gating
    center: NDArray
    root: NDArray
    inverse: NDArray

    @property
    def share_entries(self) -> slice:
        """The entries of the parameter that says how large the share is."""
        return self.targets.layout.slices[self.targets.mixture.gate.share.parameter]

    @property
    def bounds(self) -> tuple[NDArray, NDArray]:
        """Lower and upper, each of shape (parameter,)."""
        return self.working.lower, self.working.upper

    def with_share(self, w: NDArray, factor: NDArray) -> NDArray:
        """Points, shape (point, parameter), with the gate's level share times a factor (point,)."""
        gate = self.targets.mixture.gate
        level = np.full(1, gate.level[gate.share.parameter])
        moved, place = w.copy(), self.share_entries
        for point, by in zip(moved, factor, strict=True):
            point[place] = gate.share.vanish(level, 1.0 / float(by), 1.0)
        return np.clip(moved, *self.bounds)

    def spread(self, rng: Generator, count: int) -> NDArray:
        """Points on all scales of the prior about its middle, shape (count, parameter)."""
        lower, middle, upper = self.region
        scale = NARROWEST ** rng.random((count, 1))
        return np.clip(
            middle + scale * (rng.random((count, len(middle))) - 0.5) * (upper - lower),
            *self.bounds,
        )

    def near(self, rng: Generator, count: int) -> NDArray:
        """Points about the nearest prompt at `RADII`, every other one with the gate level."""
        radius = np.resize(RADII, count)[:, None]
        steps = rng.standard_normal((count, len(self.center))) @ self.root.T
        points = np.clip(self.center + radius * steps, *self.bounds)
        gate = self.spread(rng, count)
        tilted = (np.arange(count) // len(RADII)) % 2 == 1
        return np.where(self.gating.entries & tilted[:, None], gate, points)

    def cover(self, rng: Generator, count: int) -> NDArray:
        """Points that stand for all prompts, their share as good as zero; (count, parameter)."""
        half = count // 2
        points = np.concatenate([self.near(rng, half), self.spread(rng, count - half)])
        # A box that does not reach down to no share gives its least: S has no scale.
        return self.with_share(points, np.full(count, SHUT))

    def shut_bounds(self) -> tuple[NDArray, NDArray]:
        """The bounds with the share held as good as zero."""
        lower, upper = (edge.copy() for edge in self.bounds)
        held = self.with_share(self.center[None], np.full(1, SHUT))[0, self.share_entries]
        lower[self.share_entries] = upper[self.share_entries] = held
        return lower, upper


def ground_of(
    prior: Posterior, replicas: Replicas, columns: Mapping[str, NDArray], rng: Generator
) -> Ground:
    """The ground of a search.

    Parameters
    ----------
    prior : Posterior
        Gives the prior's range; its model may be of another response than the replicas'.
    replicas : Replicas
    columns : mapping of str to array
        Rows whose response is drawn from the frozen expert where it can be.
    rng : numpy.random.Generator
        Of the starts of the search for the nearest prompt.
    """
    targets = targets_of(prior.model, prior.layout)
    edges = working_coordinates(prior.lower, prior.upper)
    lower, middle, upper = prior_region(prior, edges)
    working = Working(
        edges.logged,
        np.where(np.isfinite(edges.lower), edges.lower, lower),
        np.where(np.isfinite(edges.upper), edges.upper, upper),
    )
    gating = gating_of(prior, working)
    assert gating is not None
    size = targets.layout.size
    none = np.zeros((size, size))
    blank = Ground(targets, working, (lower, middle, upper), gating, middle, none, none)
    opened = _nearest(blank, replicas, columns, rng)
    scores = _scores(blank, replicas, columns, opened)
    free = targets.expert_entries
    root = none.copy()
    root[np.ix_(free, free)] = np.linalg.cholesky(_inverse(scores[:, free]))
    center = gating.levelled(opened)
    ground = Ground(targets, working, (lower, middle, upper), gating, center, root, none)
    points = ground.near(rng, 2 * len(RADII))
    typical = ground.with_share(points, np.full(len(points), TYPICAL))
    found = [_scores(ground, replicas, columns, w) for w in typical]
    return replace(ground, inverse=_inverse(np.concatenate(found)))


def inverse_information(
    ground: Ground, replicas: Replicas, columns: Mapping[str, NDArray], w: NDArray
) -> NDArray:
    """About the inverse information of one row at a point in w, positive definite."""
    return _inverse(_scores(ground, replicas, columns, w))


def minus_log_density(
    replicas: Replicas, working: Working, which: NDArray, table: Table
) -> Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Minus the mean log-density at points in w, with gradients; as `skipping` takes it."""

    def function(w: NDArray, moved: NDArray) -> tuple[NDArray, NDArray]:
        theta = working.natural(w)
        value, gradient = replicas.log_density(theta, which[moved], table)
        return -value / table.n, -working.gradient(theta, gradient) / table.n

    return function


def _nearest(
    ground: Ground, replicas: Replicas, columns: Mapping[str, NDArray], rng: Generator
) -> NDArray:
    """The prompt that explains responses of the frozen expert best, without the frozen expert.

    Many starts on a part of the rows, and the best of them on all.
    """
    gate, working = ground.gating.entries, ground.working
    stride = -(-len(columns["x"]) // FEW)
    part = {name: column[::stride] for name, column in columns.items()}
    few = replicas.table(part, np.asarray(part[replicas.response])[None])
    opened = np.where(gate, ground.gating.opened, ground.spread(rng, PAIRS))
    lower, upper = (np.where(gate, opened[0], edge) for edge in ground.bounds)
    inverse = np.diag(np.where(gate, 1.0, 0.1 * (upper - lower)) ** 2)
    function = minus_log_density(replicas, working, np.zeros(PAIRS, dtype=int), few)
    flock = descend_together(
        skipping(function), opened, (lower, upper), inverse, ITERATIONS, CONVERGED
    )
    best = flock.w[int(np.argmin(flock.value))]
    likelihood = replicas.posterior.likelihood
    rows = likelihood.rows(columns)

    def on_all(w: NDArray) -> tuple[NDArray, NDArray]:
        theta = working.natural(w[0])
        value, gradient = likelihood.value_and_gradient(theta, rows)
        slope = working.gradient(theta, gradient)
        return np.array([-value / rows.n]), -slope[None] / rows.n

    metric = inverse_information(ground, replicas, part, best)
    return descend_together(
        on_all, best[None], (lower, upper), metric, ITERATIONS, CONVERGED * 1e-2
    ).w[0]


def _scores(
    ground: Ground, replicas: Replicas, columns: Mapping[str, NDArray], w: NDArray
) -> NDArray:
    """Scores of the rows in working coordinates, shape (row, parameter)."""
    likelihood, theta = replicas.posterior.likelihood, ground.working.natural(w)
    scores = likelihood.scores(theta, likelihood.rows(columns)) * ground.working.slope(theta)
    return np.nan_to_num(scores, posinf=0.0, neginf=0.0)


def _inverse(scores: NDArray) -> NDArray:
    """The inverse of the mean of s s', positive definite however few directions s has."""
    information = scores.T @ scores / len(scores)
    scale = 1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    scale = np.where(np.diag(information) > 0, scale, 1.0)
    eigenvalues, directions = np.linalg.eigh(information * np.outer(scale, scale))
    sound = np.maximum(eigenvalues, FLAT * max(float(eigenvalues[-1]), 1e-300))
    return (directions / sound) @ directions.T * np.outer(scale, scale)
