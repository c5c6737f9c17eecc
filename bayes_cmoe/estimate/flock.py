"""Many quasi-Newton descents side by side: cheap ends, to be finished one by one.

Projected BFGS: entries at an edge whose descent leads outwards are held, steps are cut at the
edges, and each point has its own inverse Hessian and step length (Bertsekas 1982, Nocedal and
Wright 2006, section 6.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.types import Array

__all__ = ["Flock", "descend_together", "descend_traced", "skipping"]

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
    state = _begun(np, start.copy(), *function(start), inverse)
    for count in range(iterations):
        state, step, slope = _directed(np, state, bounds, inverse, enough)
        if state.done.all():
            return Flock(state.w, state.value, count)
        state = _moved(np, state, step, slope, *function(state.w + step))
    return Flock(state.w, state.value, iterations)


def descend_traced(
    function: Callable[[Array], tuple[Array, Array]],
    start: Array,
    bounds: tuple[Array, Array],
    inverse: Array,
    iterations: int,
) -> tuple[Array, Array]:
    """The same, for the whole of its iterations, as a program of JAX: points and values.

    Parameters
    ----------
    function, start, bounds, inverse, iterations
        As for `descend_together`; traceable by JAX.
    """

    def step(_: Array, state: _State) -> _State:
        state, step, slope = _directed(jnp, state, bounds, inverse, 0.0)
        return _moved(jnp, state, step, slope, *function(state.w + step))

    state = _begun(jnp, start, *function(start), inverse)
    state = jax.lax.fori_loop(0, iterations, step, state)
    return state.w, state.value


class _State(NamedTuple):
    """Where the points are; of NumPy's arrays or of JAX's."""

    w: Any
    value: Any
    gradient: Any
    hessian: Any
    """The inverse one."""
    length: Any
    done: Any


def _begun(xp: Any, w: Any, value: Any, gradient: Any, inverse: Any) -> _State:
    sound = xp.isfinite(value) & xp.isfinite(gradient).all(axis=1)
    return _State(
        w,
        xp.where(sound, value, xp.inf),
        xp.where(sound[:, None], gradient, 0.0),
        xp.repeat(inverse[None], len(w), axis=0),
        xp.ones_like(value),
        ~sound,
    )


def _directed(
    xp: Any, state: _State, bounds: tuple[Any, Any], inverse: Any, enough: float
) -> tuple[_State, Any, Any]:
    """The state with the points marked that are done; the others' steps; the slopes."""
    w, _, gradient, hessian, length, done = state
    lower, upper = bounds
    free = ~(((w <= lower) & (gradient > 0)) | ((w >= upper) & (gradient < 0)))
    slope = xp.where(free, gradient, 0.0)
    direction = xp.where(free, -xp.einsum("sij,sj->si", hessian, slope), 0.0)
    uphill = xp.sum(direction * slope, axis=1) >= 0
    direction = xp.where(uphill[:, None], -xp.diag(inverse) * slope, direction)
    done = done | (-xp.sum(direction * slope, axis=1) < enough)
    step = xp.clip(w + xp.where(done, 0.0, length)[:, None] * direction, lower, upper) - w
    return state._replace(done=done), step, slope


def _moved(xp: Any, state: _State, step: Any, slope: Any, there: Any, gradient: Any) -> _State:
    """The state after the steps that went downhill far enough; the others are to be shorter."""
    taken = (
        ~state.done
        & xp.isfinite(there)
        & xp.isfinite(gradient).all(axis=1)
        & (there <= state.value + SUFFICIENT * xp.sum(slope * step, axis=1))
    )
    length = xp.where(taken, xp.minimum(1.0, 4.0 * state.length), 0.25 * state.length)
    return _State(
        xp.where(taken[:, None], state.w + step, state.w),
        xp.where(taken, there, state.value),
        xp.where(taken[:, None], gradient, state.gradient),
        _updated(xp, state.hessian, step, gradient - state.gradient, taken),
        length,
        state.done | (length < SHORTEST),
    )


def _updated(xp: Any, hessian: Any, step: Any, change: Any, taken: Any) -> Any:
    """The inverse Hessians after BFGS's update, where a step was taken along positive curvature."""
    product = xp.sum(step * change, axis=1)
    size = xp.linalg.norm(step, axis=1) * xp.linalg.norm(change, axis=1)
    use = taken & (product > 1e-10 * size)
    if xp is np:
        # A program has to make them all; here most points are done long before the last one is.
        updated = hessian.copy()
        updated[use] = _bfgs(np, hessian[use], step[use], change[use], product[use])
        return updated
    updated = _bfgs(xp, hessian, step, change, xp.where(use, product, 1.0))
    return xp.where(use[:, None, None], updated, hessian)


def _bfgs(xp: Any, h: Any, s: Any, y: Any, product: Any) -> Any:
    """BFGS's update of inverse Hessians after steps s and changes y of the gradient, s'y > 0."""
    rho = 1.0 / product
    hy = xp.einsum("sij,sj->si", h, y)
    grown = (1.0 + xp.sum(y * hy, axis=1) * rho) * rho
    cross = hy[:, :, None] * s[:, None, :]
    return (
        h
        + grown[:, None, None] * s[:, :, None] * s[:, None, :]
        - rho[:, None, None] * (cross + cross.transpose(0, 2, 1))
    )
