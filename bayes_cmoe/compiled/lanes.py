"""A posterior at several points side by side: one compiled call instead of one a point.

On few rows a call costs more than its arithmetic, so an optimiser that moves many points at once
is several times faster than one that moves them in turn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import CHUNK, FEW, PART, Rows, blocked_sum
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.single import SingleRows, single_sum
from bayes_cmoe.compiled.types import Array

__all__ = ["LANES", "Lanes", "in_turn"]

LANES = 32
"""Points a call; fewer are filled up, more are taken in turn."""
WEIGHTS = "weights of the rows in each lane"


def in_turn(call: Callable[[NDArray], Sequence[Array]], points: NDArray) -> list[NDArray]:
    """What a function of LANES points gives at any number of them from one on.

    Parameters
    ----------
    call : callable
        Points, (LANES, parameter), to arrays that begin with the same axis.
    points : array, shape (point, parameter)

    Returns
    -------
    list of array, each of shape (point, ...)
    """
    parts = []
    for first in range(0, len(points), LANES):
        part = points[first : first + LANES]
        full = np.concatenate([part, np.repeat(part[:1], LANES - len(part), axis=0)])
        parts.append([np.asarray(own)[: len(part)] for own in call(full)])
    return [np.concatenate(own) for own in zip(*parts, strict=True)]


class Lanes:
    """log p(y|x; theta) + log p(theta) and its gradient at many theta, with weighted rows.

    Parameters
    ----------
    likelihood : Likelihood
    log_prior : callable
        log p(theta) of one theta; traceable by JAX.
    single : bool
        In single precision: for a way down whose end is finished in double precision.
    """

    def __init__(
        self, likelihood: Likelihood, log_prior: Callable[[Array], Array], single: bool = False
    ) -> None:
        self.likelihood, self.single = likelihood, single
        self._programs: dict[Any, Callable[..., Any]] = {}

        def block(theta: Array, columns: list[Array], used: Array) -> Any:
            *own, weights = columns

            def total(point: Array, weight: Array) -> Array:
                # `where`, not a product alone: a row without weight must not bring in a 0 x inf.
                logp = jnp.where((used > 0) & (weight > 0), likelihood.block_logp(point, own), 0.0)
                return jnp.sum(weight * logp)

            return jax.vmap(jax.value_and_grad(total))(theta, weights.T)

        once = jax.vmap(jax.value_and_grad(log_prior))

        def alone(theta: Array, columns: Sequence[Array], count: Array) -> Any:
            used = (jnp.arange(PART) < count).astype(theta.dtype)
            sums = block(theta, [*columns, jnp.ones((PART, LANES), theta.dtype)], used)
            return jax.tree.map(jnp.add, sums, once(theta))

        self._alone = alone
        summed: Callable[..., Any] = single_sum if single else blocked_sum
        self._total = summed(block, likelihood.count_compilation, once=once)

    def rows(
        self, columns: Mapping[str, NDArray], weights: NDArray | None = None
    ) -> Rows | SingleRows:
        """Lay out columns with the weight of each row in each lane, shape (n, LANES); one if None.

        Raises
        ------
        InputError
            When a column is missing or the columns differ in length.
        """
        count = len(columns[self.likelihood.columns[0]])
        given = np.ones((count, LANES)) if weights is None else weights
        # Weights are wide: a whole chunk of them is more memory than is quickly had.
        capacity = FEW if count <= FEW else CHUNK
        rows = self.likelihood.rows(columns, {WEIGHTS: given}, capacity)
        return SingleRows(rows) if self.single else rows

    def value_and_gradient(
        self, theta: NDArray, rows: Rows | SingleRows
    ) -> tuple[NDArray, NDArray]:
        """Summed log posterior density, shape (point,), and gradient, shape (point, parameter).

        Point i goes by lane i, so by the weights of that lane.
        """
        values, gradients = in_turn(lambda full: self._total(full, rows), theta)
        return values, gradients

    def within(self, method: Callable[..., Any], arguments: Sequence[Any], rows: Rows) -> Any:
        """What a method makes of the function, in one compiled call for all that it asks.

        Parameters
        ----------
        method : callable
            ``method(function, *arguments)``, traceable by JAX; ``function(theta)`` gives values and
            gradients at LANES points, as `value_and_gradient` of rows of the same weight. It is
            compiled once, so it is to be one function, not one made for each call.
        arguments : sequence of pytrees of arrays
        rows : Rows
            The likelihood's; PART of them at most.

        Returns
        -------
        The method's result, a pytree of NumPy arrays in double precision.

        Raises
        ------
        ValueError
            When there are more rows.
        """
        if rows.n > PART:
            raise ValueError(f"{rows.n} rows, where {PART} at most are seen")
        ((laid, count),) = rows.chunks
        precision = np.float32 if self.single else np.float64

        def rounded(values: Any) -> NDArray:
            own = np.asarray(values)
            return own.astype(precision) if own.dtype == np.float64 else own

        # What a model says in double precision is rounded too, of which JAX warns.
        with jax.enable_x64(not self.single), warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", UserWarning)
            columns = [rounded(np.asarray(column)[:PART]) for column in laid]
            given = jax.tree.map(rounded, tuple(arguments))
            found = self._program(method)(given, columns, np.int32(count))
        return jax.tree.map(lambda own: np.asarray(own, dtype=float), found)

    def _program(self, method: Callable[..., Any]) -> Callable[..., Any]:
        if method not in self._programs:

            def program(given: Sequence[Any], columns: Sequence[Array], count: Array) -> Any:
                self.likelihood.count_compilation()
                return method(lambda theta: self._alone(theta, columns, count), *given)

            self._programs[method] = jax.jit(program)
        return self._programs[method]
