"""What MAP minimises: minus the log posterior density a row, in working coordinates."""

from dataclasses import dataclass
from functools import cached_property

from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.coordinates import Working, working_coordinates

__all__ = ["Derivatives", "Objective"]

Derivatives = tuple[float, NDArray, NDArray]
"""Value, gradient in w and `natural_hessian` at one point."""


@dataclass(frozen=True, eq=False)
class Objective:
    """-(log p(y|x; theta) + log p(theta)) / n; the log-Jacobian is left out.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    """

    posterior: Posterior
    rows: Rows

    @cached_property
    def working(self) -> Working:
        """The coordinates w."""
        return working_coordinates(self.posterior.lower, self.posterior.upper)

    def value_and_gradient(self, w: NDArray) -> tuple[float, NDArray]:
        """The objective and its gradient in w."""
        theta = self.working.natural(w)
        value, gradient = self.posterior.log_density(theta, self.rows)
        return -value / self.rows.n, -self.working.gradient(theta, gradient) / self.rows.n

    def derivatives(self, w: NDArray) -> Derivatives:
        """The objective, its gradient in w and `natural_hessian`, in one pass over the rows."""
        theta = self.working.natural(w)
        value, gradient, natural = self.posterior.derivatives(theta, self.rows)
        return -value / self.rows.n, -self.working.gradient(theta, gradient) / self.rows.n, natural

    def natural_hessian(self, theta: NDArray) -> NDArray:
        """Second derivatives of the log posterior density in theta, summed over rows."""
        return self.posterior.derivatives(theta, self.rows)[2]

    def hessian(self, w: NDArray, gradient: NDArray, natural: NDArray) -> NDArray:
        """The Hessian in w, from the gradient in w and `natural_hessian` at the same point."""
        theta = self.working.natural(w)
        natural_gradient = gradient / self.working.slope(theta)
        return self.working.hessian(theta, natural_gradient, -natural / self.rows.n)
