"""The No-U-Turn sampler, started and scaled from the MAP on the compiled posterior.

nutpie does the sampling; what it samples is z, the unconstrained parameters whitened by the
Hessian at the posterior mode, so that a short warm-up is enough. The gradient comes from the
blocked likelihood, and XLA lets go of Python's lock while it works: chains run in threads.
"""

import os
import time
import warnings

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.private import sampled_by_nutpie
from bayes_cmoe.estimate.diagnostics import SamplingWarning, convergence, remedy
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.result import data_groups, parameter_dataset
from bayes_cmoe.estimate.threads import one_blas_thread

__all__ = ["fit_nuts", "whitening_frame"]

Frame = tuple[NDArray, NDArray]

FLATTEST = 1e-2
"""Smallest curvature that the whitening believes; the unconstrained prior's is of order one."""
STATISTICS = {
    "diverging": "diverging",
    "energy": "energy",
    "logp": "lp",
    "n_steps": "n_steps",
    "depth": "tree_depth",
    "step_size": "step_size",
    "maxdepth_reached": "reached_max_treedepth",
}
"""nutpie's names of the sampler's statistics, and ArviZ's."""


def whitening_frame(posterior: Posterior, rows: Rows, theta: NDArray) -> Frame:
    """Centre and scale at the posterior mode on the unconstrained scale.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    theta : array, shape (parameter,)
        Where to look for the mode from: the MAP estimate, natural scale.

    Returns
    -------
    (center, scale), shapes (parameter,) and (parameter, parameter): u = center + scale z has
    about unit covariance in z.
    """
    margin = 1e-3
    width = posterior.upper - posterior.lower
    inset = np.where(np.isfinite(width), margin * width, 0.0)
    inside = np.clip(theta, posterior.lower + inset, posterior.upper - inset)

    def negative(u: NDArray) -> tuple[float, NDArray]:
        value, gradient = posterior.unconstrained(u, rows)
        return -value, -gradient

    with one_blas_thread():
        found = minimize(
            negative, posterior.unconstrained_from(inside), jac=True, method="L-BFGS-B",
            options={"maxiter": 200},
        )  # fmt: skip
    curvature = -posterior.hessian_unconstrained(found.x, rows)
    eigenvalues, directions = np.linalg.eigh(curvature)
    scale = directions / np.sqrt(np.maximum(np.abs(eigenvalues), FLATTEST))
    return found.x, scale


def _log_likelihood(posterior: Posterior, rows: Rows, theta: NDArray) -> xr.Dataset:
    flat = theta.reshape(-1, theta.shape[-1])
    logp = np.array([posterior.likelihood.logp(draw, rows) for draw in flat])
    shaped = logp.reshape((*theta.shape[:-1], rows.n))
    return xr.Dataset({"y": (("chain", "draw", "obs"), shaped)}, coords={"obs": np.arange(rows.n)})


def fit_nuts(
    model: pm.Model,
    *,
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    seed: int = 0,
    cores: int | None = None,
    target_accept: float = 0.8,
    log_likelihood: bool = False,
    progress: bool = False,
    start: xr.DataTree | None = None,
    posterior: Posterior | None = None,
) -> xr.DataTree:
    """Sample a model's posterior by NUTS.

    Parameters
    ----------
    model : pm.Model
        Any model of the suite, or one that `Likelihood` accepts.
    draws, tune, chains : int
        Kept draws and warm-up draws of each chain; number of chains.
    seed : int
    cores : int, optional
        Chains that run at a time; all processors by default.
    target_accept : float
        Wanted acceptance rate; nearer to one for narrow ridges.
    log_likelihood : bool
        Whether to add the pointwise log-likelihood, for PSIS-LOO: chains x draws x n numbers.
    progress : bool
        Whether to show nutpie's progress bar.
    start : DataTree, optional
        A MAP fit of the same model to start from; made when left out.
    posterior : Posterior, optional
        The model compiled already.

    Returns
    -------
    xarray.DataTree
        ``posterior`` (chain, draw, ...; each draw's prompts in the order nearest to the point
        estimate's, see `bayes_cmoe.estimate.relabel`), ``sample_stats``, ``observed_data``,
        ``constant_data``, the MAP fit's ``point_estimate`` and ``optimizer_result``, on request
        ``log_likelihood``; ``attrs["summary"]`` says in one line how the sampling went.

    Warns
    -----
    SamplingWarning
        On divergences, R-hat above 1.01 or fewer than 100 effective draws a chain, with a remedy.

    References
    ----------
    Hoffman and Gelman (2014), JMLR 15, 1593-1623.
    """
    begun = time.perf_counter()
    compiled = Posterior(model) if posterior is None else posterior
    point = fit_map(model, seed=seed, posterior=compiled) if start is None else start
    layout, rows = compiled.layout, compiled.rows_of(model)
    theta = layout.ravel({name: point["point_estimate"][name].to_numpy() for name in layout.names})
    frame = whitening_frame(compiled, rows, theta)
    settings = {
        "draws": draws, "tune": tune, "chains": chains, "seed": seed,
        "cores": min(chains, cores or os.cpu_count() or 1), "target_accept": target_accept,
    }  # fmt: skip
    sampled = sampled_by_nutpie(
        layout.size,
        lambda z: compiled.whitened(z, frame, rows),
        progress=progress,
        settings=settings,
    )
    u = frame[0] + sampled["posterior"]["z"].to_numpy() @ frame[1].T
    natural, prompts = compiled.natural_many(u), labels_of(compiled)
    if prompts is not None:
        # Chains may sit in different orders of the same prompts, and R-hat would see disagreement.
        natural = prompts.matched(natural, theta)
    labels = {"chain": np.arange(chains), "draw": np.arange(natural.shape[1])}
    stats = sampled["sample_stats"].to_dataset()
    groups = {
        "posterior": parameter_dataset(layout, natural, labels),
        "sample_stats": stats[list(STATISTICS)].rename(STATISTICS),
        "point_estimate": point["point_estimate"].to_dataset(),
        "optimizer_result": point["optimizer_result"].to_dataset(),
        **data_groups(model),
    }
    if log_likelihood:
        groups["log_likelihood"] = _log_likelihood(compiled, rows, natural)
    tree = xr.DataTree.from_dict(groups)
    report = convergence(tree)
    tree.attrs = {"summary": report.line, "seconds": time.perf_counter() - begun}
    advice = remedy(report)
    if advice:
        warnings.warn(advice, SamplingWarning, stacklevel=2)
    return tree
