"""The phase boundary is where a regime's own rates stop being small against their targets."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bayes_cmoe import Exponent, Path, Rate, variant_named
from bayes_cmoe.study.regime import along
from bayes_cmoe.theory.boundary import boundary, boundary_words
from bayes_cmoe.theory.exponents import phase_diagram

CONSTANT, SOFTMAX = "constant_contaminated", "softmax_contaminated"
LINES = {
    # By hand from THEORY's table: sqrt(n) lam Delta^q -> infinity is alpha + q gamma < 1/2.
    (CONSTANT, "merging"): (lambda alpha: (0.5 - alpha) / 2, "sqrt(n) lam Delta^2 -> infinity"),
    (CONSTANT, "distinguishable"): (lambda alpha: 0.5 - alpha, "sqrt(n) lam Delta -> infinity"),
    (CONSTANT, "linear-merging-a"): (
        lambda alpha: (0.5 - alpha) / 2,
        "sqrt(n) lam Delta^2 -> infinity",
    ),
    (CONSTANT, "linear-merging-b"): (
        lambda alpha: (0.5 - alpha) / 4,
        "sqrt(n) lam Delta^4 -> infinity",
    ),
    (CONSTANT, "linear-merging-degenerate"): (
        lambda alpha: (0.5 - alpha) / 4,
        "sqrt(n) lam Delta^4 -> infinity",
    ),
    (SOFTMAX, "merging"): (
        lambda alpha: (0.5 - alpha) / 2,
        "sqrt(n) exp_tau Delta^2 -> infinity",
    ),
    (SOFTMAX, "distinguishable"): (
        lambda alpha: 0.5,
        "sqrt(n) Delta -> infinity, sqrt(n) exp_tau -> infinity",
    ),
}


@pytest.mark.parametrize(("variant", "regime"), LINES)
def test_lines_by_hand(variant, regime):
    line, words = LINES[variant, regime]
    own = variant_named(variant).regime(regime)
    for alpha in (0, Fraction(1, 8), 0.25):
        assert boundary(own, alpha) == pytest.approx(line(float(alpha)))
    assert boundary(own, 0.5) == boundary(own, 0.6) == 0.0
    assert boundary_words(own) == words


@pytest.mark.parametrize("name", ["constant_contaminated", "softmax_contaminated"])
def test_just_inside_every_rate_is_small_and_just_outside_one_is_not(name):
    """Sizes along the path itself, at a huge n, beside n to the power of the exponent."""
    n = 1e12
    for regime in variant_named(name).regimes.values():
        line = boundary(regime, 0)
        if not regime.published or not 0 < line < np.inf:
            continue
        for gamma, small in ((line - 0.01, True), (line + 0.01, False)):
            here = [
                rate.upper.at(0, gamma) < exponent_of_size(regime, rate.parameter, gamma, n)
                for rate in regime.published
            ]
            assert all(here) is small, (regime.name, gamma)


def exponent_of_size(regime, target, gamma, n):
    """Slope of a target's own size between n and n²; a share's at alpha = 0 is none."""
    if target not in {*regime.path.center, "expert"}:
        return 0.0
    sizes = []
    for rows in (n, n**2):
        shift = regime.path.shift(regime.path.delta * rows**-gamma)
        names = regime.path.center if target == "expert" else [target]
        sizes.append(sum(np.sum(np.square(shift.get(name, 0.0))) for name in names) ** 0.5)
    if not sizes[0]:
        return 0.0
    return float(np.log(sizes[1] / sizes[0]) / np.log(n))


def test_a_regime_without_rates_has_no_boundary():
    regime = variant_named(SOFTMAX).regime("vanishing")
    assert np.isnan(boundary(regime, 0.0))
    assert boundary_words(regime) == ""


def test_a_rate_that_never_slows_down_leaves_every_gamma():
    still = variant_named(SOFTMAX).regime("paper-b-a")
    assert boundary(still, 0.1) == np.inf
    rate = Rate("lam", Exponent(Fraction(-1, 3), alpha=Fraction(1, 2)), None, "by hand")
    base = variant_named(CONSTANT).regime("merging")
    path = Path({"lam": 0.5}, base.path.center, along())
    regime = replace(base, path=path, published=(rate,))
    # -1/3 + alpha/2 < -alpha: alpha < 2/9, sqrt(n) lam^(9/4) -> infinity.
    assert boundary(regime, 0.2) == np.inf
    assert boundary(regime, 0.23) == 0.0
    assert boundary_words(regime) == "sqrt(n) lam^(9/4) -> infinity"


@pytest.mark.slow
def test_the_computed_diagram_of_the_linear_expert_lies_within_the_line():
    """Along b the worst-case line is at gamma = 1/8; the bound itself allows up to 1/6."""
    found = phase_diagram(
        CONSTANT, "linear-merging-b", alpha=(0.0,), gamma=(0.11, 0.2), draws=2**16
    )
    np.testing.assert_allclose(found.boundary, [0.125])
    assert found.consistent.values[0].tolist() == [True, False]
