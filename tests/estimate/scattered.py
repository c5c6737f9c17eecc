"""Five hundred places to look for a maximum from: prior draws, local regressions, the truth."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests.estimate.judged import Judged
from tests.estimate.problem import Problem

__all__ = ["scattered_starts"]

SHARES = (0.5, 0.1, 0.9, 0.02)
SIZES = ("interpolating", 5, 20, 60, "quarter")
POOL = 4
"""Local regressions drawn for each that is kept; half of the kept are the likeliest of them."""


def scattered_starts(
    problem: Problem, target: Judged, few: Judged, rng: Generator, count: int
) -> NDArray:
    """Starts in w, shape (count, parameter), mixed so that every tenth part is like the whole.

    Of ten: two drawn from the weak prior, one from a wider and one from a narrower version of it,
    five local regressions on subsets of the rows, one at the truth or near it.

    Parameters
    ----------
    problem : Problem
    target : Judged
        The density of all rows.
    few : Judged
        Of the rows that the starts are compared on.
    rng : Generator
    count : int
    """
    regressions = count // 2
    drawn = _prior_draws(problem, target, rng, count - regressions - count // 10)
    local = _likely(few, _regressions(problem, target, rng, POOL * regressions), regressions)
    true = target.w(np.concatenate([np.ravel(value) for value in problem.truth.values()]))
    near = true + 0.3 * rng.standard_normal((count // 10, target.size)) * rng.random((1, 1))
    near[0] = true
    starts = np.concatenate([near[:1], rng.permutation(np.concatenate([near[1:], local, drawn]))])
    # A share of 1e-12 has no slope to leave by: starts stay where shares can still grow.
    if not target.softmax_gate:
        starts[:, 0] = np.clip(starts[:, 0], (1e-3 - 0.5) / 0.25, (0.5 - 1e-3) / 0.25)
    else:
        d = problem.x.shape[1]
        starts[:, d] = np.where(
            starts[:, d] <= target.lower[d] + 1e-3, 0.5 * target.lower[d], starts[:, d]
        )
    return np.clip(starts, target.lower, target.upper)


def _prior_draws(problem: Problem, target: Judged, rng: Generator, count: int) -> NDArray:
    """Draws in w at one, three and a third of the weak prior's scale.

    All but those at its own scale are centred on the inputs, where an intercept is h at the middle
    of the data, not at an x = 0 that may be far away.
    """
    w = rng.standard_normal((count, target.size))
    kind = np.arange(count) % 4
    w[kind == 2] *= 3.0
    w[kind == 3] /= 3.0
    if not target.softmax_gate:
        w[:, 0] = (rng.beta(1.0, 1.5, count) - 0.5) / 0.25
    centred = kind >= 2
    w[centred] = _about_middle(problem, target, w[centred])
    return w


def _about_middle(problem: Problem, target: Judged, w: NDArray) -> NDArray:
    """The same slopes, with intercepts read as values at the middle of the inputs."""
    moved, ratio = w.copy(), problem.x.mean(axis=0) / problem.x.std(axis=0)
    reach = np.sqrt(1.0 + np.sum(ratio**2))
    d = len(ratio)
    if target.softmax_gate:
        moved[:, d] = (w[:, d] - w[:, :d] @ ratio) / reach
    if target.form[2]:
        heads = max(target.form[3], 1)
        begin = d + 1 if target.softmax_gate else 1
        slopes = w[:, begin : begin + heads * d].reshape(-1, heads, d)
        place = slice(begin + heads * d, begin + heads * (d + 1))
        moved[:, place] = (w[:, place] - slopes @ ratio) / reach
    return moved


def _likely(target: Judged, pool: NDArray, count: int) -> NDArray:
    """Half the likeliest of the pool, half as they come."""
    values = np.array([target.value(w) for w in pool])
    order = np.argsort(np.where(np.isfinite(values), values, np.inf))
    best = order[: count // 2]
    rest = np.setdiff1d(np.arange(len(pool)), best)[: count - len(best)]
    return pool[np.concatenate([best, rest])]


def _regressions(problem: Problem, target: Judged, rng: Generator, count: int) -> NDArray:
    """Least squares on few rows, through the inverse of the activation, with a gate and a nu."""
    x, y = problem.x, problem.y
    n, d = x.shape
    middle = x.mean(axis=0)
    heads, bias = max(target.form[3], 1), target.form[2]
    place = (x - middle) / x.std(axis=0)
    both = np.column_stack([place, (y - y.mean()) / (y.std() or 1.0)]) if target.scalar else place
    surprise = np.argsort(target.rows[2])
    goal = _goal(problem, target)
    design = np.column_stack([x - middle, np.ones(n)]) if bias else x
    starts = []
    for i in range(count):
        size = SIZES[i % len(SIZES)]
        k = {"interpolating": design.shape[1], "quarter": n // 4}.get(size, size)
        rows = _subset(rng, i // len(SIZES) % 3, both, surprise, max(int(k), 2))
        answer = np.linalg.lstsq(design[rows], goal[rows], rcond=1e-8)[0]
        if not target.scalar:
            answer *= rng.choice((0.5, 1.0, 3.0))
        a = answer[:d].T
        parts = [_gate(rng, target, problem, d), a.ravel()]
        if bias:
            parts.append(np.ravel(answer[d]) - a.reshape(heads, d) @ middle)
        if target.scalar:
            left = np.mean((goal[rows] - design[rows] @ answer) ** 2)
            floor = y.var() * rng.choice((1e-4, 1e-3, 1e-2))
            parts.append(np.array([max(float(left), floor)]))
        starts.append(np.concatenate(parts))
    return np.array([target.w(start) for start in starts])


def _subset(rng: Generator, way: int, both: NDArray, surprise: NDArray, k: int) -> NDArray:
    """Neighbours of a row, rows that f0 explains badly, or rows at random."""
    n = len(both)
    k = min(k, n)
    badly = surprise[: max(n // 5, k)]
    if way == 0:
        center = both[rng.choice(badly if rng.random() < 0.5 else n)]
        return np.argpartition(np.sum((both - center) ** 2, axis=1), k - 1)[:k]
    return rng.choice(badly if way == 1 else n, k, replace=False)


def _goal(problem: Problem, target: Judged) -> NDArray:
    """What the pre-activations should be at the rows: for classes three nats for the label."""
    activation = problem.expert.removesuffix("-nobias")
    h = problem.y
    if not target.scalar:
        labels = np.arange(target.form[3])
        return 3.0 * ((problem.y[:, None] == labels) - 1.0 * (problem.y == len(labels))[:, None])
    if activation == "tanh":
        return np.arctanh(np.clip(h, -0.98, 0.98))
    if activation == "sigmoid":
        inside = np.clip(h, 0.02, 0.98)
        return np.log(inside / (1.0 - inside))
    return h


def _gate(rng: Generator, target: Judged, problem: Problem, d: int) -> NDArray:
    """A share of one half, a tenth, most or few of the rows; half of the softmax gates slope."""
    share = rng.choice(SHARES)
    if not target.softmax_gate:
        return np.array([share])
    slope = rng.standard_normal(d) / problem.x.std(axis=0) * rng.integers(0, 2)
    tau = np.log(share / (1.0 - share)) - slope @ problem.x.mean(axis=0)
    return np.append(slope, tau)
