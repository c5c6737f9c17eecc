"""From a PyMC model to compiled functions of (parameters, rows): the engine's view of a density.

Everything here is derived from the model's own log-density; parameters are on their natural scale
and lie in one flat vector (`Layout`), rows in chunks (`blocks.Rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import BLOCK, CHUNK, Rows, blocked_map, blocked_sum, checked_columns
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.graphs import Parted, parted_function, row_function
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.private import response_name, row_values, shape_of, value_variable
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm

__all__ = ["Likelihood", "columns_of", "layout_of"]

PIECE = 16 * BLOCK
"""Rows of which at a time it is computed what they alone determine."""
CLOSE = 1e-6
"""Difference of two log-densities below which a responsibility would be rounding."""


def layout_of(model: pm.Model) -> Layout:
    """The layout of a model's free random variables."""
    variables = model.free_RVs
    names = tuple(rv.name for rv in variables)
    dims = tuple(tuple(model.named_vars_to_dims.get(name) or ()) for name in names)
    shapes = tuple(
        shape_of(rv) if _unlabelled(model, own) else tuple(len(model.coords[dim]) for dim in own)
        for rv, own in zip(variables, dims, strict=True)
    )
    used = {dim for group in dims for dim in group}
    coords = {dim: tuple(model.coords[dim]) for dim in used}
    return Layout(names, shapes, dims, coords)


def _unlabelled(model: pm.Model, dims: Sequence[str]) -> bool:
    """Whether the length of a dim is not that of its labels, so that a shape has to be computed."""
    return not dims or any(model.coords.get(dim) is None for dim in dims)


def columns_of(model: pm.Model) -> dict[str, NDArray]:
    """The model's own rows: all `pm.Data` with the dim ``obs`` in front, and the response."""
    return row_values(model)


class Likelihood:
    """log p(y|x; theta) of a model with one observed response, for any rows.

    Parameters
    ----------
    model : pm.Model
        A model whose only observed variable has the dim ``obs``, and whose x is `pm.Data` with
        ``obs`` as its first dim. The response may be `pm.Data`, an array, or come by `pm.observe`.
        Other data are taken as constants.

    Attributes
    ----------
    layout : Layout
        Names and shapes of theta on the natural scale.
    columns : tuple of str
        The data columns that a row has.
    laid : tuple of str
        These, and behind them what they determine of the density: as rows are laid out.
    compilations : int
        How many functions have been compiled so far.

    Raises
    ------
    InputError
        When the model has not exactly one observed variable, or its data are not `pm.Data`.

    Examples
    --------
    >>> from bayes_cmoe import Data, frozen_predictions, variant_named
    >>> data = Data(x=[0.0, 1.0, 2.0], y=[0.1, 0.9, 1.2])
    >>> f0 = frozen_predictions("gaussian", mean=[0.0, 1.0, 2.0], scale=1.0)
    >>> model = variant_named("constant_contaminated").build(data, frozen=f0)
    >>> likelihood = Likelihood(model)
    >>> theta = likelihood.layout.ravel({"lam": 0.5, "a": [1.0], "b": 0.0, "nu": 1.0})
    >>> value, gradient = likelihood.value_and_gradient(theta, likelihood.rows(columns_of(model)))
    >>> gradient.shape
    (4,)
    """

    def __init__(self, model: pm.Model) -> None:
        if len(model.observed_RVs) != 1:
            raise InputError(
                f"the model has {len(model.observed_RVs)} observed variables: it needs exactly one"
            )
        held = columns_of(model)
        columns = tuple(held)
        (response,) = model.observed_RVs
        observed = value_variable(model, response)
        if "x" not in columns or response_name(model) not in columns:
            raise InputError(
                "the model's x must be pm.Data, and x and the response have the first dim 'obs'"
            )
        self.layout = layout_of(model)
        self.columns = columns
        self.compilations = 0
        logp = [pm.logp(response, observed)]
        self._row_logp = row_function(model, columns, logp)
        self._parted: Parted = parted_function(model, held, logp)
        self.laid = (*columns, *(f"known {i}" for i in range(self._parted.parts)))

    def rows(
        self,
        columns: Mapping[str, ArrayLike],
        beside: Mapping[str, NDArray] | None = None,
        capacity: int = CHUNK,
    ) -> Rows:
        """Lay out columns (name to array with n rows) for the functions below.

        Behind them comes what the columns alone determine of the density, which is computed here,
        once; and behind that the columns `beside`, of shape (n, ...), for a function of one's own.
        A function is compiled again for another capacity, the rows of a chunk.

        Raises
        ------
        InputError
            When a column is missing or the columns differ in length.
        """
        own = checked_columns(
            {name: np.asarray(value) for name, value in columns.items()}, self.columns
        )
        further = dict(beside or {})
        named = dict(zip(self.laid, [*own, *self._known_of(own)], strict=True))
        return Rows.of({**named, **further}, [*self.laid, *further], capacity)

    def _known_of(self, columns: Sequence[NDArray]) -> list[NDArray]:
        """What the columns alone determine, each of shape (n, ...)."""
        n = len(columns[0])
        if not (self._parted.parts and n):
            return [np.zeros(n)] * self._parted.parts
        # Always so many rows, filled up with the first, so that there are two shapes to compile.
        size = BLOCK if n <= BLOCK else PIECE
        found = []
        for first in range(0, n, size):
            parts = [column[first : first + size] for column in columns]
            missing = size - len(parts[0])
            full = [np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) for part in parts]
            found.append([np.asarray(part)[: size - missing] for part in self._known(*full)])
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    @cached_property
    def _known(self) -> Callable[..., tuple[Array, ...]]:
        return jax.jit(self._parted.known)

    def block_logp(self, theta: Array, columns: Sequence[Array]) -> Array:
        """Log-density of each row, shape (rows,); traceable by JAX.

        Parameters
        ----------
        theta : array, shape (parameter,)
        columns : sequence of arrays, shape (rows, ...)
            As `rows` lays them out, or without what is known of a row.
        """
        if len(columns) < len(self.laid):
            return self._row_logp(*self.layout.split(theta), *columns)[0]
        return self._parted.rest(*self.layout.split(theta), *columns)[0]

    def block_sum(self, theta: Array, columns: list[Array], weights: Array) -> Array:
        """Summed log-density of the rows with weight one; traceable by JAX."""
        # `where`, not a product: a row out of use must not bring in a 0 x inf.
        return jnp.sum(jnp.where(weights > 0, self.block_logp(theta, columns), 0.0))

    def block_scores(self, theta: Array, columns: list[Array]) -> Array:
        """Gradient of each row's log-density, shape (rows, parameter); traceable by JAX."""
        # Forward mode: a row's score depends on that row alone, and the parameters are few.
        return jax.jacfwd(lambda t: self.block_logp(t, columns))(theta)

    def count_compilation(self) -> None:
        """Note that a function is being compiled."""
        self.compilations += 1

    @cached_property
    def _value(self) -> Callable[[Array, Rows], NDArray]:
        return blocked_sum(self.block_sum, self.count_compilation)

    @cached_property
    def _value_and_gradient(self) -> Callable[[Array, Rows], tuple[NDArray, NDArray]]:
        return blocked_sum(jax.value_and_grad(self.block_sum), self.count_compilation)

    @cached_property
    def _hessian(self) -> Callable[[Array, Rows], NDArray]:
        return blocked_sum(jax.hessian(self.block_sum), self.count_compilation)

    @cached_property
    def _logp(self) -> Callable[[Array, Rows], NDArray]:
        return blocked_map(self.block_logp, self.count_compilation)

    @cached_property
    def _scores(self) -> Callable[[Array, Rows], NDArray]:
        return blocked_map(self.block_scores, self.count_compilation)

    @cached_property
    def _between(self) -> Callable[[Array, Rows], tuple[NDArray, NDArray]]:
        def block(points: Array, columns: list[Array], used: Array) -> tuple[Array, Array]:
            here, one, other = jax.vmap(lambda theta: self.block_logp(theta, columns))(points)
            known = (jnp.abs(one - other) > CLOSE) & (used > 0)
            share = jnp.expm1(one - here) / jnp.expm1(jnp.where(known, one - other, 1.0))
            share = jnp.clip(jnp.nan_to_num(share), 0.0, 1.0)
            return jnp.sum(jnp.where(known, share, 0.0)), jnp.sum(known)

        return blocked_sum(block, self.count_compilation)

    def between(self, points: ArrayLike, rows: Rows) -> tuple[float, int]:
        """Of a mixture of two densities, how many rows come from the second.

        With a and b the densities' ratios to the mixture's, 1 = (1 - pi) a + pi b, so that the
        responsibility pi b of the second is (1 - a) / (1 - a/b).

        Parameters
        ----------
        points : array, shape (3, parameter)
            At which the density is the mixture's, the first's and the second's.
        rows : Rows

        Returns
        -------
        float, int
            Responsibilities summed over the rows that tell the densities apart; how many these are.
        """
        held, known = self._between(np.asarray(points), rows)
        return float(held), int(known)

    def value(self, theta: ArrayLike, rows: Rows) -> float:
        """Log-likelihood, summed over the rows."""
        return float(self._value(np.asarray(theta), rows))

    def value_and_gradient(self, theta: ArrayLike, rows: Rows) -> tuple[float, NDArray]:
        """Log-likelihood and its gradient in theta, shape (parameter,)."""
        value, gradient = self._value_and_gradient(np.asarray(theta), rows)
        return float(value), gradient

    def hessian(self, theta: ArrayLike, rows: Rows) -> NDArray:
        """Second derivatives of the log-likelihood, shape (parameter, parameter)."""
        return self._hessian(np.asarray(theta), rows)

    def logp(self, theta: ArrayLike, rows: Rows) -> NDArray:
        """Log-density of each row, shape (n,)."""
        return self._logp(np.asarray(theta), rows)

    def scores(self, theta: ArrayLike, rows: Rows) -> NDArray:
        """Gradient of each row's log-density, shape (n, parameter)."""
        return self._scores(np.asarray(theta), rows)
