"""The posterior as optimiser and sampler see it, against PyMC's own compiled functions."""

import jax
import numpy as np
import pymc as pm
import pytest
from numpy.typing import NDArray
from pymc.model.transform.conditioning import remove_value_transforms

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from tests.table import REPRESENTATIVES, Case

STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
STEP = 1e-3
Point = dict[str, NDArray]


@pytest.fixture(scope="module", params=REPRESENTATIVES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def posterior(case: Case) -> Posterior:
    return Posterior(case.model("weak"))


def _transformed(model: pm.Model, theta: Point) -> Point:
    """theta on PyMC's transformed scale, by PyMC's own transforms."""
    point = {}
    for rv in model.free_RVs:
        transform, value = model.rvs_to_transforms[rv], theta[rv.name]
        if transform is not None:
            value = transform.forward(value, *rv.owner.inputs).eval(mode="FAST_COMPILE")
        point[model.rvs_to_values[rv].name] = np.asarray(value)
    return point


def _pymc(model: pm.Model, point: Point, order: tuple[str, ...]) -> tuple[float, NDArray]:
    """PyMC's log-density and gradient, the parameters in the given order."""
    value = model.compile_logp(mode="FAST_COMPILE")(point)
    flat = model.compile_dlogp(mode="FAST_COMPILE")(point)
    names = [model.values_to_rvs[variable].name for variable in model.continuous_value_vars]
    sizes = [np.size(point[variable.name]) for variable in model.continuous_value_vars]
    parts = dict(zip(names, np.split(flat, np.cumsum(sizes)[:-1]), strict=True))
    return float(value), np.concatenate([parts[name] for name in order])


def test_unconstrained_density_is_pymcs(case: Case, posterior: Posterior) -> None:
    point = _transformed(posterior.model, case.theta)
    expected, expected_gradient = _pymc(posterior.model, point, posterior.layout.names)
    u = np.concatenate([np.ravel(value) for value in point.values()])
    np.testing.assert_allclose(
        posterior.natural_many(u), posterior.layout.ravel(case.theta), rtol=1e-13, atol=1e-14
    )
    value, gradient = posterior.unconstrained(u, posterior.rows())
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-11, atol=1e-11)


def test_natural_density_is_pymcs_without_transforms(case: Case, posterior: Posterior) -> None:
    plain = remove_value_transforms(posterior.model)
    expected, expected_gradient = _pymc(plain, case.theta, posterior.layout.names)
    theta = posterior.layout.ravel(case.theta)
    value, gradient = posterior.likelihood.value_and_gradient(theta, posterior.rows())
    prior, prior_gradient, _ = posterior.prior_derivatives(theta)
    np.testing.assert_allclose(value + float(prior), expected, rtol=1e-12)
    np.testing.assert_allclose(gradient + prior_gradient, expected_gradient, rtol=1e-11, atol=1e-11)


def test_derivatives_are_those_of_the_values(case: Case, posterior: Posterior) -> None:
    rng = np.random.default_rng(3)
    u = rng.normal(0.0, 0.5, posterior.layout.size)
    units = np.eye(posterior.layout.size)
    rows = posterior.rows()

    def slope(function: object, point: NDArray) -> NDArray:
        assert callable(function)
        moved = [[w * function(point + k * STEP * unit) for k, w in STENCIL] for unit in units]
        return np.array([np.sum(np.array(parts), axis=0) / STEP for parts in moved])

    numeric = slope(lambda v: posterior.unconstrained(v, rows)[0], u)
    np.testing.assert_allclose(posterior.unconstrained(u, rows)[1], numeric, rtol=1e-7, atol=1e-7)
    theta = posterior.layout.ravel(case.theta)
    _, gradient, hessian = posterior.prior_derivatives(theta)
    value_slope = slope(lambda v: float(posterior.prior_derivatives(v)[0]), theta)
    gradient_slope = slope(lambda v: np.asarray(posterior.prior_derivatives(v)[1]), theta)
    np.testing.assert_allclose(gradient, value_slope, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(hessian, gradient_slope, rtol=1e-6, atol=1e-6)


def test_jacobian_is_that_of_the_transform(case: Case, posterior: Posterior) -> None:
    """log p(u) - log p(theta(u)) = log |d theta / d u|."""
    u = np.random.default_rng(4).normal(0.0, 0.5, posterior.layout.size)
    theta = posterior.natural_many(u)
    jacobian = np.asarray(jax.jacobian(posterior.natural)(u))
    _, expected = np.linalg.slogdet(jacobian)
    actual = posterior.log_prior_unconstrained(u) - posterior.log_prior(theta)
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11)


def test_support_and_batches(posterior: Posterior) -> None:
    supports = {"lam": (0.0, 1.0), "nu": (0.0, np.inf)}
    for name, part in posterior.layout.slices.items():
        lower, upper = supports.get(name, (-np.inf, np.inf))
        assert np.all(posterior.lower[part] == lower)
        assert np.all(posterior.upper[part] == upper)
    many = np.random.default_rng(5).standard_normal((2, 3, posterior.layout.size))
    table = posterior.natural_many(many)
    np.testing.assert_allclose(table[1, 2], posterior.natural(many[1, 2]), rtol=1e-14)


@pytest.mark.parametrize(
    "variant", ["constant_contaminated", "softmax_contaminated", "multinomial_contaminated"]
)
def test_flat_prior_is_flat_on_the_regimes_box(variant: str) -> None:
    chosen = variant_named(variant)
    regime = chosen.regime("distinguishable")
    posterior = Posterior(chosen.model(regime, simulate(variant, regime, 20, seed=1)))
    widths = []
    for name, part in posterior.layout.slices.items():
        lower, upper = regime.box[name]
        np.testing.assert_allclose(posterior.lower[part], lower, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(posterior.upper[part], upper, rtol=1e-12)
        widths += [upper - lower] * (part.stop - part.start)
    theta = posterior.layout.ravel(regime.truth(1000))
    prior, gradient, hessian = posterior.prior_derivatives(theta)
    np.testing.assert_allclose(float(prior), -np.sum(np.log(widths)), rtol=1e-12)
    assert np.all(np.asarray(gradient) == 0.0)
    assert np.all(np.asarray(hessian) == 0.0)
