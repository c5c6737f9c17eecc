"""The line beyond the local range: the bound where theory is local, half the modulus elsewhere."""

import numpy as np
import pytest

from bayes_cmoe.sweep import moduli as lines
from bayes_cmoe.sweep.bounds import bounds_of
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.moduli import RESOLVED
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.modulus import modulus

SETTING = Setting.parse("constant_contaminated/merging")
SIZES = (1000, 1_000_000)


@pytest.fixture(scope="module")
def found():
    design = Design("far", (SETTING,), map=MapPlan(SIZES, 1), modulus=True)
    return bounds_of(design, SETTING, draws=2**15)


def test_one_size_is_local_and_one_is_not(found):
    assert (found["resolution"].to_numpy() >= RESOLVED).tolist() == [False, True]


def test_where_theory_is_local_it_is_the_bound(found):
    np.testing.assert_array_equal(found["modulus"].sel(n=SIZES[1]), found["bound"].sel(n=SIZES[1]))


@pytest.mark.parametrize("target", ["lam", "expert"])
def test_elsewhere_it_is_half_of_what_two_standard_errors_allow(found, target):
    """In the ball of twice the radius at which the modulus is the bound, for small radii."""
    radius = 2.0 / np.sqrt(8.0 * SIZES[0])
    one = modulus(
        SETTING.variant, SETTING.regime, target, SIZES[0], c=2.0 / np.sqrt(8.0), draws=2**12
    )
    assert one["radius"].item() == pytest.approx(radius)
    own = found["modulus"].sel(target=target, n=SIZES[0]).item()
    assert own == pytest.approx(one["modulus"].item() / 2.0, rel=0.02)


def test_a_share_that_may_be_nothing_moves_by_all_of_itself(found):
    """lam = 1/2 cannot be told from no prompt at a thousand rows: half of 1/2."""
    assert found["modulus"].sel(target="lam", n=SIZES[0]).item() == pytest.approx(0.25, abs=1e-4)


def test_other_targets_and_designs_say_nothing(found):
    others = found["modulus"].sel(n=SIZES[0]).drop_sel(target=["lam", "expert"])
    assert np.isnan(others).all()
    design = Design("near", (SETTING,), map=MapPlan(SIZES, 1))
    silent = bounds_of(design, SETTING, draws=2**15)["modulus"]
    assert np.isnan(silent.sel(n=SIZES[0])).all()
    assert np.isfinite(silent.sel(n=SIZES[1], target="lam"))


def test_a_spreads_line_is_half_of_how_far_atoms_may_part(monkeypatch):
    """Within two standard errors, sqrt(2 / (4 n)) in Hellinger distance; nothing is said of inf."""
    asked = {}

    def half_splits(variant, regime, parameter, distances):
        asked[parameter] = distances
        return np.where(distances > 0.01, np.inf, distances ** (1 / 4))

    monkeypatch.setattr(lines, "half_splits", half_splits)
    setting = Setting.parse("softmax_gaussian_moe/over-3")
    sizes = np.array([100, 10_000])
    found = lines._spreads(setting, sizes)
    assert list(found) == ["beta-spread", "a-spread", "b-spread", "nu-spread"]
    radius = np.sqrt(0.5 / sizes)
    np.testing.assert_allclose(asked["b"], radius)
    assert np.isnan(found["b-spread"][0])
    assert found["b-spread"][1] == pytest.approx(radius[1] ** (1 / 4) / 2.0)
    tilted = Setting.parse("softmax_gaussian_moe/tilt-4")
    assert lines._spreads(tilted, sizes) == {}
