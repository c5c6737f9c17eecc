"""Responses drawn from a model: its own sampler, with the arguments computed at any rows."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pymc as pm
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import BLOCK, Rows, blocked_map
from bayes_cmoe.compiled.graphs import row_function
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of

__all__ = ["Simulator"]


class Simulator:
    """Draws responses from a model at any parameters and rows; compiled once.

    Parameters
    ----------
    model : pm.Model
        A model whose observed variable has a `random` method, as all of the suite's have.
    """

    def __init__(self, model: pm.Model) -> None:
        self.layout: Layout = layout_of(model)
        (response,) = model.observed_RVs
        op = response.owner.op
        self._draw: Callable[..., NDArray] = op.rng_fn
        self._inputs = tuple(
            name for name in columns_of(model) if name != model.rvs_to_values[response].name
        )
        arguments = op.dist_params(response.owner)
        row_arguments = row_function(model, self._inputs, arguments)
        cores: tuple[int, ...] = op.ndims_params

        def block(theta: Any, columns: list[Any]) -> tuple[Any, ...]:
            found = row_arguments(*self.layout.split(theta), *columns)
            return tuple(
                jnp.broadcast_to(value, (BLOCK, *value.shape[value.ndim - core :]))
                for value, core in zip(found, cores, strict=True)
            )

        self._arguments = blocked_map(block)

    def draw(self, theta: ArrayLike, columns: Mapping[str, NDArray], rng: Generator) -> NDArray:
        """Responses y, shape (n,).

        Parameters
        ----------
        theta : array, shape (parameter,)
            The truth, on the natural scale.
        columns : mapping of str to array
            The rows' inputs and the frozen expert's columns; a response in it is not looked at.
        rng : numpy.random.Generator
        """
        rows = Rows.of(columns, self._inputs)
        arguments = self._arguments(np.asarray(theta, dtype=float), rows)
        return np.asarray(self._draw(rng, *arguments, None), dtype=float)
