"""Learning coefficient of a model at a truth, by calculation.

    -log int exp(-m H²(theta)) prior(theta) dtheta
        = lambda log m - (multiplicity - 1) log log m + O(1)

H the Hellinger distance from the truth: lambda is half the number of parameters where the model is
regular and less where it is singular, and the free energy of n rows grows as lambda log n. Since

    m E_m[H²] = d(-log Z) / d log m -> lambda,    E_m under the density prior exp(-m H²) / Z(m),

it is read off a sampler of that law, with no data at all: sequential Monte Carlo from the prior
outwards, so that every part of the set of true parameters counts by its mass. H² is a sum over
fixed quasi-random nodes, far more than there are parameters; it is zero where H² is.

The coefficient does not depend on the prior, as long as the prior is positive and bounded on a
compact set with the truth inside; how soon m E_m[H²] is near it does. Under a prior that lets a
gate's level go far out an expert may vanish instead of merging with another, at a cost that falls
more slowly than any power of m, and what is seen at every m in reach is the coefficient of the
smaller model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import SeedSequence
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.compiled.energy import Energies
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.tempering import prior_points, temper
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.simulate import simulate
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.nodes import PROPOSAL, inputs_of, nodes_at
from bayes_cmoe.theory.scores import Scores

__all__ = ["learning_coefficient", "population_draws"]

NODES = 2**10
PARTICLES = 128
RUNS = 6
PRECISIONS = tuple(float(m) for m in np.geomspace(1e2, 1e6, 9))
COVERAGE = 0.95
WEIGHT, TRUE = "weight of the node", "log-density of the truth"


def learning_coefficient(
    variant: str | Variant,
    regime: str | Regime,
    *,
    truth: Mapping[str, ArrayLike] | None = None,
    n: float = 1e3,
    prior: Any = None,
    precisions: ArrayLike = PRECISIONS,
    nodes: int = NODES,
    particles: int = PARTICLES,
    runs: int = RUNS,
    seed: int = 0,
) -> xr.Dataset:
    """Learning coefficient (real log canonical threshold) of a regime's model at its truth.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
    truth : mapping of str to array, optional
        Where the truth lies; the regime's at size `n` by default.
    n : float
        Place on the regime's path.
    prior : optional
        As a factory takes it; uniform on the regime's box by default.
    precisions : array, shape (m,)
        Values of m, positive.
    nodes : int
        Rows that H² is summed over, at least.
    particles, runs : int
        Of each run of the sampler, and how many independent ones: two at least.
    seed : int

    Returns
    -------
    xarray.Dataset over ``m``: ``coefficient``, m E_m[H²]; ``lower`` and ``upper``, its 95 per cent
    interval by Student's t over the runs; ``log_volume``, log Z(m). ``attrs``: ``parameters``,
    their number, of which a regular model's coefficient is half.

    Raises
    ------
    InputError
        When a name is unknown, a precision is not positive, or runs or particles are too few.

    References
    ----------
    Watanabe (2009), Algebraic geometry and statistical learning theory,
    doi:10.1017/CBO9780511800474; Lau et al. (2025), arXiv:2308.12108, for the estimate by m E_m.

    Examples
    --------
    >>> found = learning_coefficient("constant_contaminated", "distinguishable", precisions=[1e4])
    >>> bool(found["lower"].item() - 0.2 < found.attrs["parameters"] / 2 < found["upper"] + 0.2)
    True
    """
    drawn = population_draws(
        variant, regime, truth=truth, n=n, prior=prior, precisions=precisions, nodes=nodes,
        particles=particles, runs=runs, seed=seed,
    )  # fmt: skip
    table = (drawn["m"] * drawn["squared"].mean("particle")).transpose("m", "run")
    middle, error = table.mean("run"), table.std("run", ddof=1) / np.sqrt(runs)
    reach = student.ppf(0.5 + COVERAGE / 2.0, runs - 1) * error
    return xr.Dataset(
        {
            "coefficient": middle,
            "lower": middle - reach,
            "upper": middle + reach,
            "log_volume": drawn["log_volume"].mean("run"),
        },
        attrs={**drawn.attrs, "parameters": drawn.sizes["label"]},
    )


def population_draws(
    variant: str | Variant,
    regime: str | Regime,
    *,
    truth: Mapping[str, ArrayLike] | None = None,
    n: float = 1e3,
    prior: Any = None,
    precisions: ArrayLike = PRECISIONS,
    nodes: int = NODES,
    particles: int = PARTICLES,
    runs: int = RUNS,
    seed: int = 0,
) -> xr.Dataset:
    """Draws of the density prior exp(-m H²) / Z(m): what m rows would tell, without their noise.

    Parameters
    ----------
    variant, regime, truth, n, prior, precisions, nodes, particles, runs, seed
        As of `learning_coefficient`.

    Returns
    -------
    xarray.Dataset over ``m``, ``run``, ``particle`` and ``label``: ``theta``, the parameters on
    their natural scale; ``squared``, H² at them; ``log_volume`` (m, run), log Z(m).

    Raises
    ------
    InputError
        As `learning_coefficient`.
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    degrees = np.unique(np.asarray(precisions, dtype=float))
    if not (len(degrees) and np.all(degrees > 0)):
        raise InputError("a precision m has to be positive: give precisions such as 1e3, 1e4")
    if runs < 2:
        raise InputError(f"{runs} runs have no scatter: give two at least")
    energies, scores = _compiled(chosen, setting, _frozen_prior(prior))
    layout = energies.posterior.layout
    # Also points at an edge of the parameters' range, such as a share of zero.
    theta = layout.ravel(setting.truth(n) if truth is None else truth)
    if particles <= layout.size:
        raise InputError(f"{particles} particles for {layout.size} parameters: give more")
    first, drawn, *own = SeedSequence(seed).spawn(2 + runs)
    rows = _rows(energies, scores, setting, theta, nodes, first)
    start = prior_points(energies, runs * particles, np.random.default_rng(drawn))
    found = []
    for i, stream in enumerate(own):
        run = temper(
            lambda u: energies.field(u, rows),
            start[i * particles : (i + 1) * particles],
            degrees.tolist(),
            np.random.default_rng(stream),
        )
        found.append(run.stops)
    natural = energies.posterior.natural_many
    points = np.array([[natural(stop.u) for stop in stops] for stops in found])
    return xr.Dataset(
        {
            "theta": (("run", "m", "particle", "label"), points),
            "squared": (
                ("run", "m", "particle"),
                -np.array([[stop.energy for stop in stops] for stops in found]),
            ),
            "log_volume": (
                ("run", "m"), np.array([[stop.log_evidence for stop in stops] for stops in found])
            ),
        },
        coords={"m": degrees, "label": list(layout.labels)},
        attrs={"variant": chosen.name, "regime": setting.name, "seed": seed},
    )  # fmt: skip


def _distance_row(logp: Array, beside: Sequence[Array]) -> tuple[Array, Array, Array]:
    """-H² of a node, w (sqrt p - sqrt p_*)² / 2, with its slope and curvature in log p."""
    weight, log_truth = beside
    root, true = jnp.exp(0.5 * logp), jnp.exp(0.5 * log_truth)
    # Of two nearly equal densities the digits of the difference are kept.
    apart = jnp.where(
        jnp.abs(logp - log_truth) < 1.0, true * jnp.expm1(0.5 * (logp - log_truth)), root - true
    )
    return -0.5 * weight * apart**2, -0.5 * weight * apart * root, 0.25 * weight * root**2


def _rows(
    energies: Energies,
    scores: Scores,
    regime: Regime,
    theta: NDArray,
    nodes: int,
    seed: SeedSequence,
) -> Rows:
    """The nodes, with their weights in H² and the truth's log-density."""
    likelihood = energies.posterior.likelihood
    own = inputs_of(regime, nodes, seed, scores.simulator.components)
    counts = scores.targets.mixture.family.response == "count"
    placed = nodes_at(scores.simulator, scores.response, theta, own, regime.classes, counts)
    columns = dict(placed.columns)
    weight = placed.weight * np.exp(-columns.pop(PROPOSAL))
    log_truth = likelihood.logp(theta, likelihood.rows(columns))
    return likelihood.rows(columns, {WEIGHT: weight, TRUE: log_truth})


def _frozen_prior(prior: Any) -> Any:
    """A prior that a cache can hold."""
    return tuple(sorted(prior.items())) if isinstance(prior, Mapping) else prior


@lru_cache(maxsize=8)
def _compiled(variant: Variant, regime: Regime, prior: Any) -> tuple[Energies, Scores]:
    """The model with that prior; its own rows only scale a prior that is by the data."""
    own = dict(prior) if isinstance(prior, tuple) else prior
    data = simulate(variant, regime, 1000, seed=0)
    posterior = Posterior(variant.model(regime, data, own))
    return Energies(posterior, _distance_row), Scores(posterior.model, posterior.likelihood)
