"""Share and function of a prompt over some rows: targets that any two forms of it have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.compiled.graphs import jaxify
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pt
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.theory.functional import Functional

__all__ = ["FUNCTION", "SHARE", "check_errors", "expert_function", "function_slopes", "mean_share"]

SHARE = "share"
"""The mean of pi(x) over the rows."""
FUNCTION = "function"
"""The prompt's function h over its own rows, those of weights pi(x): its error is a root mean
square."""


def check_errors(wanted: Mapping[str, float]) -> None:
    """Refuse wanted errors of targets that are no errors.

    Raises
    ------
    InputError
    """
    for name, error in wanted.items():
        if not (np.isfinite(error) and error > 0):
            raise InputError(f"a wanted error of {error:g} of {name} makes no sense: give one > 0")


def mean_share(components: Components, columns: Mapping[str, NDArray]) -> Functional:
    """theta -> the mean of pi(x) over some rows."""
    given: list[Any] = [jnp.asarray(columns[name]) for name in components.columns]
    return Functional(SHARE, lambda theta: jnp.mean(components.block(theta, given).share)[None])


def expert_function(layout: Layout, expert: Expert, x: NDArray, scale: float = 1.0) -> Functional:
    """theta -> h(x; eta) / scale at some rows, all classes of a row together.

    Parameters
    ----------
    layout : Layout
        Of one prompt's model.
    expert : Expert
    x : array, shape (n, feature)
    scale : float
        The unit that h is stated in.
    """
    ndims = {name: len(shape) for name, shape in zip(layout.names, layout.shapes, strict=True)}
    inputs = pt.matrix("x", dtype="float64")
    values = {
        name: pt.tensor(name, dtype="float64", shape=(None,) * ndims[name]) for name in expert.dims
    }
    mean = jaxify([inputs, *values.values()], [expert.mean(inputs, **values)])
    rows = jnp.asarray(x)

    def at(theta: Array) -> Array:
        named = dict(zip(layout.names, layout.split(theta), strict=True))
        return jnp.ravel(mean(rows, *(named[name] for name in values))[0]) / scale

    return Functional(FUNCTION, at)


def function_slopes(
    function: Functional, components: Components, columns: Mapping[str, NDArray], theta: NDArray
) -> tuple[NDArray, NDArray]:
    """A derivative D of the function whose tr D V D' is its mean squared error, and the weights.

    Parameters
    ----------
    function : Functional
        Of `expert_function`, at the rows of `columns`.
    components : Components
    columns : mapping of str to array
    theta : array, shape (parameter,)

    Returns
    -------
    slopes : array, shape (parameter, parameter)
    weights : array
        Of each entry of the function: pi(x), which sum to one over the rows.
    """
    share = np.asarray(components.at(theta, Rows.of(columns, components.columns)).share)
    slopes = function.jacobian(theta)
    weights = np.repeat(share / share.sum(), len(slopes) // len(share))
    return np.linalg.qr(np.sqrt(weights)[:, None] * slopes, mode="r"), weights
