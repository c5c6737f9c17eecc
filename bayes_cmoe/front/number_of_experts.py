"""How many experts a table asks for: nine criteria side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats
from numpy.random import Generator, SeedSequence
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.energy import Energies
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.ascent import flat_box, highest
from bayes_cmoe.estimate.bridge import Evidence, bridged
from bayes_cmoe.estimate.criteria import least_coefficients, singular_bic
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.splits import doubled
from bayes_cmoe.estimate.tempering import prior_points, temper
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.mixture import mixture_of
from bayes_cmoe.study.dendrogram import dendrogram, left_after_merging
from bayes_cmoe.study.variant import Variant, variant_named

if TYPE_CHECKING:
    from bayes_cmoe.compiled.blocks import Rows
    from bayes_cmoe.study.voronoi import Voronoi

__all__ = ["CRITERIA", "number_of_experts"]

CRITERIA = (
    "AIC", "BIC", "sBIC", "WBIC", "evidence", "bridge", "PSIS-LOO", "dendrogram", "merging",
)  # fmt: skip
PARTICLES = 256
CLIMBERS = 32
"""Draws from which the likelihood is maximised."""


@dataclass(frozen=True, eq=False)
class _Fitted:
    """What one number of experts gives.

    Parameters
    ----------
    theta : array, shape (parameter,)
        The maximum-likelihood estimate.
    loglik : float
        There.
    draws : array, shape (draw, parameter)
        Of the posterior.
    wbic, evidence : float
    bridge : Evidence
    loo, loo_error : float
    """

    theta: NDArray
    loglik: float
    draws: NDArray
    wbic: float
    evidence: float
    bridge: Evidence
    loo: float
    loo_error: float


def number_of_experts(
    data: Data,
    most: int = 4,
    *,
    variant: str | Variant = "softmax_gaussian_moe",
    expert: str = "linear",
    particles: int = PARTICLES,
    coefficients: ArrayLike | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Criteria for the number of trainable experts, of each number up to `most`.

    Everything is of the data in units of their own means and spreads, under the weak prior, and
    every criterion is given so that the least value is the best:

    * ``AIC``, ``BIC``: -2 loglik + 2 dim, and + dim log n, at the largest likelihood found in the
      box of the flat prior, without which a variance that shrinks on a row or two has no largest.
    * ``sBIC``: less the singular BIC, see `bayes_cmoe.estimate.criteria`.
    * ``WBIC``: less the posterior's mean log-likelihood at the inverse temperature 1 / log n.
    * ``evidence``: less log p(y|x), by tempering from the prior.
    * ``bridge``: the same, by bridge sampling on the posterior's draws.
    * ``PSIS-LOO``: less the expected log predictive density of rows left out.
    * ``dendrogram``: -(height + log n times the mean log-likelihood) of the levels to which the fit
      with the most experts is merged; a single expert has no height, so it is never picked.
    * ``merging``: less the share of that fit's posterior draws that have so many atoms when they
      are merged, truncated and merged at the rate (log n / n)^(1/4).

    Parameters
    ----------
    data : Data
        Scalar responses.
    most : int
        Two at least.
    variant : str or Variant
        Without a frozen expert, the number of experts an option.
    expert : str
        Form of every expert.
    particles : int
        Of the sampler, and draws of each posterior.
    coefficients : array, shape (k, j), optional
        Learning coefficients of k experts at a truth of j, as `bayes_cmoe.theory.learning`
        computes them; by default the bounds of `least_coefficients`.
    seed : int

    Returns
    -------
    xarray.Dataset over ``criterion`` and ``experts``: ``value``, ``error`` (standard error, NaN
    where there is none), ``pick`` (criterion); ``loglik``, ``parameters`` (experts).

    Raises
    ------
    InputError
        When the variant has a frozen expert, or `most` or the particles are too few.

    References
    ----------
    Watanabe (2013), JMLR 14, 867-897; Drton and Plummer (2017), doi:10.1111/rssb.12187; Vehtari,
    Gelman and Gabry (2017), doi:10.1007/s11222-016-9696-4; Guha, Ho and Nguyen (2021),
    arXiv:1901.05078.
    """
    chosen = variant_named(variant)
    if chosen.losses is None:
        raise InputError(
            f"{chosen.name} is not a mixture of trainable experts alone: name one, such as "
            "softmax_gaussian_moe"
        )
    if most != int(most) or most < 2:
        raise InputError(f"{most} experts at most are no choice: give a whole number from 2")
    own = _in_own_units(data)
    features = data.x.shape[1]
    compiled = [_compiled(chosen, expert, features, k) for k in range(1, most + 1)]
    sizes = np.array([energies.posterior.layout.size for energies in compiled])
    if particles < 4 * sizes[-1]:
        raise InputError(
            f"{particles} particles for {sizes[-1]} parameters: give {4 * sizes[-1]} at least"
        )
    streams = SeedSequence(seed).spawn(most + 1)
    fits: list[_Fitted] = []
    for energies, stream in zip(compiled, streams, strict=False):
        before = (compiled[len(fits) - 1].posterior, fits[-1].theta) if fits else None
        fits.append(_fitted(energies, own, before, particles, np.random.default_rng(stream)))
    n, loglik = len(own.y), np.array([one.loglik for one in fits])
    table = least_coefficients(sizes) if coefficients is None else coefficients
    nothing = np.full(most, np.nan)
    values = {
        "AIC": (-2.0 * loglik + 2.0 * sizes, nothing),
        "BIC": (-2.0 * loglik + sizes * np.log(n), nothing),
        "sBIC": (-singular_bic(loglik, table, n), nothing),
        "WBIC": (np.array([-one.wbic for one in fits]), nothing),
        "evidence": (np.array([-one.evidence for one in fits]), nothing),
        "bridge": (
            np.array([-one.bridge.log for one in fits]),
            np.array([one.bridge.error for one in fits]),
        ),
        "PSIS-LOO": (
            np.array([-one.loo for one in fits]), np.array([one.loo_error for one in fits])
        ),
        "dendrogram": (_dendrogram(compiled, own, fits[-1], chosen.losses), nothing),
        "merging": (
            _merging(compiled[-1], fits[-1], chosen.losses, n, np.random.default_rng(streams[-1])),
            nothing,
        ),
    }  # fmt: skip
    value = np.array([values[name][0] for name in CRITERIA])
    return xr.Dataset(
        {
            "value": (("criterion", "experts"), value),
            "error": (("criterion", "experts"), np.array([values[name][1] for name in CRITERIA])),
            "pick": ("criterion", np.nanargmin(value, axis=1) + 1),
            "loglik": ("experts", loglik),
            "parameters": ("experts", sizes),
        },
        coords={"criterion": list(CRITERIA), "experts": np.arange(1, most + 1)},
        attrs={"variant": chosen.name, "expert": expert, "n": n, "seed": seed},
    )


def _in_own_units(data: Data) -> Data:
    """Inputs and response less their means, over their spreads."""
    spread = data.x.std(axis=0)
    y_spread = float(data.y.std())
    if not (np.all(spread > 0) and y_spread > 0):
        raise InputError("an input or the response is the same in all rows: leave it out")
    return Data((data.x - data.x.mean(axis=0)) / spread, (data.y - data.y.mean()) / y_spread)


@lru_cache(maxsize=32)
def _compiled(variant: Variant, expert: str, features: int, experts: int) -> Energies:
    """A model of data in such units: its weak prior is then the same for all of them."""
    rng = np.random.default_rng(0)
    data = _in_own_units(Data(rng.standard_normal((8, features)), rng.standard_normal(8)))
    return Energies(Posterior(variant.build(data, experts=experts, expert=expert, prior="weak")))


def _rows(energies: Energies, data: Data) -> Rows:
    return energies.posterior.likelihood.rows({"x": data.x, "response": data.y})


def _fitted(
    energies: Energies,
    data: Data,
    before: tuple[Posterior, NDArray] | None,
    particles: int,
    rng: Generator,
) -> _Fitted:
    posterior, rows = energies.posterior, _rows(energies, data)
    n = len(data.y)
    run = temper(
        lambda u: energies.field(u, rows),
        prior_points(energies, particles, rng),
        [1.0 / np.log(n), 1.0],
        rng,
    )
    warm, cold = run.stops
    draws = posterior.natural_many(cold.u)
    starts = cold.u[np.argsort(-cold.energy, kind="stable")[:CLIMBERS]]
    if before is not None:
        smaller, fewer = before
        mixture = mixture_of(posterior.model)
        assert mixture is not None
        twin = doubled(mixture, posterior.layout, smaller.layout, fewer, 0)
        starts = np.concatenate([energies.unconstrained(twin[None]), starts[: CLIMBERS - 1]])
    top, loglik = highest(lambda u: energies.field(u, rows), starts, *flat_box(energies))
    pointwise = np.array([posterior.likelihood.logp(one, rows) for one in draws])
    each = np.ravel(array_stats.loo(pointwise.T[:, None, :])[0])
    return _Fitted(
        theta=posterior.natural_many(top),
        loglik=loglik,
        draws=draws,
        wbic=float(warm.energy.mean()),
        evidence=cold.log_evidence,
        bridge=_bridge(energies, rows, cold.u, rng),
        loo=float(each.sum()),
        loo_error=float(np.sqrt(n * np.var(each))),
    )


def _bridge(energies: Energies, rows: Rows, u: NDArray, rng: Generator) -> Evidence:
    """log p(y|x) by bridge sampling within one order of the experts, times the orders' number.

    The weak prior is the same for all orders, so each of them has the same mass.
    """
    posterior = energies.posterior
    labels = labels_of(posterior)

    def log_density(points: NDArray) -> NDArray:
        return posterior.unconstrained_many(points, rows)

    if labels is None:
        return bridged(log_density, u, rng)
    theta = posterior.natural_many(u)
    reference = theta[int(np.argmax(log_density(u)))]
    ordered = energies.unconstrained(labels.matched(theta, reference))

    def inside(points: NDArray) -> NDArray:
        own = posterior.natural_many(points)
        sound = np.isfinite(own).all(axis=1)
        kept = np.zeros(len(points), dtype=bool)
        kept[sound] = np.all(labels.matched(own[sound], reference) == own[sound], axis=1)
        return kept

    found = bridged(log_density, ordered, rng, inside=inside)
    orders = float(np.sum(np.log(np.arange(1, labels.mixture.prompts + 1))))
    return Evidence(found.log + orders, found.error)


def _dendrogram(compiled: list[Energies], data: Data, fit: _Fitted, losses: Voronoi) -> NDArray:
    """-(height + log n times the mean log-likelihood) at each number of atoms."""
    n, found = len(data.y), np.full(len(compiled), np.nan)
    layout = compiled[-1].posterior.layout
    for level in dendrogram(losses.atoms(layout.unravel(fit.theta)), losses)[:-1]:
        k = len(level.atoms.weight)
        posterior = compiled[k - 1].posterior
        own = posterior.layout
        shapes = dict(zip(own.names, own.shapes, strict=True))
        theta = own.ravel(losses.named(level.atoms, shapes))
        mean = posterior.likelihood.value(theta, _rows(compiled[k - 1], data)) / n
        found[k - 1] = -(level.height + np.log(n) * mean)
    return found


def _merging(energies: Energies, fit: _Fitted, losses: Voronoi, n: int, rng: Generator) -> NDArray:
    """Less the share of draws that merging leaves so many atoms of."""
    layout = energies.posterior.layout
    atoms = losses.atoms(layout.unravel(fit.draws))
    count = left_after_merging(atoms, (np.log(n) / n) ** 0.25, rng)
    most = atoms.weight.shape[1]
    return -np.bincount(count, minlength=most + 1)[1:] / len(count)
