"""Independent densities: NumPy and SciPy only, nothing of the engine."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, log_expit, log_softmax, logsumexp

Columns = Mapping[str, NDArray]

ACTIVATIONS: dict[str, Callable[[NDArray], NDArray]] = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": expit,
    "gelu": lambda z: z * stats.norm.cdf(z),
    "relu": lambda z: np.where(z > 0.0, z, 0.0),
}


def preactivation(x: NDArray, parameters: Columns) -> NDArray:
    """a'x + b, shape (n,), or (n, class - 1) when a has the classes in front."""
    slopes = np.asarray(parameters["a"])
    products = np.stack([x @ row for row in np.atleast_2d(slopes)], axis=-1)
    shifted = products + parameters.get("b", 0.0)
    return shifted if slopes.ndim == 2 else shifted[:, 0]


def mean(expert: str, x: NDArray, parameters: Columns) -> NDArray:
    """h(x; eta) of the expert of that name."""
    return ACTIVATIONS[expert.removesuffix("-nobias")](preactivation(x, parameters))


def log_weights(x: NDArray, theta: Columns) -> tuple[NDArray, NDArray]:
    """log (1 - pi(x)) and log pi(x), each of shape (n,)."""
    if "lam" in theta:
        ones = np.ones(len(x))
        return np.log1p(-theta["lam"]) * ones, np.log(theta["lam"]) * ones
    score = x @ theta["beta"] + theta["tau"]
    return log_expit(-score), log_expit(score)


def component_log_weights(x: NDArray, theta: Columns) -> NDArray:
    """Logarithms of the shares of the frozen expert and of several prompts, shape (1 + k, n)."""
    if "lam" in theta:
        lam = np.asarray(theta["lam"])
        shares = [np.prod(1.0 - lam), *(p * np.prod(1.0 - lam[:j]) for j, p in enumerate(lam))]
        return np.log(shares)[:, None] * np.ones(len(x))
    scores = np.asarray(theta["beta"]) @ x.T + np.asarray(theta["tau"])[:, None]
    return log_softmax(np.concatenate([np.zeros((1, len(x))), scores]), axis=0)


def one_prompt(theta: Columns, prompt: int) -> dict[str, NDArray]:
    """The parameters of one of several prompts."""
    return {name: np.asarray(value)[prompt] for name, value in theta.items()}


def component_log_densities(expert: str, family: str, theta: Columns, columns: Columns) -> NDArray:
    """log f0 and log f of each of several prompts at the rows, shape (1 + k, n)."""
    count = len(np.asarray(theta["lam" if "lam" in theta else "tau"]))
    prompts = [prompt_log_density(expert, one_prompt(theta, j), columns) for j in range(count)]
    return np.array([frozen_log_density(family, columns), *prompts])


def experts(expert: str, theta: Columns, columns: Columns) -> NDArray:
    """log p(y|x; theta) of trainable experts only, the last one's score zero, shape (n,)."""
    x, count = columns["x"], len(np.asarray(theta["tau"])) + 1
    scores = np.zeros((count, len(x)))
    scores[:-1] = np.asarray(theta["beta"]) @ x.T + np.asarray(theta["tau"])[:, None]
    own = {name: value for name, value in theta.items() if name not in ("beta", "tau")}
    densities = [prompt_log_density(expert, one_prompt(own, j), columns) for j in range(count)]
    return logsumexp(log_softmax(scores, axis=0) + np.array(densities), axis=0)


def pick(log_probs: NDArray, y: NDArray) -> NDArray:
    return log_probs[np.arange(len(y)), y.astype(int)]


def multinomial(logits: NDArray, y: NDArray) -> NDArray:
    """Log-probability of the labels when the last class has logit 0."""
    return pick(log_softmax(np.column_stack([logits, np.zeros(len(y))]), axis=1), y)


def frozen_log_density(family: str, columns: Columns) -> NDArray:
    """log f0 at the rows, from the columns as a user states them."""
    y = columns["response"]
    if family == "log_density":
        return columns["frozen_logp"]
    if family == "categorical":
        return pick(np.log(columns["frozen_probs"]), y)
    if family == "multinomial_logistic":
        return multinomial(columns["frozen_logits"], y)
    place = {"loc": columns["frozen_mean"], "scale": columns["frozen_scale"]}
    if family == "gaussian":
        return stats.norm.logpdf(y, **place)
    if family == "laplace":
        return stats.laplace.logpdf(y, **place)
    return stats.t.logpdf(y, columns["frozen_df"], **place)


def prompt_log_density(expert: str, theta: Columns, columns: Columns) -> NDArray:
    """log f at the rows: Gaussian with variance nu, or multinomial logistic."""
    location = mean(expert, columns["x"], theta)
    if "nu" in theta:
        return stats.norm.logpdf(columns["response"], location, np.sqrt(theta["nu"]))
    return multinomial(location, columns["response"])


def contaminated(expert: str, family: str, theta: Columns, columns: Columns) -> NDArray:
    """log p(y|x; theta) at the rows, shape (n,): of a contaminated mixture, or of experts only."""
    if family == "none":
        return experts(expert, theta, columns)
    if np.ndim(theta["lam" if "lam" in theta else "tau"]) == 1:
        parts = component_log_densities(expert, family, theta, columns)
        return logsumexp(component_log_weights(columns["x"], theta) + parts, axis=0)
    stay, move = log_weights(columns["x"], theta)
    return logsumexp(
        [
            stay + frozen_log_density(family, columns),
            move + prompt_log_density(expert, theta, columns),
        ],
        axis=0,
    )


def half_line(nodes: int = 300) -> tuple[NDArray, NDArray]:
    """Exp-sinh nodes and weights: sum w f(t) = integral of f over (0, infinity).

    Double-exponential substitution t = exp(pi/2 sinh u): it converges faster than any power of the
    step for exponential and for polynomial tails (Takahasi and Mori 1974).
    """
    u, step = np.linspace(-3.8, 3.8, nodes, retstep=True)
    t = np.exp(np.pi / 2 * np.sinh(u))
    return t, step * np.pi / 2 * np.cosh(u) * t


def real_line(breaks: NDArray, panel: int = 40) -> tuple[NDArray, NDArray]:
    """Nodes and weights over the whole line, for an integrand smooth between the sorted breaks.

    Gauss-Legendre between the breaks, exp-sinh on both tails; exact at a kink placed at a break.
    """
    t, tail = half_line()
    z, w = np.polynomial.legendre.leggauss(panel)
    middle, half = (breaks[1:] + breaks[:-1]) / 2, np.diff(breaks) / 2
    nodes = [breaks[0] - t, *(m + h * z for m, h in zip(middle, half, strict=True)), breaks[-1] + t]
    weights = [tail, *(h * w for h in half), tail]
    return np.concatenate(nodes), np.concatenate(weights)
