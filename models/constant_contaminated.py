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

from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.families import gaussian
from bayes_cmoe.parts.frozen import Frozen, frozen_expert
from bayes_cmoe.parts.gates import constant
from bayes_cmoe.parts.mixture import contaminated_model
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.regime import Path, Regime, Shift, along
from bayes_cmoe.study.variant import Variant

__all__ = ["VARIANT", "build"]


def build(
    data: Data, *, frozen: Frozen, expert: str | Expert = "tanh", prior: Prior = "weak"
) -> pm.Model:
    """The PyMC model of the constant-gate contaminated mixture of experts.

    Parameters
    ----------
    data : Data
        Scalar responses.
    frozen : Frozen
        The pre-trained expert.
    expert : str or Expert
        Form of the trainable expert's mean h(x; eta).
    prior : {"flat", "weak"} or mapping
        See `bayes_cmoe.parts.priors.priors_for`.

    Returns
    -------
    pm.Model with the parameters ``lam``, the expert's (``a`` (feature,), ``b``), ``nu`` (variance)
    and the observed ``y`` (obs,).

    Raises
    ------
    InputError
        When the expert or the prior is unknown, or the frozen columns do not fit the data.
    """
    return contaminated_model(
        data, frozen=frozen, gate=constant, expert=expert, prior=prior, prompt=gaussian
    )


PAPER = "arXiv:2410.12258"
HALF = Fraction(1, 2)
BOUNDARY = "sqrt(n) lam Delta^2 -> infinity"


def _published(parameter: str, upper: Exponent, case: str, condition: str) -> Rate:
    return Rate(parameter, upper, upper, f"{PAPER}, {case}", condition)


_DISTINGUISHABLE = (
    _published("lam", Exponent(-HALF), "distinguishable", ""),
    _published(
        "expert", Exponent(-HALF, Fraction(1)), "distinguishable", "sqrt(n) lam -> infinity"
    ),
)
_MERGING = (
    _published("lam", Exponent(-HALF, gamma=Fraction(2)), "strongly identifiable expert", BOUNDARY),
    _published(
        "expert",
        Exponent(-HALF, Fraction(1), Fraction(1)),
        "strongly identifiable expert",
        BOUNDARY,
    ),
)


def _linear_rates(order: int) -> tuple[Rate, ...]:
    """Worst-case rates of the linear expert when the loss's weight is Delta^order.

    (‖Da‖² + Db⁴ + Dnu²) err(lam) = n^-1/2 and
    lam (‖Da‖ + Db² + Dnu) (‖err(a)‖ + err(b)² + err(nu)) = n^-1/2.
    """
    source = "expansion at f0 of the linear Gaussian expert (d²f/db² = 2 df/dnu)"
    slow = Exponent(-HALF, Fraction(1), Fraction(order))
    root = Exponent(-HALF / 2, HALF, Fraction(order, 2))
    upper = {"lam": Exponent(-HALF, gamma=Fraction(2 * order)), "a": slow, "b": root, "nu": slow}
    return tuple(
        Rate(name, exponent, None, source, BOUNDARY, mark="derived")
        for name, exponent in upper.items()
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

VARIANT = Variant(
    name="constant_contaminated",
    title="Contaminated Gaussian MoE, constant gate",
    source=PAPER,
    build=build,
    gates=(constant,),
    regimes={regime.name: regime for regime in _REGIMES},
    family=gaussian,
)
