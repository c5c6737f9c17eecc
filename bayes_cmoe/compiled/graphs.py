"""PyTensor graphs as JAX functions.

The suite has its own few lines instead of `pymc.sampling.jax.get_jaxified_graph`, because
importing that module asks XLA for a hundred host devices, and because here the data must stay
inputs of the function instead of becoming constants of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jax
from bayes_cmoe.compiled.private import jaxify, known_parts, replaced
from bayes_cmoe.compiled.types import Array, Tensor
from bayes_cmoe.lazy import pm

__all__ = ["Parted", "jaxify", "parted_function", "row_function"]


def row_function(
    model: pm.Model, columns: Sequence[str], outputs: Sequence[Tensor]
) -> Callable[..., tuple[Array, ...]]:
    """A JAX-traceable function of a model's parameters and of rows.

    Parameters
    ----------
    model : pm.Model
    columns : sequence of str
        Names of the data that a row has.
    outputs : sequence of tensors
        Expressions in the model's free random variables and data.

    Returns
    -------
    callable
        Takes the free parameters in the model's order, natural scale, then the columns; returns the
        tuple of outputs.
    """
    values = {rv: rv.type(name=rv.name) for rv in model.free_RVs}
    nodes = {model[name]: model[name].type(name=name) for name in columns}
    graph = replaced(outputs, {**values, **nodes})
    return jaxify([*values.values(), *nodes.values()], graph)


class Parted(NamedTuple):
    """A function of parameters and rows in two: what the rows alone determine, and the rest.

    Parameters
    ----------
    known : callable
        Takes the columns; returns a tuple of arrays whose first axis is that of the rows.
    rest : callable
        Takes the free parameters, the columns and what is known; returns the outputs.
    count : int
        How much is known.
    """

    known: Callable[..., tuple[Array, ...]]
    rest: Callable[..., tuple[Array, ...]]
    count: int


def parted_function(
    model: pm.Model, columns: Mapping[str, NDArray], outputs: Sequence[Tensor]
) -> Parted:
    """`row_function`, with what has no parameter in it apart: it need not be computed again.

    Parameters
    ----------
    model : pm.Model
    columns : mapping of str to array
        The data that a row has, of which the shapes are looked at.
    outputs : sequence of tensors
        Expressions in the model's free random variables and data.
    """
    values = {rv: rv.type(name=rv.name) for rv in model.free_RVs}
    nodes = {model[name]: model[name].type(name=name) for name in columns}
    graph = replaced(outputs, {**values, **nodes})
    inputs = [*nodes.values()]
    parts = known_parts(graph, inputs, [*values.values()])
    if parts:
        five, seven = (_shapes(jaxify(inputs, parts), columns, rows) for rows in (5, 7))
        parts = [part for part, *shapes in zip(parts, five, seven, strict=True) if _by_row(*shapes)]
    places = {part: part.type() for part in parts}
    rest = jaxify([*values.values(), *inputs, *places.values()], replaced(graph, places))
    return Parted(jaxify(inputs, parts), rest, len(parts))


def _shapes(
    function: Callable[..., tuple[Array, ...]], columns: Mapping[str, NDArray], rows: int
) -> list[tuple[int, ...]]:
    """The outputs' shapes at so many rows."""
    given = [
        jax.ShapeDtypeStruct((rows, *np.shape(column)[1:]), float) for column in columns.values()
    ]
    return [part.shape for part in jax.eval_shape(function, *given)]


def _by_row(five: tuple[int, ...], seven: tuple[int, ...]) -> bool:
    """Whether an output has an entry for each row, from its shapes at five and at seven rows."""
    return five[:1] == (5,) and seven[:1] == (7,) and five[1:] == seven[1:]
