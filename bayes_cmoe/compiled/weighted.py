"""How a response says that it is a mixture: by its name, and its first arguments, the log-weights.

A contaminated response carries log pi_0, the frozen expert's share, and one log-share for each
prompt as its first arguments; with all but one at minus infinity it is that component alone. A
mixture of trainable experts only carries one log-share for each of them.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.private import class_name
from bayes_cmoe.lazy import pm

__all__ = ["component_count", "has_frozen", "mixture_name", "single_component"]

_CONTAMINATED = re.compile(r"ContaminatedMixture([0-9]*)")
_EXPERTS = re.compile(r"ExpertMixture([0-9]+)")


def mixture_name(trainable: int, *, frozen: bool = True) -> str:
    """The class name of the response of a mixture of a frozen expert and so many trainable ones.

    Examples
    --------
    >>> mixture_name(1), mixture_name(3), mixture_name(3, frozen=False)
    ('ContaminatedMixture', 'ContaminatedMixture3', 'ExpertMixture3')
    """
    if not frozen:
        return f"ExpertMixture{trainable}"
    return "ContaminatedMixture" + (str(trainable) if trainable > 1 else "")


def component_count(model: pm.Model) -> int:
    """Components of a model's response, a frozen expert included; one of any other model."""
    (response,) = model.observed_RVs
    name = class_name(response)
    if (experts := _EXPERTS.fullmatch(name)) is not None:
        return int(experts[1])
    match = _CONTAMINATED.fullmatch(name)
    return 1 if match is None else 1 + int(match[1] or 1)


def has_frozen(model: pm.Model) -> bool:
    """Whether a model's response is a mixture whose first component is a frozen expert."""
    (response,) = model.observed_RVs
    return _CONTAMINATED.fullmatch(class_name(response)) is not None


def single_component(count: int) -> NDArray:
    """Log-weights that leave one component alone, shape (component, weight).

    Examples
    --------
    >>> single_component(2)
    array([[  0., -inf],
           [-inf,   0.]])
    """
    return np.where(np.eye(count, dtype=bool), 0.0, -np.inf)
