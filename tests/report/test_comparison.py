"""Tables beside the theory, from fits whose errors are drawn here with a known law."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import ttest_1samp

from bayes_cmoe.report.comparison import RESOLVED, compare
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan, Task
from bayes_cmoe.sweep.rows import table_of
from bayes_cmoe.sweep.setting import Setting

LABEL = "constant_contaminated/merging"
TARGETS = ("lam", "a[x1]", "b", "nu", "a", "expert", "loss")
SIZES = (1000, 4000, 16000, 64000)
REPLICATIONS = 200
DESIGN = Design(
    "drawn",
    (Setting.parse(LABEL),),
    map=MapPlan(SIZES, REPLICATIONS),
    nuts=NutsPlan(SIZES[:2], REPLICATIONS),
)


def bounds(resolution=(3.0, 6.0, 12.0, 24.0)):
    deviation = np.arange(1.0, len(TARGETS) + 1.0)[:, None] / np.sqrt(SIZES)
    return {
        LABEL: xr.Dataset(
            {
                "bound": (("target", "n"), deviation),
                "expected": (("target", "n"), deviation * 2.0 / np.sqrt(np.pi)),
                "resolution": ("n", np.array(resolution)),
                "exponent": ("target", [-0.25, *[np.nan] * 4, -0.375, -0.5]),
                "lower": ("target", [-0.3, *[np.nan] * 4, -0.375, np.nan]),
            },
            coords={"target": np.array(TARGETS, dtype=object), "n": list(SIZES)},
            attrs={"share": "lam", "share_parameter": "lam"},
        )
    }


def fits(method, n, make):
    rng = np.random.default_rng([n, len(method)])
    task = Task(method, DESIGN.settings[0], n, 0, REPLICATIONS)
    rows = {i: make(rng, n, i) for i in range(REPLICATIONS)}
    return table_of(task, rows, TARGETS, DESIGN.entropy)


def efficient(rng, n, i):
    errors = rng.standard_normal(len(TARGETS)) * np.arange(1.0, 8.0) / n**0.5
    gap = (-1.0, 0.0, 1e-6, 2.0)[i % 4]
    status = "edge" if i % 5 == 0 else "converged"
    return {"status": status, "error": errors, "anywhere_gap": gap, "seconds": 1.0}


def sampled(rng, n, i):
    scale = np.arange(1.0, 8.0) / n**0.5
    center = rng.standard_normal(len(TARGETS)) * scale
    draws = center + scale * rng.standard_normal((400, len(TARGETS)))
    levels = np.array([[0.25, 0.75], [0.1, 0.9], [0.05, 0.95]])
    low, high = np.quantile(draws, levels.T, axis=0)
    covered = ((low < 0) & (high > 0)).astype(float)
    return {
        "status": "sampled", "error": center, "expected_loss": np.abs(draws).mean(axis=0),
        "radius": np.quantile(np.abs(draws), 0.9, axis=0), "posterior_sd": draws.std(axis=0),
        "covered": covered, "divergences": 1.0 * (i == 0), "rhat": 1.2 if i < 3 else 1.0,
        "ess_bulk": 400.0, "ess_tail": 400.0, "seconds": 2.0,
    }  # fmt: skip


@pytest.fixture(scope="module")
def comparison():
    tables = [fits("map", n, efficient) for n in SIZES]
    tables += [fits("nuts", n, sampled) for n in SIZES[:2]]
    return compare(xr.concat(tables, dim="fit", join="outer"), DESIGN, bounds())


def row_of(frame, **wanted):
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    (row,) = frame.to_dict("records")
    return row


def test_vectors_have_one_rate_and_entries_have_one_coverage(comparison):
    rates = comparison.rates
    assert list(rates[rates.method == "map"].parameter) == [t for t in TARGETS if "[" not in t]
    assert set(comparison.coverage.parameter) == {"lam", "a[x1]", "b", "nu"}


def test_an_efficient_estimate_has_the_bounds_slope_and_efficiency_one(comparison):
    row = row_of(comparison.rates, method="map", parameter="nu")
    assert row["bound_slope"] == pytest.approx(-0.5)
    assert row["slope"] == pytest.approx(-0.5, abs=row["high"] - row["low"])
    assert row["efficiency"] == pytest.approx(1.0, abs=4.0 * (2.0 * REPLICATIONS) ** -0.5)
    assert row["verdict"] == "agrees"
    # The spread of an RMSE over R normal errors is 1/sqrt(2R) of it.
    steps = np.log(SIZES) - np.mean(np.log(SIZES))
    se = (2.0 * REPLICATIONS) ** -0.5 / np.sum(steps**2) ** 0.5
    assert row["high"] - row["low"] == pytest.approx(2.0 * 1.96 * se, rel=0.15)


def test_posterior_loss_meets_its_limit(comparison):
    row = row_of(comparison.rates, method="nuts", parameter="b")
    # 400 draws give the expected loss; its mean over the fits tends to E|N(0, 2)| bound.
    assert row["efficiency_low"] < 1.0 < row["efficiency_high"]
    own = row_of(comparison.spread, parameter="b", n=1000)
    assert own["sd_over_bound"] == pytest.approx(1.0, abs=0.05)


def test_local_range_is_what_the_resolution_says(comparison):
    row = row_of(comparison.rates, method="map", parameter="lam")
    assert RESOLVED == 5.0
    assert (row["local_from"], row["local_sizes"]) == (4000.0, 3)
    assert row["local_bound_slope"] == pytest.approx(-0.5)
    assert row["local_slope"] == pytest.approx(-0.5, abs=row["local_high"] - row["local_low"])
    assert row["local_high"] - row["local_low"] > row["high"] - row["low"]
    assert row["exponent"] == -0.25
    assert row["exponent_lower"] == -0.3
    nuts = row_of(comparison.rates, method="nuts", parameter="lam")
    assert nuts["local_sizes"] == 1
    assert np.isnan(nuts["local_slope"])
    assert nuts["local_verdict"] == ""


def test_errors_are_root_mean_squares(comparison):
    own = comparison.table
    mine = own.isel(fit=np.flatnonzero((own.method == "map") & (own.n == 4000)))
    expected = np.sqrt(np.mean(mine.error.sel(target="expert").to_numpy() ** 2))
    row = row_of(comparison.errors, method="map", parameter="expert", n=4000)
    assert row["rmse"] == pytest.approx(expected)
    assert row["edge"] == pytest.approx(0.2)
    assert (row["fits"], row["failures"], row["resolution"]) == (REPLICATIONS, 0, 6.0)


def test_coverage_counts(comparison):
    own = comparison.table
    mine = own.isel(fit=np.flatnonzero((own.method == "nuts") & (own.n == 1000)))
    row = row_of(comparison.coverage, parameter="nu", n=1000, level=0.9)
    assert row["covered"] == pytest.approx(float(mine.covered.sel(target="nu", level=0.9).mean()))
    assert row["low"] < row["covered"] < row["high"]
    pooled = row_of(comparison.pooled, level=0.9, over="all sizes")
    assert pooled["low"] < 0.9 < pooled["high"]
    assert pooled["fits"] == 2 * REPLICATIONS
    entries = ["lam", "a[x1]", "b", "nu"]
    sampled_fits = own.isel(fit=np.flatnonzero(own.method == "nuts")).covered
    shares = sampled_fits.sel(target=entries, level=0.9).mean("target").to_numpy()
    student = ttest_1samp(shares, 0.9).confidence_interval(0.95)
    assert (pooled["low"], pooled["high"]) == pytest.approx((student.low, student.high))
    local = row_of(comparison.pooled, level=0.9, over="local sizes")
    assert local["fits"] == REPLICATIONS
    assert local["covered"] == pytest.approx(float(shares[REPLICATIONS:].mean()))


def test_agreement_and_sampling(comparison):
    row = row_of(comparison.agreement, n=1000)
    assert (row["same"], row["better"], row["worse"]) == (0.5, 0.25, 0.25)
    row = row_of(comparison.sampling, n=1000)
    assert (row["unmixed"], row["divergences"]) == (3, 1)
    assert row_of(comparison.statuses, n=1000, status="edge")["fits"] == REPLICATIONS // 5


def failing(rng, n, i):
    return {"status": "failed", "message": "no"} if n == 4000 else efficient(rng, n, i)


def test_failed_sizes_stay_and_absent_sizes_are_absent():
    tables = [fits("map", n, failing) for n in SIZES[:3]]
    found = compare(xr.concat(tables, dim="fit", join="outer"), DESIGN, bounds())
    row = row_of(found.errors, parameter="lam", n=4000)
    assert (row["fits"], row["failures"]) == (0, REPLICATIONS)
    assert np.isnan(row["rmse"])
    assert set(found.rates.verdict) == {"too few fits"}
    assert 64000 not in set(found.errors.n)
    assert found.coverage.empty


def test_a_singular_theory_leaves_the_exponent_to_compare_with():
    theory = bounds()
    for name in ("bound", "expected", "resolution"):
        theory[LABEL][name] = theory[LABEL][name] * np.nan
    table = xr.concat([fits("map", n, efficient) for n in SIZES], dim="fit", join="outer")
    found = compare(table, DESIGN, theory)
    loss = row_of(found.rates, parameter="loss")
    assert (loss["verdict"], loss["exponent_verdict"]) == ("no theory", "undecided")
    assert loss["exponent_says"].startswith("undecided: about ")
    nu = row_of(found.rates, parameter="nu")
    assert (nu["verdict"], nu["exponent_verdict"]) == ("no theory", "no theory")
    assert row_of(found.rates, parameter="lam")["local_sizes"] == 0
