"""Coverage of credible intervals, by n and by how well the prompt is resolved."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from bayes_cmoe.report.comparison import RESOLVED, Comparison
from bayes_cmoe.report.figure_style import (
    COLORS,
    NOT_LOCAL,
    framed,
    heading,
    log_ticks,
    plain,
    power_of_ten,
)
from bayes_cmoe.report.posterior_tables import jeffreys
from bayes_cmoe.report.sweep_parts import KINDS, kind_of

__all__ = ["coverage_figure", "pooled_coverage", "resolution_figure"]

SHARE, OTHERS = "the prompt's share", "all other parameters"
TONES = ((COLORS[0], "o"), (COLORS[2], "s"), (COLORS[3], "^"))
"""Of the levels, the highest first."""
DODGE = 1.025
"""Factor between the sizes at which the intervals of neighbouring levels stand."""
KIND_MARKS = ("o", "s", "D")
KIND_COLORS = (COLORS[2], COLORS[1], "0.55")
TOP, BOTTOM = 0.32, 0.5
"""Inches above and below the panels."""
SHOWN_LEVEL = 0.9
BINS = 2
"""Of the resolution, in a decade."""


def pooled_coverage(coverage: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Coverage over the entries and regimes of each group, with Jeffreys intervals.

    Entries of one fit are dependent: the interval counts each fit once, and is rather too wide.

    Parameters
    ----------
    coverage : DataFrame
        As `Comparison.coverage`, with the columns that `by` names.
    by : sequence of str

    Returns
    -------
    DataFrame with `by`, covered, low, high, fits

    Examples
    --------
    >>> rows = {"regime": "r", "parameter": ["a", "b"], "n": 10, "covered": [0.9, 0.7], "fits": 10}
    >>> found = pooled_coverage(pd.DataFrame(rows), ["n"])
    >>> found[["covered", "low", "high", "fits"]].round(2).values.tolist()
    [[0.8, 0.5, 0.96, 10.0]]
    """
    own = coverage[coverage["fits"] > 0]
    rows = []
    for values, group in own.groupby(list(by), sort=True, observed=True):
        held = (group["covered"] * group["fits"]).sum() / group["fits"].sum()
        fits = int(group.groupby(["regime", "n"])["fits"].max().sum())
        low, high = jeffreys(held * fits, fits)
        names = dict(zip(by, values, strict=True))
        rows.append({**names, "covered": held, "low": low, "high": high, "fits": fits})
    return pd.DataFrame(rows, columns=[*by, "covered", "low", "high", "fits"])


def _labelled(comparison: Comparison) -> pd.DataFrame:
    """The coverage of entries with their regime's kind, their role and the resolution."""
    coverage = comparison.coverage
    if coverage.empty:
        return coverage
    coverage = coverage[(coverage["fits"] > 0) & np.isfinite(coverage["covered"])]
    if coverage.empty:
        return coverage
    kinds = {setting.label: kind_of(setting) for setting in comparison.design.settings}
    resolution = {
        (label, int(n)): float(value)
        for label, theory in comparison.bounds.items()
        for n, value in zip(theory["n"].to_numpy(), theory["resolution"].to_numpy(), strict=True)
    }
    places = zip(coverage["regime"], coverage["n"], strict=True)
    return coverage.assign(
        kind=coverage["regime"].map(kinds),
        role=np.where(_is_share(coverage, comparison), SHARE, OTHERS),
        resolution=[resolution.get((label, int(n)), np.nan) for label, n in places],
    )


def coverage_figure(comparison: Comparison) -> Figure | None:
    """Coverage by n: regimes of one kind in a column, the prompt's share apart from the rest.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Figure, or None where no NUTS fit is finished
    """
    rows = _labelled(comparison)
    if rows.empty:
        return None
    pooled = pooled_coverage(rows, ["kind", "role", "level", "n"])
    kinds = [kind for kind in KINDS if kind in set(rows["kind"])]
    roles = [role for role in (SHARE, OTHERS) if role in set(rows["role"])]
    figure, panels = _square(len(roles), len(kinds), "Coverage of credible intervals, by n")
    for i, role in enumerate(roles):
        for j, kind in enumerate(kinds):
            panel = panels[i, j]
            own = pooled[(pooled["kind"] == kind) & (pooled["role"] == role)]
            regimes = rows.loc[(rows["kind"] == kind) & (rows["role"] == role), "regime"].nunique()
            _levels(panel, own)
            plural = "" if regimes == 1 else "s"
            heading(panel, f"{kind} ({regimes} regime{plural})", _named(role, rows))
    sizes = pooled["n"].to_numpy(dtype=float)
    _axes(panels, (sizes.min() / 1.4, sizes.max() * 1.4), "sample size n (rows)", power_of_ten)
    levels = sorted(pooled["level"].unique(), reverse=True)
    entries = [
        Line2D([], [], color=color, marker=marker, linewidth=1.0, label=f"{level:.0%} interval")
        for level, (color, marker) in zip(levels, TONES, strict=False)
    ]
    nominal = Line2D([], [], color="0.3", linestyle="--", linewidth=0.9, label="nominal level")
    band = Patch(color="0.3", alpha=0.15, label="95% binomial interval, each fit counted once")
    _legend(figure, [*entries, nominal, band])
    return figure


def resolution_figure(comparison: Comparison) -> Figure | None:
    """Coverage of the 90% intervals against resolution, over all regimes and sizes.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Figure, or None where no NUTS fit is finished, or no information bound is known
    """
    rows = _labelled(comparison)
    if rows.empty:
        return None
    rows = rows[np.isclose(rows["level"], SHOWN_LEVEL) & (rows["resolution"] > 0)]
    if rows.empty:
        return None
    step = np.floor(BINS * np.log10(rows["resolution"]))
    rows = rows.assign(bin=10 ** ((step + 0.5) / BINS))
    points = pooled_coverage(rows, ["kind", "role", "regime", "n", "resolution"])
    binned = pooled_coverage(rows, ["role", "bin"])
    roles = [role for role in (SHARE, OTHERS) if role in set(rows["role"])]
    figure, panels = _square(
        1, len(roles), f"Coverage of the {SHOWN_LEVEL:.0%} intervals, by resolution"
    )
    limits = rows["resolution"].min() / 1.5, max(rows["resolution"].max(), RESOLVED) * 1.5
    for panel, role in zip(panels[0], roles, strict=True):
        panel.axvspan(limits[0], RESOLVED, color=NOT_LOCAL, linewidth=0, zorder=-2)
        panel.axhline(SHOWN_LEVEL, color="0.3", linestyle="--", linewidth=0.9)
        for kind, marker, color in zip(KINDS, KIND_MARKS, KIND_COLORS, strict=True):
            own = points[(points["kind"] == kind) & (points["role"] == role)]
            panel.plot(
                own["resolution"], own["covered"], linestyle="none", marker=marker, color=color,
                markerfacecolor="none", markersize=3.6, markeredgewidth=0.8, alpha=0.8, label=kind,
            )  # fmt: skip
        own = binned[binned["role"] == role]
        panel.vlines(own["bin"], own["low"], own["high"], color="black", linewidth=1.4)
        panel.plot(
            own["bin"], own["covered"], color="black", marker="o", linewidth=1.2, label="all"
        )
        heading(panel, _named(role, rows), "")
    _axes(panels, limits, "resolution: share / its information bound (1)", plain)
    look: Any = {"linestyle": "none", "markerfacecolor": "none"}
    entries = [
        Line2D([], [], color=color, marker=marker, label=kind, **look)
        for kind, marker, color in zip(KINDS, KIND_MARKS, KIND_COLORS, strict=True)
        if kind in set(rows["kind"])
    ]
    pooled = Line2D([], [], color="black", marker="o", label="half a decade pooled, 95% interval")
    nominal = Line2D([], [], color="0.3", linestyle="--", linewidth=0.9, label="nominal level")
    shade = Patch(color="0.9", label=f"theory not local (resolution < {RESOLVED:g})")
    _legend(figure, [*entries, pooled, nominal, shade])
    return figure


def _square(lines: int, columns: int, title: str) -> tuple[Figure, NDArray]:
    """Panels over the same axes, with room for the legend below."""
    width, height = max(3.6 * columns, 7.6), 2.5 * lines + 1.05
    figure = framed(width, height, title, top=TOP, bottom=BOTTOM)
    return figure, figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)


def _is_share(coverage: pd.DataFrame, comparison: Comparison) -> NDArray:
    """Which rows are of the parameter that says how large the share is, or of an entry of it."""
    parameters = [comparison.bounds[label].attrs["share_parameter"] for label in coverage["regime"]]
    names = coverage["parameter"].str.partition("[")[0]
    return names.to_numpy() == np.array(parameters, dtype=object)


def _named(role: str, rows: pd.DataFrame) -> str:
    """The role, with the share's names as the figure's variants have them."""
    names = dict.fromkeys(rows.loc[rows["role"] == SHARE, "parameter"])
    return f"{role} ({', '.join(names)})" if role == SHARE else role


def _levels(panel: Axes, own: pd.DataFrame) -> None:
    """Coverage of each level beside the level itself."""
    levels = sorted(own["level"].unique(), reverse=True)
    for i, (level, (color, marker)) in enumerate(zip(levels, TONES, strict=False)):
        rows = own[own["level"] == level]
        place = rows["n"] * DODGE ** (i - (len(levels) - 1) / 2)
        panel.axhline(level, color=color, linestyle="--", linewidth=0.9, alpha=0.8)
        panel.fill_between(place, rows["low"], rows["high"], color=color, alpha=0.12, linewidth=0)
        panel.vlines(place, rows["low"], rows["high"], color=color, linewidth=0.8)
        panel.plot(
            place, rows["covered"], color=color, marker=marker, linewidth=1.0,
            markeredgecolor="white", markeredgewidth=0.4, label=f"{level:.0%}",
        )  # fmt: skip


def _axes(
    panels: NDArray,
    limits: tuple[float, float],
    label: str,
    form: Callable[[float, int], str],
) -> None:
    first = panels[0, 0]
    first.set_xscale("log")
    first.set_xlim(*limits)
    first.set_ylim(0.0, 1.02)
    log_ticks(first.xaxis, form)
    first.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    for panel in panels[-1]:
        panel.set_xlabel(label)
    for panel in panels[:, 0]:
        panel.set_ylabel("intervals that hold\nthe truth (%)")


def _legend(figure: Figure, entries: list[Artist]) -> None:
    below = figure.legend(
        handles=entries, loc="lower left", bbox_to_anchor=(0.0, 0.0), ncols=3, columnspacing=1.4
    )
    below.set_in_layout(False)
