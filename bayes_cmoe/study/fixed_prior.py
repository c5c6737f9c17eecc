"""Priors fixed beforehand on a reference table: the weak one, and ones where inference is hard.

Simulation-based calibration is exact under any proper prior that is one value, the data's own
scale left out of it. A prior concentrated where the prompt merges or vanishes draws all its truths
there, and the calibration stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.fixed_prior import priors_of
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.parameter import REALS, Parameter, Role
from bayes_cmoe.parts.prior import Box, Weak, spread_out
from bayes_cmoe.parts.priors import OnePrior
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.simulate import simulate
from bayes_cmoe.study.variant import Variant

__all__ = ["KINDS", "fixed_prior"]

REFERENCE = 10_000
"""Rows of the reference table."""
NARROW = 0.5
"""Standard deviation of a gate's parameters about a value; on the log scale of positive ones."""
FEWEST = 0.1
"""Rows that a prompt has on average where there is as good as none."""

Priors = dict[str, OnePrior]


def _around(parameter: Parameter, center: ArrayLike, width: float) -> Box | Weak:
    """A prior concentrated about a value inside the parameter's support."""
    lower, upper = parameter.support
    value = np.asarray(center, dtype=float)
    if np.isfinite(upper):
        return Box(lower, spread_out(np.minimum(lower + 2.0 * (value - lower), upper)))
    kind = "normal" if parameter.support == REALS else "lognormal"
    return Weak(kind, spread_out(value), width)


def _merging(mixture: Mixture, regime: Regime, n: int) -> Priors:
    """The prompt about the point where it merges, as wide as n^-1/4, where it is hard to see."""
    width = regime.path.delta * n**-0.25
    for own in mixture.parameters:
        if own.role is not Role.GATE and own.name not in regime.path.center:
            raise InputError(
                f"regime {regime.name!r} does not say where the expert's {own.name!r} merges to: "
                "choose another kind of prior or another expert"
            )
    return {
        own.name: _around(own, regime.path.center[own.name], width)
        for own in mixture.parameters
        if own.role is not Role.GATE
    }


def _shares(mixture: Mixture, regime: Regime, n: int, share: float) -> Priors:
    """The gate about one that hardly depends on x and whose share is so much of the regime's."""
    gate, path = mixture.gate, regime.path
    alpha = -np.log(share) / np.log(max(n, 2))
    full = np.asarray(path.gate[gate.share.parameter], dtype=float)
    center: Mapping[str, ArrayLike] = {
        **gate.shut,
        gate.share.parameter: gate.share.vanish(full, n, alpha),
    }
    return {
        own.name: _around(own, center[own.name], NARROW)
        for own in mixture.parameters
        if own.role is Role.GATE
    }


def _vanishing(mixture: Mixture, regime: Regime, n: int) -> Priors:
    """About sqrt(n) rows have come from the prompt."""
    return _shares(mixture, regime, n, n**-0.5)


def _no_prompt(mixture: Mixture, regime: Regime, n: int) -> Priors:
    """Hardly a data set has a row from the prompt."""
    return _shares(mixture, regime, n, FEWEST / n)


KINDS: Mapping[str, Callable[[Mixture, Regime, int], Priors]] = {
    "prior": lambda mixture, regime, n: {},
    "merging": _merging,
    "vanishing": _vanishing,
    "no-prompt": _no_prompt,
}
"""What each kind of prior has instead of the weak one, by its name."""


def fixed_prior(
    variant: Variant,
    regime: Regime,
    kind: str,
    n: int,
    seed: int,
    gate: str = "",
    expert: str = "",
) -> Priors:
    """A prior as a value, for calibration at n rows.

    Parameters
    ----------
    variant : Variant
    regime : Regime
        Its truth draws the reference table; its path says where the prompt merges.
    kind : {"prior", "merging", "vanishing", "no-prompt"}
        ``prior`` is the weak prior on the reference table. The others have the prompt about the
        point where it merges, within delta n^-1/4, or the share about n^-1/2 or 0.1/n of the
        regime's.
    n : int
    seed : int
        Of the reference table.
    gate, expert : str
        Names of others than the regime's own; the reference table is the regime's all the same.

    Returns
    -------
    dict of str to Box or Weak

    Raises
    ------
    InputError
        When the kind, the gate or the expert is unknown, or the regime does not say where the
        expert merges.
    """
    own = KINDS[choose("kind of prior", kind, KINDS)]
    reference = simulate(variant, regime, REFERENCE, seed)
    altered = variant.altered(regime, gate, expert)
    model = variant.model(altered, reference, "weak")
    return priors_of(model) | own(variant.mixture(altered), altered, n)
