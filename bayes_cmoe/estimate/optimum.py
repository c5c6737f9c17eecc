"""Where an optimisation ended, and how."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Optimum", "Status"]


class Status(StrEnum):
    """How an optimisation ended: at most what was found.

    ``converged`` a maximum that several starts agree on; ``local`` a maximum near the one start
    that was given; ``unconfirmed`` the best maximum of a search that found it once only, or
    so many others that more are to be expected; ``unidentified`` a maximum
    whose information is singular to rounding, or that leaves a standard error wider than the box;
    ``spike`` a prompt that rests on a handful of rows; ``edge`` an estimate at the box's edge;
    ``stalled`` no maximum: nothing was gained any more, and the gradient is not zero;
    ``non-finite`` and ``failed`` no number.
    """

    CONVERGED = "converged"
    LOCAL = "local"
    UNCONFIRMED = "unconfirmed"
    UNIDENTIFIED = "unidentified"
    SPIKE = "spike"
    EDGE = "edge"
    STALLED = "stalled"
    NON_FINITE = "non-finite"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where an optimisation ended.

    Parameters
    ----------
    w : array, shape (parameter,)
        Working coordinates.
    value : float
        The objective: minus the log posterior density a row.
    gradient_norm : float
        Largest entry of the gradient a row in w, along the directions that the edges leave free.
    status : Status
    iterations : int
    curvature : array, shape (parameter, parameter), optional
        `Objective.natural_hessian` at w, where it was evaluated there: it costs many gradients.
    origin : str
        What kind of start it was reached from, where that is known.
    """

    w: NDArray
    value: float
    gradient_norm: float
    status: Status
    iterations: int
    curvature: NDArray | None = None
    origin: str = ""

    @property
    def cost(self) -> float:
        """The value, infinite where it is no number: what optima are put in order by."""
        return self.value if np.isfinite(self.value) else np.inf
