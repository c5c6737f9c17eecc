"""PyTensor's graphs: parts of them, copies of them, and the same as JAX functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any

from bayes_cmoe.compiled.device import set_up
from bayes_cmoe.compiled.private.models import shared_value
from bayes_cmoe.lazy import pt

if TYPE_CHECKING:
    from bayes_cmoe.compiled.types import Array, Tensor

__all__ = ["jaxify", "known_parts", "replaced"]


@cache
def _conversion() -> Callable[..., Any]:
    """PyTensor's conversion to JAX, with what it lacks for PyMC's densities."""
    from pymc.logprob.utils import CheckParameterValue
    from pytensor.link.jax.dispatch import jax_funcify
    from pytensor.scalar import Softplus
    from pytensor.tensor.math import Dot
    from pytensor.tensor.shape import SpecifyShape
    from pytensor.tensor.special import LogAddExp

    from bayes_cmoe.compiled.elementary import log_add_exp, product, softplus

    def pass_through(op: Any, **kwargs: Any) -> Callable[..., Array]:
        # Under JAX a value cannot be raised on; the estimators keep parameters in their support.
        # A shape may have been that of the model's own rows, and the function takes any rows.
        def value_unchecked(value: Array, *conditions: Array) -> Array:
            return value

        return value_unchecked

    jax_funcify.register(CheckParameterValue)(pass_through)
    jax_funcify.register(SpecifyShape)(pass_through)
    jax_funcify.register(Dot)(lambda op, **kwargs: product)
    jax_funcify.register(Softplus)(lambda op, **kwargs: softplus)
    jax_funcify.register(LogAddExp)(lambda op, **kwargs: log_add_exp)
    return jax_funcify


def replaced(outputs: Sequence[Tensor], replace: Mapping[Any, Tensor]) -> list[Any]:
    """A copy of the graph of `outputs` in which some variables are others."""
    from pytensor.graph.replace import clone_replace

    return clone_replace(list(outputs), replace=[*replace.items()], rebuild_strict=False)


def known_parts(
    outputs: Sequence[Tensor], known: Sequence[Tensor], unknown: Sequence[Tensor]
) -> list[Tensor]:
    """The largest parts of a graph that are computed from some inputs and from no others.

    Left out are those that are no numbers of double precision, and those that are merely shaped,
    sliced or filled: to keep them costs more than to make them again.

    Parameters
    ----------
    outputs : sequence of tensors
    known, unknown : sequence of tensors
        Inputs of the graph; a part is of the first kind alone, and of one of them at least.
    """
    from pytensor.graph.traversal import toposort
    from pytensor.scalar import Cast, Identity, Second
    from pytensor.tensor.elemwise import CAReduce, Elemwise
    from pytensor.tensor.math import Dot
    from pytensor.tensor.symbolic import TensorSymbolicOp

    idle = (Cast, Identity, Second)
    of_known: set[Any] = set(known)
    of_unknown: set[Any] = set(unknown)
    worked: set[Any] = set()
    found: dict[Any, None] = {}

    def is_part(variable: Any) -> bool:
        return variable in worked and variable.type.dtype == "float64"

    for node in toposort(outputs):
        inputs = set(node.inputs)
        if inputs & of_unknown:
            of_unknown |= set(node.outputs)
            found |= dict.fromkeys(v for v in node.inputs if v not in of_unknown and is_part(v))
        elif inputs & of_known:
            of_known |= set(node.outputs)
            works = isinstance(node.op, CAReduce | Dot | TensorSymbolicOp) or (
                isinstance(node.op, Elemwise) and not isinstance(node.op.scalar_op, idle)
            )
            if works or inputs & worked:
                worked |= set(node.outputs)
    return [*found]


def jaxify(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Callable[..., tuple[Array, ...]]:
    """A JAX-traceable function of `inputs` that returns the tuple of `outputs`.

    Shared variables that are not inputs (lengths of dims, data without rows) become constants,
    with the values that they have now. The conversion is made at the first call.
    """
    set_up()
    from pytensor.graph.fg import FunctionGraph
    from pytensor.graph.traversal import graph_inputs

    held = {node: shared_value(node) for node in graph_inputs(outputs)}
    constants = {node: pt.constant(value) for node, value in held.items() if value is not None}
    graph = FunctionGraph(inputs=list(inputs), outputs=replaced(outputs, constants), clone=True)
    made: list[Callable[..., tuple[Array, ...]]] = []

    def function(*values: Array) -> tuple[Array, ...]:
        # Chains that begin in several threads ask for it at once, and a graph is rewritten once.
        with _CONVERTING:
            if not made:
                made.append(_converted(graph))
        return made[0](*values)

    return function


_CONVERTING = RLock()


def _converted(graph: Any) -> Callable[..., tuple[Array, ...]]:
    import jax
    from pytensor import config
    from pytensor.compile.mode import JAX

    # As PyTensor's own compilation, it does not note where each new variable was made.
    quick = config.change_flags(traceback__limit=config.traceback__compile_limit)
    # Asked for within a function that is being traced, of which the constants are no part; they are
    # kept in double precision, whatever that function is traced in.
    with quick, jax.enable_x64(True), jax.ensure_compile_time_eval():
        # Taken apart, logaddexp could not be given its own derivative.
        JAX.excluding("inline_ofg").optimizer.rewrite(graph)
        return _conversion()(graph)
