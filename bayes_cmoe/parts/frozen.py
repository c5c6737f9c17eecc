"""The frozen, pre-trained expert f0: known, so all that a model needs of it is columns of data.

Three ways to state one: a family and an expert with its parameters (evaluated at any x), columns
of predictions (one value a row), or one column of log-densities produced by any model at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.arrays import check_rows, check_same_rows, finite_rows, numbers, row_labels
from bayes_cmoe.parts.experts import Expert, evaluate, expert_named
from bayes_cmoe.parts.families import (
    Family,
    categorical,
    gaussian,
    laplace,
    multinomial_logistic,
    student_t,
)

__all__ = [
    "FROZEN_FAMILIES",
    "Frozen",
    "check_log_probabilities",
    "frozen_expert",
    "frozen_log_density",
    "frozen_predictions",
    "frozen_probabilities",
]

SUM_TOLERANCE = 1e-6
"""Class probabilities may be rounded by as much."""
Tensor = Any
Columns = dict[str, NDArray]


def _gaussian_from_scale(family: Family) -> Family:
    """The Gaussian as the frozen columns state it: by its standard deviation."""

    def logp(y: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        return family.logp(y, mean, scale**2)

    def random(rng: Generator, mean: NDArray, scale: NDArray) -> NDArray:
        return family.random(rng, mean, scale**2)

    return Family("gaussian", ("mean", "scale"), logp, random, family.signature)


def _given_logp(y: Tensor, logp: Tensor) -> Tensor:
    return logp


def _no_draws(rng: Generator, logp: NDArray) -> NDArray:
    raise InputError(
        "a frozen expert given by its log-densities cannot be drawn from: "
        "give its predictions (mean and scale, or class probabilities) to simulate"
    )


log_density = Family("log_density", ("logp",), _given_logp, _no_draws, ("()",))

FROZEN_FAMILIES = {
    "gaussian": _gaussian_from_scale(gaussian),
    "laplace": laplace,
    "student_t": student_t,
    "categorical": categorical,
    "multinomial_logistic": multinomial_logistic,
    "log_density": log_density,
}


@dataclass(frozen=True, eq=False)
class Frozen:
    """A frozen expert: a density whose arguments are known at every row.

    Parameters
    ----------
    family : Family
        Its density; the arguments become the data columns ``frozen_<argument>``.
    columns : callable
        ``columns(x)`` gives these columns at the rows of x, shape (n, feature).
    description : str
        One line for reports.
    labels : pandas.Index, optional
        Labels of the rows that the columns are known at, where they carry any.
    """

    family: Family
    columns: Callable[[NDArray], Columns]
    description: str
    labels: pd.Index | None = None


def _fixed(given: Mapping[str, NDArray], x: NDArray) -> Columns:
    for name, column in given.items():
        if len(column) != len(x):
            raise InputError(
                f"{name} has {len(column)} rows and the data {len(x)}: "
                "give one prediction for each row"
            )
    return dict(given)


def _vector(name: str, values: ArrayLike, n: int | None = None) -> NDArray:
    column = numbers(name, values)
    if column.ndim == 0 and n is not None:
        column = numbers(name, np.full(n, column))
    if column.ndim != 1:
        raise InputError(f"{name} has shape {column.shape}: give one number for each row")
    return column


def _scalar_family(family: str) -> Family:
    return FROZEN_FAMILIES[choose("frozen family", family, ("gaussian", "laplace", "student_t"))]


def _check_df(family: Family, df: ArrayLike | None) -> None:
    if ("df" in family.arguments) != (df is not None):
        raise InputError(
            "a frozen student_t needs its degrees of freedom (df)"
            if df is None
            else f"a frozen {family.name} has no degrees of freedom: leave df out"
        )


def frozen_predictions(
    family: str, mean: ArrayLike, scale: ArrayLike, df: ArrayLike | None = None
) -> Frozen:
    """A frozen expert from its predictions at the rows of the data.

    Parameters
    ----------
    family : {"gaussian", "laplace", "student_t"}
    mean : array, shape (n,)
        Predicted location, in the units of y.
    scale : float or array, shape (n,)
        Standard deviation of a gaussian, scale parameter of a laplace or student_t.
    df : float or array, shape (n,), optional
        Degrees of freedom of a student_t.

    Raises
    ------
    InputError
        When a column is masked, no number or not finite, a scale or df not positive, df given for
        another family, or columns label their rows differently.

    Examples
    --------
    >>> frozen_predictions("laplace", mean=[0.0, 1.0], scale=0.5).description
    'laplace predictions'
    """
    chosen = _scalar_family(family)
    _check_df(chosen, df)
    location = _vector("the frozen mean", mean)
    given = {
        "frozen_mean": location,
        "frozen_scale": _vector("the frozen scale", scale, len(location)),
    }
    if df is not None:
        given["frozen_df"] = _vector("the frozen df", df, len(location))
    for name, column in given.items():
        finite_rows(name, column, "give a number")
        if name != "frozen_mean":
            check_rows(name, column > 0, "not positive", "give a positive number")
    labels = {"the frozen mean": mean, "the frozen scale": scale, "the frozen df": df}
    shared = check_same_rows({name: row_labels(column) for name, column in labels.items()})
    return Frozen(chosen, partial(_fixed, given), f"{family} predictions", shared)


def frozen_probabilities(probs: ArrayLike) -> Frozen:
    """A frozen classifier from its class probabilities at the rows of the data.

    Parameters
    ----------
    probs : array, shape (n, class)
        Each row at least 0 and summing to one (to 1e-6).

    Raises
    ------
    InputError
        When a row is not a probability vector.
    """
    table = numbers("frozen_probs", probs)
    if table.ndim != 2 or table.shape[1] < 2:
        raise InputError(f"class probabilities have shape {table.shape}: give (n, classes)")
    name, remedy = "frozen_probs", "give probabilities of all classes, in the order of the labels"
    check_rows(name, (table >= 0).all(axis=1), "negative or not a number", remedy)
    total = table.sum(axis=1)
    check_rows(name, np.abs(total - 1.0) <= SUM_TOLERANCE, "not summing to one", remedy)
    exact = numbers(name, table / total[:, None])
    return Frozen(
        categorical, partial(_fixed, {name: exact}), "class probabilities", row_labels(probs)
    )


def frozen_log_density(logp: ArrayLike) -> Frozen:
    """A frozen expert from log f0(y|x) at the rows of the data, produced by any model at all.

    Parameters
    ----------
    logp : array, shape (n,)
        Natural logarithm of the density (or probability) of each observed response.

    Raises
    ------
    InputError
        When an entry is not finite.
    """
    column = _vector("the frozen log-density", logp)
    finite_rows("frozen_logp", column, "give the natural log-density")
    given = {"frozen_logp": column}
    return Frozen(log_density, partial(_fixed, given), "log-densities", row_labels(logp))


def check_log_probabilities(logp: NDArray) -> None:
    """Refuse a class label whose probability would be above one, beyond a rounding of 1e-6.

    Raises
    ------
    InputError
    """
    check_rows(
        "frozen_logp",
        logp <= SUM_TOLERANCE,
        "positive, a probability above one,",
        "give natural logarithms of class probabilities",
    )


def frozen_expert(
    family: str,
    expert: str | Expert,
    parameters: Mapping[str, ArrayLike],
    *,
    scale: float | None = None,
    df: float | None = None,
) -> Frozen:
    """A frozen expert from a family, an expert function and its parameters; known at any x.

    Parameters
    ----------
    family : {"gaussian", "laplace", "student_t", "multinomial_logistic"}
    expert : str or Expert
    parameters : mapping of str to array
        The expert's parameters; for multinomial_logistic with the free classes in front.
    scale : float, optional
        As in `frozen_predictions`; not for multinomial_logistic.
    df : float, optional
        Degrees of freedom of a student_t.

    Raises
    ------
    InputError
        When the family is unknown, or scale or df are missing, superfluous or not positive.

    Examples
    --------
    >>> f0 = frozen_expert("gaussian", "linear", {"a": [2.0], "b": 0.0}, scale=1.0)
    >>> f0.columns(np.array([[1.0], [3.0]]))["frozen_mean"]
    array([2., 6.])
    """
    chosen = expert_named(expert)
    values = {name: numbers(name, value) for name, value in parameters.items()}
    description = f"{family} with {chosen.name} mean"
    if family == "multinomial_logistic":
        if scale is not None or df is not None:
            raise InputError("a multinomial_logistic expert has no scale and no df: leave them out")

        def logits(x: NDArray) -> Columns:
            return {"frozen_logits": evaluate(chosen, x, values)}

        return Frozen(multinomial_logistic, logits, f"{chosen.name} logits")

    density = _scalar_family(family)
    _check_df(density, df)
    fixed = {"frozen_scale": scale} if df is None else {"frozen_scale": scale, "frozen_df": df}
    for name, value in fixed.items():
        number = None if value is None else numbers(name, value)
        if number is None or number.ndim or not number > 0 or not np.isfinite(number):
            raise InputError(f"{name} of a frozen {family} is {value}: give a positive number")

    def columns(x: NDArray) -> Columns:
        constants = {name: np.full(len(x), value, dtype=float) for name, value in fixed.items()}
        return {"frozen_mean": evaluate(chosen, x, values), **constants}

    return Frozen(density, columns, description)
