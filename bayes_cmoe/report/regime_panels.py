"""Panels of a sweep's figures: one a regime, marks for parameters, the range that is not local."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bayes_cmoe.report.comparison import RESOLVED, Comparison
from bayes_cmoe.report.figure_style import (
    COLORS,
    MARKERS,
    NOT_LOCAL,
    framed,
    heading,
    log_ticks,
    power_of_ten,
)
from bayes_cmoe.report.numbers import fraction
from bayes_cmoe.report.sweep_parts import KINDS, kind_of
from bayes_cmoe.sweep.setting import Setting

__all__ = [
    "OFF_SCALE_MEANING",
    "Mark",
    "Meaning",
    "by_variant",
    "legends",
    "local_shade",
    "marks_of",
    "off_scale",
    "parameters_of",
    "regime_panels",
    "rows_of",
    "say_nothing_yet",
]

MOST_COLUMNS = 3
PANEL_WIDTH, PANEL_HEIGHT, NARROWEST = 3.2, 2.55, 9.0
TOP, BOTTOM = 0.55, 0.5
"""Inches; at the top the title and the parameters, at the bottom what is drawn."""


Meaning = tuple[Artist | tuple[Artist, ...], str]
"""An entry of a legend: what is drawn, one thing over another, and what it stands for."""
OFF_SCALE_MEANING: Meaning = (
    Line2D([], [], color="0.3", marker=6, markersize=6, linestyle="none"),
    "beyond the panel's edge",
)


@dataclass(frozen=True)
class Mark:
    """How a parameter is drawn in every panel and figure."""

    color: str
    marker: str


def parameters_of(theory: xr.Dataset) -> list[str]:
    """The targets that are drawn: whole parameters and the expert's joint norm.

    The loss is in no parameter's units and its weights move with n, so it stays in the tables; a
    parameter whose function is the share is left out beside it, for which rates are published.
    """
    names = [str(name) for name in theory["target"].to_numpy() if "[" not in str(name)]
    dropped = {"loss", theory.attrs["share_parameter"]} - {theory.attrs["share"]}
    return [name for name in names if name not in dropped]


def marks_of(comparison: Comparison) -> dict[str, Mark]:
    """A colour and a marker for every parameter, in the order in which they first occur.

    What says how large the prompt's share is comes first, whatever its gate calls it.
    """
    names = dict.fromkeys(
        name
        for label in comparison.regimes
        if label in comparison.bounds
        for name in parameters_of(comparison.bounds[label])
    )
    known = {theory.attrs["share"] for theory in comparison.bounds.values()}
    shares = [name for name in names if name in known]
    others = [name for name in names if name not in known]
    places = dict.fromkeys(shares, 0) | {name: i for i, name in enumerate(others, 1)}
    return {
        name: Mark(COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]) for name, i in places.items()
    }


def by_variant(comparison: Comparison) -> dict[str, list[Setting]]:
    """The settings of each variant, distinguishable ones first."""
    found: dict[str, list[Setting]] = {}
    for setting in comparison.design.settings:
        if setting.label in comparison.bounds:
            found.setdefault(setting.variant, []).append(setting)
    return {
        variant: sorted(settings, key=lambda setting: KINDS.index(kind_of(setting)))
        for variant, settings in found.items()
    }


def rows_of(frame: pd.DataFrame, **values: Iterable[str]) -> pd.DataFrame:
    """Rows whose columns have one of the given values, by n; a table may have no rows at all."""
    if frame.empty:
        return frame
    wanted = [frame[name].isin(list(chosen)) for name, chosen in values.items()]
    return frame[np.logical_and.reduce(wanted)].sort_values("n", kind="stable")


def regime_panels(
    settings: Sequence[Setting], limits: tuple[float, float], title: str
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with a panel for each setting, over the same sizes and values.

    Parameters
    ----------
    settings : sequence of Setting
    limits : (float, float)
        Of n.
    title : str

    Returns
    -------
    Figure, dict of label to Axes
    """
    count = len(settings)
    columns = 2 if count == 4 else min(count, MOST_COLUMNS)
    lines = -(-count // columns)
    width = max(PANEL_WIDTH * columns, NARROWEST)
    height = PANEL_HEIGHT * lines + TOP + BOTTOM
    figure = framed(width, height, title, top=TOP, bottom=BOTTOM)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.set_axis_off()
    for i, panel in enumerate(panels[:count]):
        _head(panel, settings[i])
        panel.set_xscale("log")
        if i + columns >= count:
            panel.tick_params(labelbottom=True)
            panel.set_xlabel("sample size n (rows)")
    panels[0].set_xlim(*limits)
    log_ticks(panels[0].xaxis, power_of_ten)
    named = zip(settings, panels, strict=False)
    return figure, {setting.label: panel for setting, panel in named}


def _head(panel: Axes, setting: Setting) -> None:
    moves = [
        f"{sign} = {fraction(float(value))}"
        for sign, value in zip("αγ", setting.powers, strict=True)
        if value
    ]
    heading(panel, setting.name, ", ".join([kind_of(setting), *moves]))


def local_shade(panel: Axes, theory: xr.Dataset) -> None:
    """Shade the sizes at which the resolution is too low for theory to be local.

    Between sizes the resolution is interpolated on logarithmic scales.
    """
    known = theory["resolution"].dropna("n")
    if not known.size:
        return
    grid = np.geomspace(*panel.get_xlim(), 1000)
    sizes, values = np.log(known["n"].to_numpy()), np.log(known.to_numpy())
    poor = np.interp(np.log(grid), sizes, values) < np.log(RESOLVED)
    if poor.any():
        panel.fill_between(
            grid,
            0.0,
            1.0,
            where=poor,
            transform=panel.get_xaxis_transform(),
            color=NOT_LOCAL,
            linewidth=0,
            zorder=-2,
            label="not local",
        )


def off_scale(panel: Axes, n: NDArray, values: NDArray, mark: Mark) -> bool:
    """Arrows at the edges of a panel for values that lie beyond them; whether there are any."""
    low, high = panel.get_ylim()
    # 6 and 7 are matplotlib's arrow heads up and down, their tips on the point.
    for beyond, place, arrow in ((values > high, 0.97, 6), (values < low, 0.03, 7)):
        if beyond.any():
            panel.plot(
                n[beyond],
                np.full(beyond.sum(), place),
                linestyle="none",
                marker=arrow,
                markersize=6,
                color=mark.color,
                transform=panel.get_xaxis_transform(),
                label="beyond the edge",
            )
    return bool(((values > high) | (values < low)).any())


def say_nothing_yet(panel: Axes) -> None:
    """Say in a panel that nothing was measured."""
    panel.text(
        0.97, 0.95, "no finished fit", transform=panel.transAxes, ha="right", va="top", color="0.4"
    )


def legends(
    figure: Figure,
    marks: Mapping[str, Mark],
    parameters: Iterable[str],
    meanings: Sequence[Meaning],
) -> None:
    """Parameters above the panels, what is drawn below them."""
    drawn = set(parameters)
    named = {name: mark for name, mark in marks.items() if name in drawn}
    joint = {"expert": "expert (joint norm)"}
    above = figure.legend(
        [Line2D([], [], color=mark.color, marker=mark.marker) for mark in named.values()],
        [joint.get(name, name) for name in named],
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0 - 0.27 / figure.get_figheight()),
        ncols=len(named),
        columnspacing=1.4,
    )
    shade = Patch(color="0.9"), f"theory not local (resolution < {RESOLVED:g})"
    handles, labels = zip(*meanings, shade, strict=True)
    below = figure.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0.0, 0.0), ncols=3, columnspacing=1.4
    )
    for legend in (above, below):
        legend.set_in_layout(False)
