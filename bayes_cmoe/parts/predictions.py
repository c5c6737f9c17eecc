"""The frozen expert's predictions at the rows of the data: all that another program can tell of it.

Columns of arguments (one value a row), class probabilities, or one column of log-densities
produced by any model at all.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.arrays import check_rows, check_same_rows, finite_rows, numbers, row_labels
from bayes_cmoe.parts.families import Family, categorical, family_named
from bayes_cmoe.parts.frozen import Columns, Frozen, check_df, log_density, scaled_family

__all__ = [
    "check_log_probabilities",
    "frozen_arguments",
    "frozen_log_density",
    "frozen_predictions",
    "frozen_probabilities",
]

SUM_TOLERANCE = 1e-6
"""Class probabilities may be rounded by as much."""


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
    chosen = scaled_family(family)
    check_df(chosen, df)
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


def frozen_arguments(family: str | Family, **arguments: ArrayLike) -> Frozen:
    """A frozen expert of any family from its arguments at the rows of the data.

    Parameters
    ----------
    family : str or Family
    **arguments : array, shape (n,) or (n, class)
        One for each of the family's arguments, such as ``log_rate`` of a poisson.

    Raises
    ------
    InputError
        When an argument is missing, unknown, no number or not finite, or rows are labelled
        differently.

    Examples
    --------
    >>> frozen_arguments("poisson", log_rate=[0.0, 0.5]).description
    'poisson arguments'
    """
    density = family_named(family)
    if set(arguments) != set(density.arguments):
        raise InputError(
            f"a {density.name} has the arguments {', '.join(density.arguments)}; got "
            f"{', '.join(arguments) or 'none'}"
        )
    given = {name: numbers(f"the frozen {name}", arguments[name]) for name in density.arguments}
    for name, column in given.items():
        finite_rows(f"frozen_{name}", column, "give a number")
    labels = {f"the frozen {name}": row_labels(column) for name, column in arguments.items()}
    columns = {f"frozen_{name}": column for name, column in given.items()}
    return Frozen(
        density, partial(_fixed, columns), f"{density.name} arguments", check_same_rows(labels)
    )
