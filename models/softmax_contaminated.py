"""Contaminated mixture of experts with a softmax gate (Yan et al. 2025, arXiv:2505.18455).

    p(y|x) = (1 - pi(x)) f0(y|x) + pi(x) N(y | h(x; eta), nu)
    pi(x) = 1 / (1 + exp(-beta'x - tau))

The gate's intercept is measured by exp tau, the odds of the prompt at x = 0. The published rates of
the merging case are the worst case beta* = 0: a gate that varies with x tells the prompt's share
from its shift, and most parameters keep n^-1/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from bayes_cmoe.parts.frozen import Frozen, frozen_expert
from bayes_cmoe.parts.gates import softmax
from bayes_cmoe.study.contaminated import contaminated_variant
from bayes_cmoe.study.rates import Rate, rates_in_delta
from bayes_cmoe.study.regime import Path, Regime, Shift, along

__all__ = ["VARIANT"]

PAPER = "arXiv:2505.18455"
THEOREM = "number of the theorem not known here"


_DISTINGUISHABLE = rates_in_delta(
    f"{PAPER}, distinguishable ({THEOREM})", "fixed gate", exp_tau=0, beta=0, expert=0
)
_MERGING = rates_in_delta(
    f"{PAPER}, non-distinguishable ({THEOREM})",
    "fixed gate",
    exp_tau=2,
    beta=1,
    expert=1,
)

_TWO: dict[str, ArrayLike] = {"a": [1.0, 0.5], "nu": 1.0}
_BOX = MappingProxyType(
    {"beta": (-10.0, 10.0), "tau": (-30.0, 30.0), "a": (-5.0, 5.0), "nu": (0.05, 10.0)}
)
_LAPLACE = frozen_expert("laplace", "tanh-nobias", {"a": _TWO["a"]}, scale=0.5**0.5)
_GAUSSIAN = frozen_expert("gaussian", "tanh-nobias", {"a": _TWO["a"]}, scale=1.0)
_VARYING: dict[str, ArrayLike] = {"beta": [0.8, -0.5], "tau": 0.5}
_LEVEL: dict[str, ArrayLike] = {"beta": [0.0, 0.0], "tau": 0.0}
_AWAY = along(a=[-2.0, 0.0], nu=-0.5)
_ALL_WAYS = along(a=[3**-0.5, 3**-0.5], nu=3**-0.5)


def _regime(
    name: str,
    summary: str,
    frozen: Frozen,
    gate: Mapping[str, ArrayLike],
    shift: Shift,
    rates: tuple[Rate, ...],
    *,
    delta: float = 2.0,
    alpha: Fraction = Fraction(0),
    gamma: Fraction = Fraction(0),
) -> Regime:
    path = Path(gate, _TWO, shift, delta, alpha, gamma)
    return Regime(
        name, summary, path, softmax, "tanh-nobias", frozen, features=2, box=_BOX, published=rates
    )


def _paper_b(
    name: str,
    summary: str,
    family: str,
    shift: Shift,
    rates: tuple[Rate, ...],
    *,
    nu: float = 0.001,
    beta: float = 8**-0.5,
    start: float = 1.0,
    delta: float = 1.0,
    gamma: Fraction = Fraction(0),
) -> Regime:
    """A design of the paper's experiments: d = 8, x ~ N(0, I), tanh(eta'x), eta0 = e1."""
    first = np.eye(8)[0]
    scale = (nu / 2.0) ** 0.5 if family == "laplace" else nu**0.5
    frozen = frozen_expert(family, "tanh-nobias", {"a": first}, scale=scale)
    gate: dict[str, ArrayLike] = {"beta": np.full(8, beta), "tau": 1.0}
    path = Path(gate, {"a": start * first, "nu": nu}, shift, delta, gamma=gamma)
    box = MappingProxyType(
        {"beta": (-10.0, 10.0), "tau": (-30.0, 30.0), "a": (-5.0, 5.0), "nu": (nu / 100, nu * 100)}
    )
    return Regime(
        name, summary, path, softmax, "tanh-nobias", frozen, features=8, box=box, published=rates
    )


_EIGHTH, _SIXTEENTH, _QUARTER = Fraction(1, 8), Fraction(1, 16), Fraction(1, 4)
_FIRST = along(a=np.eye(8)[0])

_REGIMES = (
    _regime(
        "distinguishable",
        "Laplace f0 with a tanh mean, tanh prompt far from it",
        _LAPLACE,
        _VARYING,
        _AWAY,
        _DISTINGUISHABLE,
        delta=1.0,
    ),
    _regime(
        "vanishing",
        "as distinguishable, with odds exp tau vanishing as n^-1/4 (not the paper's compact set)",
        _LAPLACE,
        _VARYING,
        _AWAY,
        (),
        delta=1.0,
        alpha=_QUARTER,
    ),
    _regime(
        "merging",
        "Gaussian f0 and prompt of the same tanh form, merging as n^-1/8, level gate beta* = 0",
        _GAUSSIAN,
        _LEVEL,
        _ALL_WAYS,
        _MERGING,
        gamma=_EIGHTH,
    ),
    _regime(
        "merging-varying-gate",
        "as merging, with a gate that varies with x (beta* away from 0)",
        _GAUSSIAN,
        _VARYING,
        _ALL_WAYS,
        _MERGING,
        gamma=_EIGHTH,
    ),
    _regime(
        "vanishing-merging",
        "as merging, with odds n^-1/8 (not the paper's compact set) and distance n^-1/16",
        _GAUSSIAN,
        _LEVEL,
        _ALL_WAYS,
        (),
        alpha=_EIGHTH,
        gamma=_SIXTEENTH,
    ),
    _paper_b(
        "paper-b-a",
        "paper's design (a): Laplace f0, eta* = -e1, nu* = nu0 = 0.001, d = 8",
        "laplace",
        along(a=np.zeros(8)),
        _DISTINGUISHABLE,
        start=-1.0,
    ),
    _paper_b(
        "paper-b-b1",
        "paper's design (b)(i): Gaussian f0, eta* = eta0 (1 + n^-1/8), nu* = nu0 = 0.001, d = 8",
        "gaussian",
        _FIRST,
        _MERGING,
        gamma=_EIGHTH,
    ),
    _paper_b(
        "paper-b-b2",
        "paper's design (b)(ii): Gaussian f0, eta* = -e1, nu* = nu0 (1 + n^-1/8), d = 8",
        "gaussian",
        along(nu=0.001),
        _MERGING,
        start=-1.0,
        gamma=_EIGHTH,
    ),
    _paper_b(
        "paper-b-mended",
        "(b)(i) where the theory speaks: beta* = 0 and nu0 = 1, so merging is local, d = 8",
        "gaussian",
        _FIRST,
        _MERGING,
        nu=1.0,
        beta=0.0,
        gamma=_EIGHTH,
    ),
)

VARIANT = contaminated_variant(
    "softmax_contaminated",
    title="Contaminated Gaussian MoE, softmax gate",
    source=PAPER,
    gates=[softmax],
    expert="tanh",
    regimes=_REGIMES,
)
