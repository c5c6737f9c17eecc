"""A logarithmic axis says where it is, however few decades it spans."""

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bayes_cmoe.report.figure_style import STYLE, log_ticks, power_of_ten

RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def number_of(label):
    """What a label says: 300, 10³ or 2·10⁵."""
    times, between, power = (
        label.rpartition("10") if label[-1] in "⁻⁰¹²³⁴⁵⁶⁷⁸⁹" else (label, "", "")
    )
    if not between:
        return float(times)
    return float(times.rstrip("·") or 1) * 10.0 ** int(power.translate(RAISED))


def labelled(low, high):
    """Places of the labels in sight, and what they say."""
    with matplotlib.rc_context(STYLE):
        panel = Figure().subplots()
        panel.set_xlim(np.log10(low), np.log10(high))
        log_ticks(panel.xaxis, power_of_ten)
        places = panel.xaxis.get_majorticklocs()
        texts = panel.xaxis.get_major_formatter().format_ticks(places)
    seen = zip(10.0 ** np.asarray(places), texts, strict=True)
    return [(place, text) for place, text in seen if low * 0.999 <= place <= high * 1.001]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (900.0, 1.1e5, ["10³", "10⁴", "10⁵"]),
        (880.0, 4600.0, ["10³", "2000"]),
        (214.0, 840.0, ["300", "400", "500", "600", "700", "800"]),
        (4.0, 7.5, ["4", "4.5", "5", "5.5", "6", "6.5", "7", "7.5"]),
        (1.2e-5, 6e-5, ["2·10⁻⁵", "5·10⁻⁵"]),
        (0.02, 30.0, ["10⁻¹", "10⁰", "10¹"]),
    ],
)
def test_decades_where_there_are_two_and_numbers_between_them_else(low, high, expected):
    assert [text for _, text in labelled(low, high)] == expected


@given(st.floats(-6.0, 9.0), st.floats(0.2, 6.0))
def test_a_label_says_where_it_stands(start, decades):
    low = 10.0**start
    found = labelled(low, low * 10.0**decades)
    assert len(found) >= 2
    assert [number_of(text) for _, text in found] == pytest.approx([place for place, _ in found])
    assert len({text for _, text in found}) == len(found)
    assert np.all(np.diff([place for place, _ in found]) > 0)
