"""Profiles of a split: local exponents, and distances against quadrature."""

import numpy as np
import pytest

from bayes_cmoe import InputError, variant_named
from bayes_cmoe.theory.profiles import half_splits, profile, split_pair
from tests.experts.parts import VARIANT, Named, log_density

NAME = "softmax_gaussian_moe"
SIZES = {"beta": (0.1, 0.15), "a": (0.06, 0.09), "b": (0.06, 0.09), "nu": (0.01, 0.015)}
EXPECTED = {"beta": 2.0, "a": 2.0, "b": 4.0, "nu": 2.0}
DRAWS = 2**12


def quadrature(theta: Named, truth: Named) -> float:
    """H² on a grid of y, by Gauss and Legendre's rule in x, uniform on (-1, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    y, step = np.linspace(-12.0, 12.0, 4001, retstep=True)
    total = 0.0
    for x, weight in zip(nodes, weights / 2.0, strict=True):
        rows = np.full((len(y), 1), x)
        roots = [np.exp(0.5 * log_density(own, rows, y)) for own in (theta, truth)]
        total += weight * 0.5 * step * np.sum((roots[0] - roots[1]) ** 2)
    return total


def named(theta: np.ndarray) -> Named:
    return {
        "beta": theta[:2, None],
        "tau": theta[2:4],
        "a": theta[4:7, None],
        "b": theta[7:10],
        "nu": theta[10:],
    }


@pytest.mark.parametrize(
    "name", ["b", *(pytest.param(name, marks=pytest.mark.slow) for name in ("beta", "a", "nu"))]
)
def test_exponents_are_those_of_two_atoms(name: str) -> None:
    found = profile(NAME, "soft-3", name, SIZES[name], draws=DRAWS)
    assert found.exponent.values[1] == pytest.approx(EXPECTED[name], abs=0.1)
    truth = VARIANT.regime("soft-3").measure(1.0)
    for i, s in enumerate(found.s.values):
        theta = named(found.theta.values[i])
        own = np.ravel(theta[name])
        assert own[0] - own[1] == pytest.approx(2 * s, rel=1e-12)
        assert theta["tau"][0] == theta["tau"][1]
        # 4,096 rows: about two per cent of H.
        expected = quadrature(theta, truth) ** 0.5
        assert found.hellinger.values[i] == pytest.approx(expected, rel=0.1)


def test_a_split_of_intercepts_is_cheaper_than_it_looks() -> None:
    """The minimum lies far below the distance of the split alone, whose variances stay."""
    found = profile(NAME, "soft-3", "b", [0.2], draws=DRAWS)
    regime = VARIANT.regime("soft-3")
    plain = regime.truth(1.0)
    plain["b"] = plain["b"] + np.array([0.2, -0.2, 0.0])
    assert found.hellinger.item() < 0.1 * quadrature(plain, regime.measure(1.0)) ** 0.5
    theta = named(found.theta.values[0])
    # The slow path: the variance is less by the square.
    assert theta["nu"][:2] == pytest.approx(np.full(2, 0.6 - 0.2**2), abs=0.01)


def test_what_has_no_split_is_refused() -> None:
    with pytest.raises(InputError, match="as many experts as its truth"):
        profile(NAME, "exact", "b", [0.1])
    with pytest.raises(InputError, match="has to be positive"):
        profile(NAME, "soft-3", "b", [0.0, 0.1])
    with pytest.raises(InputError, match="parameter of an expert"):
        profile(NAME, "soft-3", "tau", [0.1])
    with pytest.raises(InputError, match="has 1 entries"):
        profile(NAME, "soft-3", "a", [0.1], entry=1)
    assert split_pair(variant_named(NAME).regime("plane-5")) == (0, 1)


def test_unseen_splits_are_those_whose_profile_is_so_far() -> None:
    """Of two atoms' intercepts H ~ s^4: four times the rows narrow the split by 2^(1/4)."""
    wanted = np.array([2e-4, 1e-4, 1e-3])
    found = half_splits(NAME, "soft-3", "b", wanted, draws=DRAWS)
    assert found[0] / found[1] == pytest.approx(2**0.25, abs=0.02)
    order = np.argsort(found)
    own = profile(NAME, "soft-3", "b", found[order], draws=DRAWS)
    np.testing.assert_allclose(own.hellinger.values, wanted[order], rtol=0.05)


@pytest.mark.slow
def test_a_split_that_no_data_of_a_size_can_see_is_infinite() -> None:
    """Where the gate is steep one of two atoms can lose its rows, whatever its slope."""
    found = half_splits(NAME, "over-3", "beta", [1e-4, 2e-2], draws=DRAWS)
    assert np.isfinite(found[0])
    assert found[1] == np.inf


def test_no_distance_is_refused() -> None:
    with pytest.raises(InputError, match="has to be positive"):
        half_splits(NAME, "soft-3", "b", [0.0])
