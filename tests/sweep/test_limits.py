"""The limit experiment against its own simulation, and the control variates of real fits."""

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.study.losses import losses_at
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.bounds import bounds_of
from bayes_cmoe.sweep.cells import cells_of, measured_of
from bayes_cmoe.sweep.chunks import joined
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.limits import Limit
from bayes_cmoe.sweep.rows import VARIABLES
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.worker import run_task

NAMES = ("lam", "a", "b", "expert", "loss")
ENTRIES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=bool)
SPREAD = np.array([[0.3, 0.0, 0.0], [0.1, 0.5, 0.0], [-0.2, 0.2, 0.8]])
LEVELS = (0.5, 0.8, 0.9)


def a_loss(errors):
    """Twice one error plus another's square."""
    return (2.0 * np.abs(errors["lam"]) + np.abs(errors["expert"]) ** 2)[..., None]


@pytest.fixture(scope="module")
def limit():
    return Limit(NAMES, ENTRIES, SPREAD, a_loss)


def test_distances_are_norms_and_the_loss(limit):
    found = limit.distances(np.array([-1.0, 3.0, -4.0]))
    assert found == pytest.approx([1.0, 3.0, 4.0, 5.0, 27.0])


def test_averages_are_those_of_the_normal_law(limit):
    draws = np.random.default_rng(1).standard_normal((400_000, 3)) @ SPREAD.T
    sizes = np.column_stack(
        [
            np.abs(draws),
            np.hypot(draws[:, 1], draws[:, 2]),
            2.0 * np.abs(draws[:, 0]) + draws[:, 1] ** 2 + draws[:, 2] ** 2,
        ]
    )
    assert limit.rms() == pytest.approx(np.sqrt(np.mean(sizes**2, axis=0)), rel=0.01)
    assert limit.median() == pytest.approx(np.median(sizes, axis=0), rel=0.01)
    twice = 2.0**0.5 * np.array([0.3, np.hypot(0.1, 0.5), (0.04 + 0.04 + 0.64) ** 0.5])
    assert limit.expected()[:3] == pytest.approx(twice * (2.0 / np.pi) ** 0.5)
    norm = np.hypot(*(2.0**0.5 * draws[:, 1:].T))
    assert limit.expected()[3] == pytest.approx(norm.mean(), rel=0.01)


def test_the_posterior_is_normal_about_the_linear_error(limit):
    linear = np.array([[0.4, -0.3, 1.0], [0.0, 0.0, 0.0]])
    draws = linear[:, None] + np.random.default_rng(2).standard_normal((200_000, 3)) @ SPREAD.T
    sizes = np.concatenate([np.abs(draws), np.hypot(draws[..., 1], draws[..., 2])[..., None]], -1)
    losses, radii = limit.posterior(linear)
    assert losses[:, :4] == pytest.approx(sizes.mean(axis=1), rel=0.01)
    assert radii[:, :4] == pytest.approx(np.quantile(sizes, 0.9, axis=1), rel=0.02)
    ends = np.quantile(draws, [0.25, 0.75, 0.1, 0.9, 0.05, 0.95], axis=1)
    held = (ends[::2] < 0.0) & (ends[1::2] > 0.0)  # level, fit, measured
    assert limit.covered(linear)[..., :3] == pytest.approx(np.moveaxis(held, 0, 1).astype(float))
    assert np.isnan(limit.covered(linear)[..., 3:]).all()


def test_controls_have_the_means_that_theory_gives_them(limit):
    """Over data sets: L itself, the posterior's loss and radius, and coverage at its level."""
    count = 20_000
    linear = np.random.default_rng(3).standard_normal((count, 3)) @ SPREAD.T
    losses, radii = limit.posterior(linear[:2000])
    assert losses.mean(axis=0) == pytest.approx(limit.expected(), rel=0.06)
    assert radii.mean(axis=0) == pytest.approx(limit.radius(), rel=0.06)
    covered = limit.covered(linear)[..., :3].mean(axis=0)
    sd = [(level * (1.0 - level) / count) ** 0.5 for level in LEVELS]
    for level, own, error in zip(LEVELS, covered, sd, strict=True):
        assert own == pytest.approx(np.full(3, level), abs=4.0 * error)


def test_the_loss_is_the_variants():
    regime = variant_named("constant_contaminated").regime("merging")
    truth = regime.truth(1000)
    share, distance = float(truth["lam"]), regime.path.center
    moved = np.concatenate(
        [np.ravel(truth[name] - np.asarray(place)) for name, place in distance.items()]
    )
    size = np.linalg.norm(moved)
    expected = size**2 * 0.1 + share * size * 0.2
    found = losses_at(regime, truth)({"lam": np.array(0.1), "expert": np.array(0.2)})
    assert found == pytest.approx([expected])


LABEL = "constant_contaminated/distinguishable"
SIZE = 4000


def cell_of(replications, method="map", sizes=(SIZE,)):
    plans = {"map": MapPlan(sizes, replications)} if method == "map" else {}
    if method == "nuts":
        plans = {"nuts": NutsPlan(sizes, replications, draws=300, tune=250)}
    design = Design("controls", (Setting.parse(LABEL),), **plans)
    tables = [run_task(design, task) for task in design.tasks()]
    arrays = [{**{k: v.to_numpy() for k, v in one.variables.items()}} for one in tables]
    own = joined(arrays, [name for name in VARIABLES if name in tables[0]])
    (cell,) = cells_of(own, design, {LABEL: bounds_of(design, design.settings[0])})
    return cell


def test_real_fits_follow_their_linear_errors():
    """The correlation of e² and L² grows to one with n; V/n is L's own variance."""
    cell = cell_of(60)
    linear = cell.controls_of("error", "lam")[0]
    errors = cell.stacked("error", "lam")[0]
    assert np.corrcoef(errors**2, linear**2)[0, 1] > 0.95
    bound = cell.theoretical("bound", "lam")
    ratio = np.mean(linear**2) / bound[0] ** 2
    assert ratio == pytest.approx(1.0, abs=4.0 * (2.0 / 60) ** 0.5)
    scores = cell.fits[0]["score"].sel(target=cell.theory["entry"].to_numpy()).to_numpy()
    covariance = cell.theory["pull"].sel(n=SIZE).to_numpy()[: scores.shape[1]]
    assert cell.signed("expert")[0] == pytest.approx((scores @ covariance.T)[:, 1:])
    assert np.abs(cell.signed("lam")[0, :, 0]) == pytest.approx(linear)
    measured = measured_of(cell, "lam")
    assert measured is not None
    assert float(measured.average.half[0]) < 0.4 * float(measured.plain.average.half[0])
    found = measured.efficiency(bound)
    assert found.holds(1.0).all() or abs(found.value[0] - 1.0) < 0.03


@pytest.mark.slow
def test_controlled_averages_of_real_fits_are_the_plain_ones_of_two_thousand():
    """Twenty blocks of a hundred fits, each controlled, against all of them plain."""
    cell = cell_of(2000)
    for target in ("lam", "a", "b", "nu", "expert"):
        whole = measured_of(cell, target)
        assert whole is not None
        plain = float(np.log(whole.plain.average.value[0]))
        error = float(np.log(whole.plain.average.high[0]) - plain) / 1.96
        blocks = []
        for i in range(20):
            part = slice(100 * i, 100 * (i + 1))
            own = type(whole)(
                whole.n, whole.errors[:, part], controls=whole.controls[:, part],
                limits=whole.limits, slack=whole.slack, signed=whole.signed[:, part],
            )  # fmt: skip
            blocks.append(
                [
                    float(np.log(end[0]))
                    for end in (own.average.value, own.average.low, own.average.high)
                ]
            )
        values, low, high = np.array(blocks).T
        spread = values.std(ddof=1) / 20**0.5
        assert values.mean() == pytest.approx(plain, abs=3.5 * np.hypot(error, spread))
        # The best estimate there is: all two thousand, controlled.
        best = float(np.log(whole.average.value[0]))
        held = np.mean((low <= best) & (best <= high))
        assert held >= stats.binom(20, 0.95).ppf(0.001) / 20
