"""The package's search on the density of `tests.estimate.derivatives`: no model to compile.

To compile a model takes ten times as long as to fit a few hundred rows. A search on the density by
hand takes the same path up to rounding, so that hundreds of data sets are fitted in minutes. What
it cannot show is a fault of the compiled density: see `tests.estimate.shortfalls` for whole fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
from numba import njit
from numpy.typing import NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.estimate.map import MapEstimate, find_map_from_anywhere
from tests.estimate.derivatives import Form, Rows, derivatives
from tests.estimate.judged import Judged, judged
from tests.estimate.problem import Problem

__all__ = ["Uncompiled", "estimate"]


@njit
def _each(theta: NDArray, rows: Rows, form: Form) -> NDArray:
    """Log-density of each row."""
    x, y, frozen, weight = rows
    out = np.empty(len(y))
    for i in range(len(y)):
        row = (x[i : i + 1], y[i : i + 1], frozen[i : i + 1], weight[i : i + 1])
        out[i] = derivatives(theta, row, form, 0)[0]
    return out


@dataclass(frozen=True, eq=False)
class HandRows:
    """Rows as `derivatives` takes them."""

    own: Rows

    @property
    def n(self) -> int:
        return len(self.own[1])


def _laid_out(columns: Mapping[str, NDArray], weights: NDArray | None = None) -> HandRows:
    n = len(columns["response"])
    x = np.column_stack([columns["x"], np.ones(n)])
    used = np.ones(n) if weights is None else weights
    own = (x, columns["response"], columns["frozen_logp"], used)
    return HandRows(tuple(np.ascontiguousarray(part[used > 0]) for part in own))


@dataclass(frozen=True, eq=False)
class HandLikelihood:
    """Of the interface of `bayes_cmoe.compiled.likelihood.Likelihood`, what a search uses."""

    form: Form
    layout: Layout

    def rows(self, columns: Mapping[str, NDArray]) -> HandRows:
        return _laid_out(columns)

    def value(self, theta: NDArray, rows: HandRows) -> float:
        return derivatives(theta, rows.own, self.form, 0)[0]

    def value_and_gradient(self, theta: NDArray, rows: HandRows) -> tuple[float, NDArray]:
        return derivatives(theta, rows.own, self.form, 1)[:2]

    def hessian(self, theta: NDArray, rows: HandRows) -> NDArray:
        return derivatives(theta, rows.own, self.form, 2)[2]

    def logp(self, theta: NDArray, rows: HandRows) -> NDArray:
        return _each(theta, rows.own, self.form)

    def between(self, points: NDArray, rows: HandRows) -> tuple[float, int]:
        here, one, other = (self.logp(point, rows) for point in points)
        known = np.abs(one - other) > 1e-6
        with np.errstate(over="ignore", invalid="ignore"):
            share = np.expm1((one - here)[known]) / np.expm1((one - other)[known])
        return float(np.clip(np.nan_to_num(share), 0.0, 1.0).sum()), int(known.sum())


@dataclass(frozen=True, eq=False)
class HandLanes:
    """Of the interface of `bayes_cmoe.compiled.lanes.Lanes`, what a search uses."""

    posterior: "Uncompiled"

    def rows(
        self, columns: Mapping[str, NDArray], weights: NDArray | None = None
    ) -> list[HandRows]:
        if weights is None:
            return [_laid_out(columns)]
        return [_laid_out(columns, weight) for weight in weights.T]

    def value_and_gradient(self, theta: NDArray, rows: list[HandRows]) -> tuple[NDArray, NDArray]:
        form = self.posterior.likelihood.form
        values, gradients = self.posterior.prior(theta)
        for i, point in enumerate(theta):
            value, gradient, _ = derivatives(point, rows[i % len(rows)].own, form, 1)
            values[i] += value
            gradients[i] += gradient
        return values, gradients


@dataclass(frozen=True, eq=False)
class Uncompiled:
    """Of the interface of `bayes_cmoe.compiled.posterior.Posterior`, what a search uses."""

    model: pm.Model
    target: Judged
    layout: Layout

    @cached_property
    def likelihood(self) -> HandLikelihood:
        return HandLikelihood(self.target.form, self.layout)

    @cached_property
    def lanes(self) -> HandLanes:
        return HandLanes(self)

    def exploring(self, columns: Mapping[str, NDArray]) -> HandLanes:
        return self.lanes

    @cached_property
    def initial(self) -> NDArray:
        return np.full(self.layout.size, np.nan)

    @cached_property
    def lower(self) -> NDArray:
        return self._edges(self.target.lower, -np.inf, 0.0)

    @cached_property
    def upper(self) -> NDArray:
        return self._edges(self.target.upper, np.inf, np.inf)

    def _edges(self, of_box: NDArray, open_end: float, of_variance: float) -> NDArray:
        target = self.target
        edges = target.theta(of_box)
        if target.prior[2]:
            edges[:] = open_end
            edges[-1] = of_variance if target.scalar else open_end
        if not target.softmax_gate:
            edges[0] = float(of_box[0] > 0)
        return edges

    def prior(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """Log prior density at points, shape (point, parameter), and its gradients."""
        target = self.target
        center, sd, weak = target.prior
        if not weak:
            return np.zeros(len(theta)), np.zeros(theta.shape)
        scaled = (theta - center) / sd
        value = -0.5 * scaled**2 - np.log(sd) - 0.5 * np.log(2.0 * np.pi)
        slope = -scaled / sd
        if not target.softmax_gate:
            lam = theta[:, 0]
            value[:, 0] = 0.5 * np.log(lam * (1.0 - lam)) - np.log(np.pi / 8.0)
            slope[:, 0] = 0.5 / lam - 0.5 / (1.0 - lam)
        if target.scalar:
            nu = theta[:, -1]
            z = (np.log(nu) - center[-1]) / sd[-1]
            value[:, -1] = -0.5 * z**2 - np.log(sd[-1] * nu) - 0.5 * np.log(2.0 * np.pi)
            slope[:, -1] = -(z / sd[-1] + 1.0) / nu
        return value.sum(axis=1), slope

    def log_density(self, theta: NDArray, rows: Any) -> tuple[float, NDArray]:
        """Log posterior density and its gradient, without Jacobian."""
        value, gradient = self.likelihood.value_and_gradient(theta, rows)
        prior, slope, _ = self.prior_derivatives(theta)
        return value + prior, gradient + slope

    def derivatives(self, theta: NDArray, rows: Any) -> tuple[float, NDArray, NDArray]:
        """The same with its Hessian."""
        value, gradient = self.log_density(theta, rows)
        bend = self.prior_derivatives(theta)[2]
        return value, gradient, self.likelihood.hessian(theta, rows) + bend

    def prior_derivatives(self, theta: NDArray) -> tuple[float, NDArray, NDArray]:
        """Log prior density, its gradient and its Hessian on the natural scale."""
        target = self.target
        center, sd, weak = target.prior
        value, slope = self.prior(theta[None])
        bend = -1.0 / sd**2 if weak else np.zeros(len(theta))
        if weak and not target.softmax_gate:
            lam = theta[0]
            bend[0] = -0.5 / lam**2 - 0.5 / (1.0 - lam) ** 2
        if weak and target.scalar:
            z = (np.log(theta[-1]) - center[-1]) / sd[-1]
            bend[-1] = (z / sd[-1] + 1.0 - sd[-1] ** -2) / theta[-1] ** 2
        return float(value[0]), slope[0], np.diag(bend)


def estimate(given: Problem, prior: str, most: int = 256, seed: int = 0) -> MapEstimate:
    """The package's default fit of a problem, as `fit_map` makes it, but for the compilation."""
    target = judged(given, prior)
    names = tuple(given.truth)
    shapes = tuple(value.shape for value in given.truth.values())
    layout = Layout(names, shapes, tuple(tuple("?" for _ in shape) for shape in shapes), {})
    posterior: Any = Uncompiled(given.model(prior), target, layout)
    columns = {"x": given.x, "response": target.rows[1], "frozen_logp": target.rows[2]}
    rows: Any = posterior.likelihood.rows(columns)
    with np.errstate(all="ignore"):  # a trial step may go anywhere
        return find_map_from_anywhere(posterior, columns, rows, most, seed)
