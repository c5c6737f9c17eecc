"""PyTensor graphs as JAX functions.

The suite has its own few lines instead of `pymc.sampling.jax.get_jaxified_graph`, because
importing that module asks XLA for a hundred host devices, and because here the data must stay
inputs of the function instead of becoming constants of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bayes_cmoe.compiled.private import jaxify, replaced
from bayes_cmoe.compiled.types import Array, Tensor
from bayes_cmoe.lazy import pm

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
    nodes = {model[name]: model[name].type(name=name) for name in columns}
    graph = replaced(outputs, {**values, **nodes})
    return jaxify([*values.values(), *nodes.values()], graph)
