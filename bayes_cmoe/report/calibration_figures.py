"""Figures of a calibration: the ECDF of the truth's places minus that of uniform numbers."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bayes_cmoe.report.calibration import BAND, FEWEST, Calibration, band
from bayes_cmoe.report.figure_style import COLORS, STYLE, framed

__all__ = ["calibration_figures"]

COLUMNS = 4
PANEL = (2.35, 2.0)
"""Width and height of a panel, inches."""
TOP, BOTTOM = 0.5, 0.05
DENSE = 400


def calibration_figures(found: Calibration) -> dict[str, Figure]:
    """A figure for each regime and size, a panel a quantity.

    Parameters
    ----------
    found : Calibration

    Returns
    -------
    dict of str to Figure
        By ``places-REGIME-nN``; one with fewer than ten fits is left out.
    """
    figures = {}
    with mpl.rc_context(STYLE):
        for group in found.counts.to_dict("records"):
            regime, n = group["regime"], group["n"]
            own = found.of(regime, n)
            own = own[own["fits"] >= FEWEST] if len(own) else own
            if len(own):
                name = f"places-{regime.replace('/', '-')}-n{n}"
                figures[name] = _figure(found, regime, n, list(own["quantity"]))
    return figures


def _figure(found: Calibration, regime: str, n: int, quantities: list[str]) -> Figure:
    columns = min(COLUMNS, len(quantities))
    lines = -(-len(quantities) // columns)
    width, height = PANEL[0] * columns + 0.4, PANEL[1] * lines + TOP + BOTTOM
    figure = framed(width, height, f"{regime}, n = {n}", top=TOP, bottom=BOTTOM)
    panels = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for panel, quantity in zip(panels.ravel(), quantities, strict=False):
        _panel(panel, found, regime, n, quantity)
    for panel in panels.ravel()[len(quantities) :]:
        panel.set_axis_off()
    figure.supxlabel("share of posterior draws below the truth", fontsize=8.5)
    figure.supylabel("ECDF minus uniform", fontsize=8.5)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    # Beside the title: below the panels is the axis' label.
    figure.legend(handles, labels, loc="upper right", ncols=3, fontsize=8).set_in_layout(False)
    return figure


def _panel(panel: Axes, found: Calibration, regime: str, n: int, quantity: str) -> None:
    places = found.places(regime, n, quantity, trusted=False)
    trusted = found.places(regime, n, quantity, trusted=True)
    points, lower, upper = band(len(places))
    panel.fill_between(
        points, lower, upper, color="0.85", linewidth=0, label=f"{BAND:.0%} simultaneous band"
    )
    panel.axhline(0.0, color="0.5", linewidth=0.8)
    panel.plot(*_difference(places), color=COLORS[0], label=f"all fits ({len(places)})")
    if FEWEST <= len(trusted) < len(places):
        panel.plot(*_difference(trusted), "--", color=COLORS[3], label=f"trusted ({len(trusted)})")
    panel.set_title(quantity, loc="left")
    panel.set_xlim(0.0, 1.0)


def _difference(places: NDArray) -> tuple[NDArray, NDArray]:
    grid = np.linspace(0.0, 1.0, DENSE)
    ecdf = np.searchsorted(np.sort(places), grid, side="right") / len(places)
    return grid, ecdf - grid
