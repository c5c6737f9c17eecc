"""Rates from errors whose law is known."""

import numpy as np
import pytest

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.measured import Measured, slope_of

N = np.geomspace(1e3, 1e5, 7)


def gaussian_errors(scale, replications, seed):
    """Errors N(0, scale²), shape (size, replicate)."""
    rng = np.random.default_rng(seed)
    return np.asarray(scale)[:, None] * rng.standard_normal((len(scale), replications))


def controlled(replications, correlation, seed, statistic="rms"):
    """Errors of scale n^-1/2 beside linearised ones of that correlation."""
    rng = np.random.default_rng(seed)
    linear, rest = rng.standard_normal((2, len(N), replications))
    errors = correlation * linear + (1.0 - correlation**2) ** 0.5 * rest
    scale = N[:, None] ** -0.5
    return Measured(N, scale * errors, statistic, controls=scale * linear, limits=N**-0.5)


def test_slope_is_numpys_fit():
    values = np.exp(np.random.default_rng(1).standard_normal((3, 7)))
    expected = np.polyfit(np.log(N), np.log(values).T, 1)[0]
    assert slope_of(N, values) == pytest.approx(expected)


def test_averages_without_controls_are_the_plain_ones_and_leave_failures_out():
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


@pytest.mark.parametrize("replications", [5, 20, 100])
@pytest.mark.parametrize("correlation", [0.0, 0.99])
def test_slopes_hold_the_truth_as_often_as_they_say(replications, correlation):
    sets = 400
    hits = [
        bool(controlled(replications, correlation, [seed, replications]).slope.holds(-0.5))
        for seed in range(sets)
    ]
    # Binomial(400, 0.95) has sd 0.011; squares of five normal numbers cost a point or two.
    assert 0.915 < np.mean(hits) < 0.99


def test_the_spread_of_plain_slopes_is_that_of_theory():
    """log RMSE of R normal errors has variance 1/(2R) about; the slope's follows from it."""
    replications = 400
    measured = Measured(N, gaussian_errors(N**-0.5, replications, 5))
    log_n = np.log(N) - np.log(N).mean()
    sd = (1.0 / (2.0 * replications) / np.sum(log_n**2)) ** 0.5
    assert float(measured.slope.half) == pytest.approx(1.96 * sd, rel=0.1)


@pytest.mark.parametrize("correlation", [0.9, 0.99])
def test_the_spread_of_controlled_slopes_is_that_of_theory(correlation):
    """The residual of e² on L² has variance 2 (1 - rho⁴): so much is left of 2."""
    replications = 400
    measured = controlled(replications, correlation, 6)
    log_n = np.log(N) - np.log(N).mean()
    left = (1.0 - correlation**4) ** 0.5
    sd = left * (1.0 / (2.0 * replications) / np.sum(log_n**2)) ** 0.5
    assert float(measured.slope.half) == pytest.approx(1.96 * sd, rel=0.12)
    ratio = float(measured.slope.half / measured.plain.slope.half)
    assert ratio == pytest.approx(left, rel=0.12)


def test_efficiency_is_bound_over_error():
    bounds = 2.0 * N**-0.5
    measured = Measured(N, gaussian_errors(bounds / 0.8, 2000, 6))
    found = measured.efficiency(bounds)
    assert found.value == pytest.approx(np.full(7, 0.8), abs=0.06)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


def test_the_error_of_the_limits_enters():
    """A control that is the error itself leaves nothing but the limits' error: twice, in a ratio.

    Once since the limit is what the error is set beside, once since the control's mean is taken
    from it.
    """
    rng = np.random.default_rng(7)
    linear = N[:, None] ** -0.5 * rng.standard_normal((len(N), 40))
    slack = np.full(len(N), 0.01)
    measured = Measured(N, linear, controls=linear, limits=N**-0.5, slack=slack)
    assert measured.average.value == pytest.approx(N**-0.5)
    assert np.log(measured.average.high / N**-0.5) == pytest.approx(1.96 * 0.01, rel=1e-3)
    found = measured.efficiency(N**-0.5)
    assert np.log(found.high / found.value) == pytest.approx(1.96 * 0.02, rel=1e-3)
    weights = (np.log(N) - np.log(N).mean()) / np.sum((np.log(N) - np.log(N).mean()) ** 2)
    apart = measured.difference(N**-0.5, known=False)
    assert float(apart.half) == pytest.approx(1.96 * 0.02 * np.sum(weights**2) ** 0.5, rel=1e-3)
    assert float(measured.difference(N**-0.5).half) == pytest.approx(float(apart.half) / 2.0)


def test_a_difference_is_that_of_the_slopes():
    measured = controlled(30, 0.9, 8)
    found, own = measured.difference(3.0 * N**-0.3), measured.slope
    assert float(found.value) == pytest.approx(float(own.value) + 0.3)
    assert float(found.half) == pytest.approx(float(own.half))


def test_too_few_fits_have_no_slope():
    errors = gaussian_errors(N**-0.5, 5, 8)
    errors[2, 1:] = np.nan
    measured = Measured(N, errors)
    assert not measured.enough
    assert np.isnan(measured.slope.value)


def test_errors_beyond_any_scale_are_numbers_still():
    errors = np.full((2, 4), 1e200)
    errors[1, 0] = 1e300
    found = Measured(np.array([10.0, 100.0]), errors).average
    assert np.isfinite(found.value).all()


def test_bad_input():
    with pytest.raises(InputError, match="two sizes"):
        _ = Measured(N[:1], np.ones((1, 5))).slope
    with pytest.raises(InputError, match="give \\(size, replicate\\)"):
        Measured(N[:1], np.ones((2, 5)))
    with pytest.raises(InputError, match="did you mean 'mean'"):
        Measured(N, np.ones((7, 5)), statistic="men")
    with pytest.raises(InputError, match="one for each error"):
        Measured(N, np.ones((7, 5)), controls=np.ones((7, 4)))
