"""Many responses at the same inputs, side by side: likelihoods, and scores of a share at zero.

A parametric bootstrap fits hundreds of data sets that differ in their response alone. They lie
beside one another, and a call evaluates many pairs of (theta, data set): an optimiser that moves
all the pairs at once is ten times faster than one that fits the sets in turn.

The score at zero of a share that the gate gives to the rows as s(x) is

    S = sum_i g_i / sqrt(sum_i g_i²),   g_i = s(x_i) (f(y_i|x_i; theta) / f0(y_i|x_i) - 1).

It is divided by its own rows' sum of squares, because f/f0 has no variance under f0 where the
prompt's tails are the heavier (a Gaussian prompt of more than twice the frozen variance): S stays
within sqrt(n) and tight whatever the tails, and where there is a variance it is the standardised
score (Gine, Goetze and Mason 1997, doi:10.1214/aop/1024404523).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import BLOCK
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.compiled.types import Array

__all__ = ["Replicas", "Table"]

PAIRS, FEW = 64, 16
"""Pairs a call; fewer are filled up to either number, more are taken in turn."""
STEEPEST = 150.0
"""Largest log f/f0 that is told apart, so that its square is a number."""
LEAST = 1e-100
"""Of a score's scale: where the gate gives no row any share, the score is zero."""
ROUNDED = 1e-8
"""Size of f/f0 - 1 at which it is rounding: a prompt equal to the frozen expert scores zero."""


@dataclass(frozen=True, eq=False)
class Table:
    """Inputs, and several responses at them.

    Parameters
    ----------
    n : int
        Rows.
    count : int
        Responses.
    shared : tuple of arrays, each of shape (block, row, ...)
        The columns beside the response, in the model's order.
    responses : array, shape (response, block, row)
    """

    n: int
    count: int
    shared: tuple[Array, ...]
    responses: Array


class Replicas:
    """A contaminated model at many pairs of (theta, response); compiled once for each n.

    Parameters
    ----------
    posterior : Posterior
    components : Components
        Of the same model.
    """

    def __init__(self, posterior: Posterior, components: Components) -> None:
        self.posterior = posterior
        self.components = components
        self.layout = posterior.layout
        self.response = response_name(posterior.model)
        self._names = posterior.likelihood.columns
        self._place = self._names.index(self.response)

    def table(self, columns: Mapping[str, NDArray], responses: NDArray) -> Table:
        """Lay out rows and the responses at them, shape (response, n)."""
        n = responses.shape[1]
        width = min(BLOCK, n)
        blocks = -(-n // width)
        # Unused rows repeat the first, which keeps their values finite; they are masked.
        rows = np.minimum(np.arange(blocks * width), n - 1)
        rows[n:] = 0
        shared = tuple(
            jnp.asarray(np.asarray(columns[name], dtype=float)[rows].reshape(blocks, width, -1))
            if np.ndim(columns[name]) > 1
            else jnp.asarray(np.asarray(columns[name], dtype=float)[rows].reshape(blocks, width))
            for name in self._names
            if name != self.response
        )
        laid = np.asarray(responses, dtype=float)[:, rows].reshape(len(responses), blocks, width)
        return Table(n, len(responses), shared, jnp.asarray(laid))

    def log_density(self, theta: NDArray, which: NDArray, table: Table) -> tuple[NDArray, NDArray]:
        """Log-likelihood of each pair, shape (pair,), and its gradient, shape (pair, parameter).

        Parameters
        ----------
        theta : array, shape (pair, parameter)
        which : array of int, shape (pair,)
            The response of each pair.
        table : Table
        """
        return self._in_turn(self._log_density, table, theta, which)

    def log_posterior(
        self, theta: NDArray, which: NDArray, table: Table
    ) -> tuple[NDArray, NDArray]:
        """The same with the log prior density added, without Jacobian."""
        value, gradient = self.log_density(theta, which, table)
        prior, slope = self._in_turn(self._prior, table, theta)
        return value + prior, gradient + slope

    def score(self, theta: NDArray, which: NDArray, table: Table) -> tuple[NDArray, NDArray]:
        """S of each pair, shape (pair,), and its gradient, shape (pair, parameter)."""
        total, square, shares = self._in_turn(self._sums, table, theta, which)[0].T
        scale = _scale(square, shares)
        half = -0.5 * total / scale**3
        slope = np.stack([1.0 / scale, half, ROUNDED**2 * half], axis=-1)
        return total / scale, self._in_turn(self._pulled, table, theta, which, slope)[0]

    def newton_share(self, theta: NDArray, which: NDArray, table: Table) -> NDArray:
        """sum g / sum g²: by which factor of the share at theta one Newton step leaves zero."""
        total, square, shares = self._in_turn(self._sums, table, theta, which)[0].T
        return total / _scale(square, shares) ** 2

    def scores(self, theta: NDArray, which: NDArray, table: Table) -> NDArray:
        """S of each pair without its gradient, shape (pair,)."""
        total, square, shares = self._in_turn(self._sums, table, theta, which)[0].T
        return total / _scale(square, shares)

    def row_scores(self, theta: NDArray, table: Table) -> NDArray:
        """g of each row of the first response at each theta, shape (pair, n)."""
        which = np.zeros(len(theta), dtype=int)
        found = self._in_turn(self._rows, table, theta, which)[0]
        return found.reshape(len(theta), -1)[:, : table.n]

    def frozen(self, theta: NDArray, table: Table) -> NDArray:
        """log f0 summed over the rows, for each response; theta is any, shape (parameter,)."""
        which = np.arange(table.count)
        pairs = np.repeat(theta[None], table.count, axis=0)
        return self._in_turn(self._frozen, table, pairs, which)[0][:, 0]

    def _in_turn(self, function: Callable[..., Any], table: Table, *pairs: NDArray) -> Any:
        found = []
        for first in range(0, len(pairs[0]), PAIRS):
            own = [part[first : first + PAIRS] for part in pairs]
            count = len(own[0])
            lanes = np.minimum(np.arange(FEW if count <= FEW else PAIRS), count - 1)
            filled = [part[lanes] for part in own]
            parts = function(table.n, table.shared, table.responses, *filled)
            found.append([np.asarray(part)[:count] for part in parts])
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _columns(self, shared: Sequence[Array], response: Array) -> list[Array]:
        columns = list(shared)
        columns.insert(self._place, response)
        return columns

    def _summed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The sum over blocks of ``function(theta, columns, rows in use, ...)``, for each pair."""

        def total(
            n: Array, shared: Any, responses: Array, theta: Array, which: Array, *more: Array
        ) -> Any:
            blocks, width = responses.shape[1:]

            def block(i: Array) -> Any:
                used = i * width + jnp.arange(width) < n
                own = [column[i] for column in shared]

                def of_pair(point: Array, y: Array, *rest: Array) -> Any:
                    return function(point, self._columns(own, y), used, *rest)

                return jax.vmap(of_pair)(theta, responses[which, i], *more)

            if blocks == 1:
                return block(jnp.asarray(0))
            shapes = jax.eval_shape(block, jnp.asarray(0))
            zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            return jax.lax.fori_loop(
                0, blocks, lambda i, sums: jax.tree.map(jnp.add, sums, block(i)), zero
            )

        return jax.jit(total)

    @cached_property
    def _prior(self) -> Callable[..., tuple[Array, Array]]:
        each = jax.vmap(jax.value_and_grad(self.posterior.log_prior))
        return jax.jit(lambda n, shared, responses, theta: each(theta))

    @cached_property
    def _log_density(self) -> Callable[..., Any]:
        likelihood = self.posterior.likelihood

        def total(theta: Array, columns: list[Array], used: Array) -> Array:
            return jnp.sum(jnp.where(used, likelihood.block_logp(theta, columns), 0.0))

        return self._summed(jax.value_and_grad(total))

    def _g(self, theta: Array, columns: list[Array]) -> tuple[Array, Array]:
        parts = self.components.block(theta, columns)
        ratio = jnp.minimum(parts.prompt - parts.frozen, STEEPEST)
        return parts.share * jnp.expm1(ratio), parts.share

    def _block_sums(self, theta: Array, columns: list[Array], used: Array) -> Array:
        g, share = self._g(theta, columns)
        return jnp.stack([jnp.sum(jnp.where(used, each, 0.0)) for each in (g, g**2, share**2)])

    @cached_property
    def _sums(self) -> Callable[..., Any]:
        return self._summed(lambda *block: (self._block_sums(*block),))

    @cached_property
    def _pulled(self) -> Callable[..., Any]:
        def slope(theta: Array, columns: list[Array], used: Array, weights: Array) -> tuple[Array]:
            def weighed(point: Array) -> Array:
                return weights @ self._block_sums(point, columns, used)

            return (jax.grad(weighed)(theta),)

        return self._summed(slope)

    @cached_property
    def _frozen(self) -> Callable[..., Any]:
        def total(theta: Array, columns: list[Array], used: Array) -> tuple[Array]:
            frozen = self.components.block(theta, columns).frozen
            return (jnp.sum(jnp.where(used, frozen, 0.0), keepdims=True),)

        return self._summed(total)

    @cached_property
    def _rows(self) -> Callable[..., Any]:
        def rows(n: Array, shared: Any, responses: Array, theta: Array, which: Array) -> Any:
            def block(i: Array) -> Array:
                own = [column[i] for column in shared]
                return jax.vmap(lambda point, y: self._g(point, self._columns(own, y))[0])(
                    theta, responses[which, i]
                )

            found = jax.lax.map(block, jnp.arange(responses.shape[1]))
            return (jnp.moveaxis(found, 0, 1),)

        return jax.jit(rows)


def _scale(square: NDArray, shares: NDArray) -> NDArray:
    """What a sum of g is divided by, from the sums of g² and of the squared shares."""
    return np.maximum(np.sqrt(square + ROUNDED**2 * shares), LEAST)
