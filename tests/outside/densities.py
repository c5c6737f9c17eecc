"""The densities of the plugins by NumPy and SciPy: log f0, log f and pi at rows."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from tests import reference

Theta = dict[str, NDArray]
Parts = tuple[NDArray, NDArray, NDArray]


def sigmoid_gate(theta: Theta, x: NDArray, y: NDArray) -> Parts:
    share = theta["lam"] * expit(x @ theta["beta"] + theta["tau"])
    frozen = stats.norm.logpdf(y, np.tanh(x[:, 0] + 0.3), 1.0)
    mean = np.tanh(x @ theta["a"] + theta["b"])
    return share, frozen, stats.norm.logpdf(y, mean, np.sqrt(theta["nu"]))


def counts(theta: Theta, x: NDArray, y: NDArray) -> Parts:
    share = expit(x @ theta["beta"] + theta["tau"])
    frozen = stats.poisson.logpmf(y, np.exp(0.3 * x[:, 0] + 0.5))
    return share, frozen, stats.poisson.logpmf(y, np.exp(x @ theta["a"] + theta["b"]))


def hidden_layer(theta: Theta, x: NDArray, y: NDArray) -> Parts:
    units = np.tanh(np.einsum("nf,hf->nh", x, theta["A"]) + theta["c"])
    mean = np.sum(units * theta["w"], axis=1)
    frozen = stats.laplace.logpdf(y, 0.5 * x[:, 0] - 0.5 * x[:, 1], 0.7)
    share = np.full(len(x), theta["lam"])
    return share, frozen, stats.norm.logpdf(y, mean, np.sqrt(theta["nu"]))


def merging_slopes(theta: Theta, x: NDArray, y: NDArray) -> Parts:
    share = (
        np.full(len(x), theta["lam"]) if "lam" in theta else expit(x @ theta["beta"] + theta["tau"])
    )
    return share, reference.multinomial(1.5 * x, y), reference.multinomial(x @ theta["a"].T, y)


DENSITIES = {own.__name__: own for own in (sigmoid_gate, counts, hidden_layer, merging_slopes)}


def log_density(name: str, theta: Theta, x: NDArray, y: NDArray) -> NDArray:
    share, frozen, prompt = DENSITIES[name](theta, x, y)
    return np.logaddexp(np.log1p(-share) + frozen, np.log(share) + prompt)


def responsibility(name: str, theta: Theta, x: NDArray, y: NDArray) -> NDArray:
    share, frozen, prompt = DENSITIES[name](theta, x, y)
    return 1.0 / (1.0 + np.exp(np.log1p(-share) + frozen - np.log(share) - prompt))
