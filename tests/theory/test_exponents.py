from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe import InputError, Path, Regime, frozen_expert, variant_named
from bayes_cmoe.parts.gates import gate_named
from bayes_cmoe.study.regime import along
from bayes_cmoe.theory.exponents import exponents, phase_diagram, powers
from bayes_cmoe.theory.published import published
from bayes_cmoe.theory.report import theory, theory_rows

CONSTANT, SOFTMAX = "constant_contaminated", "softmax_contaminated"
MULTINOMIAL = "multinomial_contaminated"
THIRD = 3**-0.5


def moved(variant: str, regime: str, **direction: object) -> Regime:
    own = variant_named(variant).regime(regime)
    return replace(own, path=replace(own.path, shift=along(**direction)))


def check(found: xr.Dataset, value: str, expected: dict[str, float], tolerance: float) -> None:
    """Each value within the tolerance of what is expected, its Monte-Carlo error far below it."""
    for name, wanted in expected.items():
        own = found.sel(parameter=name)
        assert float(own[f"{value}_se"]) < tolerance / 3.0
        assert float(own[value]) == pytest.approx(wanted, abs=tolerance), name


POWERS = {
    "linear, a": ("linear-merging-a", None, (-2, -1, 0, 0)),
    "linear, nu": ("linear-merging-nu", None, (-2, 0, 0, -1)),
    "linear, all": ("linear-merging-a", (THIRD, THIRD, THIRD), (-2, -1, -1, -1)),
    "linear, b": ("linear-merging-b", None, (-3, 0, -2, -1)),
    "linear, degenerate": ("linear-merging-degenerate", None, (-4, 0, -3, -2)),
    "tanh, a": ("merging", (1.0, 0.0, 0.0), (-2, -1, 0, 0)),
    "tanh, b": ("merging", (0.0, 1.0, 0.0), (-2, 0, -1, 0)),
    "tanh, nu": ("merging", (0.0, 0.0, 1.0), (-2, 0, 0, -1)),
    "tanh, all": ("merging", (THIRD, THIRD, THIRD), (-2, -1, -1, -1)),
}


@pytest.mark.parametrize("case", POWERS)
def test_powers_of_the_shift_by_direction(case: str) -> None:
    """The table of powers of delta under a constant gate."""
    name, direction, expected = POWERS[case]
    regime: str | Regime = name
    if direction is not None:
        a, b, nu = direction
        regime = moved(CONSTANT, name, a=[a], b=b, nu=nu)
    found = powers(CONSTANT, regime, delta=(0.01, 0.02), draws=2**16)
    check(found, "power", dict(zip(("lam", "a", "b", "nu"), expected, strict=True)), 0.1)


@pytest.mark.parametrize(
    ("regime", "direction", "expected"),
    [
        ("merging", {"a": [0.6, 0.8]}, {"beta": -1, "exp_tau": -2, "a": -1, "nu": 0}),
        ("merging", {"nu": 1.0}, {"beta": -1, "exp_tau": -2, "a": 0, "nu": -1}),
        ("merging-varying-gate", {"a": [0.6, 0.8]}, {"beta": -1, "exp_tau": -1, "a": 0, "nu": 0}),
        ("merging-varying-gate", {"nu": 1.0}, {"beta": -1, "exp_tau": -1, "a": 0, "nu": 0}),
    ],
)
def test_powers_under_a_softmax_gate(regime: str, direction: dict, expected: dict) -> None:
    """A gate that varies with x tells the share from the shift; a level one does not."""
    found = powers(SOFTMAX, moved(SOFTMAX, regime, **direction), delta=(0.01, 0.02), draws=2**16)
    check(found, "power", expected, 0.1)


@pytest.mark.parametrize(
    ("regime", "sizes", "expected"),
    [
        ("distinguishable", (1e3, 1e4), {"lam": -1 / 2, "expert": -1 / 2}),
        ("vanishing", (1e10, 1e12), {"lam": -1 / 2, "expert": -1 / 4}),
        ("merging", (1e12, 1e14), {"lam": -1 / 4, "expert": -3 / 8}),
        ("vanishing-merging", (1e22, 1e24), {"lam": -3 / 8, "expert": -5 / 16}),
    ],
)
def test_published_exponents_of_the_constant_gate(
    regime: str, sizes: tuple[float, float], expected: dict
) -> None:
    found = exponents(CONSTANT, regime, n=sizes, draws=2**16, accuracy=0.1)
    check(found, "slope", expected, 0.01)
    for name, wanted in expected.items():
        assert float(found.exponent.sel(parameter=name)) == wanted


@pytest.mark.parametrize("gamma", [1 / 16, 1 / 6])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_exponents_follow_alpha_and_gamma(alpha: float, gamma: float) -> None:
    sizes = np.array([0.02, 0.04]) ** (-1.0 / gamma)
    path = {"alpha": alpha, "gamma": gamma}
    found = exponents(CONSTANT, "merging", n=sizes, **path, draws=2**16, accuracy=0.1)
    expected = {"lam": -0.5 + 2.0 * gamma, "expert": -0.5 + alpha + gamma}
    check(found, "slope", expected, 0.015)


PAPER_B = {
    "paper-b-a": {"beta": -0.50, "exp_tau": -0.50, "a": -0.50, "nu": -0.50},
    "paper-b-b1": {"beta": -0.46, "exp_tau": -0.43, "a": -0.50, "nu": -0.47},
    "paper-b-b2": {"beta": -0.50, "exp_tau": -0.50, "a": -0.52, "nu": -0.53},
    "paper-b-mended": {"beta": -0.397, "exp_tau": -0.279, "a": -0.424, "nu": -0.498},
}


@pytest.mark.parametrize("regime", PAPER_B)
def test_designs_of_the_softmax_paper(regime: str) -> None:
    """Cramér-Rao slopes of arXiv:2505.18455's designs over the range of its 20 sizes."""
    found = exponents(SOFTMAX, regime, n=np.geomspace(1e3, 1e5, 8), draws=2**15)
    check(found, "slope", PAPER_B[regime], 0.02)


def test_mended_design_far_out() -> None:
    found = exponents(SOFTMAX, "paper-b-mended", n=(1e12, 1e14, 1e16), draws=2**15)
    expected = {"beta": -0.376, "exp_tau": -0.252, "a": -0.378, "nu": -0.500}
    check(found, "slope", expected, 0.01)


GATES = {
    "constant": {"lam": 0.4},
    "level": {"beta": [0.0, 0.0], "tau": 0.5},
    "varying": {"beta": [1.0, -1.0], "tau": 0.5},
}
FROZEN = {
    2: {"a": [[1.5, -0.5]], "b": [0.5]},
    3: {"a": [[1.5, 0.0], [0.0, 1.5]], "b": [0.5, 0.0]},
}
SHIFTS = {
    (2, "a"): {"a": [[0.6, 0.8]]},
    (2, "b"): {"b": [1.0]},
    (3, "a"): {"a": [[0.6, 0.0], [0.0, -0.8]]},
    (3, "b"): {"b": [0.6, -0.8]},
}


def multinomial(classes: int, gate: str, prompt: str, shift: str) -> Regime:
    own = variant_named(MULTINOMIAL).regime("homogeneous-merging")
    form = "constant" if gate == "constant" else "softmax"
    return replace(
        own,
        path=Path(GATES[gate], FROZEN[classes], along(**SHIFTS[classes, shift]), 2.0),
        expert=prompt,
        frozen=frozen_expert("multinomial_logistic", "linear", FROZEN[classes]),
        classes=classes,
        box={**own.box, "lam": (0.0, 1.0)},
        gate=gate_named(form),
        options=MappingProxyType({"gate": form}),
    )


MULTINOMIAL_POWERS = {
    ("constant", "a"): {"lam": -2, "a": -1, "b": 0},
    ("constant", "b"): {"lam": -2, "a": 0, "b": -1},
    ("level", "a"): {"beta": -1, "exp_tau": -2, "a": -1, "b": 0},
    # The intercept's shift times x is a slope's: beta is confused to second order.
    ("level", "b"): {"beta": -2, "exp_tau": -2, "a": -1, "b": -1},
    ("varying", "a"): {"beta": -1, "exp_tau": -1, "a": 0, "b": 0},
    ("varying", "b"): {"beta": -1, "exp_tau": -1, "a": 0, "b": 0},
}


@pytest.mark.parametrize(
    "classes", [2, pytest.param(3, marks=pytest.mark.slow)], ids=["K=2", "K=3"]
)
@pytest.mark.parametrize("gate", GATES)
def test_homogeneous_multinomial_merging(classes: int, gate: str) -> None:
    """Homogeneous experts lose powers of delta, as many as the gate and the direction say."""
    for shift in ("a", "b"):
        regime = multinomial(classes, gate, "linear", shift)
        found = powers(MULTINOMIAL, regime, delta=(0.01, 0.02), draws=2**16)
        check(found, "power", MULTINOMIAL_POWERS[gate, shift], 0.1)


@pytest.mark.parametrize(
    "classes", [2, pytest.param(3, marks=pytest.mark.slow)], ids=["K=2", "K=3"]
)
@pytest.mark.parametrize("gate", GATES)
def test_heterogeneous_multinomial_does_not_slow_down(classes: int, gate: str) -> None:
    regime = multinomial(classes, gate, "tanh", "a")
    found = powers(MULTINOMIAL, regime, delta=(0.01, 0.02), draws=2**16)
    check(found, "power", {str(name): 0.0 for name in found.parameter.values}, 0.05)


def test_slope_errors_are_the_scatter_over_seeds() -> None:
    found = [
        exponents(CONSTANT, "merging", n=(1e3, 1e4, 1e5), draws=2**14, seed=seed, accuracy=1.0)
        for seed in range(16)
    ]
    slopes = np.array([one.slope.values for one in found])
    claimed = np.mean([one.slope_se.values for one in found], axis=0)
    ratio = slopes.std(axis=0, ddof=1) / claimed
    assert np.all((ratio > 0.4) & (ratio < 2.5))


def test_the_least_accurate_size_decides_whether_the_draws_are_enough() -> None:
    own = {"n": (1e3, 1e7), "draws": 2**14}
    found = exponents(CONSTANT, "merging", **own, accuracy=1.0)
    relative = found.bound_se / found.bound
    largest = float(relative.max())
    # Every parameter has a size at which it is known better than this.
    assert float(relative.min("n").max()) < 0.98 * largest
    exponents(CONSTANT, "merging", **own, accuracy=1.001 * largest)
    with pytest.raises(InputError, match="draws are needed"):
        exponents(CONSTANT, "merging", **own, accuracy=0.99 * largest)


def test_phase_diagram_of_the_constant_gate() -> None:
    """alpha + 2 gamma < 1/2 is where the prompt is learnt."""
    alphas, gammas = (0.0, 0.2, 0.4), (0.0, 0.1, 0.2, 0.3)
    found = phase_diagram(CONSTANT, "merging", alpha=alphas, gamma=gammas, draws=2**15)
    np.testing.assert_allclose(found.boundary, [0.25, 0.15, 0.05])
    line = found.alpha + 2.0 * found.gamma - 0.5
    away = np.abs(line) > 0.06
    np.testing.assert_array_equal(
        found.consistent.values[away.values], (line < 0).values[away.values]
    )
    merging = found.sel(gamma=[0.1, 0.2, 0.3])
    expected = merging.alpha + 2.0 * merging.gamma - 0.5
    for name in ("lam", "expert"):
        own = merging.relative.sel(parameter=name).transpose("alpha", "gamma")
        np.testing.assert_allclose(own, expected.transpose("alpha", "gamma"), atol=0.04)


def test_published_table_holds_every_rate() -> None:
    table = published(SOFTMAX)
    own = table.isel(row=(table.regime == "paper-b-mended").values)
    assert dict(zip(own.parameter.values, own.upper.values, strict=True)) == {
        "exp_tau": -0.25,
        "beta": -0.375,
        "expert": -0.375,
    }
    assert set(own.lower_formula.values) == {"-1/2 + gamma", "-1/2 + 2 gamma"}
    derived = published(CONSTANT, "linear-merging-b")
    assert set(derived["mark"].values) == {"derived"}
    assert np.isnan(derived.lower).all()
    assert set(derived["boundary"].values) == {"sqrt(n) lam Delta^4 -> infinity"}


def test_theory_rows_join_published_and_computed() -> None:
    table = theory(CONSTANT, "merging", n=(1e3, 1e4), draws=2**15)
    rows = theory_rows(table)
    assert [row["parameter"] for row in rows] == ["lam", "a", "b", "nu", "expert"]
    by_name = {row["parameter"]: row for row in rows}
    assert by_name["lam"]["exponent"] == -0.25
    assert by_name["lam"]["lower"] == -0.25
    assert by_name["a"]["exponent"] is by_name["a"]["lower"] is by_name["a"]["mark"] is None
    assert by_name["lam"]["mark"] == "published"
    assert by_name["lam"]["boundary"] == "sqrt(n) lam Delta^2 -> infinity"
    assert "2410.12258" in by_name["expert"]["source"]
    lam = by_name["lam"]
    slope = np.log(lam["bound"][1] / lam["bound"][0]) / np.log(10.0)
    assert lam["slope"] == pytest.approx(slope)
    assert lam["n"] == [1e3, 1e4]
