"""The search for a maximum: many starts on few rows, the best ends on all, a finish by SciPy."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import minimize

from tests.estimate.derivatives import CODES
from tests.estimate.judged import Judged, judged
from tests.estimate.problem import Problem
from tests.estimate.scattered import scattered_starts

__all__ = ["SAME", "Maximum", "maximum"]

STARTS = 500
ENOUGH_STARTS, ENOUGH_HITS = 200, 30
"""So many starts are enough when so many of them found the best."""
BATCH = 50
IDLE_HOPS, MOST_HOPS = 150, 600
"""Hops from the best ends go on until so many in turn led nowhere better, or so many in all."""
CHEAP = 400
"""Up to so many rows twice as many hops are made, and always: fewer rows have more maxima."""
EXPLORE = 800
"""Above this many rows the starts are compared on a weighted part of them."""
SAME = 1e-3
DISTINCT = 30
"""How many distinct ends of starts are taken up on all rows."""
PARENTS = 8
POLISHED = 5
FINISHED = 1e-7
ROUNDED = 0.03
"""Over which share of the response's standard deviation kinks are rounded while exploring."""
KINKS_MATTER = 3000
"""Up to so many rows: what the kink of one row's relu can hide falls as 1/n."""


@dataclass(frozen=True, eq=False)
class Maximum:
    """The largest log density found.

    Parameters
    ----------
    value : float
        Log posterior density, or log-likelihood under the flat prior.
    theta : array, shape (parameter,)
        Natural scale.
    hits : int
        How many starts ended within 1e-3 of where the best came from, on the rows explored.
    starts : int
        Hops included.
    """

    value: float
    theta: NDArray
    hits: int
    starts: int


def maximum(given: Problem, prior: str, extra: NDArray | None = None) -> Maximum:
    """Search for the maximum of a problem's log density under "weak" or "flat".

    Parameters
    ----------
    given : Problem
    prior : {"weak", "flat"}
    extra : array, shape (start, parameter), optional
        Further starts, natural scale.
    """
    target = judged(given, prior)
    rng = np.random.default_rng([20261, target.n, *map(ord, given.name + prior)])
    few = _explored(target, rng)
    kinked = target.form[1] == CODES["relu"] and target.n <= KINKS_MATTER
    scale = given.y.std() if target.scalar else 1.0
    if kinked:
        # Newton steps stall at kinks, and where they stall says little of what is near.
        few = few.rounded(ROUNDED * scale)
    starts = scattered_starts(given, target, few, rng, STARTS)
    if extra is not None:
        starts = np.concatenate([[target.w(theta) for theta in extra], starts])
    ends, values = _descend_all(few, starts)
    often = np.sum(values < values.min() + SAME) >= ENOUGH_HITS
    if prior == "flat" or few.n <= CHEAP or not often:
        hopped = _hops(few, ends, values, rng)
        ends, values = np.concatenate([ends, hopped[0]]), np.concatenate([values, hopped[1]])
    kept = _distinct(ends, values)
    coarse = [_on_all_rows(target, few, ends[i]) for i in kept]
    order = np.argsort([value for _, value in coarse])[: POLISHED if not kinked else DISTINCT]
    fine = [target.descend(coarse[i][0], 60, 1e-8) for i in order]
    if kinked:
        sharp = [_past_kinks(target, coarse[i][0], scale) for i in order]
        fine = [min(pair, key=lambda end: end[1]) for pair in zip(fine, sharp, strict=True)]
    best = int(np.argmin([value for _, value in fine]))
    w, value = _polish(target, *fine[best], rng)
    # Ends that stopped a little apart may still lead to the one maximum.
    leading = [i for i, end in zip(order, fine, strict=True) if end[1] < fine[best][1] + SAME]
    origins = values[[kept[i] for i in leading]]
    hits = int(np.sum(np.abs(values[:, None] - origins).min(axis=1, initial=np.inf) < SAME))
    return Maximum(-value, target.theta(w), hits, len(values))


def _explored(target: Judged, rng: Generator) -> Judged:
    """A part of the rows: all that f0 explains worst, and the others by lot with more weight."""
    if target.n <= EXPLORE:
        return target
    order = np.argsort(target.rows[2])
    worst, others = order[: EXPLORE // 4], order[EXPLORE // 4 :]
    drawn = rng.choice(others, EXPLORE - len(worst), replace=False)
    weight = np.r_[np.ones(len(worst)), np.full(len(drawn), len(others) / len(drawn))]
    return target.part(np.concatenate([worst, drawn]), weight)


def _descend_all(few: Judged, starts: NDArray) -> tuple[NDArray, NDArray]:
    """Where the starts end, in batches until the best was found often enough."""
    ends: list[NDArray] = []
    values: list[float] = []
    for batch in np.array_split(starts, -(-len(starts) // BATCH)):
        for start in batch:
            w, value = few.descend(start, 60, 1e-5)
            ends.append(w)
            values.append(value if np.isfinite(value) else np.inf)
        hits = np.sum(np.array(values) < min(values) + SAME)
        if len(values) >= ENOUGH_STARTS and hits >= ENOUGH_HITS:
            break
    return np.array(ends), np.array(values)


def _hops(few: Judged, ends: NDArray, values: NDArray, rng: Generator) -> tuple[NDArray, NDArray]:
    """Ends of starts made from the best: jolted, one entry redrawn, crossed, on rows reweighted."""
    best = [(ends[i], values[i]) for i in _distinct(ends, values)[:PARENTS]]
    found: list[tuple[NDArray, float]] = []
    idle, times = 0, 2 if few.n <= CHEAP else 1
    while idle < times * IDLE_HOPS and len(found) < times * MOST_HOPS:
        w = best[min(rng.geometric(0.4) - 1, len(best) - 1)][0].copy()
        way = len(found) % 4
        if way == 0:
            w += 10.0 ** rng.uniform(-1.5, 0.3) * rng.standard_normal(len(w))
        elif way == 1:
            w[rng.integers(len(w))] += 2.0 * rng.standard_normal()
        elif way == 2:
            other = best[rng.integers(len(best))][0]
            w = np.where(rng.random(len(w)) < 0.5, w, other)
        else:
            # The maxima of a bootstrap sample lie where those of a few rows more or less do.
            weight = few.rows[3] * rng.exponential(size=few.n)
            w, _ = few.part(np.arange(few.n), weight).descend(w, 30, 1e-3)
        w, value = few.descend(np.clip(w, few.lower, few.upper), 60, 1e-5)
        value = value if np.isfinite(value) else np.inf
        found.append((w, value))
        idle = 0 if value < best[0][1] - SAME else idle + 1
        if value < best[-1][1] - SAME and all(abs(value - v) > SAME for _, v in best):
            best = sorted([*best, (w, value)], key=lambda pair: pair[1])[:PARENTS]
    return np.array([w for w, _ in found]), np.array([value for _, value in found])


def _distinct(ends: NDArray, values: NDArray) -> list[int]:
    """The best ends of different height, best first."""
    kept: list[int] = []
    for i in np.argsort(values):
        if len(kept) == DISTINCT or not np.isfinite(values[i]):
            break
        if not kept or values[i] > values[kept[-1]] + SAME:
            kept.append(int(i))
    return kept


def _on_all_rows(target: Judged, few: Judged, w: NDArray) -> tuple[NDArray, float]:
    return (w, target.value(w)) if few is target else target.descend(w, 6, 1e-5)


def _polish(target: Judged, w: NDArray, value: float, rng: Generator) -> tuple[NDArray, float]:
    """L-BFGS-B and Newton steps in turn until neither gains."""
    bounds = list(zip(target.lower, target.upper, strict=True))
    gained = np.inf
    while gained > FINISHED:
        found = minimize(
            target.value_and_gradient, w, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 100, "maxcor": 20},
        )  # fmt: skip
        other, there = target.descend(np.asarray(found.x), 60, 1e-9)
        gained = value - there
        if gained > 0.0:
            w, value = other, there
    kinked = target.form[1] == CODES["relu"] and target.n <= KINKS_MATTER
    return _jolted(target, w, value, rng) if kinked else (w, value)


def _past_kinks(target: Judged, w: NDArray, scale: float) -> tuple[NDArray, float]:
    """Follow the maximum as a relu's rounded kinks sharpen: it may lie on a kink, as any median."""
    for width in scale * np.geomspace(ROUNDED, 1e-6, 10):
        w, _ = target.rounded(width).descend(w, 30, 1e-9)
    return w, target.value(w)


def _jolted(target: Judged, w: NDArray, value: float, rng: Generator) -> tuple[NDArray, float]:
    """Newton steps from near by until 15 jolts in turn gain nothing: maxima may lie on a kink."""
    idle = 0
    while idle < 15:
        size = 10.0 ** rng.uniform(-5.0, -1.0)
        near = np.clip(w + size * rng.standard_normal(len(w)), target.lower, target.upper)
        other, there = target.descend(near, 20, 1e-9)
        idle = 0 if there < value - 1e-5 else idle + 1
        if there < value:
            w, value = other, there
    return w, value
