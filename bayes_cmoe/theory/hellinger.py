"""Hellinger distance of a model's densities from the one at the truth, with gradient.

    H²(theta) = 1/2 E_X int (sqrt p_theta - sqrt p_*)² dy

Draws at the truth alone never see mass that theta puts where p_* has none, and a maximiser would
hide its mass there. So responses come from a defensive mixture q of p_* and the points of interest,

    H² = 1/2 E_q[(sqrt p_theta - sqrt p_*)² / q],

with integrand at most max(p_theta, p_*)/q: bounded where theta is one of q's points, and of the
order of H² itself as theta tends to the truth, so the relative error stays bounded. Class responses
are summed over all classes, and only x is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayes_cmoe.compiled.blocks import Rows, blocked_sum
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.parts.parameter import Role
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores

__all__ = ["Hellinger", "Sample"]

WIDER = 4.0
"""Variance of the proposal's wide prompt over the prompt's."""

LARGEST = 200.0
"""Cap on log(max(p, p_*)/q): far beyond any distance, far below overflow of its square."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows with the log-densities of the truth and of the proposal.

    Parameters
    ----------
    rows : Rows
        The model's columns and ``log_truth``, ``log_proposal``.
    model_rows : Rows
        The model's columns alone.
    log_proposal : array, shape (n,)
    """

    rows: Rows
    model_rows: Rows
    log_proposal: NDArray


class Hellinger:
    """Distances from a truth, compiled once for a model and any truth.

    Parameters
    ----------
    scores : Scores
        Compiled likelihood, simulator and name of the response.
    inputs : callable
        ``inputs(rng, n)`` draws n rows of ``x`` and the frozen expert's columns.
    classes : int, optional
        Number of classes of a class response.
    """

    def __init__(
        self,
        scores: Scores,
        inputs: Callable[[Generator, int], Columns],
        classes: int | None = None,
    ) -> None:
        self.likelihood = scores.likelihood
        self._targets = scores.targets
        self._simulator = scores.simulator
        self._response = scores.response
        self._inputs = inputs
        self._classes = classes
        self._names = (*self.likelihood.columns, "log_truth", "log_proposal")

        self._sum = _compiled(self.likelihood)

    def sample(
        self, truth: NDArray, others: Sequence[NDArray], draws: int, seed: SeedSequence
    ) -> Sample:
        """Rows from the truth, and as many from the other points together.

        Parameters
        ----------
        truth : array, shape (parameter,)
        others : sequence of array, shape (parameter,)
        draws : int
            Number of inputs x.
        seed : SeedSequence
        """
        rng = np.random.default_rng(seed)
        columns, classes = self._inputs(rng, draws), self._classes
        if classes is not None:
            columns = {name: np.repeat(column, classes, axis=0) for name, column in columns.items()}
            columns[self._response] = np.tile(np.arange(classes, dtype=float), draws)
            rows = self.likelihood.rows(columns)
            log_truth = self.likelihood.logp(truth, rows)
            log_proposal = np.full(rows.n, -np.log(classes))
        else:
            points = [truth, self._wide(truth), *others]
            shares = np.array([0.5, *np.full(len(points) - 1, 0.5 / (len(points) - 1))])
            # The same number of rows from each point, whatever the draw: a stratified mixture.
            edges = np.round(np.cumsum(shares) * draws).astype(int)
            owner = np.searchsorted(edges, np.arange(draws), side="right")
            y = np.empty(draws)
            for i, point in enumerate(points):
                own = owner == i
                part = {name: column[own] for name, column in columns.items()}
                y[own] = self._simulator.draw(point, part, rng)
            columns[self._response] = y
            rows = self.likelihood.rows(columns)
            logs = np.array([self.likelihood.logp(point, rows) for point in points])
            log_truth = logs[0]
            log_proposal = logsumexp(logs, axis=0, b=shares[:, None])
        extra = {"log_truth": log_truth, "log_proposal": log_proposal}
        return Sample(Rows.of({**columns, **extra}, self._names), rows, log_proposal)

    def _wide(self, truth: NDArray) -> NDArray:
        """The truth with an even gate and a wide prompt.

        Close to the truth the integrand is p_* times a polynomial of y, of degree 4 to 8 where the
        prompt merges: it lives in the tails, of which p_* draws few.
        """
        mixture = self._targets.mixture
        wide = self._targets.with_gate(truth, mixture.gate.level)
        for name in mixture.names(Role.SCALE):
            wide[self.likelihood.layout.slices[name]] *= WIDER
        return wide

    def squared(self, theta: NDArray, sample: Sample) -> tuple[float, NDArray]:
        """H² and its gradient, shape (parameter,)."""
        (total, _), gradient = self._sum(theta, sample.rows)
        return float(total) / sample.rows.n, gradient / sample.rows.n

    def distance(self, theta: NDArray, sample: Sample) -> tuple[float, float]:
        """H and its Monte-Carlo standard error."""
        (total, squares), _ = self._sum(theta, sample.rows)
        n = sample.rows.n
        mean = float(total) / n
        error = np.sqrt(max(float(squares) / n - mean**2, 0.0) / n)
        root = np.sqrt(mean)
        return float(root), float(error / (2.0 * root)) if root > 0 else 0.0

    def root(self, theta: NDArray, sample: Sample) -> NDArray:
        """Upper triangular R with R'R the Fisher information at theta; H² is near |R d|²/8."""
        scores = self.likelihood.scores(theta, sample.model_rows)
        weight = np.exp(
            0.5 * (self.likelihood.logp(theta, sample.model_rows) - sample.log_proposal)
        )
        return np.linalg.qr(scores * (weight / np.sqrt(len(scores)))[:, None], mode="r")


@lru_cache(maxsize=32)
def _compiled(likelihood: Likelihood) -> Callable[..., Any]:
    """Sums of the integrand and of its square, and the former's gradient, over all rows."""

    def block(theta: Array, columns: list[Array], weights: Array) -> tuple[Array, Array]:
        *own, log_truth, log_proposal = columns
        log_p = likelihood.block_logp(theta, own)
        apart = jnp.abs(log_p - log_truth)
        larger = jnp.minimum(jnp.maximum(log_p, log_truth) - log_proposal, LARGEST)
        term = 0.5 * jnp.exp(larger) * jnp.expm1(-0.5 * apart) ** 2
        used = jnp.where(weights > 0, term, 0.0)
        return jnp.sum(used), jnp.sum(used**2)

    return blocked_sum(jax.value_and_grad(block, has_aux=True), likelihood.count_compilation)
