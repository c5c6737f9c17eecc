"""The registry and the regimes: names, truths in their boxes, exponents, words for mistakes."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bayes_cmoe import (
    Data,
    InputError,
    Path,
    Regime,
    Variant,
    frozen_expert,
    register_variant,
    variant_named,
    variants,
)
from bayes_cmoe.parts.experts import EXPERTS
from bayes_cmoe.parts.gates import constant
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.study.regime import along
from bayes_cmoe.study.variant import _REGISTERED
from tests import reference, table

EVERYWHERE = {"distinguishable", "vanishing", "merging", "vanishing-merging"}
REQUIRED = {
    "constant_contaminated": EVERYWHERE
    | {f"linear-merging-{way}" for way in ("a", "b", "nu", "degenerate")}
    | {"linear-vs-tanh"},
    "softmax_contaminated": EVERYWHERE
    | {f"paper-b-{case}" for case in ("a", "b1", "b2", "mended")},
    "multinomial_contaminated": EVERYWHERE | {"heterogeneous", "homogeneous-merging"},
    "softmax_several_prompts": {"distinguishable", "merging", "merging-together"},
    "softmax_gaussian_moe": {"exact", "exact-grid", "over-3", "tilt-4", "plane-3", "plane-4"},
}
MERGING = [
    *(("constant_contaminated", name) for name in ("merging", "vanishing-merging")),
    *(("constant_contaminated", f"linear-merging-{k}") for k in ("a", "b", "nu", "degenerate")),
    *(("softmax_contaminated", name) for name in ("merging", "merging-varying-gate")),
    *(("softmax_contaminated", name) for name in ("vanishing-merging", "paper-b-b1")),
    ("softmax_contaminated", "paper-b-mended"),
    *(("multinomial_contaminated", name) for name in ("merging", "vanishing-merging")),
    ("multinomial_contaminated", "homogeneous-merging"),
]
SIZES = 10.0 ** np.arange(2, 17)
REGIMES = [
    pytest.param(variant, regime, id=f"{variant.name}-{regime.name}")
    for variant in variants().values()
    for regime in variant.regimes.values()
]


def _moved(variant: str, regime: str, n: float, **exponents: float) -> dict[str, np.ndarray]:
    return variant_named(variant).regime(regime).truth(n, **exponents)


def test_table_lists_every_variant_and_gate() -> None:
    assert {name: tuple(g.name for g in v.gates) for name, v in variants().items()} == table.GATES


@pytest.mark.parametrize("name", REQUIRED)
def test_required_regimes_are_there(name: str) -> None:
    assert REQUIRED[name] <= set(variant_named(name).regimes)


@pytest.mark.parametrize(("variant", "regime"), REGIMES)
def test_truth_lies_in_the_box_at_any_size(variant: Variant, regime: Regime) -> None:
    form = EXPERTS[regime.expert]
    parts = Mixture(regime.gate, form, variant.family, regime.prompts)
    wanted = {parameter.name: parameter.dims for parameter in parts.parameters}
    lengths = {"feature": regime.features, "free_class": (regime.classes or 1) - 1}
    lengths["prompt"] = lengths["expert"] = regime.prompts
    lengths["free_expert"] = regime.prompts - 1
    assert set(regime.box) == set(wanted)
    for n in SIZES:
        truth = regime.truth(n)
        assert set(truth) == set(wanted)
        for name, value in truth.items():
            assert value.shape == tuple(lengths[dim] for dim in wanted[name])
            lower, upper = regime.box[name]
            assert np.all((lower < value) & (value < upper))


@pytest.mark.parametrize(("variant", "regime"), REGIMES)
def test_truth_moves_with_its_exponents(variant: Variant, regime: Regime) -> None:
    """The gate falls as n^-alpha and the shift as n^-gamma, at other exponents too."""
    if regime.over_specified:
        pytest.skip("the truth has fewer experts than the fit, whose parameters stand for a set")
    gate, alpha = ("lam" if "lam" in regime.box else "tau"), 0.3
    still = regime.truth(1e8, alpha=0.0)[gate]
    ratio = regime.truth(1e8, alpha=alpha)[gate]
    ratio = ratio / still if gate == "lam" else np.exp(ratio - still)
    np.testing.assert_allclose(ratio, 1e8**-alpha, rtol=1e-10)
    own = regime.truth(1e8)
    same = regime.truth(1e8, regime.path.alpha, regime.path.gamma)
    assert all(np.array_equal(own[name], same[name]) for name in own)
    far, near = (regime.truth(1e8, gamma=g) for g in (0.25, 0.5))
    for name, center in regime.path.center.items():
        first, second = far[name] - center, near[name] - center
        linear, square = second - first / 100.0, second - first / 100.0**2
        degenerate = regime.name == "linear-merging-degenerate" and name == "nu"
        # n^-(1/2 - 1/4) = 1/100; the degenerate path's variance goes with the square.
        np.testing.assert_allclose(square if degenerate else linear, 0.0, atol=1e-14)


@pytest.mark.parametrize(("variant", "name"), MERGING)
def test_merging_regimes_merge_with_the_frozen_expert(variant: str, name: str) -> None:
    """The distance of the prompt from f0 falls as n^-gamma."""
    regime = variant_named(variant).regime(name)
    x = regime.draw_inputs(np.random.default_rng(0), 50)
    frozen = regime.frozen.columns(x)
    distances = []
    for n in (1e4, 1e16):
        truth = regime.truth(n)
        prompt = reference.mean(regime.expert, x, truth)
        gaps = [prompt - frozen["frozen_mean" if "nu" in truth else "frozen_logits"]]
        if "nu" in truth:
            gaps.append(truth["nu"] - frozen["frozen_scale"] ** 2)
        distances.append(max(np.max(np.abs(gap)) for gap in gaps))
    # Exact but for the curvature of tanh at the larger distance.
    predicted = 1e12 ** -float(regime.path.gamma)
    assert predicted / 3.0 < distances[1] / distances[0] < 3.0 * predicted
    assert regime.path.alpha == (Fraction(1, 8) if "vanishing" in name else 0)


def test_paper_b_designs_are_as_printed() -> None:
    """THEORY 2.3: d = 8, eta0 = e1, nu0 = 0.001, beta* = 1/sqrt(8), tau* = 1; f0's variance nu0."""
    first = np.eye(8)[0]
    variant, n = variant_named("softmax_contaminated"), 10.0**5
    grown = 1.0 + n**-0.125
    expected = {
        "paper-b-a": (-first, 0.001, 8**-0.5, 0.001),
        "paper-b-b1": (grown * first, 0.001, 8**-0.5, 0.001),
        "paper-b-b2": (-first, 0.001 * grown, 8**-0.5, 0.001),
        "paper-b-mended": (grown * first, 1.0, 0.0, 1.0),
    }
    for name, (eta, nu, beta, nu0) in expected.items():
        regime = variant.regime(name)
        truth = regime.truth(n)
        np.testing.assert_allclose(truth["a"], eta, atol=1e-15)
        np.testing.assert_allclose(truth["nu"], nu, rtol=1e-14)
        np.testing.assert_allclose(truth["beta"], np.full(8, beta), rtol=1e-15)
        assert truth["tau"] == 1.0
        columns = regime.frozen.columns(np.eye(8))
        np.testing.assert_allclose(columns["frozen_mean"], np.tanh(first), rtol=1e-14)
        factor = 2.0 if name == "paper-b-a" else 1.0
        np.testing.assert_allclose(factor * columns["frozen_scale"] ** 2, nu0, rtol=1e-14)


def test_degenerate_path_has_its_variance_on_the_parabola() -> None:
    for n in (1e2, 1e6, 1e12):
        truth = _moved("constant_contaminated", "linear-merging-degenerate", n)
        np.testing.assert_allclose(truth["nu"] - 1.0, (truth["b"] - 0.3) ** 2 / 3.0, rtol=1e-9)


def test_published_exponents_on_the_path() -> None:
    """THEORY section 1: lam at -1/2 + 2 gamma, the expert at -1/2 + alpha + gamma."""
    regime = variant_named("constant_contaminated").regime("merging")
    assert regime.exponents() == {"lam": Fraction(-1, 4), "expert": Fraction(-3, 8)}
    moved = regime.exponents(Fraction(1, 8), Fraction(1, 16))
    assert moved == {"lam": Fraction(-3, 8), "expert": Fraction(-5, 16)}
    away = variant_named("constant_contaminated").regime("vanishing").exponents()
    assert away == {"lam": Fraction(-1, 2), "expert": Fraction(-1, 4)}
    level = variant_named("softmax_contaminated").regime("paper-b-mended").exponents()
    assert level == {"exp_tau": Fraction(-1, 4), "beta": Fraction(-3, 8), "expert": Fraction(-3, 8)}


def test_names_are_looked_up_with_a_hint() -> None:
    variant = variant_named("constant_contaminated")
    assert variant_named(variant) is variant
    assert variant.regime(variant.regime("merging")) is variant.regimes["merging"]
    with pytest.raises(InputError, match="did you mean 'constant_contaminated'"):
        variant_named("constant_contamined")
    with pytest.raises(InputError, match="did you mean 'vanishing-merging'"):
        variant.regime("vanishing-and-merging")


@pytest.mark.parametrize("n", [0, -5, 0.5, float("nan")])
def test_senseless_sizes_are_refused(n: float) -> None:
    with pytest.raises(InputError, match="give n >= 1"):
        _moved("softmax_contaminated", "merging", n)


def test_a_truth_outside_the_box_is_refused() -> None:
    with pytest.raises(InputError, match="lies outside the box") as caught:
        _moved("softmax_contaminated", "vanishing", 1e16, alpha=2.0)
    assert "tau" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_users_variant_is_found_by_name() -> None:
    shipped = variant_named("constant_contaminated")
    own = replace(shipped, name="mine")
    register_variant(own)
    try:
        assert register_variant(own) is variant_named("mine")
        with pytest.raises(InputError, match="exists already"):
            register_variant(replace(own))
    finally:
        del _REGISTERED["mine"]
    assert "mine" not in variants()


def test_a_users_regime_needs_no_registration() -> None:
    frozen = frozen_expert("laplace", "linear", {"a": [1.0], "b": 0.0}, scale=1.0)
    path = Path({"lam": 0.2}, {"a": [1.0], "b": 0.0, "nu": 1.0}, along(b=3.0), gamma=Fraction(1, 4))
    box = {"lam": (0.0, 1.0), "a": (-3.0, 3.0), "b": (-9.0, 9.0), "nu": (0.1, 5.0)}

    def uniform(rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.uniform(0.0, 1.0, (n, 1))

    regime = Regime(
        "own", "uniform inputs", path, constant, "linear", frozen, 1, box, inputs=uniform
    )
    assert regime.truth(16.0)["b"] == 1.5
    x = regime.draw_inputs(np.random.default_rng(0), 100)
    assert x.shape == (100, 1)
    assert np.all((x >= 0) & (x <= 1))
    model = variant_named("constant_contaminated").model(regime, Data(x, x[:, 0]))
    assert {rv.name for rv in model.free_RVs} == set(box)
