"""Sweeps of mixtures of trainable experts: their own loss, and starts off the saddle."""

import numpy as np
import pytest
import xarray as xr
from bayes_cmoe.models.softmax_gaussian_moe import LOSSES

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.estimate.parted import cell_starts
from bayes_cmoe.study.losses import SHIFT, loss_names, losses_at
from bayes_cmoe.sweep.cells import cells_of, measured_of
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.presets import preset
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.worker import run_task
from tests.experts.parts import VARIANT, Named, log_density, point

NAME = "softmax_gaussian_moe"
ORDER = ("beta", "tau", "a", "b", "nu")


def flat(theta: Named) -> np.ndarray:
    return np.concatenate([np.ravel(theta[name]) for name in ORDER])


@pytest.mark.parametrize(
    ("regime", "loss"),
    [("exact", LOSSES.exact), ("over-3", LOSSES.over_specified), ("tilt-4", LOSSES.tilt_free)],
)
def test_a_regime_has_the_loss_that_converges_there(regime: str, loss) -> None:
    setting = VARIANT.regime(regime)
    truth, measure = setting.truth(100), setting.measure(100)
    rng = np.random.default_rng(0)
    moved = {k: v + 0.1 * rng.uniform(size=(4, *v.shape)) for k, v in truth.items()}
    parts = [(moved[name] - truth[name]).reshape(4, -1) for name in ORDER]
    # Behind theta the measured vector has the share's own error, which the loss passes over.
    shift = np.concatenate([*parts, np.full((4, 2), np.nan)], axis=1)
    found = losses_at(setting, truth)({SHIFT: shift})[..., 0]
    np.testing.assert_allclose(found, loss(moved, measure), rtol=1e-9)


@pytest.mark.parametrize("regime", ["exact", "over-3", "tilt-4", "plane-4", "plane-5"])
def test_the_truths_own_experts_are_found_again(regime: str) -> None:
    setting = VARIANT.regime(regime)
    measure, found = setting.measure(100), setting.own_experts(setting.truth(100))
    assert set(found) == set(measure)
    for name, value in measure.items():
        np.testing.assert_allclose(found[name], value, atol=1e-12)


def test_fits_of_an_over_specified_regime_begin_off_the_saddle() -> None:
    setting = VARIANT.regime("over-3")
    truth, features = setting.truth(100), ("x1",)
    shapes = tuple(np.shape(truth[name]) for name in ORDER)
    dims = (("free_expert", "feature"), ("free_expert",), ("expert", "feature"), ("expert",))
    layout = Layout(ORDER, shapes, (*dims, ("expert",)), {"feature": features})
    mixture = VARIANT.mixture(setting)
    points = layout.unravel(cell_starts(mixture, layout, flat(truth), setting.copies))
    x = np.linspace(0.0, 1.0, 30)[:, None]
    y = np.linspace(-5.0, 15.0, 30)
    base, changes = log_density(setting.measure(100), x, y), []
    for reach, b, nu in zip((0.1, 0.3, 0.6), points["b"], points["nu"], strict=True):
        delta = reach * 0.4
        assert b == pytest.approx([-5.0 - delta, -5.0 + delta, 15.0], rel=1e-12)
        assert nu == pytest.approx([0.16 - delta**2, 0.16 - delta**2, 0.09], rel=1e-12)
        near = {**truth, "b": b, "nu": nu}
        changes.append(np.median(np.abs(log_density(near, x, y) - base)))
    assert changes[0] < changes[1] < changes[2]
    alone = cell_starts(mixture, layout, flat(point(3, 1)), (0, 1, 2))
    np.testing.assert_array_equal(alone, flat(point(3, 1))[None])


def test_a_row_has_the_loss_of_its_errors() -> None:
    design = Design("exact", (Setting(NAME, "exact"),), map=MapPlan((800,), 2))
    (task,) = design.tasks()
    rows = run_task(design, task)
    truth = VARIANT.regime("exact").truth(800)
    errors = rows["error"].to_numpy()
    for own, loss in zip(errors, rows["error"].sel(target="loss").to_numpy(), strict=True):
        place, moved = 0, {}
        for name in ORDER:
            value = truth[name]
            moved[name] = value + own[place : place + value.size].reshape(value.shape)
            place += value.size
        assert loss == pytest.approx(float(LOSSES.exact(moved, truth)), rel=1e-9)
        assert 0 < loss < 2
    assert (rows["loglik_gap"].to_numpy() > 0).all()


def test_an_over_specified_row_has_losses_only() -> None:
    """The truth is a set: parameters have no error, and what converges is listed by name."""
    design = Design("over", (Setting(NAME, "over-3"),), map=MapPlan((800,), 2))
    (task,) = design.tasks()
    errors = run_task(design, task)["error"]
    setting = VARIANT.regime("over-3")
    names = ("loss", "tilt-free", "masses", *(f"{name}-spread" for name in ORDER if name != "tau"))
    assert set(names) == {"loss", *setting.further}
    known = errors["target"].to_numpy()[errors.notnull().all("fit").to_numpy()]
    assert set(known) == set(names)
    assert errors.sel(target=[name for name in ORDER if name in errors["target"]]).isnull().all()
    # D2 has the masses' term and powers of what is off; the spreads are no larger than the box.
    own = {name: errors.sel(target=name).to_numpy() for name in names}
    assert (own["masses"] < own["loss"]).all()
    assert (own["nu-spread"] < 10.0).all()
    assert (own["b-spread"] > 0.0).all()


@pytest.mark.parametrize("regime", ["over-3", "tilt-4"])
def test_further_losses_are_of_the_truths_own_experts(regime: str) -> None:
    setting = VARIANT.regime(regime)
    truth, measure = setting.truth(100), setting.measure(100)
    rng = np.random.default_rng(1)
    moved = {k: v + 0.1 * rng.uniform(size=(4, *v.shape)) for k, v in truth.items()}
    parts = [(moved[name] - truth[name]).reshape(4, -1) for name in ORDER]
    found = losses_at(setting, truth)({SHIFT: np.concatenate(parts, axis=1)})
    spreads = LOSSES.spreads(moved, measure)
    expected = {
        "D2": LOSSES.over_specified(moved, measure),
        "tilt-free": LOSSES.tilt_free(moved, measure),
        "masses": LOSSES.masses(moved, measure),
        **{f"{name}-spread": value for name, value in spreads.items()},
    }
    first = "D2" if regime == "over-3" else "tilt-free"
    for i, name in enumerate(loss_names(setting)):
        own = expected[first if name == "loss" else name]
        np.testing.assert_allclose(found[:, i], own, rtol=1e-9)


def test_an_over_specified_cell_is_averaged_by_medians() -> None:
    own = Setting(NAME, "over-3")
    design = Design("over", (own,), map=MapPlan((600, 1200), 4))
    table = xr.concat([run_task(design, task) for task in design.tasks()], "fit")
    nothing = np.full((len(np.unique(table["target"])), 2), np.nan)
    theory = xr.Dataset(
        {"modulus": (("target", "n"), nothing)},
        coords={"target": np.unique(table["target"]).astype(object), "n": [600, 1200]},
    )
    (cell,) = cells_of(table, design, {own.label: theory})
    measured = measured_of(cell, "b-spread")
    assert measured is not None
    errors = table["error"].sel(target="b-spread").to_numpy()
    for n, average in zip((600, 1200), measured.average.value, strict=True):
        assert average == pytest.approx(
            np.exp(np.median(np.log(errors[table["n"].to_numpy() == n]))), rel=1e-12
        )
    assert measured_of(cell, "b") is None


def test_the_papers_design_has_every_number_of_experts() -> None:
    design = preset("paper-d")
    assert {own.variant for own in design.settings} == {NAME}
    assert {"exact", "over-3", "tilt-4"} <= {own.regime for own in design.settings}
    assert (design.map.sizes[0], design.map.sizes[-1]) == (1000, 100_000)
