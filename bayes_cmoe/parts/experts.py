"""Expert functions h(x; eta): what an expert predicts at x.

A scalar response reads h as its mean; a class response reads h as the logits of the
first K - 1 classes, the last class being the reference with logit 0. An expert around the frozen
one (``calibration``: h = Ax + b) has logits log f0 + h: it holds f0 itself, at h = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows, blocked_map
from bayes_cmoe.compiled.graphs import jaxify
from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pt
from bayes_cmoe.parts.outside import REGISTRIES, register, registered
from bayes_cmoe.parts.parameter import Parameter, identity, intercept, location, slopes
from bayes_cmoe.shown import Shown

__all__ = ["EXPERTS", "Expert", "evaluate", "expert_named", "register_expert"]


@dataclass(frozen=True, eq=False, repr=False)
class Expert(Shown):
    """An expert function h(x; eta).

    Parameters
    ----------
    name : str
        How the registry, the command line and the reports call it.
    parameters : sequence of Parameter, or mapping of str to tuple of str
        Its parameters for a scalar response. A mapping gives their dims, for example
        ``{"a": ("feature",), "b": ()}``, and with them slopes and intercepts. A class response puts
        ``"free_class"`` in front.
    mean : callable
        ``mean(x, **parameters)``, a PyTensor expression: x of shape (n, feature) gives (n,),
        and (n, class - 1) when every parameter has the class axis in front.
    bounded : bool
        Whether h has a scale of its own (tanh, sigmoid) or takes the response's (linear, relu).
        Only the default priors look at it.
    sizes : mapping of str to int
        Lengths of dims of its own, such as the units of a hidden layer.
    around_frozen : bool
        Whether the expert's logits are those of the frozen expert and h: p ~ f0 exp(h).
    """

    name: str
    parameters: Sequence[Parameter] | Mapping[str, tuple[str, ...]]
    mean: Callable[..., Tensor]
    bounded: bool = False
    sizes: Mapping[str, int] = MappingProxyType({})
    around_frozen: bool = False

    def shown(self) -> dict[str, Any]:
        """Its name and its parameters."""
        names = [parameter.name for parameter in self.declared]
        return {"name": self.name, "parameters": names}

    @cached_property
    def declared(self) -> tuple[Parameter, ...]:
        """Its parameters' declarations."""
        if not isinstance(self.parameters, Mapping):
            return tuple(self.parameters)
        return tuple(_declared(name, dims) for name, dims in self.parameters.items())

    @property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Dimensions of each parameter for a scalar response."""
        return {parameter.name: parameter.dims for parameter in self.declared}


def _declared(name: str, dims: tuple[str, ...]) -> Parameter:
    if dims == ("feature",):
        return slopes(name)
    return location(name, dims) if dims else intercept(name)


def _tanh(z: Tensor) -> Tensor:
    return pt.tanh(z)


def _sigmoid(z: Tensor) -> Tensor:
    return pt.sigmoid(z)


def _relu(z: Tensor) -> Tensor:
    # Not a maximum, whose derivative JAX takes by comparing it with arguments that may be rounded
    # differently there.
    return pt.switch(pt.gt(z, 0.0), z, 0.0)


def _gelu(z: Tensor) -> Tensor:
    return 0.5 * z * pt.erfc(-z / np.sqrt(2.0))


def _with_bias(activation: Callable[[Tensor], Tensor], x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return activation(x @ a.T + b)


def _without_bias(activation: Callable[[Tensor], Tensor], x: Tensor, a: Tensor) -> Tensor:
    return activation(x @ a.T)


_ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "linear": (identity, False),
    "tanh": (_tanh, True),
    "sigmoid": (_sigmoid, True),
    "gelu": (_gelu, False),
    "relu": (_relu, False),
}

_BIASED = MappingProxyType({"a": ("feature",), "b": ()})
_UNBIASED = MappingProxyType({"a": ("feature",)})

EXPERTS: dict[str, Expert] = {}
for _name, (_activation, _bounded) in _ACTIVATIONS.items():
    EXPERTS[_name] = Expert(_name, _BIASED, partial(_with_bias, _activation), _bounded)
    EXPERTS[f"{_name}-nobias"] = Expert(
        f"{_name}-nobias", _UNBIASED, partial(_without_bias, _activation), _bounded
    )

EXPERTS["calibration"] = Expert(
    "calibration", _BIASED, partial(_with_bias, identity), around_frozen=True
)

REGISTRIES.append(EXPERTS)


def register_expert(expert: Expert) -> Expert:
    """Make an expert known by its name to every variant and to the command line.

    Raises
    ------
    InputError
        When the name is taken by another expert.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> wave = Expert("sine", {"a": ("feature",)}, lambda x, a: pt.sin(x @ a.T), bounded=True)
    >>> register_expert(wave).name
    'sine'
    >>> del EXPERTS["sine"]
    """
    return register("expert", EXPERTS, expert)


def expert_named(expert: str | Expert) -> Expert:
    """Return the expert of that name; an `Expert` is returned as it is."""
    if isinstance(expert, Expert):
        return expert
    return registered("expert", EXPERTS, expert)


@lru_cache(maxsize=64)
def _compiled(expert: Expert, ndims: tuple[int, ...]) -> Callable[[Any, Rows], Any]:
    x = pt.matrix("x", dtype="float64")
    parameters = {
        name: pt.tensor(name, dtype="float64", shape=(None,) * ndim)
        for name, ndim in zip(expert.dims, ndims, strict=True)
    }
    mean = jaxify([x, *parameters.values()], [expert.mean(x, **parameters)])
    return blocked_map(lambda values, columns: mean(*columns, *values)[0])


def evaluate(expert: Expert, x: ArrayLike, parameters: Mapping[str, ArrayLike]) -> NDArray:
    """h(x; eta) as numbers.

    Parameters
    ----------
    expert : Expert
    x : array, shape (n, feature)
    parameters : mapping of str to array
        One entry for each name in ``expert.dims``.

    Returns
    -------
    array, shape (n,) or (n, class - 1)

    Raises
    ------
    InputError
        When a parameter is missing or unknown.

    Examples
    --------
    >>> evaluate(EXPERTS["linear"], [[1.0], [2.0]], {"a": [3.0], "b": 1.0})
    array([4., 7.])
    """
    if set(parameters) != set(expert.dims):
        raise InputError(
            f"expert {expert.name!r} takes the parameters {', '.join(expert.dims)}; "
            f"got {', '.join(parameters) or 'none'}"
        )
    values = [np.asarray(parameters[name], dtype=float) for name in expert.dims]
    compiled = _compiled(expert, tuple(value.ndim for value in values))
    return compiled(values, Rows.of({"x": np.asarray(x, dtype=float)}, ("x",)))
