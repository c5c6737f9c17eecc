"""What an optimiser may do with a gate: hold it level, shut it, open it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.coordinates import Working
from bayes_cmoe.parts.mixture import mixture_of

__all__ = ["Gating", "gating_of"]


@dataclass(frozen=True, eq=False)
class Gating:
    """A gate's entries of the parameter vector and the values they may be set to.

    Parameters
    ----------
    entries : array of bool, shape (parameter,)
    level, shut, opened : array, shape (parameter,)
        Working coordinates; NaN where the entry is not the gate's.
    """

    entries: NDArray
    level: NDArray
    shut: NDArray
    opened: NDArray

    def levelled(self, w: NDArray) -> NDArray:
        """Points, shape (..., parameter), with the gate level."""
        return np.where(self.entries, self.level, w)


def gating_of(posterior: Posterior, working: Working) -> Gating | None:
    """The gate of a model's mixture; None when the model is not one of the suite's."""
    mixture = mixture_of(posterior.model)
    if mixture is None:
        return None
    gate = mixture.gate
    names = np.repeat(posterior.layout.names, posterior.layout.sizes)
    entries = np.isin(names, list(gate.dims))

    def coordinates(values: Mapping[str, float]) -> NDArray:
        theta = np.array([values.get(str(name), 1.0) for name in names])
        return np.where(entries, working.working(theta), np.nan)

    return Gating(entries, *map(coordinates, (gate.level, gate.shut, gate.opened)))
