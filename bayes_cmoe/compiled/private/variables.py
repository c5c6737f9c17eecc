"""Random variables: how they are drawn, written, changed and borrowed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from bayes_cmoe.lazy import pm

if TYPE_CHECKING:
    from bayes_cmoe.compiled.types import Tensor

__all__ = [
    "Sampler",
    "borrowed",
    "continuous_distributions",
    "density_sampler",
    "depends_on_random",
    "is_random",
    "quiet_in_numba",
    "ties_entries",
    "with_leading",
    "written",
]


class Sampler(NamedTuple):
    """How a random variable is drawn.

    Parameters
    ----------
    draw : callable
        ``draw(rng, *arguments, None)``, in NumPy.
    arguments : sequence of tensors
        What it takes, as expressions in the model.
    cores : tuple of int
        Number of core dimensions of each argument.
    """

    draw: Callable[..., NDArray]
    arguments: Sequence[Tensor]
    cores: tuple[int, ...]


def density_sampler(variable: Tensor) -> Sampler:
    """The sampler of a random variable with a `random` method."""
    op = variable.owner.op
    return Sampler(op.rng_fn, op.dist_params(variable.owner), tuple(op.ndims_params))


def with_leading(variable: Tensor, leading: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The same random variable with other arguments in front, and the arguments that it had there.

    Parameters
    ----------
    variable : tensor
    leading : sequence of tensors
        Take the place of as many of the variable's arguments.
    """
    op = variable.owner.op
    rng, size, *arguments = variable.owner.inputs
    count = len(leading)
    node = op.make_node(rng, size, *leading, *arguments[count:])
    return node.outputs[1], arguments[:count]


def is_random(variable: Any) -> bool:
    """Whether something is a random variable, such as ``pm.Beta.dist(2, 8)`` returns."""
    op = getattr(getattr(variable, "owner", None), "op", None)
    return hasattr(op, "ndim_supp") and hasattr(op, "dist_params")


def written(variable: Tensor) -> str:
    """A random variable as PyMC writes it, such as ``Beta(2, 8)``."""
    from pymc.printing import str_for_dist

    return str(str_for_dist(variable, formatting="plain")).rpartition("~ ")[2]


def ties_entries(variable: Tensor) -> bool:
    """Whether several entries of a random variable are drawn together."""
    return bool(variable.owner.op.ndim_supp)


def depends_on_random(variable: Tensor) -> bool:
    """Whether a random variable's arguments hold others."""
    from pytensor.graph.traversal import ancestors

    return any(is_random(node) for node in ancestors(list(variable.owner.inputs)))


def continuous_distributions() -> dict[str, Any]:
    """PyMC's continuous distributions of one number, by name."""
    from pymc.distributions import continuous

    return {name: getattr(continuous, name) for name in continuous.__all__}


def borrowed(variable: Tensor, name: str, dims: tuple[str, ...]) -> Tensor:
    """A random variable like a given one, in the model on the stack, with these dims.

    Parameters
    ----------
    variable : tensor
        Of any model or of none; it stays as it is.
    name : str
    dims : tuple of str
        Of the model; the given one's own shape fits into theirs.
    """
    from pymc.distributions.shape_utils import change_dist_size

    model = pm.modelcontext(None)
    shape = tuple(len(model.coords[dim]) for dim in dims)
    return model.register_rv(change_dist_size(variable, shape), name, dims=dims)


def quiet_in_numba(name: str) -> None:
    """Let PyMC draw from a random variable of this class name without Numba's warning.

    It says that a sampler in NumPy is called from compiled code, which is what ours are for.
    """
    message = f"Numba will use object mode to run {name}"
    warnings.filterwarnings("ignore", message, UserWarning)
