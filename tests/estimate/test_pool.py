"""Draws of several proposals together, against the mixture by SciPy's densities."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, multivariate_t

from bayes_cmoe.estimate.pool import Pool
from bayes_cmoe.estimate.proposal import Proposal

TARGET = multivariate_normal([1.0, -0.5], [[0.5, 0.2], [0.2, 0.3]])
PLACES = ([-2.0, 2.0], [0.0, 0.0], [1.2, -0.4])


def proposal(center, spread=1.0):
    return Proposal(np.ones(1), np.array([center]), spread * np.eye(2)[None], 5.0)


@pytest.fixture(scope="module")
def parts():
    """Proposals in turn, with so many draws each."""
    rng = np.random.default_rng(5)
    own = []
    for center, count in zip(PLACES, (300, 500, 400), strict=True):
        u = proposal(center).draw(rng, count)
        own.append((proposal(center), u, TARGET.logpdf(u)))
    return own


def pooled(parts):
    pool = Pool(2)
    for part in parts:
        pool.add(*part)
    return pool


def test_the_mixture_has_each_proposal_by_its_draws(parts):
    pool = pooled(parts)
    u = np.concatenate([own for _, own, _ in parts])
    np.testing.assert_array_equal(pool.u, u)
    each = [
        np.log(len(own) / len(u)) + multivariate_t(center, np.eye(2), 5.0).logpdf(u)
        for center, (_, own, _) in zip(PLACES, parts, strict=True)
    ]
    np.testing.assert_allclose(pool.log_mixture, logsumexp(each, axis=0), rtol=1e-12)


def test_the_order_of_proposals_does_not_matter(parts):
    forth, back = pooled(parts), pooled(parts[::-1])
    at = {tuple(u): value for u, value in zip(forth.u, forth.log_mixture, strict=True)}
    found = [at[tuple(u)] for u in back.u]
    np.testing.assert_allclose(back.log_mixture, found, rtol=1e-12)


def test_the_shares_give_the_targets_means(parts):
    """An early, poor proposal's draws neither spoil nor count as if they were good."""
    pool = pooled(parts)
    assert pool.share.sum() == pytest.approx(1.0)
    effective = 1.0 / np.sum(pool.share**2)
    error = np.abs(pool.share @ pool.u - TARGET.mean) / np.sqrt(np.diag(TARGET.cov))
    assert np.all(error < 4.0 / np.sqrt(effective))
    assert effective > 300
