"""Large packages, imported when something of them is first asked for.

PyMC, PyTensor, pandas and xarray take seconds to load, and a list of variants, a misspelt name or
a table that will not do needs none of them. A module writes ``from bayes_cmoe.lazy import pt`` for
``import pytensor.tensor as pt`` and is otherwise the same (Python 3.15 has ``lazy import`` for it);
``from __future__ import annotations`` keeps its signatures from asking.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["Lazy", "is_loaded", "pd", "pm", "pt", "xr"]


class Lazy:
    """A module that is imported at the first look at it.

    Parameters
    ----------
    name : str
        As in an import statement.
    first : callable, optional
        Called before the import, once.

    Examples
    --------
    >>> Lazy("fractions").Fraction(1, 2)
    Fraction(1, 2)
    """

    def __init__(self, name: str, first: Callable[[], None] | None = None) -> None:
        self._name = name
        self._first = first
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            if self._first is not None:
                self._first()
            self._module = import_module(self._name)
        return getattr(self._module, attribute)


def is_loaded(package: str) -> bool:
    """Whether a package was imported; an object of one that was not cannot be there."""
    return package in sys.modules


if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm
    import pytensor.tensor as pt
    import xarray as xr
else:
    pd, pm, xr = Lazy("pandas"), Lazy("pymc"), Lazy("xarray")
    pt = Lazy("pytensor.tensor")
