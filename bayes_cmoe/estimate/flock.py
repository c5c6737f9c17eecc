"""Many quasi-Newton descents side by side: cheap ends, to be finished one by one.

Projected BFGS: entries at an edge whose descent leads outwards are held, steps are cut at the
edges, and each point has its own inverse Hessian and step length (Bertsekas 1982, Nocedal and
Wright 2006, section 6.1).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flock", "descend_together", "skipping"]

Function = Callable[[NDArray], tuple[NDArray, NDArray]]

SUFFICIENT = 1e-4
"""Armijo's share of the decrease that the slope promises."""
SHORTEST = 1e-10


@dataclass(frozen=True, eq=False)
class Flock:
    """Where the points ended.

    Parameters
    ----------
    w : array, shape (point, parameter)
    value : array, shape (point,)
        Infinite where the start had no finite value.
    iterations : int
    """

    w: NDArray
    value: NDArray
    iterations: int

    @property
    def best_first(self) -> NDArray:
        """Its points in the order of their values."""
        return self.w[np.argsort(self.value, kind="stable")]


def skipping(function: Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]) -> Function:
    """A function of many points that is evaluated only at those that moved since the last call.

    In a flock most points are done long before the last one is.

    Parameters
    ----------
    function : callable
        ``function(w, moved)``: values and gradients of the points w, whose numbers are `moved`.
    """
    last: list[NDArray] = []

    def evaluated(w: NDArray) -> tuple[NDArray, NDArray]:
        if not last:
            last.extend([w.copy(), *(part.copy() for part in function(w, np.arange(len(w))))])
            return last[1].copy(), last[2].copy()
        (moved,) = np.nonzero((w != last[0]).any(axis=1))
        if len(moved):
            value, gradient = function(w[moved], moved)
            last[0][moved], last[1][moved], last[2][moved] = w[moved], value, gradient
        return last[1].copy(), last[2].copy()

    return evaluated


# Far out, where a variance is all but zero, slopes are as large as numbers get: no step is taken.
@np.errstate(over="ignore", invalid="ignore")
def descend_together(
    function: Function,
    start: NDArray,
    bounds: tuple[NDArray, NDArray],
    inverse: NDArray,
    iterations: int,
    enough: float,
) -> Flock:
    """Minimise a function from many starts within bounds.

    Parameters
    ----------
    function : callable
        ``function(w)`` for w of shape (point, parameter): values and gradients.
    start : array, shape (point, parameter)
        Inside the bounds.
    bounds : (lower, upper), each of shape (parameter,)
    inverse : array, shape (parameter, parameter)
        Positive definite; about the inverse Hessian.
    iterations : int
        Evaluations at most, of all points together.
    enough : float
        A point whose next step promises less is done.
    """
    lower, upper = bounds
    w = start.copy()
    value, gradient = function(w)
    sound = np.isfinite(value) & np.isfinite(gradient).all(axis=1)
    value = np.where(sound, value, np.inf)
    gradient = np.where(sound[:, None], gradient, 0.0)
    hessian = np.repeat(inverse[None], len(w), axis=0)
    length, done, count = np.ones(len(w)), ~sound, 0
    while count < iterations:
        free = ~(((w <= lower) & (gradient > 0)) | ((w >= upper) & (gradient < 0)))
        slope = np.where(free, gradient, 0.0)
        direction = np.where(free, -np.einsum("sij,sj->si", hessian, slope), 0.0)
        uphill = np.sum(direction * slope, axis=1) >= 0
        direction[uphill] = -np.diag(inverse) * slope[uphill]
        done |= -np.sum(direction * slope, axis=1) < enough
        if done.all():
            break
        step = np.clip(w + np.where(done, 0.0, length)[:, None] * direction, lower, upper) - w
        there, there_gradient = function(w + step)
        count += 1
        taken = (
            ~done
            & np.isfinite(there)
            & np.isfinite(there_gradient).all(axis=1)
            & (there <= value + SUFFICIENT * np.sum(slope * step, axis=1))
        )
        hessian = _updated(hessian, step, there_gradient - gradient, taken)
        w = np.where(taken[:, None], w + step, w)
        value = np.where(taken, there, value)
        gradient = np.where(taken[:, None], there_gradient, gradient)
        length = np.where(taken, np.minimum(1.0, 4.0 * length), 0.25 * length)
        done |= length < SHORTEST
    return Flock(w, value, count)


def _updated(hessian: NDArray, step: NDArray, change: NDArray, taken: NDArray) -> NDArray:
    """The inverse Hessians after BFGS's update, where a step was taken along positive curvature."""
    product = np.sum(step * change, axis=1)
    size = np.linalg.norm(step, axis=1) * np.linalg.norm(change, axis=1)
    use = taken & (product > 1e-10 * size)
    if not use.any():
        return hessian
    s, y, h = step[use], change[use], hessian[use]
    rho = 1.0 / product[use]
    hy = np.einsum("sij,sj->si", h, y)
    grown = (1.0 + np.sum(y * hy, axis=1) * rho) * rho
    cross = hy[:, :, None] * s[:, None, :]
    updated = hessian.copy()
    updated[use] = (
        h
        + grown[:, None, None] * s[:, :, None] * s[:, None, :]
        - rho[:, None, None] * (cross + cross.transpose(0, 2, 1))
    )
    return updated
