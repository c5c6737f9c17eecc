"""Plausible truths of an expert form, drawn from what is believed of share, shift and spread."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.parameter import Role
from bayes_cmoe.theory.forms import Form

__all__ = ["Beliefs", "Sizes", "plausible"]

RIDGE = 1e-6
"""Of the weak prior beside a row: what does not move the function is not moved."""
FARTHEST = 2.0**30
LARGEST = 1e6


@dataclass(frozen=True)
class Beliefs:
    """Ranges of what is believed of the new task, each (least, most).

    Parameters
    ----------
    share : tuple of float
        The prompt's share, on average over the rows; inside (0, 1).
    shift : tuple of float
        How far the prompt's function lies from the point of its form that is nearest to f0: root
        mean square over the rows, in standard deviations of f0 (in logits for classes).
    spread : tuple of float
        The prompt's standard deviation in units of f0's; classes have none.
    steepness : tuple of float
        How much the gate's log-odds vary over the rows: their standard deviation. A constant gate
        has none.

    Raises
    ------
    InputError
        When a range is reversed or leaves what makes sense.
    """

    share: tuple[float, float] = (0.1, 0.5)
    shift: tuple[float, float] = (0.5, 2.0)
    spread: tuple[float, float] = (0.5, 1.5)
    steepness: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        edges = {"share": (0.0, 1.0), "shift": (0.0, LARGEST), "spread": (0.0, LARGEST)}
        for own in fields(self):
            least, most = getattr(self, own.name)
            lower, upper = edges.get(own.name, (-np.finfo(float).tiny, LARGEST))
            if not lower < least <= most < upper:
                raise InputError(
                    f"{own.name} from {least:g} to {most:g}: give two numbers in order, above "
                    f"{max(lower, 0.0):g}{'' if lower >= 0 else ' or equal to it'} and below "
                    f"{upper:g}"
                )

    def drawn(self, count: int, seed: int) -> list[Sizes]:
        """So many draws, each quantity uniform on its range and spread evenly over it."""
        rng = np.random.default_rng([1411, seed])
        strata = [(rng.permutation(count) + rng.random(count)) / count for _ in fields(self)]
        ranges = [getattr(self, own.name) for own in fields(self)]
        each = zip(ranges, strata, strict=True)
        columns = [low + (high - low) * own for (low, high), own in each]
        return [Sizes(*map(float, row)) for row in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Sizes:
    """One draw of `Beliefs`."""

    share: float
    shift: float
    spread: float
    steepness: float


def plausible(
    form: Form, center: NDArray, sizes: Sizes, rng: np.random.Generator
) -> NDArray | None:
    """A truth of these sizes, in a direction drawn at random; None where the form has none.

    Directions are even among functions, whatever the units and the middle of the inputs: white
    noise over the rows, projected on what the form can do at the centre.

    Parameters
    ----------
    form : Form
    center : array, shape (parameter,)
        The form's point nearest to f0.
    sizes : Sizes
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (parameter,), or None where the function cannot move that far.
    """
    moved = _shifted(form, center, sizes.shift, rng)
    if moved is None:
        return None
    return _gated(form, _spread(form, moved, sizes.spread), sizes, rng)


def _shifted(form: Form, center: NDArray, shift: float, rng: np.random.Generator) -> NDArray | None:
    here, slopes = form.function.value(center), form.function.jacobian(center)
    own = np.flatnonzero(np.any(slopes != 0.0, axis=0))
    rows = len(form.used["x"])
    ridge = np.diag((RIDGE * rows) ** 0.5 / form.units[own])
    drawn = np.concatenate([rng.standard_normal(len(here)), np.zeros(len(own))])
    direction = np.zeros(len(center))
    direction[own] = np.linalg.lstsq(np.concatenate([slopes[:, own], ridge]), drawn)[0]
    direction *= rows**0.5

    def excess(length: float) -> float:
        away = form.function.value(center + length * direction) - here
        return float(np.sqrt(np.sum(away**2) / rows)) - shift

    high = 1.0
    while not excess(high) > 0.0:
        high *= 2.0
        if high > FARTHEST:
            return None
    return center + brentq(excess, 0.0, high, xtol=1e-12, rtol=1e-10) * direction


def _spread(form: Form, theta: NDArray, spread: float) -> NDArray:
    """The prompt's spread in units of f0's, by its family's own parameters."""
    layout = form.engine.layout
    names = form.targets.mixture.names(Role.SCALE)
    if not names:
        return theta
    wanted, power = (spread * form.scale) ** 2, 1.0
    found = theta.copy()
    variance = form.variance(found, 1)
    # Variances are a power of what they have as a parameter; the first step finds which.
    for _ in range(20):
        if abs(np.log(variance / wanted)) < 1e-9:
            break
        factor = (wanted / variance) ** (1.0 / power)
        for name in names:
            found[layout.slices[name]] *= factor
        before, variance = variance, form.variance(found, 1)
        power = float(np.log(variance / before) / np.log(factor)) or power
    return found


def _gated(form: Form, theta: NDArray, sizes: Sizes, rng: np.random.Generator) -> NDArray:
    """The gate at a mean share, with slopes in a random direction."""
    gate, layout = form.targets.mixture.gate, form.engine.layout
    found = form.targets.with_gate(theta, gate.level)
    x = form.used["x"]
    for parameter in gate.parameters:
        if parameter.dims == ("feature",):
            slopes = rng.standard_normal(x.shape[1]) / x.std(axis=0)
            size = float(np.std(x @ slopes))
            found[layout.slices[parameter.name]] = sizes.steepness * slopes / size
    share, place = gate.share, layout.slices[gate.share.parameter]
    if share.is_parameter:
        found[place] = sizes.share
        return found
    level = found[place].copy()

    def excess(log_n: float) -> float:
        found[place] = share.vanish(level, np.exp(log_n), 1.0)
        return float(np.mean(form.share(found))) - sizes.share

    # The gate's level may be far from where the rows are.
    reach = 1.0
    while not (excess(-reach) > 0.0 > excess(reach)):
        reach *= 2.0
        if reach > 600.0:
            raise InputError(f"the {gate.name} gate has no mean share of {sizes.share:g} here")
    found[place] = share.vanish(level, np.exp(brentq(excess, -reach, reach, xtol=1e-12)), 1.0)
    return found
