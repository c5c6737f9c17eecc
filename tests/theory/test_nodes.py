"""The nodes of the information's expectation: known integrals come out, and the error is small."""

import numpy as np
import pytest
from numpy.random import SeedSequence

from bayes_cmoe import variant_named
from bayes_cmoe.theory.exponents import exponents
from bayes_cmoe.theory.nodes import PROPOSAL, inputs_of, nodes_at
from bayes_cmoe.theory.scores import scores_of

SCALAR = [
    ("constant_contaminated", "merging"),
    ("constant_contaminated", "vanishing"),
    ("softmax_contaminated", "paper-b-b2"),
]
CLASSES = ("multinomial_contaminated", "merging")


def weighted(variant: str, regime: str, seed: int) -> tuple[dict, np.ndarray, dict]:
    own = variant_named(variant)
    setting = own.regime(regime)
    engine = scores_of(own, setting)
    truth = setting.truth(1e4)
    theta = engine.layout.ravel(truth)
    inputs = inputs_of(setting, 2**14, SeedSequence(seed))
    nodes = nodes_at(engine.simulator, engine.response, theta, inputs, setting.classes)
    logp = engine.likelihood.logp(theta, engine.likelihood.rows(nodes.columns))
    return nodes.columns, nodes.weight * np.exp(logp - nodes.columns[PROPOSAL]), truth


@pytest.mark.parametrize(("variant", "regime"), [*SCALAR, CLASSES])
def test_the_density_integrates_to_one(variant: str, regime: str) -> None:
    _, weights, _ = weighted(variant, regime, 1)
    # Shifted lattices leave a scatter of a few per mille at 2^14 rows; classes are summed exactly.
    assert weights.sum() == pytest.approx(1.0, abs=1e-12 if variant == CLASSES[0] else 5e-3)


def test_moments_of_the_response() -> None:
    """E y², E y⁴ of the mixture at each x by hand, averaged over x by Gauss-Hermite."""
    columns, weights, truth = weighted("constant_contaminated", "merging", 2)
    x, wx = np.polynomial.hermite_e.hermegauss(60)
    wx = wx / wx.sum()
    lam, nu = float(truth["lam"]), float(truth["nu"])
    means = np.tanh(x + 0.3), np.tanh(float(truth["a"][0]) * x + float(truth["b"]))

    def fourth(mean: np.ndarray, variance: float) -> np.ndarray:
        return mean**4 + 6.0 * mean**2 * variance + 3.0 * variance**2

    second = (1 - lam) * (means[0] ** 2 + 1.0) + lam * (means[1] ** 2 + nu)
    both = (1 - lam) * fourth(means[0], 1.0) + lam * fourth(means[1], nu)
    y = columns["response"]
    assert weights @ y**2 == pytest.approx(wx @ second, rel=5e-3)
    assert weights @ y**4 == pytest.approx(wx @ both, rel=2e-2)


def test_replicates_differ_and_seeds_repeat() -> None:
    first, again, other = (weighted("constant_contaminated", "merging", s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first[0]["response"], again[0]["response"])
    assert not np.any(first[0]["response"] == other[0]["response"])


@pytest.mark.parametrize(("variant", "regime"), [*SCALAR, CLASSES])
def test_the_default_draws_give_every_bound_to_one_percent(variant: str, regime: str) -> None:
    found = exponents(variant, regime, n=(1e3, 1e6))
    assert float((found.bound_se / found.bound).max()) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["constant_contaminated", "softmax_contaminated", CLASSES[0]])
def test_every_regime_at_the_default(variant: str) -> None:
    for regime in variant_named(variant).regimes:
        found = exponents(variant, regime, n=(1e3, 1e4, 1e5, 1e6), accuracy=np.inf)
        assert float((found.bound_se / found.bound).max()) < 0.01, regime
