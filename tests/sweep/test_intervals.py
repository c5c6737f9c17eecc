"""Intervals of few replications against Student's, and what counts as settling."""

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.sweep.measured import Measured

SETS = 40
"""Data sets over which a ratio of widths is averaged; each ratio is known to a few per cent."""


def near_one(replications, sizes, seed):
    """Errors 1 + 0.001 z: their logarithm is linear, so a mean's interval is Student's."""
    rng = np.random.default_rng(seed)
    return 1.0 + 1e-3 * rng.standard_normal((sizes, replications))


@pytest.mark.parametrize("statistic", ["mean", "rms"])
def test_an_average_of_few_has_students_interval(statistic):
    """The sizes stand for data sets here: each has ten replications of its own."""
    errors = near_one(10, SETS, 1)
    found = Measured(np.arange(1.0, SETS + 1.0), errors, statistic).average
    student = stats.ttest_1samp(errors, 0.0, axis=1).confidence_interval(0.95)
    ratio = (found.high - found.low) / (student.high - student.low)
    # Errors near one: the jackknife's variance of a mean is the sample's own over R.
    assert ratio == pytest.approx(np.ones(SETS), abs=0.01)


def test_the_level_is_that_asked_for():
    errors = near_one(10, SETS, 2)
    found = Measured(np.arange(1.0, SETS + 1.0), errors, "mean", level=0.8).average
    student = stats.ttest_1samp(errors, 0.0, axis=1).confidence_interval(0.8)
    ratio = (found.high - found.low) / (student.high - student.low)
    assert ratio.mean() == pytest.approx(1.0, abs=0.025)


def test_a_slopes_interval_has_the_degrees_of_freedom_of_all_sizes():
    """Two sizes of six: about ten degrees (Welch), not five (1.15 times as wide) and not many."""
    n = np.array([1e2, 1e4])
    ratios = []
    for seed in range(SETS):
        errors = near_one(6, 2, [3, seed])
        found = Measured(n, errors, "mean").slope
        spread = np.sqrt(np.sum(errors.var(axis=1, ddof=1) / 6)) / np.log(100.0)
        ratios.append(float(found.high - found.low) / (2.0 * stats.t(10).ppf(0.975) * spread))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.04)


def steady(steps):
    """Errors without any scatter whose log ratio to n^-1/2 takes these steps."""
    n = 10.0 ** np.arange(1.0, len(steps) + 1.0)
    level = n**-0.5 * np.exp(np.array(steps, dtype=float))
    return Measured(n, np.tile(level[:, None], (1, 5))), n**-0.5


@pytest.mark.parametrize(
    ("steps", "settles"),
    [
        # Five sizes: halves of three share the middle one. Slopes are over the ends of each half.
        ([0.0, 0.0, 2.0, 2.0, 3.0], True),  # 1 then 1/2; without the middle 0 then 1
        ([0.0, 2.0, 1.0, 3.0, 3.0], False),  # 1/2 then 1; without the middle 2 then 0
        ([3.0, 3.0, 1.0, 1.0, 0.0], True),  # the same downwards
        ([0.0, 1.0, 4.0, 3.0, 3.0], True),  # 2 up, then 1/2 down: nearer to zero
        ([0.0, 0.5, 1.0, -0.5, -2.0], False),  # 1/2 up, then 3/2 down: farther from it
        # Four sizes: two and two.
        ([0.0, 2.0, 2.0, 3.0], True),
        ([0.0, 1.0, -2.0, -2.5], True),  # 1 then 1/2 in halves of two; -1 then -1.75 in threes
        ([0.0, 1.0, 1.0, 3.0], False),
        # Three share one; two have no halves.
        ([0.0, 2.0, 1.0], True),
        ([0.0, 1.0, 3.0], False),
        ([0.0, 1.0], False),
    ],
)
def test_halves_of_the_sizes_are_compared(steps, settles):
    measured, root = steady(steps)
    assert measured.settles(root) is settles


def test_scatter_alone_does_not_settle():
    """At equal slopes the gain is symmetric about zero: its interval lies above it in 2.5 %."""
    n = np.geomspace(1e2, 1e5, 4)
    rng = np.random.default_rng(5)
    hits = [
        Measured(n, n[:, None] ** -0.5 * rng.standard_normal((4, 20))).settles(n**-0.5)
        for _ in range(200)
    ]
    # Binomial(200, 0.025), and the sign of each half is chosen after the fact.
    assert np.mean(hits) < 0.1
