"""A task's table: what names a fit is stored with it, and what counts as a failure is counted."""

import numpy as np
import pytest

from bayes_cmoe.report.comparison import compare
from bayes_cmoe.report.sweep_parts import failed_fits
from bayes_cmoe.sweep.design import Design, MapPlan, Task
from bayes_cmoe.sweep.rows import table_of
from tests.report.test_comparison import DESIGN, LABEL, SIZES, TARGETS, bounds
from tests.sweep.designs import FADING

REACHED = ("converged", "local", "edge")
NOT_REACHED = ("stalled", "non-finite", "failed")


@pytest.mark.parametrize("entropy", [1, 20240817, 2**63 - 1])
def test_a_fit_is_stored_with_all_that_draws_it_again(entropy):
    task = Task("map", FADING, 300, 4, 3)
    rows = {i: {"status": "converged", "error": np.array([i, -1.0])} for i in (4, 5, 6)}
    table = table_of(task, rows, ("lam", "nu"), entropy)
    assert [int(one) for one in table["entropy"].to_numpy()] == [entropy] * 3
    assert table["method"].to_numpy().tolist() == ["map"] * 3
    assert (
        table["setting"].to_numpy().tolist()
        == ["constant_contaminated/distinguishable[alpha=1/8]"] * 3
    )
    assert table["n"].to_numpy().tolist() == [300] * 3
    assert table["replicate"].to_numpy().tolist() == [4, 5, 6]
    assert table["level"].to_numpy().tolist() == [0.5, 0.8, 0.9]
    assert table["error"].sel(target="lam").to_numpy().tolist() == [4.0, 5.0, 6.0]
    assert table["error"].sel(target="nu").to_numpy().tolist() == [-1.0] * 3


def test_what_was_not_measured_of_one_fit_is_missing_there_and_of_all_is_left_out():
    task = Task("map", FADING, 300, 0, 2)
    rows = {0: {"status": "failed", "message": "no"}, 1: {"status": "edge", "iterations": 7}}
    table = table_of(task, rows, ("lam",), 1)
    assert np.isnan(table["iterations"].to_numpy()[0])
    assert table["iterations"].to_numpy()[1] == 7.0
    assert table["message"].to_numpy().tolist() == ["no", ""]
    assert "rhat" not in table


def with_statuses(codes):
    """A finished size of DESIGN whose fits ended so, each code as often as it stands there."""
    task = Task("map", DESIGN.settings[0], SIZES[0], 0, len(codes))
    error = np.ones(len(TARGETS))
    rows = {
        i: {"status": code, "error": error, "anywhere_gap": 0.0} for i, code in enumerate(codes)
    }
    return table_of(task, rows, TARGETS, DESIGN.entropy)


@pytest.mark.parametrize("code", NOT_REACHED)
def test_every_kind_of_failure_is_listed_and_counted(code):
    table = with_statuses(["converged", code, "edge", code])
    assert failed_fits(DESIGN, table)["replicate"].tolist() == [1, 3]
    design = Design("few", DESIGN.settings, MapPlan(SIZES[:1], 4))
    errors = compare(table, design, {LABEL: bounds()[LABEL].isel(n=[0])}).errors
    assert set(errors["failures"]) == {2}


def test_a_fit_that_reached_what_it_was_after_is_no_failure():
    assert failed_fits(DESIGN, with_statuses(REACHED)).empty
