"""Starts for several prompts from a fit with one prompt less, which they can never fall below.

A prompt counted twice, each time with half its share, leaves the density as it is. From there the
two are moved apart, by +-delta in the parameters of their function and their variance; or the new
prompt is first shown the rows that the smaller fit explains worst, as it stands beside that fit.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.descent import descend
from bayes_cmoe.estimate.flock import descend_together
from bayes_cmoe.estimate.hops import PROMISE, TOGETHER
from bayes_cmoe.estimate.optimum import Optimum
from bayes_cmoe.estimate.region import prior_region
from bayes_cmoe.estimate.starts import LARGEST, ROWS_PER_PARAMETER, SIGHT, SMALLEST, Starts
from bayes_cmoe.parts.mixture import Mixture, mixture_of
from bayes_cmoe.parts.rebuilt import with_fewer_prompts

__all__ = ["doubled", "fewer_prompts", "finished_ends", "split_points"]

SPLIT = 20
"""Starts of a round that split a prompt; the others show the new one the worst explained rows."""
NEAREST, FARTHEST = 2e-3, 0.2
"""How far a split goes on either side, in the prior's range."""
FINISHED = 6
"""How many of the descents' ends are finished alone."""


@lru_cache(maxsize=8)
def fewer_prompts(posterior: Posterior) -> Posterior | None:
    """The same model with one prompt less, compiled; None where there is none such."""
    model = with_fewer_prompts(posterior.model)
    return None if model is None else Posterior(model)


def doubled(
    mixture: Mixture, layout: Layout, fewer: Layout, theta: NDArray, prompt: int
) -> NDArray:
    """A fit with one prompt less as one of this model: one prompt twice, with half its share each.

    Parameters
    ----------
    mixture : Mixture
        With the prompts of `layout`.
    layout, fewer : Layout
        Of this model and of the one with a prompt less.
    theta : array, shape (parameter of the latter,)
    prompt : int
        Which one; its double is the last prompt.

    Returns
    -------
    array, shape (parameter,), with the same density.
    """
    share, atoms = mixture.gate.share, _by_prompt(mixture, fewer, theta)
    if mixture.frozen:
        atoms = mixture.atoms(atoms)
    halved = np.array(atoms[share.parameter])
    halved[prompt] = share.vanish(halved[prompt], 2.0, 1.0)
    atoms[share.parameter] = halved
    atoms = {name: np.concatenate([v, v[prompt : prompt + 1]]) for name, v in atoms.items()}
    return layout.ravel(mixture.stuck(atoms))


def _by_prompt(mixture: Mixture, fewer: Layout, theta: NDArray) -> dict[str, NDArray]:
    """Named values with the experts' axis in front, also of a single one.

    Beside a frozen expert they are the parameters; without one the gate's values are of every
    expert, see `Mixture.atoms`, and a single expert has whatever score.
    """
    named = fewer.unravel(theta)
    if mixture.frozen:
        several = mixture.prompts > 2
        return named if several else {name: value[None] for name, value in named.items()}
    if mixture.prompts > 2:
        return replace(mixture, prompts=mixture.prompts - 1).atoms(named)
    lengths = {dim: len(labels) for dim, labels in fewer.coords.items()}
    scores = {
        own.name: np.zeros((1, *(lengths[dim] for dim in own.dims)))
        for own in mixture.gate.parameters
    }
    return {**named, **scores}


def split_points(starts: Starts, fewer: Layout, theta: NDArray, rng: Generator) -> NDArray:
    """LANES starting points from a fit with one prompt less, shape (LANES, parameter), in w.

    Parameters
    ----------
    starts : Starts
        Of the model with the more prompts.
    fewer : Layout
    theta : array, shape (parameter of the smaller model,)
    rng : numpy.random.Generator
    """
    objective = starts.objective
    posterior, working = objective.posterior, objective.working
    mixture, layout = mixture_of(posterior.model), posterior.layout
    assert mixture is not None
    old = mixture.prompts - 1
    twins = np.array(
        [working.working(doubled(mixture, layout, fewer, theta, j)) for j in range(old)]
    )
    lower, _, upper = prior_region(posterior, working)
    last = _entries(mixture, layout, old)
    points = np.empty((LANES, layout.size))
    for i, reach in enumerate(rng.permutation(np.geomspace(NEAREST, FARTHEST, SPLIT))):
        own = _entries(mixture, layout, i % old)
        direction = rng.standard_normal(len(last))
        step = reach * direction / np.linalg.norm(direction) * (upper - lower)[last]
        points[i] = twins[i % old]
        points[i, own] += step
        points[i, last] -= step
    points[SPLIT:] = _beside(starts, fewer, theta, twins[0], rng)
    return np.clip(points, working.lower, working.upper)


def _entries(mixture: Mixture, layout: Layout, prompt: int) -> NDArray:
    """The entries of one prompt's function and variance."""
    spans = [
        np.arange(layout.slices[name].start, layout.slices[name].stop).reshape(mixture.prompts, -1)
        for name in mixture.prompt_names
    ]
    return np.concatenate([span[prompt] for span in spans])


def _beside(
    starts: Starts, fewer: Layout, theta: NDArray, twin: NDArray, rng: Generator
) -> NDArray:
    """The smaller fit and a new prompt that has seen its worst explained rows."""
    objective = starts.objective
    posterior, working = objective.posterior, objective.working
    mixture, layout, n = mixture_of(posterior.model), posterior.layout, objective.rows.n
    assert mixture is not None
    named = _by_prompt(mixture, fewer, theta)
    gate = mixture.gate
    new = {
        name: np.full_like(value[:1], gate.level[name]) if name in gate.dims else value[:1]
        for name, value in named.items()
    }
    joined = {name: np.concatenate([named[name], new[name]]) for name in named}
    base = working.working(layout.ravel(joined if mixture.frozen else mixture.stuck(joined)))
    logp = posterior.likelihood.logp(working.natural(twin), objective.rows)
    worst = np.argsort(logp, kind="stable")
    weights = np.ones((n, LANES))
    for lane in range(LANES - SPLIT):
        share = SMALLEST * (LARGEST / SMALLEST) ** rng.random()
        count = int(np.clip(round(share * n), min(ROWS_PER_PARAMETER * layout.size, n), n))
        weights[:, lane] = 0.0
        weights[worst[:count], lane] = n / count
    last = _entries(mixture, layout, mixture.prompts - 1)
    points = np.tile(base, (LANES, 1))
    points[:, last] = starts.draw(rng, LANES)[:, last]
    bounds = (working.lower, working.upper)
    inverse = starts.inverse_hessian(points[: LANES - SPLIT])
    seen = descend_together(starts.function(weights), points, bounds, inverse, SIGHT, 0.0).w
    points[:, last] = seen[:, last]
    return points[: LANES - SPLIT]


def finished_ends(starts: Starts, points: NDArray, origin: str) -> list[Optimum]:
    """Where starts lead side by side, the best few finished.

    Parameters
    ----------
    starts : Starts
    points : array, shape (start, parameter)
        In w.
    origin : str
        What kind they are.
    """
    objective = starts.objective
    inverse = starts.inverse_hessian(points)
    bounds = (objective.working.lower, objective.working.upper)
    enough = PROMISE / objective.rows.n
    flock = descend_together(starts.function(), points, bounds, inverse, TOGETHER, enough)
    count = min(FINISHED, int(np.isfinite(flock.value).sum()))
    return [replace(descend(objective, w), origin=origin) for w in flock.best_first[:count]]
