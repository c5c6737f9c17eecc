"""Maxima that are known, and whether a descent has come so near one that it would end there.

A descent spends most of its passes over the rows on the last nats. Where the maximum it goes to is
known, the gradient tells before that: near a maximum w* with Hessian H it is H (w - w*), and at any
other maximum it would be zero.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum, Status

__all__ = ["NEAR", "Basins"]

NEAR = 30.0
"""What is still to be gained near a maximum, at most, in the summed log posterior."""
ALIKE = 0.3
"""How far a Newton step from there may miss the maximum, as a share of the way: both are measured
in standard errors."""


class Basins:
    """The known maxima of one objective.

    Parameters
    ----------
    objective : Objective
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._known: list[Optimum] = []
        self._places = self._roots = np.empty(0)

    def __len__(self) -> int:
        return len(self._known)

    def add(self, optimum: Optimum) -> None:
        """Note a maximum; one at an edge, or whose information is not positive, is left out."""
        if optimum.status is not Status.CONVERGED:
            return
        objective, natural = self.objective, optimum.curvature
        if natural is None:
            natural = objective.natural_hessian(objective.working.natural(optimum.w))
        try:
            root = np.linalg.cholesky(
                objective.hessian(optimum.w, np.zeros_like(optimum.w), natural)
            )
        except np.linalg.LinAlgError:
            return
        self._known.append(optimum)
        self._places = np.array([*self._places, optimum.w])
        self._roots = np.array([*self._roots, root])

    def reached(self, w: NDArray, gradient: NDArray) -> Optimum | None:
        """The known maximum at which a descent from w ends; None where that is not certain.

        Parameters
        ----------
        w, gradient : array, shape (parameter,)
            The gradient of the objective in w, there.
        """
        if not (self._known and np.isfinite(gradient).all()):
            return None
        # Of all of them at once: there may be many, and a descent asks at each of its steps.
        away = np.einsum("kji,kj->ki", self._roots, w - self._places)
        size = np.sum(away**2, axis=1)
        for i in np.flatnonzero(self.objective.rows.n * size / 2.0 < NEAR):
            left = solve_triangular(self._roots[i], gradient, lower=True, check_finite=False)
            if float(np.sum((left - away[i]) ** 2)) <= ALIKE**2 * size[i]:
                return self._known[i]
        return None
