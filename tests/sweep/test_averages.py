"""Controlled averages of numbers whose law is known: unbiased, and as sure as they say."""

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.sweep.averages import average, median, middle, share

SETS = 1000


def pairs(replications, correlation, seed):
    """Errors and linearised errors, (set, replicate), normal with that correlation."""
    rng = np.random.default_rng([seed, replications])
    linear, rest = rng.standard_normal((2, SETS, replications))
    return correlation * linear + (1.0 - correlation**2) ** 0.5 * rest, linear


def folded(z):
    """E|z + Z|, whose mean over z ~ N(0, 1) is E|N(0, 2)| = 2 / sqrt(pi)."""
    return 2.0 * stats.norm.pdf(z) + z * (2.0 * stats.norm.cdf(z) - 1.0)


KINDS = {"squares": (np.square, 1.0), "losses": (folded, 2.0 / np.pi**0.5)}


@pytest.mark.parametrize("replications", [5, 20, 100])
@pytest.mark.parametrize("correlation", [0.0, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_controlled_means_are_unbiased_and_hold_the_truth(kind, replications, correlation):
    function, expected = KINDS[kind]
    errors, linear = pairs(replications, correlation, 1)
    found = [
        average(a, b, expected) for a, b in zip(function(errors), function(linear), strict=True)
    ]
    means = np.exp([own.log for own in found])
    # What is left of bias falls as 1/R: a twelfth of the standard error at five.
    spread = means.std(ddof=1)
    slack = 4.0 * spread / SETS**0.5 + 0.3 * spread / replications**0.5
    assert means.mean() == pytest.approx(expected, abs=slack)
    held = [own.interval(0.95)[1] <= expected <= own.interval(0.95)[2] for own in found]
    # Binomial(1000, 0.95) has sd 0.007; losses of five, whose law is skewed, cost four points.
    least = {5: 0.87, 20: 0.89, 100: 0.92}[replications]
    assert least < np.mean(held) < 0.985
    plain = np.mean(function(errors), axis=1).std(ddof=1)
    if correlation == 0.0:
        assert spread < 1.1 * plain  # no correlation, no harm
    if correlation == 0.99 and replications >= 20:
        assert spread < 0.35 * plain


def test_the_regression_is_the_textbooks():
    """c = cov / var and m = a - c (b - E b), where c lies between its ends."""
    rng = np.random.default_rng(2)
    b = rng.gamma(3.0, size=30)
    a = 1.0 + 0.6 * b + 0.1 * rng.random(30)
    slope, intercept = np.polyfit(b, a, 1)
    found = average(a, b, 3.0)
    assert np.exp(found.log) == pytest.approx(intercept + slope * 3.0)
    assert found.leverage == pytest.approx(slope * 3.0 / (intercept + slope * 3.0))
    assert found.freedom == 28


def test_the_error_is_the_jackknifes():
    rng = np.random.default_rng(3)
    b = rng.gamma(3.0, size=12)
    a = 0.5 * b + rng.random(12)
    logs = np.array([average(np.delete(a, i), np.delete(b, i), 3.0).log for i in range(12)])
    assert average(a, b, 3.0).error == pytest.approx(
        (11 / 12 * np.sum((logs - logs.mean()) ** 2)) ** 0.5
    )


def test_signed_controls_are_a_regression_on_mean_zero():
    """Errors larger on one side: e = L + L² / 2; the plain textbook with two regressors."""
    rng = np.random.default_rng(8)
    linear = rng.standard_normal(60)
    a = 2.0 + 0.8 * linear + 0.4 * linear**2 + 0.1 * rng.random(60)
    table = np.column_stack([np.ones(60), linear**2, linear])
    intercept, slope, _ = np.linalg.lstsq(table, a)[0]
    found = average(a, linear**2, 1.0, linear[:, None])
    assert np.exp(found.log) == pytest.approx(intercept + slope)
    assert found.freedom == 57
    assert found.error < 0.2 * average(a, linear**2, 1.0).error
    few = average(a[:39], linear[:39] ** 2, 1.0, linear[:39, None])
    assert few == average(a[:39], linear[:39] ** 2, 1.0)


@pytest.mark.parametrize("replications", [40, 100])
def test_skewed_errors_are_held_with_signed_controls(replications):
    rest, linear = pairs(replications, 0.0, 9)
    errors = linear + 0.4 * (linear**2 - 1.0) + 0.2 * rest
    expected = 1.0 + 0.16 * 2.0 + 0.04
    found = [
        average(a**2, b**2, 1.0, b[:, None]).interval(0.95)
        for a, b in zip(errors, linear, strict=True)
    ]
    values, low, high = np.array(found).T
    spread = values.std(ddof=1)
    assert values.mean() == pytest.approx(
        expected, abs=4.0 * spread / SETS**0.5 + 0.8 * spread / replications**0.5
    )
    assert np.mean((low <= expected) & (expected <= high)) > 0.88
    without = [np.exp(average(a**2, b**2, 1.0).log) for a, b in zip(errors, linear, strict=True)]
    assert spread < 0.9 * np.std(without)


def test_a_coefficient_stays_between_nothing_and_the_error_itself():
    rng = np.random.default_rng(4)
    b = rng.gamma(3.0, size=40)
    opposed = average(10.0 - b, b, 3.0)
    assert (opposed.leverage, np.exp(opposed.log)) == (0.0, pytest.approx(np.mean(10.0 - b)))
    thrice = average(3.0 * b, b, 3.0)
    mean = 3.0 * b.mean() - (b.mean() - 3.0)
    assert np.exp(thrice.log) == pytest.approx(mean)
    assert thrice.leverage == pytest.approx(3.0 / mean)


@pytest.mark.parametrize(
    ("controls", "expected"),
    [(None, 1.0), (np.full(6, np.nan), 1.0), (np.ones(6), np.nan), (np.ones(6), 1.0)],
)
def test_without_a_control_the_mean_is_plain(controls, expected):
    values = np.array([1.0, 2.0, 4.0, np.nan, 8.0, 16.0])
    found = average(values, controls, expected)
    assert np.exp(found.log) == pytest.approx(6.2)
    assert found.leverage == 0.0


def test_three_are_too_few_for_a_coefficient_and_one_for_anything():
    rng = np.random.default_rng(5)
    b = rng.gamma(3.0, size=3)
    assert np.exp(average(b, b, 3.0).log) == pytest.approx(b.mean())
    assert np.isnan(average([1.0, np.nan], [1.0, 1.0], 1.0).log)
    assert np.isnan(average([0.0, 0.0, 0.0]).log)


@pytest.mark.parametrize("replications", [20, 100])
@pytest.mark.parametrize("correlation", [0.0, 0.95, 1.0])
def test_shares_hold_the_truth(replications, correlation):
    errors, linear = pairs(replications, correlation, 6)
    reach = stats.norm.ppf(0.95)
    found = np.array(
        [
            share(np.abs(a) < reach, np.abs(b) < reach, 0.9, 0.95)
            for a, b in zip(errors, linear, strict=True)
        ]
    )
    assert found[:, 0].mean() == pytest.approx(0.9, abs=0.01)
    held = (found[:, 1] <= 0.9) & (found[:, 2] >= 0.9)
    assert np.mean(held) > 0.93
    widths = found[:, 2] - found[:, 1]
    assert (widths > 0.0).all()
    if correlation == 1.0 and replications == 100:
        assert widths.mean() < 0.04  # where a plain one is 0.12 wide


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_medians_hold_the_truth_and_gain_by_their_control(correlation):
    errors, linear = pairs(60, correlation, 7)
    middle = stats.norm.ppf(0.75)
    found = np.array(
        [median(np.abs(a), np.abs(b), middle, 0.95) for a, b in zip(errors, linear, strict=True)]
    )
    assert found[:, 0].mean() == pytest.approx(middle, abs=0.02)
    assert np.mean((found[:, 1] <= middle) & (found[:, 2] >= middle)) > 0.92
    plain = np.median(np.abs(errors), axis=1).std()
    ratio = found[:, 0].std() / plain
    assert ratio < (0.8 if correlation else 1.05)


def test_one_fit_that_ran_away_leaves_a_wide_interval_and_no_fault():
    """Beside its square the others have no digit left, and each is still left out in turn."""
    values = np.array([1.0e26, *np.linspace(0.5, 2.0, 15)])
    found = average(values)
    logs = [np.log(np.mean(np.delete(values, i))) for i in range(16)]
    error = np.sqrt(15 / 16 * np.sum((logs - np.mean(logs)) ** 2))
    assert found.error == pytest.approx(error, rel=1e-12)
    assert found.error > 50


@pytest.mark.parametrize("replications", [8, 40, 200])
def test_medians_hold_the_truth_also_of_a_law_without_a_mean(replications):
    """log |Cauchy|: the median of the size is one, its log's deviation pi / (2 sqrt(R))."""
    rng = np.random.default_rng(replications)
    found = [middle(np.abs(row)) for row in rng.standard_cauchy((SETS, replications))]
    logs, errors = (np.array([getattr(own, name) for own in found]) for name in ("log", "error"))
    half = stats.t.ppf(0.975, replications - 1) * errors
    held = np.mean(np.abs(logs) <= half)
    # Of few it is cautious.
    few = replications < 20
    assert held > 0.93
    assert held < (1.0 if few else 0.98)
    assert logs.std() == pytest.approx(np.pi / 2 / replications**0.5, rel=0.15)
    scale = np.sqrt(np.mean(errors**2)) / logs.std()
    assert 0.9 < scale < (1.8 if few else 1.25)


def test_a_median_passes_over_failed_fits_and_zeros():
    whole = middle([1.0, 2.0, 4.0, 8.0, 16.0])
    assert middle([np.nan, 1.0, 2.0, 4.0, 8.0, 16.0]) == whole
    assert np.exp(whole.log) == pytest.approx(4.0)
    assert whole.freedom == 4
    few = middle([0.0, 2.0, 4.0, 8.0, 16.0])
    assert few.log == whole.log
    assert few.error > whole.error
    assert np.isnan(middle([0.0, 0.0, 1.0]).log)
    assert np.isnan(middle([1.0]).log)
