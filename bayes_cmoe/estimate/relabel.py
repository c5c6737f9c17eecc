"""The order of exchangeable experts: a mixture is the same in all, errors and summaries are not.

They are the prompts beside a frozen expert, or all of a mixture without one; in such a one the
scores of the gate are compared less their mean, which no common translation changes. Points are
given the order in which their prompts lie nearest to those of a reference, by the
assignment of least summed squared distance (Kuhn 1955, by `scipy.optimize.linear_sum_assignment`).
Distances are taken in working coordinates (variances on the log scale) in units of the prior's
range, the same for every data set, estimate and draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.coordinates import working_coordinates
from bayes_cmoe.estimate.region import prior_region
from bayes_cmoe.parts.mixture import Mixture, mixture_of
from bayes_cmoe.parts.parameter import Role

__all__ = ["Labels", "labels_of"]


@dataclass(frozen=True, eq=False)
class Labels:
    """How the prompts of a model may change places.

    Parameters
    ----------
    mixture : Mixture
        With several prompts.
    layout : Layout
    logged : frozenset of str
        Parameters that are compared on the log scale.
    scale : mapping of str to array
        Unit of each parameter there, the same for every prompt.
    """

    mixture: Mixture
    layout: Layout
    logged: frozenset[str]
    scale: Mapping[str, NDArray]

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

        Without a frozen expert no share is the experts' own: they are in the order of their
        functions' parameters, the intercept first, the smallest first.

        Parameters
        ----------
        theta : array, shape (..., parameter)
        """
        points = np.asarray(theta, dtype=float)
        flat = points.reshape(-1, points.shape[-1])
        atoms = self._atoms(flat)
        if self.mixture.frozen:
            keys = -atoms[self.mixture.gate.share.parameter][..., None]
        else:
            shape = (len(flat), self.mixture.prompts, -1)
            own = sorted(self.mixture.names(Role.LOCATION), key=lambda name: atoms[name].ndim)
            keys = np.concatenate([atoms[name].reshape(shape) for name in own], axis=-1)
        # The last key of `lexsort` is the first that counts.
        order = np.array([np.lexsort(one.T[::-1]) for one in keys], dtype=int)
        return self.reordered(flat, order).reshape(points.shape)

    def coordinates(self, theta: NDArray) -> NDArray:
        """What distances are taken of, shape (point, prompt, entry), for (point, parameter)."""
        shape, compared = (len(theta), self.mixture.prompts, -1), []
        for name, value in self._atoms(theta).items():
            with np.errstate(divide="ignore", invalid="ignore"):
                own = np.log(value) if name in self.logged else value
            compared.append((own / self.scale[name]).reshape(shape))
        return np.concatenate(compared, axis=-1)

    def reordered(self, theta: NDArray, order: NDArray) -> NDArray:
        """Points, (point, parameter), whose prompt j is the one that was order[:, j]."""
        moved = {
            name: np.take_along_axis(
                value, order.reshape(*order.shape, *[1] * (value.ndim - 2)), axis=1
            )
            for name, value in self._atoms(theta).items()
        }
        # An order that is kept leaves every bit as it was.
        kept = np.all(order == np.arange(order.shape[1]), axis=1)
        return np.where(kept[:, None], theta, self.layout.vectors(self.mixture.stuck(moved)))

    def _atoms(self, theta: NDArray) -> dict[str, NDArray]:
        """Each of shape (point, prompt, ...)."""
        return self.mixture.atoms(self.layout.unravel(theta))


def labels_of(posterior: Posterior) -> Labels | None:
    """How a model's prompts may change places; None when it has one, or is not of the suite."""
    mixture = mixture_of(posterior.model)
    if mixture is None or mixture.prompts == 1:
        return None
    working = working_coordinates(posterior.lower, posterior.upper)
    layout = posterior.layout
    logged = {name for name in layout.names if working.logged[layout.slices[name]].all()}
    lower, _, upper = prior_region(posterior, working)
    width = upper - lower
    named = layout.unravel(np.where((width > 0) & np.isfinite(width), width, 1.0))
    # The same unit for an entry of every prompt: its mean over them.
    scale = {name: value.mean(axis=0) for name, value in named.items()}
    return Labels(mixture, layout, frozenset(logged), scale)
