"""PyTensor graphs as JAX functions.

The suite has its own few lines instead of `pymc.sampling.jax.get_jaxified_graph`, because
importing that module asks XLA for a hundred host devices, and because here the data must stay
inputs of the function instead of becoming constants of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import pymc as pm
import pytensor.link.jax.dispatch  # noqa: F401  (registers the conversions, switches JAX to 64 bits)
import pytensor.tensor as pt
from pymc.logprob.utils import CheckParameterValue
from pytensor.compile import SharedVariable
from pytensor.compile.mode import JAX
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import graph_inputs
from pytensor.link.jax.dispatch import jax_funcify

__all__ = ["jaxify", "row_function"]

# An evaluation is short and always waited for: handing it to another thread costs more than it
# does on few rows, and hinders threads that evaluate side by side. In force unless a program has
# used JAX before.
jax.config.update("jax_cpu_enable_async_dispatch", False)


@jax_funcify.register(CheckParameterValue)
def _pass_through(op: Any, **kwargs: Any) -> Callable[..., Any]:
    # Under JAX a value cannot be raised on; the estimators keep parameters inside their support.
    def value_unchecked(value: Any, *conditions: Any) -> Any:
        return value

    return value_unchecked


def jaxify(inputs: Sequence[Any], outputs: Sequence[Any]) -> Callable[..., Any]:
    """A JAX-traceable function of `inputs` that returns the tuple of `outputs`.

    Shared variables that are not inputs (lengths of dims, data without rows) become constants.
    """
    constants = {
        node: pt.constant(node.get_value())
        for node in graph_inputs(outputs)
        if isinstance(node, SharedVariable)
    }
    fixed = clone_replace(list(outputs), replace=constants, rebuild_strict=False)
    graph = FunctionGraph(inputs=list(inputs), outputs=fixed, clone=True)
    JAX.optimizer.rewrite(graph)
    return jax_funcify(graph)


def row_function(
    model: pm.Model, columns: Sequence[str], outputs: Sequence[Any]
) -> Callable[..., Any]:
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
    graph = clone_replace(list(outputs), replace={**values, **nodes}, rebuild_strict=False)
    return jaxify([*values.values(), *nodes.values()], graph)
