"""The scale of a frozen model's errors, against a search on SciPy's densities."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from bayes_cmoe.front.scale import error_scale


def drawn(new, seed, n=4000, scale=2.0):
    rng = np.random.default_rng(seed)
    errors = rng.normal(0.0, scale, n)
    count = int(new * n)
    errors[:count] = rng.uniform(-25.0, 40.0, count)
    return errors


@pytest.mark.parametrize("new", [0.0, 0.2, 0.5, 0.7])
def test_the_scale_is_the_maximum_of_the_likelihood(new):
    errors = drawn(new, seed=3)
    width = np.ptp(errors)

    def cost(v):
        share, scale = 1.0 / (1.0 + np.exp(-v[0])), np.exp(v[1])
        return -np.log((1.0 - share) * stats.norm.pdf(errors, 0.0, scale) + share / width).mean()

    best = min(
        (minimize(cost, [a, b], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
         for a in (-6.0, 0.0) for b in (0.0, 1.0)),
        key=lambda end: end.fun,
    )  # fmt: skip
    scale, share = error_scale(errors)
    assert scale == pytest.approx(np.exp(best.x[1]), rel=1e-3)
    # A share that goes to zero does so slowly, on the scale of the logit that the search has.
    assert share == pytest.approx(1.0 / (1.0 + np.exp(-best.x[0])), abs=2e-3)
    # Its own error is about scale / sqrt(2 n (1 - new)), and more where the two overlap.
    assert scale == pytest.approx(2.0, abs=6 * 2.0 / np.sqrt(2 * 4000 * (1.0 - new)))


def test_units_scale_with_the_errors():
    errors = drawn(0.3, seed=1)
    one, other = error_scale(errors), error_scale(1000.0 * errors)
    assert other[0] == pytest.approx(1000.0 * one[0], rel=1e-9)
    assert other[1] == pytest.approx(one[1], rel=1e-9)


def test_errors_that_are_all_alike_have_no_scale():
    assert error_scale(np.zeros(10)) == (0.0, 0.0)
