"""The farthest that a functional of the parameters moves within a Hellinger ball about the truth.

SLSQP in coordinates whitened by the Fisher information, on common random numbers. What it returns
is a point that it found within the ball, so a lower bound on the supremum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from bayes_cmoe.theory.functional import Functional
from bayes_cmoe.theory.hellinger import Hellinger, Sample

__all__ = ["Ball", "Point", "farthest"]

ROUNDS = 4
STEP = 4.0
SIDES = (-1.0, 1.0)
STEPS = 100
"""Of SLSQP on the way into the ball."""
INSIDE = 0.999
"""Part of eps at which it aims."""
CROSSINGS = 16
SHARES = (0.03, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)
"""Where the way from the truth is looked at: evenly, and close to the truth, where it begins."""
PRECISION = 1e-3
SLACK = 1e-4
"""By how much of eps² SLSQP may overstep the ball."""


@dataclass(frozen=True, eq=False)
class Point:
    """A point of the ball, how far the functional moved, and H with its Monte-Carlo error."""

    theta: NDArray
    change: float
    distance: float
    error: float


@dataclass(frozen=True, eq=False)
class Ball:
    """The points of the box within Hellinger distance eps of the truth.

    Parameters
    ----------
    hellinger : Hellinger
    functional : Functional
        What is to move far.
    truth, lower, upper : array, shape (parameter,)
    eps : float
    """

    hellinger: Hellinger
    functional: Functional
    truth: NDArray
    lower: NDArray
    upper: NDArray
    eps: float

    def change(self, theta: NDArray, side: float) -> tuple[float, NDArray]:
        """The functional's change from the truth towards a side, and its gradient."""
        return self.functional.change(theta, self.functional.value(self.truth), side)

    def inside(self, theta: NDArray) -> NDArray:
        """The nearest point of the box."""
        return np.clip(theta, self.lower, self.upper)

    def frame(self, theta: NDArray, sample: Sample, eps: float) -> NDArray:
        """Columns that span the ellipsoid of radius eps at theta, no longer than the box."""
        root = self.hellinger.root(theta, sample)
        size = np.sqrt(8.0) * eps
        joined = np.concatenate([root, np.diag(size / (self.upper - self.lower))])
        return size * solve_triangular(np.linalg.qr(joined, mode="r"), np.eye(len(root)))

    def starts(self, frame: NDArray) -> list[NDArray]:
        """The whitened direction in which the functional moves most, both ways."""
        gain = self.functional.jacobian(self.truth) @ frame
        if not np.isfinite(gain).all() or not gain.any():
            # No slope at the truth, as a distance has none: the longest axis in the box's units.
            gain = frame / (self.upper - self.lower)[:, None]
        direction = np.linalg.svd(gain)[2][0]
        if len(gain) == 1:
            direction = direction * np.sign(gain[0] @ direction)
        return [side * direction for side in SIDES]

    def climb(
        self, start: NDArray, frame: NDArray, sample: Sample, eps: float, side: float
    ) -> NDArray:
        """From a start within eps to the best point found within eps."""
        start = self.inside(start)
        base, slope = self.change(start, side)
        scale = max(float(np.linalg.norm(slope @ frame)), 1e-300)
        farthest, reached = start, base
        known: tuple[NDArray, tuple[float, NDArray, NDArray]] | None = None

        def distance(z: NDArray) -> tuple[float, NDArray, NDArray]:
            nonlocal farthest, reached, known
            if known is None or not np.array_equal(known[0], z):
                theta = self.inside(start + frame @ z)
                squared, gradient = self.hellinger.squared(theta, sample)
                known = z.copy(), (squared / eps**2, gradient @ frame / eps**2, theta)
                moved = self.change(theta, side)[0]
                if squared <= eps**2 * (1.0 + SLACK) and moved > reached:
                    farthest, reached = theta, moved
            return known[1]

        def objective(z: NDArray) -> tuple[float, NDArray]:
            moved, gradient = self.change(distance(z)[2], side)
            return -(moved - base) / scale, -(gradient @ frame) / scale

        width = self.upper - self.lower
        walls = np.concatenate([frame / width[:, None], -frame / width[:, None]])
        room = np.concatenate([start - self.lower, self.upper - start]) / np.tile(width, 2)
        minimize(
            objective,
            np.zeros(len(start)),
            jac=True,
            method="SLSQP",
            constraints=[
                {
                    "type": "ineq",
                    "fun": lambda z: 1.0 - distance(z)[0],
                    "jac": lambda z: -distance(z)[1],
                },
                {"type": "ineq", "fun": lambda z: room + walls @ z, "jac": lambda z: walls},
            ],
            options={"maxiter": 60, "ftol": 1e-5},
        )
        return farthest

    def approach(self, start: NDArray, free: NDArray, sample: Sample) -> NDArray:
        """The point closest to the truth that differs from a start in its free entries only."""
        start = self.inside(start)
        frame = self.frame(start, sample, self.eps)[np.ix_(free, free)]

        def distance(z: NDArray) -> tuple[float, NDArray]:
            theta = start.copy()
            theta[free] += frame @ z
            squared, gradient = self.hellinger.squared(self.inside(theta), sample)
            return squared / self.eps**2, gradient[free] @ frame / self.eps**2

        found = minimize(distance, np.zeros(len(free)), jac=True, method="L-BFGS-B")
        closest = start.copy()
        closest[free] += frame @ found.x
        return self.inside(closest)

    def grow(self, sample: Sample, side: int) -> NDArray:
        """From the Fisher ellipsoid at a radius where it fits, in growing radii up to eps."""
        radius = self.eps
        frame = self.frame(self.truth, sample, radius)
        start = self.starts(frame)[side]
        for _ in range(30):
            theta = self.truth + frame @ start
            squared, _ = self.hellinger.squared(self.inside(theta), sample)
            if np.array_equal(theta, self.inside(theta)) and abs(squared / radius**2 - 1.0) < 0.5:
                break
            radius /= STEP
            frame = self.frame(self.truth, sample, radius)
            start = self.starts(frame)[side]
        theta = self.within(theta, sample, radius)
        while True:
            theta = self.climb(
                theta, self.frame(theta, sample, radius), sample, radius, SIDES[side]
            )
            if radius >= self.eps:
                return theta
            radius = min(radius * STEP, self.eps)

    def within(self, theta: NDArray, sample: Sample, eps: float) -> NDArray:
        """A point within eps near theta, or on the way there from the truth.

        The ball is not star-shaped: it may be a bent valley, so that the way from the truth leaves
        it at once. The last crossing of that way is the answer only where the search for the
        nearest point within eps ends outside.
        """
        theta = self.inside(theta)
        if self.hellinger.squared(theta, sample)[0] <= eps**2:
            return theta
        near = self._projected(theta, sample, eps)
        return self._last_crossing(theta, sample, eps) if near is None else near

    def _projected(self, theta: NDArray, sample: Sample, eps: float) -> NDArray | None:
        """The point within eps nearest to theta, in the units of the ellipsoid there, by SLSQP."""
        frame = self.frame(theta, sample, eps)

        def room(z: NDArray) -> float:
            return 1.0 - self.hellinger.squared(self.inside(theta + frame @ z), sample)[0] / aim**2

        def slope(z: NDArray) -> NDArray:
            _, gradient = self.hellinger.squared(self.inside(theta + frame @ z), sample)
            return -gradient @ frame / aim**2

        aim = INSIDE * eps
        found = minimize(
            lambda z: (z @ z, 2.0 * z),
            np.zeros(len(theta)),
            jac=True,
            method="SLSQP",
            constraints=[{"type": "ineq", "fun": room, "jac": slope}],
            options={"maxiter": STEPS, "ftol": 1e-6},
        )
        point = self.inside(theta + frame @ found.x)
        return point if self.hellinger.squared(point, sample)[0] <= eps**2 else None

    def _last_crossing(self, theta: NDArray, sample: Sample, eps: float) -> NDArray:
        """The last point within eps on the way from the truth to theta, to a share of PRECISION."""

        def at(share: float) -> NDArray:
            return self.inside(self.truth + share * (theta - self.truth))

        def is_within(share: float) -> bool:
            return self.hellinger.squared(at(share), sample)[0] <= eps**2

        high = 1.0
        for low in (*np.linspace(1.0, 0.0, CROSSINGS, endpoint=False)[1:], *SHARES, 0.0):
            if low == 0.0 or is_within(low):
                break
            high = low
        while high - low > PRECISION * high:
            share = 0.5 * (low + high)
            low, high = (share, high) if is_within(share) else (low, share)
        return at(low)


def farthest(
    ball: Ball, far: Sequence[tuple[NDArray, NDArray]], draws: int, seed: int
) -> list[Point]:
    """The farthest points found on either side, certified by fresh draws.

    Parameters
    ----------
    ball : Ball
    far : sequence of (array, array)
        Points besides the truth to start from where they lie in the ball, each with the entries
        in which it may first be moved closer to the truth.
    draws : int
        Inputs for the search; the draws are renewed at the points found until their distance
        stands. Four times as many certify the result.
    seed : int
    """
    seeds = SeedSequence(seed).spawn(ROUNDS + 5)
    eps, hellinger = ball.eps, ball.hellinger
    sample = hellinger.sample(ball.truth, [point for point, _ in far], draws, seeds[0])
    moved = [ball.approach(point, free, sample) for point, free in far]
    begin = [
        point
        for point in moved
        if hellinger.distance(point, hellinger.sample(ball.truth, [point], draws, seeds[1]))[0]
        <= eps
    ]
    sample = hellinger.sample(ball.truth, begin, draws, seeds[2])
    points: list[NDArray] = []
    for renewed in seeds[3 : 3 + ROUNDS]:
        best = []
        for i, side in enumerate(SIDES):
            ends = [ball.grow(sample, i)]
            for start in (*begin, *points[i : i + 1]):
                near = ball.within(start, sample, eps)
                frame = ball.frame(near, sample, eps)
                ends.append(ball.climb(near, frame, sample, eps, side))
            best.append(ends[int(np.argmax([ball.change(end, side)[0] for end in ends]))])
        points = best
        sample = hellinger.sample(ball.truth, [*points, *begin], draws, renewed)
        if max(hellinger.distance(point, sample)[0] for point in points) <= 1.05 * eps:
            break
    return [
        _certified(ball, point, side, draws, seeds[-2:])
        for point, side in zip(points, SIDES, strict=True)
    ]


def _certified(
    ball: Ball, point: NDArray, side: float, draws: int, seeds: Sequence[SeedSequence]
) -> Point:
    """Climb once more on many draws at the point itself, then measure on others."""
    eps, hellinger = ball.eps, ball.hellinger
    sample = hellinger.sample(ball.truth, [point], 4 * draws, seeds[0])
    begun = ball.within(point, sample, eps)
    theta = ball.climb(begun, ball.frame(begun, sample, eps), sample, eps, side)
    fresh = hellinger.sample(ball.truth, [theta], 4 * draws, seeds[1])
    return Point(theta, ball.change(theta, side)[0], *hellinger.distance(theta, fresh))
