"""Minus a log posterior density in coordinates w, and damped Newton steps down it, for Numba.

theta = center + sd w, for nu its logarithm. Five hundred starts on each of some thousand
objectives are too many for an optimiser that returns to Python at every step.

Compiled anew in each process: Numba's cache does not notice when a function called from here, in
another file, has changed.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tests.estimate.derivatives import Form, Rows, derivatives

__all__ = ["Prior", "descend", "negative"]

Prior = tuple[NDArray, NDArray, bool]

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


@njit(error_model="numpy")
def negative(
    w: NDArray, rows: Rows, form: Form, prior: Prior, order: int
) -> tuple[float, NDArray, NDArray]:
    """Minus the log density on theta's natural scale, its gradient and its Hessian in w.

    Parameters
    ----------
    w : array, shape (parameter,)
    rows, form, order
        See `derivatives`.
    prior : tuple
        center and sd, which make theta from w; and whether the weak prior, of these centres and
        standard deviations, Beta(1.5, 1.5) for lam, log-normal for nu, counts.
    """
    center, sd, weak = prior
    softmax_gate, scalar = form[0], form[3] == 0
    size = len(w)
    last = size - 1
    theta, slope = center + sd * w, sd.copy()
    if scalar:
        theta[last] = math.exp(theta[last])
        slope[last] *= theta[last]
    total, gradient, hessian = derivatives(theta, rows, form, order)
    for j in range(size):
        gradient[j] *= slope[j]
    if order == 2:
        for j in range(size):
            for k in range(size):
                hessian[j, k] *= slope[j] * slope[k]
        if scalar:
            hessian[last, last] += gradient[last] * sd[last]
    if weak:
        for j in range(size):
            if j == 0 and not softmax_gate:
                lam, rest = theta[0], 1.0 - theta[0]
                total += 0.5 * math.log(lam) + 0.5 * math.log1p(-lam) - math.log(math.pi / 8.0)
                gradient[0] += sd[0] * (0.5 / lam - 0.5 / rest)
                hessian[0, 0] -= sd[0] ** 2 * 0.5 * (1.0 / lam**2 + 1.0 / rest**2)
                continue
            total += -0.5 * w[j] ** 2 - math.log(sd[j]) - _HALF_LOG_TWO_PI
            gradient[j] -= w[j]
            hessian[j, j] -= 1.0
        if scalar:
            # The density of nu itself, not of its logarithm.
            total -= center[last] + sd[last] * w[last]
            gradient[last] -= sd[last]
    return -total, -gradient, -hessian


@njit(error_model="numpy")
def _step(
    gradient: NDArray, hessian: NDArray, low: NDArray, high: NDArray, damping: float
) -> NDArray:
    """The damped Newton step in the box low <= step <= high.

    What leaves the box is set on its face and the rest solved again. Curvature counts by its size,
    so that the step leads down from a saddle.
    """
    size = len(gradient)
    step = np.zeros(size)
    free = np.ones(size, np.bool_)
    for j in range(size):
        free[j] = not (
            (low[j] >= 0.0 and gradient[j] > 0.0) or (high[j] <= 0.0 and gradient[j] < 0.0)
        )
    for _ in range(size):
        index = np.nonzero(free)[0]
        if len(index) == 0:
            break
        part = np.empty((len(index), len(index)))
        force = np.empty(len(index))
        for a in range(len(index)):
            force[a] = gradient[index[a]]
            for j in range(size):
                if not free[j]:
                    force[a] += hessian[index[a], j] * step[j]
            for b in range(len(index)):
                part[a, b] = hessian[index[a], index[b]]
        values, vectors = np.linalg.eigh(part)
        along = (vectors.T @ force) / (np.maximum(np.abs(values), 1e-10) + damping)
        move = -(vectors @ along)
        left = False
        for a in range(len(index)):
            j = index[a]
            step[j] = move[a]
            if move[a] < low[j] or move[a] > high[j]:
                step[j] = min(max(move[a], low[j]), high[j])
                free[j] = False
                left = True
        if not left:
            break
    return step


@njit(error_model="numpy")
def descend(
    start: NDArray,
    lower: NDArray,
    upper: NDArray,
    rows: Rows,
    form: Form,
    prior: Prior,
    steps: int,
    least: float,
) -> tuple[NDArray, float]:
    """Damped Newton steps from a start until one promises less than `least`.

    Returns
    -------
    (w, value) : where it ended, shape (parameter,), and `negative` there.
    """
    w = start.copy()
    value, gradient, hessian = negative(w, rows, form, prior, 2)
    damping = 1e-2 * np.max(np.abs(np.diag(hessian)))
    for _ in range(steps):
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            break
        if not np.all(np.isfinite(hessian)):
            break
        step = _step(gradient, hessian, lower - w, upper - w, damping)
        long = np.max(np.abs(step))
        if long > 1.5:
            step *= 1.5 / long
        promised = -(gradient @ step) - 0.5 * step @ (hessian @ step)
        slope = -(gradient @ step)
        if max(promised, 0.5 * slope) < least:
            if damping <= 1e-6 * np.max(np.abs(np.diag(hessian))):
                break
            damping *= 0.01
            continue
        trial = np.minimum(np.maximum(w + step, lower), upper)
        there, its_gradient, its_hessian = negative(trial, rows, form, prior, 2)
        gain = value - there
        if gain > 1e-4 * max(promised, 0.0) and gain > 0.0:
            w, value, gradient, hessian = trial, there, its_gradient, its_hessian
            damping = damping * (0.1 if gain > 0.5 * promised else 1.0)
        else:
            damping = max(10.0 * damping, 1e-6 * np.max(np.abs(np.diag(hessian))))
            if damping > 1e10 * max(1.0, np.max(np.abs(np.diag(hessian)))):
                break
    return w, value
