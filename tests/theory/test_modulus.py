from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from bayes_cmoe.errors import InputError
from bayes_cmoe.study.regime import Path
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.theory.modulus import _far, modulus
from bayes_cmoe.theory.scores import scores_of
from tests import reference

CONSTANT, SOFTMAX = "constant_contaminated", "softmax_contaminated"
TRUTH = {"a": [1.4869], "b": 0.7869, "nu": 1.4869}


def ratio(found):
    return (found["modulus"] / found["linear"]).values


class Quadrature:
    """Hellinger distance from the truth by Gauss-Hermite in x and a grid in y, from SciPy."""

    x, weight = np.polynomial.hermite_e.hermegauss(30)
    y = np.linspace(-13.0, 13.0, 801)

    def __init__(self, truth):
        self.root = np.sqrt(self.density(truth))

    def density(self, theta):
        lam, a, b, nu = theta
        frozen = norm.pdf(self.y, np.tanh(self.x + 0.3)[:, None], 1.0)
        prompt = norm.pdf(self.y, np.tanh(a * self.x + b)[:, None], np.sqrt(nu))
        return (1.0 - lam) * frozen + lam * prompt

    def squared(self, theta):
        apart = (np.sqrt(self.density(theta)) - self.root) ** 2
        over_y = apart.sum(axis=1) * (self.y[1] - self.y[0])
        return 0.5 * over_y @ self.weight / self.weight.sum()


@pytest.fixture(scope="module")
def lam_small_n():
    return modulus(CONSTANT, "merging", "lam", [1e3, 1e5])


def test_distance_of_the_point_found(lam_small_n):
    for i in range(2):
        found = lam_small_n.isel(n=i)
        exact = np.sqrt(Quadrature(found["truth"].values).squared(found["theta"].values))
        assert found["hellinger_se"] < 0.015 * exact
        assert abs(found["hellinger"] - exact) < 4.0 * found["hellinger_se"]
        assert exact < 1.03 * found["radius"]
        # On draws that the search has not seen, or it would be the radius to 1e-4.
        missed = abs(found["hellinger"] - found["radius"]) / found["hellinger_se"]
        assert 0.01 < missed < 5.0


def test_against_a_maximum_by_quadrature(lam_small_n):
    """Outside the local regime, where the two sides differ and the bound is far off."""
    found = lam_small_n.isel(n=0)
    truth, eps = found["truth"].values, float(found["radius"])
    quadrature = Quadrature(truth)
    for i, side in enumerate((-1.0, 1.0)):
        best = 0.0
        for shift in (0.02, -0.02, 0.1, -0.1):
            result = minimize(
                lambda t, side=side: -side * t[0],
                truth + shift * np.array([0.5, -1.0, -0.5, -1.0]),
                method="SLSQP",
                bounds=[(0.0, 1.0), (-5.0, 5.0), (-5.0, 5.0), (0.05, 10.0)],
                constraints={
                    "type": "ineq",
                    "fun": lambda t: 1.0 - quadrature.squared(t) / eps**2,
                },
                options={"maxiter": 200, "ftol": 1e-8},
            )
            if quadrature.squared(result.x) <= 1.001 * eps**2:
                best = max(best, side * (result.x[0] - truth[0]))
        # The change grows faster than eps here, and the ball's radius is known to 1 %.
        assert found["change"].values[i] == pytest.approx(best, rel=0.04)
    assert ratio(found) > 1.5


@pytest.mark.parametrize(
    ("variant", "regime", "parameter"),
    [
        (CONSTANT, "distinguishable", "lam"),
        (CONSTANT, "merging", "expert"),
        (SOFTMAX, "merging", "exp_tau"),
        (SOFTMAX, "distinguishable", "beta"),
        ("multinomial_contaminated", "heterogeneous", "a[0,x1]"),
    ],
)
def test_information_bound_in_the_local_regime(variant, regime, parameter):
    found = modulus(variant, regime, parameter, 1e10)
    np.testing.assert_allclose(ratio(found), 1.0, atol=0.04)
    np.testing.assert_allclose(found["change"].values[0], found["change"].values[1], rtol=0.04)
    np.testing.assert_allclose(found["hellinger"] / found["radius"], 1.0, atol=0.04)
    assert not found["saturated"].any()


def test_slope_is_the_bounds_along_the_path():
    """Non-distinguishable tanh: lam at n^(-1/2 + 2 gamma), gamma = 1/8."""
    found = modulus(CONSTANT, "merging", "lam", [1e10, 1e14])
    slope = np.diff(np.log10(found["modulus"].values)) / 4.0
    assert slope == pytest.approx(-0.25, abs=0.02)


def test_grows_with_the_radius():
    """At a truth that stays where it is: up to the box's edge, then no further."""
    regime = variant_named(CONSTANT).regime("merging")
    path = Path({"lam": 0.5}, TRUTH, lambda delta: {})
    still = replace(regime, name="still", path=path)
    found = modulus(CONSTANT, still, "lam", [1e1, 1e2, 1e3, 1e4, 1e6])
    width = found["modulus"].values
    np.testing.assert_allclose(width[:2], 0.5, rtol=1e-6)
    assert (np.diff(width[1:]) < 0.0).all()
    assert (width[2:] < 0.499).all()


def test_saturates_where_the_prompt_is_lost_in_the_noise():
    """sqrt(n) lam Delta = 0.4: neither lam Delta nor lam Delta² can be seen at eps = c/sqrt(n)."""
    lam = modulus(CONSTANT, "merging", "lam", 1e4, gamma=0.6)
    np.testing.assert_allclose(lam["change"].values.ravel(), [0.5, 0.5], rtol=1e-6)
    a = modulus(CONSTANT, "merging", "a", 1e4, gamma=0.6)
    slope = float(a["truth"].sel(entry="a[x1]").item())
    np.testing.assert_allclose(a["change"].values.ravel(), [5.0 + slope, 5.0 - slope], rtol=1e-6)
    assert lam["saturated"].all()
    assert a["saturated"].all()
    assert (lam["hellinger"] < lam["radius"]).all()


def test_one_sided_saturation_at_the_phase_boundary():
    """sqrt(n) lam Delta² of order one: lam may be 1 (the prompt alone), but not 0."""
    found = modulus(CONSTANT, "merging", "lam", 1e8, gamma=0.3).isel(n=0)
    below, above = found["change"].values
    assert above == pytest.approx(0.5)
    assert 0.3 < below < 0.49
    assert ratio(found) < 0.2


def test_a_loss_without_a_slope_at_the_truth():
    """A distance has none; it moves as far as the joint norm of its entries does."""

    def away(parameters):
        return jnp.sqrt((parameters["a"][0] + 1.0) ** 2 + (parameters["b"] - 0.5) ** 2)

    def both(parameters):
        return jnp.stack([parameters["a"][0], parameters["b"]])

    norm_ = modulus(CONSTANT, "distinguishable", away, 1e8)
    vector = modulus(CONSTANT, "distinguishable", both, 1e8)
    assert np.isnan(norm_["linear"]).all()
    np.testing.assert_allclose(norm_["modulus"], vector["modulus"], rtol=0.03)
    np.testing.assert_allclose(ratio(vector), 1.0, atol=0.04)


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        (CONSTANT, "merging"),
        (CONSTANT, "linear-merging-degenerate"),
        (SOFTMAX, "merging-varying-gate"),
        ("multinomial_contaminated", "homogeneous-merging"),
    ],
)
def test_far_starts_are_the_frozen_expert_twice_and_the_prompt_alone(variant, name):
    """No share, and any share of a prompt that has merged, are f0; no share of f0 is f."""
    regime = variant_named(variant).regime(name)
    truth = regime.truth(1e4)
    rng = np.random.default_rng(0)
    x = regime.draw_inputs(rng, 30)
    y = rng.integers(0, 3, 30).astype(float) if regime.classes else rng.normal(0.0, 1.0, 30)
    columns = {"x": x, "response": y, **regime.frozen.columns(x)}
    family = regime.frozen.family.name
    frozen = reference.frozen_log_density(family, columns)
    prompt = reference.prompt_log_density(regime.expert, truth, columns)
    none, merged, alone = _far(regime, truth)
    for point, expected in ((none, frozen), (merged, frozen), (alone, prompt)):
        # A share of 0 or 1 has no logarithm.
        inside = {
            key: np.clip(v, 1e-12, 1 - 1e-12) if key == "lam" else v for key, v in point.items()
        }
        found = reference.contaminated(regime.expert, family, inside, columns)
        np.testing.assert_allclose(found, expected, atol=1e-7)
    share = regime.gate.share.parameter
    assert merged[share] == truth[share]


def test_bad_input():
    with pytest.raises(InputError, match="c > 0"):
        modulus(CONSTANT, "merging", "lam", 1e4, c=0.0)
    with pytest.raises(InputError, match="at least 1024"):
        modulus(CONSTANT, "merging", "lam", 1e4, draws=100)
    with pytest.raises(InputError, match="did you mean 'lam'"):
        modulus(CONSTANT, "merging", "lamb", 1e4)
    with pytest.raises(InputError, match="outside"):
        modulus(CONSTANT, "merging", "lam", 1e4, gamma=-1.0)
    with pytest.raises(InputError, match="singular"):
        modulus(CONSTANT, "merging", "lam", 1e8, gamma=3.0)


def test_other_sizes_do_not_recompile(lam_small_n):
    variant = variant_named(CONSTANT)
    likelihood = scores_of(variant, variant.regime("merging")).likelihood
    modulus(CONSTANT, "merging", "a", 3e3, draws=2048)
    before = likelihood.compilations
    modulus(CONSTANT, "merging", "a", 1e4, draws=2048)
    assert before > 0
    assert likelihood.compilations == before
