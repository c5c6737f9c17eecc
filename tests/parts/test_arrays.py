"""A user's arrays: what is taken is what was given, and nothing is taken for a number."""

import datetime
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

from bayes_cmoe import InputError
from bayes_cmoe.parts.arrays import check_same_rows, numbers, row_labels

EDGE = 2**53
"""From here on whole numbers lie between 64-bit floats."""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 2.5], [1.0, 2.5]),
        (3, 3.0),
        ([], []),
        (np.float16([0.5]), [0.5]),
        (np.array([EDGE, EDGE + 2]), [2.0**53, 2.0**53 + 2]),
        (np.array([2**63], dtype=np.uint64), [2.0**63]),
        (np.ma.array([1.0, 2.0], mask=[False, False]), [1.0, 2.0]),
        ([np.ma.array([1.0]), np.ma.array([2.0])], [[1.0], [2.0]]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan]),
        (pd.Series([1.5], dtype="float64[pyarrow]"), [1.5]),
        (pd.Series([0.0, 2.0], dtype="Sparse[float]"), [0.0, 2.0]),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), [[1.0, 0.5], [2.0, 1.5]]),
        (xr.DataArray([1.0, 2.0], dims="row"), [1.0, 2.0]),
        (pa.array([1, 2]), [1.0, 2.0]),
    ],
)
def test_numbers_are_taken_as_they_are(given, expected):
    own = numbers("y", given)
    assert own.dtype == np.float64
    assert own.shape == np.shape(expected)
    np.testing.assert_array_equal(own, expected)
    assert not own.flags.writeable


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 1]), "masked in row 2"),
        (np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 0], [1, 0]]), "masked in row 1"),
        ([np.ma.array([1.0, 2.0]), np.ma.array([1.0, 2.0], mask=[0, 1])], "masked in row 1"),
        (np.ma.masked, "masked"),
        (["1.5"], "text"),
        (np.array([b"1"]), "bytes"),
        ([True, False], "truth values"),
        ([1.0 + 0j], "complex"),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), "dates"),
        (np.array([1], dtype="timedelta64[s]"), "time spans"),
        ([datetime.date(2026, 1, 1)], "objects"),
        ([Fraction(1, 2)], "objects"),
        ([None, 1.0], "objects"),
        (np.zeros(2, dtype=[("a", float)]), "records"),
        ([EDGE + 1], f"{EDGE + 1}, a whole number"),
        ([-EDGE - 1], f"-{EDGE + 1}, a whole number"),
        (np.array([2**64 - 1], dtype=np.uint64), f"{2**64 - 1}, a whole number"),
        (pd.Series([EDGE + 1, None], dtype="Int64"), f"{EDGE + 1}, a whole number"),
        (pd.Series(["1"]), "not numbers"),
        (pd.Series([True, None], dtype="boolean"), "boolean"),
        (pd.Series([1, 2], dtype="category"), "category"),
        (pd.Series(pd.to_datetime(["2026-01-01"])), "dates"),
        (pd.DataFrame({"a": [1.0], "b": [True]}), "column 'b' holds truth values"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "several columns 'a'"),
        ([[1.0], [1.0, 2.0]], "no array"),
        (None, "objects"),
    ],
)
def test_what_is_no_number_is_refused(given, words):
    with pytest.raises(InputError) as caught:
        numbers("y", given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_copy_is_the_suite_s_own():
    given = np.array([1.0, 2.0])
    own = numbers("y", given)
    given[0] = 9.0
    np.testing.assert_array_equal(own, [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        own[0] = 9.0
    assert given.flags.writeable


@pytest.mark.parametrize(
    "labelled",
    [
        pd.Series([1.0, 2.0], index=[7, 5]),
        pd.DataFrame({"a": [1.0, 2.0]}, index=[7, 5]),
        xr.DataArray([1.0, 2.0], coords={"row": [7, 5]}, dims="row"),
    ],
)
def test_labels_of_rows_must_agree_in_their_order(labelled):
    same, other = pd.Series([0.0, 0.0], index=[7, 5]), pd.Series([0.0, 0.0], index=[5, 7])
    labels = {"x": row_labels(labelled), "z": None, "y": row_labels(same)}
    assert list(check_same_rows(labels)) == [7, 5]
    with pytest.raises(InputError, match="x and y label their rows differently"):
        check_same_rows(labels | {"y": row_labels(other)})


@pytest.mark.parametrize(
    "plain", [[1.0], np.ones(1), xr.DataArray([1.0]), xr.DataArray(1.0), 2.0, None]
)
def test_what_has_no_labels_agrees_with_anything(plain):
    assert row_labels(plain) is None
    assert check_same_rows({"x": row_labels(plain)}) is None
