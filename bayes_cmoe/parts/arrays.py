"""A user's arrays as numbers of the suite's own: copied, read-only, and nothing taken for a number.

NumPy would convert on the way what is none: the data under a mask, dates, truth values, the real
part of a complex number, text that looks like a number, whole numbers beyond 2^53.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.lazy import is_loaded, pd, xr

__all__ = [
    "check_rows",
    "check_same_rows",
    "evenly_spread",
    "finite_rows",
    "numbers",
    "row_labels",
]

KINDS = {
    "b": "truth values",
    "c": "complex numbers",
    "m": "time spans",
    "M": "dates",
    "O": "objects",
    "S": "bytes",
    "T": "text",
    "U": "text",
    "V": "records",
}
"""What a column may hold instead of numbers, by NumPy's kind."""


def numbers(name: str, values: Any) -> NDArray:
    """A read-only copy of an array of numbers, in 64 bits.

    Parameters
    ----------
    name : str
        What it is, for messages.
    values : array
        Anything that NumPy makes an array of: lists, Series, frames, xarray's arrays.

    Raises
    ------
    InputError
        When entries are masked or no numbers (text, truth values, dates, complex numbers, objects),
        or whole numbers that 64 bits round.

    Examples
    --------
    >>> given = np.array([1, 2])
    >>> own = numbers("y", given)
    >>> given[0] = 7
    >>> own, own.flags.writeable
    (array([1., 2.]), False)
    """
    if is_loaded("pandas") and isinstance(values, pd.DataFrame):
        columns = [numbers(f"{name}'s column {label!r}", values[label]) for label in _once(values)]
        own = np.column_stack(columns) if columns else np.empty(values.shape)
    elif _is_extension(values):
        own = _of_extension(name, values)
    else:
        own = _of_array(name, values)
    own.setflags(write=False)
    return own


def _once(frame: pd.DataFrame) -> list[Any]:
    if not frame.columns.is_unique:
        label = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"the frame has several columns {label!r}: rename all but one")
    return list(frame.columns)


def _is_extension(values: Any) -> bool:
    """Whether it is a column of pandas' own types."""
    if not (is_loaded("pandas") and isinstance(values, pd.Series)):
        return False
    return pd.api.types.is_extension_array_dtype(values.dtype)


def _of_extension(name: str, values: pd.Series) -> NDArray:
    """A column of pandas' own types, where a missing entry is no number either."""
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        raise _no_numbers(name, f"{values.dtype}")
    whole = values.dropna()
    if pd.api.types.is_integer_dtype(values.dtype):
        _of_array(name, whole.tolist())
    return np.array(values.to_numpy(dtype=float, na_value=np.nan))


def _of_array(name: str, values: Any) -> NDArray:
    try:
        given = np.ma.asarray(values) if isinstance(values, np.ma.MaskedArray) else _plain(values)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} is no array ({shortened(error)}): give numbers") from None
    if np.ma.is_masked(given):
        place = np.argwhere(np.ma.getmaskarray(given))[0]
        raise InputError(
            f"{name} is masked in row {place[0] if len(place) else 0} (counting from 0): "
            "remove or impute the row"
        )
    whole = np.ma.getdata(given)
    if whole.dtype.kind not in "iuf":
        raise _no_numbers(name, KINDS.get(whole.dtype.kind, str(whole.dtype)))
    own = np.array(whole, dtype=float)
    if whole.dtype.kind in "iu":
        _check_exact(name, whole, own)
    return own


def _plain(values: Any) -> NDArray:
    """NumPy's array of the values, the masks of the parts of a list kept."""
    parts = values if isinstance(values, list | tuple) else ()
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        return np.ma.array(values)
    return np.asarray(values)


def _check_exact(name: str, whole: NDArray, own: NDArray) -> None:
    """Refuse whole numbers that lie between two 64-bit floats."""
    beyond = np.abs(own) >= 2.0**53
    if beyond.any():
        # Compared as Python's whole numbers, which are exact.
        pairs = zip(whole[beyond].tolist(), own[beyond].tolist(), strict=True)
        wrong = [value for value, found in pairs if value != int(found)]
        if wrong:
            raise InputError(
                f"{name} holds {wrong[0]}, a whole number that a 64-bit float rounds: "
                "use another unit or origin"
            )


def _no_numbers(name: str, kind: str) -> InputError:
    return InputError(f"{name} holds {kind}, not numbers: convert it to numbers")


def check_rows(name: str, good: NDArray, problem: str, remedy: str) -> None:
    """Refuse the first row that is not good.

    Raises
    ------
    InputError
    """
    if not good.all():
        raise InputError(
            f"{name} is {problem} in row {int(np.argmin(good))} (counting from 0): {remedy}"
        )


def finite_rows(name: str, values: NDArray, remedy: str = "remove or impute the row") -> None:
    """Refuse the first row with an entry that is not finite.

    Raises
    ------
    InputError
    """
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    check_rows(name, finite, "not finite", remedy)


def row_labels(values: Any) -> pd.Index | None:
    """The labels of the rows, where the array has any (pandas' index, xarray's coordinate)."""
    if is_loaded("pandas") and isinstance(values, pd.Series | pd.DataFrame):
        return values.index
    if is_loaded("xarray") and isinstance(values, xr.DataArray) and values.ndim:
        return values.indexes.get(values.dims[0])
    return None


def check_same_rows(labels: dict[str, pd.Index | None]) -> pd.Index | None:
    """The labels that all labelled arrays share; rows are paired by position, never by label.

    Parameters
    ----------
    labels : dict of str to Index or None
        What each array is -> the labels of its rows.

    Raises
    ------
    InputError
        When two of them differ, in what they are or in their order.

    Examples
    --------
    >>> check_same_rows({"x": pd.Index([3, 5]), "y": None})
    Index([3, 5], dtype='int64')
    >>> check_same_rows({"x": pd.Index([3, 5]), "y": pd.Index([5, 3])})
    Traceback (most recent call last):
    bayes_cmoe.errors.InputError: x and y label their rows differently, ...
    """
    known = {name: index for name, index in labels.items() if index is not None}
    for (first, one), (second, other) in pairwise(known.items()):
        if not one.equals(other):
            raise InputError(
                f"{first} and {second} label their rows differently, or in another order: "
                "align them, or give arrays without labels"
            )
    return next(iter(known.values()), None)


def evenly_spread(count: int, most: int) -> NDArray:
    """Places of at most so many of `count` entries, at even distances, first and last with them.

    Examples
    --------
    >>> evenly_spread(9, 5), evenly_spread(3, 5)
    (array([0, 2, 4, 6, 8]), array([0, 1, 2]))
    """
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)
