"""A rival to a fit from one start, on a likelihood whose maxima are known."""

import numpy as np
import pytest

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import find_map
from bayes_cmoe.estimate.optimum import Optimum, Status
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


@pytest.mark.parametrize(("behind", "stages"), [(1.5, [4445, 20_000, 40_000]), (2.5, [4445])])
def test_one_that_lies_behind_a_little_on_a_part_is_followed(
    posterior, monkeypatch, behind, stages
):
    columns, rows, best = fitted(posterior, 40_000)
    seen = []

    def two_maxima(objective, fitted, begun):
        seen.append(objective.rows.n)
        higher = behind if objective.rows.n < rows.n else -1.0
        value = objective.value_and_gradient(fitted)[0]
        ends = (value, value + higher / objective.rows.n)
        return tuple(Optimum(begun, end, 0.0, Status.CONVERGED, 1) for end in ends)

    monkeypatch.setattr("bayes_cmoe.estimate.rival._both", two_maxima)
    _, gain = rival(posterior, columns, rows, best.theta, 5)
    assert seen == stages
    assert gain == pytest.approx(1.0 if len(stages) > 1 else 0.0, abs=1e-6)


def test_the_fits_own_maximum_is_not_followed(posterior, monkeypatch):
    columns, rows, best = fitted(posterior, 40_000)
    seen = []

    def one_maximum(objective, fitted, begun):
        seen.append(objective.rows.n)
        return (Optimum(fitted, 0.0, 0.0, Status.CONVERGED, 1),) * 2

    monkeypatch.setattr("bayes_cmoe.estimate.rival._both", one_maximum)
    assert rival(posterior, columns, rows, best.theta, 5)[1] == 0.0
    assert len(seen) == 1
