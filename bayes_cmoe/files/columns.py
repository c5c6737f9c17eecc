"""Columns of numbers, and what a model needs of them: one function for each check.

A check names the file, the column and the row; rows are counted from 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError

__all__ = [
    "LARGEST",
    "Table",
    "check_class_labels",
    "check_log_probabilities",
    "check_not_constant",
    "check_positive",
    "check_probabilities",
    "check_row_count",
    "check_rows",
]

LARGEST = 1e100
"""Squares and their sums over rows must stay finite."""
SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of finite numbers.

    Parameters
    ----------
    source : str
        Where they come from, for messages.
    columns : dict of str to array, shape (n,)
    """

    source: str
    columns: dict[str, NDArray] = field(repr=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))

    def matrix(self, names: Sequence[str]) -> NDArray:
        """The named columns side by side, shape (n, len(names))."""
        return np.column_stack([self.columns[name] for name in names])


def check_rows(where: str, good: NDArray, values: NDArray, problem: str, remedy: str) -> None:
    """Refuse the first row that is not good; `problem` may quote its ``{value:g}``.

    Raises
    ------
    InputError
    """
    if not good.all():
        row = int(np.argmin(good))
        spelled = problem.format(value=values[row])
        raise InputError(f"{where} {spelled} in row {row + 1}: {remedy}")


def check_positive(table: Table, name: str, upper: float = LARGEST) -> None:
    """Refuse a column with an entry that is not positive, or above `upper`.

    Raises
    ------
    InputError
    """
    values, where = table.columns[name], f"{table.source}: column {name!r}"
    check_rows(where, values > 0, values, "is {value:g}, not positive", "give a positive number")
    check_rows(
        where,
        (values >= 1 / LARGEST) & (values <= upper),
        values,
        f"is {{value:g}}, outside {1 / LARGEST:g} to {upper:g}",
        "give a value inside",
    )


def check_not_constant(table: Table, name: str) -> None:
    """Refuse a column whose entries are all the same, up to rounding.

    Raises
    ------
    InputError
    """
    values = table.columns[name]
    if np.ptp(values) <= 1e-13 * np.max(np.abs(values)):
        raise InputError(
            f"{table.source}: column {name!r} is constant ({values[0]:g}): leave it out, "
            "or give rows in which it varies"
        )


def check_probabilities(table: Table, names: Sequence[str]) -> None:
    """Refuse rows whose named columns are not class probabilities: 0 to 1, summing to one to 1e-6.

    Raises
    ------
    InputError
    """
    remedy = "give probabilities of all classes, in the order of the labels"
    for name in names:
        values, where = table.columns[name], f"{table.source}: column {name!r}"
        good = (values >= 0) & (values <= 1)
        check_rows(where, good, values, "is {value:g}, outside 0 to 1", remedy)
    total = table.matrix(names).sum(axis=1)
    where = f"{table.source}: columns {', '.join(names)}"
    good = np.abs(total - 1) <= SUM_TOLERANCE
    check_rows(where, good, total, "sum to {value:.7g}, not one,", remedy)


def check_log_probabilities(table: Table, name: str) -> None:
    """Refuse a column of log-probabilities with an entry above 0, beyond a rounding of 1e-6.

    Raises
    ------
    InputError
    """
    values, where = table.columns[name], f"{table.source}: column {name!r}"
    problem = "is {value:g}, a probability above one,"
    remedy = "give natural logarithms of class probabilities"
    check_rows(where, values <= SUM_TOLERANCE, values, problem, remedy)


def check_class_labels(table: Table, name: str, classes: int | None = None) -> int:
    """The number of classes K of a label column, once every label 0..K-1 has been seen.

    Parameters
    ----------
    table : Table
    name : str
    classes : int, optional
        K, when known; otherwise the largest label and one more.

    Raises
    ------
    InputError
        When a label is not an integer in 0..K-1, a class is never seen, or there is one only.
    """
    values, where = table.columns[name], f"{table.source}: column {name!r}"
    whole = (values == np.floor(values)) & (values >= 0)
    remedy = "recode the classes as 0, 1, 2, ..."
    check_rows(where, whole, values, "is {value:g}, not a class label,", remedy)
    if classes is not None:
        inside = values < classes
        problem = f"is {{value:g}}, not in 0..{classes - 1},"
        remedy = "recode the labels, or give a probability column for every class"
        check_rows(where, inside, values, problem, remedy)
    seen = np.unique(values)
    gaps = seen != np.arange(len(seen))
    unseen = int(np.argmax(gaps)) if gaps.any() else len(seen)
    if gaps.any() or (classes is not None and unseen < classes):
        top = int(seen[-1]) if classes is None else classes - 1
        raise InputError(
            f"{where} never has class {unseen} of 0..{top}: add rows of it, "
            "or leave the class out and recode"
        )
    if len(seen) < 2:
        raise InputError(f"{where} has one class only: give rows of at least two")
    return len(seen)


def check_row_count(table: Table, parameters: int) -> None:
    """Refuse a table with fewer rows than the model has parameters.

    Raises
    ------
    InputError
    """
    if table.n < parameters:
        raise InputError(
            f"{table.source}: {table.n} rows for {parameters} parameters: give more rows, "
            "or fewer features"
        )
