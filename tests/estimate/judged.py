"""What a maximum is of: the log posterior density of a problem, stated apart from the package.

On the natural scale, without Jacobian, under the weak prior; or the log-likelihood over the flat
prior's box. Optimisers see it in coordinates w: numbers of weak standard deviations from the weak
prior's centre, of the logarithm for nu.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tests import reference
from tests.estimate.derivatives import CODES, derivatives
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
    x : array, shape (n, feature + 1)
        A column of ones is last.
    y, frozen, weight : array, shape (n,)
        Responses, log f0 at them, and how often each row counts.
    center, sd : array, shape (parameter,)
        theta = center + sd w, or log nu.
    lower, upper : array, shape (parameter,)
        In w.
    softmax_gate, bias, weak : bool
    code, free_classes : int
        See `derivatives`.
    """

    x: NDArray
    y: NDArray
    frozen: NDArray
    weight: NDArray
    center: NDArray
    sd: NDArray
    lower: NDArray
    upper: NDArray
    softmax_gate: bool
    bias: bool
    weak: bool
    code: int
    free_classes: int

    @property
    def scalar(self) -> bool:
        return self.free_classes == 0

    @property
    def size(self) -> int:
        return len(self.center)

    @cached_property
    def bounds(self) -> list[tuple[float, float]]:
        return list(zip(self.lower, self.upper, strict=True))

    def theta(self, w: NDArray) -> NDArray:
        """Natural parameters."""
        theta = self.center + self.sd * w
        if self.scalar:
            theta[-1] = np.exp(theta[-1])
        return theta

    def w(self, theta: NDArray) -> NDArray:
        """Coordinates of theta, moved inside the bounds."""
        values = np.array(theta, dtype=float)
        if self.scalar:
            values[-1] = np.log(values[-1])
        return np.clip((values - self.center) / self.sd, self.lower, self.upper)

    def log_likelihood(self, theta: NDArray, order: int) -> tuple[float, NDArray, NDArray]:
        """Summed log-likelihood, gradient and Hessian in theta, up to the order asked for."""
        return derivatives(
            theta, self.x, self.y, self.frozen, self.weight,
            self.softmax_gate, self.code, self.bias, self.free_classes, order,
        )  # fmt: skip

    def log_prior(self, theta: NDArray) -> tuple[float, NDArray, NDArray]:
        """Weak log prior density on the natural scale, its gradient and its Hessian's diagonal."""
        z = (theta - self.center) / self.sd
        terms = -0.5 * z**2 - np.log(self.sd * np.sqrt(2.0 * np.pi))
        gradient, bend = -z / self.sd, -1.0 / self.sd**2
        if not self.softmax_gate:
            lam = theta[0]
            terms[0] = 0.5 * np.log(lam) + 0.5 * np.log1p(-lam) - np.log(np.pi / 8.0)
            gradient[0] = 0.5 / lam - 0.5 / (1.0 - lam)
            bend[0] = -0.5 / lam**2 - 0.5 / (1.0 - lam) ** 2
        if self.scalar:
            nu, sd = theta[-1], self.sd[-1]
            z = (np.log(nu) - self.center[-1]) / sd
            terms[-1] = -0.5 * z**2 - np.log(nu * sd * np.sqrt(2.0 * np.pi))
            gradient[-1] = -(1.0 + z / sd) / nu
            bend[-1] = (1.0 + z / sd - 1.0 / sd**2) / nu**2
        return float(terms.sum()), gradient, bend

    def value(self, w: NDArray) -> float:
        """Minus the log density at w."""
        theta = self.theta(w)
        total = self.log_likelihood(theta, 0)[0]
        return -(total + self.log_prior(theta)[0]) if self.weak else -total

    def value_and_gradient(self, w: NDArray) -> tuple[float, NDArray]:
        """Minus the log density and its gradient in w."""
        theta = self.theta(w)
        value, gradient, _ = self.log_likelihood(theta, 1)
        if self.weak:
            prior, slope, _ = self.log_prior(theta)
            value, gradient = value + prior, gradient + slope
        return -value, -gradient * self._slope(theta)

    def with_hessian(self, w: NDArray) -> tuple[float, NDArray, NDArray]:
        """Minus the log density, its gradient and its Hessian in w."""
        theta = self.theta(w)
        value, gradient, hessian = self.log_likelihood(theta, 2)
        if self.weak:
            prior, slope, bend = self.log_prior(theta)
            value, gradient, hessian = value + prior, gradient + slope, hessian + np.diag(bend)
        slope = self._slope(theta)
        hessian = slope[:, None] * hessian * slope
        if self.scalar:
            hessian[-1, -1] += gradient[-1] * slope[-1] * self.sd[-1]
        return -value, -gradient * slope, -hessian

    def _slope(self, theta: NDArray) -> NDArray:
        """dtheta/dw."""
        slope = self.sd.copy()
        if self.scalar:
            slope[-1] *= theta[-1]
        return slope

    def part(self, rows: NDArray, weight: NDArray) -> "Judged":
        """The same density of some of the rows, each counted `weight` times."""
        return replace(
            self, x=np.ascontiguousarray(self.x[rows]), y=self.y[rows],
            frozen=self.frozen[rows], weight=weight,
        )  # fmt: skip


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
        x=np.column_stack([x, np.ones(n)]),
        y=y.astype(float),
        frozen=frozen_column(problem),
        weight=np.ones(n),
        center=center,
        sd=sd,
        lower=lower,
        upper=upper,
        softmax_gate=softmax_gate,
        bias=bias,
        weak=prior == "weak",
        code=CODES[activation],
        free_classes=free,
    )
