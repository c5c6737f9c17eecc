"""Tables of any library as one of pandas', with the names and labels that they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.lazy import is_loaded, pd, xr

__all__ = ["column_of", "frame_of", "inputs_of"]


def frame_of(data: Any) -> pd.DataFrame:
    """A table as a DataFrame.

    Parameters
    ----------
    data : DataFrame of pandas or polars, xarray.Dataset, mapping of names to columns, or array
        An array has the columns x1, x2, ...; a Dataset one dimension.

    Raises
    ------
    InputError
        When it is none of these, has no row, or has columns without a name or two of one name.

    Examples
    --------
    >>> list(frame_of(np.zeros((3, 2))).columns)
    ['x1', 'x2']
    """
    frame = _frame(data)
    nameless = [name for name in frame.columns if not isinstance(name, str)]
    if nameless:
        raise InputError(
            f"the table has a column {nameless[0]!r}, whose name is no text: rename it "
            "(add_prefix('x') makes texts of numbers)"
        )
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"the table has several columns {twice!r}: rename all but one")
    if len(frame) == 0:
        raise InputError("the table has no rows: give at least one")
    return frame


def _frame(data: Any) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data
    if is_loaded("xarray") and isinstance(data, xr.Dataset):
        if len(data.dims) != 1:
            raise InputError(
                f"the Dataset has the dimensions {', '.join(map(str, data.dims))}: give one whose "
                "variables have one dimension, the rows"
            )
        return data.to_dataframe().reset_index(drop=True)
    if hasattr(data, "__arrow_c_stream__"):
        try:
            return pa.table(data).to_pandas()
        except pa.ArrowInvalid:
            raise InputError(
                f"the table is a {type(data).__name__}, a column by itself: give a DataFrame "
                "(to_frame makes one of it)"
            ) from None
    if isinstance(data, Mapping):
        return pd.DataFrame(dict(data))
    array = np.asarray(data)
    if array.ndim not in (1, 2) or array.dtype == object:
        raise InputError(
            f"the table is a {type(data).__name__}: give a DataFrame, an xarray.Dataset, a mapping "
            "of names to columns, or an array of shape (n, features)"
        )
    columns = array[:, None] if array.ndim == 1 else array
    return pd.DataFrame(columns, columns=[f"x{j + 1}" for j in range(columns.shape[1])])


def column_of(table: pd.DataFrame, what: str, given: Any) -> tuple[str, Any]:
    """A column's name and entries, given by its name or as it is.

    Raises
    ------
    InputError
        When the table has no such column, or the entries are not one a row, or have other labels.
    """
    if isinstance(given, str):
        if given not in table.columns:
            raise InputError(
                f"{what}: the table has no column {given!r}: it has {_listed(table.columns)}"
            )
        return given, table[given]
    index = getattr(given, "index", None)
    if isinstance(index, pd.Index) and not index.equals(table.index):
        raise InputError(
            f"{what} labels its rows differently from the table: align them, or give it without "
            "labels (to_numpy)"
        )
    name = getattr(given, "name", None)
    entries = given.to_numpy() if hasattr(given, "to_numpy") else np.asarray(given)
    entries = entries.reshape(-1) if entries.shape == (len(table), 1) else entries
    if entries.shape != (len(table),):
        raise InputError(
            f"{what} has shape {entries.shape} and the table {len(table)} rows: give one entry a "
            "row, or the name of a column"
        )
    return (name if isinstance(name, str) else "y"), entries


def inputs_of(
    table: pd.DataFrame, x: str | Sequence[str] | None, others: Sequence[str]
) -> pd.DataFrame:
    """The columns that are the prompt's inputs.

    Parameters
    ----------
    table : DataFrame
    x : str or sequence of str, optional
        Their names; all columns but `others` when left out.
    others : sequence of str
        The response, and what states the frozen expert.

    Raises
    ------
    InputError
        When a column is missing, is the response, or there is none.
    """
    if x is None:
        names = [name for name in table.columns if name not in others]
    else:
        names = [x] if isinstance(x, str) else list(x)
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(
            f"x: the table has no column {missing[0]!r}: it has {_listed(table.columns)}"
        )
    if not names:
        raise InputError("there are no inputs: name at least one column as x")
    return table[names]


def _listed(names: Any) -> str:
    return shortened(", ".join(map(str, names)), 200)
