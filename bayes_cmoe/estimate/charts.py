"""Coordinates for a sampler: the posterior's ridge made straight, its spread made even."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.chart import NODES, Chart, affine_chart, charted
from bayes_cmoe.compiled.device import jax
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.estimate.importance import weights_of
from bayes_cmoe.estimate.laplace import Sample
from bayes_cmoe.estimate.ridge import (
    Node,
    complement,
    covariance_of,
    level_directions,
    tilt_of,
)

__all__ = ["best_chart", "mapped", "ridge_chart", "unmapped"]

TRIED = 500
"""Draws by which charts are compared."""


@cache
def _mapping() -> Callable[..., tuple[Array, Array]]:
    return jax.jit(jax.vmap(charted, in_axes=(0, None)))


def mapped(z: NDArray, chart: Chart) -> tuple[NDArray, NDArray]:
    """u, shape (point, parameter), and log |du/dz|, shape (point,), of many z."""
    u, volume = _mapping()(z, chart)
    return np.asarray(u), np.asarray(volume)


def unmapped(u: NDArray, chart: Chart) -> NDArray:
    """z of many u, shape (point, parameter): the inverse of `mapped`."""
    direction = np.linalg.svd(np.asarray(chart.basis).T)[2][-1]
    direction = direction / (direction @ chart.slope[0])
    s = chart.first + (u - chart.path[0]) @ direction
    z = np.zeros_like(u)
    z[:, 0] = (s - chart.start) / chart.spread
    # With the other entries zero u is on the path, and with each one in turn the root's column.
    middle = mapped(z, chart)[0]
    columns = []
    for i in range(1, u.shape[1]):
        unit = z.copy()
        unit[:, i] = 1.0
        columns.append((mapped(unit, chart)[0] - middle) @ chart.basis)
    rest = (u - middle) @ chart.basis
    z[:, 1:] = np.linalg.solve(np.stack(columns, axis=-1), rest[..., None])[..., 0]
    return z


def best_chart(posterior: Posterior, rows: Rows, sample: Sample, rng: Generator) -> Chart:
    """Of whitening at the mode and the gate's ridges, what makes the posterior most normal.

    Measured by the effective share of standard normal draws, weighted by the posterior.

    Parameters
    ----------
    posterior : Posterior
    rows : Rows
    sample : Sample
        With a mode at least.
    rng : numpy.random.Generator
    """
    mode = sample.modes[0]
    root = np.linalg.cholesky(covariance_of(mode.curvature))
    charts = [affine_chart(mode.u, root)]
    # Along other flat directions too few normal draws reach the tails to tell the charts apart.
    levels = len(level_directions(posterior))
    charts += [
        ridge_chart(nodes, direction) for direction, nodes in sample.ridges[:levels] if nodes[1:]
    ]
    z = rng.standard_normal((TRIED, posterior.layout.size))
    base = -0.5 * np.sum(z**2, axis=1)

    def efficiency(chart: Chart) -> float:
        u, volume = mapped(z, chart)
        return weights_of(posterior.unconstrained_many(u, rows) + volume, base).efficiency

    return max(charts, key=efficiency)


def ridge_chart(nodes: list[Node], direction: NDArray) -> Chart:
    """The chart whose path are conditional modes, and whose spread is Laplace's about them.

    Parameters
    ----------
    nodes : list of Node
        Evenly spaced along the direction, in order; two or more.
    direction : array, shape (parameter,)
        Of length one.
    """
    free = complement(direction)
    at = np.array([node.u @ direction for node in nodes])
    step = float(at[1] - at[0])
    heights = np.array([node.marginal(free) for node in nodes])
    kept = _middle(heights, NODES)
    mass = np.exp(heights - heights.max())
    mass /= mass.sum()
    start = float(mass @ at)
    spread = float(np.sqrt(mass @ (at - start) ** 2 + step**2 / 12.0))
    at, used = at[kept], nodes[kept]
    path = np.array([node.u for node in used])
    slope = np.array([tilt_of(node, direction) for node in used])
    root = np.array([_logged_root(free.T @ node.curvature @ free) for node in used])
    bend = np.gradient(root, step, axis=0) if len(used) > 2 else np.zeros_like(root)
    missing = NODES - len(used)
    onward = at[-1] + step * np.arange(1, missing + 1)
    return Chart(
        start=np.array(start),
        spread=np.array(spread),
        first=np.array(at[0]),
        step=np.array(step),
        path=np.concatenate([path, path[-1] + np.outer(onward - at[-1], slope[-1])]),
        slope=np.concatenate([slope, np.repeat(slope[-1:], missing, axis=0)]),
        basis=free,
        root=np.concatenate([root, np.repeat(root[-1:], missing, axis=0)]),
        root_slope=_with_ends(bend, missing),
    )


def _with_ends(bend: NDArray, missing: int) -> NDArray:
    """Slopes that are zero at both ends, where the spread stays as it is from there on."""
    inner = bend.copy()
    inner[0] = inner[-1] = 0.0
    return np.concatenate([inner, np.zeros((missing, *bend.shape[1:]))])


def _middle(heights: NDArray, most: int) -> slice:
    """At most so many nodes in a row, those about the highest."""
    top = int(np.argmax(heights))
    first = max(0, min(top - most // 2, len(heights) - most))
    return slice(first, first + most)


def _logged_root(curvature: NDArray) -> NDArray:
    """The root of Laplace's covariance, with logarithms on the diagonal."""
    root = np.linalg.cholesky(covariance_of(curvature))
    return np.tril(root, -1) + np.diag(np.log(np.diag(root)))
