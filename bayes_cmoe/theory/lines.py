"""Fits along which one number is held: an entry of theta, the share, or share times displacement.

Where a prompt merges, its share and its displacement from the frozen expert are confused, but their
product is the first moment of the departure, which the data identify at n^-1/2 always; so it is
offered beside the parameters themselves. Displacements are from the prompt nearest to the frozen
expert in the sense of Kullback and Leibler, which is the frozen expert itself where it is of the
prompt's form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.study.targets import Targets
from bayes_cmoe.theory.cover import Ground

__all__ = ["Entry", "Line", "Product", "line_named", "line_names", "parameter_of_share"]

BISECTIONS = 80
STEP = 1e-6
TIMES = "*"
"""Between the share's name and an expert's entry in the name of their product."""


class Line(Protocol):
    """Points (point, parameter) at which a target has given values (point,)."""

    @property
    def name(self) -> str:
        """The target's."""
        ...

    @property
    def entry(self) -> int:
        """The entry of theta that follows from the value."""
        ...

    def value(self, theta: NDArray) -> NDArray:
        """The target at theta, shape (..., parameter)."""
        ...

    def shown(self, values: NDArray) -> NDArray:
        """What is shown of values: an increasing function of them."""
        ...

    def range(self) -> tuple[float, float]:
        """The values that the target may have."""
        ...

    def bounds(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """Bounds in w of points with these values, each of shape (point, parameter)."""
        ...

    def natural(self, w: NDArray, values: NDArray) -> NDArray:
        """theta of points in w with these values."""
        ...

    def gradient(self, theta: NDArray, gradient: NDArray, values: NDArray) -> NDArray:
        """A gradient in theta as one in w along the points with these values."""
        ...


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry of theta, or the share, which is an increasing function of one.

    Parameters
    ----------
    name : str
    ground : Ground
    entry : int
    of_share : bool
        Whether the share's value is shown, not the parameter itself; the values are the
        parameter's, in which the likelihood changes evenly.
    """

    name: str
    ground: Ground
    entry: int
    of_share: bool = False

    def value(self, theta: NDArray) -> NDArray:
        """The target at theta, shape (..., parameter)."""
        return np.asarray(theta)[..., self.entry]

    def shown(self, values: NDArray) -> NDArray:
        """The parameter itself, or the share there."""
        return _share(self.ground.targets, values) if self.of_share else values

    def range(self) -> tuple[float, float]:
        """The values that the target may have."""
        lower, upper = (self.ground.working.natural(edge) for edge in self.ground.bounds)
        return float(self.value(lower)), float(self.value(upper))

    def bounds(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """The box, with the entry held."""
        theta = np.tile(self.ground.working.natural(self.ground.center), (len(values), 1))
        theta[:, self.entry] = values
        held = self.ground.working.working(theta)[:, self.entry]
        lower, upper = (np.tile(edge, (len(values), 1)) for edge in self.ground.bounds)
        lower[:, self.entry] = upper[:, self.entry] = held
        return lower, upper

    def natural(self, w: NDArray, values: NDArray) -> NDArray:
        """theta of points in w."""
        return self.ground.working.natural(w)

    def gradient(self, theta: NDArray, gradient: NDArray, values: NDArray) -> NDArray:
        """A gradient in theta as one in w."""
        return self.ground.working.gradient(theta, gradient)


@dataclass(frozen=True, eq=False)
class Product:
    """The share times the displacement of one of the trainable expert's entries.

    The entry follows from the share: theta_j = center_j + value / share. Its own coordinate in w
    is not looked at.

    Parameters
    ----------
    name : str
    ground : Ground
    entry : int
        Of the trainable expert.
    """

    name: str
    ground: Ground
    entry: int

    @property
    def _middle(self) -> float:
        return float(self.ground.working.natural(self.ground.center)[self.entry])

    @property
    def _place(self) -> int:
        return int(self.ground.share_entries.start)

    def value(self, theta: NDArray) -> NDArray:
        """The target at theta, shape (..., parameter)."""
        table = np.asarray(theta)
        share = _share(self.ground.targets, table[..., self._place])
        return share * (table[..., self.entry] - self._middle)

    def shown(self, values: NDArray) -> NDArray:
        """The product itself."""
        return values

    def range(self) -> tuple[float, float]:
        """The values that the target may have."""
        lower, upper = (self.ground.working.natural(edge) for edge in self.ground.bounds)
        largest = float(_share(self.ground.targets, upper[self._place]))
        low, high = lower[self.entry] - self._middle, upper[self.entry] - self._middle
        return largest * float(min(low, 0.0)), largest * float(max(high, 0.0))

    def bounds(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """The box, its shares so large that the entry stays inside."""
        lower, upper = (np.tile(edge, (len(values), 1)) for edge in self.ground.bounds)
        ends = [self.ground.working.natural(edge)[self.entry] for edge in self.ground.bounds]
        room = np.where(values > 0, ends[1] - self._middle, ends[0] - self._middle)
        least = np.where(values == 0, 0.0, values / np.where(room == 0, 1.0, room))
        theta = np.tile(self.ground.working.natural(self.ground.center), (len(values), 1))
        theta[:, self._place] = parameter_of_share(self.ground, least)
        needed = self.ground.working.working(theta)[:, self._place]
        lower[:, self._place] = np.maximum(lower[:, self._place], needed)
        lower[:, self.entry] = upper[:, self.entry] = self.ground.center[self.entry]
        return lower, upper

    def natural(self, w: NDArray, values: NDArray) -> NDArray:
        """theta of points in w, the entry from the value and the share."""
        theta = self.ground.working.natural(w)
        share = _share(self.ground.targets, theta[:, self._place])
        ends = [self.ground.working.natural(edge)[self.entry] for edge in self.ground.bounds]
        # Within rounding of the box where the share is the least that it may be.
        theta[:, self.entry] = np.clip(self._middle + values / np.maximum(share, 1e-300), *ends)
        return theta

    def gradient(self, theta: NDArray, gradient: NDArray, values: NDArray) -> NDArray:
        """A gradient in theta as one in w; the share moves the entry along."""
        own = theta[:, self._place]
        step = STEP * np.maximum(1.0, np.abs(own))
        share = _share(self.ground.targets, own)
        ahead, behind = (_share(self.ground.targets, own + sign * step) for sign in (1.0, -1.0))
        slope = -values / np.maximum(share, 1e-300) ** 2 * (ahead - behind) / (2.0 * step)
        moved = gradient.copy()
        moved[:, self._place] += gradient[:, self.entry] * slope
        moved[:, self.entry] = 0.0
        return self.ground.working.gradient(theta, moved)


def line_names(targets: Targets) -> tuple[str, ...]:
    """Names of all targets that are one number, and of the products with the share."""
    labels, share = targets.layout.labels, targets.share
    products = [f"{share}{TIMES}{labels[i]}" for i in targets.expert_entries]
    return tuple(dict.fromkeys([*labels, share, *products]))


def line_named(ground: Ground, name: str) -> Line:
    """The line of a target.

    Raises
    ------
    InputError
        When the name is unknown, or its target is no single number.
    """
    targets = ground.targets
    names = line_names(targets)
    if len(targets.components.get(name, ())) > 1:
        raise InputError(
            f"{name} has several entries and an interval needs one number: name one of "
            + ", ".join(targets.layout.labels[i] for i in targets.components[name])
        )
    one = targets.components.get(name, ())
    # A vector of one entry goes by its own name too.
    alone = len(one) == 1 and one[0] < targets.layout.size
    chosen = choose("parameter", targets.layout.labels[one[0]] if alone else name, names)
    labels = targets.layout.labels
    share, times, label = chosen.partition(TIMES)
    if times and share == targets.share and label in labels:
        return Product(chosen, ground, labels.index(label))
    if chosen in labels:
        return Entry(chosen, ground, labels.index(chosen))
    return Entry(chosen, ground, int(ground.share_entries.start), of_share=True)


def _share(targets: Targets, parameter: ArrayLike) -> NDArray:
    """The share at values of its parameter."""
    value: Any = targets.mixture.gate.share.value(np.asarray(parameter, dtype=float))
    return np.asarray(value)


def parameter_of_share(ground: Ground, values: NDArray) -> NDArray:
    """The share's parameter at which the share has these values, by bisection: it is monotone."""
    place = int(ground.share_entries.start)
    lower, upper = (
        np.full(len(values), ground.working.natural(edge)[place]) for edge in ground.bounds
    )
    for _ in range(BISECTIONS):
        middle = 0.5 * (lower + upper)
        below = _share(ground.targets, middle) < values
        lower, upper = np.where(below, middle, lower), np.where(below, upper, middle)
    return 0.5 * (lower + upper)
