"""What a calibration's page concludes from places that are chosen."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe.report.calibration import band, calibrated, uniformity
from bayes_cmoe.report.calibration_figures import calibration_figures
from bayes_cmoe.report.calibration_page import (
    calibration_page,
    calibration_record,
    verdict_of,
)
from bayes_cmoe.report.images import drawn
from bayes_cmoe.sweep.design import CalibratePlan, Design
from bayes_cmoe.sweep.setting import Setting
from tests.report.browser import browser, looked_at

__all__ = ["browser"]

LABEL = "constant_contaminated/merging"
HOSTILE = "<script>alert('x')</script>"
DESIGN = Design(
    "<i>odd</i>", (Setting.parse(LABEL),), prior="flat", calibrate=CalibratePlan((50,), 120)
)


def table(places, status=None, message=None):
    """Fits with these places, (fit, target)."""
    count, targets = places.shape
    status = ["sampled"] * count if status is None else status
    return xr.Dataset(
        {
            "status": ("fit", np.array(status, dtype=object)),
            "message": ("fit", np.array(message or [""] * count, dtype=object)),
            "seconds": ("fit", np.full(count, 2.0)),
            "pit": (("fit", "target"), places),
        },
        coords={
            "setting": ("fit", np.full(count, LABEL, dtype=object)),
            "n": ("fit", np.full(count, 50)),
            "replicate": ("fit", np.arange(count)),
            "target": np.array([f"q{i}" for i in range(targets)], dtype=object),
        },
    )


def narrow(rng, count):
    """Places of truths among draws of a posterior with half the true standard deviation."""
    return stats.norm.cdf(2.0 * rng.normal(size=count))


def test_the_test_of_uniformity_keeps_its_level_and_sees_what_is_wrong():
    rng = np.random.default_rng(1)
    p = np.array([uniformity(rng.random(100)) for _ in range(2000)])
    # Binomial error of a share of .01 among 2000: .0022.
    assert np.mean(p < 0.01) == pytest.approx(0.01, abs=4 * 0.0022)
    assert uniformity(narrow(rng, 100)) < 1e-6
    assert uniformity(rng.beta(2.0, 1.0, 100)) < 1e-4
    assert np.isnan(uniformity(rng.random(9)))


def test_the_band_holds_whole_curves():
    """By simulation here, apart from ArviZ's own."""
    rng = np.random.default_rng(2)
    count, sets = 60, 1000
    points, lower, upper = band(count)
    assert points[0] == 0.0
    assert points[-1] == 1.0
    numbers = np.sort(rng.random((sets, count)), axis=1)
    ecdf = np.array([np.searchsorted(own, points, side="right") for own in numbers]) / count
    apart = (ecdf - points)[:, 1:-1]
    inside = (apart >= lower[1:-1] - 1e-9) & (apart <= upper[1:-1] + 1e-9)
    assert np.mean(inside.all(axis=1)) == pytest.approx(0.95, abs=0.03)


def test_quantities_are_judged_together_and_one_by_one():
    rng = np.random.default_rng(3)
    places = rng.random((120, 8))
    places[:, 5] = narrow(rng, 120)
    found = calibrated(DESIGN, table(places))
    assert list(found.rejected["quantity"]) == ["q5"]
    row = found.quantities.set_index("quantity").loc["q5"]
    assert row["beyond"]
    assert row["p"] < 1e-6
    assert verdict_of(found).startswith("not calibrated in q5; 120 of 120 fits: 120 trusted")


def test_a_p_value_is_held_against_all_that_was_tested():
    """One that would do alone does not among twenty."""
    rng = np.random.default_rng(4)
    shifted = next(
        places
        for places in (rng.beta(1.0, 1.45, 120) for _ in range(1000))
        if 0.001 < uniformity(places) < 0.009
    )
    alone = calibrated(DESIGN, table(shifted[:, None]))
    assert len(alone.rejected) == 1
    among = calibrated(DESIGN, table(np.column_stack([shifted, rng.random((120, 19))])))
    assert "q0" not in set(among.rejected["quantity"])


def test_doubted_and_failed_fits_are_counted_and_not_dropped():
    rng = np.random.default_rng(5)
    places = rng.random((110, 2))
    places[:50, 0] = narrow(rng, 50) ** 0.2
    places[100:] = np.nan
    status = ["doubted"] * 50 + ["sampled"] * 50 + ["failed"] * 10
    message = [HOSTILE] * 50 + [""] * 50 + ["FloatingPointError: nan"] * 10
    found = calibrated(DESIGN, table(places, status, message))
    (counts,) = found.counts.to_dict("records")
    assert (counts["planned"], counts["finished"]) == (120, 110)
    assert (counts["trusted"], counts["doubted"], counts["failed"]) == (50, 50, 10)
    row = found.quantities.set_index("quantity").loc["q0"]
    assert (row["fits"], row["trusted"]) == (100, 50)
    assert row["rejected"]
    assert not row["trusted_rejected"]
    assert "50 trusted, 50 doubted by the engine, 10 failed" in verdict_of(found)
    pictures = drawn(calibration_figures(found))
    assert list(pictures) == ["places-constant_contaminated-merging-n50"]
    page = calibration_page(found, pictures)
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert "<i>odd</i>" not in page
    assert "This run is not finished:</strong> 110 of 120 fits" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    record = calibration_record(found)
    assert record["prior"] == "flat"
    assert [entry["quantity"] for entry in record["rejected"]] == ["q0"]


def test_few_fits_say_nothing():
    found = calibrated(DESIGN, table(np.random.default_rng(6).random((5, 2))))
    assert verdict_of(found).startswith("too few fits to say anything; 5 of 120 fits")
    assert calibration_figures(found) == {}
    assert calibration_record(found)["quantities"][0]["p"] is None
    assert "Fewer than 10 fits are finished" in calibration_page(found, {})


def test_a_browser_shows_the_page_whole(browser, tmp_path):
    places = np.random.default_rng(7).random((60, 6))
    found = calibrated(DESIGN, table(places, ["doubted"] * 20 + ["sampled"] * 40))
    page = calibration_page(found, drawn(calibration_figures(found)))
    for width in (360, 1200):
        seen = looked_at(browser, page, tmp_path, width)
        assert (seen["overflow"], seen["loose"], seen["asked"]) == (0, [], [])
        assert (seen["dead"], seen["scopeless"], seen["twice"]) == ([], 0, 0)
        assert all(across > 0 and alt for across, _, alt in seen["images"])
