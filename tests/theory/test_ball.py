"""Points within a Hellinger ball that is no star: a bent valley, whose reach is known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq

from bayes_cmoe.theory.ball import Ball

EPS = 0.2
LENGTH, WIDTH = 0.1, 0.05


class Valley:
    """H² = (LENGTH t1)² + (t2 - t1²)²/WIDTH²: its floor t2 = t1² reaches to t1 = eps / LENGTH."""

    def residuals(self, theta: NDArray) -> NDArray:
        return np.array([LENGTH * theta[0], (theta[1] - theta[0] ** 2) / WIDTH])

    def slopes(self, theta: NDArray) -> NDArray:
        return np.array([[LENGTH, 0.0], [-2.0 * theta[0] / WIDTH, 1.0 / WIDTH]])

    def squared(self, theta: NDArray, sample: Any) -> tuple[float, NDArray]:
        residuals = self.residuals(theta)
        return float(residuals @ residuals), 2.0 * residuals @ self.slopes(theta)

    def root(self, theta: NDArray, sample: Any) -> NDArray:
        return np.linalg.qr(np.sqrt(8.0) * self.slopes(theta), mode="r")


def ball(hellinger: Any = None) -> Ball:
    edge = np.full(2, 50.0)
    return Ball(hellinger or Valley(), SimpleNamespace(), np.zeros(2), -edge, edge, EPS)


def distance(theta: NDArray) -> float:
    return float(np.linalg.norm(Valley().residuals(theta)))


@pytest.mark.parametrize("beyond", [1.02, 1.2, -1.02, -1.1])
def test_a_point_beyond_the_end_of_a_bent_valley_keeps_to_that_end(beyond: float) -> None:
    """The way from the truth leaves the valley at t1 = .005, four hundred times closer."""
    reach = EPS / LENGTH
    theta = np.array([beyond * reach, (beyond * reach) ** 2])
    straight = brentq(lambda share: distance(share * theta) - EPS, 1e-4, 0.5)
    assert straight < 0.01
    found = ball().within(theta, None, EPS)
    assert 0.99 * EPS < distance(found) <= EPS
    assert found[0] * np.sign(beyond) == pytest.approx(reach, rel=0.02)


def test_a_point_within_the_ball_stays() -> None:
    theta = np.array([1.9, 1.9**2])
    np.testing.assert_array_equal(ball().within(theta, None, EPS), theta)


def test_where_no_descent_leads_in_the_last_crossing_of_the_way_does() -> None:
    """Three times within on the way: H = eps (1 + cos(5 pi t) / 2) for t in (0, 1]."""

    class Waves:
        def squared(self, theta: NDArray, sample: Any) -> tuple[float, NDArray]:
            height = EPS * (1.0 + 0.5 * np.cos(5.0 * np.pi * theta[0])) if theta[0] > 0 else 0.0
            return height**2, np.full(2, np.nan)

        def root(self, theta: NDArray, sample: Any) -> NDArray:
            return np.eye(2)

    # From t = .82, where H = 1.475 eps; the last time that it is below eps is until t = .7.
    found = ball(Waves()).within(np.array([0.82, 0.0]), None, EPS)
    assert found[0] == pytest.approx(0.7, rel=2e-3)
    assert found[0] <= 0.7
