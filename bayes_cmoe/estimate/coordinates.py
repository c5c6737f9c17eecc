"""The coordinates an optimiser works in: variances on the log scale, the rest as they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Working", "working_coordinates"]

MARGIN = 1e-9
"""How far inside a finite edge the optimiser stays, as a share of the box's width; where logged, of
the edge itself."""


@dataclass(frozen=True, eq=False)
class Working:
    """A map between natural parameters theta and working coordinates w.

    Parameters
    ----------
    logged : array of bool, shape (parameter,)
        Which entries are w = log theta; the others are w = theta.
    lower, upper : array, shape (parameter,)
        Bounds in w, infinite where there are none.
    """

    logged: NDArray
    lower: NDArray
    upper: NDArray

    def natural(self, w: NDArray) -> NDArray:
        """theta from w; a line search far out gets the largest finite number, not a warning."""
        return np.where(self.logged, np.exp(np.clip(np.where(self.logged, w, 0.0), -700, 700)), w)

    def working(self, theta: ArrayLike) -> NDArray:
        """w from theta, moved inside the bounds."""
        values = np.asarray(theta, dtype=float)
        w = np.where(self.logged, np.log(np.where(self.logged, values, 1.0)), values)
        return np.clip(w, self.lower, self.upper)

    def slope(self, theta: NDArray) -> NDArray:
        """dtheta/dw; the second derivative is the same where logged and zero elsewhere."""
        return np.where(self.logged, theta, 1.0)

    def gradient(self, theta: NDArray, gradient: NDArray) -> NDArray:
        """A gradient in theta as one in w."""
        with np.errstate(over="ignore", invalid="ignore"):
            # Far out, where a prior falls faster than any power: no number, and no step is taken.
            return gradient * self.slope(theta)

    def hessian(self, theta: NDArray, gradient: NDArray, hessian: NDArray) -> NDArray:
        """A Hessian in theta as one in w."""
        slope = self.slope(theta)
        bend = np.where(self.logged, theta * gradient, 0.0)
        return slope[:, None] * hessian * slope + np.diag(bend)


def working_coordinates(lower: NDArray, upper: NDArray) -> Working:
    """Working coordinates for a support [lower, upper].

    A positive parameter (lower edge above zero, or zero with no upper edge) is logged. A share in
    (0, 1) is not: the log-likelihood is concave in it, and its edges are reached in finite steps.
    """
    logged = (lower > 0) | ((lower == 0) & np.isinf(upper))
    width = np.where(np.isfinite(upper - lower), upper - lower, 0.0)
    inner_lower = np.where(logged, lower * (1.0 + MARGIN), lower + MARGIN * width)
    inner_upper = np.where(logged, upper * (1.0 - MARGIN), upper - MARGIN * width)
    with np.errstate(divide="ignore"):
        low = np.where(logged, np.log(np.where(logged, inner_lower, 1.0)), inner_lower)
        high = np.where(logged, np.log(np.where(logged, inner_upper, 1.0)), inner_upper)
    return Working(logged, low, high)
