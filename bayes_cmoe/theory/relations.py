"""Exact linear relations between columns of numbers, found by an SVD and printed readably."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError

__all__ = ["Relation", "Term", "null_relations", "readable", "without_multiples"]

ROUNDING = 1e-11
"""A singular value below this share of the largest is at rounding level."""

GAP = 1e3
"""All other singular values must exceed that share at least so many times."""

NEGLIGIBLE = 1e-7


@dataclass(frozen=True, order=True)
class Term:
    """A function of (x, y): a monomial in x times a derivative of ``f0``, ``f`` or ``h``.

    Parameters
    ----------
    symbol : str
        ``f0``, ``f`` or ``h``.
    derivative : tuple of str
        Labels of the parameters in which it is differentiated; empty for the function itself.
    monomial : tuple of str
        Names of the inputs that multiply it, with repetition.

    Examples
    --------
    >>> str(Term("f", ("b", "b"))), str(Term("f", ("a", "b"), ("x",)))
    ('d²f/db²', 'x d²f/da db')
    """

    symbol: str
    derivative: tuple[str, ...] = ()
    monomial: tuple[str, ...] = ()

    def times(self, *inputs: str) -> "Term":
        """This term multiplied by more inputs."""
        return Term(self.symbol, self.derivative, tuple(sorted((*self.monomial, *inputs))))

    def __str__(self) -> str:
        factors = [_power(name, self.monomial.count(name)) for name in sorted(set(self.monomial))]
        if self.derivative:
            order = len(self.derivative)
            below = [
                f"d{_power(name, self.derivative.count(name))}"
                for name in dict.fromkeys(self.derivative)
            ]
            factors.append(f"{_power('d', order)}{self.symbol}/{' '.join(below)}")
        else:
            factors.append(self.symbol)
        return " ".join(factors)


Relation = Mapping[Term, float]
"""Coefficients of terms whose sum is zero; the first term's is one."""


def _power(name: str, exponent: int) -> str:
    return name + {1: "", 2: "²", 3: "³"}.get(exponent, f"^{exponent}")


def readable(relation: Relation) -> str:
    """The relation solved for its first term.

    Examples
    --------
    >>> readable({Term("f", ("b", "b")): 1.0, Term("f", ("nu",)): -2.0})
    'd²f/db² = 2 df/dnu'
    """
    (first, *others) = relation.items()
    right = ""
    for term, coefficient in others:
        value = -coefficient / first[1]
        sign = "-" if value < 0 else "+"
        right += f" {sign} " if right else ("-" if value < 0 else "")
        size = _number(abs(value))
        right += f"{size} {term}" if size != "1" else str(term)
    return f"{first[0]} = {right or '0'}"


def _number(value: float) -> str:
    near = Fraction(value).limit_denominator(60)
    return str(near) if near and abs(float(near) / value - 1.0) < 1e-6 else f"{value:.6g}"


def null_relations(
    terms: Sequence[Term], columns: NDArray, sizes: NDArray
) -> tuple[NDArray, list[Relation]]:
    """Singular values of the columns, scaled to unit norm, and the exact relations between them.

    Parameters
    ----------
    terms : sequence of Term
        What each column is. Relations are solved for derivatives of the highest order, for ``f0``
        before ``f``, and for terms without a factor x, where there is a choice.
    columns : array, shape (n, term)
        Or anything with the same inner products, such as R of a QR decomposition.
    sizes : array, shape (term,)
        Norm that the column would have without cancellation; a column below `ROUNDING` of it is
        zero.

    Returns
    -------
    array, shape (term,), descending, with zeros for zero columns; and the relations in reduced
    echelon form, so that each holds few terms.

    Raises
    ------
    InputError
        When no gap parts the singular values at rounding level from the others.
    """
    norms = np.linalg.norm(columns, axis=0)
    zero = norms <= ROUNDING * sizes
    relations: list[Relation] = [{terms[int(j)]: 1.0} for j in np.flatnonzero(zero)]
    live = sorted(np.flatnonzero(~zero).tolist(), key=lambda j: _precedence(terms[j]))
    _, values, directions = np.linalg.svd(columns[:, live] / norms[live], full_matrices=False)
    small = values <= ROUNDING * values[0]
    rest = values[~small]
    if rest[-1] < GAP * ROUNDING * values[0]:
        raise InputError(
            f"a singular value of {rest[-1] / values[0]:.1e} of the largest is neither at rounding "
            "level nor clear of it: test at another point"
        )
    for row, pivot in _echelon(directions[small]):
        coefficients = row / norms[live]
        used = np.flatnonzero(np.abs(row) > NEGLIGIBLE).tolist()
        order = [pivot, *(j for j in used if j != pivot)]
        relations.append({terms[live[j]]: coefficients[j] / coefficients[pivot] for j in order})
    return np.concatenate([values, np.zeros(int(zero.sum()))]), relations


def _precedence(term: Term) -> tuple[int, bool, int]:
    return -len(term.derivative), term.symbol != "f0", len(term.monomial)


def _echelon(rows: NDArray) -> list[tuple[NDArray, int]]:
    """Reduced row echelon form with its pivots; `rows` are orthonormal."""
    rows = rows.copy()
    pivots: list[int] = []
    for j in range(rows.shape[1]):
        top = len(pivots)
        if top == len(rows):
            break
        best = top + int(np.argmax(np.abs(rows[top:, j])))
        if abs(rows[best, j]) <= NEGLIGIBLE:
            continue
        rows[[top, best]] = rows[[best, top]]
        rows[top] /= rows[top, j]
        others = np.arange(len(rows)) != top
        rows[others] -= np.outer(rows[others, j], rows[top])
        pivots.append(j)
    return list(zip(rows, pivots, strict=True))


def without_multiples(relations: Sequence[Relation], inputs: Sequence[str]) -> list[Relation]:
    """The relations less those that follow from the others, also through factors in x.

    Parameters
    ----------
    relations : sequence of Relation
    inputs : sequence of str
        Names of the inputs that may multiply a relation; empty for constant coefficients.
    """
    kept: list[Relation] = []
    known: list[Relation] = []
    for relation in sorted(relations, key=lambda r: max(len(term.monomial) for term in r)):
        if _in_span(relation, known):
            continue
        kept.append(relation)
        known.append(relation)
        once = [_times(relation, name) for name in inputs]
        known += once + [_times(one, name) for one in once for name in inputs]
    return kept


def _times(relation: Relation, name: str) -> Relation:
    return {term.times(name): coefficient for term, coefficient in relation.items()}


def _in_span(relation: Relation, known: Sequence[Relation]) -> bool:
    if not known:
        return False
    terms = sorted({term for r in (relation, *known) for term in r})
    table = np.array([[r.get(term, 0.0) for term in terms] for r in known])
    target = np.array([relation.get(term, 0.0) for term in terms])
    weights = np.linalg.lstsq(table.T, target, rcond=None)[0]
    return bool(np.linalg.norm(table.T @ weights - target) < 1e-6 * np.linalg.norm(target))
