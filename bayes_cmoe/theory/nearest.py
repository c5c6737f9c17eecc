"""The point of an expert form that is nearest to the frozen expert, and how near that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bayes_cmoe.compiled.blocks import Rows, blocked_sum
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.theory.forms import Form

__all__ = ["SAME", "Nearest", "nearest"]

STARTS = 4
WIDE = 0.4
"""Weak standard deviations from the middle to a start."""
SAME = 1e-3
"""Hellinger distance below which a form holds f0 itself; a search ends far below."""
NOWHERE = 1e300


@dataclass(frozen=True, eq=False)
class Nearest:
    """The point of a form nearest to f0.

    Parameters
    ----------
    theta : array, shape (parameter,)
        With an even gate.
    distance : float
        Root of the mean squared Hellinger distance of prompt and f0 there; below `SAME` the form
        holds f0: the prompt is homogeneous and may merge with it.
    """

    theta: NDArray
    distance: float


def nearest(form: Form, seed: int = 0) -> Nearest:
    """The expert's parameters that maximise E_f0 log f, the nearest in Kullback-Leibler divergence.

    By BFGS in units of the weak prior, from its middle and from draws of it.

    Parameters
    ----------
    form : Form
    seed : int
        Of the starts.
    """
    components, free = form.components, form.targets.expert_entries
    units, positive = form.units[free], form.positive[free]
    laid, weight = form.nodes(form.level)
    frozen = components.at(form.level, Rows.of(laid, components.columns)).frozen
    columns = {**laid, "mass": weight * np.exp(np.asarray(frozen))}
    rows = Rows.of(columns, (*components.columns, "mass"))

    def block(theta: Array, given: list[Array], used: Array) -> Array:
        *own, mass = given
        prompt = components.block(theta, own).prompt
        return -jnp.sum(jnp.where((used > 0) & (mass > 0), mass * prompt, 0.0))

    summed = blocked_sum(jax.value_and_grad(block), form.engine.likelihood.count_compilation)

    def natural(u: NDArray) -> NDArray:
        theta = form.level.copy()
        grown = theta[free] * np.exp(np.clip(u * units, -300.0, 300.0))
        theta[free] = np.where(positive, grown, theta[free] + u * units)
        return theta

    def divergence(u: NDArray) -> tuple[float, NDArray]:
        theta = natural(u)
        value, gradient = summed(theta, rows)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return NOWHERE, np.zeros(len(u))
        return float(value), gradient[free] * units * np.where(positive, theta[free], 1.0)

    rng = np.random.default_rng([1409, seed])
    starts = [np.zeros(len(free)), *(WIDE * rng.standard_normal((STARTS - 1, len(free))))]
    ends = [minimize(divergence, start, jac=True, method="BFGS") for start in starts]
    theta = natural(min(ends, key=lambda end: float(end.fun)).x)
    laid, weight = form.nodes(theta)
    parts = components.at(theta, Rows.of(laid, components.columns))
    # 1 - int sqrt(f0 f) has no digits where they are close.
    apart = np.exp(0.5 * np.asarray(parts.frozen)) - np.exp(0.5 * np.asarray(parts.prompt))
    return Nearest(theta, float(np.sqrt(0.5 * np.sum(weight * apart**2))))
