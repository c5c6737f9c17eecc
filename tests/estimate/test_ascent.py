"""Steps side by side to the largest energy, in a box."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from bayes_cmoe.compiled.energy import Energies, Field
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.ascent import flat_box, highest
from tests.experts.parts import model, table

PRECISION = np.array([[100.0, 30.0, 0.0], [30.0, 10.0, 0.5], [0.0, 0.5, 0.1]])
MIDDLE = np.array([1.0, -2.0, 30.0])


def bent(u: NDArray) -> Field:
    """-(r'A r)/2 at r = (u_0 - m_0, u_1 + u_0² / 4 - m_1, u_2 - m_2)."""
    bend = u[:, 0] ** 2 / 4
    away = np.column_stack([u[:, 0], u[:, 1] + bend, u[:, 2]]) - MIDDLE
    jacobian = np.tile(np.eye(3), (len(u), 1, 1))
    jacobian[:, 1, 0] = u[:, 0] / 2
    slope = -np.einsum("pij,ik,pk->pj", jacobian, PRECISION, away)
    metric = np.einsum("pij,ik,pkl->pjl", jacobian, PRECISION, jacobian)
    energy = -0.5 * np.einsum("pi,ij,pj->p", away, PRECISION, away)
    return Field(np.zeros(len(u)), np.zeros_like(u), energy, slope, metric)


@pytest.mark.parametrize(
    "box", [(-100.0, 100.0), (-1.5, 20.0), (0.0, 0.7)], ids=["free", "one edge", "several edges"]
)
def test_the_maximum_in_a_box(box: tuple[float, float]) -> None:
    starts = np.random.default_rng(0).uniform(*box, (8, 3))
    found, height = highest(bent, starts, np.full(3, box[0]), np.full(3, box[1]))
    best = min(
        (
            optimize.minimize(
                lambda v: -bent(v[None]).energy[0], start, bounds=[box] * 3, method="L-BFGS-B",
                options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000},
            )
            for start in starts
        ),
        key=lambda end: end.fun,
    )  # fmt: skip
    assert height == pytest.approx(-best.fun, abs=1e-5)
    assert found == pytest.approx(best.x, abs=1e-2)
    assert np.all((found >= box[0]) & (found <= box[1]))
    assert height == pytest.approx(bent(found[None]).energy[0])


def test_the_flat_priors_box() -> None:
    """Ten weak standard deviations, and variances of 1e-4 to 100 times that of y."""
    data = table(1, 200)
    energies = Energies(Posterior(model(data, 2)))
    layout = energies.posterior.layout
    lower, upper = (
        layout.unravel(energies.posterior.natural_many(end)) for end in flat_box(energies)
    )
    variance = data.y.var()
    assert lower["nu"] == pytest.approx(np.full(2, 1e-4 * variance))
    assert upper["nu"] == pytest.approx(np.full(2, 1e2 * variance))
    width = 25.0 / data.x.std() * data.y.std()
    assert upper["a"] == pytest.approx(np.full((2, 1), width))
    assert lower["a"] == pytest.approx(np.full((2, 1), -width))
    assert upper["beta"] == pytest.approx(np.full((1, 1), 25.0 / data.x.std()))
