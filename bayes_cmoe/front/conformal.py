"""Split conformal prediction: intervals and sets that hold, whatever the model is worth.

On m rows that were not fitted to, a score says how far each response lies outside of what was
predicted. The k-th smallest score, k = ceil((m + 1) level), moves the ends of the intervals, or
says how improbable a class may be: a new response lies inside with probability at least `level`,
and at most level + 1 / (m + 1) where scores have no ties, as long as rows are exchangeable. Nothing
need be identified for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError

__all__ = ["Quantile", "conformal_quantile"]

ROUNDING = 1e-9


@dataclass(frozen=True)
class Quantile:
    """The score that a share `level` of new responses does not exceed.

    Parameters
    ----------
    score : float
        Of numbers by how much ends move outwards, in units of y; of classes one minus the least
        probability that a class of the set has.
    level : float
    rows : int
        On how many it was found.
    """

    score: float
    level: float
    rows: int

    def applied(self, found: xr.Dataset) -> xr.Dataset:
        """Predictions with ``conformal_lower`` and ``conformal_upper``, or ``conformal_set``."""
        if "probability" in found:
            inside = 1.0 - found["probability"] <= self.score
            return found.assign(conformal_set=inside).assign_attrs(conformal_rows=self.rows)
        # An interval that shrinks by more than half its width is its middle.
        middle = (found["lower"] + found["upper"]) / 2.0
        lower = np.minimum(found["lower"] - self.score, middle)
        upper = np.maximum(found["upper"] + self.score, middle)
        return found.assign(conformal_lower=lower, conformal_upper=upper).assign_attrs(
            conformal_rows=self.rows
        )


def conformal_quantile(found: xr.Dataset, response: NDArray, level: float) -> Quantile:
    """The quantile of the scores of rows that were not fitted to.

    Parameters
    ----------
    found : Dataset
        Predictions at these rows: ``lower`` and ``upper``, or ``probability`` (obs, class).
    response : array, shape (n,)
        Numbers, or codes of classes.
    level : float

    Raises
    ------
    InputError
        When there are too few rows for that level, or the predictions have no intervals.

    Examples
    --------
    >>> found = xr.Dataset({"lower": ("obs", np.zeros(99)), "upper": ("obs", np.ones(99))})
    >>> round(conformal_quantile(found, np.linspace(0.0, 2.0, 99), 0.9).score, 2)
    0.82
    """
    if "probability" in found:
        own = found["probability"].to_numpy()[np.arange(len(response)), response.astype(int)]
        scores = 1.0 - own
    elif "lower" in found:
        lower, upper = found["lower"].to_numpy(), found["upper"].to_numpy()
        scores = np.maximum(lower - response, response - upper)
    else:
        raise InputError("f0 is known by its log-densities only, which give no interval to move")
    # Ten times 0.7 is a little more than seven in 64 bits.
    rank = math.ceil((len(scores) + 1) * level - ROUNDING)
    if rank > len(scores):
        needed = math.ceil(level / (1.0 - level) - ROUNDING)
        raise InputError(
            f"{len(scores)} rows to calibrate on are too few for the level {level:g}: give "
            f"{needed} at least"
        )
    return Quantile(float(np.sort(scores)[rank - 1]), level, len(scores))
