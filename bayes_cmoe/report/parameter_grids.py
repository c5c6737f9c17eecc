"""Parameters of very many entries, such as the slopes of nine logits over eight features, as grids.

A line for each entry is a table of a hundred lines; a grid shows where the large ones are.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bayes_cmoe.report.fit_summary import intervals_of, is_sampled

__all__ = ["Grid", "draw_grid", "grid_of", "is_grid"]

MOST_LINES = 24
"""Entries up to which a parameter of two dims is listed."""
SHADES = "RdBu_r"


@dataclass(frozen=True, eq=False)
class Grid:
    """A parameter's entries by rows, all of its dims but the last, and columns.

    Parameters
    ----------
    name : str
    rows, columns : tuple of str
        Labels.
    row_dims, column_dim : str
    value : array, shape (row, column)
        Posterior mean, or the point estimate where there are no draws.
    sure : array of bool, shape (row, column)
        Whether the 90 % interval leaves out zero.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    row_dims: str
    column_dim: str
    value: NDArray
    sure: NDArray


def is_grid(variable: xr.DataArray) -> bool:
    """Whether a parameter is better shown as a grid than entry by entry."""
    return variable.ndim > 1 and variable.size > MOST_LINES


def grid_of(tree: xr.DataTree, name: str) -> Grid:
    """A parameter of a fit as a grid; from its draws, or from estimate and standard error.

    Parameters
    ----------
    tree : DataTree
    name : str
    """
    point = tree["point_estimate"].to_dataset()[name]
    shown = point
    if is_sampled(tree):
        draws = tree["posterior"].to_dataset()[name].transpose("chain", "draw", *point.dims)
        shown = draws.mean(("chain", "draw"))
    low, high = intervals_of(tree, name)
    *lead, last = point.dims
    labels = [[str(own) for own in point[dim].to_numpy()] for dim in lead]
    shape = point.shape[:-1]
    rows = tuple(
        ",".join(own[i] for own, i in zip(labels, index, strict=True))
        for index in np.ndindex(*shape)
    )
    table = (len(rows), point.shape[-1])
    return Grid(
        name,
        rows,
        tuple(str(own) for own in point[last].to_numpy()),
        ", ".join(_worded(dim) for dim in lead),
        _worded(last),
        shown.to_numpy().reshape(table),
        ((low > 0) | (high < 0)).reshape(table),
    )


def _worded(dim: Hashable) -> str:
    """A dim as a reader knows it: the free classes are classes."""
    return str(dim).removeprefix("free_").replace("_", " ")


def draw_grid(panel: Axes, grid: Grid) -> None:
    """A grid in colours, blue below zero and red above, with a dot where its sign is sure."""
    largest = float(np.abs(grid.value).max(initial=0.0)) or 1.0
    image = panel.imshow(
        grid.value, cmap=SHADES, vmin=-largest, vmax=largest, aspect="auto", interpolation="none"
    )
    row, column = np.nonzero(grid.sure)
    panel.plot(column, row, "o", color="black", markersize=3.0)
    panel.grid(visible=False)
    panel.set_xticks(range(len(grid.columns)), grid.columns, parse_math=False, rotation=45)
    panel.set_yticks(range(len(grid.rows)), grid.rows, parse_math=False)
    panel.set_ylabel(grid.row_dims)
    panel.set_xlabel(grid.column_dim)
    panel.set_title(f"{grid.name}, dot: sign sure (90%)", parse_math=False)
    panel.figure.colorbar(image, ax=panel, aspect=30)
