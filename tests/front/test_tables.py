"""Tables of every library are the same table."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

from bayes_cmoe.errors import InputError
from bayes_cmoe.front.tables import column_of, frame_of, inputs_of

COLUMNS = {"dose": [1.0, 2.0, 4.0], "kind": ["b", "a", "b"]}


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        xr.Dataset({name: ("row", values) for name, values in COLUMNS.items()}),
        COLUMNS,
    ],
    ids=["pandas", "arrow, as polars", "xarray", "mapping"],
)
def test_a_table_keeps_its_names_and_entries(table):
    frame = frame_of(table)
    assert list(frame.columns) == ["dose", "kind"]
    assert frame["dose"].tolist() == COLUMNS["dose"]
    assert frame["kind"].tolist() == COLUMNS["kind"]


def test_a_frame_of_polars_is_a_table():
    """Its strings, classes and gaps come as pandas has them; a lazy frame is no table yet."""
    pl = pytest.importorskip("polars", reason="the extra dev has it")
    own = pl.DataFrame({**COLUMNS, "count": [1, None, 3]})
    frame = frame_of(own.with_columns(group=pl.col("kind").cast(pl.Categorical)))
    assert list(frame.columns) == ["dose", "kind", "count", "group"]
    assert frame["dose"].tolist() == COLUMNS["dose"]
    assert frame["kind"].tolist() == frame["group"].tolist() == COLUMNS["kind"]
    np.testing.assert_array_equal(frame["count"], [1.0, np.nan, 3.0])
    name, entries = column_of(frame, "y", pl.Series("own", ["u", "v", "u"]))
    assert (name, list(entries)) == ("own", ["u", "v", "u"])
    assert column_of(frame, "y", own.select("dose"))[1].tolist() == COLUMNS["dose"]
    with pytest.raises(InputError, match="is a LazyFrame: give a DataFrame"):
        frame_of(own.lazy())


def test_an_array_has_numbered_columns():
    assert list(frame_of(np.eye(3)).columns) == ["x1", "x2", "x3"]
    assert list(frame_of(np.arange(3.0)).columns) == ["x1"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pd.DataFrame([[1, 2]], columns=["p", "p"]), "several columns 'p'"),
        (pd.DataFrame({"p": []}), "no rows"),
        (xr.Dataset({"p": (("i", "j"), np.eye(2))}), "dimensions i, j"),
        (object(), "is a object: give a DataFrame"),
        (pd.Series([1.0, 2.0], name="p"), "is a Series, a column by itself: give a DataFrame"),
        (pd.DataFrame({"p": [1.0], 2: [3.0]}), "a column 2, whose name is no text: rename it"),
    ],
)
def test_what_is_no_table_is_refused(table, words):
    with pytest.raises(InputError, match=words):
        frame_of(table)


def test_columns_by_name_or_as_they_are():
    frame = frame_of(COLUMNS)
    assert column_of(frame, "y", "dose")[0] == "dose"
    name, entries = column_of(frame, "y", pd.DataFrame({"z": [1.0, 2.0, 3.0]}))
    assert (name, entries.tolist()) == ("y", [1.0, 2.0, 3.0])
    assert column_of(frame, "y", pd.Series([1, 2, 3], name="own"))[0] == "own"
    with pytest.raises(InputError, match="no column 'dosis': it has dose, kind"):
        column_of(frame, "y", "dosis")
    with pytest.raises(InputError, match=r"shape \(2,\) and the table 3 rows"):
        column_of(frame, "y", [1.0, 2.0])


def test_inputs_are_named_or_what_is_left():
    frame = frame_of(COLUMNS)
    assert list(inputs_of(frame, "dose", ()).columns) == ["dose"]
    assert list(inputs_of(frame, None, ["kind"]).columns) == ["dose"]
    with pytest.raises(InputError, match="no column 'age'"):
        inputs_of(frame, ["age"], ())
    with pytest.raises(InputError, match="no inputs"):
        inputs_of(frame, None, ["dose", "kind"])
