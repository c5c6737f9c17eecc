"""PyMC's names of arguments, for the functions that have names of their own for them.

``random_seed=`` is ``seed=``, ``progressbar=`` is ``progress=``; stated here and nowhere else.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from bayes_cmoe.errors import InputError

__all__ = ["takes_pymc_names"]

NAMES = {"random_seed": "seed", "progressbar": "progress"}
"""PyMC's name, and ours."""


def takes_pymc_names[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Let a function be called by PyMC's names of its arguments, too.

    A random seed may be what PyMC takes: a whole number, a sequence of them, a generator, or None
    for another one each time. A progress bar of a function that shows none is not missed.

    Raises
    ------
    InputError
        On a call with both names of an argument, or a seed that is none.

    Examples
    --------
    >>> @takes_pymc_names
    ... def draw(seed: int = 0) -> int:
    ...     return seed
    >>> draw(random_seed=3)
    3
    """
    own = inspect.signature(function).parameters

    @wraps(function)
    def renamed(*positional: Any, **named: Any) -> Any:
        for theirs, ours in NAMES.items():
            if theirs not in named:
                continue
            value = named.pop(theirs)
            if ours in named:
                raise InputError(f"{ours} and {theirs} are the same: leave one out")
            if ours in own:
                named[ours] = _seed(value) if ours == "seed" else bool(value)
        return function(*positional, **named)

    return renamed


def _seed(given: Any) -> int:
    if given is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(given, np.random.Generator):
        return int(given.integers(2**32))
    if isinstance(given, int | np.integer) and not isinstance(given, bool) and given >= 0:
        return int(given)
    if isinstance(given, list | tuple | np.ndarray) and np.asarray(given).dtype.kind in "iu":
        return int(np.random.SeedSequence([int(part) for part in given]).generate_state(1)[0])
    raise InputError(f"random_seed is {given!r}: give a whole number from 0")
