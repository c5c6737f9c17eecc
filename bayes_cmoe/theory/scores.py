"""Second moments of the score, whitened so that nearly singular information keeps its digits.

Where a prompt merges, eigenvalues of the Fisher information fall like delta^4 to delta^8, and
the matrix E[s s'] formed in double precision loses them. So a triangular root R of the
information is taken from the QR factors of a pilot's scores, the scores are whitened by it,
z = R^-T s, and what is averaged is E[z z'], which is near the identity: I = R' E[z z'] R. What is
left of rounding is measured, by moving the inputs by a few units in their last place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from bayes_cmoe.compiled.blocks import BLOCK, Rows
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import targets_of
from bayes_cmoe.study.variant import Variant
from bayes_cmoe.theory.nodes import (
    PROPOSAL,
    REPLICATES,
    Columns,
    Inputs,
    Nodes,
    inputs_of,
    nodes_at,
)

__all__ = [
    "ROUNDING",
    "Scores",
    "rounding_noise",
    "scores_of",
    "stacked_root",
]

PILOT = 4 * BLOCK
ROUNDING = 0.03
"""Largest rounding error of a whitened score at which a bound is given (its error squared)."""
NUDGE = 2.0**-50


class Scores:
    """Scores of a model, compiled once for any truth and any rows.

    Parameters
    ----------
    model : pm.Model
        As for `Likelihood`; its own data are not looked at.
    likelihood : Likelihood, optional
        The model's, where it is compiled already.
    """

    def __init__(self, model: pm.Model, likelihood: Likelihood | None = None) -> None:
        self.likelihood = Likelihood(model) if likelihood is None else likelihood
        self.simulator = Simulator(model)
        self.response = response_name(model)
        self.targets = targets_of(model, self.likelihood.layout)
        self._moments = _moments_function(self.likelihood)

    @property
    def layout(self) -> Layout:
        """Names and shapes of the parameters."""
        return self.likelihood.layout

    def moment(self, theta: NDArray, root: NDArray, nodes: Nodes) -> NDArray:
        """E[z z'] over nodes, z = root^-T s.

        Parameters
        ----------
        theta : array, shape (parameter,)
        root : array, shape (parameter, parameter)
            Upper triangular.
        nodes : Nodes

        Returns
        -------
        array, shape (parameter, parameter)
        """
        rows = Rows.of(nodes.columns, (*self.likelihood.columns, PROPOSAL))
        inverse = solve_triangular(root, np.eye(len(root)))
        parts = [
            np.asarray(self._moments(theta, inverse, chunk, count)) for chunk, count in rows.chunks
        ]
        return nodes.weight * np.sum(parts, axis=0)

    def at_rows(self, theta: NDArray, columns: Columns) -> NDArray:
        """Scores themselves, shape (rows, parameter)."""
        return self.likelihood.scores(theta, self.likelihood.rows(columns))

    def moments(
        self, regime: Regime, thetas: Sequence[NDArray], draws: int, seed: int
    ) -> tuple[list[NDArray], list[NDArray], int]:
        """Roots and whitened moments at several truths, from nodes with common random numbers.

        Parameters
        ----------
        regime : Regime
            Gives the inputs and the frozen expert.
        thetas : sequence of array, shape (parameter,)
        draws : int
            Rows at each truth, at least.
        seed : int

        Returns
        -------
        roots : list of array, shape (parameter, parameter)
        moments : list of array, shape (replicate, parameter, parameter)
        rows : int
            Rows used at each truth.
        """
        first, drawn, *replicates = SeedSequence(seed).spawn(2 + REPLICATES)
        each = -(-draws // REPLICATES)
        counts = self.targets.mixture.family.response == "count"
        inputs = [inputs_of(regime, each, one, self.simulator.components) for one in replicates]

        def nodes(theta: NDArray, own: Inputs) -> Nodes:
            return nodes_at(self.simulator, self.response, theta, own, regime.classes, counts)

        x = regime.draw_inputs(np.random.default_rng(first), PILOT)
        pilot = {"x": x, **regime.frozen.columns(x)}

        def rooted(theta: NDArray) -> NDArray:
            y = self.simulator.draw(theta, pilot, np.random.default_rng(drawn))
            return _pilot_root(self, theta, {**pilot, self.response: y})

        def work(task: tuple[int, int]) -> NDArray:
            k, r = task
            return self.moment(thetas[k], roots[k], nodes(thetas[k], inputs[r]))

        tasks = list(product(range(len(thetas)), range(REPLICATES)))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            roots = list(pool.map(rooted, thetas))
            parts = np.array(list(pool.map(work, tasks)))
        moments = list(parts.reshape(len(thetas), REPLICATES, *parts.shape[1:]))
        return roots, moments, REPLICATES * len(nodes(thetas[0], inputs[0]).columns["x"])


def _moments_function(likelihood: Likelihood) -> Callable[..., Array]:
    """Sum of (p/q) z z' over the rows of a chunk; the last column is log q."""

    @jax.jit
    def moments(theta: Array, inverse: Array, columns: tuple[Array, ...], count: Array) -> Array:
        size = likelihood.layout.size

        def step(i: Array, total: Array) -> Array:
            block = [jax.lax.dynamic_slice_in_dim(c, i * BLOCK, BLOCK) for c in columns]
            *own, log_proposal = block

            def twice(point: Array) -> tuple[Array, Array]:
                logp = likelihood.block_logp(point, own)
                return logp, logp

            scores, logp = jax.jacfwd(twice, has_aux=True)(theta)
            ratio = jnp.exp(logp - log_proposal)
            used = (jnp.arange(BLOCK) < count - i * BLOCK) & (ratio > 0)
            # Far out the density is zero and the score need not be finite.
            white = jnp.where(used[:, None], scores @ inverse * jnp.sqrt(ratio)[:, None], 0.0)
            return total + white.T @ white

        blocks = (count + BLOCK - 1) // BLOCK
        return jax.lax.fori_loop(0, blocks, step, jnp.zeros((size, size)))

    return moments


def stacked_root(parts: Iterable[NDArray], size: int) -> tuple[NDArray, NDArray]:
    """Upper triangular R with R'R the mean of s s', by QR of the scores scaled to unit columns.

    Parameters
    ----------
    parts : iterable of array, shape (rows, parameter)
        The scores, in any number of parts.
    size : int
        Number of parameters.

    Returns
    -------
    root : array, shape (parameter, parameter)
    scale : array, shape (parameter,)
        Root mean square of each column.
    """
    root, squares, rows = np.zeros((0, size)), np.zeros(size), 0
    for part in parts:
        squares += np.sum(part**2, axis=0)
        rows += len(part)
        scale = np.where(squares > 0, np.sqrt(squares), 1.0)
        root = np.linalg.qr(np.concatenate([root, part]) / scale, mode="r") * scale
    return root / np.sqrt(rows), np.sqrt(squares / rows)


def rounding_noise(
    scores: Callable[[Columns], NDArray], columns: Columns, here: NDArray
) -> NDArray:
    """How far rounding of the inputs moves the scores `here`, at the first BLOCK rows.

    Returns
    -------
    array, shape (BLOCK, parameter)
    """
    few = {name: column[:BLOCK] for name, column in columns.items()}
    return scores({**few, "x": few["x"] * (1.0 + NUDGE)}) - here[:BLOCK]


def _pilot_root(engine: Scores, theta: NDArray, columns: Columns) -> NDArray:
    layout = engine.layout

    def scores(rows: Columns) -> NDArray:
        return engine.at_rows(theta, rows)

    here = scores(columns)
    if not np.isfinite(here).all():
        raise InputError(_edge_statement(engine, theta, columns))
    noise = rounding_noise(scores, columns, here)
    size, error = (np.sqrt(np.mean(part**2, axis=0)) for part in (here, noise))
    silent = [label for label, s, e in zip(layout.labels, size, error, strict=True) if s <= 10 * e]
    if silent:
        raise InputError(
            f"singular truth: {', '.join(silent)} not identified there, the likelihood does not "
            "change with it: move the truth away from the point where the experts coincide"
        )
    root, _ = stacked_root([here], layout.size)
    if np.min(np.abs(np.diag(root)) / size) > 0:
        white = solve_triangular(root, noise.T, trans=1)
        if np.sqrt(np.max(np.mean(white**2, axis=1))) <= ROUNDING:
            return root
    *_, right = np.linalg.svd(root / size)
    worst = [labels for labels, v in zip(layout.labels, right[-1], strict=True) if abs(v) > 0.1]
    raise InputError(
        f"singular truth: the data do not tell {', '.join(worst)} apart there, to the 16 digits of "
        "double precision: move the truth away from the point where the experts coincide"
    )


def _edge_statement(engine: Scores, theta: NDArray, columns: Columns) -> str:
    """What is not identified where the score is not finite, from its limit just beside."""
    labels = np.array(engine.layout.labels)
    wrong = ~np.isfinite(engine.at_rows(theta, columns)).all(axis=0)
    sizes = []
    for step in (1e-6, 2e-6):
        inside = np.where(wrong, np.where(theta > 0.5, theta - step, theta + step), theta)
        sizes.append(np.sqrt(np.mean(engine.at_rows(inside, columns) ** 2, axis=0)))
    vanishing = labels[sizes[0] < 0.75 * sizes[1]]
    if len(vanishing):
        return (
            f"singular truth: {', '.join(vanishing)} not identified there, the prompt has no "
            "share: give the prompt a positive share"
        )
    point = ", ".join(f"{label} = {value:g}" for label, value in zip(labels, theta, strict=True))
    return f"the score is not finite at {point}: move the truth inside its range"


@lru_cache(maxsize=32)
def _compiled(variant: Variant, frozen: Any, expert: Any, options: Any, shape: Any) -> Scores:
    features, classes = shape
    inputs = np.array([np.zeros(features), np.ones(features)])
    data = Data(inputs, [0.0, 1.0], classes=classes)
    return Scores(variant.built(data, frozen, expert=expert, **dict(options)))


def scores_of(variant: Variant, regime: Regime) -> Scores:
    """Compiled scores of a regime's model; regimes of the same experts share them."""
    options = tuple(sorted({**variant.options(regime.gate), **regime.options}.items()))
    shape = (regime.features, regime.classes)
    return _compiled(variant, regime.frozen, regime.expert, options, shape)
