"""A PyMC model's variables, and the values that it holds for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.lazy import pm

if TYPE_CHECKING:
    from pytensor.graph.basic import Variable

    from bayes_cmoe.compiled.types import Tensor

__all__ = [
    "class_name",
    "initial_value",
    "joint_log_density",
    "response_name",
    "row_nodes",
    "row_values",
    "shape_of",
    "shared_value",
    "value_variable",
]


def value_variable(model: pm.Model, variable: Tensor) -> Tensor:
    """The variable that stands for a random variable's value: the data, or a transformed value."""
    return model.rvs_to_values[variable]


def row_nodes(model: pm.Model) -> dict[str, Variable]:
    """What a model has of its rows, with ``obs`` as the first dim: `pm.Data`, and the response.

    The response may be a constant, as after `pm.observe`; it then has the random variable's name.
    """
    held = {
        name: model[name]
        for name, dims in model.named_vars_to_dims.items()
        if tuple(dims)[:1] == ("obs",)
    }
    found = {name: node for name, node in held.items() if shared_value(node) is not None}
    for response in model.observed_RVs:
        value = value_variable(model, response)
        if response.name in held and shared_value(value) is None and value.owner is None:
            found[response.name] = value
    return found


def row_values(model: pm.Model) -> dict[str, NDArray]:
    """The values of `row_nodes`."""
    return {name: np.asarray(_held(node)) for name, node in row_nodes(model).items()}


def _held(node: Any) -> Any:
    value = shared_value(node)
    return node.data if value is None else value


def response_name(model: pm.Model) -> str:
    """The name among `row_nodes` of the observed response."""
    (response,) = model.observed_RVs
    value = value_variable(model, response)
    return str(response.name if shared_value(value) is None else value.name)


def initial_value(model: pm.Model, variable: Tensor) -> float | NDArray:
    """Where the model starts a free random variable; NaN where it does not say by numbers."""
    given = model.rvs_to_initial_values[variable]
    return np.asarray(given, dtype=float) if isinstance(given, int | float | np.ndarray) else np.nan


def shape_of(variable: Tensor) -> tuple[int, ...]:
    """The shape of a random variable, as its type states it or else by evaluating it."""
    known = variable.type.shape
    # PyTensor's default would compile by Numba what is computed once.
    found = variable.shape.eval(mode="FAST_COMPILE") if None in known else known
    return tuple(int(length) for length in found)


def shared_value(node: Variable) -> Any:
    """What a shared variable such as `pm.Data` holds; None for a node that is none."""
    from pytensor.compile.sharedvalue import SharedVariable

    return node.get_value() if isinstance(node, SharedVariable) else None


def class_name(variable: Tensor) -> str:
    """The class name that a random variable was given, such as ``ContaminatedMixture``."""
    return getattr(variable.owner.op, "_print_name", ("",))[0]


def joint_log_density(values: Mapping[Tensor, Tensor]) -> list[Tensor]:
    """Log-densities of random variables at values on the natural scale, without Jacobians."""
    from pymc.logprob.basic import conditional_logp

    found = conditional_logp(dict(values))
    return [found[value] for value in values.values()]
