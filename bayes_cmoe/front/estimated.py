"""A setting's point estimate or posterior, with what it is written on it."""

from __future__ import annotations

import time
import warnings

import pymc as pm
import xarray as xr

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import choose
from bayes_cmoe.estimate.chosen import fit_by
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.front.setting import Setting
from bayes_cmoe.parts.priors import Prior

__all__ = ["METHODS", "estimated"]

METHODS = ("map", "nuts", "nested")


def estimated(
    setting: Setting,
    model: pm.Model,
    prior: Prior,
    *,
    method: str = "map",
    seed: int = 0,
    starts: int = 256,
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    log_likelihood: bool = False,
) -> xr.DataTree:
    """Fit a setting, and write on the fit what it is of.

    Parameters
    ----------
    setting : Setting
    model : pm.Model
        The setting's, under `prior`.
    prior : {"weak", "flat"} or mapping
    method : {"map", "nuts", "nested"}
        Where nested Laplace is not to be trusted NUTS takes its place, and a warning says so.
    seed, starts : int
        Of the search for the maximum, which every method begins with.
    draws, tune, chains : int
        Of a posterior; nested Laplace has no use for `tune`.
    log_likelihood : bool
        Keep the log-likelihood of each row at each draw, and the log prior.

    Returns
    -------
    xarray.DataTree
    """
    choose("method", method, METHODS)
    begun = time.perf_counter()
    posterior = Posterior(model)
    tree = fit_map(model, starts=starts, seed=seed, posterior=posterior)
    if method != "map":
        point = tree
        tree = fit_by(
            method, model, draws=draws, tune=tune, chains=chains, seed=seed, start=point,
            posterior=posterior, log_likelihood=log_likelihood,
        )  # fmt: skip
        tree["standard_error"] = point["standard_error"].copy()
        if tree.attrs["engine"] != method:
            warnings.warn(
                f"nested Laplace is not to be trusted (k-hat {tree.attrs['khat']:.2f}): "
                "NUTS instead",
                stacklevel=2,
            )
    parts = setting.parts
    tree.attrs |= {
        "variant": setting.variant.name,
        "expert": parts.expert.name,
        "gate": parts.gate.name,
        "prompts": parts.prompts,
        "family": setting.variant.family.name,
        "frozen": setting.frozen.description,
        "prior": prior if isinstance(prior, str) else f"weak and {', '.join(prior)} given",
        "method": tree.attrs.get("engine", "map"),
        "seed": seed,
        "seconds": time.perf_counter() - begun,
    }
    return tree
