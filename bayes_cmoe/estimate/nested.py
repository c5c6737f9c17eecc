"""Posterior and evidence without a Markov chain: draws about nested Laplace approximations.

See `bayes_cmoe.estimate.laplace` for how they are found; independent of NUTS but for the density.
"""

import time
import warnings

import numpy as np
import pymc as pm
import xarray as xr

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.diagnostics import SamplingWarning
from bayes_cmoe.estimate.draws import draws_tree, starting_points
from bayes_cmoe.estimate.importance import resampled
from bayes_cmoe.estimate.laplace import importance_sample
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.parts.pymc_names import takes_pymc_names

__all__ = ["fit_nested"]

FEWEST = 100
"""Effective draws a chain below which an answer is not to be trusted."""
DISTRUST = (
    "the importance weights are not to be trusted (k-hat 0.7 or more, or too few effective draws): "
    "use NUTS"
)


@takes_pymc_names
def fit_nested(
    model: pm.Model,
    *,
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
    log_likelihood: bool = False,
    start: xr.DataTree | None = None,
    posterior: Posterior | None = None,
) -> xr.DataTree:
    """Draw from a model's posterior by nested Laplace approximations and importance sampling.

    Draws are independent, so chains are only a shape. There are fewer than asked for where the
    weighted ones are worth less: ArviZ's effective sample size then says no more than there is.

    Parameters
    ----------
    model : pm.Model
        Any model of the suite, or one that `Likelihood` accepts.
    draws, chains : int
        Draws of each chain at most; number of chains.
    seed : int
    log_likelihood : bool
        Whether to add the pointwise log-likelihood, chains x draws x n numbers, and the log prior.
    start : DataTree, optional
        A MAP fit of the same model, whose starts say where the modes are; made when left out.
    posterior : Posterior, optional
        The model compiled already.

    Returns
    -------
    xarray.DataTree
        As `fit_nuts`; ``sample_stats`` has ``lp``. ``attrs``: ``engine``, ``summary``, ``trusted``
        (k-hat below 0.7, and 100 effective draws a chain), ``khat``, ``effective``, ``proposed``,
        ``log_evidence`` (log p(y|x), of a proper prior) and ``log_evidence_se``, ``seconds``.

    Warns
    -----
    SamplingWarning
        When the answer is not to be trusted.

    References
    ----------
    Rue, Martino and Chopin (2009), doi:10.1111/j.1467-9868.2008.00700.x; Cappe et al. (2008),
    doi:10.1007/s11222-008-9059-x; Vehtari et al. (2024), JMLR 25, 72.
    """
    begun = time.perf_counter()
    compiled = Posterior(model) if posterior is None else posterior
    point = fit_map(model, seed=seed, posterior=compiled) if start is None else start
    rows, rng = compiled.rows_of(model), np.random.default_rng(seed)
    points = starting_points(compiled.layout, point)
    sample = importance_sample(compiled, rows, points, rng, float(draws * chains))
    weights = sample.weights
    trusted = sample.trusted and weights.effective >= FEWEST * chains
    # Fewer than four draws a chain are none for ArviZ.
    kept = max(4, min(draws, int(weights.effective / chains)))
    own = resampled(rng, weights.share, kept * chains).reshape(chains, kept)
    tree = draws_tree(
        model,
        compiled,
        rows,
        sample.u[own],
        {"lp": sample.log_target[own]},
        point,
        log_likelihood=log_likelihood,
    )
    summary = (
        f"nested Laplace, {len(weights.share)} proposed, worth {weights.effective:.0f}, "
        f"k-hat {weights.khat:.2f}, log evidence {weights.log_evidence:.2f} "
        f"+- {weights.log_evidence_se:.2f}"
    )
    tree.attrs = {
        "engine": "nested",
        "summary": summary,
        "trusted": int(trusted),
        "khat": weights.khat,
        "effective": weights.effective,
        "proposed": len(weights.share),
        "log_evidence": weights.log_evidence,
        "log_evidence_se": weights.log_evidence_se,
        "seconds": time.perf_counter() - begun,
    }
    if not trusted:
        warnings.warn(f"{summary}: {DISTRUST}", SamplingWarning, stacklevel=3)
    return tree
