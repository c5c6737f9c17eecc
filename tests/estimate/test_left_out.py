"""Leave-one-out by refits, against refits by SciPy from other starts and other code."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from bayes_cmoe import Data, fit_map, frozen_predictions, frozen_probabilities, variant_named
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate import left_out
from bayes_cmoe.estimate.left_out import left_out_scores

SPREAD = 2.0
"""Of the normal priors, which are the same in the model and here."""


def scores_of(model, tree, places):
    posterior = Posterior(model)
    point = tree["point_estimate"]
    theta = posterior.layout.ravel({own: point[own].to_numpy() for own in posterior.layout.names})
    return left_out_scores(posterior, columns_of(model), theta, places)


@pytest.fixture(scope="module")
def classes():
    """Three classes, one input, a softmax gate: seven parameters, and the density in NumPy."""
    rng = np.random.default_rng(2)
    n = 90
    x = rng.normal(size=n)
    probs = rng.dirichlet(np.ones(3), n)
    y = rng.integers(3, size=n)
    y[x > 0.3] = 2
    prior = dict.fromkeys(("beta", "tau", "a", "b"), f"normal(0, {SPREAD})")
    variant = variant_named("multinomial_contaminated")
    model = variant.build(
        Data(x, y, classes=3), frozen=frozen_probabilities(probs), expert="linear", prior=prior,
        gate="softmax",
    )  # fmt: skip

    def rows(v):
        """log p(y|x) of each row; v is beta, tau, a (2), b (2)."""
        share = expit(v[0] * x + v[1])
        logits = np.column_stack([np.outer(x, v[2:4]) + v[4:6], np.zeros(n)])
        prompt = np.exp(log_softmax(logits, axis=1))[np.arange(n), y]
        return np.log((1.0 - share) * probs[np.arange(n), y] + share * prompt)

    return model, rows


def test_each_row_is_judged_by_the_maximum_of_the_others(classes):
    model, rows = classes
    tree = fit_map(model)
    point = tree["point_estimate"]
    full = np.concatenate([np.ravel(point[own]) for own in ("beta", "tau", "a", "b")])
    # More rows than lanes, and the last of them: 33 = 32 + 1.
    places = np.r_[np.arange(32), 89]
    found = scores_of(model, tree, places)
    for place, score in zip(places, found, strict=True):
        kept = np.arange(90) != place

        def cost(v, kept=kept):
            return -rows(v)[kept].sum() + 0.5 * np.sum(v**2) / SPREAD**2

        best = minimize(cost, full, method="BFGS", options={"gtol": 1e-7})
        # The estimate is within 1e-4 standard deviations, SciPy's slope by differences within 1e-5.
        assert score == pytest.approx(rows(best.x)[place], abs=2e-4)
    # Not what the estimate of all rows says: most rows help their own case.
    inside = rows(full)[places]
    assert (found < inside).mean() > 0.9
    assert np.abs(found - inside).max() > 0.05


def test_where_steps_side_by_side_do_not_arrive_newton_finishes(classes, monkeypatch):
    model, _ = classes
    tree = fit_map(model)
    places = np.arange(4)
    usual = scores_of(model, tree, places)
    monkeypatch.setattr(left_out, "STEPS", 0)
    np.testing.assert_allclose(scores_of(model, tree, places), usual, atol=2e-4)


def test_of_a_constant_share_it_is_what_refits_by_hand_find():
    """A Gaussian prompt with a variance, whose coordinate is logged, and a share with edges."""
    rng = np.random.default_rng(3)
    n = 120
    x = rng.uniform(-2.0, 2.0, n)
    y = np.where(rng.random(n) < 0.4, 1.0 - x, 2.0 * x) + rng.normal(0.0, 0.3, n)
    y[7] = 6.0
    f0 = frozen_predictions("gaussian", mean=2.0 * x, scale=0.3)
    prior = {"lam": "beta(2, 2)", "a": "normal(0, 3)", "b": "normal(0, 3)", "nu": "halfnormal(2)"}
    variant = variant_named("constant_contaminated")
    model = variant.build(Data(x, y), frozen=f0, expert="linear", prior=prior)
    tree = fit_map(model, near={"lam": 0.4, "a": [-1.0], "b": 1.0, "nu": 0.1})

    def rows(v):
        lam, a, b, nu = expit(v[0]), v[1], v[2], np.exp(v[3])
        own = stats.norm.pdf(y, a * x + b, np.sqrt(nu))
        return np.log((1.0 - lam) * stats.norm.pdf(y, 2.0 * x, 0.3) + lam * own)

    def log_prior(v):
        lam, nu = expit(v[0]), np.exp(v[3])
        return (
            stats.beta.logpdf(lam, 2, 2) + stats.halfnorm.logpdf(nu, scale=2.0)
            + stats.norm.logpdf(v[1:3], 0.0, 3.0).sum()
        )  # fmt: skip

    point = {own: np.ravel(tree["point_estimate"][own]) for own in ("lam", "a", "b", "nu")}
    lam, nu = point["lam"][0], point["nu"][0]
    full = np.array([np.log(lam / (1.0 - lam)), point["a"][0], point["b"][0], np.log(nu)])
    places = np.array([0, 7, 119])
    for place, score in zip(places, scores_of(model, tree, places), strict=True):
        kept = np.arange(n) != place
        best = minimize(
            lambda v, kept=kept: -rows(v)[kept].sum() - log_prior(v), full, method="Nelder-Mead",
            options={"xatol": 1e-9, "fatol": 1e-11, "maxiter": 5000},
        )  # fmt: skip
        assert score == pytest.approx(rows(best.x)[place], abs=5e-4)
