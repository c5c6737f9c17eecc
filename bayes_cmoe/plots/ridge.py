"""The ridge of a posterior: a prompt's share and its departure, known by their product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from arviz_base.labels import BaseLabeller
from arviz_plots import PlotCollection
from arviz_plots.visuals import line_xy, scatter_xy

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.plots.layers import Layers, statistic_of

__all__ = ["plot_ridge"]

QUANTILES = (0.05, 0.5, 0.95)
GRID = 200
SHOWN = (0.002, 0.998)
"""Quantiles of the departure between which draws are shown."""


def plot_ridge(
    tree: xr.DataTree | Mapping[str, xr.DataTree],
    share: str,
    parameter: str,
    center: float,
    *,
    truth: Mapping[str, float] | None = None,
    group: str = "posterior",
    backend: str | None = None,
    plot_collection: PlotCollection | None = None,
    labeller: BaseLabeller | None = None,
    aes_by_visuals: Mapping[str, Any] | None = None,
    visuals: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Draws of a share against a parameter's departure, and the lines along which they may run.

    What data tell first is share times departure; the lines are where it is constant, at quantiles
    of its posterior.

    Parameters
    ----------
    tree : DataTree, or mapping of str to DataTree
        A posterior, of any engine; a mapping gives each model a panel.
    share, parameter : str
        Names of single entries, such as ``a[x1]``.
    center : float
        Value of the parameter at which the prompt merges.
    truth : mapping of str to float, optional
        By the two names, where it is known.
    group : str
    backend, plot_collection, labeller, aes_by_visuals, pc_kwargs
        As in arviz-plots.
    visuals : mapping of str to mapping or bool, optional
        ``draws`` (scatter), ``lines``, ``truth``, ``title``, ``xlabel``, ``ylabel``.
    stats : mapping, optional
        ``lines``: the quantiles, such as ``(0.05, 0.5, 0.95)``.

    Raises
    ------
    InputError
        When a tree has no such group, or the group no such entry.
    """
    trees = tree if isinstance(tree, Mapping) and not isinstance(tree, xr.DataTree) else {"": tree}
    quantiles = np.asarray(statistic_of("lines", stats, QUANTILES), dtype=float)
    draws = {name: _draws(own, group, share, parameter, center) for name, own in trees.items()}
    points = _by_model([_points(*own) for own in draws.values()], list(draws))
    lines = [_lines(*own, quantiles) for own in draws.values()]
    known = ("draws", "lines", "truth", "title", "xlabel", "ylabel")
    layers = Layers(
        points, ("model",), known, visuals=visuals, aes_by_visuals=aes_by_visuals, backend=backend,
        plot_collection=plot_collection, labeller=labeller, pc_kwargs=pc_kwargs,
    )  # fmt: skip
    layers.add(scatter_xy, "draws", points, color="gray", alpha=0.3)
    layers.add(line_xy, "lines", _by_model(lines, list(draws)), color="C0")
    if truth is not None:
        place = _points(np.array([truth[share]]), np.array([truth[parameter] - center]))
        layers.add(scatter_xy, "truth", _by_model([place] * len(draws), list(draws)), color="black")
    layers.words(share, f"{parameter} - {center:.4g}")
    return layers.collection


def _draws(
    tree: xr.DataTree, group: str, share: str, parameter: str, center: float
) -> tuple[np.ndarray, np.ndarray]:
    if group not in tree.children:
        raise InputError(f"the tree has no group {group!r}: fit the model first")
    own = tree[group].to_dataset()
    drawn = _entry(own, share), _entry(own, parameter) - center
    low, high = np.quantile(drawn[1], SHOWN)
    # A share near zero leaves the departure to the prior: a few draws would decide on the scale.
    shown = (low <= drawn[1]) & (drawn[1] <= high)
    return drawn[0][shown], drawn[1][shown]


def _entry(own: xr.Dataset, label: str) -> np.ndarray:
    """The draws of one entry, by its label."""
    name, _, place = label.partition("[")
    values = own[choose("variable", name, [str(known) for known in own.data_vars])]
    dims = [str(dim) for dim in values.dims if dim not in ("chain", "draw")]
    marks = place.rstrip("]").split(",") if place else []
    if len(marks) != len(dims):
        raise InputError(f"{label}: {name} has the dims {dims}: name one entry, such as a[x1]")
    for dim, mark in zip(dims, marks, strict=True):
        known = [str(one) for one in values[dim].values]
        values = values.isel({dim: known.index(choose(dim, mark, known))})
    return values.to_numpy().ravel()


def _points(x: np.ndarray, y: np.ndarray) -> xr.DataArray:
    return xr.DataArray([x, y], dims=("plot_axis", "point"), coords={"plot_axis": ["x", "y"]})


def _lines(share: np.ndarray, departure: np.ndarray, quantiles: np.ndarray) -> xr.DataArray:
    """Where share times departure is constant, inside the draws' reach; gaps part the lines."""
    grid = np.linspace(max(share.min(), 1e-3), share.max(), GRID)
    low, high = departure.min(), departure.max()
    parts: list[list[np.ndarray]] = []
    for product in np.quantile(share * departure, quantiles):
        curve = product / grid
        parts.append([grid, np.where((low <= curve) & (curve <= high), curve, np.nan)])
        parts.append([grid[-1:], np.full(1, np.nan)])
    return _points(*(np.concatenate([part[k] for part in parts]) for k in (0, 1)))


def _by_model(parts: list[xr.DataArray], names: list[str]) -> xr.Dataset:
    longest = max(part.sizes["point"] for part in parts)
    filled = [part.pad(point=(0, longest - part.sizes["point"])) for part in parts]
    joined = xr.concat(filled, xr.DataArray(names, dims="model", name="model"))
    # A single posterior is no model among others.
    return (joined if len(names) > 1 else joined.isel(model=0, drop=True)).to_dataset(
        name="posterior"
    )
