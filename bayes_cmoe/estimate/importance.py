"""Importance weights: smoothed, judged by their tail, and turned into draws of equal weight.

Weights w = p(u) / q(u) of draws u from a proposal q estimate the posterior's means, and their own
mean the evidence. The largest are smoothed by a generalised Pareto fit, whose shape k says whether
they can be believed: below 0.7 they can (Vehtari et al. 2024, JMLR 25, 72; by ArviZ).
"""

from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["TRUSTED", "Weights", "resampled", "weights_of"]

TRUSTED = 0.7
"""Pareto shape from which on importance weights are not to be believed."""

SHORTEST = 100
"""Draws below which a tail's shape is not known."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What the weights of a proposal's draws say.

    Parameters
    ----------
    share : array, shape (draw,)
        Smoothed weights that sum to one.
    khat : float
        Pareto shape of the largest weights.
    log_evidence, log_evidence_se : float
        Logarithm of the raw weights' mean, and its standard error.
    """

    share: NDArray
    khat: float
    log_evidence: float
    log_evidence_se: float

    @property
    def effective(self) -> float:
        """Draws of equal weight that would be worth as much, 1 / sum of squared shares."""
        return float(1.0 / np.sum(self.share**2))

    @property
    def efficiency(self) -> float:
        """The same as a share of the draws."""
        return self.effective / len(self.share)


def weights_of(log_target: NDArray, log_proposal: NDArray) -> Weights:
    """The weights of draws from a proposal.

    Parameters
    ----------
    log_target : array, shape (draw,)
        Log density that is wanted, not normalised; a value that is no number counts as zero mass.
    log_proposal : array, shape (draw,)
        Log density, normalised, that the draws have.
    """
    raw = log_target - log_proposal
    raw = np.where(np.isfinite(raw), raw, -np.inf)
    count, total = len(raw), logsumexp(raw)
    if not np.isfinite(total):
        return Weights(np.full(count, 1.0 / count), np.inf, float("-inf"), np.inf)
    relative = np.exp(raw - total) * count
    smoothed, khat = _smoothed(raw - total)
    share = np.exp(smoothed - logsumexp(smoothed))
    return Weights(
        share=share / share.sum(),
        khat=khat,
        log_evidence=float(total - np.log(count)),
        log_evidence_se=float(relative.std(ddof=1) / np.sqrt(count)),
    )


def _smoothed(logged: NDArray) -> tuple[NDArray, float]:
    """Log weights with a smoothed tail, and its Pareto shape."""
    if len(logged) < SHORTEST:
        return logged, np.inf
    if np.ptp(np.sort(logged)[-len(logged) // 5 :]) < 1e-12:
        # Equal weights have no tail to fit.
        return logged, 0.0
    # A floor far below any weight that counts keeps the logarithms of the fit finite.
    smoothed, khat = array_stats.psislw(-np.maximum(logged, -700.0))
    return smoothed, float(khat)


def resampled(rng: Generator, share: NDArray, count: int) -> NDArray:
    """Indices of `count` draws of equal weight, in random order.

    Each draw is taken as often as its weight says, up to rounding (systematic resampling, Kitagawa
    1996, doi:10.1080/10618600.1996.10474692).
    """
    edges = np.cumsum(share)
    ticks = (rng.random() + np.arange(count)) / count * edges[-1]
    return rng.permutation(np.minimum(np.searchsorted(edges, ticks), len(share) - 1))
