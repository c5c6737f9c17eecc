"""The least Hellinger distance from a truth of parameters two of whose entries are held apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import least_squares

from bayes_cmoe.theory.hellinger import Hellinger, Sample

__all__ = ["Frame", "Squares", "least", "squares_of"]

STARTS = 3
"""Searches beside the one from the truth, held apart, and from where a nearer one ended."""


@dataclass(frozen=True, eq=False)
class Frame:
    """theta from the entries that are free: one follows another at a distance, shares are even.

    Parameters
    ----------
    truth : array, shape (parameter,)
    tied : tuple of (int, int)
        Entries (i, j) with theta_j = theta_i - gap: of the split coordinate, and of the shares.
    lower, upper : array, shape (parameter,)
    """

    truth: NDArray
    tied: tuple[tuple[int, int], ...]
    lower: NDArray
    upper: NDArray

    @property
    def free(self) -> NDArray:
        """The entries that follow no other."""
        return np.setdiff1d(np.arange(len(self.truth)), [j for _, j in self.tied])

    def full(self, values: NDArray, gaps: tuple[float, ...]) -> NDArray:
        """theta from its free entries and each tie's gap."""
        theta = np.empty_like(self.truth)
        theta[self.free] = values
        for (i, j), gap in zip(self.tied, gaps, strict=True):
            theta[j] = theta[i] - gap
        return theta

    def slopes(self, jacobian: NDArray) -> NDArray:
        """Derivatives by the free entries, from those by all; (row, free)."""
        moved = jacobian.copy()
        for i, j in self.tied:
            moved[:, i] += jacobian[:, j]
        return moved[:, self.free]


class Squares(NamedTuple):
    """theta -> roots of the rows' parts of H², (row,), and their derivatives, (row, parameter)."""

    values: Callable[[NDArray], NDArray]
    slopes: Callable[[NDArray], NDArray]


def squares_of(hellinger: Hellinger, truth: NDArray, sample: Sample) -> Squares:
    """H² from a truth as a sum of squares over the rows of a sample, whose law weighs them."""
    likelihood = hellinger.likelihood
    log_truth = likelihood.logp(truth, sample.model_rows)
    scale = np.exp(0.5 * (log_truth - sample.log_proposal)) / np.sqrt(2.0 * len(log_truth))

    def apart(theta: NDArray) -> NDArray:
        half = 0.5 * (likelihood.logp(theta, sample.model_rows) - log_truth)
        return np.clip(half, -300.0, 300.0)

    def values(theta: NDArray) -> NDArray:
        return scale * np.expm1(apart(theta))

    def slopes(theta: NDArray) -> NDArray:
        scores = likelihood.scores(theta, sample.model_rows)
        return (0.5 * scale * np.exp(apart(theta)))[:, None] * scores

    return Squares(values, slopes)


def least(
    frame: Frame, squares: Squares, last: NDArray, s: float, rng: Generator
) -> tuple[float, NDArray]:
    """The least H² at a half-split s of the first tie, the second's entries even, and where."""
    gaps = (2.0 * s, 0.0)
    best, at = np.inf, last
    margin = 1e-9 * (frame.upper - frame.lower)
    low, high = (frame.lower + margin)[frame.free], (frame.upper - margin)[frame.free]
    for start in _starts(frame, last, s, rng):
        found = least_squares(
            lambda v: squares.values(frame.full(v, gaps)),
            np.clip(start[frame.free], low, high),
            jac=lambda v: frame.slopes(squares.slopes(frame.full(v, gaps))),
            bounds=(low, high),
            x_scale="jac",
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-15,
            max_nfev=200,
        )
        if 2.0 * found.cost < best:
            best, at = 2.0 * float(found.cost), frame.full(found.x, gaps)
    return best, at


def _starts(frame: Frame, last: NDArray, s: float, rng: Generator) -> list[NDArray]:
    (i, j), *_ = frame.tied
    even, before = frame.truth.copy(), last.copy()
    even[i] += s
    before[i] = (last[i] + last[j]) / 2.0 + s
    others = np.arange(len(even)) != i
    near = [even + 0.3 * s * rng.standard_normal(len(even)) * others for _ in range(STARTS)]
    return [even, before, *near]
