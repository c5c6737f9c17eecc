"""What is said of several prompts, of draws and predictions that are made up."""

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe.front.answers import share_in_words
from bayes_cmoe.front.answers_of_several import (
    _certainty,
    _differences,
    _needed_rows,
    _shares,
)
from bayes_cmoe.front.gained import better

NAMES = ["frozen", "prompt 0", "prompt 1"]


@pytest.fixture
def rows():
    """A hundred rows: a quarter is prompt 0's, half of the upper half prompt 1's."""
    x = np.linspace(0.0, 1.0, 100)
    shares = np.column_stack([0.75 - 0.5 * (x > 0.5), np.full(100, 0.25), 0.5 * (x > 0.5)])
    each = ("obs", "component"), shares
    means = np.column_stack([x, x + 2.0, x - np.where(x > 0.75, 3.0, 1.0)])
    return xr.Dataset(
        {
            "responsibility": ("obs", 1.0 - shares[:, 0]),
            "responsibilities": each,
            "shares": each,
            "shares_lower": (each[0], shares - 0.05),
            "shares_upper": (each[0], shares + 0.05),
            "frozen_mean": ("obs", x),
            "means": (each[0], means),
        },
        coords={"component": NAMES},
    )


def test_each_prompt_has_its_share_and_place(rows):
    x = np.linspace(0.0, 1.0, 100)[:, None]
    said = _shares(rows, x, ("age",))
    assert said.startswith("About 50% of the 100 rows, 50, are the prompts' together.")
    first, second = said.split("Prompt 1 has")
    assert "Prompt 0 has 25%; its share is 0.25 on average" in first
    assert "(90 % interval of a row's share: 0.20 to 0.30 on average)" in first
    assert "The gate is constant" in first
    assert second.startswith(" 25%; its share is 0.25")
    assert "It rises with age: 0.00 in the tenth of the rows" in second
    assert "0.50 where it is most" in second


def test_each_prompt_has_its_difference(rows):
    said = _differences(rows, None)
    first, second = said.split("On its rows prompt 1 expects ")
    assert first.startswith("On its rows prompt 0 expects 2 more than the frozen model on average")
    # Half of its weight has -1 and half has -3.
    assert second.startswith("2 less than the frozen model on average")


def test_a_prompt_that_is_hardly_there_is_named():
    labels = ["tau[0]", "tau[1]", "b[0]"]
    rng = np.random.default_rng(0)
    free = rng.standard_normal((400, 2))
    drawn = np.column_stack([free, free[:, 0] + 0.1 * rng.standard_normal(400)])
    said = _certainty(np.array([20.0, 2.5]), drawn, labels)
    assert "of prompt 0 20.0, of prompt 1 2.5" in said
    assert "Below 5 a prompt may be nothing: prompt 1." in said
    assert said.endswith("hardly tell apart tau[0] and b[0].")
    plain = _certainty(np.array([20.0, 5.0]), free, labels[:2])
    assert "nothing" not in plain
    assert "tell apart" not in plain


def test_rows_are_promised_where_all_are_resolved():
    assert _needed_rows(np.array([5.0, 9.0]), 100).startswith("400, four times")
    assert _needed_rows(np.array([4.9, 9.0]), 100).startswith("No promise")


def test_a_gain_within_two_errors_is_said_to_be_within_its_error():
    each = np.array([1.0, -1.0, 1.0, -0.9])
    assert better(each, "f0") == (
        f"0.1 nats better in all than f0, standard error {2 * np.std(each, ddof=1):.1f}, which is "
        "within its error"
    )
    assert "within" not in better(np.array([1.0, 1.1, 0.9]), "f0")
    assert better(-np.ones(3), "f0").startswith("3.0 nats worse")


def test_a_share_that_falls_is_told_so():
    x = np.linspace(0.0, 1.0, 50)
    said = share_in_words(np.column_stack([np.cos(9 * x), x]), 1.0 - x, ("wave", "age"))
    assert said.startswith("It falls with age: 0.9")
