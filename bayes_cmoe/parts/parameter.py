"""An unknown of a mixture: its name, dims, role, support and default prior, said in one place.

The gate, the expert or the family that owns a parameter declares it. Priors, starts, targets, the
command line and the reports read declarations, so no name is known to them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.prior import Weak

__all__ = [
    "Parameter",
    "Reference",
    "Role",
    "gate_level",
    "gate_slopes",
    "identity",
    "intercept",
    "location",
    "share",
    "slopes",
    "variance",
]

REALS = (-np.inf, np.inf)


def identity[Value](value: Value) -> Value:
    """What a part does with a value that it uses as it is."""
    return value


class Role(StrEnum):
    """What a parameter is for, which is what the engine may ask."""

    GATE = "gate"
    LOCATION = "location"
    SCALE = "scale"


@dataclass(frozen=True, eq=False)
class Reference:
    """Where a table lies and how it spreads: what weak priors are scaled by.

    Parameters
    ----------
    x_center, x_spread : array, shape (feature,)
    y_center, y_spread : float
        Of what an expert's function predicts: of the response itself, or 0 and 1 for logits, log
        rates and experts with a scale of their own.
    y_variance : float
    """

    x_center: NDArray
    x_spread: NDArray
    y_center: float
    y_spread: float
    y_variance: float

    @classmethod
    def of(cls, data: Data, *, unit: bool) -> "Reference":
        """The reference of a table; `unit` when an expert's function has a scale of its own."""
        spread = data.x.std(axis=0)
        center = (0.0, 1.0) if unit else (float(data.y.mean()), float(data.y.std()) or 1.0)
        spread = np.where(spread > 0, spread, 1.0)
        return cls(data.x.mean(axis=0), spread, *center, float(data.y.var()))

    @property
    def reach(self) -> float:
        """How much wider an intercept is: stated at x = 0, which may lie far outside the data."""
        return float(np.sqrt(1.0 + np.sum((self.x_center / self.x_spread) ** 2)))


@dataclass(frozen=True, eq=False)
class Parameter:
    """A declaration.

    Parameters
    ----------
    name : str
    dims : tuple of str
    role : Role
    weak : callable
        ``weak(reference)``, its default proper prior.
    support : (lower, upper)
        Outside of it the parameter has no meaning.
    long_name : str
        What it is, in a few words.
    units : str
        ``{h}`` stands for the unit of the expert's function h, which is that of the response unless
        h has a scale of its own.
    """

    name: str
    dims: tuple[str, ...]
    role: Role
    weak: Callable[[Reference], Weak]
    support: tuple[float, float] = REALS
    long_name: str = ""
    units: str = ""

    def within(self, *dims: str) -> "Parameter":
        """The same parameter with other dims in front."""
        return replace(self, dims=(*dims, *self.dims))

    def measured(self, unit: str) -> "Parameter":
        """The same parameter where the expert's function has this unit."""
        return replace(self, units=self.units.replace("{h}", unit))


def share(name: str) -> Parameter:
    """A gate's share in (0, 1): Beta(1.5, 1.5)."""
    return Parameter(
        name, (), Role.GATE, lambda reference: Weak("beta"), (0.0, 1.0), "share of the rows", "1"
    )


def gate_slopes(name: str) -> Parameter:
    """A gate's slopes (feature,): normal, sd 2.5 a standard deviation of x."""
    return Parameter(
        name,
        ("feature",),
        Role.GATE,
        lambda reference: Weak("normal", 0.0, tuple(2.5 / reference.x_spread)),
        long_name="slopes of the gate's log-odds",
        units="1 / unit of x",
    )


def gate_level(name: str) -> Parameter:
    """A gate's intercept: normal, sd 2.5, wider where x = 0 lies far off."""
    return Parameter(
        name,
        (),
        Role.GATE,
        lambda reference: Weak("normal", 0.0, 2.5 * reference.reach),
        long_name="the gate's log-odds at x = 0",
        units="1",
    )


def slopes(name: str) -> Parameter:
    """An expert's slopes (feature,): normal, sd 2.5 spreads of y a standard deviation of x."""
    return Parameter(
        name,
        ("feature",),
        Role.LOCATION,
        lambda reference: Weak("normal", 0.0, tuple(2.5 / reference.x_spread * reference.y_spread)),
        long_name="slopes of the expert",
        units="{h} / unit of x",
    )


def intercept(name: str) -> Parameter:
    """An expert's intercept: normal about y's centre, sd 2.5 spreads of y, wider with the reach."""
    return Parameter(
        name,
        (),
        Role.LOCATION,
        lambda reference: Weak(
            "normal", reference.y_center, 2.5 * reference.y_spread * reference.reach
        ),
        long_name="intercept of the expert",
        units="{h}",
    )


def location(name: str, dims: tuple[str, ...] = ()) -> Parameter:
    """Any other parameter of an expert's function: normal, sd 2.5 spreads of y."""
    return Parameter(
        name,
        dims,
        Role.LOCATION,
        lambda reference: Weak("normal", 0.0, 2.5 * reference.y_spread),
        long_name="parameter of the expert",
    )


def variance(name: str) -> Parameter:
    """A variance: log-normal about half the variance of y, sd 1.5 on the log scale."""
    return Parameter(
        name,
        (),
        Role.SCALE,
        lambda reference: Weak("lognormal", reference.y_variance / 2.0 or 1.0, 1.5),
        (0.0, np.inf),
        long_name="variance about the expert",
        units="(unit of y)^2",
    )
