"""All draws of a proposal's fit, weighted as draws from the mixture of the proposals they are from.

    w(u) = p(u) / sum_k (n_k / n) q_k(u),   n_k draws from the proposal q_k

so that a draw from an early, poor proposal counts where later ones are good, and no log-likelihood
is computed twice (Cornuet, Marin, Mira and Robert 2012, doi:10.1111/j.1467-9469.2011.00756.x). The
proposals depend on one another's draws: the pool is to fit the next one to, and no result.
"""

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.estimate.importance import weights_of
from bayes_cmoe.estimate.proposal import Proposal

__all__ = ["Pool"]


class Pool:
    """Draws that grow in number.

    Parameters
    ----------
    size : int
        Parameters.

    Attributes
    ----------
    u : array, shape (draw, parameter)
    """

    def __init__(self, size: int) -> None:
        self.u: NDArray = np.zeros((0, size))
        self._target: NDArray = np.zeros(0)
        self._mixture: NDArray = np.zeros(0)
        self._proposals: list[tuple[int, Proposal]] = []

    def add(self, proposal: Proposal, u: NDArray, log_target: NDArray) -> None:
        """Add a proposal's draws, (draw, parameter), with their log posterior densities, (draw,)"""
        self._proposals.append((len(u), proposal))
        before = np.logaddexp(self._mixture, np.log(len(u)) + proposal.log_density(self.u))
        own = [np.log(count) + other.log_density(u) for count, other in self._proposals]
        self.u = np.concatenate([self.u, u])
        self._target = np.concatenate([self._target, log_target])
        self._mixture = np.concatenate([before, np.logaddexp.reduce(own)])

    @property
    def log_mixture(self) -> NDArray:
        """Log density of the mixture of all proposals, shape (draw,)"""
        return self._mixture - np.log(len(self.u))

    @property
    def share(self) -> NDArray:
        """Smoothed weights that sum to one, shape (draw,)"""
        return weights_of(self._target, self.log_mixture).share
