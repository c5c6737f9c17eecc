"""The frozen, pre-trained expert f0: known, so all that a model needs of it is columns of data.

Here it is stated by a family and an expert with its parameters, so that it is known at any x; see
`bayes_cmoe.parts.predictions` for one that is known at the rows of the data only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.lazy import pd
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.experts import Expert, evaluate, expert_named
from bayes_cmoe.parts.families import (
    FAMILIES,
    Family,
    categorical,
    gaussian,
    laplace,
    multinomial_logistic,
    student_t,
)
from bayes_cmoe.shown import Shown

__all__ = [
    "FROZEN_FAMILIES",
    "NO_FROZEN",
    "SCALED",
    "Frozen",
    "check_df",
    "frozen_expert",
    "scaled_family",
]

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


log_density = Family("log_density", ("logp",), _given_logp, _no_draws, ("()",), "any")

FROZEN_FAMILIES = {
    "gaussian": _gaussian_from_scale(gaussian),
    "laplace": laplace,
    "student_t": student_t,
    "categorical": categorical,
    "multinomial_logistic": multinomial_logistic,
    "log_density": log_density,
}


SCALED = ("gaussian", "laplace", "student_t")
"""Families of a number with a mean and a scale."""


@dataclass(frozen=True, eq=False, repr=False)
class Frozen(Shown):
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

    def shown(self) -> dict[str, Any]:
        """Where its predictions come from, and the columns that a model has of it."""
        columns = [f"frozen_{argument}" for argument in self.family.arguments]
        return {"expert": self.description, "columns": columns}


def _nothing(*_: Any) -> Any:
    raise InputError("there is no frozen expert, so it has no density: leave it out")


def _no_columns(x: NDArray) -> Columns:
    return {}


NO_FROZEN = Frozen(Family("none", (), _nothing, _nothing, (), "any"), _no_columns, "none")
"""What stands for the frozen expert of a mixture that has none: it has no columns."""


def scaled_family(family: str) -> Family:
    """The family of that name, of a number with a mean and a scale."""
    return FROZEN_FAMILIES[choose("frozen family", family, SCALED)]


def check_df(family: Family, df: ArrayLike | None) -> None:
    """Refuse degrees of freedom where the family has none, and none where it has."""
    if ("df" in family.arguments) != (df is not None):
        raise InputError(
            "a frozen student_t needs its degrees of freedom (df)"
            if df is None
            else f"a frozen {family.name} has no degrees of freedom: leave df out"
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
    family : {"gaussian", "laplace", "student_t", "multinomial_logistic", "poisson"}
        Or another of one argument.
    expert : str or Expert
    parameters : mapping of str to array
        The expert's parameters; for multinomial_logistic with the free classes in front.
    scale : float, optional
        As in `frozen_predictions`; only there.
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
    if family not in SCALED:
        return _of_function(family, chosen, values, scale, df)
    density = scaled_family(family)
    check_df(density, df)
    fixed = {"frozen_scale": scale} if df is None else {"frozen_scale": scale, "frozen_df": df}
    for name, value in fixed.items():
        number = None if value is None else numbers(name, value)
        if number is None or number.ndim or not number > 0 or not np.isfinite(number):
            raise InputError(f"{name} of a frozen {family} is {value}: give a positive number")

    def columns(x: NDArray) -> Columns:
        constants = {name: np.full(len(x), value, dtype=float) for name, value in fixed.items()}
        return {"frozen_mean": evaluate(chosen, x, values), **constants}

    return Frozen(density, columns, description)


def _of_function(
    family: str,
    expert: Expert,
    values: Mapping[str, NDArray],
    scale: float | None,
    df: float | None,
) -> Frozen:
    """A frozen expert whose only argument is the expert's function: logits, a log rate."""
    known = {
        name: own
        for name, own in FAMILIES.items()
        if len(own.arguments) == 1 and own.signature != categorical.signature
    }
    density = known[choose("frozen family", family, (*SCALED, *known))]
    if scale is not None or df is not None:
        raise InputError(f"a {family} expert has no scale and no df: leave them out")
    (argument,) = density.arguments

    def columns(x: NDArray) -> Columns:
        return {f"frozen_{argument}": evaluate(expert, x, values)}

    return Frozen(density, columns, f"{expert.name} {argument}")
