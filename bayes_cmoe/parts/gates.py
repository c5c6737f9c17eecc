"""Gates pi(x): the shares of the components at x, as logarithms; what vanishes, and how.

With one prompt a gate's parameters have the dims that it declares; with several the dim ``prompt``
stands in front. Without a frozen expert the last of the trainable ones is the reference, and the
dim in front is ``free_expert``, of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.lazy import pt
from bayes_cmoe.parts.outside import REGISTRIES, register, registered
from bayes_cmoe.parts.parameter import Parameter, gate_level, gate_slopes, identity, share
from bayes_cmoe.shown import Shown

__all__ = [
    "GATES",
    "Gate",
    "Share",
    "constant",
    "gate_named",
    "register_gate",
    "softmax",
    "softmax_experts",
]

Values = Mapping[str, NDArray]


@dataclass(frozen=True, eq=False)
class Share:
    """What vanishes when the prompt does: a function of one of the gate's parameters.

    Parameters
    ----------
    name : str
        The target under which its error is stated; the parameter's own name where it is that.
    parameter : str
    value : callable
        ``value(parameter)``; of NumPy or JAX.
    vanish : callable
        ``vanish(parameter, n, alpha)``: the parameter whose share is n^-alpha times as large; of
        several parameters n may be one for each.
    """

    name: str
    parameter: str
    value: Callable[[Any], Any]
    vanish: Callable[[Any, Any, float], Any]

    @property
    def is_parameter(self) -> bool:
        """Whether it is the parameter itself."""
        return self.name == self.parameter


@dataclass(frozen=True, eq=False, repr=False)
class Gate(Shown):
    """A gate.

    Parameters
    ----------
    name : str
    parameters : sequence of Parameter
    log_weights : callable
        ``log_weights(x, **parameters)`` gives the logarithms of the components' shares, the frozen
        expert's first where there is one, then one for each trainable expert; each of shape (n,)
        or ().
    level, shut, opened : mapping of str to float
        Parameter values at which pi(x) is one half everywhere, as good as zero, and as good as one;
        every entry of a parameter takes the same value. Optimisers start from there.
    share : Share
        What vanishes.
    several : bool
        Whether it can weigh several prompts.
    atoms, stuck : callable
        Of several prompts: from the parameters to values that change places with the prompts, and
        back; any axes may stand in front. Identities where the parameters themselves do so.
    frozen : bool
        Whether the first component is a frozen expert; else all are trainable and the last one is
        the reference, which has no parameters.
    """

    name: str
    parameters: Sequence[Parameter]
    log_weights: Callable[..., tuple[Tensor, ...]]
    level: Mapping[str, float]
    shut: Mapping[str, float]
    opened: Mapping[str, float]
    share: Share
    several: bool = False
    atoms: Callable[[Values], Values] = dict
    stuck: Callable[[Values], Values] = dict
    frozen: bool = True

    def shown(self) -> dict[str, Any]:
        """Its name, its parameters, and what vanishes."""
        names = [parameter.name for parameter in self.parameters]
        return {"name": self.name, "parameters": names, "share": self.share.name}

    @cached_property
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Dimensions of each parameter beside one prompt."""
        return {parameter.name: tuple(parameter.dims) for parameter in self.parameters}


def _constant(x: Tensor, lam: Tensor) -> tuple[Tensor, ...]:
    if lam.ndim == 0:
        return pt.log1p(-lam), pt.log(lam)
    # What each prompt takes of what those before it left.
    left = pt.concatenate([pt.zeros(1), pt.cumsum(pt.log1p(-lam))])
    count = lam.type.shape[0]
    return left[-1], *(left[j] + pt.log(lam[j]) for j in range(count))


def _stick_shares(values: Values) -> Values:
    """The shares pi_j of the prompts from what each takes of what is left; prompts last."""
    lam = np.asarray(values["lam"], dtype=float)
    left = np.cumprod(1.0 - lam, axis=-1)
    return {"lam": lam * np.concatenate([np.ones_like(left[..., :1]), left[..., :-1]], axis=-1)}


def _stick(values: Values) -> Values:
    """What each prompt takes of what those before it left, from the shares; prompts last."""
    shares = np.asarray(values["lam"], dtype=float)
    # From the tail: what the frozen expert and the later prompts hold is left after this one.
    frozen = 1.0 - np.sum(shares, axis=-1, keepdims=True)
    held = np.concatenate([shares, np.maximum(frozen, 0.0)], axis=-1)
    left = np.cumsum(held[..., ::-1], axis=-1)[..., ::-1][..., :-1]
    return {"lam": np.where(left > 0, shares / np.where(left > 0, left, 1.0), 0.0)}


def _softmax(x: Tensor, beta: Tensor, tau: Tensor) -> tuple[Tensor, ...]:
    if beta.ndim == 1:
        score = x @ beta + tau
        return -pt.softplus(score), -pt.softplus(-score)
    count = tau.type.shape[0]
    scores = [x @ beta[j] + tau[j] for j in range(count)]
    total = pt.zeros_like(scores[0])
    for score in scores:
        total = pt.logaddexp(total, score)
    return -total, *(score - total for score in scores)


def _softmax_experts(x: Tensor, beta: Tensor, tau: Tensor) -> tuple[Tensor, ...]:
    last, *free = _softmax(x, beta, tau)
    return *free, last


def _centred_scores(values: Values) -> Values:
    """Every expert's score less their mean, which no common translation changes; experts last."""
    found = {}
    for name, axis in (("beta", -2), ("tau", -1)):
        free = np.asarray(values[name], dtype=float)
        whole = np.concatenate([free, np.zeros_like(np.take(free, [0], axis=axis))], axis=axis)
        found[name] = whole - whole.mean(axis=axis, keepdims=True)
    return found


def _less_the_last(values: Values) -> Values:
    """Scores of the free experts, the last one's taken off; experts last."""
    beta, tau = (np.asarray(values[name], dtype=float) for name in ("beta", "tau"))
    return {"beta": beta[..., :-1, :] - beta[..., -1:, :], "tau": tau[..., :-1] - tau[..., -1:]}


def _exp(value: Any) -> Any:
    return np.exp(value) if isinstance(value, np.ndarray | float) else jnp.exp(value)


def _scaled(lam: Any, n: float, alpha: float) -> Any:
    return lam * n**-alpha


def _lowered(tau: Any, n: float, alpha: float) -> Any:
    return tau - alpha * np.log(n)


constant = Gate(
    "constant",
    (share("lam"),),
    _constant,
    level={"lam": 0.5},
    shut={"lam": 0.0},
    opened={"lam": 1.0},
    share=Share("lam", "lam", identity, _scaled),
    several=True,
    atoms=_stick_shares,
    stuck=_stick,
)
"""pi(x) = lam (arXiv:2410.12258); of several prompts lam_j is the share of what the first left."""

softmax = Gate(
    "softmax",
    (gate_slopes("beta"), gate_level("tau")),
    _softmax,
    level={"beta": 0.0, "tau": 0.0},
    shut={"beta": 0.0, "tau": -30.0},
    opened={"beta": 0.0, "tau": 30.0},
    share=Share("exp_tau", "tau", _exp, _lowered),
    several=True,
)
"""pi(x) = 1 / (1 + exp(-beta'x - tau)) (arXiv:2505.18455); the frozen expert's score is zero."""

softmax_experts = Gate(
    "softmax-full",
    (gate_slopes("beta"), gate_level("tau")),
    _softmax_experts,
    level={"beta": 0.0, "tau": 0.0},
    shut={"beta": 0.0, "tau": -30.0},
    opened={"beta": 0.0, "tau": 30.0},
    share=Share("exp_tau", "tau", _exp, _lowered),
    several=True,
    atoms=_centred_scores,
    stuck=_less_the_last,
    frozen=False,
)
"""pi_i(x) = softmax_i(beta_i'x + tau_i) over trainable experts (arXiv:2305.03288); the last one's

score is zero, since a common translation of all scores changes nothing."""

GATES = {gate.name: gate for gate in (constant, softmax, softmax_experts)}

REGISTRIES.append(GATES)


def register_gate(gate: Gate) -> Gate:
    """Make a gate known by its name to the command line and to saved fits.

    Raises
    ------
    InputError
        When the name is taken by another gate.
    """
    return register("gate", GATES, gate)


def gate_named(gate: str | Gate) -> Gate:
    """Return the gate of that name; a `Gate` is returned as it is."""
    if isinstance(gate, Gate):
        return gate
    return registered("gate", GATES, gate)
