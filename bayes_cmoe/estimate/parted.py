"""Starts for one expert more along the paths that a likelihood hardly feels.

An expert of a fit with one less is counted twice. Its halves part in their functions, +-delta, with
variances less by delta², so that the response's second moment stays: the slow path of a cell of two
atoms, along which the density changes as delta^4 only and generic starts fall back. Or they part in
their gates, +-g (x - c) about some row: each half then has its own side of the inputs.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.estimate.splits import doubled
from bayes_cmoe.estimate.starts import Starts
from bayes_cmoe.parts.mixture import Mixture, mixture_of
from bayes_cmoe.parts.parameter import Role

__all__ = ["cell_starts", "parted_points"]

NARROWEST, WIDEST = 0.1, 0.95
"""How far halves part in their functions, in standard deviations about the expert."""
FLATTEST, STEEPEST = 0.3, 100.0
"""Slopes of the halves' gates, a standard deviation of x."""
REACHES = (0.1, 0.3, 0.6)
"""How far the atoms of a true cell start, in standard deviations about their expert."""
PARTS = ("function", "gate", "both")
"""In what the halves part, in turn."""


def parted_points(starts: Starts, fewer: Layout, theta: NDArray, rng: Generator) -> NDArray:
    """LANES starting points from a fit with one expert less, shape (LANES, parameter), in w.

    Parameters
    ----------
    starts : Starts
        Of the model with the more experts.
    fewer : Layout
    theta : array, shape (parameter of the smaller model,)
    rng : numpy.random.Generator
    """
    objective = starts.objective
    posterior, working = objective.posterior, objective.working
    mixture, layout = mixture_of(posterior.model), posterior.layout
    assert mixture is not None
    old = mixture.prompts - 1
    x = np.asarray(starts.columns["x"], dtype=float)
    shares = rng.permutation(np.linspace(NARROWEST, WIDEST, LANES))
    steep = rng.permutation(np.geomspace(FLATTEST, STEEPEST, LANES))
    points = []
    for lane in range(LANES):
        turn, expert = divmod(lane, old)
        twin = layout.unravel(doubled(mixture, layout, fewer, theta, expert))
        atoms, how = mixture.atoms(twin), PARTS[turn % len(PARTS)]
        pair = (expert, old)
        if how != "gate":
            atoms = _functions_apart(mixture, atoms, pair, shares[lane], x, rng)
        if how != "function":
            atoms = _gates_apart(mixture, atoms, pair, steep[lane], x, rng)
        points.append(working.working(layout.ravel(mixture.stuck(atoms))))
    return np.array(points)


def cell_starts(mixture: Mixture, layout: Layout, theta: NDArray, copies: Sequence[int]) -> NDArray:
    """Starts near a truth with fewer experts than the fit, shape (start, parameter).

    The truth with an expert several times is a saddle of the likelihood. So its atoms lie apart
    along the slow path, in the parameters of their functions that are one number. Where every
    expert stands once it is the truth alone.

    Parameters
    ----------
    mixture : Mixture
    layout : Layout
    theta : array, shape (parameter,)
        The truth, natural scale.
    copies : sequence of int
        Which of the truth's experts each of the fit's stands for.
    """
    places = np.zeros(len(copies))
    for true in set(copies):
        cell = [i for i, copy in enumerate(copies) if copy == true]
        places[cell] = np.linspace(-1.0, 1.0, len(cell)) if len(cell) > 1 else 0.0
    if not places.any():
        return theta[None]
    points = []
    for reach in REACHES:
        named = {name: np.array(value) for name, value in layout.unravel(theta).items()}
        own = {a: named[p.name] for a, p in mixture.family.own.items()}
        for i, place in enumerate(places):
            each = {argument: value[i] for argument, value in own.items()}
            delta, narrowed = mixture.family.parted(each, float(reach * abs(place)))
            for argument, value in narrowed.items():
                named[mixture.family.own[argument].name][i] = value
            for name in mixture.names(Role.LOCATION):
                if named[name].ndim == 1:
                    named[name][i] += np.sign(place) * delta
        points.append(layout.ravel(named))
    return np.array(points)


def _functions_apart(
    mixture: Mixture,
    atoms: Mapping[str, NDArray],
    pair: tuple[int, int],
    share: float,
    x: NDArray,
    rng: Generator,
) -> dict[str, NDArray]:
    """Two halves whose functions lie apart on either side, as the family says how far."""
    moved = {name: np.array(value) for name, value in atoms.items()}
    own = {a: moved[p.name][pair[0]] for a, p in mixture.family.own.items()}
    delta, narrowed = mixture.family.parted(own, float(share))
    for argument, value in narrowed.items():
        moved[mixture.family.own[argument].name][list(pair)] = value
    name = rng.choice(mixture.names(Role.LOCATION))
    step = delta * rng.choice([-1.0, 1.0], size=moved[name].shape[1:])
    dims = next(p.dims for p in mixture.parameters if p.name == name)
    if dims[-1] == "feature":
        spread = x.std(axis=0)
        step = step / np.where(spread > 0, spread, 1.0)
    moved[name][pair[0]] += step
    moved[name][pair[1]] -= step
    return moved


def _gates_apart(
    mixture: Mixture,
    atoms: Mapping[str, NDArray],
    pair: tuple[int, int],
    steepness: float,
    x: NDArray,
    rng: Generator,
) -> dict[str, NDArray]:
    """Two halves of even shares at some row, whose gates lean to either side of it."""
    moved = {name: np.array(value) for name, value in atoms.items()}
    spread = np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    direction = rng.standard_normal(x.shape[1])
    slope = steepness * direction / np.linalg.norm(direction) / spread
    level, middle = mixture.gate.share.parameter, x[rng.integers(len(x))]
    for own in mixture.gate.parameters:
        if own.dims == ("feature",):
            moved[own.name][pair[0]] += slope
            moved[own.name][pair[1]] -= slope
    moved[level][pair[0]] -= slope @ middle
    moved[level][pair[1]] += slope @ middle
    return moved
