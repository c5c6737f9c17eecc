"""log p(y|x) of a contaminated mixture with its gradient and Hessian, written by hand for Numba.

For each row the density depends on few numbers u = (gate score or lam; pre-activations z_k; nu):

    log p = log(w0 f0 + w1 f),   r = w1 f / p,   g0, g1 the gradients of log w0 and log w1 f in u
    gradient  r g1 + (1 - r) g0
    Hessian   r H1 + (1 - r) H0 + r (1 - r) (g1 - g0)(g1 - g0)'

and each u is linear in its own entries of theta: beta'x + tau, a_k'x + b_k, lam, nu.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["CODES", "Form", "Rows", "derivatives"]

Rows = tuple[NDArray, NDArray, NDArray, NDArray]
Form = tuple[bool, int, bool, int, float]

CODES = {"linear": 0, "tanh": 1, "sigmoid": 2, "gelu": 3, "relu": 4}

_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


@njit(cache=True, error_model="numpy")
def _gelu(z: float) -> tuple[float, float, float]:
    below = 0.5 * math.erfc(-z / math.sqrt(2.0))
    density = math.exp(-0.5 * z * z) / _ROOT_TWO_PI
    return z * below, below + z * density, density * (2.0 - z * z)


@njit(cache=True, error_model="numpy")
def _activation(code: int, z: float, width: float) -> tuple[float, float, float]:
    """h and its first two derivatives in the pre-activation; a relu's kink may be rounded."""
    if code == 0:
        return z, 1.0, 0.0
    if code == 1:
        h = math.tanh(z)
        return h, 1.0 - h * h, -2.0 * h * (1.0 - h * h)
    if code == 2:
        h = 1.0 / (1.0 + math.exp(-z))
        slope = h * (1.0 - h)
        return h, slope, slope * (1.0 - 2.0 * h)
    if code == 3:
        return _gelu(z)
    if width > 0.0:
        h, slope, bend = _gelu(z / width)
        return width * h, slope, bend / width
    if z > 0.0:
        return z, 1.0, 0.0
    return 0.0, 0.0, 0.0


@njit(cache=True, error_model="numpy")
def derivatives(
    theta: NDArray, rows: Rows, form: Form, order: int
) -> tuple[float, NDArray, NDArray]:
    """Weighted sum over rows of log p(y|x; theta), with its gradient and Hessian in theta.

    Parameters
    ----------
    theta : array, shape (parameter,)
        lam, or beta and tau; a (free classes in front), b; nu for a scalar response.
    rows : tuple
        x, shape (n, feature + 1) with ones last; then of shape (n,) the responses, log f0 at them,
        and how often each row counts.
    form : tuple
        Whether the gate is softmax, the activation's code (see `CODES`), whether there is a bias,
        the number of free classes (0 for a scalar response), and over which width of the
        pre-activation a relu's kink is rounded: width gelu(z / width), the relu itself at 0.
    order : int
        0 for the value alone, 1 with the gradient, 2 with the Hessian.
    """
    x, y, frozen, weight = rows
    softmax_gate, code, bias, free_classes, width = form
    n, wide = x.shape
    d = wide - 1
    size = len(theta)
    heads = max(free_classes, 1)
    scalar = free_classes == 0
    q = 1 + heads + (1 if scalar else 0)
    # u_m = sum over j of theta[place[m, j]] x[:, first[m] + j], j < count[m].
    count, first = np.ones(q, np.int64), np.full(q, d)
    if softmax_gate:
        count[0], first[0] = d + 1, 0
    gate_size = count[0]
    place = np.zeros((q, d + 1), np.int64)
    for j in range(count[0]):
        place[0, j] = j
    for k in range(heads):
        count[1 + k], first[1 + k] = (d + 1) if bias else d, 0
        for j in range(d):
            place[1 + k, j] = gate_size + k * d + j
        place[1 + k, d] = gate_size + heads * d + k
    if scalar:
        place[q - 1, 0] = size - 1
    nu = theta[size - 1] if scalar else 1.0
    total = 0.0
    gradient = np.zeros(size)
    hessian = np.zeros((size, size))
    u = np.zeros(q)
    h, h1, h2, probability = np.zeros(heads), np.zeros(heads), np.zeros(heads), np.zeros(heads)
    g0, g1, difference = np.zeros(q), np.zeros(q), np.zeros(q)
    H = np.zeros((q, q))
    stay = move = c0 = c1 = 0.0
    if not softmax_gate:
        lam = theta[0]
        stay, move = math.log1p(-lam), math.log(lam)
        g0[0], g1[0] = -1.0 / (1.0 - lam), 1.0 / lam
        c0, c1 = -g0[0] * g0[0], -g1[0] * g1[0]
    log_constant = -0.5 * math.log(2.0 * math.pi * nu)
    for i in range(n):
        for m in range(1 + heads):
            s = 0.0
            for j in range(count[m]):
                s += theta[place[m, j]] * x[i, first[m] + j]
            u[m] = s
        if softmax_gate:
            tail = math.exp(-abs(u[0]))
            both = math.log1p(tail)
            stay, move = -max(u[0], 0.0) - both, -max(-u[0], 0.0) - both
            share = (1.0 if u[0] > 0.0 else tail) / (1.0 + tail)
            unshared = (tail if u[0] > 0.0 else 1.0) / (1.0 + tail)
            g0[0], g1[0] = -share, unshared
            c0 = c1 = -share * unshared
        if scalar:
            h[0], h1[0], h2[0] = _activation(code, u[1], width)
            e = y[i] - h[0]
            log_f = log_constant - 0.5 * e * e / nu
            g1[1] = h1[0] * e / nu
            g1[2] = -0.5 / nu + 0.5 * e * e / (nu * nu)
        else:
            top = 0.0
            for k in range(heads):
                h[k], h1[k], h2[k] = _activation(code, u[1 + k], width)
                top = max(top, h[k])
            mass = math.exp(-top)
            for k in range(heads):
                probability[k] = math.exp(h[k] - top)
                mass += probability[k]
            log_f = -top - math.log(mass)
            label = int(y[i])
            if label < heads:
                log_f += h[label]
            for k in range(heads):
                probability[k] /= mass
                g1[1 + k] = h1[k] * ((1.0 if label == k else 0.0) - probability[k])
        old, new = stay + frozen[i], move + log_f
        lesser = math.exp(-abs(new - old))
        total += weight[i] * (max(old, new) + math.log1p(lesser))
        if order == 0:
            continue
        r = (1.0 if new > old else lesser) / (1.0 + lesser)
        rest = (lesser if new > old else 1.0) / (1.0 + lesser)
        for m in range(q):
            slope = weight[i] * (r * g1[m] + rest * g0[m])
            for j in range(count[m]):
                gradient[place[m, j]] += slope * x[i, first[m] + j]
        if order == 1:
            continue
        for m in range(q):
            difference[m] = g1[m] - g0[m]
        for m in range(q):
            for o in range(m + 1):
                H[m, o] = r * rest * difference[m] * difference[o]
        H[0, 0] += r * c1 + rest * c0
        if scalar:
            H[1, 1] += r * (h2[0] * e - h1[0] * h1[0]) / nu
            H[2, 1] += -r * h1[0] * e / (nu * nu)
            H[2, 2] += r * (0.5 / (nu * nu) - e * e / (nu * nu * nu))
        else:
            for k in range(heads):
                for o in range(k + 1):
                    H[1 + k, 1 + o] += r * h1[k] * h1[o] * probability[k] * probability[o]
                score = (1.0 if int(y[i]) == k else 0.0) - probability[k]
                H[1 + k, 1 + k] += r * (h2[k] * score - h1[k] * h1[k] * probability[k])
        for m in range(q):
            for o in range(m + 1):
                bend = weight[i] * H[m, o]
                for j in range(count[m]):
                    part = bend * x[i, first[m] + j]
                    for t in range(count[o]):
                        hessian[place[m, j], place[o, t]] += part * x[i, first[o] + t]
    if order == 2:
        # Blocks were filled once, below u's diagonal; blocks of one u are whole already.
        for m in range(q):
            for o in range(m):
                for j in range(count[m]):
                    for t in range(count[o]):
                        hessian[place[o, t], place[m, j]] = hessian[place[m, j], place[o, t]]
    return total, gradient, hessian
