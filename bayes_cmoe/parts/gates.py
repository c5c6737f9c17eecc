"""Gates pi(x): the share of the trainable expert at x, as log (1 - pi) and log pi."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytensor.tensor as pt

from bayes_cmoe.errors import choose

__all__ = ["GATES", "Gate", "constant", "gate_named", "softmax"]

Tensor = Any


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate.

    Parameters
    ----------
    name : str
    dims : mapping of str to tuple of str
        Dimensions of each gate parameter.
    log_weights : callable
        ``log_weights(x, **parameters)`` gives (log (1 - pi(x)), log pi(x)).
    level, shut, opened : mapping of str to float
        Parameter values at which pi(x) is one half everywhere, as good as zero, and as good as one;
        every entry of a parameter takes the same value. Optimisers start from there.
    """

    name: str
    dims: Mapping[str, tuple[str, ...]]
    log_weights: Callable[..., tuple[Tensor, Tensor]]
    level: Mapping[str, float]
    shut: Mapping[str, float]
    opened: Mapping[str, float]


def _constant(x: Tensor, lam: Tensor) -> tuple[Tensor, Tensor]:
    return pt.log1p(-lam), pt.log(lam)


def _softmax(x: Tensor, beta: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    score = x @ beta + tau
    return -pt.softplus(score), -pt.softplus(-score)


constant = Gate(
    "constant",
    {"lam": ()},
    _constant,
    level={"lam": 0.5},
    shut={"lam": 0.0},
    opened={"lam": 1.0},
)
"""pi(x) = lam (arXiv:2410.12258)."""

softmax = Gate(
    "softmax",
    {"beta": ("feature",), "tau": ()},
    _softmax,
    level={"beta": 0.0, "tau": 0.0},
    shut={"beta": 0.0, "tau": -30.0},
    opened={"beta": 0.0, "tau": 30.0},
)
"""pi(x) = 1 / (1 + exp(-beta'x - tau)) (arXiv:2505.18455)."""

GATES = {gate.name: gate for gate in (constant, softmax)}


def gate_named(gate: str | Gate) -> Gate:
    """Return the gate of that name; a `Gate` is returned as it is."""
    if isinstance(gate, Gate):
        return gate
    return GATES[choose("gate", gate, GATES)]
