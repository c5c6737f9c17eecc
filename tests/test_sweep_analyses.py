"""The analyses that run sweeps: their arithmetic by itself, then end to end on small designs."""

from fractions import Fraction
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.measured import Measured
from bayes_cmoe.sweep.setting import Setting
from tests.test_analyses import check_figures, script


@pytest.fixture(scope="module")
def heterogeneity() -> dict[str, Any]:
    return script("multinomial_heterogeneity.py")


@pytest.fixture(scope="module")
def phase_map() -> dict[str, Any]:
    return script("phase_map.py")


def plane(*exponents: Fraction, sizes: tuple[int, ...], replications: int) -> Design:
    settings = [Setting("constant_contaminated", "merging", a, a) for a in exponents]
    return Design("plane", tuple(settings), map=MapPlan(sizes, replications, starts=1))


def test_phase_map_divides_by_what_is_estimated(phase_map: dict[str, Any]) -> None:
    """Errors that are half of lam* = n^-1/4 / 2 and of Delta* = 2 n^-1/4 have relative slope 0."""
    design = plane(Fraction(1, 4), sizes=(10_000, 160_000), replications=2)
    label, sizes = design.settings[0].label, (10_000, 160_000)
    rows = []
    for n, (name, size) in product(sizes, {"lam": 0.5, "expert": 2.0, "a": 1.0}.items()):
        rmse = 0.5 * size * n**-0.25
        columns = ("rmse", "low", "high", "median", "bound")
        resolution = 7.0 if n == 160_000 else 3.0
        own = {"regime": label, "parameter": name, "n": n, "resolution": resolution}
        rows.append(own | dict.fromkeys(columns, rmse))
    columns = ("slope", "low", "high", "bound_slope", "exponent")
    rates = [
        {"regime": label, "parameter": name, **dict.fromkeys(columns, -0.25)}
        for name in ("lam", "expert", "a")
    ]
    found = SimpleNamespace(design=design, errors=pd.DataFrame(rows), rates=pd.DataFrame(rates))
    errors, rates = phase_map["relative_errors"](found), phase_map["relative_rates"](found)
    assert set(errors.parameter) == set(rates.parameter) == {"lam", "expert"}
    np.testing.assert_allclose(errors[["rmse", "low", "median", "bound"]], 0.5)
    np.testing.assert_allclose(rates[["slope", "low", "high", "bound_slope"]], 0.0)
    assert set(rates.local) == {"some"}


def test_phase_map_covers_both_sides_of_the_boundary(phase_map: dict[str, Any]) -> None:
    design = phase_map["DESIGN"]
    sides = [float(one.alpha + 2 * one.gamma) for one in design.settings]
    assert len(sides) == 16
    assert min(sides) == 0.0
    assert sum(side > 0.5 for side in sides) >= 3


def test_rows_for_an_error_invert_a_power_law(heterogeneity: dict[str, Any]) -> None:
    n = np.array([100, 400, 1600, 6400])
    curve = 3.0 / np.sqrt(n)
    rows_for = heterogeneity["rows_for"]
    np.testing.assert_allclose(rows_for(n, curve, 0.1), 900.0)
    assert np.isnan(rows_for(n, curve, 0.01))
    assert np.isnan(rows_for(n, curve, 1.0))
    # An error that was met once by chance does not count until it stays met.
    lucky = np.array([3.0, 0.5, 2.0, 0.25])
    np.testing.assert_allclose(rows_for(n, lucky, 1.0), 1600 * 4 ** (1 / 3))


def test_rows_for_an_error_that_is_met_from_the_start_have_no_limit(
    heterogeneity: dict[str, Any],
) -> None:
    n = np.array([100, 400])
    errors = np.random.default_rng(4).standard_normal((2, 50)) / np.sqrt(n)[:, None]
    rows, half = heterogeneity["rows_reached"](Measured(n, errors), 10.0)
    assert (rows, half) == (100.0, np.inf)


def test_ratio_of_rows_of_known_errors(heterogeneity: dict[str, Any]) -> None:
    """Normal errors with deviations 4 and 1 over sqrt(n): sixteen times the rows."""
    rng = np.random.default_rng(3)
    n = 4 ** np.arange(4, 10)
    normal = rng.standard_normal((2, len(n), 200)) / np.sqrt(n)[:, None]
    found = heterogeneity["rows_ratio"](Measured(n, normal[0]), Measured(n, 4.0 * normal[1]))
    assert found.low < 16.0 < found.high
    # Two log RMSEs, each with a standard error of 1 / sqrt(2 * 200), times two for rows.
    half = 1.96 * 2.0 * 2**0.5 / np.sqrt(2 * 200)
    # The error lies in the middle between two sizes: the mean of two such has half the variance.
    half /= 2**0.5
    assert 0.8 * half < np.log(found.high / found.low) / 2.0 < 1.25 * half
    assert found.rows["homogeneous"] == pytest.approx(n[-1] / 2)


def test_designs_hold_the_distance_fixed(heterogeneity: dict[str, Any]) -> None:
    seen = set()
    for design in heterogeneity["DESIGNS"]:
        (n,) = design.map.sizes
        for setting in design.settings:
            regime = variant_named(setting.variant).regime(setting.regime)
            truth = regime.path.at(n, regime.gate.share, gamma=setting.gamma)
            shift = truth["b"] - regime.path.center["b"]
            seen.add(tuple(shift.round(12)))
    assert seen == {(-2.0, 2.0), (-1.0, 1.0), (-0.5, 0.5)}


CENTER = np.array([1.5, 0.0, 0.0, 1.5, 0.5, 0.0])
DIRECTION = np.array([1.0, -1.0, -1.0, -1.0, -1.0, 1.0])


def probabilities(theta: NDArray, x: NDArray, bounded: bool) -> NDArray:
    """P(k|x) of the contaminated model at (beta, tau, a, b), last class the reference."""

    def experts(eta: NDArray, bound: bool) -> NDArray:
        logits = x @ eta[:4].reshape(2, 2).T + eta[4:]
        odds = np.exp(np.column_stack([np.tanh(logits) if bound else logits, np.zeros(len(x))]))
        return odds / odds.sum(axis=1, keepdims=True)

    gate = 1.0 / (1.0 + np.exp(-(x @ theta[:2] + theta[2])))[:, None]
    return (1.0 - gate) * experts(CENTER, False) + gate * experts(theta[3:], bounded)


def reference_deviations(delta: float, bounded: bool) -> tuple[float, float, float]:
    """sqrt(n) times the bounds of exp tau, beta, expert by quadrature and central differences."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    x = np.array(list(product(nodes, nodes)))
    weight = np.outer(weights, weights).ravel() / (2.0 * np.pi)
    truth = np.concatenate([[0.0, 0.0, 0.5], CENTER + delta * DIRECTION])
    steps = 1e-5 * np.eye(len(truth))
    slopes = np.array(
        [probabilities(truth + s, x, bounded) - probabilities(truth - s, x, bounded) for s in steps]
    ) / (2.0 * 1e-5)
    rows = (slopes * np.sqrt(weight[:, None] / probabilities(truth, x, bounded))).reshape(9, -1)
    variance = np.diag(np.linalg.inv(rows @ rows.T))
    spread = np.sqrt([np.exp(1.0) * variance[2], variance[:2].sum(), variance[3:].sum()])
    return tuple(spread)


def test_bounds_against_quadrature(heterogeneity: dict[str, Any]) -> None:
    found = heterogeneity["deviations"](np.array([0.5, 2.0]), draws=2**16)
    for delta, (form, bounded) in product(
        (0.5, 2.0), {"heterogeneous": True, "homogeneous": False}.items()
    ):
        own = found.sel(form=form, delta=delta, parameter=["exp_tau", "beta", "expert"])
        np.testing.assert_allclose(own, reference_deviations(delta, bounded), rtol=0.06)


@pytest.mark.slow
def test_phase_map(
    phase_map: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    design = plane(Fraction(0), Fraction(1, 4), sizes=(4000, 16_000, 64_000), replications=20)
    rates = phase_map["main"](["-o", str(tmp_path)], design).set_index(["alpha", "parameter"])
    learnt, lost = rates.loc[(0.0, "lam")], rates.loc[(0.25, "lam")]
    assert (learnt.local, lost.local) == ("all", "none")
    assert learnt.low < -0.5 < learnt.high
    # Beyond the boundary the error does not fall: relative to the share it grows as n^alpha.
    assert lost.low < 0.25 < lost.high
    check_figures_beside(tmp_path, {"phase_map.png", "slopes.png", "errors.png"})
    assert str(tmp_path / "phase_map.png") in capsys.readouterr().out


@pytest.mark.slow
def test_multinomial_heterogeneity(
    heterogeneity: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    designs = [heterogeneity["design_of"](k, (1,), 16) for k in (5, 6, 7, 8)]
    found = heterogeneity["main"](["-o", str(tmp_path)], designs).set_index("parameter")
    assert (found.low < found.bound_ratio).all()
    assert (found.bound_ratio < found.high).all()
    assert found.loc["exp_tau"].ratio > 1.0 > found.loc["expert"].high
    check_figures_beside(tmp_path, {"errors.png", "ratio.png"})
    assert str(tmp_path / "ratio.png") in capsys.readouterr().out


def check_figures_beside(folder: Path, names: set[str]) -> None:
    """Figures of a folder that also holds the sweeps."""
    for sub in [path for path in folder.iterdir() if path.is_dir()]:
        sub.rename(folder.with_name(f"{folder.name}-{sub.name}"))
    check_figures(folder, names)
