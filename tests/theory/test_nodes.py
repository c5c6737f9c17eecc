"""The nodes of the information's expectation: known integrals come out, and the error is small."""

import numpy as np
import pytest
from numpy.random import SeedSequence
from scipy import stats

from bayes_cmoe import variant_named
from bayes_cmoe.theory.exponents import exponents
from bayes_cmoe.theory.nodes import PROPOSAL, Inputs, inputs_of, nodes_at
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


class Placed:
    """In a simulator's stead: components that lie where it is said, (component, row)."""

    def __init__(self, centers: list[float], scales: list[float]) -> None:
        self.centers, self.scales = np.array(centers)[:, None], np.array(scales)[:, None]

    def placed(self, theta, columns, rng, draws):
        shape = (len(self.centers), len(columns["x"]))
        return tuple(np.broadcast_to(own, shape) for own in (self.centers, self.scales))


CENTERS, SCALES = [0.4, 9.0, 30.0], [0.7, 3.0, 0.0]
"""At the edge of the counts, well inside, and a component all of whose few draws were the same."""


def nodes_of_counts(shifts: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Counts, the proposal's probability of each and the weight, over a fine grid of shifts."""
    shift = (np.arange(shifts) + 0.5) / shifts
    inputs = Inputs({"x": np.zeros((shifts, 1))}, shift, SeedSequence(0))
    found = nodes_at(Placed(CENTERS, SCALES), "y", np.zeros(1), inputs, None, counts=True)
    return found.columns["y"], np.exp(found.columns[PROPOSAL]), found.weight


def proposed(y: np.ndarray) -> np.ndarray:
    """What rounds to y, and for zero what lies below it, by SciPy's t; narrow ones half a count."""
    masses = []
    for center, scale in zip(CENTERS, SCALES, strict=True):
        law = stats.t(2, loc=center, scale=max(scale, 0.5))
        # Above the middle from the upper tail, where a difference of ones would lose all digits.
        above = law.sf(y - 0.5) - law.sf(y + 0.5)
        below = law.cdf(y + 0.5) - np.where(y > 0, law.cdf(y - 0.5), 0.0)
        masses.append(np.where((y > 0) & (y > center), above, below))
    return np.mean(masses, axis=0)


def test_a_counts_proposal_is_what_rounds_to_it() -> None:
    y, q, _ = nodes_of_counts(2**10)
    assert y.min() == 0.0
    assert y.max() > 1e2
    np.testing.assert_array_equal(y, np.round(y))
    # SciPy's own tail keeps some nine digits of differences this far out.
    np.testing.assert_allclose(q, proposed(y), rtol=1e-7)
    # All counts together: what is beyond 10^6 is about twice (scale / 10^6)² by t's tail.
    assert proposed(np.arange(1e6)).sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("power", [0, 1, 2, 4])
def test_moments_of_counts_are_scipys(power: int) -> None:
    """Over all shifts a count's share of the nodes is its probability, so any sum comes out."""
    y, q, weight = nodes_of_counts(2**14)
    laws = [(0.5, stats.poisson(0.6)), (0.3, stats.poisson(8.0)), (0.2, stats.poisson(29.0))]
    p = sum(share * law.pmf(y) for share, law in laws)
    expected = sum(share * law.moment(power) for share, law in laws) if power else 1.0
    # A share is off by 2 of the 2^14 · 8 points of a component, 10^-5, on some fifty counts.
    assert weight * np.sum(p / q * y**power) == pytest.approx(expected, rel=1e-3)
