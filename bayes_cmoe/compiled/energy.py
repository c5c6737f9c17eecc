"""A prior, and a sum over rows that is turned on by degrees, at many points side by side.

What a sampler along the laws  prior(u) exp(beta * energy(u))  asks for: both values with their
gradients, and a positive semi-definite matrix that stands for the energy's curvature,

    energy(u) = sum_i e(log p_i),  grad = sum_i e'(log p_i) s_i,  metric = sum_i g(log p_i) s_i s_i'

with s_i the row's score. With e(l) = l and g = 1 it is the log-likelihood and its empirical Fisher
information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows, blocked_sum
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.lanes import in_turn
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.types import Array

__all__ = ["Energies", "Field", "Row", "likelihood_row"]

Row = Callable[[Array, Sequence[Array]], tuple[Array, Array, Array]]
"""From the rows' log-densities and further columns to e, e' and g of each row."""


def likelihood_row(logp: Array, beside: Sequence[Array]) -> tuple[Array, Array, Array]:
    """The log-likelihood: e(l) = l."""
    one = jnp.ones_like(logp)
    return logp, one, one


class Field(NamedTuple):
    """Prior and energy at some points, on the unconstrained scale.

    Parameters
    ----------
    prior : array, shape (point,)
        Log prior density, the log-Jacobian included.
    prior_slope : array, shape (point, parameter)
    energy : array, shape (point,)
    slope : array, shape (point, parameter)
    metric : array, shape (point, parameter, parameter)
        Positive semi-definite.
    """

    prior: NDArray
    prior_slope: NDArray
    energy: NDArray
    slope: NDArray
    metric: NDArray

    def at(self, chosen: NDArray) -> Field:
        """Those of some of the points."""
        return Field(*(part[chosen] for part in self))

    def where(self, taken: NDArray, other: Field) -> Field:
        """The other's where it is taken, shape (point,)."""
        parts = [
            np.where(taken.reshape(-1, *[1] * (new.ndim - 1)), new, old)
            for old, new in zip(self, other, strict=True)
        ]
        return Field(*parts)


class Energies:
    """Prior and energy of a model, compiled once for any rows.

    Parameters
    ----------
    posterior : Posterior
    row : callable
        A `Row`; the log-likelihood by default.
    """

    def __init__(self, posterior: Posterior, row: Row = likelihood_row) -> None:
        self.posterior = posterior
        self._row = row

    @cached_property
    def _prior(self) -> Callable[[Array], tuple[Array, Array]]:
        return jax.jit(jax.vmap(jax.value_and_grad(self.posterior.log_prior_unconstrained)))

    @cached_property
    def _energy(self) -> Callable[[Any, Rows], tuple[NDArray, NDArray, NDArray]]:
        likelihood, natural = self.posterior.likelihood, self.posterior.natural
        own = len(likelihood.laid)

        def block(theta: Array, columns: list[Array], weights: Array) -> tuple[Array, ...]:
            def twice(point: Array) -> tuple[Array, Array]:
                logp = likelihood.block_logp(point, columns[:own])
                return logp, logp

            scores, logp = jax.jacfwd(twice, has_aux=True)(theta)
            value, slope, bend = self._row(logp, columns[own:])
            # `where`, not products: a row out of use must not bring in a 0 x inf.
            used = weights > 0
            scores = jnp.where(used[:, None], scores, 0.0)
            value, slope, bend = (jnp.where(used, part, 0.0) for part in (value, slope, bend))
            return jnp.sum(value), slope @ scores, (scores * bend[:, None]).T @ scores

        def natural_scale(u: Array) -> tuple[Array, Callable[[Any], Any]]:
            jacobian = jax.vmap(jax.jacfwd(natural))(u)

            def outward(sums: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
                value, slope, metric = sums
                return (
                    value,
                    jnp.einsum("pi,pij->pj", slope, jacobian),
                    jnp.einsum("pki,pkl,plj->pij", jacobian, metric, jacobian),
                )

            return jax.vmap(natural)(u), outward

        return blocked_sum(
            jax.vmap(block, in_axes=(0, None, None)),
            likelihood.count_compilation,
            change=natural_scale,
        )

    @cached_property
    def _unconstrained(self) -> Callable[[Array], Array]:
        return jax.jit(jax.vmap(self.posterior.unconstrained_traced))

    def unconstrained(self, theta: ArrayLike) -> NDArray:
        """u from theta, shape (point, parameter)."""
        return np.asarray(self._unconstrained(np.asarray(theta, dtype=float)))

    def field(self, u: ArrayLike, rows: Rows) -> Field:
        """Prior and energy at points u.

        Where either is no number the point has no mass: its energy is -inf, its slopes are zero.

        Parameters
        ----------
        u : array, shape (point, parameter)
        rows : Rows
        """
        points = np.asarray(u, dtype=float)
        whole = Field(
            *in_turn(lambda full: [*self._prior(full), *self._energy(full, rows)], points)
        )
        sound = np.array([np.isfinite(own.reshape(len(points), -1)).all(axis=1) for own in whole])
        size = points.shape[1]
        none = Field(
            np.full(len(points), -np.inf),
            np.zeros((len(points), size)),
            np.full(len(points), -np.inf),
            np.zeros((len(points), size)),
            np.zeros((len(points), size, size)),
        )
        return none.where(sound.all(axis=0), whole)
