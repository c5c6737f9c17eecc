"""How near to its bound: efficiency of the MAP, and the posterior's spread, against n."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.figure_style import plain
from bayes_cmoe.report.regime_panels import (
    OFF_SCALE_MEANING,
    Mark,
    Meaning,
    legends,
    local_shade,
    marks_of,
    off_scale,
    parameters_of,
    regime_panels,
    rows_of,
    say_nothing_yet,
)
from bayes_cmoe.sweep.setting import Setting

__all__ = ["efficiency_figure", "spread_figure"]

TICKS = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
DODGE = 0.012
"""Distance of neighbouring parameters at the same n, as part of the axis."""


def efficiency_figure(comparison: Comparison, settings: Sequence[Setting]) -> Figure | None:
    """Information bound over the MAP's RMSE; one where estimates are efficient.

    Four decades of errors hide what is here: a tenth more or less than the bound.

    Parameters
    ----------
    comparison : Comparison
    settings : sequence of Setting
        Of one variant.

    Returns
    -------
    Figure, or None where there is no efficiency to draw
    """
    own = rows_of(comparison.errors, method=["map"])
    if own.empty:
        return None
    bound = own["bound"]
    ratios = own.assign(
        ratio=bound / own["rmse"], lower=bound / own["high"], upper=bound / own["low"]
    )
    title = "efficiency of the MAP"
    return _ratio_figure(comparison, settings, ratios, "map", title, "bound / RMSE (1)")


def spread_figure(comparison: Comparison, settings: Sequence[Setting]) -> Figure | None:
    """Median posterior standard deviation over the bound; tends to one (Bernstein-von Mises).

    Parameters
    ----------
    comparison : Comparison
    settings : sequence of Setting
        Of one variant.

    Returns
    -------
    Figure, or None where no NUTS fit is finished
    """
    own = comparison.spread
    if own.empty:
        return None
    ratios = own.assign(ratio=own["sd_over_bound"], lower=np.nan, upper=np.nan)
    title = "spread of the posterior (NUTS)"
    label = "median posterior sd / bound (1)"
    return _ratio_figure(comparison, settings, ratios, "nuts", title, label)


def _ratio_figure(
    comparison: Comparison,
    settings: Sequence[Setting],
    ratios: pd.DataFrame,
    method: str,
    title: str,
    measured: str,
) -> Figure | None:
    marks = marks_of(comparison)
    shown = rows_of(ratios, regime=[setting.label for setting in settings], parameter=marks)
    shown = shown[np.isfinite(shown["ratio"]) & (shown["ratio"] > 0)]
    if shown.empty:
        return None
    sizes = comparison.design.plans[method].sizes
    limits = sizes[0] / 1.4, sizes[-1] * 1.4
    figure, panels = regime_panels(settings, limits, f"{settings[0].variant}: {title}")
    first = next(iter(panels.values()))
    first.set_yscale("log")
    first.set_ylim(*_limits(shown))
    first.yaxis.set_major_locator(FixedLocator(TICKS))
    first.yaxis.set_major_formatter(FuncFormatter(plain))
    first.yaxis.set_minor_locator(NullLocator())
    figure.supylabel(measured, fontsize=8.5)
    beyond = False
    for label, panel in panels.items():
        local_shade(panel, comparison.bounds[label])
        panel.axhline(1.0, color="0.2", linewidth=1.0, zorder=1)
        parameters = parameters_of(comparison.bounds[label])
        for i, name in enumerate(parameters):
            step = DODGE * (i - (len(parameters) - 1) / 2)
            shift = (limits[1] / limits[0]) ** step
            own = rows_of(shown, regime=[label], parameter=[name])
            beyond |= _ratios(panel, own, shift, name, marks[name])
        if rows_of(shown, regime=[label]).empty:
            say_nothing_yet(panel)
    intervals = bool(shown["upper"].notna().any())
    legends(figure, marks, shown["parameter"], _meanings(measured, intervals, beyond))
    return figure


def _limits(shown: pd.DataFrame) -> tuple[float, float]:
    """What is there, and one, within a factor of eight of it."""
    values = shown[["ratio", "lower", "upper"]].to_numpy(dtype=float)
    values = values[np.isfinite(values) & (values > 0)]
    low, high = min(values.min(), 1 / 1.4), max(values.max(), 1.4)
    return max(low / 1.15, TICKS[0]), min(high * 1.15, TICKS[-1])


def _ratios(
    panel: Axes,
    own: pd.DataFrame,
    shift: float,
    name: str,
    mark: Mark,
) -> bool:
    """Markers and bars; whether some lie beyond the panel's edges."""
    n, ratio, lower, upper = (
        own[key].to_numpy(dtype=float) for key in ("n", "ratio", "lower", "upper")
    )
    panel.vlines(n * shift, lower, upper, color=mark.color, linewidth=1.0, alpha=0.8)
    panel.plot(
        n * shift,
        ratio,
        color=mark.color,
        marker=mark.marker,
        linewidth=0.8,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label=f"measured {name}",
        zorder=3,
    )
    return off_scale(panel, n * shift, ratio, mark)


def _meanings(measured: str, intervals: bool, beyond: bool) -> list[Meaning]:
    point = Line2D([], [], color="0.3", marker="o", linewidth=0.8)
    bar = Line2D([], [], color="0.3", marker="|", markersize=11, linestyle="none")
    line = Line2D([], [], color="0.2", linewidth=1.0)
    found: list[Meaning] = [
        ((bar, point), f"{measured}, 95% interval") if intervals else (point, measured),
        (line, "the information bound: 1"),
    ]
    return [*found, OFF_SCALE_MEANING] if beyond else found
