"""A functional psi of the parameters as a search needs it: values, slopes, and how far it moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jax
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.study.targets import Function, Targets

__all__ = ["Functional", "functional_named"]


@dataclass(frozen=True, eq=False)
class Functional:
    """A number or a vector computed from the parameters.

    Parameters
    ----------
    name : str
    function : callable
        From the flat vector theta to a vector, shape (component,); traceable by JAX.
    """

    name: str
    function: Callable[[Array], Array]

    @cached_property
    def _compiled(self) -> tuple[Callable[[NDArray], Array], Callable[[NDArray], Array]]:
        return jax.jit(self.function), jax.jit(jax.jacobian(self.function))

    def value(self, theta: NDArray) -> NDArray:
        """Shape (component,)."""
        return np.asarray(self._compiled[0](theta))

    def jacobian(self, theta: NDArray) -> NDArray:
        """Shape (component, parameter)."""
        return np.asarray(self._compiled[1](theta))

    def change(self, theta: NDArray, origin: NDArray, sign: float) -> tuple[float, NDArray]:
        """The change from its value `origin`, and the gradient.

        A number's change has the sign turned by `sign`; a vector's is its Euclidean norm.
        """
        moved, jacobian = self.value(theta) - origin, self.jacobian(theta)
        if len(moved) == 1:
            return float(sign * moved[0]), sign * jacobian[0]
        norm = float(np.linalg.norm(moved))
        return norm, moved @ jacobian / norm if norm > 0 else np.zeros(len(theta))


def functional_named(targets: Targets, wanted: str | Function) -> Functional:
    """The functional of that target, or of that function of the named parameters.

    Parameters
    ----------
    targets : Targets
    wanted : str or callable
        A parameter, an entry such as ``a[x1]``, the share, ``expert``, or a JAX function.

    Raises
    ------
    InputError
        When the name is unknown; the message gives the nearest.
    """
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", "function")
    return Functional(name, targets.function(wanted))
