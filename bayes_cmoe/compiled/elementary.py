"""Functions of densities in JAX, with derivatives of their own, and the product of matrices.

JAX differentiates what it is given: softplus written with branches costs every branch, twice, and
a maximum is differentiated by comparing it with arguments that a fused multiplication and addition
may have rounded differently. Here value and slope share one exponential, at any argument and at
minus that argument; and XLA, which takes all but exponentials and logarithms for cheap and makes
them again wherever they are used, is told of two results to keep them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.types import Array

__all__ = ["log_add_exp", "product", "softplus"]

TERMS = {"float64": 16, "float32": 7}
"""Terms of artanh's series within (0, 1/3) after which the rest is less than rounding."""
NARROW = 8
"""Columns up to which a matrix product is made column by column."""


def _shrunk(x: Array) -> tuple[Array, Array]:
    """exp(-|x|), and 1 / (1 + exp(-|x|))."""
    # Not by the absolute value, in which XLA would not see that of -x.
    small = jnp.exp(jnp.minimum(x, -x))
    return small, 1.0 / (1.0 + small)


def _log_of_one_and(small: Array) -> Array:
    """log(1 + e) = 2 artanh(e / (2 + e)) for e in (0, 1), with full relative precision."""
    ratio = small / (2.0 + small)
    square = ratio * ratio
    series = jnp.zeros_like(square)
    for k in reversed(range(TERMS[square.dtype.name])):
        series = series * square + 1.0 / (2 * k + 1)
    kept: Array = jax.lax.optimization_barrier(2.0 * ratio * series)
    return kept


@cache
def _logistic() -> Callable[[Array], Array]:
    @jax.custom_jvp
    def logistic(x: Array) -> Array:
        small, share = _shrunk(x)
        return jnp.where(x >= 0, share, small * share)

    @logistic.defjvp
    def slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), (dx,) = primals, tangents
        value = logistic(x)
        return value, value * logistic(-x) * dx

    return logistic


@cache
def _softplus() -> Callable[[Array], Array]:
    @jax.custom_jvp
    def softplus(x: Array) -> Array:
        return jnp.maximum(x, 0.0) + _log_of_one_and(_shrunk(x)[0])

    @softplus.defjvp
    def slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (x,), (dx,) = primals, tangents
        return softplus(x), _logistic()(x) * dx

    return softplus


@cache
def _log_add() -> Callable[[Array, Array], Array]:
    @jax.custom_jvp
    def log_add(a: Array, b: Array) -> Array:
        return jnp.maximum(a, b) + _log_of_one_and(_shrunk(_difference(a, b))[0])

    @log_add.defjvp
    def slope(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
        (a, b), (da, db) = primals, tangents
        d = _difference(a, b)
        return log_add(a, b), _logistic()(d) * da + _logistic()(-d) * db

    return log_add


def _difference(a: Array, b: Array) -> Array:
    """a - b; infinite where both are the same infinity: what is not there adds nothing."""
    kept: Array = jax.lax.optimization_barrier(jnp.where((a == b) & jnp.isinf(a), jnp.inf, a - b))
    return kept


def product(x: Array, y: Array) -> Array:
    """x y, of matrices or vectors, where x may have many rows."""
    if jnp.ndim(x) == jnp.ndim(y) == 2 and 0 < y.shape[1] <= NARROW:
        # Column by column, and lying: XLA's product of a tall matrix with a narrow one is slower.
        return jnp.concatenate([jnp.dot(column[None], x.T) for column in y.T]).T
    return jnp.dot(x, y)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), elementwise."""
    return _softplus()(jnp.asarray(x, dtype=float))


def log_add_exp(*terms: Array) -> Array:
    """log(exp(a) + exp(b) + ...), elementwise; minus infinity where all terms are."""
    total: Array = jnp.asarray(terms[0], dtype=float)
    for term in terms[1:]:
        total = _log_add()(*jnp.broadcast_arrays(total, jnp.asarray(term, dtype=float)))
    return total
