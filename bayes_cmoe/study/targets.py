"""What a bound is given for: parameters, their norms and functions of them; directions in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.study.variant import Variant

__all__ = ["Function", "Targets", "combination", "expert_parameters", "targets_of"]

Function = Callable[[dict[str, Any]], Any]
Targets = dict[str, NDArray]


def combination(labels: Sequence[str], weights: NDArray, least: float = 0.15) -> str:
    """A linear combination in words; entries below `least` of the largest are left out.

    Examples
    --------
    >>> combination(["lam", "b", "nu"], np.array([0.8, -0.6, 0.01]))
    '0.80 lam - 0.60 b'
    """
    order = [i for i in np.argsort(-np.abs(weights)) if abs(weights[i]) > least * max(abs(weights))]
    words = [f"{'-' if weights[i] < 0 else '+'} {abs(weights[i]):.2f} {labels[i]}" for i in order]
    return " ".join(words).removeprefix("+ ").replace("- ", "-", 1 if weights[order[0]] < 0 else 0)


def targets_of(
    layout: Layout,
    theta: NDArray,
    expert: Sequence[str],
    functions: Mapping[str, Function] | None = None,
) -> Targets:
    """Derivatives of all that a bound is given for: name -> D, shape (component, parameter).

    Every parameter (a vector as a whole: Euclidean norm), ``exp_tau`` where there is a tau,
    ``expert`` (the joint norm of all of the expert's parameters), and the given functions.

    Parameters
    ----------
    layout : Layout
    theta : array, shape (parameter,)
    expert : sequence of str
        The expert's parameters.
    functions : mapping of str to callable, optional
        Each takes the named parameters and returns a number or a vector, by JAX.
    """
    unit = np.eye(layout.size)
    targets = {name: unit[part] for name, part in layout.slices.items()}
    if "tau" in layout.names:
        where = layout.slices["tau"]
        targets["exp_tau"] = np.exp(theta[where])[:, None] * unit[where]
    if expert:
        targets["expert"] = np.concatenate([targets[name] for name in expert])
    for name, function in (functions or {}).items():

        def of_vector(vector: Any, function: Function = function) -> Any:
            named = dict(zip(layout.names, layout.split(vector), strict=True))
            return jax.numpy.ravel(jax.numpy.asarray(function(named)))

        targets[name] = np.asarray(jax.jacobian(of_vector)(theta))
    return targets


def expert_parameters(variant: Variant, layout: Layout) -> tuple[str, ...]:
    """The parameters that are not a gate's."""
    gate = {name for gate in variant.gates for name in gate.dims}
    return tuple(name for name in layout.names if name not in gate)
