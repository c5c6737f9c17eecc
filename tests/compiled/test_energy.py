"""Prior and energy side by side, against densities by SciPy and differences."""

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.compiled.energy import Energies
from bayes_cmoe.compiled.posterior import Posterior
from tests.experts.parts import log_density, model, table
from tests.experts.parts import point as named_point


@pytest.fixture(scope="module")
def energies() -> Energies:
    return Energies(Posterior(model(table(1, 300), 2)))


@pytest.fixture(scope="module")
def points(energies: Energies) -> np.ndarray:
    layout = energies.posterior.layout
    theta = [layout.ravel(named_point(2, 1, seed)) for seed in range(35)]
    return energies.unconstrained(np.array(theta))


def test_values_slopes_and_metric(energies: Energies, points: np.ndarray) -> None:
    data = table(1, 300)
    rows = energies.posterior.rows()
    field = energies.field(points, rows)
    assert field.metric.shape == (35, 8, 8)
    step = 1e-5
    for k in (0, 34):
        theta = named_point(2, 1, k)
        expected = log_density(theta, data.x, data.y)
        assert field.energy[k] == pytest.approx(expected.sum(), rel=1e-12)
        ends = [energies.field(points[k] + s * step * np.eye(8), rows) for s in (1, -1)]
        for value, slope in (("energy", "slope"), ("prior", "prior_slope")):
            difference = (getattr(ends[0], value) - getattr(ends[1], value)) / (2 * step)
            assert getattr(field, slope)[k] == pytest.approx(difference, rel=1e-5, abs=1e-4)
        # Scores of each row by differences, on the scale where variances are logarithms.
        moved = []
        for i in range(8):
            sides = []
            for sign in (1, -1):
                u = points[k].copy()
                u[i] += sign * step
                at = energies.posterior.layout.unravel(energies.posterior.natural_many(u))
                sides.append(log_density(at, data.x, data.y))
            moved.append((sides[0] - sides[1]) / (2 * step))
        scores = np.array(moved).T
        assert field.metric[k] == pytest.approx(scores.T @ scores, rel=1e-4, abs=1e-3)


def test_the_scale_is_there_and_back(energies: Energies, points: np.ndarray) -> None:
    theta = energies.posterior.natural_many(points)
    assert energies.unconstrained(theta) == pytest.approx(points, rel=1e-12)
    one = energies.posterior.unconstrained_from(theta[3])
    assert one == pytest.approx(points[3], rel=1e-12)


def test_the_prior_has_its_jacobian(energies: Energies, points: np.ndarray) -> None:
    """Log-normal variances: on the log scale they are normal, and nothing else is added."""
    posterior = energies.posterior
    field = energies.field(points[:2], posterior.rows())
    theta = posterior.natural_many(points[:2])
    y = table(1, 300).y
    nu = theta[:, posterior.layout.slices["nu"]]
    normal = stats.norm.logpdf(np.log(nu), np.log(np.var(y) / 2), 1.5).sum(axis=1)
    plain = np.array([float(posterior.log_prior(one)) for one in theta])
    lognormal = stats.lognorm.logpdf(nu, 1.5, scale=np.var(y) / 2).sum(axis=1)
    assert field.prior - plain == pytest.approx(normal - lognormal, rel=1e-9)


def test_a_point_without_density_has_no_mass(energies: Energies, points: np.ndarray) -> None:
    bad = points[:3].copy()
    bad[1, 0] = np.nan
    field = energies.field(bad, energies.posterior.rows())
    assert np.isfinite(field.energy[[0, 2]]).all()
    assert field.energy[1] == -np.inf
    assert not field.slope[1].any()
    assert not field.metric[1].any()
