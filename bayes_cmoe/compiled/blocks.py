"""Rows in blocks: sums and maps over any number of rows by a function compiled once.

Rows lie in chunks of one fixed capacity, and a compiled loop walks over those blocks of a chunk
that are in use. So neither the number of rows nor their values ask for another compilation, the
temporaries of a block stay in the processor's cache, and a loop over chunks takes any table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError

__all__ = [
    "BLOCK",
    "CHUNK",
    "FEW",
    "Rows",
    "blocked_map",
    "blocked_sum",
    "checked_columns",
    "in_parts",
]

BLOCK = 1024
CHUNK = 128 * BLOCK
PART = 256
"""Rows of a block of a sum: the many intermediate values of a Hessian then stay in the cache, and
few rows are not filled up to many."""
FEW = 8 * BLOCK
"""Rows up to which a map fills arrays of so many: to fill a whole chunk's would cost more than the
arithmetic."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns of data in chunks on the device.

    Parameters
    ----------
    n : int
        Number of rows.
    chunks : tuple of (columns, count)
        For each chunk the columns, each of shape (capacity, ...), and how many rows are in use.
    """

    n: int
    chunks: tuple[tuple[tuple[Array, ...], int], ...]

    @classmethod
    def of(
        cls, columns: Mapping[str, NDArray], names: Sequence[str], capacity: int = CHUNK
    ) -> Rows:
        """Lay out the named columns, each of shape (n, ...), in chunks of so many rows.

        Raises
        ------
        InputError
            When a column is missing or the columns differ in length.
        """
        arrays = checked_columns(columns, names)
        n = len(arrays[0])
        chunks = []
        for start in range(0, n, capacity):
            parts = [array[start : start + capacity] for array in arrays]
            chunks.append((_on_device(parts, capacity), len(parts[0])))
        return cls(n, tuple(chunks))

    @cached_property
    def staged(self) -> list[tuple[tuple[Array, ...], Array, Array]]:
        """Each chunk's columns, count and whether it is the first, on the device for every call."""
        return [
            (columns, *jax.device_put((np.int64(count), np.bool_(index == 0))))
            for index, (columns, count) in enumerate(self.chunks)
        ]

    def thinned(self, stride: int) -> Rows:
        """Every so many-th row, of a power of two."""
        kept = {
            str(i): np.concatenate(
                [np.asarray(columns[i])[:count:stride] for columns, count in self.chunks]
            )
            for i in range(len(self.chunks[0][0]))
        }
        return Rows.of(kept, list(kept))


def checked_columns(columns: Mapping[str, NDArray], names: Sequence[str]) -> list[NDArray]:
    """The named columns, each of shape (n, ...), in that order.

    Raises
    ------
    InputError
        When a column is missing or the columns differ in length.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        raise InputError(f"the data lack {', '.join(missing)}: the model reads {', '.join(names)}")
    arrays = [np.asarray(columns[name], dtype=float) for name in names]
    if any(len(array) != len(arrays[0]) for array in arrays):
        lengths = ", ".join(f"{k} {len(a)}" for k, a in zip(names, arrays, strict=True))
        raise InputError(f"the columns differ in length: {lengths}")
    return arrays


def _on_device(columns: list[NDArray], capacity: int) -> tuple[Array, ...]:
    """Each column at the head of a longer array; the unused pages are never touched."""
    # `jnp.asarray` would copy them, untouched pages too.
    return tuple(jax.device_put([_chunk(column, capacity) for column in columns], may_alias=True))


def _chunk(values: NDArray, capacity: int) -> NDArray:
    """`values` at the head of an array of so many rows, whose other rows are not written to.

    The buffer is aligned so that XLA takes it over without a copy. The last block is filled up
    with copies of the first row, which keeps the unused rows' values finite; they are masked.
    """
    shape = (capacity, *values.shape[1:])
    memory = np.empty(int(np.prod(shape)) + 8)
    offset = (-memory.ctypes.data % 64) // 8
    chunk = memory[offset : offset + int(np.prod(shape))].reshape(shape)
    count = len(values)
    filled = -(-count // BLOCK) * BLOCK
    chunk[:count] = values
    chunk[count:filled] = values[:1]
    return chunk


def _block(columns: tuple[Array, ...], i: Array | int, size: int = BLOCK) -> list[Array]:
    return [jax.lax.dynamic_slice_in_dim(column, i * size, size) for column in columns]


def blocked_sum(
    function: Callable[[Any, list[Array], Array], Any],
    on_trace: Callable[[], None],
    once: Callable[[Any], Any] | None = None,
    change: Callable[[Any], tuple[Any, Callable[[Any], Any]]] | None = None,
) -> Callable[[Any, Rows], Any]:
    """Sum over all rows of what `function` sums over one block.

    Parameters
    ----------
    function : callable
        ``function(theta, columns, weights)`` for one block: columns of shape (rows, ...),
        weights (rows,) equal to one for rows in use and to zero otherwise; returns any pytree.
        theta is any pytree of arrays.
    on_trace : callable
        Called once for each compilation.
    once : callable, optional
        ``once(theta)``, the same pytree, added a single time whatever the number of rows.
    change : callable, optional
        ``change(theta)`` gives what `function` takes instead of theta, and a linear map from its
        sums to those returned: work on the parameters alone, done outside the loop over blocks.

    Returns
    -------
    callable
        ``total(theta, rows)``, the same pytree of NumPy arrays.
    """

    # Looked at for its shapes and again within the loop: traced once, and no call in the program.
    traced = jax.jit(function, inline=True)

    @jax.jit
    def chunk_sum(theta: Any, columns: tuple[Array, ...], count: Array, first: Array) -> Any:
        on_trace()

        inner, outward = (theta, None) if change is None else change(theta)

        def step(i: Array, total: Any) -> Any:
            weights = (jnp.arange(PART) < count - i * PART).astype(float)
            part = traced(inner, _block(columns, i, PART), weights)
            return jax.tree.map(jnp.add, total, part)

        shapes = jax.eval_shape(traced, inner, _block(columns, 0, PART), jnp.ones(PART))
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        sums = jax.lax.fori_loop(0, (count + PART - 1) // PART, step, zero)
        sums = sums if outward is None else outward(sums)
        if once is None:
            return sums
        return jax.tree.map(lambda a, b: a + jnp.where(first, b, 0.0), sums, once(theta))

    def total(theta: Any, rows: Rows) -> Any:
        parts = [chunk_sum(theta, *chunk) for chunk in rows.staged]
        # Waiting here lets go of Python's lock, which NumPy's conversion would keep while it waits.
        jax.block_until_ready(parts)
        if len(parts) == 1:
            return jax.tree.map(np.asarray, parts[0])
        return jax.tree.map(lambda *leaves: np.sum(leaves, axis=0), *parts)

    return total


def blocked_map(
    function: Callable[[Any, list[Array]], Any], on_trace: Callable[[], None] = lambda: None
) -> Callable[[Any, Rows], Any]:
    """One output for each row, by a function of one block.

    Parameters
    ----------
    function : callable
        ``function(theta, columns)`` for one block, returns a pytree of arrays (BLOCK, ...).
    on_trace : callable
        Called once for each compilation.

    Returns
    -------
    callable
        ``mapped(theta, rows)``, the same pytree of NumPy arrays of shape (n, ...).
    """

    traced = jax.jit(function, inline=True)

    @partial(jax.jit, static_argnums=3)
    def chunk_map(theta: Any, columns: tuple[Array, ...], count: Array, most: int) -> Any:
        on_trace()
        shapes = jax.eval_shape(traced, theta, _block(columns, 0))

        def step(i: Array, out: Any) -> Any:
            part = traced(theta, _block(columns, i))
            return jax.tree.map(
                lambda whole, block: jax.lax.dynamic_update_slice_in_dim(
                    whole, block, i * BLOCK, axis=0
                ),
                out,
                part,
            )

        empty = jax.tree.map(lambda leaf: jnp.zeros((most, *leaf.shape[1:]), leaf.dtype), shapes)
        return jax.lax.fori_loop(0, (count + BLOCK - 1) // BLOCK, step, empty)

    def mapped(theta: Any, rows: Rows) -> Any:
        most = FEW if rows.n <= FEW else CHUNK
        parts = [
            jax.tree.map(
                lambda out, used=count: np.asarray(out)[:used],
                chunk_map(theta, columns, count, most),
            )
            for columns, count in rows.chunks
        ]
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    return mapped


def in_parts(columns: Mapping[str, NDArray], size: int) -> Iterator[dict[str, NDArray]]:
    """Columns with their rows in parts, of so many rows each but for the last."""
    for start in range(0, len(columns["x"]), size):
        yield {name: column[start : start + size] for name, column in columns.items()}
