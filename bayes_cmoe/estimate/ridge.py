"""The posterior's ridge: for each value of one coordinate the mode of all others.

Along the gate's level the posterior of a contaminated model is curved and may be long, while all
else is near to normal given the level: a nested Laplace approximation (Rue, Martino and Chopin
2009, doi:10.1111/j.1467-9868.2008.00700.x).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.parts.mixture import mixture_of

__all__ = [
    "Node",
    "complement",
    "conditional_mode",
    "covariance_of",
    "level_directions",
    "ridge",
    "ridge_directions",
    "spacing",
    "tilt_of",
]

STEPS = 60
"""Newton steps at most."""
SMALL = 1e-3
"""Half a Newton decrement, in nats, at which a mode counts as found."""
FLATTEST = 1e-2
"""Smallest curvature that is believed; the unconstrained prior's is of order one."""
DEPTH = 9.0
"""How far below the highest node, in nats of the marginal density, the ridge is followed."""
FLAT = 2.0
"""Curvature below which a direction counts as flat."""
LONGEST = 40
"""Nodes to each side at most."""
WIDEST = 0.5
"""Largest distance between nodes, on the unconstrained scale; one marginal standard deviation
where that is less."""


@dataclass(frozen=True, eq=False)
class Node:
    """A conditional mode.

    Parameters
    ----------
    u : array, shape (parameter,)
    value : float
        Log posterior density there.
    curvature : array, shape (parameter, parameter)
        Minus its second derivatives, of all coordinates.
    """

    u: NDArray
    value: float
    curvature: NDArray

    def marginal(self, free: NDArray) -> float:
        """Laplace's log density of what is held while `free` moves, up to a constant."""
        if not np.isfinite(self.curvature).all():
            return float("-inf")
        eigenvalues = np.linalg.eigvalsh(free.T @ self.curvature @ free)
        return self.value - 0.5 * float(np.sum(np.log(np.maximum(eigenvalues, FLATTEST))))


def conditional_mode(posterior: Posterior, rows: Rows, u: NDArray, free: NDArray) -> Node:
    """The mode in some directions, all else held, by damped Newton steps.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    u : array, shape (parameter,)
        Where to begin, unconstrained scale.
    free : array, shape (parameter, direction)
        Orthonormal directions that may be moved along.
    """
    value, gradient = posterior.unconstrained(u, rows)
    curvature = -posterior.hessian_unconstrained(u, rows)
    damping = 0.0
    for _ in range(STEPS):
        if not (np.isfinite(value) and np.isfinite(curvature).all()):
            break
        eigenvalues, directions = np.linalg.eigh(free.T @ curvature @ free)
        slope = directions.T @ (free.T @ gradient)
        size = np.maximum(np.abs(eigenvalues), 1e-3)
        if np.all(eigenvalues > 0) and 0.5 * np.sum(slope**2 / size) < SMALL:
            break
        while damping < 1e9:
            trial = u + free @ (directions @ (slope / (size + damping)))
            reached, uphill = posterior.unconstrained(trial, rows)
            if np.isfinite(reached) and np.isfinite(uphill).all() and reached >= value:
                break
            damping = max(10.0 * damping, 1.0)
        else:
            break
        u, value, gradient = trial, reached, uphill
        curvature = -posterior.hessian_unconstrained(u, rows)
        damping = 0.0 if damping < 1e-2 else 0.1 * damping
    return Node(u, value, curvature)


def ridge(posterior: Posterior, rows: Rows, mode: Node, direction: NDArray) -> list[Node]:
    """Conditional modes along a direction, in its order, from a mode to both sides.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    mode : Node
    direction : array, shape (parameter,)
        Of length one; the position along it is held at each node.
    """
    free = complement(direction)
    step = spacing(mode, direction)
    top = mode.marginal(free)
    sides: list[list[Node]] = []
    for sign in (-1.0, 1.0):
        side, last = [], mode
        for _ in range(LONGEST):
            last = conditional_mode(posterior, rows, last.u + sign * step * direction, free)
            height = last.marginal(free)
            if not np.isfinite(height) or height < top - DEPTH:
                break
            top = max(top, height)
            side.append(last)
        sides.append(side)
    return [*sides[0][::-1], mode, *sides[1]]


def level_directions(posterior: Posterior) -> list[NDArray]:
    """The gate's level, an entry for each prompt; none for a model that is not of the suite."""
    mixture = mixture_of(posterior.model)
    if mixture is None:
        return []
    return list(
        np.eye(posterior.layout.size)[posterior.layout.slices[mixture.gate.share.parameter]]
    )


def ridge_directions(posterior: Posterior, mode: Node) -> list[NDArray]:
    """The gate's level, and the directions in which the data say little more than the prior.

    One at least, the flattest.
    """
    eigenvalues, directions = np.linalg.eigh(mode.curvature)
    levels = level_directions(posterior)
    flat = directions.T[eigenvalues < FLAT]
    return [*levels, *flat] or [directions[:, 0]]


def spacing(mode: Node, direction: NDArray) -> float:
    """The distance between nodes along a direction."""
    return min(WIDEST, float(direction @ covariance_of(mode.curvature) @ direction) ** 0.5)


def tilt_of(node: Node, direction: NDArray) -> NDArray:
    """How the conditional mode moves with the position along a direction, shape (parameter,)."""
    free = complement(direction)
    rest = covariance_of(free.T @ node.curvature @ free)
    return direction - free @ (rest @ (free.T @ (node.curvature @ direction)))


def complement(direction: NDArray) -> NDArray:
    """Orthonormal directions at right angles to one, shape (parameter, parameter - 1)."""
    return np.linalg.svd(direction[None])[2][1:].T


def covariance_of(curvature: NDArray) -> NDArray:
    """The inverse of a curvature, made positive definite."""
    eigenvalues, directions = np.linalg.eigh(curvature)
    return (directions / np.maximum(np.abs(eigenvalues), FLATTEST)) @ directions.T
