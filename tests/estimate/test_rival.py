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


def fitted(posterior: Posterior, n: int):
    columns = columns_of(VARIANT.model(REGIME, simulate(VARIANT, REGIME, n, seed=2)))
    rows = posterior.likelihood.rows(columns)
    truth = posterior.layout.ravel(REGIME.truth(n))
    return columns, rows, find_map(posterior, rows, truth)


@pytest.mark.parametrize("n", [600, 40_000])
def test_no_rival_gains_on_the_highest_maximum(posterior, n):
    """In the easy regime one maximum is far above all others."""
    columns, rows, best = fitted(posterior, n)
    theta, gain = rival(posterior, columns, rows, best.theta, 5)
    assert gain <= 0.0
    difference = posterior.log_density(theta, rows)[0] - best.logp
    assert gain == pytest.approx(difference, abs=1e-6)


def test_a_rival_finds_what_a_poor_fit_missed(posterior):
    """Any few starts find the one maximum that there is."""
    columns, rows, best = fitted(posterior, 600)
    poor = posterior.layout.ravel(REGIME.truth(600) | {"lam": np.array(0.02)})
    theta, gain = rival(posterior, columns, rows, poor, 5)
    there = posterior.log_density(poor, rows)[0]
    assert gain == pytest.approx(posterior.log_density(theta, rows)[0] - there, rel=1e-9)
    assert gain == pytest.approx(best.logp - there, abs=1e-5)
    assert rival(posterior, columns, rows, poor, 5)[1] == gain
