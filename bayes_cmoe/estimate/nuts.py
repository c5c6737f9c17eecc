"""The No-U-Turn sampler on the compiled posterior, in coordinates that make it nearly normal.

nutpie does the sampling; what it samples is z, the parameters in that chart (whitening at the mode,
or along a ridge, see `bayes_cmoe.estimate.charts`) in which the posterior is most normal, so that a
short warm-up is enough. The gradient comes from the blocked likelihood, and XLA lets go of Python's
lock while it works: chains run in threads. Nested Laplace, from which the charts come, checks it.
"""

import os
import time
import warnings

import numpy as np
import pymc as pm
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jax
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.private import sampled_by_nutpie
from bayes_cmoe.estimate.agreement import disagreements
from bayes_cmoe.estimate.charts import best_chart, mapped, unmapped
from bayes_cmoe.estimate.diagnostics import SamplingWarning, convergence, remedy
from bayes_cmoe.estimate.draws import draws_tree, starting_points
from bayes_cmoe.estimate.importance import resampled
from bayes_cmoe.estimate.laplace import Sample, explored, importance_sample
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.parts.pymc_names import takes_pymc_names

__all__ = ["fit_nuts"]

CHECKED = 1000.0
"""Effective draws that nested Laplace is asked for, to find the chart and to check the chains."""
MATTERS = 0.01
"""Share of the best mode's mass, by Laplace, from which on a chain begins at a mode."""
JITTER = 0.1
"""How far from there, in the chart's units."""
FEWEST = 100
"""Draws a chain from which on the two engines are compared."""
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


def _beginnings(sample: Sample, chains: int, rng: Generator) -> NDArray:
    """Where the chains begin, shape (chain, parameter): at the modes that matter, then at draws.

    So that R-hat can see a mode that the chains do not leave.
    """
    mass = np.array([mode.marginal(np.eye(len(mode.u))) for mode in sample.modes])
    weighty = [
        mode.u
        for mode, height in zip(sample.modes, mass, strict=True)
        if height > mass.max() + np.log(MATTERS)
    ]
    drawn = sample.u[resampled(rng, sample.weights.share, chains)]
    return np.array([*weighty, *drawn])[:chains]


@takes_pymc_names
def fit_nuts(
    model: pm.Model,
    *,
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    seed: int = 0,
    cores: int | None = None,
    target_accept: float = 0.9,
    log_likelihood: bool = False,
    checked: bool = True,
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
        Whether to add the pointwise log-likelihood, for PSIS-LOO (chains x draws x n numbers), and
        the log prior density of each parameter, for prior sensitivity.
    checked : bool
        Whether to hold the draws against nested Laplace; without, nothing is said of the evidence.
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
        ``log_likelihood`` and ``log_prior``. ``attrs``: ``engine``, ``summary`` (how the sampling
        went, in one line), ``trusted``, ``disagreements`` (with nested Laplace, beyond Monte-Carlo
        error), ``log_evidence`` and ``log_evidence_se`` where nested Laplace is to be believed.

    Warns
    -----
    SamplingWarning
        On any of the checks of `bayes_cmoe.estimate.diagnostics`, with a remedy, and when the draws
        disagree with nested Laplace.

    References
    ----------
    Hoffman and Gelman (2014), JMLR 15, 1593-1623.
    """
    begun = time.perf_counter()
    compiled = Posterior(model) if posterior is None else posterior
    point = fit_map(model, seed=seed, posterior=compiled) if start is None else start
    layout, rows = compiled.layout, compiled.rows_of(model)
    seeds = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(seeds[0])
    points = starting_points(layout, point)
    if checked:
        sample = importance_sample(compiled, rows, points, rng, CHECKED)
    else:
        sample = explored(compiled, rows, points, rng)
    if not sample.modes:
        raise FloatingPointError("the posterior density is no number wherever the starts ended")
    chart = best_chart(compiled, rows, sample, rng)
    z = unmapped(_beginnings(sample, chains, rng), chart)
    # Put there once, not at each of some ten thousand steps: a fifth of their time on small data.
    chart = jax.device_put(chart)
    sampled = sampled_by_nutpie(
        lambda z: compiled.charted(z, chart, rows),
        # At a mode itself nutpie would refuse a gradient of zero.
        z + JITTER * rng.standard_normal(z.shape),
        seeds=[int(own) for own in seeds[1].generate_state(chains)],
        cores=min(chains, cores or os.cpu_count() or 1),
        progress=progress,
        settings={"draws": draws, "tune": tune, "target_accept": target_accept},
    )
    z = sampled["posterior"]["z"].to_numpy()
    u = mapped(z.reshape(-1, layout.size), chart)[0].reshape(z.shape)
    stats = sampled["sample_stats"]
    kept = {theirs: stats[ours].to_numpy() for ours, theirs in STATISTICS.items()}
    tree = draws_tree(
        model, compiled, rows, u, kept, point, log_likelihood=log_likelihood, library="nutpie"
    )
    report = convergence(tree)
    apart = _disagreements(compiled, tree, sample) if checked else []
    tree.attrs = {
        "engine": "nuts",
        "summary": report.line,
        "trusted": int(not remedy(report) and not apart),
        "disagreements": "; ".join(apart),
        "seconds": time.perf_counter() - begun,
    }
    if checked and sample.trusted:
        tree.attrs["log_evidence"] = sample.weights.log_evidence
        tree.attrs["log_evidence_se"] = sample.weights.log_evidence_se
    advice = remedy(report)
    if apart:
        advice = f"NUTS and nested Laplace disagree: {'; '.join(apart)}. {advice}".strip()
    if advice:
        warnings.warn(advice, SamplingWarning, stacklevel=3)
    return tree


def _disagreements(posterior: Posterior, tree: xr.DataTree, sample: Sample) -> list[str]:
    """What differs from the importance sample; nothing when that is not to be believed itself."""
    if not sample.trusted or tree["posterior"].sizes["draw"] < FEWEST:
        return []
    layout = posterior.layout
    draws = layout.vectors(tree["posterior"])
    others, labels = posterior.natural_many(sample.u), labels_of(posterior)
    if labels is not None:
        others = labels.matched(others, layout.vectors(tree["point_estimate"]))
    # A half-line's tail may be so long that its spread is a matter of the largest few draws.
    long = np.isfinite(posterior.lower) & np.isinf(posterior.upper)
    names = [f"log {own}" if far else own for own, far in zip(layout.labels, long, strict=True)]

    def shortened(table: NDArray) -> NDArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(long, np.log(table - posterior.lower), table)

    return disagreements(tuple(names), shortened(draws), shortened(others), sample.weights)
