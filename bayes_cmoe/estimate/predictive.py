"""Draws from the prior, and responses drawn from the model: its own sampler, compiled once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pymc as pm
import xarray as xr
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.attributes import described, stamped
from bayes_cmoe.estimate.result import data_groups, parameter_dataset
from bayes_cmoe.parts.arrays import evenly_spread
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.pymc_names import takes_pymc_names
from bayes_cmoe.parts.rebuilt import with_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["posterior_predictive", "prior_predictive"]


@takes_pymc_names
def prior_predictive(model: pm.Model, *, draws: int = 500, seed: int = 0) -> xr.DataTree:
    """Parameters drawn from a model's prior, and a response drawn at each of them.

    Parameters
    ----------
    model : pm.Model
        Any model of the suite. `pm.sample_prior_predictive` takes it as well.
    draws : int
    seed : int

    Returns
    -------
    xarray.DataTree
        ``prior`` (chain, draw, ...), ``prior_predictive`` (chain, draw, obs), ``observed_data``,
        ``constant_data``: ready for `az.plot_ppc_dist` and `az.plot_prior_posterior`.

    Raises
    ------
    InputError
        When there is no draw to be made, or the frozen expert is given by its log-densities only.

    Examples
    --------
    >>> from bayes_cmoe import Data, frozen_predictions, prior_predictive, variant_named
    >>> f0 = frozen_predictions("gaussian", mean=[0.0, 1.0], scale=1.0)
    >>> data = Data(x=[0.0, 1.0], y=[0.1, 0.9])
    >>> tree = prior_predictive(variant_named("constant_contaminated").build(data, frozen=f0))
    >>> tree["prior_predictive"]["y"].shape
    (1, 500, 2)
    """
    if draws < 1:
        raise InputError(f"{draws} draws: give one at least")
    layout = layout_of(model)
    seeds = np.random.SeedSequence(seed).spawn(2)
    first = int(seeds[0].generate_state(1)[0])
    drawn = dict(zip(layout.names, pm.draw(model.free_RVs, draws, random_seed=first), strict=True))
    theta = layout.vectors(drawn)[None]
    groups = {
        "prior": _parameters(layout, theta),
        "prior_predictive": _responses(
            model, theta, columns_of(model), np.random.default_rng(seeds[1])
        ),
        **data_groups(model),
    }
    return stamped(described(groups, model))


@takes_pymc_names
def posterior_predictive(
    model: pm.Model,
    tree: xr.DataTree,
    new: Data | ArrayLike | pd.DataFrame | None = None,
    *,
    frozen: Frozen | None = None,
    draws: int | None = None,
    seed: int = 0,
) -> xr.DataTree:
    """A response drawn at each draw of a posterior: at the model's own rows, or at new ones.

    Parameters
    ----------
    model : pm.Model
        Any model of the suite. `pm.sample_posterior_predictive` takes it as well.
    tree : DataTree
        Of any fit; after `fit_map` every draw is at the point estimate.
    new, frozen : optional
        New rows and the frozen expert there, as for `with_rows`.
    draws : int, optional
        Draws of each chain, evenly spaced; all by default.
    seed : int

    Returns
    -------
    xarray.DataTree
        ``posterior_predictive`` (chain, draw, obs), ``observed_data`` and ``constant_data``; at new
        rows ``predictions`` and ``predictions_constant_data``.

    Raises
    ------
    InputError
        When the tree has no posterior, the new rows do not fit, or the frozen expert is given by
        its log-densities only.
    """
    if "posterior" not in tree.children:
        raise InputError("the tree has no group 'posterior': fit the model first")
    at = model if new is None else with_rows(model, new, frozen=frozen)
    posterior = tree["posterior"].to_dataset()
    if draws is not None:
        if not 1 <= draws <= posterior.sizes["draw"]:
            raise InputError(f"{draws} draws: give a number from 1 to {posterior.sizes['draw']}")
        posterior = posterior.isel(draw=evenly_spread(posterior.sizes["draw"], draws))
    theta = layout_of(at).vectors(posterior.transpose("chain", "draw", ...))
    drawn = _responses(at, theta, columns_of(at), np.random.default_rng(seed))
    groups = data_groups(at)
    if new is None:
        return stamped({"posterior_predictive": drawn, **groups})
    return stamped({"predictions": drawn, "predictions_constant_data": groups["constant_data"]})


def _drawn(shape: tuple[int, ...]) -> dict[str, NDArray]:
    return {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}


def _parameters(layout: Layout, theta: NDArray) -> xr.Dataset:
    return parameter_dataset(layout, theta, _drawn(theta.shape))


def _responses(
    model: pm.Model, theta: NDArray, columns: Mapping[str, NDArray], rng: Generator
) -> xr.Dataset:
    """A response at each draw of the parameters, shape (chain, draw, parameter), and each row."""
    (response,) = model.observed_RVs
    simulator = Simulator(model)
    flat = theta.reshape(-1, theta.shape[-1])
    drawn = np.array([simulator.draw(own, columns, rng) for own in flat])
    coords = {**_drawn(theta.shape), "obs": np.arange(drawn.shape[1])}
    shaped = drawn.reshape((*theta.shape[:2], -1))
    return xr.Dataset({response.name: (("chain", "draw", "obs"), shaped)}, coords=coords)
