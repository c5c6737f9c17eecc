"""A rival to a fit from one start, on a likelihood whose maxima are known."""

import numpy as np
import pytest

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import find_map
from bayes_cmoe.estimate.rival import rival

VARIANT = variant_named("constant_contaminated")
REGIME = VARIANT.regime("distinguishable")


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    return Posterior(VARIANT.model(REGIME, simulate(VARIANT, REGIME, 100, seed=1)))


@pytest.mark.parametrize("n", [600, 40_000])
def test_no_rival_to_the_maximum_and_a_better_one_to_a_poor_fit(posterior, n):
    """In the easy regime one maximum is far above all others, and any few starts find it."""
    columns = columns_of(VARIANT.model(REGIME, simulate(VARIANT, REGIME, n, seed=2)))
    rows, truth = posterior.likelihood.rows(columns), posterior.layout.ravel(REGIME.truth(n))
    best = find_map(posterior, rows, truth)
    theta, gain = rival(posterior, columns, rows, best.theta, 5)
    assert gain <= 0.0
    poor = posterior.layout.ravel(REGIME.truth(n) | {"lam": np.array(0.02)})
    theta, gain = rival(posterior, columns, rows, poor, 5)
    there = posterior.log_density(poor, rows)[0]
    assert gain == pytest.approx(posterior.log_density(theta, rows)[0] - there, rel=1e-9)
    assert gain == pytest.approx(best.logp - there, abs=1e-5)
    assert rival(posterior, columns, rows, poor, 5)[1] == gain
