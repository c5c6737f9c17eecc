"""Responses drawn from a model: its own sampler, with the arguments computed at any rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows, blocked_map
from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.compiled.graphs import row_function
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.private import density_sampler, response_name
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.compiled.weighted import component_count, single_component
from bayes_cmoe.lazy import pm

__all__ = ["Simulator"]


class Simulator:
    """Draws responses from a model at any parameters and rows; compiled once.

    Parameters
    ----------
    model : pm.Model
        A model whose observed variable has a `random` method, as all of the suite's have.

    Attributes
    ----------
    components : int
        Of a contaminated mixture the frozen expert and its prompts; one of any other model.
    """

    def __init__(self, model: pm.Model) -> None:
        self.layout: Layout = layout_of(model)
        (response,) = model.observed_RVs
        sampler = density_sampler(response)
        self._draw = sampler.draw
        observed = response_name(model)
        self._inputs = tuple(name for name in columns_of(model) if name != observed)
        row_arguments = row_function(model, self._inputs, sampler.arguments)

        def block(theta: Array, columns: list[Array]) -> tuple[Array, ...]:
            rows = len(columns[0])
            found = row_arguments(*self.layout.split(theta), *columns)
            return tuple(
                jnp.broadcast_to(value, (rows, *value.shape[value.ndim - core :]))
                for value, core in zip(found, sampler.cores, strict=True)
            )

        self._arguments = blocked_map(block)
        self.components = component_count(model)

    def draw(
        self,
        theta: ArrayLike,
        columns: Mapping[str, NDArray],
        rng: Generator,
        component: int | None = None,
    ) -> NDArray:
        """Responses y, shape (n,).

        Parameters
        ----------
        theta : array, shape (parameter,)
            The truth, on the natural scale.
        columns : mapping of str to array
            The rows' inputs and the frozen expert's columns; a response in it is not looked at.
        rng : numpy.random.Generator
        component : int, optional
            Of a contaminated mixture the frozen expert (0) or a prompt (1, 2, ...) alone.
        """
        rows = Rows.of(columns, self._inputs)
        arguments = self._arguments(np.asarray(theta, dtype=float), rows)
        if component is not None:
            arguments = self._alone(arguments, rows.n)[component]
        return np.asarray(self._draw(rng, *arguments, None), dtype=float)

    def placed(
        self, theta: ArrayLike, columns: Mapping[str, NDArray], rng: Generator, draws: int
    ) -> tuple[NDArray, NDArray]:
        """Where each component's responses lie at each row, from a few draws of it.

        Parameters
        ----------
        theta, columns, rng
            As for `draw`.
        draws : int
            Draws of each component at a row, two at least.

        Returns
        -------
        center, scale : array, shape (component, n)
            Mean and standard deviation of the draws; the components of a contaminated mixture are
            the frozen expert and its prompts, another model has one.
        """
        rows = Rows.of(columns, self._inputs)
        arguments = self._arguments(np.asarray(theta, dtype=float), rows)
        drawn = np.array(
            [
                [self._draw(rng, *component, None) for _ in range(draws)]
                for component in self._alone(arguments, rows.n)
            ]
        )
        return drawn.mean(axis=1), drawn.std(axis=1, ddof=1)

    def _alone(self, arguments: tuple[NDArray, ...], count: int) -> list[tuple[NDArray, ...]]:
        """The arguments of each component by itself."""
        if self.components == 1:
            return [arguments]
        others = arguments[self.components :]
        return [
            (*(np.full(count, weight) for weight in weights), *others)
            for weights in single_component(self.components)
        ]
