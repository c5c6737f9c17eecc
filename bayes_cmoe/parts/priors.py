"""Priors for the unknown G = (gate; eta; nu): a flat one on a compact box, a weak proper one.

Under the flat prior the posterior mode is the maximum-likelihood estimate over the box, which is
the setting of the theory. The prior is O(1) and the likelihood O(n): the choice fades as the data
grow, except along directions in which the prompt merges with the frozen expert or vanishes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm

from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.gates import Gate

__all__ = ["Box", "Prior", "Weak", "free_parameters", "priors_for"]

Tensor = Any

SUPPORTS = {"lam": (0.0, 1.0, ("beta",)), "nu": (0.0, np.inf, ("lognormal", "beta"))}
"""Where a parameter has a meaning, and the weak priors that stay there."""
REALS = (-np.inf, np.inf, ("normal", "lognormal", "beta"))
WIDTH = 10.0
"""Half-width of the flat box, in standard deviations of the weak prior."""
NARROWEST, BROADEST = 1e-4, 1e2
"""Edges of the flat box of a variance, as shares of the variance of y. The likelihood has no upper
bound as the variance of a prompt on a handful of rows shrinks, so the lower one matters: at a
hundredth of the standard deviation of y such spikes lose against real prompts of tens of rows."""


@dataclass(frozen=True)
class Box:
    """Uniform between two bounds; an optimiser looks first near `start` (the middle by default)."""

    lower: float | tuple[float, ...]
    upper: float | tuple[float, ...]
    start: float | None = None

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        lower, upper = np.asarray(self.lower, dtype=float), np.asarray(self.upper, dtype=float)
        return pm.Uniform(name, lower, upper, dims=dims, initval=self.start)


@dataclass(frozen=True)
class Weak:
    """Normal; log-normal with sd on the log scale; or beta(1.5, 1.5) for a share."""

    kind: str
    center: float | tuple[float, ...] = 0.0
    sd: float | tuple[float, ...] = 1.0

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack."""
        center, sd = np.asarray(self.center, dtype=float), np.asarray(self.sd, dtype=float)
        if self.kind == "normal":
            return pm.Normal(name, center, sd, dims=dims)
        if self.kind == "lognormal":
            return pm.LogNormal(name, np.log(center), sd, dims=dims)
        shape = np.asarray(1.5)  # an array: PyTensor would take a bare 1.5 for single precision
        return pm.Beta(name, shape, shape, dims=dims)


Prior = str | Mapping[str, Box | Weak | tuple[float, float]]


def _weak_defaults(data: Data, expert: Expert) -> dict[str, Weak]:
    """Weakly informative priors on the scale of the data."""
    center, spread = data.x.mean(axis=0), data.x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    # An intercept is stated at x = 0, which may lie far outside the data.
    reach = np.sqrt(1.0 + np.sum((center / spread) ** 2))
    unit = data.classes is not None or expert.bounded
    y_center, y_spread = (0.0, 1.0) if unit else (data.y.mean(), data.y.std() or 1.0)
    slope = 2.5 / spread
    defaults = {
        "lam": Weak("beta"),
        "beta": Weak("normal", 0.0, tuple(slope)),
        "tau": Weak("normal", 0.0, 2.5 * reach),
        "a": Weak("normal", 0.0, tuple(slope * y_spread)),
        "b": Weak("normal", float(y_center), float(2.5 * y_spread * reach)),
        "nu": Weak("lognormal", float(data.y.var() / 2.0) or 1.0, 1.5),
    }
    own = set(expert.dims) - set(defaults)
    return defaults | {name: Weak("normal", 0.0, float(2.5 * y_spread)) for name in own}


def _flat_defaults(weak: Mapping[str, Weak]) -> dict[str, Box]:
    boxes = {}
    for name, prior in weak.items():
        center, half = np.asarray(prior.center), WIDTH * np.asarray(prior.sd)
        if prior.kind == "beta":
            boxes[name] = Box(0.0, 1.0)
        elif prior.kind == "lognormal":
            # A weak prior's centre is half the variance of y.
            lower, upper = 2.0 * NARROWEST * center, 2.0 * BROADEST * center
            boxes[name] = Box(float(lower), float(upper), start=float(center))
        else:
            lower, upper = center - half, center + half
            boxes[name] = Box(_plain(lower), _plain(upper))
    return boxes


def _plain(values: Any) -> float | tuple[float, ...]:
    return float(values) if np.ndim(values) == 0 else tuple(float(v) for v in values)


def free_parameters(gate: Gate, expert: Expert, *, scalar: bool) -> dict[str, tuple[str, ...]]:
    """Names and dims of all unknowns, in the order gate, expert, variance.

    Parameters
    ----------
    gate : Gate
    expert : Expert
    scalar : bool
        True for a scalar response (which adds ``nu``), False for a class response (which puts
        ``free_class`` in front of the expert's dims).
    """
    if scalar:
        return {**gate.dims, **expert.dims, "nu": ()}
    return {**gate.dims, **{name: ("free_class", *dims) for name, dims in expert.dims.items()}}


def priors_for(prior: Prior, data: Data, gate: Gate, expert: Expert) -> dict[str, Box | Weak]:
    """A prior for each unknown.

    Parameters
    ----------
    prior : {"flat", "weak"} or mapping of str to Box, Weak or (lower, upper)
        ``"flat"``: uniform on a box of 10 weak standard deviations on either side, nu between
        1e-4 and 100 times the variance of y, lam in (0, 1). ``"weak"``: weakly informative on the
        data's scale. A mapping replaces the weak prior of the parameters that it names.
    data : Data
    gate : Gate
    expert : Expert

    Raises
    ------
    InputError
        When the name is unknown, a mapping names an unknown parameter, or a prior is of no known
        kind, reversed, not bounded, or leaves the parameter's support (lam 0 to 1, nu above 0).

    Examples
    --------
    >>> from bayes_cmoe.parts.experts import EXPERTS
    >>> from bayes_cmoe.parts.gates import constant
    >>> data = Data(x=[0.0, 1.0, 2.0], y=[1.0, 1.5, 1.9])
    >>> priors_for({"lam": (0.0, 0.5)}, data, constant, EXPERTS["tanh"])["lam"]
    Box(lower=0.0, upper=0.5, start=None)
    """
    wanted = free_parameters(gate, expert, scalar=data.classes is None)
    weak = {name: w for name, w in _weak_defaults(data, expert).items() if name in wanted}
    if isinstance(prior, str):
        chosen = choose("prior", prior, ("flat", "weak"))
        return dict(_flat_defaults(weak)) if chosen == "flat" else dict(weak)
    for name in prior:
        choose("parameter", name, wanted)
    return {**weak, **{name: _checked(name, value) for name, value in prior.items()}}


def _checked(name: str, prior: Any) -> Box | Weak:
    """One parameter's prior, of a kind there is and inside the parameter's support."""
    lowest, highest, kinds = SUPPORTS.get(name, REALS)
    if isinstance(prior, Weak):
        choose(f"weak prior of {name}", prior.kind, kinds)
        center, sd = numbers(f"the center of {name}", prior.center), numbers("sd", prior.sd)
        if not (np.isfinite(center).all() and np.isfinite(sd).all() and (sd > 0).all()):
            raise InputError(f"the prior of {name}: give a finite center and a positive sd")
        if prior.kind == "lognormal" and not (center > 0).all():
            raise InputError(f"the log-normal prior of {name}: give a positive center")
        return prior
    if isinstance(prior, tuple) and len(prior) == 2:
        bounds = [numbers(f"the box of {name}", bound) for bound in prior]
        prior = Box(_plain(bounds[0]), _plain(bounds[1]))
    if not isinstance(prior, Box):
        raise InputError(
            f"the prior of {name} is {shortened(repr(prior))}: give (lower, upper), a Box or a Weak"
        )
    lower, upper = (numbers(f"the box of {name}", bound) for bound in (prior.lower, prior.upper))
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        raise InputError(f"the box of {name} is not bounded: give two finite numbers")
    if not np.all(lower < upper):
        raise InputError(f"the box of {name} is empty: its lower bound must be below its upper")
    if not (np.all(lower >= lowest) and np.all(upper <= highest)):
        raise InputError(
            f"the box of {name}, {_plain(lower)} to {_plain(upper)}, leaves its support, "
            f"{lowest:g} to {highest:g}: give bounds inside"
        )
    if prior.start is not None and not np.all((lower <= prior.start) & (prior.start <= upper)):
        raise InputError(f"the box of {name} does not hold its start: give a start inside")
    return prior
