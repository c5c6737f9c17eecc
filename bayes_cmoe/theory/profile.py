"""Profile likelihood: the highest log posterior density where one number is held at given values.

Under the flat prior it is the profile likelihood over the box. Where a prompt merges, the profile
is far from a parabola and may have several hills, so every value is ascended from several optima
and from both its neighbours, until nothing is gained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.replicas import Replicas, Table
from bayes_cmoe.estimate.flock import descend_together, skipping
from bayes_cmoe.theory.cover import Ground
from bayes_cmoe.theory.lines import Line

__all__ = ["Curve", "Heights", "crossings", "profile_curve"]

STEPS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0)
"""Where the profile is first looked at, in standard errors from the estimate."""
TO_THE_EDGE = 6
"""Values from there to the edge of the range."""
SWEEPS = 6
GAIN = 1e-3
"""A gain in the log posterior density that asks for another sweep."""
REFINED, ROUNDS = 5, 2
"""Values between two neighbours in which an end lies; and how often they are set."""


@dataclass(frozen=True, eq=False)
class Heights:
    """The log posterior density's maxima, free or along a line, for many responses at once.

    Parameters
    ----------
    replicas : Replicas
    ground : Ground
    inverse : array, shape (parameter, parameter)
        About the inverse information of one row.
    iterations : int
        Of an ascent at most.
    small : float
        A step that promises less in the log posterior density is an ascent's end.
    """

    replicas: Replicas
    ground: Ground
    inverse: NDArray
    iterations: int = 120
    small: float = 1e-5

    def ascend(
        self,
        start: NDArray,
        which: NDArray,
        table: Table,
        line: Line | None = None,
        values: NDArray | None = None,
    ) -> tuple[NDArray, NDArray]:
        """Maxima from starting points, with a line's target held at values where one is given.

        Parameters
        ----------
        start : array, shape (point, parameter)
            In w; moved inside the bounds.
        which : array of int, shape (point,)
            The response of each point.
        table : Table
        line : Line, optional
        values : array, shape (point,), optional

        Returns
        -------
        height : array, shape (point,)
            Minus infinity where no number was found.
        theta : array, shape (point, parameter)
        """
        working, replicas = self.ground.working, self.replicas
        held = np.zeros(len(start)) if values is None else values
        bounds = self.ground.bounds if line is None else line.bounds(held)

        def natural(w: NDArray, values: NDArray) -> NDArray:
            return working.natural(w) if line is None else line.natural(w, values)

        def function(w: NDArray, moved: NDArray) -> tuple[NDArray, NDArray]:
            theta = natural(w, held[moved])
            value, gradient = replicas.log_posterior(theta, which[moved], table)
            if line is None:
                slope = working.gradient(theta, gradient)
            else:
                slope = line.gradient(theta, gradient, held[moved])
            return -value / table.n, -slope / table.n

        found = descend_together(
            skipping(function),
            np.clip(start, *bounds),
            bounds,
            self.inverse,
            self.iterations,
            self.small / table.n,
        )
        return -found.value * table.n, natural(found.w, held)

    def best(
        self,
        starts: NDArray,
        table: Table,
        line: Line | None = None,
        values: NDArray | None = None,
    ) -> tuple[NDArray, NDArray]:
        """The best of several starts for each response.

        Parameters
        ----------
        starts : array, shape (response, start, parameter)
        table : Table
        line : Line, optional
        values : array, shape (response,), optional

        Returns
        -------
        height : array, shape (response,)
        theta : array, shape (response, parameter)
        """
        count, each = starts.shape[:2]
        which = np.repeat(np.arange(count), each)
        held = None if values is None else np.repeat(values, each)
        height, theta = self.ascend(starts.reshape(count * each, -1), which, table, line, held)
        place = np.arange(count) * each + height.reshape(count, each).argmax(axis=1)
        return height[place], theta[place]


@dataclass(frozen=True, eq=False)
class Curve:
    """A profile: values of the target, and what is highest at each.

    Parameters
    ----------
    values : array, shape (value,)
        Ascending.
    height : array, shape (value,)
    theta : array, shape (value, parameter)
    top : float
        The highest of all, also of those without the target held.
    """

    values: NDArray
    height: NDArray
    theta: NDArray
    top: float

    @property
    def drop(self) -> NDArray:
        """2 (top - height), the likelihood ratio of each value."""
        return np.maximum(2.0 * (self.top - self.height), 0.0)


def profile_curve(
    heights: Heights,
    columns: Mapping[str, NDArray],
    line: Line,
    optima: NDArray,
    spread: float,
    cut: float,
) -> Curve:
    """The profile of a target, fine where it falls by `cut`.

    Parameters
    ----------
    heights : Heights
    columns : mapping of str to array
        The rows.
    line : Line
    optima : array, shape (optimum, parameter)
        Known optima on the natural scale, the best first.
    spread : float
        About the target's standard error.
    cut : float
        The likelihood ratio at which the interval ends.
    """
    working = heights.ground.working
    table = heights.replicas.table(columns, np.asarray(columns[heights.replicas.response])[None])
    starts = working.working(optima)
    # An optimum that was found on part of the rows, or loosely, is finished first.
    free, tops = heights.ascend(starts, np.zeros(len(starts), dtype=int), table)
    best = float(np.max(free))
    starts = np.concatenate([starts, tops])
    values = _first_values(float(line.value(tops[int(np.argmax(free))])), line.range(), spread)
    curve = _curve(heights, table, line, values, starts, best)
    for _ in range(ROUNDS):
        curve = _merged(curve, _curve(heights, table, line, _finer(curve, cut), starts, curve.top))
        curve = _swept(heights, table, line, curve)
    return curve


def _first_values(center: float, ends: tuple[float, float], spread: float) -> NDArray:
    """Values about the estimate, and from there to both ends of the range."""
    lower, upper = ends
    steps = np.array(STEPS) * spread
    farthest = steps[-1]
    out = np.geomspace(1.0, max((upper - lower) / farthest, 1.0 + 1e-9), TO_THE_EDGE) * farthest
    offsets = np.concatenate([-out[::-1], -steps[::-1], [0.0], steps, out])
    return np.unique(np.clip(center + offsets, lower, upper))


def _curve(
    heights: Heights, table: Table, line: Line, values: NDArray, starts: NDArray, top: float
) -> Curve:
    """The profile at some values, from all of the starts."""
    points = np.tile(starts, (len(values), 1))
    held = np.repeat(values, len(starts))
    height, theta = heights.ascend(points, np.zeros(len(points), dtype=int), table, line, held)
    own = height.reshape(len(values), -1)
    place = np.arange(len(values)) * len(starts) + own.argmax(axis=1)
    return _swept(
        heights, table, line, Curve(values, height[place], theta[place], max(top, float(own.max())))
    )


def _swept(heights: Heights, table: Table, line: Line, curve: Curve) -> Curve:
    """The profile after ascents from both neighbours of each value, until nothing is gained."""
    working, count = heights.ground.working, len(curve.values)
    for _ in range(SWEEPS):
        w = working.working(curve.theta)
        near = np.concatenate([w[[0, *range(count - 1)]], w[[*range(1, count), count - 1]]])
        height, theta = heights.ascend(
            near,
            np.zeros(len(near), dtype=int),
            table,
            line,
            np.concatenate([curve.values, curve.values]),
        )
        all_heights = np.stack([curve.height, height[:count], height[count:]])
        choice = all_heights.argmax(axis=0)
        thetas = np.stack([curve.theta, theta[:count], theta[count:]])
        best = all_heights[choice, np.arange(count)]
        gain = float(np.max(best - curve.height))
        curve = Curve(
            curve.values, best, thetas[choice, np.arange(count)], max(curve.top, float(best.max()))
        )
        if gain < GAIN:
            break
    return curve


def _merged(first: Curve, second: Curve) -> Curve:
    values, place = np.unique(np.concatenate([first.values, second.values]), return_index=True)
    height = np.concatenate([first.height, second.height])[place]
    theta = np.concatenate([first.theta, second.theta])[place]
    return Curve(values, height, theta, max(first.top, second.top))


def _finer(curve: Curve, cut: float) -> NDArray:
    """Values between the neighbours on either side of the outermost ends."""
    inside = np.flatnonzero(curve.drop <= cut)
    first, last = int(inside[0]), int(inside[-1])
    pairs = [(first - 1, first), (last, last + 1)]
    fine = [
        np.linspace(curve.values[i], curve.values[j], REFINED + 2)[1:-1]
        for i, j in pairs
        if i >= 0 and j < len(curve.values)
    ]
    return np.concatenate(fine) if fine else curve.values[first : first + 1]


def crossings(curve: Curve, limit: NDArray) -> tuple[float, float, bool, bool]:
    """The outermost values at which the likelihood ratio is at most its limit.

    Parameters
    ----------
    curve : Curve
    limit : array, shape (value,)

    Returns
    -------
    lower, upper : float
        Between two values of the curve by linear interpolation of the ratio's root.
    open_below, open_above : bool
        Whether the range ends there first.
    """
    excess = np.sqrt(curve.drop) - np.sqrt(limit)
    inside = np.flatnonzero(excess <= 0)
    first, last = int(inside[0]), int(inside[-1])

    def between(i: int, j: int) -> float:
        weight = excess[j] / (excess[j] - excess[i])
        return float(weight * curve.values[i] + (1.0 - weight) * curve.values[j])

    open_below, open_above = first == 0, last == len(curve.values) - 1
    return (
        float(curve.values[0]) if open_below else between(first - 1, first),
        float(curve.values[-1]) if open_above else between(last + 1, last),
        open_below,
        open_above,
    )
