"""The prior of one parameter, as a value: uniform on a box, or weakly informative.

Values have a plain form for JSON: `content_of` and `prior_of` turn one into the other. Any other
distribution of PyMC's is a `bayes_cmoe.parts.distribution.Distribution`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.private import quiet_in_numba
from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.lazy import pm, pt

__all__ = ["Box", "Weak", "check_shape", "content_of", "prior_of", "spread_out"]

UNIFORM = "uniform"
KINDS = {
    UNIFORM: ("lower", "upper", "start"),
    "normal": ("center", "sd"),
    "lognormal": ("center", "sd"),
    "beta": ("alpha", "beta"),
}
"""Kinds of the plain form, and the keys of each beside ``kind``."""
MAY_LACK = ("start", "alpha", "beta")
"""Keys that have a default."""
FREE = "free_expert"
"""Dim of what the last expert lacks: scores less those of the last."""
WEAK = tuple(kind for kind in KINDS if kind != UNIFORM)

Numbers = float | tuple[Any, ...]


@dataclass(frozen=True)
class Box:
    """Uniform between two bounds; an optimiser looks first near `start` (the middle by default)."""

    lower: Numbers
    upper: Numbers
    start: float | None = None

    def __str__(self) -> str:
        return f"Uniform({_written(self.lower)}, {_written(self.upper)})"

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return max(np.ndim(self.lower), np.ndim(self.upper))

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        lower, upper = np.asarray(self.lower, dtype=float), np.asarray(self.upper, dtype=float)
        # An initial value has the variable's own shape: PyMC does not spread a number over it.
        shape = check_shape(name, dims, lower, upper)
        start = self.start if self.start is None or not shape else np.full(shape, self.start)
        return pm.Uniform(name, lower, upper, dims=dims, initval=start)


@dataclass(frozen=True, repr=False)
class Weak:
    """A proper prior: normal, log-normal, or beta.

    Entries are independent; but normal scores of all experts but the last, less its own, are
    correlated by one half, so that no order of the experts is likelier than another.

    Parameters
    ----------
    kind : {"normal", "lognormal", "beta"}
    center, sd : float or nested tuples
        Of a normal its mean and standard deviation; of a log-normal its median, and the standard
        deviation on the log scale.
    alpha, beta : float or nested tuples
        Of a beta.

    Raises
    ------
    InputError
        When the kind is another, or a number is given that its kind does not have.

    Examples
    --------
    >>> Weak("beta"), str(Weak("normal", 0.0, (2.5, 1.0)))
    (Weak(kind='beta', alpha=1.5, beta=1.5), 'Normal(0, [2.5, 1])')
    """

    kind: str
    center: Numbers = 0.0
    sd: Numbers = 1.0
    alpha: Numbers = 1.5
    beta: Numbers = 1.5

    def __post_init__(self) -> None:
        choose("kind of a weak prior", self.kind, WEAK)
        own = KINDS[self.kind]
        for number in fields(self)[1:]:
            if number.name not in own and np.any(getattr(self, number.name) != number.default):
                raise InputError(
                    f"a {self.kind} prior has no {number.name}: give {' and '.join(own)}"
                )

    def __repr__(self) -> str:
        own = ", ".join(f"{key}={getattr(self, key)!r}" for key in KINDS[self.kind])
        return f"Weak(kind={self.kind!r}, {own})"

    def __str__(self) -> str:
        if self.kind == "lognormal":
            return f"LogNormal(log {_written(self.center)}, {_written(self.sd)})"
        numbers = ", ".join(_written(getattr(self, key)) for key in KINDS[self.kind])
        return f"{self.kind.capitalize()}({numbers})"

    @property
    def support(self) -> tuple[float, float]:
        """Where its density is positive."""
        lower = -np.inf if self.kind == "normal" else 0.0
        return lower, 1.0 if self.kind == "beta" else np.inf

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return max(np.ndim(getattr(self, key)) for key in KINDS[self.kind])

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        # Arrays: PyTensor would take a bare 1.5 for single precision.
        own = [np.asarray(getattr(self, key), dtype=float) for key in KINDS[self.kind]]
        shape = check_shape(name, dims, *own)
        if self.kind == "normal":
            if dims[:1] == (FREE,) and shape[0] > 1 and self.rank < len(dims):
                return _differences(name, dims, *(np.broadcast_to(one, shape) for one in own))
            return pm.Normal(name, *own, dims=dims)
        if self.kind == "lognormal":
            return pm.LogNormal(name, np.log(own[0]), own[1], dims=dims)
        return pm.Beta(name, *own, dims=dims)


def _differences(name: str, dims: tuple[str, ...], center: NDArray, sd: NDArray) -> Tensor:
    """Normals (free_expert, ...) that are differences of independent ones from the last expert's.

    Covariance sd² (1 + [i = j]) / 2 between experts i and j, none between features. Whatever expert
    is the last, the joint density is the same: the experts are exchangeable.
    """
    free = len(center)

    def logp(value: Tensor, center: Tensor, sd: Tensor) -> Tensor:
        z = (value - center) / sd
        square = pt.sum(z**2) - pt.sum(pt.sum(z, axis=0) ** 2) / (free + 1)
        columns = pt.prod(z.shape[1:]) if z.ndim > 1 else 1
        volume = 0.5 * columns * (np.log(free + 1.0) + free * np.log(np.pi))
        return -square - volume - pt.sum(pt.log(sd))

    def random(
        center: NDArray, sd: NDArray, rng: Generator, size: tuple[int, ...] | None = None
    ) -> NDArray:
        front = size or ()
        raw = rng.standard_normal((*front, free + 1, *center.shape[1:])) / 2.0**0.5
        raw = np.moveaxis(raw, len(front), 0)
        return center + sd * np.moveaxis(raw[:-1] - raw[-1:], 0, len(front))

    core = "(k)" if center.ndim == 1 else "(k,f)"
    quiet_in_numba("DifferencesFromTheLast")
    return pm.CustomDist(
        name,
        center,
        sd,
        logp=logp,
        random=random,
        signature=f"{core},{core}->{core}",
        dims=dims,
        class_name="DifferencesFromTheLast",
    )


def _written(values: Any) -> str:
    """Numbers for a reader, with four digits."""
    if np.ndim(values) == 0:
        return f"{float(values):.4g}"
    return f"[{', '.join(_written(value) for value in values)}]"


def check_shape(name: str, dims: tuple[str, ...], *values: NDArray) -> tuple[int, ...]:
    """The parameter's shape in the model on the stack, which the prior's numbers fit into.

    Raises
    ------
    InputError
        When they do not.
    """
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
        if key not in numbers and key not in MAY_LACK:
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
