"""Tempering from the prior, on densities whose integrals are known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bayes_cmoe.compiled.energy import Field
from bayes_cmoe.estimate.tempering import _next_degree, temper

MIDDLE = np.array([1.0, -2.0, 0.5])
PRECISION = np.array([[40.0, 12.0, 0.0], [12.0, 9.0, -1.0], [0.0, -1.0, 4000.0]])


def normal(u: NDArray) -> Field:
    """Standard normal prior, and -(u - m)'A(u - m)/2."""
    away = u - MIDDLE
    energy = -0.5 * np.einsum("pi,ij,pj->p", away, PRECISION, away)
    prior = -0.5 * np.sum(u**2, axis=1) - 1.5 * np.log(2 * np.pi)
    metric = np.broadcast_to(PRECISION, (len(u), 3, 3))
    return Field(prior, -u, energy, -away @ PRECISION, metric)


def log_evidence(degree: float) -> float:
    """int N(u; 0, 1) exp(-degree (u - m)'A(u - m)/2) du in closed form."""
    scale = np.linalg.inv(degree * PRECISION)
    total = np.eye(3) + scale
    constant = 0.5 * np.linalg.slogdet(2 * np.pi * scale)[1]
    height = -0.5 * MIDDLE @ np.linalg.solve(total, MIDDLE)
    return constant + height - 0.5 * np.linalg.slogdet(2 * np.pi * total)[1]


def start(count: int, size: int, seed: int) -> NDArray:
    return np.random.default_rng(seed).standard_normal((count, size))


def test_evidence_and_moments_of_a_normal_posterior() -> None:
    runs = [
        temper(normal, start(400, 3, i), [0.2, 1.0], np.random.default_rng(i)) for i in range(8)
    ]
    for k, degree in enumerate((0.2, 1.0)):
        found = [run.stops[k].log_evidence for run in runs]
        error = np.std(found, ddof=1) / 8**0.5
        assert error < 0.15
        assert np.mean(found) == pytest.approx(log_evidence(degree), abs=4 * error)
        u = np.concatenate([run.stops[k].u for run in runs])
        precision = np.eye(3) + degree * PRECISION
        cover = np.linalg.inv(precision)
        mean = cover @ (degree * PRECISION @ MIDDLE)
        # 3,200 draws that resampling has made dependent: three standard errors of a quarter.
        assert np.abs(u.mean(axis=0) - mean) == pytest.approx(
            0, abs=float(np.max(3 * np.sqrt(np.diag(cover) / 800)))
        )
        assert np.cov(u.T) / np.sqrt(np.outer(np.diag(cover), np.diag(cover))) == pytest.approx(
            cover / np.sqrt(np.outer(np.diag(cover), np.diag(cover))), abs=0.15
        )
    assert all(0.2 < run.acceptance.mean() < 0.9 for run in runs)
    # The mean energy is the evidence's derivative, here in log(degree).
    slope = (log_evidence(1.0 + 1e-5) - log_evidence(1.0 - 1e-5)) / 2e-5
    energy = [run.stops[1].energy.mean() for run in runs]
    assert np.mean(energy) == pytest.approx(slope, abs=0.2)


def two_modes(u: NDArray) -> Field:
    """Standard normal prior; a narrow mode at -1 and one at 1 with three times its mass."""
    weights, means, precision = np.array([0.25, 0.75]), np.array([-1.0, 1.0]), 400.0
    # The prior is as high at both, so the shares are the energy's.
    away = u - means
    logs = np.log(weights) - 0.5 * precision * away**2
    top = logs.max(axis=1)
    parts = np.exp(logs - top[:, None])
    share = parts / parts.sum(axis=1, keepdims=True)
    slope = -precision * np.sum(share * away, axis=1, keepdims=True)
    metric = np.full((len(u), 1, 1), precision)
    prior = -0.5 * u[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    return Field(prior, -u, top + np.log(parts.sum(axis=1)), slope, metric)


def test_modes_that_no_step_connects_have_their_share() -> None:
    shares = []
    for i in range(12):
        run = temper(two_modes, start(256, 1, 100 + i), [1.0], np.random.default_rng(i))
        shares.append(np.mean(run.stops[0].u > 0))
    error = np.std(shares, ddof=1) / 12**0.5
    assert error < 0.05
    assert np.mean(shares) == pytest.approx(0.75, abs=4 * error)


def test_draws_without_mass_are_left() -> None:
    """A prior whose draws mostly have no density: the evidence counts them as nothing."""

    def half(u: NDArray) -> Field:
        own = normal(u)
        none = u[:, 0] < 0
        return own._replace(energy=np.where(none, -np.inf, own.energy))

    run = temper(half, start(400, 3, 5), [1.0], np.random.default_rng(5))
    assert np.all(run.stops[0].u[:, 0] >= 0)
    # The mode lies six standard deviations inside.
    assert run.stops[0].log_evidence == pytest.approx(log_evidence(1.0), abs=1.0)
    with pytest.raises(FloatingPointError, match="no number"):
        temper(
            lambda u: normal(u)._replace(energy=np.full(len(u), -np.inf)),
            start(50, 3, 0),
            [1.0],
            np.random.default_rng(0),
        )


def test_a_degree_leaves_nine_tenths_of_the_particles_effective() -> None:
    """Of energies ~ N(m, s²) a share exp(-d² s²) is effective after a step of d."""
    energy = 3.0 + 5.0 * np.random.default_rng(2).standard_normal(200_000)
    expected = np.sqrt(-np.log(0.9)) / 5.0
    assert _next_degree(energy, 0.4, 1.0) - 0.4 == pytest.approx(expected, rel=0.02)
    assert _next_degree(energy, 0.4, 0.41) == 0.41
