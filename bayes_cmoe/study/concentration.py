"""How a posterior concentrates at the truth: expected loss, credible ball, coverage, spread."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.study.targets import Targets

__all__ = ["LEVELS", "Concentration", "ball_radius", "concentration", "covers", "expected_loss"]

LEVELS = (0.5, 0.8, 0.9)
"""Levels of the credible intervals whose coverage is recorded."""
MASS = 0.9
"""Posterior mass of the recorded ball."""
METHOD: Final = "weibull"
"""Of M independent draws the k-th lies at k / (M + 1) of the posterior on average: so an interval
holds what it says, where NumPy's default would hold .896 instead of .9 of 400 draws."""


@dataclass(frozen=True, eq=False)
class Concentration:
    """Where a posterior lies about the truth.

    Parameters
    ----------
    mean_error : array, shape (target,)
        Error of the posterior mean, as `bayes_cmoe.study.targets.Targets.distances` states it.
    expected_loss : array, shape (target,)
        Posterior mean of the distance to the truth.
    radius : array, shape (target,)
        The ball about the truth that holds 90 % of the posterior.
    sd : array, shape (target,)
        Posterior standard deviation; for several entries the root of the covariance's trace.
    covered : array, shape (level, target)
        1 where the central interval holds the truth, 0 where not, NaN for several entries.
    """

    mean_error: NDArray
    expected_loss: NDArray
    radius: NDArray
    sd: NDArray
    covered: NDArray


def expected_loss(losses: ArrayLike) -> NDArray:
    """E[d(theta, theta*) | data], the posterior mean of the distance; over the first axis.

    Parameters
    ----------
    losses : array, shape (draw, ...)
        Distances to the truth, signed or not.
    """
    return np.mean(np.abs(losses), axis=0)


def ball_radius(losses: ArrayLike, mass: float = MASS) -> NDArray:
    """Radius of the ball about the truth that holds `mass` of the posterior; over the first axis.

    Examples
    --------
    >>> ball_radius(np.linspace(-1.0, 1.0, 2001), 0.9).round(2)
    np.float64(0.9)
    """
    return np.quantile(np.abs(losses), mass, axis=0, method=METHOD)


def covers(shift: ArrayLike, levels: tuple[float, ...] = LEVELS) -> NDArray:
    """Whether each central credible interval holds the truth.

    Parameters
    ----------
    shift : array, shape (draw, ...)
        Draws minus the truth.
    levels : tuple of float

    Returns
    -------
    array of bool, shape (level, ...)
    """
    tails = np.array([(1.0 - level) / 2.0 for level in levels])
    low, high = np.quantile(np.asarray(shift), [tails, 1.0 - tails], axis=0, method=METHOD)
    return (low <= 0.0) & (high >= 0.0)


def concentration(targets: Targets, shift: ArrayLike) -> Concentration:
    """A posterior's concentration about the truth, for every target.

    Parameters
    ----------
    targets : Targets
    shift : array, shape (draw, measured)
        `bayes_cmoe.study.targets.Targets.differences` of the draws.

    References
    ----------
    Ghosal and van der Vaart (2017), Fundamentals of Nonparametric Bayesian Inference, chapter 8.
    """
    table = np.asarray(shift, dtype=float)
    signed = targets.distances(table)
    variance = table.var(axis=0, ddof=1)
    return Concentration(
        mean_error=targets.distances(table.mean(axis=0)),
        expected_loss=expected_loss(signed),
        radius=ball_radius(signed),
        sd=np.sqrt([variance[list(entries)].sum() for entries in targets.components.values()]),
        covered=np.where(targets.is_scalar, covers(signed), np.nan),
    )
