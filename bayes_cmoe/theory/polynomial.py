"""r(m): how far the moments of a cell of m Gaussian atoms can hide that they are apart.

Atoms at (a_i, b_i) with weights w_i about one true atom change the moment generating function by
the factor

    sum_i w_i exp(a_i t + b_i t²) = 1 + O(t^(q+1)),   w_i > 0, sum_i w_i = 1, some a_i != 0.

r(m) is the smallest order q that no such atoms reach. It is 2 m:

Order 2 m - 1 is reached by Gauss and Hermite's m nodes a_i and weights w_i, with b_i = -1/2: the
rule is exact for polynomials of degree 2 m - 1, so that sum_i w_i exp(a_i t) = exp(t²/2) +
O(t^(2m)).

Order 2 m is reached by none: with sigma² above all -2 b_i, the mixture sum_i w_i N(a_i, sigma² +
2 b_i) would have the first 2 m moments of N(0, sigma²). Their difference is not zero, since some
a_i is not, and a function orthogonal to all polynomials of degree 2 m changes its sign 2 m + 1
times at least. But a combination of m + 1 Gaussians changes it 2 m times at most: taking a
variance off all of them, until the narrowest is a spike, loses no sign change, and a spike adds two
at most to those of the others. (Where variances are equal they are moved apart a little, which
loses none either.)

References
----------
Ho and Nguyen (2016), arXiv:1609.02655, who define the number and have r(2) = 4, r(3) = 6 by
Groebner bases. Hummel and Gidas (1984), Zero crossings and the heat equation; Kalai, Moitra and
Valiant (2010), doi:10.1145/1806689.1806765, proposition 7: sign changes of combinations.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.random import default_rng
from numpy.typing import NDArray
from scipy.linalg import qr
from scipy.optimize import least_squares

from bayes_cmoe.errors import InputError
from bayes_cmoe.theory.enclosure import Interval, enclosed_zero, point

__all__ = [
    "Split",
    "coefficients",
    "enclosed_split",
    "gauss_hermite_split",
    "least_residual",
    "split_order",
    "two_atoms_fourth_order",
]


class Split(NamedTuple):
    """Atoms about a true one.

    Parameters
    ----------
    weight, mean, half_variance : sequence of numbers, one an atom
        w_i, a_i and b_i.
    """

    weight: Any
    mean: Any
    half_variance: Any


def split_order(atoms: int) -> int:
    """r(m) of a cell of m > 1 atoms.

    Examples
    --------
    >>> [split_order(m) for m in (2, 3, 4)]
    [4, 6, 8]
    """
    if atoms < 2:
        raise InputError(f"a cell of {atoms} atoms is not split: give two at least")
    return 2 * atoms


def _terms(mean: Any, half_variance: Any, order: int, one: Any) -> list[Any]:
    """h_0, ..., h_order of exp(a t + b t²) = sum h_q t^q: q h_q = a h_(q-1) + 2 b h_(q-2)."""
    found = [one, mean]
    for q in range(2, order + 1):
        total = mean * found[q - 1] + half_variance * found[q - 2] + half_variance * found[q - 2]
        found.append(total.over(float(q)) if isinstance(total, Interval) else total / q)
    return found[: order + 1]


def coefficients(split: Split, order: int) -> list[Any]:
    """Coefficients of t, t², ..., t^order of sum_i w_i exp(a_i t + b_i t²).

    Exact for fractions.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> coefficients(Split([half, half], [Fraction(1), Fraction(-1)], [-half, -half]), 4)
    [Fraction(0, 1), Fraction(0, 1), Fraction(0, 1), Fraction(-1, 12)]
    """
    atoms = [(w, _terms(a, b, order, type(a)(1))) for w, a, b in zip(*split, strict=True)]
    return [sum(w * terms[q] for w, terms in atoms) for q in range(1, order + 1)]


def gauss_hermite_split(atoms: int) -> Split:
    """m atoms that reach order 2 m - 1: the nodes and weights of Gauss and Hermite."""
    mean, weight = hermegauss(atoms)
    return Split(weight / weight.sum(), mean, np.full(atoms, -0.5))


def two_atoms_fourth_order(weight: Fraction) -> Fraction:
    """The coefficient of t^4 of the only two atoms, at distance one, that reach order 3.

    Orders 1 to 3 are linear in the atoms' places then, and leave -u (1 - u) / 36 with
    u = w (1 - w), a polynomial of degree 4 in w: never zero, so r(2) = 4.

    Parameters
    ----------
    weight : Fraction
        Of the first atom, in (0, 1).

    Examples
    --------
    >>> two_atoms_fourth_order(Fraction(1, 2))
    Fraction(-1, 192)
    """
    p, q = weight, 1 - weight
    mean = [-q, p]
    # sum w b = -sum w a² / 2 and sum w a b = -sum w a³ / 6.
    level, apart = -p * q / 2, (p - q) / 6
    split = Split([p, q], mean, [level + q * apart, level - p * apart])
    first, second, third, fourth = coefficients(split, 4)
    assert first == second == third == 0
    return Fraction(fourth)


def _system(free: NDArray, values: Interval) -> tuple[Interval, Interval]:
    """Orders 1 to 7, the weights' sum and the variance, of four atoms; and their derivatives.

    Parameters
    ----------
    free : array of int, shape (9,)
        Which of (a, b, w) the nine equations are solved for.
    values : Interval, shape (12,)
    """
    mean, half, weight = values[:4], values[4:8], values[8:]
    one = point(np.ones(4))
    terms = _terms(mean, half, 7, one)
    zero = point(np.zeros(4))
    rows = [(weight * terms[q]).total() for q in range(1, 8)]
    square = mean * mean
    rows += [weight.total() - point(1.0), (weight * square).total() - point(1.0)]
    slopes = []
    for q in range(1, 8):
        before = terms[q - 2] if q > 1 else zero
        slopes.append(_joined(weight * terms[q - 1], weight * before, terms[q]))
    slopes.append(_joined(zero, zero, one))
    slopes.append(_joined(weight * (mean + mean), zero, square))
    low, high = (np.array([getattr(part, end) for part in rows]) for end in ("low", "high"))
    jacobian = Interval(
        np.array([part.low for part in slopes])[:, free],
        np.array([part.high for part in slopes])[:, free],
    )
    return Interval(low, high), jacobian


def _joined(*parts: Interval) -> Interval:
    return Interval(
        np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts])
    )


NEAR_SPLIT = Split(
    np.array([0.5165, 0.0247, 0.2654, 0.1934]),
    np.array([-0.2042, 1.5765, 1.3456, -1.5025]),
    np.array([-0.5673, -1.2960, -0.3785, -0.3853]),
)
"""Four atoms of different variances near which order 7 is reached."""


def enclosed_split(near: Split = NEAR_SPLIT, radius: float = 1e-9) -> Split | None:
    """A box proved to hold four atoms that reach order 7, so that r(4) >= 8; None where it fails.

    Three of the twelve numbers are held where they are, the others solve orders 1 to 7, sum w = 1
    and sum w a² = 1 in it, by Krawczyk's test.

    Returns
    -------
    Split of `Interval`s of shape (4,), with positive weights and means that are not zero.
    """
    start = np.concatenate([near.mean, near.half_variance, near.weight])
    free = _free(start)

    def whole(own: Interval) -> Interval:
        low, high = start.copy(), start.copy()
        low[free], high[free] = own.low, own.high
        return Interval(low, high)

    for _ in range(8):
        value, slope = _system(free, point(start))
        step = np.linalg.solve(slope.low, value.low)
        start[free] -= step
    found = enclosed_zero(
        lambda own: _system(free, whole(own))[0],
        lambda own: _system(free, whole(own))[1],
        start[free],
        radius,
    )
    if found is None:
        return None
    box = whole(found)
    mean, half, weight = box[:4], box[4:8], box[8:]
    apart = bool(np.all((mean.low > 0) | (mean.high < 0)))
    return Split(weight, mean, half) if apart and bool(np.all(weight.low > 0)) else None


def _free(start: NDArray) -> NDArray:
    """The nine entries to solve for: those whose columns span the most, by pivoted QR."""
    slope = _system(np.arange(12), point(start))[1].low
    return np.sort(qr(slope, pivoting=True, mode="r")[1][:9])


def least_residual(atoms: int, order: int, *, starts: int = 24, seed: int = 0) -> float:
    """The least half sum of squared coefficients of t, ..., t^order, from random starts.

    The weights sum to one and sum w a² = 1. Zero to rounding says that the order is reached;
    anything else is evidence only that it is not.

    Parameters
    ----------
    atoms, order : int
    starts, seed : int
    """

    def residual(values: NDArray) -> NDArray:
        mean, half, score = np.split(values, 3)
        weight = np.exp(score - score.max())
        weight = weight / weight.sum()
        terms = _terms(mean, half, order, np.ones(atoms))
        return np.array([*(weight @ terms[q] for q in range(1, order + 1)), weight @ mean**2 - 1.0])

    rng = default_rng(seed)
    found = [
        least_squares(residual, rng.normal(size=3 * atoms), xtol=1e-15, ftol=1e-15, gtol=1e-15).cost
        for _ in range(starts)
    ]
    return float(min(found))
