"""Bounds of a sweep, against the information matrix inverted here and closed forms."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

import bayes_cmoe.sweep.bounds as bounds
from bayes_cmoe.sweep.bounds import all_bounds, bounds_of
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.information import information
from bayes_cmoe.theory.published import published

LABEL = "softmax_contaminated/distinguishable"
SIZES = (1000, 16000)


def design(label=LABEL):
    return Design("one", (Setting.parse(label),), map=MapPlan(SIZES, 2))


@pytest.fixture(scope="module")
def found():
    return bounds_of(design(), design().settings[0], draws=2**16)


def covariance():
    own = information("softmax_contaminated", "distinguishable", n=1000, draws=2**16, accuracy=1.0)
    return np.linalg.inv(own.information.to_numpy()), list(own.entry.to_numpy()), own


def test_bounds_of_entries_norms_and_odds(found):
    inverse, labels, own = covariance()
    variance = dict(zip(labels, np.diag(inverse), strict=True))
    tau = float(own.truth.sel(entry="tau"))
    expected = {
        "beta[x1]": variance["beta[x1]"],
        "nu": variance["nu"],
        "a": variance["a[x1]"] + variance["a[x2]"],
        "expert": variance["a[x1]"] + variance["a[x2]"] + variance["nu"],
        "exp_tau": np.exp(2.0 * tau) * variance["tau"],
    }
    for n in SIZES:
        for name, value in expected.items():
            bound = float(found.bound.sel(target=name, n=n))
            assert bound == pytest.approx((value / n) ** 0.5, rel=1e-6)


def test_resolution_is_the_share_over_its_bound(found):
    tau = float(covariance()[2].truth.sel(entry="tau"))
    bound = found.bound.sel(target="exp_tau")
    np.testing.assert_allclose(found.resolution, np.exp(tau) / bound, rtol=1e-12)


def test_expected_loss_of_numbers_and_norms(found):
    ratio = (found.expected / found.bound).sel(n=1000)
    assert float(ratio.sel(target="nu")) == pytest.approx(2.0 / np.pi**0.5, rel=5e-3)
    # E|N(0, 2V)| of a vector, by plain Monte Carlo.
    inverse, labels, _ = covariance()
    chosen = [i for i, label in enumerate(labels) if label.startswith("beta[")]
    own = inverse[np.ix_(chosen, chosen)] / 1000
    draws = np.random.default_rng(1).multivariate_normal(np.zeros(2), 2.0 * own, 400_000)
    expected = np.linalg.norm(draws, axis=1).mean()
    assert float(found.expected.sel(target="beta", n=1000)) == pytest.approx(expected, rel=1e-2)


def test_loss_is_the_limit_of_an_efficient_estimates(found):
    # Distinguishable rates weigh all errors alike: loss = |exp tau| + |beta| + |expert| errors.
    inverse, labels, own = covariance()
    draws = np.random.default_rng(2).multivariate_normal(np.zeros(len(labels)), inverse, 400_000)
    table = dict(zip(labels, draws.T / 1000**0.5, strict=True))
    rates = [
        str(name) for name in published("softmax_contaminated", "distinguishable").parameter.values
    ]
    assert sorted(rates) == ["beta", "exp_tau", "expert"]
    loss = np.exp(float(own.truth.sel(entry="tau"))) * np.abs(table["tau"])
    loss = loss + np.hypot(table["beta[x1]"], table["beta[x2]"])
    loss = loss + np.sqrt(table["a[x1]"] ** 2 + table["a[x2]"] ** 2 + table["nu"] ** 2)
    expected = np.sqrt(np.mean(loss**2))
    assert float(found.bound.sel(target="loss", n=1000)) == pytest.approx(expected, rel=1e-2)


def test_balls_at_the_sizes_of_posteriors():
    """Of one number: E r(|L|) with P(|L + Z| <= r) = .9, both normal with the bound's variance."""
    label = Setting.parse("constant_contaminated/distinguishable")
    own = Design("one", (label,), map=MapPlan(SIZES, 2), nuts=NutsPlan((1000,), 2))
    found = bounds_of(own, own.settings[0], draws=2**14)
    centers = np.abs(np.random.default_rng(0).standard_normal(4000))
    reach = [
        brentq(lambda r, c=c: norm.cdf(r - c) - norm.cdf(-r - c) - 0.9, 0.0, c + 9.0)
        for c in centers
    ]
    ratio = found.radius / found.bound
    assert ratio.sel(target="nu", n=1000).item() == pytest.approx(np.mean(reach), rel=0.03)
    assert np.isnan(ratio.sel(n=16000)).all()
    assert np.isfinite(found.expected).all()


def test_exponents_follow_the_settings_own(found):
    assert float(found.exponent.sel(target="exp_tau")) == -0.5
    assert np.isnan(float(found.exponent.sel(target="nu")))
    label = "constant_contaminated/merging[gamma=1/16]"
    own = design(label)
    merging = bounds_of(own, own.settings[0], draws=2**15)
    assert own.settings[0].gamma == Fraction(1, 16)
    assert float(merging.exponent.sel(target="lam")) == -0.5 + 2 / 16
    assert merging.formula.sel(target="lam").item() == "-1/2 + 2 gamma"


def test_kept_in_the_folder_until_the_design_changes(tmp_path):
    label = "constant_contaminated/distinguishable"
    own = design(label)
    first = all_bounds(own, tmp_path)
    (file,) = (tmp_path / "bounds").iterdir()
    written = file.stat().st_mtime_ns
    again = all_bounds(own, tmp_path)
    assert file.stat().st_mtime_ns == written
    assert again[label].drop_attrs().identical(first[label].drop_attrs())
    other = Design("one", own.settings, map=MapPlan((2000, 4000), 2))
    assert list(all_bounds(other, tmp_path)[label].n.to_numpy()) == [2000, 4000]
    file.write_bytes(b"not a table")
    assert all_bounds(other, tmp_path)[label].drop_attrs().sizes["n"] == 2


TWO = Design(
    "two",
    tuple(Setting.parse(f"constant_contaminated/merging[gamma=1/{d}]") for d in (16, 32)),
    map=MapPlan(SIZES, 2),
)


def test_each_is_kept_as_it_is_finished(tmp_path, monkeypatch):
    done: list[Setting] = []

    def second_fails(design, setting):
        if done:
            raise KeyboardInterrupt
        done.append(setting)
        return bounds_of(design, setting, draws=2**12)

    with monkeypatch.context() as patch:
        patch.setattr(bounds, "bounds_of", second_fails)
        with pytest.raises(KeyboardInterrupt):
            all_bounds(TWO, tmp_path)
    assert len(list((tmp_path / "bounds").iterdir())) == 1
    with monkeypatch.context() as patch:
        asked = []

        def noted(design, setting):
            asked.append(setting)
            return bounds_of(design, setting, 2**12)

        patch.setattr(
            bounds,
            "bounds_of",
            noted,
        )
        found = all_bounds(TWO, tmp_path)
    assert asked == [setting for setting in TWO.settings if setting not in done]
    assert set(found) == {setting.label for setting in TWO.settings}


def test_what_is_kept_has_the_same_bits_and_two_processes_have_them_too(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    made = all_bounds(TWO, one)
    kept, together = all_bounds(TWO, one), all_bounds(TWO, two, workers=2)
    for label, found in made.items():
        assert kept[label].identical(found)
        assert together[label].identical(found)
    for file in (one / "bounds").iterdir():
        assert file.read_bytes() == (two / "bounds" / file.name).read_bytes()


def test_a_changed_bit_version_or_truth_is_computed_again(tmp_path, monkeypatch):
    asked = []

    def counted(design, setting):
        asked.append(setting.label)
        return bounds_of(design, setting, draws=2**12)

    monkeypatch.setattr(bounds, "bounds_of", counted)
    first = all_bounds(TWO, tmp_path)
    assert len(asked) == 2
    file = sorted((tmp_path / "bounds").iterdir())[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    again = all_bounds(TWO, tmp_path)
    assert len(asked) == 3
    assert all(again[label].identical(first[label]) for label in first)
    real = bounds.versions
    with monkeypatch.context() as patch:
        patch.setattr(bounds, "versions", lambda rooms: {**real(rooms), "scipy": "0"})
        all_bounds(TWO, tmp_path)
    assert len(asked) == 5
    with monkeypatch.context() as patch:
        patch.setattr(bounds, "truth_of", lambda design, setting: "another")
        all_bounds(TWO, tmp_path)
    assert len(asked) == 7


def test_a_singular_truth_gives_a_reason_instead_of_numbers():
    own = design("constant_contaminated/merging[gamma=3]")
    found = bounds_of(own, own.settings[0], draws=2**15)
    assert found.attrs["reason"]
    assert np.isnan(found.bound).all()
    assert np.isnan(found.resolution).all()
