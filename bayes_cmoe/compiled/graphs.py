"""PyTensor graphs as JAX functions.

The suite has its own few lines instead of `pymc.sampling.jax.get_jaxified_graph`, because
importing that module asks XLA for a hundred host devices, and because here the data must stay
inputs of the function instead of becoming constants of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bayes_cmoe.compiled.private import jaxify, replaced, row_nodes
from bayes_cmoe.compiled.types import Array, Tensor
from bayes_cmoe.lazy import pm, pt

__all__ = ["jaxify", "row_function"]


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
    rows = row_nodes(model)
    nodes = {rows[name]: _of_any_length(name, rows[name]) for name in columns}
    # A variable with the dim `obs` has as many entries as there are rows, not as the model has.
    length = {model.dim_lengths["obs"]: next(iter(nodes.values())).shape[0]}
    graph = replaced(outputs, {**values, **nodes, **length})
    return jaxify([*values.values(), *nodes.values()], graph)


def _of_any_length(name: str, node: Any) -> Tensor:
    """A variable like the rows that a model holds; a constant's type would know their number."""
    return pt.tensor(name, dtype=node.dtype, shape=(None, *node.type.shape[1:]))
