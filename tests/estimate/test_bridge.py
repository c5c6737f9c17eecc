"""Bridge sampling of integrals that are known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from bayes_cmoe.estimate.bridge import FREEDOM, _Kernels, bridged

COVER = np.array([[2.0, 0.6], [0.6, 0.5]])


def normal(points: NDArray) -> NDArray:
    """exp(3.7) times a normal density."""
    return stats.multivariate_normal.logpdf(points, [1.0, -1.0], COVER) + 3.7


def test_a_normal_density() -> None:
    rng = np.random.default_rng(0)
    logs, errors = [], []
    for _ in range(20):
        draws = rng.multivariate_normal([1.0, -1.0], COVER, 400)
        found = bridged(normal, draws, rng)
        logs.append(found.log)
        errors.append(found.error)
    assert np.mean(logs) == pytest.approx(3.7, abs=4 * np.std(logs) / 20**0.5)
    assert np.std(logs) < 0.1
    # The stated error is that of half of the draws, so it is no less than what is seen.
    assert 0.7 * np.std(logs) < np.mean(errors) < 4 * np.std(logs)


def test_only_a_part_of_space() -> None:
    """The mass of the half-plane that the draws are from."""
    rng = np.random.default_rng(1)
    draws = rng.multivariate_normal([1.0, -1.0], COVER, 4000)
    draws = draws[draws[:, 0] > 0.5]
    found = bridged(normal, draws, rng, inside=lambda at: at[:, 0] > 0.5)
    mass = stats.norm.sf(0.5, 1.0, 2.0**0.5)
    assert found.log == pytest.approx(3.7 + np.log(mass), abs=5 * found.error)
    assert found.error < 0.06


def test_a_bent_density_against_quadrature() -> None:
    def height(x: NDArray, y: NDArray) -> NDArray:
        return -0.5 * x**2 - 8.0 * (y - x**2) ** 2 + 0.3 * x

    exact, _ = integrate.dblquad(
        lambda y, x: float(np.exp(height(np.array(x), np.array(y)))),
        -8, 8, lambda x: x**2 - 3, lambda x: x**2 + 3,
    )  # fmt: skip
    rng = np.random.default_rng(2)
    x = rng.normal(0.3, 1.0, 2000)
    draws = np.column_stack([x, x**2 + rng.normal(0.0, 0.25, 2000)])
    found = bridged(lambda at: height(at[:, 0], at[:, 1]), draws, rng)
    assert found.log == pytest.approx(np.log(exact), abs=5 * found.error)
    assert found.error < 0.1


def test_values_that_are_no_number_have_no_mass() -> None:
    rng = np.random.default_rng(3)
    draws = np.abs(rng.normal(0.0, 1.0, (1000, 1)))

    def half(points: NDArray) -> NDArray:
        logs = stats.norm.logpdf(points[:, 0])
        return np.where(points[:, 0] > 0, logs, np.nan)

    found = bridged(half, draws, rng)
    assert found.log == pytest.approx(np.log(0.5), abs=5 * found.error)


def test_the_proposal_is_drawn_from_its_density() -> None:
    """Kernels about points that are far apart: each is a t law of the points' own shape."""
    rng = np.random.default_rng(4)
    points = rng.multivariate_normal([0.0, 0.0], COVER, 50)
    kernels = _Kernels(points)
    drawn = kernels.draw(rng, 200_000)
    shape = kernels.root @ kernels.root.T
    np.testing.assert_allclose(shape, np.cov(points.T) * shape[0, 0] / np.cov(points.T)[0, 0])
    own = stats.multivariate_t(shape=shape, df=FREEDOM)
    at = rng.normal(size=(5, 2))
    mixed = [np.mean(own.pdf(one - points)) for one in at]
    np.testing.assert_allclose(np.exp(kernels.log_density(at)), mixed, rtol=1e-10)
    spread = np.cov(points.T, bias=True) + shape * FREEDOM / (FREEDOM - 2.0)
    np.testing.assert_allclose(np.cov(drawn.T), spread, rtol=0.03)


def test_the_error_is_that_of_the_mean_of_the_two_halves() -> None:
    """It says what is seen over repetitions, within what few rounds can tell."""
    rng = np.random.default_rng(5)
    found = [
        bridged(normal, rng.multivariate_normal([1.0, -1.0], COVER, 200), rng) for _ in range(60)
    ]
    off = np.array([(one.log - 3.7) / one.error for one in found])
    # Of each half, which is more than of both: on the safe side by less than two.
    assert 0.5 < np.sqrt(np.mean(off**2)) < 1.15
