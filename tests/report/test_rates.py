"""Rates from errors whose law is known."""

import numpy as np
import pytest

from bayes_cmoe.errors import InputError
from bayes_cmoe.report.rates import Measured, slope_of, verdict

N = np.geomspace(1e3, 1e5, 7)


def gaussian_errors(scale, replications, seed):
    """Errors N(0, scale²), shape (size, replicate)."""
    rng = np.random.default_rng(seed)
    return np.asarray(scale)[:, None] * rng.standard_normal((len(scale), replications))


def test_slope_is_numpys_fit():
    values = np.exp(np.random.default_rng(1).standard_normal((3, 7)))
    expected = np.polyfit(np.log(N), np.log(values).T, 1)[0]
    assert slope_of(N, values) == pytest.approx(expected)


def test_averages_are_the_plain_ones_and_leave_failures_out():
    errors = gaussian_errors(N**-0.5, 30, 2)
    errors[3, :5] = np.nan
    measured = Measured(N, errors)
    assert measured.average.value == pytest.approx(np.sqrt(np.nanmean(errors**2, axis=1)))
    assert measured.fits.tolist() == [30, 30, 30, 25, 30, 30, 30]
    mean = Measured(N, np.abs(errors), statistic="mean")
    assert mean.average.value == pytest.approx(np.nanmean(np.abs(errors), axis=1))
    steps = np.diff(np.log(measured.average.value)) / np.diff(np.log(N))
    assert measured.local_slopes.value == pytest.approx(steps)


def test_a_local_slope_knows_no_more_than_its_two_sizes():
    measured = Measured(N, gaussian_errors(N**-0.5, 4, 3))
    alone = Measured(N[2:4], measured.errors[2:4]).slope
    found = measured.local_slopes
    assert (found.low[2], found.high[2]) == (alone.low, alone.high)
    assert len(found.low) == len(N) - 1


def test_intervals_hold_the_truth_as_often_as_they_say():
    hits = []
    for seed in range(400):
        measured = Measured(N, gaussian_errors(N**-0.5, 40, seed), draws=400, seed=seed)
        hits.append(bool(measured.slope.holds(-0.5)))
    # Binomial(400, 0.95) has sd 0.011; a bootstrap of 40 may fall short by two points.
    assert 0.90 < np.mean(hits) < 0.985


def test_bootstrap_spread_is_that_of_theory():
    """log RMSE of R normal errors has variance 1/(2R) about; the slope's follows from it."""
    replications = 400
    measured = Measured(N, gaussian_errors(N**-0.5, replications, 5))
    log_n = np.log(N) - np.log(N).mean()
    sd = (1.0 / (2.0 * replications) / np.sum(log_n**2)) ** 0.5
    width = float(measured.slope.high - measured.slope.low)
    assert width == pytest.approx(2.0 * 1.96 * sd, rel=0.15)


def test_efficiency_is_bound_over_error():
    bounds = 2.0 * N**-0.5
    measured = Measured(N, gaussian_errors(bounds / 0.8, 2000, 6))
    found = measured.efficiency(bounds)
    assert found.value == pytest.approx(np.full(7, 0.8), abs=0.06)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


def measured_at(scale, seed=7):
    return Measured(N, gaussian_errors(scale, 200, seed), level=0.999)


def test_verdicts():
    root = N**-0.5
    assert verdict(measured_at(3.0 * root), bounds=root) == "agrees with the bound"
    assert verdict(measured_at(root), bounds=root, exponent=-0.25) == "agrees with the bound"
    # A bound whose own slope on these sizes is -0.6, an exponent of -1/2, errors at the exponent.
    assert verdict(measured_at(root), bounds=N**-0.6, exponent=-0.5) == "agrees with the exponent"
    assert verdict(measured_at(N**-0.25), bounds=root, exponent=-0.5) == "off"
    # An excess that dies out: the rate comes nearer to the bound's as n grows.
    excess = root * (1.0 + (1e4 / N) ** 1.0)
    assert verdict(measured_at(excess), bounds=root, exponent=-0.5) == "pre-asymptotic"
    # One that comes up only at large n moves away from the bound.
    assert verdict(measured_at(root * (1.0 + (N / 1e4) ** 0.8)), bounds=root) == "off"


def test_too_few_fits_are_said_so():
    errors = gaussian_errors(N**-0.5, 5, 8)
    errors[2, 1:] = np.nan
    measured = Measured(N, errors)
    assert verdict(measured, exponent=-0.5) == "too few fits"
    assert np.isnan(measured.slope.value)


def test_same_seed_same_interval():
    errors = gaussian_errors(N**-0.5, 20, 9)
    assert Measured(N, errors).slope.low == Measured(N, errors).slope.low
    assert Measured(N, errors).slope.low != Measured(N, errors, seed=1).slope.low


def test_bad_input():
    with pytest.raises(InputError, match="two sizes"):
        _ = Measured(N[:1], np.ones((1, 5))).slope
    with pytest.raises(InputError, match="give \\(size, replicate\\)"):
        Measured(N[:1], np.ones((2, 5)))
    with pytest.raises(InputError, match="did you mean 'mean'"):
        Measured(N, np.ones((7, 5)), statistic="men")
    with pytest.raises(InputError, match="bound or an exponent"):
        verdict(measured_at(N**-0.5))
