"""A mixture of trainable experts for the tests: points, a model, and its density by SciPy."""

from itertools import permutations
from typing import Any

import numpy as np
import pymc as pm
from numpy.typing import NDArray

from bayes_cmoe import Data, variant_named
from tests import reference

Named = dict[str, NDArray]
VARIANT = variant_named("softmax_gaussian_moe")


def point(experts: int, features: int, seed: int = 0) -> Named:
    """Parameters with the last expert's score zero."""
    rng = np.random.default_rng([seed, experts, features])
    gate = {
        "beta": rng.normal(size=(experts - 1, features)),
        "tau": rng.normal(size=experts - 1),
    }
    own = {
        "a": rng.normal(size=(experts, features)),
        "b": rng.normal(size=experts),
        "nu": rng.uniform(0.2, 1.5, experts),
    }
    return (gate if experts > 1 else {}) | own


def table(features: int, rows: int = 15, seed: int = 1) -> Data:
    rng = np.random.default_rng([seed, features])
    return Data(rng.normal(size=(rows, features)), rng.normal(0.0, 1.5, rows))


def model(data: Data, experts: int, prior: Any = "weak", expert: str = "linear") -> pm.Model:
    return VARIANT.build(data, experts=experts, expert=expert, prior=prior)


def log_density(theta: Named, x: NDArray, y: NDArray) -> NDArray:
    columns = {"x": x, "response": y}
    if len(theta["b"]) == 1:
        return reference.prompt_log_density("linear", reference.one_prompt(theta, 0), columns)
    return reference.experts("linear", theta, columns)


def in_order(theta: Named, order: tuple[int, ...]) -> Named:
    """The same mixture with its experts in another order, the last one's scores taken off."""
    index = list(order)
    scores = {
        "beta": np.vstack([theta["beta"], np.zeros_like(theta["beta"][:1])])[index],
        "tau": np.append(theta["tau"], 0.0)[index],
    }
    gate = {name: value[:-1] - value[-1:] for name, value in scores.items()}
    return gate | {name: theta[name][index] for name in ("a", "b", "nu")}


def orders(experts: int) -> list[tuple[int, ...]]:
    return list(permutations(range(experts)))
