"""r(m) = 2 m: exact solutions one order below, none at it; intervals that enclose."""

from fractions import Fraction
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_cmoe import InputError
from bayes_cmoe.theory.enclosure import Interval, enclosed_zero, point
from bayes_cmoe.theory.polynomial import (
    NEAR_SPLIT,
    Split,
    coefficients,
    enclosed_split,
    gauss_hermite_split,
    least_residual,
    split_order,
    two_atoms_fourth_order,
)

HALF, SIXTH = Fraction(1, 2), Fraction(1, 6)
THREE = Split(
    [SIXTH, 4 * SIXTH, SIXTH], [Fraction(-1), Fraction(0), Fraction(1)], [-SIXTH, -SIXTH, -SIXTH]
)
"""Gauss and Hermite's three nodes, scaled by 3^-1/2."""


def by_definition(split: Split, order: int) -> list[Fraction]:
    """sum over i, j of w a^(q-2j) b^j / ((q-2j)! j!)."""
    return [
        sum(
            w * a ** (q - 2 * j) * b**j / (factorial(q - 2 * j) * factorial(j))
            for w, a, b in zip(*split, strict=True)
            for j in range(q // 2 + 1)
        )
        for q in range(1, order + 1)
    ]


def test_coefficients_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    numbers = [[Fraction(int(k), 7) for k in rng.integers(-9, 9, 3)] for _ in range(3)]
    split = Split(*numbers)
    assert coefficients(split, 9) == by_definition(split, 9)


def test_three_atoms_reach_order_five_and_not_six_exactly() -> None:
    found = by_definition(THREE, 6)
    assert found[:5] == [0] * 5
    assert found[5] != 0
    assert split_order(3) == 6


def test_two_atoms_reach_order_three_and_never_four() -> None:
    """A polynomial of degree 8 at most that agrees at more points is the same; it has no zero.

    Cells at distance one with w in (0, 1), which scaling makes of all: the coefficient of t^4 is
    -u (1 - u) / 36, u = w (1 - w) in (0, 1/4].
    """
    for k in range(1, 15):
        weight = Fraction(k, 15)
        u = weight * (1 - weight)
        assert two_atoms_fourth_order(weight) == -u * (1 - u) / 36


@pytest.mark.parametrize("atoms", range(2, 9))
def test_gauss_and_hermite_reach_one_order_less(atoms: int) -> None:
    """The first coefficient left is -m! / (2 m)!: the rule's error on x^(2m) is m!."""
    split, order = gauss_hermite_split(atoms), split_order(atoms)
    found = np.array(by_definition(split, order))
    assert np.abs(found[:-1]).max() < 1e-14
    expected = -factorial(atoms) / factorial(order)
    # Terms as large as one cancel to as little as 1e-9.
    assert found[-1] == pytest.approx(expected, rel=1e-6, abs=2e-16)


def sign_changes(values: np.ndarray) -> int:
    signs = np.sign(values[np.abs(values) > 1e-13 * np.abs(values).max()])
    return int(np.sum(signs[1:] != signs[:-1]))


def test_combinations_of_gaussians_change_their_sign_as_often_as_is_said() -> None:
    """Two a Gaussian but the first at most; Gauss and Hermite's difference from N(0, 2) that often.

    The proof needs the bound, and the moments of the difference vanish to order 2 m - 1 with 2 m
    changes of sign.
    """
    y = np.linspace(-14.0, 14.0, 40001)

    def density(mean: float, variance: float) -> np.ndarray:
        return np.exp(-((y - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)

    for atoms in (2, 3, 4):
        split = gauss_hermite_split(atoms)
        parts = zip(split.weight, split.mean, split.half_variance, strict=True)
        mixed = sum(w * density(a, 2.0 + 2.0 * b) for w, a, b in parts)
        assert sign_changes(mixed - density(0.0, 2.0)) == split_order(atoms)
    rng = np.random.default_rng(1)
    most = 0
    for _ in range(300):
        own = [density(rng.normal(), rng.uniform(0.1, 3.0)) for _ in range(3)]
        most = max(most, sign_changes(rng.normal(size=3) @ np.array(own)))
    assert most == 4


def test_four_atoms_of_different_variances_reach_order_seven() -> None:
    found = enclosed_split()
    assert found is not None
    for part, near in zip(found, NEAR_SPLIT, strict=True):
        assert (part.high - part.low).max() < 1e-12
        assert np.abs(part.low - near).max() < 1e-3
    assert (found.weight.low > 0).all()
    assert (found.mean.low * found.mean.high > 0).all()
    middle = [(part.low + part.high) / 2 for part in found]
    assert np.abs(by_definition(Split(*middle), 7)).max() < 1e-13
    assert abs(by_definition(Split(*middle), 8)[-1]) > 1e-5
    assert np.ptp(middle[2]) > 0.5


def test_no_box_is_claimed_where_there_is_no_zero() -> None:
    def system(x: Interval) -> Interval:
        return x * x - point([2.0])

    def slope(x: Interval) -> Interval:
        return (x + x)[:, None]

    good = enclosed_zero(system, slope, [1.414], 1e-2)
    assert good is not None
    assert good.holds([np.sqrt(2.0)])
    assert enclosed_zero(system, slope, [1.3], 1e-2) is None
    assert enclosed_zero(lambda x: x * x + point([1e-9]), slope, [0.5], 1e-2) is None
    # Two zeros in the box are not one.
    assert enclosed_zero(lambda x: x * x - point([1e-6]), slope, [1e-3], 0.1) is None


numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


@given(values=st.lists(numbers, min_size=4, max_size=4), width=st.floats(0.0, 10.0))
def test_operations_enclose_exact_results(values: list[float], width: float) -> None:
    first = Interval(np.array(values[:2]), np.array(values[:2]) + width)
    second = Interval(np.array(values[2:]), np.array(values[2:]) + width)
    for at in ((first.low, second.high), (first.high, second.low), (first.low, second.low)):
        exact = [(Fraction(x), Fraction(y)) for x, y in zip(*at, strict=True)]
        found = {
            "sum": (first + second, [x + y for x, y in exact]),
            "difference": (first - second, [x - y for x, y in exact]),
            "product": (first * second, [x * y for x, y in exact]),
            "quotient": (first.over(3.0), [x / 3 for x, _ in exact]),
        }
        for enclosed, values_there in found.values():
            for low, high, value in zip(enclosed.low, enclosed.high, values_there, strict=True):
                assert Fraction(low) <= value <= Fraction(high)
    total, exact_total = first.total(), Fraction(first.low[0]) + Fraction(first.low[1])
    assert Fraction(float(total.low)) <= exact_total <= Fraction(float(total.high))


@pytest.mark.parametrize("atoms", [2, 3])
def test_a_search_finds_what_there_is_and_nothing_more(atoms: int) -> None:
    order = split_order(atoms)
    assert least_residual(atoms, order - 1, starts=8) < 1e-25
    assert least_residual(atoms, order, starts=8) > 1e-6


@pytest.mark.slow
def test_four_atoms_reach_order_seven_and_none_is_found_at_eight() -> None:
    assert least_residual(4, 7, starts=72) < 1e-25
    assert least_residual(4, 8, starts=72) > 1e-9


def test_one_atom_is_no_split() -> None:
    with pytest.raises(InputError, match="give two at least"):
        split_order(1)
