"""The prior of one parameter, as a value: uniform on a box, or weakly informative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.lazy import pm

__all__ = ["Box", "Weak"]


@dataclass(frozen=True)
class Box:
    """Uniform between two bounds; an optimiser looks first near `start` (the middle by default)."""

    lower: float | tuple[float, ...]
    upper: float | tuple[float, ...]
    start: float | None = None

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return max(np.ndim(self.lower), np.ndim(self.upper))

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        lower, upper = np.asarray(self.lower, dtype=float), np.asarray(self.upper, dtype=float)
        # An initial value has the variable's own shape: PyMC does not spread a number over it.
        shape = tuple(len(pm.modelcontext(None).coords[dim]) for dim in dims)
        start = self.start if self.start is None or not shape else np.full(shape, self.start)
        return pm.Uniform(name, lower, upper, dims=dims, initval=start)


@dataclass(frozen=True)
class Weak:
    """Normal; log-normal with sd on the log scale; or beta(1.5, 1.5) for a share."""

    kind: str
    center: float | tuple[float, ...] = 0.0
    sd: float | tuple[float, ...] = 1.0

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return max(np.ndim(self.center), np.ndim(self.sd))

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        center, sd = np.asarray(self.center, dtype=float), np.asarray(self.sd, dtype=float)
        if self.kind == "normal":
            return pm.Normal(name, center, sd, dims=dims)
        if self.kind == "lognormal":
            return pm.LogNormal(name, np.log(center), sd, dims=dims)
        shape = np.asarray(1.5)  # an array: PyTensor would take a bare 1.5 for single precision
        return pm.Beta(name, shape, shape, dims=dims)
