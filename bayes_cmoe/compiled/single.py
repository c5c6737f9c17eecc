"""Sums over rows in single precision: twice as fast, and only a guide.

An optimiser may find its way by them; where the way ends is for double precision to say. The sums
of blocks are added up in double precision, so that what is lost is what a block loses.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import PART, Rows
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.types import Array

__all__ = ["SingleRows", "single_sum", "survives_rounding"]

FARTHEST = 300.0
"""Distance of a column's values from zero, in their range, up to which single precision tells them
apart well enough."""


def survives_rounding(columns: Mapping[str, NDArray]) -> bool:
    """Whether no column's values lie so close together, far from zero, that rounding merges them.

    Parameters
    ----------
    columns : mapping of str to array, shape (n, ...)
    """
    for column in columns.values():
        spread, size = np.ptp(column, axis=0), np.abs(column).max(axis=0)
        if np.any((spread > 0) & (size > FARTHEST * spread)):
            return False
    return True


class SingleRows:
    """Rows in single precision.

    Parameters
    ----------
    rows : Rows
    """

    def __init__(self, rows: Rows) -> None:
        self.chunks = [
            (tuple(_rounded(np.asarray(column), count) for column in columns), np.int32(count))
            for columns, count in rows.chunks
        ]
        self.form = tuple(column.shape for column in self.chunks[0][0])


def _rounded(column: NDArray, count: int) -> Array:
    """A column's rows in use, rounded; what lies behind their last block is not looked at."""
    used = -(-count // PART) * PART
    rounded = np.empty(column.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        rounded[:used] = column[:used]
    return jax.device_put(rounded)


def single_sum(
    function: Callable[[Array, list[Array], Array], Any],
    on_trace: Callable[[], None],
    once: Callable[[Any], Any],
) -> Callable[[NDArray, SingleRows], Any]:
    """`blocked_sum` in single precision.

    Parameters
    ----------
    function, on_trace, once
        As for `blocked_sum`; theta is one array.

    Returns
    -------
    callable
        ``total(theta, rows)``, a pytree of NumPy arrays in double precision.
    """
    compiled: dict[Any, Callable[..., Any]] = {}

    def chunk_sum(theta: Array, columns: tuple[Array, ...], count: Array) -> Any:
        on_trace()

        def block(i: Array | int) -> Any:
            part: list[Array] = [
                jax.lax.dynamic_slice_in_dim(own, i * PART, PART) for own in columns
            ]
            weights = (jnp.arange(PART) < count - i * PART).astype(theta.dtype)
            return function(theta, part, weights)

        def step(i: Array, sums: Any) -> Any:
            return jax.tree.map(lambda whole, own: whole.at[i].set(own), sums, block(i))

        blocks = len(columns[0]) // PART
        shapes = jax.eval_shape(block, 0)
        zero = jax.tree.map(lambda leaf: jnp.zeros((blocks, *leaf.shape), leaf.dtype), shapes)
        return jax.lax.fori_loop(0, (count + PART - 1) // PART, step, zero), once(theta)

    def program(theta: NDArray, form: tuple[tuple[int, ...], ...]) -> Callable[..., Any]:
        key = theta.shape, form
        if key not in compiled:
            own = jax.ShapeDtypeStruct(theta.shape, np.float32)
            columns = tuple(jax.ShapeDtypeStruct(shape, np.float32) for shape in form)
            count = jax.ShapeDtypeStruct((), np.int32)
            # What a model says in double precision is rounded too, of which JAX warns.
            with jax.enable_x64(False), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                compiled[key] = jax.jit(chunk_sum).lower(own, columns, count).compile()
        return compiled[key]

    def total(theta: NDArray, rows: SingleRows) -> Any:
        with np.errstate(over="ignore"):
            rounded = theta.astype(np.float32)
        run = program(theta, rows.form)
        parts = [run(rounded, *chunk) for chunk in rows.chunks]
        # As NumPy's arrays: its functions of JAX's are JAX's own, in JAX's precision.
        held = [jax.tree.map(np.asarray, part) for part in jax.block_until_ready(parts)]
        sums = [jax.tree.map(lambda own: own.sum(axis=0, dtype=float), own) for own, _ in held]
        return jax.tree.map(lambda *own: sum(own), *sums, held[0][1])

    return total
