"""The Fisher information of one row as factors: bounds, spectrum and the hardest direction of each.

No regular estimator of psi(theta) from n rows has an error below sqrt(D I^-1 D' / n), D the
derivative of psi (Cramér-Rao, Hájek-Le Cam).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from bayes_cmoe.compiled.layout import Layout

__all__ = ["Information"]


@dataclass(frozen=True, eq=False)
class Information:
    """Fisher information of one row, in factors that keep its small eigenvalues.

    I = root' W root, W the mean of `blocks`.

    Parameters
    ----------
    layout : Layout
    theta : array, shape (parameter,)
        The truth.
    root : array, shape (parameter, parameter)
        Upper triangular.
    blocks : array, shape (block, parameter, parameter)
        Mean of the whitened score's z z' in independent replicates of the expectation's nodes (or
        in blocks of data).
    rows : int
        Number of nodes (or of data).
    """

    layout: Layout
    theta: NDArray
    root: NDArray
    blocks: NDArray
    rows: int

    @cached_property
    def _white(self) -> NDArray:
        return self.blocks.mean(axis=0)

    @cached_property
    def matrix(self) -> NDArray:
        """I, shape (parameter, parameter)."""
        return self.root.T @ self._white @ self.root

    @cached_property
    def scale(self) -> NDArray:
        """sqrt(diag I): one over the error of each entry were all others known, n = 1."""
        return np.sqrt(np.diag(self.matrix))

    @cached_property
    def covariance(self) -> NDArray:
        """I^-1, shape (parameter, parameter)."""
        inverse = solve_triangular(self.root, np.eye(len(self.root)))
        return inverse @ np.linalg.solve(self._white, inverse.T)

    def spread(self, z: NDArray) -> NDArray:
        """Standard normal draws z, (draw, parameter), as draws from N(0, I^-1)."""
        factor = np.linalg.cholesky(self._white)
        white = solve_triangular(factor, z.T, lower=True, trans=1)
        return solve_triangular(self.root, white).T

    @cached_property
    def spectrum(self) -> tuple[NDArray, NDArray]:
        """Eigenvalues, smallest first, and eigenvectors (rows) of I scaled to unit diagonal."""
        factor = np.linalg.cholesky(self._white).T @ self.root / self.scale
        _, singular, right = np.linalg.svd(factor)
        sign = np.sign(right[np.arange(len(right)), np.argmax(np.abs(right), axis=1)])
        return singular[::-1] ** 2, (right * sign[:, None])[::-1]

    def deviation(self, jacobian: NDArray) -> tuple[float, NDArray]:
        """sqrt(trace D I^-1 D') and how each replicate pulls its logarithm.

        Parameters
        ----------
        jacobian : array, shape (component, parameter)
            D, the derivative of the target.

        Returns
        -------
        deviation : float
            Bound on the target's error at n = 1.
        influence : array, shape (block,)
            Its mean is zero; its standard deviation over sqrt(blocks) is the Monte-Carlo error of
            the deviation's logarithm.
        """
        pulled = solve_triangular(self.root, jacobian.T, trans=1)
        direction = np.linalg.solve(self._white, pulled)
        variance = float(np.sum(pulled * direction))
        if not variance > 0:
            return 0.0, np.zeros(len(self.blocks))
        spread = np.einsum("ik,bij,jk->b", direction, self.blocks, direction, optimize=True)
        return variance**0.5, -0.5 * (spread / variance - 1.0)

    def binding(self, jacobian: NDArray) -> NDArray:
        """The direction along which a target is hardest to learn, in units of `scale`; (parameter,)

        The first principal component of I^-1 D', of unit length.
        """
        moved = self.covariance @ jacobian.T * self.scale[:, None]
        left, *_ = np.linalg.svd(moved)
        return left[:, 0] * np.sign(left[np.argmax(np.abs(left[:, 0])), 0])
