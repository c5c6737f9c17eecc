"""Several prompts beside the frozen expert, softmax gate.

    p(y|x) = pi_0(x) f0(y|x) + sum_j pi_j(x) N(y | h(x; eta_j), nu_j),   j = 1..k
    pi_j(x) = exp(beta_j'x + tau_j) / (1 + sum_l exp(beta_l'x + tau_l)),   pi_0(x) the rest

The frozen expert's score is zero, so (beta, tau) have no common translation; its cell has one atom,
so they have no tilt either. What is left is the order of the prompts, which the data cannot tell:
errors are taken after relabelling to the truth, fits are sorted by tau, the largest first.

With k = 1 this is the softmax gate of arXiv:2505.18455. No rate is published for k > 1 and this
gate: the deviated mixtures of arXiv:2402.05220 have several prompts under a constant gate. So the
regimes here state none, and a measured slope has the information bound's beside it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.families import gaussian
from bayes_cmoe.parts.frozen import Frozen, frozen_expert
from bayes_cmoe.parts.gates import softmax
from bayes_cmoe.parts.mixture import contaminated_model
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.regime import Path, Regime, Shift, along
from bayes_cmoe.study.variant import Variant

__all__ = ["VARIANT", "build"]


def build(
    data: Data,
    *,
    frozen: Frozen,
    expert: str | Expert = "tanh",
    prior: Prior = "weak",
    prompts: int = 2,
) -> pm.Model:
    """The PyMC model of several prompts beside the frozen expert, softmax gate.

    Parameters
    ----------
    data : Data
        Scalar responses.
    frozen : Frozen
        The pre-trained expert.
    expert : str or Expert
        Form of every prompt's mean h(x; eta).
    prior : {"flat", "weak"} or mapping
        See `bayes_cmoe.parts.priors.priors_for`; the same for every prompt.
    prompts : int
        How many there are.

    Returns
    -------
    pm.Model with the parameters ``beta`` (prompt, feature), ``tau`` (prompt,), the expert's (``a``
    (prompt, feature), ``b`` (prompt,)), ``nu`` (prompt,) and the observed ``y`` (obs,); with one
    prompt they have no dim ``prompt``.

    Raises
    ------
    InputError
        When the expert or the prior is unknown, there is no whole number of prompts, or the frozen
        columns do not fit the data.
    """
    return contaminated_model(
        data,
        frozen=frozen,
        gate=softmax,
        expert=expert,
        prior=prior,
        prompt=gaussian,
        prompts=prompts,
    )


_BOX = MappingProxyType(
    {"beta": (-10.0, 10.0), "tau": (-30.0, 30.0), "a": (-5.0, 5.0), "nu": (0.05, 10.0)}
)
_PLACE = np.array([1.0, 0.5])
_LAPLACE = frozen_expert("laplace", "tanh-nobias", {"a": _PLACE}, scale=0.5**0.5)
_GAUSSIAN = frozen_expert("gaussian", "tanh-nobias", {"a": _PLACE}, scale=1.0)
_VARYING: dict[str, ArrayLike] = {"beta": [[0.8, -0.5], [-0.5, -0.8]], "tau": [0.5, 0.0]}
_LEVEL: dict[str, ArrayLike] = {"beta": [[0.0, 0.0], [0.0, 0.0]], "tau": [0.0, 0.0]}
_FAR = np.array([-2.0, 1.5])
_WAY = 3**-0.5


def _regime(
    name: str,
    summary: str,
    frozen: Frozen,
    gate: Mapping[str, ArrayLike],
    center: Mapping[str, ArrayLike],
    shift: Shift,
    *,
    delta: float = 2.0,
    gamma: Fraction = Fraction(0),
) -> Regime:
    return Regime(
        name,
        summary,
        Path(gate, center, shift, delta, gamma=gamma),
        softmax,
        "tanh-nobias",
        frozen,
        features=2,
        box=_BOX,
        options=MappingProxyType({"prompts": 2}),
    )


_REGIMES = (
    _regime(
        "distinguishable",
        "Laplace f0 with a tanh mean, two tanh prompts far from it and from one another",
        _LAPLACE,
        _VARYING,
        {"a": [_PLACE, _PLACE], "nu": [1.0, 1.0]},
        along(a=[[-2.5, 0.5], [-0.5, -2.5]], nu=[-0.75, -0.5]),
        delta=1.0,
    ),
    _regime(
        "merging",
        "Gaussian f0 and prompts of its tanh form, one merging with it as n^-1/8, one away",
        _GAUSSIAN,
        _LEVEL,
        {"a": [_PLACE, _FAR], "nu": [1.0, 0.25]},
        along(a=[[_WAY, _WAY], [0.0, 0.0]], nu=[_WAY, 0.0]),
        gamma=Fraction(1, 8),
    ),
    _regime(
        "merging-together",
        "Laplace f0, two prompts far from it that merge with one another as n^-1/16, level gate",
        _LAPLACE,
        _LEVEL,
        {"a": [_FAR, _FAR], "nu": [1.0, 1.0]},
        along(a=[[_WAY, _WAY], [-_WAY, -_WAY]], nu=[0.5 * _WAY, -0.5 * _WAY]),
        gamma=Fraction(1, 16),
    ),
)

VARIANT = Variant(
    name="softmax_several_prompts",
    title="Several Gaussian prompts beside the frozen expert, softmax gate",
    source="arXiv:2505.18455 with several prompts",
    build=build,
    gates=(softmax,),
    regimes={regime.name: regime for regime in _REGIMES},
    family=gaussian,
)
