"""Curved coordinates: a path through the parameter space, and a normal spread about it.

u = x(s) + Q R(s) z', with s = spread z_0 + start, z' the other entries of z: x(s) is a path whose
position along one direction is s, the columns of Q are orthonormal and at right angles to that
direction, and R(s) is lower triangular. Between nodes, evenly spaced in s, x is a cubic with the
nodes' own slopes, and so are R's entries (of the diagonal, their logarithms); beyond the last node
the path goes on straight and R stays. A straight path with one R is an affine map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.compiled.types import Array

__all__ = ["NODES", "Chart", "affine_chart", "charted"]

NODES = 64
"""Nodes of every chart, so that all have one shape and a function of them is compiled once."""


class Chart(NamedTuple):
    """A path and its spread; arrays only, for JAX to take as it is.

    Parameters
    ----------
    start, spread : array, shape ()
        s = start + spread z_0.
    first, step : array, shape ()
        s of the first node, and the distance between nodes.
    path, slope : array, shape (node, parameter)
        x at the nodes and dx/ds there.
    basis : array, shape (parameter, parameter - 1)
        Q.
    root, root_slope : array, shape (node, parameter - 1, parameter - 1)
        R with logarithms on the diagonal, and its slope in s.
    """

    start: Array | NDArray
    spread: Array | NDArray
    first: Array | NDArray
    step: Array | NDArray
    path: Array | NDArray
    slope: Array | NDArray
    basis: Array | NDArray
    root: Array | NDArray
    root_slope: Array | NDArray


def charted(z: Array, chart: Chart) -> tuple[Array, Array]:
    """u, shape (parameter,), and log |du/dz|; traceable by JAX.

    Parameters
    ----------
    z : array, shape (parameter,)
    chart : Chart
    """
    s = chart.start + chart.spread * z[0]
    last = chart.path.shape[0] - 1
    inside = jnp.clip((s - chart.first) / chart.step, 0.0, last)
    node = jnp.clip(jnp.floor(inside).astype(int), 0, last - 1)
    t = inside - node
    beyond = s - (chart.first + chart.step * inside)
    x = _cubic(t, node, chart.step, chart.path, chart.slope)
    end = jnp.where(beyond > 0, chart.slope[last], chart.slope[0])
    logged = _cubic(t, node, chart.step, chart.root, chart.root_slope)
    diagonal = jnp.diagonal(logged)
    root = jnp.tril(logged, -1) + jnp.diag(jnp.exp(diagonal))
    u = x + beyond * end + chart.basis @ (root @ z[1:])
    return u, jnp.log(chart.spread) + jnp.sum(diagonal)


def _cubic(t: Array, node: Array, step: Array, value: Array, slope: Array) -> Array:
    """Hermite's cubic at a share t of the way from a node to the next."""
    here, there = value[node], value[node + 1]
    out, into = step * slope[node], step * slope[node + 1]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * here
        + t * (1 - t) ** 2 * out
        + t**2 * (3 - 2 * t) * there
        - t**2 * (1 - t) * into
    )


def affine_chart(center: NDArray, scale: NDArray) -> Chart:
    """The chart of u = center + L z, L the lower triangular root of scale scale'.

    Parameters
    ----------
    center : array, shape (parameter,)
    scale : array, shape (parameter, parameter)
    """
    size = len(center)
    root = np.linalg.cholesky(scale @ scale.T)
    direction = root[:, 0] / root[0, 0]
    logged = np.tril(root[1:, 1:], -1) + np.diag(np.log(np.diag(root)[1:]))
    position = np.arange(NODES) - 0.5 * (NODES - 1)
    return Chart(
        start=np.array(0.0),
        spread=root[0, 0],
        first=position[0],
        step=np.array(1.0),
        path=center + position[:, None] * direction,
        slope=np.tile(direction, (NODES, 1)),
        basis=np.eye(size)[:, 1:],
        root=np.tile(logged, (NODES, 1, 1)),
        root_slope=np.zeros((NODES, size - 1, size - 1)),
    )
