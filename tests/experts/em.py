"""Maximum likelihood by the EM algorithm, in NumPy and SciPy alone (Jordan and Jacobs 1994)."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from tests.experts.parts import Named, log_density

LEAST = 1e-3


def gate_step(x: NDArray, shares: NDArray, scores: NDArray) -> NDArray:
    """Slopes and levels (k - 1, 1 + d) of a multinomial logistic regression on the shares."""
    design, free = np.column_stack([np.ones(len(x)), x]), shares.shape[1] - 1

    def loss(flat: NDArray) -> tuple[float, NDArray]:
        own = np.column_stack([design @ flat.reshape(free, -1).T, np.zeros(len(x))])
        logs = log_softmax(own, axis=1)
        slope = design.T @ (np.exp(logs) - shares)[:, :-1]
        return -float(np.sum(shares * logs)), slope.T.ravel()

    bounds = [(-40.0, 40.0)] * scores.size
    found = minimize(loss, scores.ravel(), jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x.reshape(free, -1)


def em(x: NDArray, y: NDArray, experts: int, seed: int, steps: int = 400) -> tuple[Named, float]:
    """Where EM leads from random shares, and its log-likelihood."""
    rng, design = np.random.default_rng(seed), np.column_stack([np.ones(len(x)), x])
    centres = rng.normal(size=(experts, x.shape[1] + 1)) * np.append(x.std(axis=0), y.std())
    distance = np.sum((np.column_stack([x, y])[:, None] - centres) ** 2, axis=-1)
    shares = softmax(-distance / y.var(), axis=1)
    scores = np.zeros((experts - 1, design.shape[1]))
    last = -np.inf
    for _ in range(steps):
        scores = gate_step(x, shares, scores)
        lines, variances = [], []
        for weight in shares.T:
            root = np.sqrt(weight)[:, None]
            line = np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)[0]
            lines.append(line)
            spread = np.sum(weight * (y - design @ line) ** 2) / max(weight.sum(), 1e-300)
            variances.append(max(spread, LEAST))
        table = np.array(lines)
        theta = {"beta": scores[:, 1:], "tau": scores[:, 0], "a": table[:, 1:], "b": table[:, 0]}
        theta["nu"] = np.array(variances)
        total = float(log_density(theta, x, y).sum())
        if total - last < 1e-9 * abs(total):
            break
        last = total
        own = np.column_stack([design @ scores.T, np.zeros(len(x))])
        logs = log_softmax(own, axis=1)
        residual = y[:, None] - design @ table.T
        logs = logs - 0.5 * (np.log(theta["nu"]) + residual**2 / theta["nu"])
        shares = softmax(logs, axis=1)
    return theta, total
