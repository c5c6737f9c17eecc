"""Every column of a comparison that a reader may quote, from skewed numbers by plain NumPy.

Nothing here is symmetric: a median is no mean, the first size is not the last, a gap has a sign.
"""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe.report.comparison import compare
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan, Task
from bayes_cmoe.sweep.measured import Measured
from bayes_cmoe.sweep.rows import table_of
from bayes_cmoe.sweep.setting import Setting

LABEL = "constant_contaminated/merging"
TARGETS = ("lam", "expert", "loss")
SIZES = (1000, 4000, 32000, 64000)
COUNT = 7
DESIGN = Design(
    "chosen",
    (Setting.parse(LABEL),),
    map=MapPlan(SIZES, COUNT),
    nuts=NutsPlan(SIZES, COUNT),
)
SKEWED = np.array([0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 6.0])
"""Median 0.5, mean 1.44, root mean square 2.43."""
LEVELS = np.array([1.0, 0.7, 0.2, 0.15])
POWERS = np.array([1.0, 0.7, 1.3, 0.9])
SIZED = LEVELS[:, None] * SKEWED ** POWERS[:, None]
"""Absolute errors, (size, replicate): another slope between any two sizes, and of any average."""
BOUND = np.array([0.9, 0.5, 0.1, 0.08])
EXPECTED = 1.3 * BOUND ** np.array([1.0, 1.1, 1.2, 1.3])
RESOLUTION = (4.9, 5.1, 4.8, 20.0)
"""Not in the order of the sizes: local are the second and the last."""
GAPS = np.array([-2.0, 0.0, 9e-4, 1.1e-3, 1.0, 3.0, -9e-4])
"""Three the same within a thousandth of a nat, three better, one worse."""
SPREADS = SKEWED + 0.05
FITS = {
    "ess_bulk": 100.0 * SKEWED, "seconds": 3.0 * SKEWED,
    "rhat": np.array([1.0, 1.09, 1.11, 1.3, 1.0, 1.0, 1.0]),
    "divergences": np.array([0.0, 1.0, 0.0, 3.0, 0.0, 0.0, 0.0]),
}  # fmt: skip


def theory():
    ones = np.ones((len(TARGETS), 1))
    return xr.Dataset(
        {
            "bound": (("target", "n"), ones * BOUND),
            "expected": (("target", "n"), ones * EXPECTED),
            "resolution": ("n", list(RESOLUTION)),
            "exponent": ("target", [-0.25, np.nan, -0.5]),
            "lower": ("target", [-0.3, np.nan, -0.5]),
        },
        coords={"target": np.array(TARGETS, dtype=object), "n": list(SIZES)},
        attrs={"share": "lam", "share_parameter": "lam"},
    )


def chosen(method, i):
    """The fits of the i-th size; signs of errors vary."""
    signed = SIZED[i] * (-1.0) ** np.arange(COUNT)
    rows = {}
    for j, error in enumerate(signed):
        row = {"error": np.full(len(TARGETS), error)}
        if method == "map":
            status = "edge" if j == 2 else "stalled" if j == 3 else "converged"
            row |= {"status": status, "anywhere_gap": GAPS[j]}
        else:
            size = abs(error)
            status = "weighted" if j == 4 else "sampled"
            row |= {"status": status, "expected_loss": np.full(len(TARGETS), size)}
            row |= {"posterior_sd": np.full(len(TARGETS), SPREADS[j] * LEVELS[i])}
            row |= {"radius": np.full(len(TARGETS), 2.0 * size)}
            row |= {"covered": np.full((3, len(TARGETS)), float(j < 5))}
            row |= {name: values[j] for name, values in FITS.items()}
        rows[j] = row
    return table_of(Task(method, DESIGN.settings[0], SIZES[i], 0, COUNT), rows, TARGETS, 1)


@pytest.fixture(scope="module")
def comparison():
    tables = [chosen(method, i) for method in DESIGN.plans for i in range(len(SIZES))]
    return compare(xr.concat(tables, dim="fit", join="outer"), DESIGN, {LABEL: theory()})


def row_of(frame, **wanted):
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    (row,) = frame.to_dict("records")
    return row


def line(n, values):
    """Slope of log value on log n, by NumPy's own fit."""
    return np.polyfit(np.log(n), np.log(values), 1)[0]


RMS, MEAN, MEDIAN = (
    np.array([average(row) for row in SIZED])
    for average in (lambda row: np.sqrt(np.mean(row**2)), np.mean, np.median)
)


@pytest.mark.parametrize(
    ("method", "average", "limit"),
    [("map", RMS, BOUND), ("nuts", MEAN, EXPECTED)],
)
def test_rates(comparison, method, average, limit):
    row = row_of(comparison.rates, method=method, parameter="lam")
    assert row["slope"] == pytest.approx(line(SIZES, average))
    assert row["bound_slope"] == pytest.approx(line(SIZES, limit))
    assert row["median_slope"] == pytest.approx(line(SIZES, MEDIAN))
    assert (row["exponent"], row["exponent_lower"]) == (-0.25, -0.3)
    # At the largest size, and between its own interval's ends.
    assert row["efficiency"] == pytest.approx(limit[-1] / average[-1])
    last = row_of(comparison.errors, method=method, parameter="lam", n=SIZES[-1])
    ends = limit[-1] / last["high"], limit[-1] / last["low"]
    assert (row["efficiency_low"], row["efficiency_high"]) == pytest.approx(ends)
    assert ends[0] < row["efficiency"] < ends[1]


@pytest.mark.parametrize(
    ("method", "average", "limit"),
    [("map", RMS, BOUND), ("nuts", MEAN, EXPECTED)],
)
def test_rates_over_the_local_sizes(comparison, method, average, limit):
    """Where the share is five bounds or more: the second and the last size, no matter the rest."""
    row = row_of(comparison.rates, method=method, parameter="lam")
    own = [1, 3]
    n = np.array(SIZES)[own]
    assert (row["local_from"], row["local_sizes"]) == (4000.0, 2)
    assert row["local_slope"] == pytest.approx(line(n, average[own]))
    assert row["local_bound_slope"] == pytest.approx(line(n, limit[own]))


@pytest.mark.parametrize("i", range(len(SIZES)))
@pytest.mark.parametrize(("method", "average"), [("map", RMS), ("nuts", MEAN)])
def test_errors(comparison, method, average, i):
    row = row_of(comparison.errors, method=method, parameter="expert", n=SIZES[i])
    limit = (BOUND if method == "map" else EXPECTED)[i]
    assert row["rmse"] == pytest.approx(average[i])
    assert row["median"] == pytest.approx(MEDIAN[i])
    assert row["bound"] == limit
    assert row["efficiency"] == pytest.approx(limit / row["rmse"])
    assert row["resolution"] == RESOLUTION[i]
    stalled, edge = (1, 1 / COUNT) if method == "map" else (0, 0.0)
    assert (row["fits"], row["failures"], row["edge"]) == (COUNT, stalled, edge)
    assert row["low"] < row["rmse"] < row["high"]


def test_intervals_are_those_of_95_percent(comparison):
    level = Measured(np.array(SIZES), SIZED, level=0.95)
    row = row_of(comparison.rates, method="map", parameter="lam")
    ends = float(level.slope.low), float(level.slope.high)
    assert (row["low"], row["high"]) == pytest.approx(ends)


def test_spread_is_the_median_over_the_bound_and_the_mean_ball(comparison):
    for i, n in enumerate(SIZES):
        row = row_of(comparison.spread, parameter="lam", n=n)
        expected = np.median(SPREADS) * LEVELS[i] / BOUND[i]
        assert row["sd_over_bound"] == pytest.approx(expected)
        assert row["radius"] == pytest.approx(2.0 * MEAN[i])


def test_coverage_has_jeffreys_interval(comparison):
    row = row_of(comparison.coverage, parameter="lam", n=1000, level=0.8)
    assert (row["covered"], row["fits"]) == (5 / 7, 7)
    # Beta(held + 1/2, missed + 1/2).
    interval = stats.beta(5.5, 2.5).interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx(interval)


def test_sampling(comparison):
    row = row_of(comparison.sampling, n=4000)
    assert (row["fits"], row["unmixed"], row["divergences"]) == (7, 2, 4)
    assert (row["sampled"], row["weighted"]) == (6, 1)
    assert row["ess_bulk"] == pytest.approx(100.0 * np.median(SKEWED))
    assert row["seconds"] == pytest.approx(3.0 * np.median(SKEWED))


def test_a_gap_is_a_gain_of_the_starts_from_the_prior(comparison):
    row = row_of(comparison.agreement, n=32000)
    assert (row["same"], row["better"], row["worse"]) == pytest.approx((3 / 7, 3 / 7, 1 / 7))
    assert row["fits"] == COUNT
