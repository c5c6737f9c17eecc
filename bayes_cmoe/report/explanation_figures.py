"""The figures of an explanation: rows by whose they are, over each feature, and the parameters."""

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bayes_cmoe.front.explanation import telling
from bayes_cmoe.parts.arrays import evenly_spread
from bayes_cmoe.report.figure_style import COLORS, STYLE
from bayes_cmoe.report.fit_figures import estimates_figure

__all__ = ["explanation_figures"]

WIDTH = 3.6
"""Inches: what a telephone shows without making letters smaller."""
MOST_FEATURES = 4
MOST_POINTS = 4000
SHADES = "RdYlBu_r"


def explanation_figures(tree: xr.DataTree, rows: xr.Dataset) -> dict[str, Figure]:
    """The figures by name, each narrow enough for a telephone.

    Parameters
    ----------
    tree : DataTree
        A posterior with its data.
    rows : Dataset
        Predictions at its own rows, from `bayes_cmoe.predict`.

    Returns
    -------
    dict of str to Figure
        ``feature-1``, ...: response and share over a feature, at most four, those that the share
        follows most first; ``estimates``.
    """
    data = tree["constant_data"].to_dataset()
    places = telling(data["x"].to_numpy(), rows["share"].to_numpy())[:MOST_FEATURES]
    with mpl.rc_context(STYLE):
        figures = {
            f"feature-{number}": feature_figure(tree, rows, place)
            for number, place in enumerate(places, 1)
        }
        return {**figures, "estimates": estimates_figure(tree, WIDTH)}


def feature_figure(tree: xr.DataTree, rows: xr.Dataset, place: int) -> Figure:
    """Response, coloured by the probability to be the prompt's, and share, over one feature."""
    data = tree["constant_data"].to_dataset()
    name, alone = str(data["feature"].to_numpy()[place]), data.sizes["feature"] == 1
    x = data["x"].to_numpy()[:, place]
    (response,) = tree["observed_data"].data_vars.values()
    shown = evenly_spread(len(x), MOST_POINTS)
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    y = _spread(response.to_numpy(), rows)
    points = above.scatter(
        x[shown], y[shown], c=rows["responsibility"].to_numpy()[shown], cmap=SHADES,
        vmin=0.0, vmax=1.0, s=7, linewidths=0, rasterized=len(shown) > 1000,
    )  # fmt: skip
    if alone:
        _draw_means(above, x, rows)
        handles, labels = above.get_legend_handles_labels()
        if labels:
            # Below, where it hides no data.
            figure.legend(handles, labels, loc="outside lower center", ncols=2)
    _draw_share(below, x[shown], rows.isel(obs=shown), line=alone)
    above.set_ylabel(rows.attrs["response"])
    below.set_ylabel("prompt's share")
    below.set_xlabel(name)
    if "class" in rows.coords:
        above.set_yticks(range(rows.sizes["class"]), map(str, rows["class"].to_numpy()))
    figure.colorbar(points, ax=above, label="probability to be new", aspect=30)
    figure.suptitle(f"What is new, over {name}")
    return figure


def _spread(y: NDArray, rows: xr.Dataset) -> NDArray:
    """Classes as numbers with room between equal ones; other responses as they are."""
    if "class" not in rows.coords:
        return y
    return y + np.random.default_rng(0).uniform(-0.3, 0.3, len(y))


def _draw_means(panel: Axes, x: NDArray, rows: xr.Dataset) -> None:
    order = np.argsort(x)
    if "lower" in rows:
        low, high = (rows[end].to_numpy()[order] for end in ("lower", "upper"))
        label = f"{rows.attrs['level']:.0%} predictive interval"
        panel.fill_between(x[order], low, high, color="0.9", linewidth=0, zorder=0, label=label)
    lines = (("frozen_mean", "frozen model", COLORS[0], "--"),)
    for name, label, color, style in (*lines, ("prompt_mean", "prompt", COLORS[1], "-")):
        if name in rows:
            panel.plot(x[order], rows[name].to_numpy()[order], style, color=color, label=label)


def _draw_share(panel: Axes, x: NDArray, rows: xr.Dataset, *, line: bool) -> None:
    order = np.argsort(x)
    share = rows["share"].to_numpy()[order]
    low, high = (rows[f"share_{end}"].to_numpy()[order] for end in ("lower", "upper"))
    if line:
        panel.fill_between(x[order], low, high, color=COLORS[2], alpha=0.25, linewidth=0)
        panel.plot(x[order], share, color=COLORS[2])
    else:
        panel.plot(x[order], share, ".", color=COLORS[2], markersize=2.5)
    panel.set_ylim(-0.03, 1.03)
