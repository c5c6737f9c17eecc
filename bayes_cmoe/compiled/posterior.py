"""A model as an optimiser and a sampler see it: likelihood, prior, bounds, unconstrained scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows, blocked_sum
from bayes_cmoe.compiled.chart import Chart, charted
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.lanes import Lanes, in_turn
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.compiled.single import survives_rounding
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.compiled.unknowns import (
    forward_function,
    initial_values,
    natural_function,
    prior_function,
    prior_unconstrained_function,
    supports,
)
from bayes_cmoe.lazy import pm

__all__ = ["Posterior"]

PRIOR_STEPS = 50
FLATTEST = 1e-2
"""Newton steps to the prior's mode at most, and the smallest curvature that they believe."""


class Posterior:
    """A compiled model: its likelihood and its prior, on the natural and the unconstrained scale.

    The natural scale theta is that of the parameters; the unconstrained scale u is PyMC's own
    (interval, log and log-odds transforms), on which the log-density includes the log-Jacobian.

    Parameters
    ----------
    model : pm.Model
        As for `Likelihood`.

    Attributes
    ----------
    likelihood : Likelihood
    layout : Layout
    initial : array, shape (parameter,)
        The model's own initial values; NaN where it gives none.
    lower, upper : array, shape (parameter,)
        The support of each parameter on the natural scale; infinite where it has no edge.

    Raises
    ------
    InputError
        When the model has no such likelihood, or an unknown no fixed range of its own.
    """

    def __init__(self, model: pm.Model) -> None:
        self.likelihood = Likelihood(model)
        self.layout: Layout = self.likelihood.layout
        self.model = model
        self.lower, self.upper = supports(model, self.layout)
        self.initial = initial_values(model, self.layout)
        self._natural = natural_function(model)
        self._forward = forward_function(model)
        self._prior = prior_function(model)
        self._prior_unconstrained = prior_unconstrained_function(model)

    def rows_of(self, model: pm.Model) -> Rows:
        """The rows of a model of the same form."""
        return self.likelihood.rows(columns_of(model))

    def rows(self) -> Rows:
        """The rows of the model that was compiled."""
        return self.rows_of(self.model)

    def natural(self, u: Array) -> Array:
        """theta from u, shape (parameter,); traceable by JAX."""
        parts = self._natural(*self.layout.split(u))
        return jnp.concatenate([jnp.ravel(part) for part in parts])

    def log_prior(self, theta: Array) -> Array:
        """Log prior density of theta, without Jacobian; traceable by JAX."""
        return self._prior(*self.layout.split(theta))[0]

    def log_prior_unconstrained(self, u: Array) -> Array:
        """Log prior density of u, the log-Jacobian included; traceable by JAX."""
        return self._prior_unconstrained(*self.layout.split(u))[0]

    @cached_property
    def log_priors(self) -> Callable[[ArrayLike], NDArray]:
        """theta, shape (..., parameter), to the log prior density of each entry of it.

        Entries that have a joint density only have even parts of it.
        """

        def entries(theta: Array) -> Array:
            parts = self._prior(*self.layout.split(theta))[1:]
            spread = [
                jnp.broadcast_to(part, shape) * (part.size / max(int(np.prod(shape)), 1))
                for part, shape in zip(parts, self.layout.shapes, strict=True)
            ]
            return jnp.concatenate([jnp.ravel(part) for part in spread])

        each = jax.jit(jax.vmap(entries))

        def log_priors(theta: ArrayLike) -> NDArray:
            table = np.asarray(theta)
            return np.asarray(each(table.reshape(-1, table.shape[-1]))).reshape(table.shape)

        return log_priors

    @cached_property
    def prior_derivatives(self) -> Callable[[Array], tuple[Array, Array, Array]]:
        """theta -> (log prior, gradient, Hessian) on the natural scale."""

        def derivatives(theta: Array) -> tuple[Array, Array, Array]:
            value, gradient = jax.value_and_grad(self.log_prior)(theta)
            return value, gradient, jax.hessian(self.log_prior)(theta)

        return jax.jit(derivatives)

    @cached_property
    def _log_density(self) -> Callable[[Array, Rows], tuple[NDArray, NDArray]]:
        return blocked_sum(
            jax.value_and_grad(self.likelihood.block_sum),
            self.likelihood.count_compilation,
            once=jax.value_and_grad(self.log_prior),
        )

    @cached_property
    def _derivatives(self) -> Callable[[Array, Rows], tuple[NDArray, NDArray, NDArray]]:
        return blocked_sum(
            _with_curvature(self.likelihood.block_sum),
            self.likelihood.count_compilation,
            once=_with_curvature(self.log_prior),
        )

    def log_density(self, theta: NDArray, rows: Rows) -> tuple[float, NDArray]:
        """log p(y|x; theta) + log p(theta), without Jacobian, and its gradient in theta."""
        value, gradient = self._log_density(theta, rows)
        return float(value), gradient

    def derivatives(self, theta: NDArray, rows: Rows) -> tuple[float, NDArray, NDArray]:
        """The same with its second derivatives, in one pass over the rows."""
        value, gradient, hessian = self._derivatives(theta, rows)
        return float(value), gradient, hessian

    @cached_property
    def lanes(self) -> Lanes:
        """The log posterior density at many theta side by side."""
        return Lanes(self.likelihood, self.log_prior)

    @cached_property
    def _single_lanes(self) -> Lanes:
        return Lanes(self.likelihood, self.log_prior, single=True)

    def exploring(self, columns: Mapping[str, NDArray]) -> Lanes:
        """The same for a search on such rows: in single precision, unless it would blur them."""
        return self._single_lanes if survives_rounding(columns) else self.lanes

    def _summed(
        self, place: Callable[[Array, Any], tuple[Array, Array | float]]
    ) -> Callable[[Any, Rows], tuple[NDArray, NDArray]]:
        """The log posterior density of z, and its gradient, in coordinates that a frame describes.

        ``place(z, frame)`` gives u and log |du/dz|.
        """

        def natural_scale(at: Any) -> tuple[Array, Callable[[Any], Any]]:
            z, frame = at
            theta, pull = jax.vjp(lambda z: self.natural(place(z, frame)[0]), z)
            return theta, lambda sums: (sums[0], pull(sums[1])[0])

        def prior(z: Array, frame: Any) -> Array:
            u, volume = place(z, frame)
            return self.log_prior_unconstrained(u) + volume

        return blocked_sum(
            jax.value_and_grad(self.likelihood.block_sum),
            self.likelihood.count_compilation,
            once=lambda at: jax.value_and_grad(prior)(*at),
            change=natural_scale,
        )

    @cached_property
    def _unconstrained(self) -> Callable[[Any, Rows], tuple[NDArray, NDArray]]:
        return self._summed(lambda u, frame: (u, 0.0))

    def unconstrained(self, u: ArrayLike, rows: Rows) -> tuple[float, NDArray]:
        """Log posterior density (up to a constant) and its gradient on the unconstrained scale."""
        value, gradient = self._unconstrained((np.asarray(u), ()), rows)
        return float(value), gradient

    @cached_property
    def prior_laplace(self) -> tuple[NDArray, NDArray]:
        """The prior's mode on the unconstrained scale, and its curvature there."""
        slope = jax.jit(jax.grad(self.log_prior_unconstrained))
        bend = jax.jit(jax.hessian(self.log_prior_unconstrained))
        u = np.zeros(self.layout.size)
        for _ in range(PRIOR_STEPS):
            eigenvalues, directions = np.linalg.eigh(-np.asarray(bend(u)))
            size = np.maximum(np.abs(eigenvalues), FLATTEST)
            step = directions @ ((directions.T @ np.asarray(slope(u))) / size)
            u = u + step
            if np.abs(step).max() < 1e-3:
                break
        return u, -np.asarray(bend(u))

    @cached_property
    def _charted(self) -> Callable[[Any, Rows], tuple[NDArray, NDArray]]:
        return self._summed(charted)

    def charted(self, z: ArrayLike, chart: Chart, rows: Rows) -> tuple[float, NDArray]:
        """Log posterior density of a chart's z, its log-Jacobian included, and its gradient.

        Parameters
        ----------
        z : array, shape (parameter,)
        chart : Chart
        rows : Rows
        """
        value, gradient = self._charted((np.asarray(z), chart), rows)
        return float(value), gradient

    @cached_property
    def _many(self) -> Callable[[Any, Rows], NDArray]:
        def natural_scale(u: Array) -> tuple[Array, Callable[[Any], Any]]:
            return jax.vmap(self.natural)(u), lambda sums: sums

        return blocked_sum(
            jax.vmap(self.likelihood.block_sum, in_axes=(0, None, None)),
            self.likelihood.count_compilation,
            once=jax.vmap(self.log_prior_unconstrained),
            change=natural_scale,
        )

    def unconstrained_many(self, u: ArrayLike, rows: Rows) -> NDArray:
        """Log posterior density (up to a constant) at many u, shape (point,), side by side.

        Parameters
        ----------
        u : array, shape (point, parameter)
        rows : Rows
        """
        points = np.asarray(u, dtype=float)
        if not len(points):
            return np.zeros(0)
        return in_turn(lambda full: [self._many(full, rows)], points)[0]

    @cached_property
    def _curvature_unconstrained(self) -> Callable[[Array, Array, Array], Array]:
        def chain_rule(u: Array, gradient: Array, hessian: Array) -> Array:
            slope = jax.jacfwd(self.natural)(u)
            bend = jax.hessian(lambda u: gradient @ self.natural(u))(u)
            return slope.T @ hessian @ slope + bend + jax.hessian(self.log_prior_unconstrained)(u)

        return jax.jit(chain_rule)

    def hessian_unconstrained(self, u: ArrayLike, rows: Rows) -> NDArray:
        """Second derivatives of the log posterior density in u, shape (parameter, parameter)."""
        vector = np.asarray(u)
        theta = self.natural_many(vector)
        _, gradient = self.likelihood.value_and_gradient(theta, rows)
        hessian = self.likelihood.hessian(theta, rows)
        return np.asarray(self._curvature_unconstrained(vector, gradient, hessian))

    def unconstrained_from(self, theta: ArrayLike) -> NDArray:
        """u from theta, shape (parameter,); an edge of the support is at infinity."""
        return np.asarray(self.unconstrained_traced(np.asarray(theta, dtype=float)))

    def unconstrained_traced(self, theta: Array) -> Array:
        """The same, traceable by JAX."""
        parts = self._forward(*self.layout.split(theta))
        return jnp.concatenate([jnp.ravel(part) for part in parts])

    @cached_property
    def natural_many(self) -> Callable[[ArrayLike], NDArray]:
        """u, shape (..., parameter), to theta of the same shape."""
        mapped = jax.jit(jax.vmap(self.natural))

        def natural_many(u: ArrayLike) -> NDArray:
            table = np.asarray(u)
            return np.asarray(mapped(table.reshape(-1, table.shape[-1]))).reshape(table.shape)

        return natural_many


def _with_curvature(function: Callable[..., Array]) -> Callable[..., tuple[Array, Array, Array]]:
    """A function's value, gradient and Hessian in its first argument."""

    def derivatives(theta: Array, *others: Any) -> tuple[Array, Array, Array]:
        def slope(theta: Array) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = jax.value_and_grad(function)(theta, *others)
            return gradient, (value, gradient)

        hessian, (value, gradient) = jax.jacfwd(slope, has_aux=True)(theta)
        return value, gradient, hessian

    return derivatives
