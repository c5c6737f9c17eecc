"""What a maximum is of: the log posterior density of a problem, stated apart from the package.

On the natural scale, without Jacobian, under the weak prior; or the log-likelihood over the flat
prior's box. Optimisers see it in coordinates w: numbers of weak standard deviations from the weak
prior's centre, of the logarithm for nu.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests import reference
from tests.estimate.derivatives import CODES, Form, Rows
from tests.estimate.newton import Prior, descend, negative
from tests.estimate.problem import Problem

__all__ = ["Judged", "judged"]

LOG_NU_SD = 1.5
BOX = 10.0
"""Half-width of the flat box, in weak standard deviations."""
NU_BOX = (1e-4, 100.0)
"""Of the flat box, in variances of y."""
SHARE_EDGE = 1e-12
"""How near lam comes to 0 and 1."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Minus the log posterior density of some rows under one prior.

    Parameters
    ----------
    rows, form : tuple
        See `tests.estimate.derivatives.derivatives`.
    prior : tuple
        See `tests.estimate.newton.negative`.
    lower, upper : array, shape (parameter,)
        In w.
    """

    rows: Rows
    form: Form
    prior: Prior
    lower: NDArray
    upper: NDArray

    @property
    def scalar(self) -> bool:
        return self.form[3] == 0

    @property
    def softmax_gate(self) -> bool:
        return self.form[0]

    @property
    def size(self) -> int:
        return len(self.lower)

    @property
    def n(self) -> int:
        return len(self.rows[1])

    def theta(self, w: NDArray) -> NDArray:
        """Natural parameters."""
        center, sd, _ = self.prior
        theta = center + sd * w
        if self.scalar:
            theta[-1] = np.exp(theta[-1])
        return theta

    def w(self, theta: NDArray) -> NDArray:
        """Coordinates of theta, moved inside the bounds."""
        center, sd, _ = self.prior
        values = np.array(theta, dtype=float)
        if self.scalar:
            values[-1] = np.log(values[-1])
        return np.clip((values - center) / sd, self.lower, self.upper)

    def value(self, w: NDArray) -> float:
        """Minus the log density at w."""
        return negative(w, self.rows, self.form, self.prior, 0)[0]

    def value_and_gradient(self, w: NDArray) -> tuple[float, NDArray]:
        """Minus the log density and its gradient in w."""
        value, gradient, _ = negative(w, self.rows, self.form, self.prior, 1)
        return value, gradient

    def with_hessian(self, w: NDArray) -> tuple[float, NDArray, NDArray]:
        """Minus the log density, its gradient and its Hessian in w."""
        return negative(w, self.rows, self.form, self.prior, 2)

    def descend(self, w: NDArray, steps: int, least: float) -> tuple[NDArray, float]:
        """Where Newton steps from w end, and the value there; see `tests.estimate.newton`."""
        return descend(w, self.lower, self.upper, self.rows, self.form, self.prior, steps, least)

    def rounded(self, width: float) -> "Judged":
        """The same density with the kink of a relu rounded."""
        return replace(self, form=(*self.form[:4], width))

    def part(self, rows: NDArray, weight: NDArray) -> "Judged":
        """The same density of some of the rows, each counted `weight` times."""
        x, y, frozen, _ = self.rows
        return replace(self, rows=(np.ascontiguousarray(x[rows]), y[rows], frozen[rows], weight))


def frozen_column(problem: Problem) -> NDArray:
    """log f0 at the responses, by SciPy."""
    family = "categorical" if "frozen_probs" in problem.frozen else problem.family
    return reference.frozen_log_density(family, {"response": problem.y, **problem.frozen})


def judged(problem: Problem, prior: str) -> Judged:
    """The log density that a problem's fit is judged by, under "weak" or "flat"."""
    x, y = problem.x, problem.y
    n, d = x.shape
    free = (problem.classes or 1) - 1
    middle, spread = x.mean(axis=0), x.std(axis=0)
    reach = np.sqrt(1.0 + np.sum((middle / spread) ** 2))
    activation = problem.expert.removesuffix("-nobias")
    bias = not problem.expert.endswith("-nobias")
    unit = free > 0 or activation in ("tanh", "sigmoid")
    y_center, y_spread = (0.0, 1.0) if unit else (y.mean(), y.std())
    heads = max(free, 1)
    softmax_gate = problem.gate == "softmax"
    centers = [np.zeros(d + 1) if softmax_gate else np.array([0.5]), np.zeros(heads * d)]
    sds = [
        np.append(2.5 / spread, 2.5 * reach) if softmax_gate else np.array([0.25]),
        np.tile(2.5 / spread * y_spread, heads),
    ]
    if bias:
        centers.append(np.full(heads, y_center))
        sds.append(np.full(heads, 2.5 * y_spread * reach))
    if not free:
        centers.append(np.array([np.log(y.var() / 2.0)]))
        sds.append(np.array([LOG_NU_SD]))
    center, sd = np.concatenate(centers), np.concatenate(sds)
    # Under the weak prior no maximum lies 40 standard deviations out: that costs 800 nats.
    half = np.full(len(center), 40.0 if prior == "weak" else BOX)
    lower, upper = -half, half.copy()
    if not softmax_gate:
        lower[0], upper[0] = (SHARE_EDGE - 0.5) / 0.25, (0.5 - SHARE_EDGE) / 0.25
    if not free and prior == "flat":
        lower[-1], upper[-1] = (np.log(2.0 * np.array(NU_BOX))) / LOG_NU_SD
    return Judged(
        rows=(
            np.column_stack([x, np.ones(n)]),
            y.astype(float),
            frozen_column(problem),
            np.ones(n),
        ),
        form=(softmax_gate, CODES[activation], bias, free, 0.0),
        prior=(center, sd, prior == "weak"),
        lower=lower,
        upper=upper,
    )
