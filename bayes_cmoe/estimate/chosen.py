"""The posterior by the engine that is asked for, or by NUTS where that is not to be trusted."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from bayes_cmoe.errors import choose
from bayes_cmoe.lazy import pm, xr

if TYPE_CHECKING:
    from bayes_cmoe.compiled.posterior import Posterior

__all__ = ["CHOICES", "fit_by"]

CHOICES = ("nuts", "nested")


def fit_by(
    engine: str,
    model: pm.Model,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    start: xr.DataTree | None,
    posterior: Posterior,
    cores: int | None = None,
    checked: bool = True,
    log_likelihood: bool = False,
) -> xr.DataTree:
    """Draw from a model's posterior by an engine, and by NUTS where that does not trust itself.

    Parameters
    ----------
    engine : {"nuts", "nested"}
        NUTS has nothing to fall back on: it warns.
    model : pm.Model
    draws, tune, chains, seed, start, posterior, cores, checked, log_likelihood
        As of `fit_nuts`; of these nested Laplace needs no `tune`, `cores` and `checked`.

    Returns
    -------
    xarray.DataTree
        As of the engine that made it, which ``attrs["engine"]`` names. Where nested Laplace was
        asked for, ``attrs["khat"]`` is that of its weights, whichever engine made the draws.

    Raises
    ------
    InputError
        When there is no such engine.

    Warns
    -----
    SamplingWarning
        As the engine that made the draws.
    """
    from bayes_cmoe.estimate.diagnostics import SamplingWarning
    from bayes_cmoe.estimate.nested import fit_nested
    from bayes_cmoe.estimate.nuts import fit_nuts

    choose("engine", engine, CHOICES)
    common: dict[str, Any] = {
        "draws": draws, "chains": chains, "seed": seed, "start": start, "posterior": posterior,
        "log_likelihood": log_likelihood,
    }  # fmt: skip
    if engine == "nuts":
        return fit_nuts(model, **common, tune=tune, cores=cores, checked=checked)
    with warnings.catch_warnings():
        # It warns that NUTS is to be used, which is what comes next.
        warnings.simplefilter("ignore", SamplingWarning)
        tree = fit_nested(model, **common)
    if tree.attrs["trusted"]:
        return tree
    other = fit_nuts(model, **common, tune=tune, cores=cores, checked=checked)
    other.attrs["khat"] = tree.attrs["khat"]
    return other
