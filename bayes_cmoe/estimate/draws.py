"""Posterior draws of any engine as one kind of tree."""

from collections.abc import Mapping

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.attributes import LIBRARY, described, stamped
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.result import data_groups, parameter_dataset
from bayes_cmoe.estimate.search import SAME
from bayes_cmoe.parts.arrays import evenly_spread

__all__ = ["draws_tree", "starting_points", "thinned_draws"]

RIVAL = 10.0
"""Optima that are worse than the best by more, in nats, are no modes that matter."""


def thinned_draws(layout: Layout, tree: xr.DataTree, most: int) -> NDArray:
    """Some of a posterior's draws, evenly spread over all chains, shape (draw, parameter)."""
    flat = layout.vectors(tree["posterior"].to_dataset()).reshape(-1, layout.size)
    return flat[evenly_spread(len(flat), most)]


def starting_points(layout: Layout, point: xr.DataTree) -> NDArray:
    """Where a MAP fit found optima, best first, shape (point, parameter), natural scale.

    Parameters
    ----------
    layout : Layout
    point : DataTree
        From `fit_map`; without a group ``starts`` its estimate alone.
    """
    best = layout.vectors(point["point_estimate"])
    if "starts" not in point.children:
        return best[None]
    starts = point["starts"]
    height = starts["logp"].to_numpy()
    table = layout.vectors(starts)
    kept, last = [best], np.nanmax(height, initial=-np.inf)
    lowest = last - RIVAL
    for i in np.argsort(np.where(np.isfinite(height), -height, np.inf), kind="stable"):
        if not height[i] >= lowest:
            break
        if last - height[i] > SAME and np.isfinite(table[i]).all():
            kept.append(table[i])
            last = height[i]
    return np.array(kept)


def draws_tree(
    model: pm.Model,
    posterior: Posterior,
    rows: Rows,
    u: NDArray,
    statistics: Mapping[str, NDArray],
    point: xr.DataTree,
    *,
    log_likelihood: bool,
    library: str = LIBRARY,
) -> xr.DataTree:
    """Draws as ArviZ expects them, with the data and the MAP fit that they began from.

    Parameters
    ----------
    model : pm.Model
    posterior : Posterior
    rows : Rows
    u : array, shape (chain, draw, parameter)
        Unconstrained scale.
    statistics : mapping of str to array, shape (chain, draw)
        For ``sample_stats``.
    point : DataTree
        From `fit_map`.
    log_likelihood : bool
        Whether to add each row's log-likelihood at each draw, and the log prior density of each
        parameter: what `az.psense_summary` takes.
    library : str
        Distribution that drew them.
    """
    layout = posterior.layout
    natural, labels = posterior.natural_many(u), labels_of(posterior)
    if labels is not None:
        # Chains may sit in different orders of the same prompts, and R-hat would see disagreement.
        natural = labels.matched(natural, layout.vectors(point["point_estimate"]))
    sampled = {"chain": np.arange(u.shape[0]), "draw": np.arange(u.shape[1])}
    groups = {
        "posterior": parameter_dataset(layout, natural, sampled),
        "sample_stats": xr.Dataset(
            {name: (("chain", "draw"), value) for name, value in statistics.items()},
            coords=sampled,
        ),
        "point_estimate": point["point_estimate"].to_dataset(),
        "optimizer_result": point["optimizer_result"].to_dataset(),
        **data_groups(model),
    }
    if log_likelihood:
        groups["log_likelihood"] = _log_likelihood(model, posterior, rows, natural)
        groups["log_prior"] = _log_prior(posterior, natural)
    return stamped(described(groups, model), library)


def _log_likelihood(
    model: pm.Model, posterior: Posterior, rows: Rows, theta: NDArray
) -> xr.Dataset:
    """Each row's log-likelihood, under the response's name."""
    (response,) = model.observed_RVs
    flat = theta.reshape(-1, theta.shape[-1])
    logp = np.array([posterior.likelihood.logp(draw, rows) for draw in flat])
    shaped = logp.reshape((*theta.shape[:-1], rows.n))
    coords = {**_drawn(theta), "obs": np.arange(rows.n)}
    return xr.Dataset({response.name: (("chain", "draw", "obs"), shaped)}, coords=coords)


def _log_prior(posterior: Posterior, theta: NDArray) -> xr.Dataset:
    """Each parameter's log prior density, with its dims; several entries' are not summed."""
    layout = posterior.layout
    values = posterior.log_priors(theta)
    return parameter_dataset(layout, values, _drawn(theta))


def _drawn(theta: NDArray) -> dict[str, NDArray]:
    return {"chain": np.arange(theta.shape[0]), "draw": np.arange(theta.shape[1])}
