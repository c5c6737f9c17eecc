"""Where a truth lies among posterior draws: what simulation-based calibration is made of.

If theta is drawn from the prior, y from the model at theta, and draws from the posterior given y,
the rank of q(theta, y) among q(draw, y) is uniform for every function q (Cook, Gelman and Rubin
2006; Talts et al. 2018, arXiv:1804.06788). Functions of theta alone do not see an engine that
ignores the data; the log-likelihood does (Modrak et al. 2023, doi:10.1214/23-BA1404).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.lazy import xr
from bayes_cmoe.study.targets import targets_of

__all__ = ["Quantities", "effective_draws", "placed", "thinned"]

LOGLIK = "log-likelihood"
MOMENT = "share x distance"


@dataclass(frozen=True, eq=False)
class Quantities:
    """The functions of a model's parameters and data whose ranks are looked at.

    Every entry of theta; the log-likelihood; and the sum over prompts of the share times the
    distance from where the prompt merges, which the data tell when nothing else is identified. Of
    several prompts all are taken in the order of their shares, the largest first: a fixed function
    of the mixture, whatever order an engine gives them. An order that looks at the truth would not
    do, since ranks are uniform for functions of theta and y alone.

    Parameters
    ----------
    posterior : Posterior
        Of a model of the suite.
    center : mapping of str to array
        Where the prompt's parameters merge to; those that it lacks have no part in the distance.
    """

    posterior: Posterior
    center: Mapping[str, ArrayLike]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quantities."""
        return (*self.posterior.layout.labels, LOGLIK, MOMENT)

    def of(self, theta: NDArray, rows: Rows) -> NDArray:
        """Their values, shape (draw, quantity), at theta, shape (draw, parameter)."""
        labels = labels_of(self.posterior)
        own = theta if labels is None else labels.sorted(theta)
        loglik = [self.posterior.likelihood.value(point, rows) for point in own]
        return np.column_stack([own, loglik, self._moment(own)])

    def _moment(self, theta: NDArray) -> NDArray:
        targets = targets_of(self.posterior.model, self.posterior.layout)
        mixture, named = targets.mixture, self.posterior.layout.unravel(theta)
        if not mixture.frozen:
            raise InputError(
                "ranks are of the displacement from a frozen expert, and the model has none: give "
                "a contaminated mixture"
            )
        shape = (len(theta), mixture.prompts, -1)
        apart = [
            (named[name] - np.asarray(self.center[name], dtype=float)).reshape(shape)
            for name in targets.expert_names
            if name in self.center
        ]
        share = mixture.gate.share
        shares = np.asarray(share.value(named[share.parameter])).reshape(shape)[..., 0]
        # An expert of another form may have no place to merge to: then the shares alone.
        distances = np.linalg.norm(np.concatenate(apart, axis=-1), axis=-1) if apart else 1.0
        return np.sum(shares * distances, axis=-1)


def thinned(tree: xr.DataTree, layout: Layout, count: int) -> NDArray:
    """Draws of a fit at even distances over all chains, shape (count, parameter).

    Parameters
    ----------
    tree : DataTree
        With the group ``posterior`` (chain, draw, ...).
    layout : Layout
    count : int
    """
    posterior = tree["posterior"]
    total = posterior.sizes["chain"] * posterior.sizes["draw"]
    draws = np.column_stack(
        [
            posterior[name].transpose("chain", "draw", ...).to_numpy().reshape(total, -1)
            for name in layout.names
        ]
    )
    # The middles of equal parts: the first draws of the first chain have no special place.
    return draws[((np.arange(count) + 0.5) * total / count).astype(int)]


def effective_draws(tree: xr.DataTree) -> float:
    """The least effective number of draws over all parameters."""
    import arviz as az

    found = az.ess(tree["posterior"].to_dataset())
    return float(min(value.min() for value in found.data_vars.values()))


def placed(truth: NDArray, draws: NDArray, rng: Generator) -> NDArray:
    """The share of draws below the truth, uniform on (0, 1) when the truth is one draw more.

    (rank + v) / (L + 1) with v uniform on (0, 1), ties parted at random.

    Parameters
    ----------
    truth : array, shape (quantity,)
    draws : array, shape (L, quantity)
    rng : Generator

    Returns
    -------
    array, shape (quantity,)

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> found = placed(np.array([2.5]), np.array([[1.0], [2.0], [3.0]]), rng)
    >>> 0.5 <= found.item() < 0.75
    True
    """
    below = np.sum(draws < truth, axis=0)
    level = np.sum(draws == truth, axis=0)
    # The truth and its ties may stand in any order among themselves.
    return (below + rng.random(len(truth)) * (1.0 + level)) / (len(draws) + 1.0)
