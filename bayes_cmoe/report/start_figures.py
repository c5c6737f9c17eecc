"""Whether starts from the prior reach the optimum that the start at the truth reaches."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bayes_cmoe.report.comparison import SAME, Comparison
from bayes_cmoe.report.figure_style import framed
from bayes_cmoe.report.numbers import count
from bayes_cmoe.report.regime_panels import by_variant

__all__ = ["agreement_figure"]

OUTCOMES = {
    "same": ("0.86", "", f"the same optimum (within {SAME:g} nats)"),
    "better": ("#d1751f", "", "a better one"),
    "worse": ("#14213d", "", "a worse one"),
}
"""Column of the table -> tone, hatch and meaning."""
LINE, TOP, BOTTOM = 0.24, 0.62, 0.62
"""Inches: a regime's bar, and what lies above and below the bars."""


def agreement_figure(comparison: Comparison) -> Figure | None:
    """Shares of fits in which prior starts reach the same, a better or a worse optimum.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Figure, or None where no fit was started from the prior
    """
    table = comparison.agreement
    if table.empty or not (table["fits"] > 0).any():
        return None
    labels = [
        setting.label
        for settings in by_variant(comparison).values()
        for setting in settings
        if setting.label in set(table["regime"])
    ]
    sizes = sorted(table["n"].unique())
    height = LINE * len(labels) + TOP + BOTTOM
    title = "Starts from the prior against the start at the truth, by n (rows)"
    figure = framed(max(9.6, 3.1 + 0.9 * len(sizes)), height, title, top=0.3, bottom=0.3)
    panels = figure.subplots(1, len(sizes), sharex=True, sharey=True, squeeze=False)[0]
    for panel, n in zip(panels, sizes, strict=True):
        _bars(panel, table[table["n"] == n].set_index("regime").reindex(labels))
        panel.set_title(count(n), loc="left", fontweight="bold")
        panel.set_xlabel("fits (%)")
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.4, -0.6)
    panels[0].set_xlim(0, 100)
    entries = [
        Patch(facecolor=tone, edgecolor="0.35", linewidth=0.5, hatch=hatch, label=meaning)
        for tone, hatch, meaning in OUTCOMES.values()
    ]
    figure.legend(
        handles=entries, loc="lower left", bbox_to_anchor=(0.0, 0.0), ncols=3
    ).set_in_layout(False)
    return figure


def _bars(panel: Axes, rows: pd.DataFrame) -> None:
    """Stacked bars, with the share that is not the same written beside them."""
    left = np.zeros(len(rows))
    for name, (tone, hatch, _) in OUTCOMES.items():
        shares = 100 * rows[name].to_numpy(dtype=float)
        panel.barh(
            np.arange(len(rows)), shares, left=left, height=0.72, color=tone, hatch=hatch,
            edgecolor="0.35", linewidth=0.4, label=name,
        )  # fmt: skip
        left = left + shares
    for place, same in enumerate(rows["same"].to_numpy(dtype=float)):
        text = "no fits" if np.isnan(same) else f"{100 * same:.0f}"
        panel.text(2, place, text, va="center", fontsize=7.5, color="0.2")
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0)
