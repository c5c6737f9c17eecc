"""A functional psi of the parameters: one of them, an entry, exp tau, a norm, or any function."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.errors import choose
from bayes_cmoe.study.targets import Function

__all__ = ["Functional", "functional_named"]

Array = Any


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


def functional_named(layout: Layout, wanted: str | Function, expert: Sequence[str]) -> Functional:
    """The functional of that name, or of that function of the named parameters.

    Parameters
    ----------
    layout : Layout
    wanted : str or callable
        A parameter, an entry such as ``a[x1]``, ``exp_tau``, ``expert``, or a JAX function.
    expert : sequence of str
        The parameters that make up ``expert``.

    Raises
    ------
    InputError
        When the name is unknown; the message gives the nearest.

    Examples
    --------
    >>> layout = Layout(("lam", "a"), ((), (2,)), ((), ("feature",)), {"feature": ("x1", "x2")})
    >>> functional_named(layout, "a[x2]", ("a",)).value(np.array([0.5, 1.0, 2.0]))
    array([2.])
    """
    if not isinstance(wanted, str):
        given = wanted

        def of_vector(theta: Array) -> Array:
            named = dict(zip(layout.names, layout.split(theta), strict=True))
            return jnp.ravel(jnp.asarray(given(named)))

        return Functional(getattr(given, "__name__", "function"), of_vector)
    places = {label: [i] for i, label in enumerate(layout.labels)}
    every = list(range(layout.size))
    places |= {name: every[part] for name, part in layout.slices.items()}
    places["expert"] = [i for name in expert for i in places[name]]
    known = [*places, "exp_tau"] if "tau" in layout.names else list(places)
    choose("parameter", wanted, known)
    where = np.array(places["tau" if wanted == "exp_tau" else wanted])

    def entries(theta: Array) -> Array:
        return jnp.exp(theta[where]) if wanted == "exp_tau" else theta[where]

    return Functional(wanted, entries)
