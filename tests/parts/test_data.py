"""Data: what is accepted, what is refused and in which words."""

import numpy as np
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
