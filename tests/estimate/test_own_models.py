"""A contaminated mixture as a user of PyMC writes it, by none of the suite's parts."""

import warnings

import numpy as np
import pymc as pm
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from bayes_cmoe import fit_map
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.estimate.coordinates import Working
from bayes_cmoe.estimate.flock import descend_together

RNG = np.random.default_rng(6)
X = RNG.uniform(-2.0, 2.0, 300)
Y = np.where(RNG.random(300) < 0.6, np.sin(X), 1.5 - 0.8 * X) + RNG.normal(0.0, 0.5, 300)


def own_model(variance: type[pm.Distribution] = pm.LogNormal, **prior: float) -> pm.Model:
    """pm.Mixture of components in one vector x, with all the shapes that PyMC gives them."""
    with pm.Model(coords={"obs": range(len(X))}) as model:
        x = pm.Data("x", X, dims="obs")
        lam = pm.Beta("lam", 1.5, 1.5)
        a, b = pm.Normal("a", 0.0, 3.0), pm.Normal("b", 0.0, 3.0)
        nu = variance("nu", **prior)
        parts = [pm.Normal.dist(pm.math.sin(x), 0.5), pm.Normal.dist(a * x + b, pm.math.sqrt(nu))]
        shares = pm.math.stack([1.0 - lam, lam])
        pm.Mixture("y", w=shares, comp_dists=parts, observed=Y, dims="obs")
    return model


def density(theta: NDArray, x: NDArray, y: NDArray) -> NDArray:
    lam, a, b, nu = theta
    prompt = stats.norm.logpdf(y, a * x + b, nu**0.5)
    return np.logaddexp(np.log1p(-lam) + stats.norm.logpdf(y, np.sin(x), 0.5), np.log(lam) + prompt)


def test_its_density_is_taken_at_any_number_of_rows() -> None:
    """PyMC notes the number of the model's own rows in the graph."""
    model = own_model()
    likelihood, theta = Likelihood(model), np.array([0.3, -0.7, 1.2, 0.4])
    held = columns_of(model)
    for rows in (7, 300, 2000):
        columns = {name: np.resize(column, rows) for name, column in held.items()}
        found = likelihood.logp(theta, likelihood.rows(columns))
        # PyMC's Normal rounds log sqrt(2 pi) to single precision.
        expected = density(theta, columns["x"], columns["y"])
        np.testing.assert_allclose(found, expected, rtol=0, atol=3e-9)


def test_the_default_fit_finds_its_maximum() -> None:
    def minus(w: NDArray) -> float:
        theta = np.array([1.0 / (1.0 + np.exp(-w[0])), w[1], w[2], np.exp(w[3])])
        prior = stats.beta.logpdf(theta[0], 1.5, 1.5) + stats.norm.logpdf(theta[1:3], 0, 3).sum()
        return -density(theta, X, Y).sum() - prior - stats.lognorm.logpdf(theta[3], 1.0)

    starts = np.random.default_rng(1).normal(0.0, 1.5, (20, 4))
    best = min((optimize.minimize(minus, start) for start in starts), key=lambda end: end.fun)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = fit_map(own_model(mu=0.0, sigma=1.0))
    assert found["optimizer_result"]["status"].item() == "converged"
    assert found["optimizer_result"]["logp"].item() == pytest.approx(-best.fun, abs=1e-6)
    assert found["point_estimate"]["a"].item() == pytest.approx(best.x[1], abs=1e-3)


def test_slopes_too_large_for_numbers_warn_nobody() -> None:
    """Half-normal, a variance of e^700 has a slope that is no number: such steps are not taken."""
    free = Working(np.array([True]), np.full(1, -np.inf), np.full(1, np.inf))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert not np.isfinite(free.gradient(np.array([1e300]), np.array([1e300]))).any()

        def steep(w: NDArray) -> tuple[NDArray, NDArray]:
            return 1e300 * w[:, 0] ** 2, 2e300 * w

        bounds = (np.full(1, -1e6), np.full(1, 1e6))
        flock = descend_together(steep, np.array([[3.0], [1e3]]), bounds, np.eye(1), 40, 0.0)
        assert np.isfinite(flock.value).all()
        found = fit_map(own_model(pm.HalfNormal, sigma=1.0))
    assert np.isfinite(found["optimizer_result"]["logp"].item())
