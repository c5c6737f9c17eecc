"""The prior of one parameter, as a value: uniform on a box, or weakly informative.

Values have a plain form for JSON: `content_of` and `prior_of` turn one into the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.lazy import pm

__all__ = ["Box", "Weak", "content_of", "prior_of", "spread_out"]

UNIFORM = "uniform"
KINDS = {
    UNIFORM: ("lower", "upper", "start"),
    "normal": ("center", "sd"),
    "lognormal": ("center", "sd"),
    "beta": (),
}
"""Kinds of the plain form, and the keys of each beside ``kind``."""

Numbers = float | tuple[Any, ...]


@dataclass(frozen=True)
class Box:
    """Uniform between two bounds; an optimiser looks first near `start` (the middle by default)."""

    lower: Numbers
    upper: Numbers
    start: float | None = None

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return max(np.ndim(self.lower), np.ndim(self.upper))

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        lower, upper = np.asarray(self.lower, dtype=float), np.asarray(self.upper, dtype=float)
        # An initial value has the variable's own shape: PyMC does not spread a number over it.
        shape = _shape(name, dims, lower, upper)
        start = self.start if self.start is None or not shape else np.full(shape, self.start)
        return pm.Uniform(name, lower, upper, dims=dims, initval=start)


@dataclass(frozen=True)
class Weak:
    """Normal; log-normal with sd on the log scale; or beta(1.5, 1.5) for a share."""

    kind: str
    center: Numbers = 0.0
    sd: Numbers = 1.0

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return max(np.ndim(self.center), np.ndim(self.sd))

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        center, sd = np.asarray(self.center, dtype=float), np.asarray(self.sd, dtype=float)
        _shape(name, dims, center, sd)
        if self.kind == "normal":
            return pm.Normal(name, center, sd, dims=dims)
        if self.kind == "lognormal":
            return pm.LogNormal(name, np.log(center), sd, dims=dims)
        shape = np.asarray(1.5)  # an array: PyTensor would take a bare 1.5 for single precision
        return pm.Beta(name, shape, shape, dims=dims)


def _shape(name: str, dims: tuple[str, ...], *values: NDArray) -> tuple[int, ...]:
    """The parameter's shape in the model on the stack, which the prior's numbers fit into."""
    shape = tuple(len(pm.modelcontext(None).coords[dim]) for dim in dims)
    for value in values:
        own = value.shape[::-1]
        fits = all(size in (1, there) for size, there in zip(own, shape[::-1], strict=False))
        if value.ndim > len(shape) or not fits:
            raise InputError(
                f"the prior of {name} has numbers of shape {value.shape}, the parameter has "
                f"{shape}: give one number, or as many as it has entries"
            )
    return shape


def spread_out(values: Any) -> Numbers:
    """Numbers as a prior holds them: one number, or tuples of them.

    Examples
    --------
    >>> spread_out(np.array([1.0, 2.0])), spread_out(np.array(3.0))
    ((1.0, 2.0), 3.0)
    """
    if np.ndim(values) == 0:
        return float(values)
    return tuple(spread_out(value) for value in values)


def content_of(prior: Box | Weak) -> dict[str, Any]:
    """A prior as plain values, ready for JSON.

    Examples
    --------
    >>> content_of(Weak("normal", 0.0, (1.0, 2.0)))
    {'kind': 'normal', 'center': 0.0, 'sd': [1.0, 2.0]}
    """
    kind = UNIFORM if isinstance(prior, Box) else prior.kind
    values = {key: getattr(prior, key) for key in KINDS[kind]}
    return {"kind": kind} | {
        key: np.asarray(value).tolist() for key, value in values.items() if value is not None
    }


def prior_of(name: str, content: Any) -> Box | Weak:
    """The prior of a parameter from its plain values.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    content : mapping
        As `content_of` gives it.

    Raises
    ------
    InputError
        When it is no such mapping, or a key is unknown, missing or holds no numbers.

    Examples
    --------
    >>> prior_of("tau", {"kind": "normal", "center": -2.0, "sd": 0.5})
    Weak(kind='normal', center=-2.0, sd=0.5)
    """
    if not isinstance(content, Mapping) or "kind" not in content:
        raise InputError(
            f"the prior of {name} is {shortened(repr(content))}: give an object with kind "
            f"({', '.join(KINDS)}) and its numbers"
        )
    kind = choose(f"kind of the prior of {name}", content["kind"], KINDS)
    for key in content:
        choose(f"key of the {kind} prior of {name}", key, ("kind", *KINDS[kind]))
    numbers = {key: _numbers(name, key, content[key]) for key in KINDS[kind] if key in content}
    for key in KINDS[kind]:
        if key not in numbers and key != "start":
            raise InputError(f"the {kind} prior of {name} lacks {key!r}: add it")
    return Box(**numbers) if kind == UNIFORM else Weak(kind, **numbers)


def _numbers(name: str, key: str, value: Any) -> Any:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray("")
    if array.dtype.kind not in "if":
        raise InputError(
            f"the prior of {name}: {key} = {shortened(repr(value))}: give a number, or a list"
        )
    return spread_out(array.astype(float))
