"""The order of exchangeable prompts: a mixture is the same in all, errors and summaries are not.

Points are given the order in which their prompts lie nearest to those of a reference, by the
assignment of least summed squared distance (Kuhn 1955, by `scipy.optimize.linear_sum_assignment`).
Distances are taken in working coordinates (variances on the log scale) in units of the prior's
range, the same for every data set, estimate and draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.coordinates import working_coordinates
from bayes_cmoe.estimate.region import prior_region
from bayes_cmoe.parts.mixture import Mixture, mixture_of

__all__ = ["Labels", "labels_of"]


@dataclass(frozen=True, eq=False)
class Labels:
    """How the prompts of a model may change places.

    Parameters
    ----------
    mixture : Mixture
        With several prompts.
    layout : Layout
    logged : array of bool, shape (parameter,)
        Entries that are compared on the log scale.
    scale : array, shape (parameter,)
        Unit of each entry, there.
    """

    mixture: Mixture
    layout: Layout
    logged: NDArray
    scale: NDArray

    @cached_property
    def share(self) -> slice:
        """The entries that say how large each prompt's share is."""
        return self.layout.slices[self.mixture.gate.share.parameter]

    def matched(self, theta: ArrayLike, reference: ArrayLike) -> NDArray:
        """Points with their prompts in the order of those of a reference.

        Parameters
        ----------
        theta : array, shape (..., parameter)
        reference : array, shape (parameter,)

        Returns
        -------
        array, shape (..., parameter)
        """
        points = np.asarray(theta, dtype=float)
        flat = points.reshape(-1, points.shape[-1])
        here, there = self.coordinates(flat), self.coordinates(np.asarray(reference)[None])[0]
        cost = np.sum((here[:, None, :, :] - there[None, :, None, :]) ** 2, axis=-1)
        cost = np.where(np.isfinite(cost), cost, 1e300)
        order = np.array([linear_sum_assignment(one)[1] for one in cost], dtype=int)
        return self.reordered(flat, order).reshape(points.shape)

    def sorted(self, theta: ArrayLike) -> NDArray:
        """Points with their prompts by share, the largest first (under a softmax gate by tau).

        Parameters
        ----------
        theta : array, shape (..., parameter)
        """
        points = np.asarray(theta, dtype=float)
        flat = points.reshape(-1, points.shape[-1])
        order = np.argsort(-self._atoms(flat)[:, self.share], axis=-1, kind="stable")
        return self.reordered(flat, order).reshape(points.shape)

    def coordinates(self, theta: NDArray) -> NDArray:
        """What distances are taken of, shape (point, prompt, entry), for (point, parameter)."""
        atoms = self._atoms(theta)
        with np.errstate(divide="ignore", invalid="ignore"):
            compared = np.where(self.logged, np.log(atoms), atoms) / self.scale
        named = self.layout.unravel(compared)
        shape = (len(theta), self.mixture.prompts, -1)
        return np.concatenate([value.reshape(shape) for value in named.values()], axis=-1)

    def reordered(self, theta: NDArray, order: NDArray) -> NDArray:
        """Points, (point, parameter), whose prompt j is the one that was order[:, j]."""
        named = self.layout.unravel(self._atoms(theta))
        moved = {
            name: np.take_along_axis(
                value, order.reshape(*order.shape, *[1] * (value.ndim - 2)), axis=1
            )
            for name, value in named.items()
        }
        # An order that is kept leaves every bit as it was.
        kept = np.all(order == np.arange(order.shape[1]), axis=1)
        return np.where(
            kept[:, None], theta, self.layout.vectors(self._with_gate(moved, stuck=True))
        )

    def _atoms(self, theta: NDArray) -> NDArray:
        return self.layout.vectors(self._with_gate(self.layout.unravel(theta), stuck=False))

    def _with_gate(self, named: Mapping[str, NDArray], *, stuck: bool) -> dict[str, NDArray]:
        gate = self.mixture.gate
        own = {name: named[name] for name in gate.dims}
        return {**named, **(gate.stuck(own) if stuck else gate.atoms(own))}


def labels_of(posterior: Posterior) -> Labels | None:
    """How a model's prompts may change places; None when it has one, or is not of the suite."""
    mixture = mixture_of(posterior.model)
    if mixture is None or mixture.prompts == 1:
        return None
    working = working_coordinates(posterior.lower, posterior.upper)
    lower, _, upper = prior_region(posterior, working)
    return Labels(mixture, posterior.layout, working.logged, _shared(posterior, upper - lower))


def _shared(posterior: Posterior, width: NDArray) -> NDArray:
    """The same unit for an entry of every prompt: its mean over them."""
    layout = posterior.layout
    named = layout.unravel(np.where((width > 0) & np.isfinite(width), width, 1.0))
    parts = [np.broadcast_to(value.mean(axis=0), value.shape) for value in named.values()]
    return np.concatenate([part.ravel() for part in parts])
