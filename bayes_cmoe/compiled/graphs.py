"""PyTensor graphs as JAX functions.

The suite has its own few lines instead of `pymc.sampling.jax.get_jaxified_graph`, because
importing that module asks XLA for a hundred host devices, and because here the data must stay
inputs of the function instead of becoming constants of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jax
from bayes_cmoe.compiled.private import jaxify, known_parts, replaced, row_nodes
from bayes_cmoe.compiled.types import Array, Tensor
from bayes_cmoe.lazy import pm, pt

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
    values, inputs, places = _places(model, columns)
    return jaxify([*values, *inputs], replaced(outputs, places))


def _places(
    model: pm.Model, columns: Iterable[str]
) -> tuple[list[Tensor], list[Tensor], dict[Tensor, Tensor]]:
    """Inputs for the parameters and for the columns, and what they stand for in the model."""
    values = {rv: rv.type(name=rv.name) for rv in model.free_RVs}
    rows = row_nodes(model)
    nodes = {rows[name]: _of_any_length(name, rows[name]) for name in columns}
    inputs = [*nodes.values()]
    # A variable with the dim `obs` has as many entries as there are rows, not as the model has.
    length = {model.dim_lengths["obs"]: inputs[0].shape[0]}
    return [*values.values()], inputs, {**values, **nodes, **length}


class Parted(NamedTuple):
    """A function of parameters and rows in two: what the rows alone determine, and the rest.

    Parameters
    ----------
    known : callable
        Takes the columns; returns a tuple of arrays whose first axis is that of the rows.
    rest : callable
        Takes the free parameters, the columns and what is known; returns the outputs.
    parts : int
        How many arrays are known.
    """

    known: Callable[..., tuple[Array, ...]]
    rest: Callable[..., tuple[Array, ...]]
    parts: int


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
    values, inputs, stand_for = _places(model, columns)
    graph = replaced(outputs, stand_for)
    parts = known_parts(graph, inputs, values)
    known = jaxify(inputs, parts)
    if parts:
        five, seven = (_shapes(known, columns, rows) for rows in (5, 7))
        kept = [part for part, *shapes in zip(parts, five, seven, strict=True) if _by_row(*shapes)]
        known, parts = (known, parts) if len(kept) == len(parts) else (jaxify(inputs, kept), kept)
    places = {part: part.type() for part in parts}
    rest = jaxify([*values, *inputs, *places.values()], replaced(graph, places))
    return Parted(known, rest, len(parts))


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


def _of_any_length(name: str, node: Any) -> Tensor:
    """A variable like the rows that a model holds; a constant's type would know their number."""
    return pt.tensor(name, dtype=node.dtype, shape=(None, *node.type.shape[1:]))
