"""A regime's losses: its own, whose terms each fall as n^-1/2 on the path, and further ones."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.experts import expert_named
from bayes_cmoe.study.rates import Rate
from bayes_cmoe.study.regime import Regime, Truth

__all__ = ["LOSS", "SHIFT", "loss_names", "losses_at", "merging_distance", "published_loss"]

LOSS = "loss"
"""The name of a regime's own."""


SHIFT = "shift"
"""Under what the errors of all targets have the measured vector's difference itself."""


def loss_names(regime: Regime) -> tuple[str, ...]:
    """The names of a regime's losses, its own first."""
    return (LOSS, *regime.further)


def losses_at(regime: Regime, truth: Truth) -> Callable[[Mapping[str, NDArray]], NDArray]:
    """The regime's losses, (..., loss), as a function of the targets' errors, at one truth.

    Losses that the regime declares itself are functions of the parameters: the errors have to hold
    their difference from the truth, first in the measured vector's, as `SHIFT`.
    """
    if regime.loss is None:
        share, distance = regime.share(truth), merging_distance(truth, regime.path.center)
        return lambda errors: published_loss(errors, regime.published, share, distance)[..., None]
    declared, measure = (regime.loss, *regime.further.values()), regime.own_experts(truth)

    def losses(errors: Mapping[str, NDArray]) -> NDArray:
        named = _moved(regime, truth, errors[SHIFT])
        return np.stack([own(named, measure) for own in declared], axis=-1)

    return losses


def _moved(regime: Regime, truth: Truth, shift: NDArray) -> Truth:
    """The named parameters at a difference from the truth, any axes in front."""
    named = [*regime.gate.dims, *expert_named(regime.expert).dims]
    names = [*named, *(name for name in truth if name not in named)]
    moved, place = {}, 0
    for name in names:
        size = truth[name].size
        away = shift[..., place : place + size].reshape(*shift.shape[:-1], *truth[name].shape)
        moved[name] = truth[name] + away
        place += size
    return moved


def merging_distance(truth: Mapping[str, NDArray], center: Mapping[str, ArrayLike]) -> float:
    """‖Delta*‖, the distance of the expert's true parameters from where they merge to."""
    squares = [np.sum((truth[name] - np.asarray(place)) ** 2) for name, place in center.items()]
    return float(np.sqrt(np.sum(squares)))


def published_loss(
    errors: Mapping[str, ArrayLike], rates: Sequence[Rate], share: float, distance: float
) -> NDArray:
    """The variant's loss: one term for each published rate, weighted so that it is n^-1/2.

        loss = sum over rates of (share^A distance^G |error|)^(1 / 2c)

    for a published error n^(-c + A alpha + G gamma) at share ~ n^-alpha, distance ~ n^-gamma. For
    the constant gate and a strongly identifiable expert this is
    ‖Delta*‖² |lam - lam*| + lam* ‖Delta*‖ ‖(eta, nu) - (eta*, nu*)‖; a rate that is the square root
    of another (the linear expert's intercept, c = 1/4) enters squared.

    Parameters
    ----------
    errors : mapping of str to array, shape (...)
        Error of each target.
    rates : sequence of Rate
        The regime's published rates.
    share : float
        lambda*, or exp tau*.
    distance : float
        ‖Delta*‖.

    Returns
    -------
    array, shape (...); NaN when nothing is published for the regime.

    Raises
    ------
    InputError
        When a rate names a target that has no error.

    References
    ----------
    Yan et al. (2024), arXiv:2410.12258; (2025), arXiv:2505.18455.

    Examples
    --------
    >>> from bayes_cmoe.study.variant import variant_named
    >>> rates = variant_named("constant_contaminated").regime("merging").published
    >>> loss = published_loss({"lam": -0.1, "expert": 0.2}, rates, share=0.5, distance=2.0)
    >>> round(float(loss), 12)
    0.6
    """
    if not rates:
        return np.full(np.shape(next(iter(errors.values()))), np.nan)
    total: NDArray = np.zeros(())
    for rate in rates:
        if rate.parameter not in errors:
            raise InputError(
                f"a rate is published for {rate.parameter!r}, which is no target here: "
                f"name one of {', '.join(errors)}"
            )
        upper = rate.upper
        weight = share ** float(upper.alpha) * distance ** float(upper.gamma)
        power = -0.5 / float(upper.constant)
        total = total + (weight * np.abs(np.asarray(errors[rate.parameter]))) ** power
    return total
