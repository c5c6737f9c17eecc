"""A mixture of multivariate t densities to draw from, and its fit to weighted draws.

Population Monte Carlo: the mixture is fitted to its own importance-weighted draws until it hardly
gains (Cappe et al. 2008, doi:10.1007/s11222-008-9059-x).
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = ["Proposal"]

SMALLEST = 2e-3
"""Components with a smaller share of the weights keep their place and spread."""
NEGLIGIBLE = 1e-5
"""Components with a smaller share of the draws are dropped."""
DEFENCE = 0.1
"""Share of the draws that goes to all components alike."""
PRUDENCE = 10.0
"""Effective draws a parameter at which what they say of a component counts as much as it was."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """sum_c weight_c t(u; center_c, root_c root_c', df).

    Parameters
    ----------
    weights : array, shape (component,)
        Sum to one.
    centers : array, shape (component, parameter)
    roots : array, shape (component, parameter, parameter)
        Lower triangular.
    df : float
        Degrees of freedom.
    """

    weights: NDArray
    centers: NDArray
    roots: NDArray
    df: float = 8.0

    def draw(self, rng: Generator, count: int) -> NDArray:
        """Draws, shape (count, parameter); of each component its share of them, up to rounding."""
        edges = np.cumsum(self.weights)
        ticks = (rng.random() + np.arange(count)) / count * edges[-1]
        own = np.minimum(np.searchsorted(edges, ticks), len(edges) - 1)
        z = rng.standard_normal((count, self.centers.shape[1]))
        z *= np.sqrt(self.df / rng.chisquare(self.df, count))[:, None]
        u = np.empty_like(z)
        for c in np.unique(own):
            u[own == c] = self.centers[c] + z[own == c] @ self.roots[c].T
        return u

    def log_densities(self, u: NDArray) -> NDArray:
        """log(weight_c t_c(u)), shape (draw, component)."""
        size, df = u.shape[1], self.df
        found = np.empty((len(u), len(self.weights)))
        constant = gammaln((df + size) / 2) - gammaln(df / 2) - size / 2 * np.log(df * np.pi)
        for c, (weight, center, root) in enumerate(
            zip(self.weights, self.centers, self.roots, strict=True)
        ):
            z = (u - center) @ np.linalg.inv(root).T
            tail = (df + size) / 2 * np.log1p(np.sum(z * z, axis=1) / df)
            scale = np.sum(np.log(np.diag(root)))
            found[:, c] = np.log(weight) + constant - scale - tail
        return found

    def log_density(self, u: NDArray) -> NDArray:
        """Log density, shape (draw,)."""
        return _log_total(self.log_densities(u))

    def refitted(self, u: NDArray, share: NDArray) -> "Proposal":
        """The mixture fitted to weighted draws, by one step of expectation and maximisation.

        Parameters
        ----------
        u : array, shape (draw, parameter)
        share : array, shape (draw,)
            Weights that sum to one.
        """
        size = u.shape[1]
        each = self.log_densities(u)
        owned = np.exp(each - _log_total(each)[:, None]) * share[:, None]
        mass = owned.sum(axis=0)
        centers, roots = self.centers.copy(), self.roots.copy()
        for c in np.flatnonzero(mass > SMALLEST):
            effective = mass[c] ** 2 / np.sum(owned[:, c] ** 2)
            trust = effective / (effective + PRUDENCE * size)
            center = owned[:, c] @ u / mass[c]
            away = u - center
            spread = (away.T * owned[:, c]) @ away / mass[c]
            shift = center - centers[c]
            before = roots[c] @ roots[c].T
            mixed = trust * spread + (1.0 - trust) * (before + trust * np.outer(shift, shift))
            centers[c] += trust * shift
            roots[c] = np.linalg.cholesky(_definite(mixed))
        weights = (1.0 - DEFENCE) * mass / mass.sum() + DEFENCE * self.weights
        kept = weights > NEGLIGIBLE
        return Proposal(weights[kept] / weights[kept].sum(), centers[kept], roots[kept], self.df)


def _log_total(logged: NDArray) -> NDArray:
    """log of the rows' sums of exponentials; SciPy's takes as long as all else together."""
    highest = logged.max(axis=1)
    return highest + np.log(np.sum(np.exp(logged - highest[:, None]), axis=1))


def _definite(covariance: NDArray) -> NDArray:
    """A covariance with a trace of noise, so that its root exists."""
    diagonal = np.diag(covariance)
    return covariance + np.diag(1e-9 * np.maximum(diagonal, 1e-12))
