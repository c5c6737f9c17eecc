"""Singular BIC and the bounds of learning coefficients."""

import numpy as np
import pytest

from bayes_cmoe import InputError
from bayes_cmoe.estimate.criteria import least_coefficients, singular_bic


def by_roots(loglik: list[float], table: np.ndarray, n: int) -> list[float]:
    """The defining equation written out, one quadratic polynomial after the other."""
    found: list[float] = []
    for k, own in enumerate(loglik):
        terms = np.exp(own) * n ** -table[k]
        before = list(zip(terms, found, strict=False))
        linear = sum(x for _, x in before) - terms[k]
        roots = np.roots([1.0, linear, -sum(term * x for term, x in before)])
        found.append(float(roots.max()))
    return np.log(found).tolist()


@pytest.mark.parametrize("loglik", [[-5.0, -3.0, -2.9], [-2.0, -1.99, -1.98], [-20.0, -8.0, -2.0]])
def test_sbic_solves_its_equation(loglik: list[float]) -> None:
    table = np.array([[1.5, np.nan, np.nan], [2.5, 4.0, np.nan], [3.5, 5.0, 6.5]])
    found = singular_bic(loglik, table, 50)
    full = np.where(np.isnan(table), 0.0, table)
    # The first model has no smaller one: it is BIC.
    assert found[0] == pytest.approx(loglik[0] - 1.5 * np.log(50), rel=1e-12)
    assert found[1:] == pytest.approx(by_roots(loglik, full, 50)[1:], rel=1e-6)


def test_sbic_keeps_digits_far_from_one() -> None:
    table = np.array([[1.5, np.nan], [2.5, 4.0]])
    base = singular_bic([-3.0, -2.0], table, 1000)
    assert singular_bic([-3.0 - 1e5, -2.0 - 1e5], table, 1000) == pytest.approx(
        base - 1e5, abs=1e-9
    )
    # Where the larger model is far better, it is its own BIC; where it is no better, that of a
    # truth in the smaller one, whose penalty is less than half the parameters.
    far = singular_bic([-3000.0, -2.0], table, 1000)[1]
    assert far == pytest.approx(-2.0 - 4.0 * np.log(1000), abs=1e-9)
    close = singular_bic([-2.0, -2.0], table, 1000)[1]
    assert -2.0 - 4.0 * np.log(1000) < close < -2.0 - 1.5 * np.log(1000)


def test_bounds_of_coefficients() -> None:
    """One input: 3, 8, 13, 18 parameters; k experts at a truth of as many are half of them."""
    expected = [[1.5, 0, 0, 0], [2.5, 4, 0, 0], [3.5, 5, 6.5, 0], [4.5, 6, 7.5, 9]]
    found = least_coefficients([3, 8, 13, 18])
    assert np.tril(np.nan_to_num(found)) == pytest.approx(np.array(expected))
    assert np.isnan(found[np.triu_indices(4, 1)]).all()


def test_coefficients_are_one_for_each_pair() -> None:
    with pytest.raises(InputError, match=r"2 models and .* shape \(3, 3\)"):
        singular_bic([-1.0, -1.0], np.ones((3, 3)), 10)
    with pytest.raises(InputError, match="each model"):
        singular_bic([-1.0, -1.0], np.full((2, 2), np.nan), 10)
