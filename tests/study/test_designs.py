"""The truths, frozen experts and rates of every regime, against the papers' designs by hand.

Each line below is written down from THEORY and the papers, as formulas in n; nothing is read from
the regimes but what is compared.
"""

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe import variant_named, variants
from bayes_cmoe.theory.boundary import boundary
from tests import reference

A, B, C = "constant_contaminated", "softmax_contaminated", "multinomial_contaminated"
ROOT3 = 3.0**-0.5
E1 = np.eye(8)[0]
SLOPES, BIASES = np.array([[1.5, 0.0], [0.0, 1.5]]), np.array([0.5, 0.0])
NEAR_SLOPES, NEAR_BIASES = np.array([[1.0, -1.0], [-1.0, -1.0]]), np.array([-1.0, 1.0])


def by_a(lam, a, b, nu):
    return {"lam": lam, "a": [a], "b": b, "nu": nu}


def by_b(beta, tau, a, nu):
    return {"beta": beta, "tau": tau, "a": a, "nu": nu}


def in_eight(beta, eta, nu):
    return by_b(np.full(8, beta), 1.0, eta * E1, nu)


def three_classes(beta, tau, a, b):
    return {"beta": beta, "tau": tau, "a": a, "b": b}


def together(center, step):
    """Slope, intercept and variance of A, moved by the same step."""
    return center[0] + step, center[1] + step, center[2] + step


UNIT = (1.0, 0.3, 1.0)
OTHER = np.array([-1.0, 0.5]), 0.5
APART = np.array([[-1.5, 0.0], [0.0, -1.5]]), np.array([0.5, 0.5])


def near_classes(step):
    return SLOPES + step * NEAR_SLOPES, BIASES + step * NEAR_BIASES


TRUTHS = {
    (A, "distinguishable"): lambda n: by_a(0.5, -1.0, 0.5, 0.5),
    (A, "vanishing"): lambda n: by_a(0.5 * n**-0.25, -1.0, 0.5, 0.5),
    (A, "merging"): lambda n: by_a(0.5, *together(UNIT, 2.0 * ROOT3 * n**-0.125)),
    (A, "vanishing-merging"): lambda n: by_a(
        0.5 * n**-0.125, *together(UNIT, 2.0 * ROOT3 * n**-0.0625)
    ),
    (A, "linear-merging-a"): lambda n: by_a(0.3, 1.0 + 2.0 * n**-0.125, 0.3, 1.0),
    (A, "linear-merging-b"): lambda n: by_a(0.3, 1.0, 0.3 + 2.0 * n ** (-1.0 / 12.0), 1.0),
    (A, "linear-merging-nu"): lambda n: by_a(0.3, 1.0, 0.3, 1.0 + 2.0 * n**-0.125),
    (A, "linear-merging-degenerate"): lambda n: by_a(
        0.3, 1.0, 0.3 + 2.0 * n**-0.0625, 1.0 + 4.0 * n**-0.125 / 3.0
    ),
    (A, "linear-vs-tanh"): lambda n: by_a(0.5, *together(UNIT, 2.0 * ROOT3 * n**-0.125)),
    (B, "distinguishable"): lambda n: by_b([0.8, -0.5], 0.5, *OTHER),
    (B, "vanishing"): lambda n: by_b([0.8, -0.5], 0.5 - 0.25 * np.log(n), *OTHER),
    (B, "merging"): lambda n: by_b(
        [0.0, 0.0],
        0.0,
        np.array([1.0, 0.5]) + 2.0 * ROOT3 * n**-0.125,
        1.0 + 2.0 * ROOT3 * n**-0.125,
    ),
    (B, "merging-varying-gate"): lambda n: by_b(
        [0.8, -0.5],
        0.5,
        np.array([1.0, 0.5]) + 2.0 * ROOT3 * n**-0.125,
        1.0 + 2.0 * ROOT3 * n**-0.125,
    ),
    (B, "vanishing-merging"): lambda n: by_b(
        [0.0, 0.0],
        -0.125 * np.log(n),
        np.array([1.0, 0.5]) + 2.0 * ROOT3 * n**-0.0625,
        1.0 + 2.0 * ROOT3 * n**-0.0625,
    ),
    (B, "paper-b-a"): lambda n: in_eight(8**-0.5, -1.0, 0.001),
    (B, "paper-b-b1"): lambda n: in_eight(8**-0.5, 1.0 + n**-0.125, 0.001),
    (B, "paper-b-b2"): lambda n: in_eight(8**-0.5, -1.0, 0.001 * (1.0 + n**-0.125)),
    (B, "paper-b-mended"): lambda n: in_eight(0.0, 1.0 + n**-0.125, 1.0),
    (C, "distinguishable"): lambda n: three_classes([1.0, -1.0], 0.5, *APART),
    (C, "vanishing"): lambda n: three_classes([1.0, -1.0], 0.5 - 0.25 * np.log(n), *APART),
    (C, "merging"): lambda n: three_classes([1.0, -1.0], 0.5, *near_classes(2.0 * n**-0.125)),
    (C, "vanishing-merging"): lambda n: three_classes(
        [1.0, -1.0], 0.5 - 0.125 * np.log(n), *near_classes(2.0 * n**-0.0625)
    ),
    (C, "heterogeneous"): lambda n: three_classes([0.0, 0.0], 0.5, *near_classes(2.0 * n**-0.125)),
    (C, "homogeneous-merging"): lambda n: three_classes(
        [0.0, 0.0], 0.5, *near_classes(2.0 * n**-0.125)
    ),
}
"""The truth at n."""


def normal(mean, variance):
    return lambda y, x: stats.norm.logpdf(y, mean(x), variance**0.5)


def double_exponential(mean, variance):
    """The Laplace of that variance, which is twice the square of its scale."""
    return lambda y, x: stats.laplace.logpdf(y, mean(x), (variance / 2.0) ** 0.5)


def tanh_of_one(x):
    return np.tanh(x[:, 0] + 0.3)


def line(x):
    return x[:, 0] + 0.3


def tanh_of_two(x):
    return np.tanh(x[:, 0] + 0.5 * x[:, 1])


def tanh_of_eight(x):
    return np.tanh(x[:, 0])


def classifier(y, x):
    """Three classes with the logits 1.5 x1 + 0.5, 1.5 x2, 0."""
    odds = np.exp(np.column_stack([1.5 * x[:, 0] + 0.5, 1.5 * x[:, 1], np.zeros(len(x))]))
    return np.log(odds[np.arange(len(x)), y.astype(int)] / odds.sum(axis=1))


LAPLACE_A, LAPLACE_B = double_exponential(tanh_of_one, 1.0), double_exponential(tanh_of_two, 1.0)
FROZEN = {
    (A, "distinguishable"): LAPLACE_A,
    (A, "vanishing"): LAPLACE_A,
    (A, "merging"): normal(tanh_of_one, 1.0),
    (A, "vanishing-merging"): normal(tanh_of_one, 1.0),
    **{(A, f"linear-merging-{w}"): normal(line, 1.0) for w in ("a", "b", "nu", "degenerate")},
    (A, "linear-vs-tanh"): normal(line, 1.0),
    (B, "distinguishable"): LAPLACE_B,
    (B, "vanishing"): LAPLACE_B,
    (B, "merging"): normal(tanh_of_two, 1.0),
    (B, "merging-varying-gate"): normal(tanh_of_two, 1.0),
    (B, "vanishing-merging"): normal(tanh_of_two, 1.0),
    (B, "paper-b-a"): double_exponential(tanh_of_eight, 0.001),
    (B, "paper-b-b1"): normal(tanh_of_eight, 0.001),
    (B, "paper-b-b2"): normal(tanh_of_eight, 0.001),
    (B, "paper-b-mended"): normal(tanh_of_eight, 1.0),
    **{key: classifier for key in TRUTHS if key[0] == C},
}
"""log f0(y | x)."""
LINEAR = {(A, f"linear-merging-{way}") for way in ("a", "b", "nu", "degenerate")} | {
    key for key in TRUTHS if key[0] == C and key[1] != "heterogeneous"
}
"""Where the prompt's function is linear; it is tanh elsewhere."""

HALF, ZERO = Fraction(1, 2), Fraction(0)
RATES = {
    "A distinguishable": {"lam": (-HALF, 0, 0), "expert": (-HALF, 1, 0)},
    "A merging": {"lam": (-HALF, 0, 2), "expert": (-HALF, 1, 1)},
    # Solved from (|Da|² + Db⁴ + Dnu²) err(lam) = n^-1/2 and
    # lam (|Da| + Db² + Dnu) (|err(a)| + err(b)² + err(nu)) = n^-1/2.
    "A linear, by a or nu": {
        "lam": (-HALF, 0, 2),
        "a": (-HALF, 1, 1),
        "b": (-HALF / 2, HALF, HALF),
        "nu": (-HALF, 1, 1),
    },
    "A linear, by b": {
        "lam": (-HALF, 0, 4),
        "a": (-HALF, 1, 2),
        "b": (-HALF / 2, HALF, 1),
        "nu": (-HALF, 1, 2),
    },
    "BC apart": {"exp_tau": (-HALF, 0, 0), "beta": (-HALF, 0, 0), "expert": (-HALF, 0, 0)},
    "BC merging": {"exp_tau": (-HALF, 0, 2), "beta": (-HALF, 0, 1), "expert": (-HALF, 0, 1)},
    "none": {},
}
"""Upper bounds n^(constant + alpha A + gamma G), as (constant, alpha, gamma)."""
CLAIMED = {
    (A, "distinguishable"): "A distinguishable",
    (A, "vanishing"): "A distinguishable",
    (A, "merging"): "A merging",
    (A, "vanishing-merging"): "A merging",
    (A, "linear-merging-a"): "A linear, by a or nu",
    (A, "linear-merging-b"): "A linear, by b",
    (A, "linear-merging-nu"): "A linear, by a or nu",
    (A, "linear-merging-degenerate"): "A linear, by b",
    (A, "linear-vs-tanh"): "A distinguishable",
    (B, "distinguishable"): "BC apart",
    (B, "vanishing"): "none",
    (B, "merging"): "BC merging",
    (B, "merging-varying-gate"): "BC merging",
    (B, "vanishing-merging"): "none",
    (B, "paper-b-a"): "BC apart",
    (B, "paper-b-b1"): "BC merging",
    (B, "paper-b-b2"): "BC merging",
    (B, "paper-b-mended"): "BC merging",
    (C, "distinguishable"): "BC apart",
    (C, "vanishing"): "none",
    (C, "merging"): "BC merging",
    (C, "vanishing-merging"): "none",
    (C, "heterogeneous"): "BC apart",
    (C, "homogeneous-merging"): "BC merging",
}
PAPERS = {A: "2410.12258", B: "2505.18455", C: "2602.00939"}
KEYS = [pytest.param(*key, id="-".join(key)) for key in TRUTHS]


def test_every_regime_is_written_down_here() -> None:
    known = {(name, regime) for name in (A, B, C) for regime in variants()[name].regimes}
    assert known == set(TRUTHS) == set(FROZEN) == set(CLAIMED)


@pytest.mark.parametrize("n", [1e2, 1e5, 1e9])
@pytest.mark.parametrize(("variant", "name"), KEYS)
def test_the_truth_is_the_designs(variant: str, name: str, n: float) -> None:
    found = variant_named(variant).regime(name).truth(n)
    expected = TRUTHS[variant, name](n)
    assert set(found) == set(expected)
    for parameter, value in expected.items():
        np.testing.assert_allclose(found[parameter], value, rtol=1e-13, err_msg=parameter)


@pytest.mark.parametrize(("variant", "name"), KEYS)
def test_the_frozen_expert_is_the_designs(variant: str, name: str) -> None:
    regime = variant_named(variant).regime(name)
    rng = np.random.default_rng(0)
    x = regime.draw_inputs(rng, 40)
    y = np.arange(40.0) % 3 if variant == C else rng.normal(0.0, 1.0, 40)
    columns = {"x": x, "response": y, **regime.frozen.columns(x)}
    found = reference.frozen_log_density(regime.frozen.family.name, columns)
    np.testing.assert_allclose(found, FROZEN[variant, name](y, x), rtol=1e-10)


@pytest.mark.parametrize(("variant", "name"), KEYS)
def test_the_prompts_function_is_the_designs(variant: str, name: str) -> None:
    regime = variant_named(variant).regime(name)
    assert regime.expert.removesuffix("-nobias") == (
        "linear" if (variant, name) in LINEAR else "tanh"
    )
    assert regime.features == {A: 1, B: 8 if name.startswith("paper") else 2, C: 2}[variant]
    assert regime.classes == (3 if variant == C else None)
    assert regime.expert.endswith("-nobias") == ("b" not in TRUTHS[variant, name](1e4))


@pytest.mark.parametrize(("variant", "name"), KEYS)
def test_rates_say_what_is_published_and_what_is_derived(variant: str, name: str) -> None:
    """THEORY 1: A and B publish both bounds; A's linear expert and the form of C are derived."""
    rates = variant_named(variant).regime(name).published
    found = {
        rate.parameter: (rate.upper.constant, rate.upper.alpha, rate.upper.gamma) for rate in rates
    }
    assert found == RATES[CLAIMED[variant, name]]
    linear = CLAIMED[variant, name].startswith("A linear")
    assert {rate.mark for rate in rates} <= {"derived" if linear or variant == C else "published"}
    for rate in rates:
        assert rate.lower == (None if linear else rate.upper)
        assert (PAPERS[variant] in rate.source) != linear


LEARNT = {
    "A distinguishable": lambda alpha: 0.5 - alpha,
    "A merging": lambda alpha: (0.5 - alpha) / 2.0,
    "A linear, by a or nu": lambda alpha: (0.5 - alpha) / 2.0,
    "A linear, by b": lambda alpha: (0.5 - alpha) / 4.0,
    "BC apart": lambda alpha: 0.5,
    "BC merging": lambda alpha: (0.5 - alpha) / 2.0,
    "none": lambda alpha: np.nan,
}
"""Up to which gamma each error falls faster than what it is the error of: of the share n^-alpha, of
the expert Delta = n^-gamma (Delta in b and Delta² in nu along the degenerate path)."""


@pytest.mark.parametrize(("variant", "name"), KEYS)
def test_the_boundary_is_where_something_is_lost(variant: str, name: str) -> None:
    regime, claim = variant_named(variant).regime(name), CLAIMED[variant, name]
    for alpha in (0.0, 0.2, Fraction(2, 5)):
        # Design (a) of B has no shift at all, so nothing is lost at any gamma.
        expected = np.inf if name == "paper-b-a" else LEARNT[claim](float(alpha))
        assert boundary(regime, alpha) == pytest.approx(expected, rel=1e-12, nan_ok=True)
    assert boundary(regime, 0.6) == pytest.approx(np.nan if claim == "none" else 0.0, nan_ok=True)
