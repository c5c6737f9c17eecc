"""Data: what is accepted, what is refused and in which words."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_cmoe import Data, InputError


def test_one_column_may_be_flat() -> None:
    flat, table = Data([1.0, 2.0], [0.0, 1.0]), Data([[1.0], [2.0]], [0.0, 1.0])
    np.testing.assert_array_equal(flat.x, table.x)
    assert flat.n == 2
    assert flat.features == ("x1",)
    assert Data(np.zeros((3, 2)), np.zeros(3)).features == ("x1", "x2")
    assert Data([1, 2], [0, 1]).y.dtype == float


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0]), "give x as \\(n, features\\), y as \\(n,\\)"),
        ((np.zeros((2, 1, 1)), [1.0, 2.0]), "give x as"),
        ((np.zeros((0, 1)), []), "no rows"),
        (([1.0, np.nan], [1.0, 2.0]), "x is not finite in row 1"),
        (([1.0, 2.0], [np.inf, 2.0]), "y is not finite in row 0"),
        (([1.0], [1.0], ("age", "mass")), "need as many different names"),
        ((np.zeros((1, 2)), [1.0], ("age", "age")), "need as many different names"),
        (([1.0, 2.0], [0.0, 3.0], (), 3), "class label 3 in row 1"),
        (([1.0, 2.0], [-1.0, 0.0], (), 3), "class label -1 in row 0"),
        (([1.0, 2.0], [0.0, 0.5], (), 3), "class label 0.5 in row 1"),
        (([1.0, 2.0], [0.0, 0.0], (), 1), "at least 2 classes"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Data(*arguments)
    assert "\n" not in str(caught.value)


@given(
    row=st.integers(0, 19),
    column=st.integers(0, 2),
    wrong=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_the_row_is_named_wherever_it_is(row: int, column: int, wrong: float) -> None:
    x = np.zeros((20, 3))
    x[row, column] = wrong
    with pytest.raises(InputError, match=f"x is not finite in row {row} "):
        Data(x, np.zeros(20))


def test_the_data_are_copies_that_nobody_can_change() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([0.0, 1.0])
    data = Data(x, y)
    x[0], y[0] = 9.0, 9.0
    np.testing.assert_array_equal(data.x, [[1.0], [2.0]])
    np.testing.assert_array_equal(data.y, [0.0, 1.0])
    for column in (data.x, data.y):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 9.0
    flat = np.array([1.0, 2.0])
    one = Data(flat, y)
    flat[:] = 9.0
    np.testing.assert_array_equal(one.x, [[1.0], [2.0]])
    with pytest.raises(ValueError, match="read-only"):
        one.x[0] = 9.0


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.empty((2, 0)), [0.0, 1.0], "no inputs"),
        (pd.DataFrame(index=[0, 1]), [0.0, 1.0], "no inputs"),
        (np.ma.array([1.0, 2.0], mask=[0, 1]), [0.0, 1.0], "x is masked in row 1"),
        ([1.0, 2.0], np.ma.array([1.0, 2.0], mask=[1, 0]), "y is masked in row 0"),
        (["1", "2"], [0.0, 1.0], "x holds text"),
        ([1.0, 2.0], [False, True], "y holds truth values"),
        ([1.0, 2.0], [1j, 2j], "y holds complex numbers"),
        ([1.0, 2.0], pd.Series([0.0, 1.0], dtype="Float64"), None),
        ([1.0, 2.0], pd.Series([0.0, None], dtype="Float64"), "y is not finite in row 1"),
        (pd.DataFrame({"a": [1, 2]}), pd.Series([0, 1], index=[1, 0]), "x and y label their rows"),
        (pd.DataFrame({"a": [1, 2]}), pd.Series([0, 1]), None),
        (np.array([1, 2]), pd.Series([0, 1], index=[1, 0]), None),
    ],
)
def test_arrays_of_other_things_are_refused(x, y, message: str | None) -> None:
    if message is None:
        np.testing.assert_array_equal(Data(x, y).x, [[1.0], [2.0]])
        np.testing.assert_array_equal(Data(x, y).y, [0.0, 1.0])
        return
    with pytest.raises(InputError, match=message):
        Data(x, y)


@pytest.mark.parametrize("classes", [2.0, True, "2"])
def test_the_number_of_classes_is_a_whole_number(classes) -> None:
    with pytest.raises(InputError, match="give the number of classes"):
        Data([1.0, 2.0], [0.0, 1.0], classes=classes)


def test_the_data_say_what_they_are() -> None:
    assert repr(Data([1.0, 2.0], [0, 1], ["age"], 2)) == "Data(n=2, features=age, classes=2)"
    assert Data([1.0, 2.0], [0, 1], "age").features == ("age",)
