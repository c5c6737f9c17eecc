"""How a response says that it is a mixture: by its name, and its first arguments, the log-weights.

A contaminated response carries log pi_0, the frozen expert's share, and one log-share for each
prompt as its first arguments; with all but one at minus infinity it is that component alone.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.private import class_name
from bayes_cmoe.lazy import pm

__all__ = ["component_count", "mixture_name", "single_component"]

_NAME = re.compile(r"ContaminatedMixture([0-9]*)")


def mixture_name(prompts: int) -> str:
    """The class name of the response of a mixture of a frozen expert and so many prompts.

    Examples
    --------
    >>> mixture_name(1), mixture_name(3)
    ('ContaminatedMixture', 'ContaminatedMixture3')
    """
    return "ContaminatedMixture" + (str(prompts) if prompts > 1 else "")


def component_count(model: pm.Model) -> int:
    """Components of a model's response, the frozen expert's included; one of any other model."""
    (response,) = model.observed_RVs
    match = _NAME.fullmatch(class_name(response))
    return 1 if match is None else 1 + int(match[1] or 1)


def single_component(count: int) -> NDArray:
    """Log-weights that leave one component alone, shape (component, weight).

    Examples
    --------
    >>> single_component(2)
    array([[  0., -inf],
           [-inf,   0.]])
    """
    return np.where(np.eye(count, dtype=bool), 0.0, -np.inf)
