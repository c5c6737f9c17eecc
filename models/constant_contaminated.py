"""Contaminated mixture of experts with a constant gate (Yan et al. 2024, arXiv:2410.12258).

    p(y|x) = (1 - lam) f0(y|x) + lam N(y | h(x; eta), nu),   0 < lam < 1,  nu a variance

What the data tell easily are the moments lam Delta and lam Delta² of the departure Delta of the
prompt from the frozen expert. With a distinguishable frozen expert Delta stays away from zero; with
a Gaussian f0 of the prompt's own form it may merge, and lam and eta inherit slower rates.
"""

from __future__ import annotations

from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bayes_cmoe.parts.frozen import Frozen, frozen_expert
from bayes_cmoe.parts.gates import constant
from bayes_cmoe.study.contaminated import contaminated_variant
from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.regime import Path, Regime, Shift, along

__all__ = ["VARIANT"]

PAPER = "arXiv:2410.12258"
HALF = Fraction(1, 2)
THEOREM = "number of the theorem not known here"


def _published(parameter: str, upper: Exponent, case: str, condition: str = "") -> Rate:
    return Rate(parameter, upper, upper, f"{PAPER}, {case} ({THEOREM})", condition)


_DISTINGUISHABLE = (
    _published("lam", Exponent(-HALF), "distinguishable"),
    _published(
        "expert", Exponent(-HALF, Fraction(1)), "distinguishable", "sqrt(n) lam -> infinity"
    ),
)
_MERGING = (
    _published("lam", Exponent(-HALF, gamma=Fraction(2)), "strongly identifiable expert"),
    _published("expert", Exponent(-HALF, Fraction(1), Fraction(1)), "strongly identifiable expert"),
)


def _linear_rates(order: int) -> tuple[Rate, ...]:
    """Worst-case rates of the linear expert when the loss's weight is Delta^order.

    (‖Da‖² + Db⁴ + Dnu²) err(lam) = n^-1/2 and
    lam (‖Da‖ + Db² + Dnu) (‖err(a)‖ + err(b)² + err(nu)) = n^-1/2.
    """
    source = "own expansion at f0 of the linear Gaussian expert (d²f/db² = 2 df/dnu), no theorem"
    slow = Exponent(-HALF, Fraction(1), Fraction(order))
    root = Exponent(-HALF / 2, HALF, Fraction(order, 2))
    upper = {"lam": Exponent(-HALF, gamma=Fraction(2 * order)), "a": slow, "b": root, "nu": slow}
    return tuple(
        Rate(name, exponent, None, source, mark="derived") for name, exponent in upper.items()
    )


def _degenerate(delta: float) -> dict[str, Any]:
    """Dnu = Db²/3: three moments no longer tell lam from the shift."""
    return {"b": np.asarray(delta), "nu": np.asarray(delta**2 / 3.0)}


_CENTER: dict[str, ArrayLike] = {"a": [1.0], "b": 0.3, "nu": 1.0}
_BOX = MappingProxyType({"lam": (0.0, 1.0), "a": (-5.0, 5.0), "b": (-5.0, 5.0), "nu": (0.05, 10.0)})
_LAPLACE_TANH = frozen_expert("laplace", "tanh", {"a": [1.0], "b": 0.3}, scale=HALF**0.5)
_GAUSSIAN_TANH = frozen_expert("gaussian", "tanh", {"a": [1.0], "b": 0.3}, scale=1.0)
_GAUSSIAN_LINEAR = frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.3}, scale=1.0)
_AWAY = along(a=[-2.0], b=0.2, nu=-0.5)
_ALL_WAYS = along(a=[3**-0.5], b=3**-0.5, nu=3**-0.5)


def _regime(
    name: str,
    summary: str,
    experts: tuple[Frozen, str],
    shift: Shift,
    rates: tuple[Rate, ...],
    *,
    lam: float = 0.5,
    delta: float = 2.0,
    alpha: Fraction = Fraction(0),
    gamma: Fraction = Fraction(0),
) -> Regime:
    frozen, expert = experts
    path = Path({"lam": lam}, _CENTER, shift, delta, alpha, gamma)
    return Regime(
        name, summary, path, constant, expert, frozen, features=1, box=_BOX, published=rates
    )


_DIFFERENT = (_LAPLACE_TANH, "tanh")
_SAME_TANH = (_GAUSSIAN_TANH, "tanh")
_SAME_LINEAR = (_GAUSSIAN_LINEAR, "linear")
_EIGHTH, _SIXTEENTH = Fraction(1, 8), Fraction(1, 16)

_REGIMES = (
    _regime(
        "distinguishable",
        "Laplace f0 with a tanh mean, tanh prompt far from it",
        _DIFFERENT,
        _AWAY,
        _DISTINGUISHABLE,
        delta=1.0,
    ),
    _regime(
        "vanishing",
        "as distinguishable, with a share that vanishes as n^-1/4",
        _DIFFERENT,
        _AWAY,
        _DISTINGUISHABLE,
        delta=1.0,
        alpha=Fraction(1, 4),
    ),
    _regime(
        "merging",
        "Gaussian f0 and prompt of the same tanh form, merging as n^-1/8",
        _SAME_TANH,
        _ALL_WAYS,
        _MERGING,
        gamma=_EIGHTH,
    ),
    _regime(
        "vanishing-merging",
        "as merging, with share n^-1/8 and distance n^-1/16",
        _SAME_TANH,
        _ALL_WAYS,
        _MERGING,
        alpha=_EIGHTH,
        gamma=_SIXTEENTH,
    ),
    _regime(
        "linear-merging-a",
        "Gaussian f0 and prompt of the same linear form, slopes merging as n^-1/8",
        _SAME_LINEAR,
        along(a=[1.0]),
        _linear_rates(1),
        lam=0.3,
        gamma=_EIGHTH,
    ),
    _regime(
        "linear-merging-b",
        "the same, intercepts merging as n^-1/12",
        _SAME_LINEAR,
        along(b=1.0),
        _linear_rates(2),
        lam=0.3,
        gamma=Fraction(1, 12),
    ),
    _regime(
        "linear-merging-nu",
        "the same, variances merging as n^-1/8",
        _SAME_LINEAR,
        along(nu=1.0),
        _linear_rates(1),
        lam=0.3,
        gamma=_EIGHTH,
    ),
    _regime(
        "linear-merging-degenerate",
        "the same, intercept and variance merging with Dnu = Db²/3 as n^-1/16",
        _SAME_LINEAR,
        _degenerate,
        _linear_rates(2),
        lam=0.3,
        gamma=_SIXTEENTH,
    ),
    _regime(
        "linear-vs-tanh",
        "Gaussian f0 with a linear mean, tanh prompt whose parameters approach f0's as n^-1/8",
        (_GAUSSIAN_LINEAR, "tanh"),
        _ALL_WAYS,
        _DISTINGUISHABLE,
        gamma=_EIGHTH,
    ),
)

VARIANT = contaminated_variant(
    "constant_contaminated",
    title="Contaminated Gaussian MoE, constant gate",
    source=PAPER,
    gates=[constant],
    expert="tanh",
    regimes=_REGIMES,
)
