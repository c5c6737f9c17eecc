"""The observed response of a mixture: its log-density and its sampler, from its components.

p(y|x) = sum_j pi_j(x) f_j(y|x)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.private import quiet_in_numba
from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.lazy import pm, pt
from bayes_cmoe.parts.families import Family

__all__ = ["Component", "mixture_response"]


class Component(NamedTuple):
    """One component of a mixture.

    Parameters
    ----------
    family : Family
        Its density.
    arguments : sequence of tensors
        The density's arguments at the rows of the data.
    """

    family: Family
    arguments: Sequence[Tensor]


def mixture_response(
    name: str, observed: Tensor, log_weights: Sequence[Tensor], components: Sequence[Component]
) -> Tensor:
    """The observed response ``y`` of a mixture.

    Parameters
    ----------
    name : str
        Of its class, see `bayes_cmoe.compiled.weighted.mixture_name`.
    observed : tensor, shape (n,)
    log_weights : sequence of tensors, each of shape () or (n,)
        The logarithm of each component's share.
    components : sequence of Component

    Returns
    -------
    The random variable ``y``, shape (n,): `pm.CustomDist` with its log-density and its sampler; its
    first arguments are the log-weights.
    """
    count = len(components)
    families = [component.family for component in components]
    ends = count + np.cumsum([len(family.arguments) for family in families])
    places = [
        slice(int(end) - len(family.arguments), int(end))
        for family, end in zip(families, ends, strict=True)
    ]
    signature = (*["()"] * count, *(core for family in families for core in family.signature))
    core_dimensions = [int(core != "()") for core in signature]

    def logp(value: Tensor, *arguments: Tensor) -> Tensor:
        parts = [
            weight + family.logp(value, *arguments[place])
            for weight, family, place in zip(arguments[:count], families, places, strict=True)
        ]
        return reduce(pt.logaddexp, parts)

    def random(*arguments: NDArray, rng: Generator, size: tuple[int, ...] | None = None) -> NDArray:
        if size is not None:
            arguments = tuple(
                np.broadcast_to(argument, (*size, *argument.shape[argument.ndim - core :]))
                for argument, core in zip(arguments, core_dimensions, strict=True)
            )
        drawn, *others = (
            family.random(rng, *arguments[place])
            for family, place in zip(families, places, strict=True)
        )
        place = np.log(rng.random(np.shape(drawn)))
        # The last component has the lowest part of the unit interval, the first what is left.
        above = arguments[count - 1]
        drawn = np.where(place < above, others[-1], drawn)
        for weight, own in zip(arguments[count - 2 : 0 : -1], others[-2::-1], strict=True):
            below, above = above, np.logaddexp(above, weight)
            drawn = np.where((place >= below) & (place < above), own, drawn)
        return drawn

    quiet_in_numba(name)
    return pm.CustomDist(
        "y",
        *log_weights,
        *(argument for component in components for argument in component.arguments),
        logp=logp,
        random=random,
        signature=f"{','.join(signature)}->()",
        observed=observed,
        dims="obs",
        class_name=name,
    )
