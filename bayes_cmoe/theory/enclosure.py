"""Interval arithmetic with outward rounding, and Krawczyk's test for a zero of a system.

A sum or product of doubles is off by half a unit in the last place at most, so the next doubles on
either side enclose it; every operation here widens its result by these. So what is found is proved,
up to the correctness of the processor's IEEE 754 arithmetic and of this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Interval", "enclosed_zero", "point"]


@dataclass(frozen=True, eq=False)
class Interval:
    """An array of closed intervals.

    Parameters
    ----------
    low, high : array, of the same shape
    """

    low: NDArray
    high: NDArray

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.low.shape

    def __getitem__(self, index: Any) -> Interval:
        return Interval(np.asarray(self.low[index]), np.asarray(self.high[index]))

    def __add__(self, other: Interval) -> Interval:
        return _outward(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return _outward(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        ends = [own * theirs for own in (self.low, self.high) for theirs in (other.low, other.high)]
        return _outward(np.min(ends, axis=0), np.max(ends, axis=0))

    def over(self, divisor: float) -> Interval:
        """Divided by a positive double."""
        return _outward(self.low / divisor, self.high / divisor)

    def total(self) -> Interval:
        """The sum along the last axis."""
        found = self[..., 0]
        for i in range(1, self.shape[-1]):
            found = found + self[..., i]
        return found

    def inside(self, other: Interval) -> bool:
        """Whether each lies in the interior of another's."""
        return bool(np.all((self.low > other.low) & (self.high < other.high)))

    def holds(self, value: ArrayLike) -> bool:
        """Whether each holds a number."""
        number = np.asarray(value)
        return bool(np.all((self.low <= number) & (number <= self.high)))


def _outward(low: NDArray, high: NDArray) -> Interval:
    return Interval(np.nextafter(low, -np.inf), np.nextafter(high, np.inf))


def point(value: ArrayLike) -> Interval:
    """Intervals that hold one double each."""
    number = np.asarray(value, dtype=float)
    return Interval(number, number)


def _product(matrix: Interval, vector: Interval) -> Interval:
    return (matrix * vector).total()


def enclosed_zero(
    system: Callable[[Interval], Interval],
    jacobian: Callable[[Interval], Interval],
    near: ArrayLike,
    radius: float,
) -> Interval | None:
    """A box that is proved to hold exactly one zero of a square system, or None.

        K(X) = x - Y f(x) + (I - Y F'(X)) (X - x)

    with Y about F'(x)^-1. Where K(X) lies inside X there is one zero in X, and it lies in K(X).

    Parameters
    ----------
    system, jacobian : callable
        Interval extensions: of (n,) to (n,), and to (n, n).
    near : array, shape (n,)
        The middle x of the box.
    radius : float
        Half of its sides.

    Returns
    -------
    Interval, shape (n,), or None where the test does not succeed, which proves nothing.

    References
    ----------
    Krawczyk (1969), doi:10.1007/BF02234767; Neumaier (1990), Interval Methods for Systems of
    Equations, section 5.2.

    Examples
    --------
    >>> found = enclosed_zero(
    ...     lambda x: x * x - point([2.0]), lambda x: (x + x)[:, None], [1.4142], 1e-3
    ... )
    >>> found.holds(2.0**0.5), bool((found.high - found.low)[0] < 1e-5)
    (True, True)
    """
    middle = np.asarray(near, dtype=float)
    box = _outward(middle - radius, middle + radius)
    slope = jacobian(box)
    inverse = point(np.linalg.inv((slope.low + slope.high) / 2.0))
    # (I - Y F'(X)), entry by entry: rows of Y with columns of F'.
    columns = Interval(slope.low.T, slope.high.T)
    rows = inverse[:, None, :]
    left = point(np.eye(len(middle))) - (rows * columns[None, :, :]).total()
    newton = point(middle) - _product(inverse, system(point(middle)))
    found = newton + _product(left, box - point(middle))
    return found if found.inside(box) else None
