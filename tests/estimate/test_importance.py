import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.estimate.importance import resampled, weights_of
from bayes_cmoe.estimate.proposal import Proposal


def test_evidence_and_means_of_a_known_density() -> None:
    """Target 3 N(1, 0.8^2) from N(0, 1.5^2): evidence 3, mean 1, sd 0.8; four standard errors."""
    rng = np.random.default_rng(1)
    u = 1.5 * rng.standard_normal(20_000)
    target = np.log(3.0) + stats.norm(1.0, 0.8).logpdf(u)
    weights = weights_of(target, stats.norm(0.0, 1.5).logpdf(u))
    assert weights.log_evidence == pytest.approx(np.log(3.0), abs=4.0 * weights.log_evidence_se)
    # E w^2 / (E w)^2 - 1 by quadrature.
    grid = np.linspace(-12.0, 12.0, 200_001)
    squared = stats.norm(1.0, 0.8).pdf(grid) ** 2 / stats.norm(0.0, 1.5).pdf(grid)
    variance = np.sum(squared) * (grid[1] - grid[0]) - 1.0
    assert weights.log_evidence_se == pytest.approx(np.sqrt(variance / len(u)), rel=0.05)
    assert weights.efficiency == pytest.approx(1.0 / (1.0 + variance), rel=0.05)
    mean = weights.share @ u
    assert mean == pytest.approx(1.0, abs=0.03)
    assert np.sqrt(weights.share @ (u - mean) ** 2) == pytest.approx(0.8, rel=0.03)
    assert weights.khat < 0.5


def test_tails_that_the_proposal_lacks_are_seen() -> None:
    """A Cauchy's weights under a narrow normal have no mean: k-hat at least 0.7."""
    u = np.random.default_rng(2).standard_normal(20_000)
    weights = weights_of(stats.cauchy.logpdf(u, scale=2.0), stats.norm.logpdf(u))
    assert weights.khat > 0.7


def test_a_density_that_is_no_number_has_no_mass() -> None:
    target = np.array([0.0, np.nan, np.inf, 0.0])
    weights = weights_of(target, np.zeros(4))
    assert weights.share == pytest.approx([0.5, 0.0, 0.0, 0.5], abs=1e-12)
    assert weights.khat == np.inf
    nothing = weights_of(np.full(4, np.nan), np.zeros(4))
    assert nothing.khat == np.inf
    assert nothing.log_evidence == -np.inf


def test_resampling_takes_each_draw_as_often_as_its_weight_says() -> None:
    rng = np.random.default_rng(3)
    share = rng.dirichlet(np.ones(50))
    own = resampled(rng, share, 1000)
    counts = np.bincount(own, minlength=50)
    assert np.all(np.abs(counts - 1000 * share) < 1.0 + 1e-9)
    # In random order: neighbours are not alike more often than by chance.
    assert np.mean(np.diff(own) == 0) < 0.2


MIXTURE = Proposal(
    np.array([0.3, 0.7]),
    np.array([[0.0, 0.0], [3.0, -1.0]]),
    np.array([[[1.0, 0.0], [0.4, 0.6]], [[0.5, 0.0], [-0.2, 1.5]]]),
    df=6.0,
)


def test_the_mixtures_density_is_scipys() -> None:
    u = np.random.default_rng(4).normal(size=(20, 2)) * 3.0
    parts = [
        weight * stats.multivariate_t(center, root @ root.T, df=6.0).pdf(u)
        for weight, center, root in zip(
            MIXTURE.weights, MIXTURE.centers, MIXTURE.roots, strict=True
        )
    ]
    assert MIXTURE.log_density(u) == pytest.approx(np.log(np.sum(parts, axis=0)), rel=1e-12)


def test_the_mixtures_draws_have_its_moments() -> None:
    """Mean sum w c, covariance of a t df / (df - 2) times root root'."""
    u = MIXTURE.draw(np.random.default_rng(5), 200_000)
    mean = MIXTURE.weights @ MIXTURE.centers
    away = MIXTURE.centers - mean
    covariance = sum(
        weight * (1.5 * root @ root.T + np.outer(shift, shift))
        for weight, root, shift in zip(MIXTURE.weights, MIXTURE.roots, away, strict=True)
    )
    assert u.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert np.cov(u.T) == pytest.approx(covariance, abs=0.05)


def test_a_refit_makes_the_proposal_more_efficient() -> None:
    """Of a skewed density that the first proposal misses by its place and its spread."""
    rng = np.random.default_rng(6)

    def log_target(u: np.ndarray) -> np.ndarray:
        return stats.gumbel_r(2.0, 0.5).logpdf(u[:, 0]) + stats.norm(u[:, 0], 0.3).logpdf(u[:, 1])

    proposal = Proposal(
        np.ones(2) / 2, np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([np.eye(2)] * 2)
    )
    found = []
    for _ in range(8):
        u = proposal.draw(rng, 4000)
        weights = weights_of(log_target(u), proposal.log_density(u))
        found.append(weights.efficiency)
        proposal = proposal.refitted(u, weights.share)
        assert proposal.weights.sum() == pytest.approx(1.0)
    assert found[0] < 0.15
    assert found[-1] > 0.6
    assert weights.log_evidence == pytest.approx(0.0, abs=4.0 * weights.log_evidence_se)
