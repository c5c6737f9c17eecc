"""The range of a random variable, and its transform to the unconstrained scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm, pt

if TYPE_CHECKING:
    from bayes_cmoe.compiled.types import Tensor

__all__ = ["forward_transformed", "support"]


def forward_transformed(model: pm.Model, variable: Tensor, value: Tensor) -> Tensor:
    """A value of a free random variable on PyMC's unconstrained scale."""
    transform = model.rvs_to_transforms[variable]
    return value if transform is None else transform.forward(value, *variable.owner.inputs)


def support(model: pm.Model, variable: Tensor) -> tuple[NDArray, NDArray]:
    """Lower and upper edge of a free random variable's support, as its transform states them.

    That of the model, or where it has none the one that the distribution declares. Edges are
    infinite where there is none.

    Parameters
    ----------
    model : pm.Model
    variable : tensor
        One of its free random variables.

    Returns
    -------
    lower, upper : array, broadcastable to the variable

    Raises
    ------
    InputError
        When the transform works on several entries together (a simplex, an ordered vector), states
        no edges, or has edges that move with other unknowns.
    """
    from pymc.distributions.transforms import _default_transform

    transform = model.rvs_to_transforms[variable]
    if transform is None:
        transform = _default_transform(variable.owner.op, variable)
    if transform is None:
        return np.array(-np.inf), np.array(np.inf)
    if transform.ndim_supp != 0:
        raise InputError(
            f"the entries of {variable.name} depend on each other (transform {transform.name}): "
            "the estimators need parameters that each have a range of their own: write it as such"
        )
    edges = _edges(transform, variable)
    if edges is None:
        raise InputError(
            f"the transform {transform.name} of {variable.name} states no range: use an interval, "
            "log or logodds transform"
        )
    lower, upper = (_constant(model, variable, edge) for edge in edges)
    return lower, upper


def _edges(transform: Any, variable: Tensor) -> tuple[Any, Any] | None:
    """The range of an elementwise transform's natural scale, numbers or expressions."""
    from pymc.distributions.transforms import LogExpM1
    from pymc.logprob.transforms import (
        CircularTransform,
        IntervalTransform,
        LogOddsTransform,
        LogTransform,
    )

    if isinstance(transform, IntervalTransform):
        lower, upper, *_ = transform.get_a_and_b(variable.owner.inputs)
        return lower, upper
    fixed = {
        LogTransform: (0.0, np.inf),
        LogExpM1: (0.0, np.inf),
        LogOddsTransform: (0.0, 1.0),
        CircularTransform: (-np.pi, np.pi),
    }
    return next((edges for kind, edges in fixed.items() if isinstance(transform, kind)), None)


def _constant(model: pm.Model, variable: Tensor, edge: Any) -> NDArray:
    from pytensor.graph.traversal import ancestors

    node = pt.as_tensor(edge)
    if set(ancestors([node])) & set(model.free_RVs):
        raise InputError(
            f"the range of {variable.name} moves with other parameters: give it fixed bounds"
        )
    return np.asarray(node.eval(mode="FAST_COMPILE"), dtype=float)
