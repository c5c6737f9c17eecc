"""Losses and concentration against formulas written out by hand and SciPy's distributions."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.experts import EXPERTS, Expert
from bayes_cmoe.parts.families import gaussian, poisson
from bayes_cmoe.parts.gates import GATES
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.study.concentration import LEVELS, ball_radius, concentration, covers
from bayes_cmoe.study.losses import merging_distance, published_loss
from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.targets import Targets
from bayes_cmoe.study.variant import variant_named, variants

SOFTMAX = Layout(
    ("beta", "tau", "a", "nu"),
    ((2,), (), (2,), ()),
    (("feature",), (), ("feature",), ()),
    {"feature": ("x1", "x2")},
)
TARGETS = Targets(SOFTMAX, Mixture(GATES["softmax"], EXPERTS["tanh-nobias"], gaussian))
TRUTH = np.array([0.8, -0.5, 0.5, 1.0, 0.5, 1.0])


def softmax_targets(theta):
    values = TARGETS.distances(TARGETS.differences(theta, TRUTH))
    return dict(zip(TARGETS.names, np.moveaxis(values, -1, 0), strict=True))


def test_every_target_by_hand():
    theta = TRUTH + np.array([0.3, -0.4, 0.2, -0.6, 0.0, 0.8])
    found = softmax_targets(theta)
    assert found["beta[x1]"] == pytest.approx(0.3)
    assert found["beta"] == pytest.approx(0.5)
    assert found["tau"] == pytest.approx(0.2)
    assert found["exp_tau"] == pytest.approx(np.exp(0.7) - np.exp(0.5))
    assert found["a"] == pytest.approx(0.6)
    assert found["nu"] == pytest.approx(0.8)
    assert found["expert"] == pytest.approx(1.0)
    assert list(found) == [
        "beta[x1]", "beta[x2]", "tau", "a[x1]", "a[x2]", "nu", "beta", "a", "exp_tau", "expert",
    ]  # fmt: skip


def test_only_single_numbers_have_a_sign():
    scalar = dict(zip(TARGETS.names, TARGETS.is_scalar, strict=True))
    assert [name for name, single in scalar.items() if not single] == ["beta", "a", "expert"]


def test_draws_go_through_as_one_estimate_does():
    draws = TRUTH + np.random.default_rng(1).standard_normal((3, 5, 6))
    together = softmax_targets(draws)
    for name, value in softmax_targets(draws[2, 4]).items():
        assert together[name].shape == (3, 5)
        assert together[name][2, 4] == value


def constant_loss(regime, err, share, distance):
    rates = variant_named("constant_contaminated").regime(regime).published
    return float(published_loss(err, rates, share, distance))


def test_losses_of_the_constant_gate():
    err = {"lam": -0.03, "expert": 0.2, "a": 0.1, "b": -0.3, "nu": 0.05}
    lam, delta = 0.4, 0.25
    assert constant_loss("distinguishable", err, lam, delta) == pytest.approx(0.03 + lam * 0.2)
    assert constant_loss("merging", err, lam, delta) == pytest.approx(
        delta**2 * 0.03 + lam * delta * 0.2
    )
    assert constant_loss("linear-merging-a", err, lam, delta) == pytest.approx(
        delta**2 * 0.03 + lam * delta * (0.1 + 0.3**2 + 0.05)
    )
    assert constant_loss("linear-merging-b", err, lam, delta) == pytest.approx(
        delta**4 * 0.03 + lam * delta**2 * (0.1 + 0.3**2 + 0.05)
    )


def test_loss_of_the_softmax_gate():
    rates = variant_named("softmax_contaminated").regime("merging").published
    err = {"exp_tau": 0.3, "beta": 0.2, "expert": 0.1}
    found = published_loss(err, rates, share=1.0, distance=0.5)
    assert found == pytest.approx(0.25 * 0.3 + 0.5 * 0.2 + 0.5 * 0.1)


@pytest.mark.parametrize(
    ("variant", "regime"),
    [
        (name, regime.name)
        for name, own in variants().items()
        for regime in own.regimes.values()
        if regime.published
    ],
)
def test_a_loss_falls_as_root_n_when_errors_have_their_published_rates(variant, regime):
    setting = variant_named(variant).regime(regime)
    sizes = np.array([1e10, 1e16])
    losses = []
    for n in sizes:
        truth = setting.truth(n)
        errors = {rate: n ** float(e) for rate, e in setting.exponents().items()}
        limit = {name: np.asarray(value) for name, value in setting.path.center.items()}
        distance = merging_distance(truth, limit) if setting.path.gamma else 1.0
        losses.append(
            float(published_loss(errors, setting.published, setting.share(truth), distance))
        )
    slope = np.log(losses[1] / losses[0]) / np.log(sizes[1] / sizes[0])
    # The degenerate path's distance is delta sqrt(1 + delta²/9), not a pure power.
    assert slope == pytest.approx(-0.5, abs=0.01)


def test_no_published_rate_no_loss():
    assert np.isnan(published_loss({"lam": [0.1, 0.2]}, (), 0.5, 1.0)).all()


def test_a_rate_for_an_unknown_target_is_named():
    rate = Rate("gate", Exponent(Fraction(-1, 2)), None, "nowhere")
    with pytest.raises(InputError, match="'gate'"):
        published_loss({"lam": 0.1}, (rate,), 0.5, 1.0)


def test_concentration_of_a_normal_posterior():
    """Folded normal mean and quantile; the spread of a vector is the root of the trace."""
    rng = np.random.default_rng(3)
    center, sd = np.array([0.7, -0.2]), np.array([0.5, 1.5])
    shift = center + sd * rng.standard_normal((200_000, 2))
    layout = Layout(("b", "c"), ((), ()), ((), ()), {})
    expert = Expert("two", {"b": (), "c": ()}, lambda x, b, c: b + c)
    targets = Targets(layout, Mixture(GATES["constant"], expert, poisson))
    found = concentration(targets, shift)
    folded = [stats.foldnorm(abs(m) / s, scale=s) for m, s in zip(center, sd, strict=True)]
    assert found.expected_loss[:2] == pytest.approx([d.mean() for d in folded], rel=0.01)
    assert found.radius[:2] == pytest.approx([d.ppf(0.9) for d in folded], rel=0.01)
    assert found.sd == pytest.approx([0.5, 1.5, np.hypot(0.5, 1.5)], rel=0.01)
    assert found.mean_error == pytest.approx([0.7, -0.2, np.hypot(0.7, 0.2)], abs=0.02)
    # 0.7 is 1.4 sd away: outside the 80 % interval (1.28 sd), inside the 90 % one (1.64 sd).
    assert found.covered[:, 0].tolist() == [0.0, 0.0, 1.0]
    assert found.covered[:, 1].tolist() == [1.0, 1.0, 1.0]
    assert np.isnan(found.covered[:, 2]).all()


def test_intervals_cover_as_often_as_they_say():
    """Truths drawn from the posterior itself lie in the interval with its probability."""
    rng = np.random.default_rng(4)
    shift = rng.standard_normal((1000, 4000)) - rng.standard_normal(4000)
    share = covers(shift).mean(axis=1)
    assert share == pytest.approx(LEVELS, abs=4.0 * (0.25 / 4000) ** 0.5)


def test_intervals_and_balls_of_few_draws_hold_what_they_say():
    """Of 40 draws NumPy's default quantiles would hold .86 instead of .9."""
    rng = np.random.default_rng(5)
    draws, truth = rng.standard_normal((40, 40_000)), rng.standard_normal(40_000)
    error = 4.0 * (0.25 / 40_000) ** 0.5
    assert covers(draws - truth).mean(axis=1) == pytest.approx(LEVELS, abs=error)
    assert np.mean(np.abs(truth) <= ball_radius(draws)) == pytest.approx(0.9, abs=error)
