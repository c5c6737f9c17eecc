"""A model's unknowns: their supports, initial values, transforms and prior, as JAX sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.graphs import jaxify
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.private import (
    forward_transformed,
    initial_value,
    joint_log_density,
    support,
    value_variable,
)
from bayes_cmoe.compiled.types import Array, Tensor
from bayes_cmoe.lazy import pm, pt

__all__ = [
    "forward_function",
    "initial_values",
    "natural_function",
    "prior_function",
    "prior_unconstrained_function",
    "supports",
]


def _values(model: pm.Model) -> list[Tensor]:
    return [value_variable(model, rv) for rv in model.free_RVs]


def _flat(layout: Layout, values: Iterable[ArrayLike]) -> NDArray:
    """Values that fit the parameters' shapes as one vector."""
    parts = [
        np.broadcast_to(value, shape) for value, shape in zip(values, layout.shapes, strict=True)
    ]
    return np.concatenate([part.ravel() for part in parts])


def supports(model: pm.Model, layout: Layout) -> tuple[NDArray, NDArray]:
    """Lower and upper edge of each parameter, shape (parameter,); infinite where there is none."""
    edges = [support(model, rv) for rv in model.free_RVs]
    lower, upper = zip(*edges, strict=True)
    return _flat(layout, lower), _flat(layout, upper)


def initial_values(model: pm.Model, layout: Layout) -> NDArray:
    """The model's own initial values, shape (parameter,); NaN where it gives none."""
    return _flat(layout, [initial_value(model, rv) for rv in model.free_RVs])


def natural_function(model: pm.Model) -> Callable[..., tuple[Array, ...]]:
    """The parameters from their unconstrained values."""
    return jaxify(_values(model), model.replace_rvs_by_values(model.free_RVs))


def forward_function(model: pm.Model) -> Callable[..., tuple[Array, ...]]:
    """The unconstrained values from the parameters."""
    values = [rv.type(name=rv.name) for rv in model.free_RVs]
    forward = [
        forward_transformed(model, rv, value)
        for rv, value in zip(model.free_RVs, values, strict=True)
    ]
    return jaxify(values, forward)


def prior_function(model: pm.Model) -> Callable[..., tuple[Array, ...]]:
    """The log prior density on the natural scale: summed, and each parameter's by itself."""
    values = {rv: rv.type(name=rv.name) for rv in model.free_RVs}
    parts = joint_log_density(values)
    return jaxify(list(values.values()), [sum(pt.sum(part) for part in parts), *parts])


def prior_unconstrained_function(model: pm.Model) -> Callable[..., tuple[Array, ...]]:
    """The log prior density of the unconstrained values, the log-Jacobian included."""
    return jaxify(_values(model), [model.logp(vars=model.free_RVs, jacobian=True)])
