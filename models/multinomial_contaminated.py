"""Contaminated mixture of multinomial logistic experts (Yan et al. 2026, arXiv:2602.00939).

    P(y=k|x) = (1 - pi(x)) P0(y=k|x) + pi(x) softmax_k(h(x; eta), 0),   k = 0..K-1

The last class is the reference, with logit 0. The gate is softmax or constant. The prompt is
homogeneous when it has the frozen expert's own form, and may then merge with it; heterogeneous when
it has another form, and cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

from numpy.typing import ArrayLike

from bayes_cmoe.parts.frozen import frozen_expert
from bayes_cmoe.parts.gates import constant, softmax
from bayes_cmoe.study.contaminated import contaminated_variant
from bayes_cmoe.study.rates import Rate, rates_in_delta
from bayes_cmoe.study.regime import Path, Regime, Shift, along

__all__ = ["VARIANT"]

PAPER = "arXiv:2602.00939"


CLAIM = "claim of the abstract, no theorem; form derived from arXiv:2505.18455"
_HETEROGENEOUS = rates_in_delta(
    f"{PAPER}, heterogeneous ({CLAIM})", "fixed gate", "derived", exp_tau=0, beta=0, expert=0
)
_HOMOGENEOUS = rates_in_delta(
    f"{PAPER}, homogeneous ({CLAIM})",
    "fixed gate",
    "derived",
    exp_tau=2,
    beta=1,
    expert=1,
)

_FROZEN_LINEAR: dict[str, ArrayLike] = {"a": [[1.5, 0.0], [0.0, 1.5]], "b": [0.5, 0.0]}
_BOX = MappingProxyType(
    {
        "lam": (0.0, 1.0),
        "beta": (-10.0, 10.0),
        "tau": (-30.0, 30.0),
        "a": (-10.0, 10.0),
        "b": (-10.0, 10.0),
    }
)
_LINEAR = frozen_expert("multinomial_logistic", "linear", _FROZEN_LINEAR)
_VARYING: dict[str, ArrayLike] = {"beta": [1.0, -1.0], "tau": 0.5}
_LEVEL: dict[str, ArrayLike] = {"beta": [0.0, 0.0], "tau": 0.5}
_AWAY = along(a=[[-3.0, 0.0], [0.0, -3.0]], b=[0.0, 0.5])
_ALL_WAYS = along(a=[[1.0, -1.0], [-1.0, -1.0]], b=[-1.0, 1.0])


def _regime(
    name: str,
    summary: str,
    expert: str,
    gate: Mapping[str, ArrayLike],
    shift: Shift,
    rates: tuple[Rate, ...],
    *,
    delta: float = 2.0,
    alpha: Fraction = Fraction(0),
    gamma: Fraction = Fraction(0),
) -> Regime:
    form = constant if "lam" in gate else softmax
    box = {k: v for k, v in _BOX.items() if k in form.dims or k in ("a", "b")}
    return Regime(
        name,
        summary,
        Path(gate, _FROZEN_LINEAR, shift, delta, alpha, gamma),
        form,
        expert,
        _LINEAR,
        features=2,
        box=MappingProxyType(box),
        classes=3,
        published=rates,
    )


_EIGHTH, _SIXTEENTH, _QUARTER = Fraction(1, 8), Fraction(1, 16), Fraction(1, 4)

_REGIMES = (
    _regime(
        "distinguishable",
        "linear logits on both sides, the prompt far from the frozen expert, varying gate",
        "linear",
        _VARYING,
        _AWAY,
        _HETEROGENEOUS,
        delta=1.0,
    ),
    _regime(
        "vanishing",
        "as distinguishable, with odds exp tau vanishing as n^-1/4 (not the paper's compact set)",
        "linear",
        _VARYING,
        _AWAY,
        (),
        delta=1.0,
        alpha=_QUARTER,
    ),
    _regime(
        "merging",
        "linear logits on both sides, merging as n^-1/8, varying gate",
        "linear",
        _VARYING,
        _ALL_WAYS,
        _HOMOGENEOUS,
        gamma=_EIGHTH,
    ),
    _regime(
        "vanishing-merging",
        "as merging, with odds n^-1/8 (not the paper's compact set) and distance n^-1/16",
        "linear",
        _VARYING,
        _ALL_WAYS,
        (),
        alpha=_EIGHTH,
        gamma=_SIXTEENTH,
    ),
    _regime(
        "heterogeneous",
        "tanh prompt beside a linear f0, its parameters approaching f0's as n^-1/8, level gate",
        "tanh",
        _LEVEL,
        _ALL_WAYS,
        _HETEROGENEOUS,
        gamma=_EIGHTH,
    ),
    _regime(
        "homogeneous-merging",
        "linear prompt beside a linear frozen expert, merging as n^-1/8, level gate",
        "linear",
        _LEVEL,
        _ALL_WAYS,
        _HOMOGENEOUS,
        gamma=_EIGHTH,
    ),
)

VARIANT = contaminated_variant(
    "multinomial_contaminated",
    title="Contaminated mixture of multinomial logistic experts",
    source=PAPER,
    gates=[softmax, constant],
    expert="linear",
    family="multinomial_logistic",
    regimes=_REGIMES,
)
