"""One style for all figures of a sweep: sizes, tones, and a frame with room for the legends."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import AutoLocator, FuncFormatter, Locator, LogLocator

__all__ = [
    "COLORS",
    "MARKERS",
    "NOT_LOCAL",
    "STYLE",
    "framed",
    "heading",
    "log_ticks",
    "plain",
    "power_of_ten",
]

STYLE: Any = {
    "text.parse_math": False,
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.45",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "figure.titlesize": 11.0,
    "figure.titleweight": "bold",
    "lines.markersize": 4.2,
}
"""A name may hold an underscore or a dollar sign, so no text is mathematics."""
COLORS = ("#0f1a33", "#8f1d4f", "#0f8290", "#d97f24", "#93a3f2", "#4d7a29", "#a884bf")
"""Dark to light but for the last two, so that neighbours differ in grey too."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
NOT_LOCAL = "0.955"
"""Tone of the range in which theory is not local."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def framed(width: float, height: float, title: str, *, top: float, bottom: float) -> Figure:
    """An empty figure with a title, whose panels leave room above and below.

    Parameters
    ----------
    width, height, top, bottom : float
        Inches.
    title : str

    Returns
    -------
    Figure

    Examples
    --------
    >>> framed(6.0, 4.0, "errors", top=0.5, bottom=0.5).get_suptitle()
    'errors'
    """
    inside = (0.0, bottom / height, 1.0, 1.0 - (top + bottom) / height)
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=inside))
    heading = figure.suptitle(title, x=0.06 / width, y=1.0 - 0.07 / height, ha="left", va="top")
    heading.set_in_layout(False)
    return figure


def heading(panel: Axes, title: str, subtitle: str) -> None:
    """A panel's title, and under it in grey what else there is to say."""
    panel.set_title(title, loc="left", fontweight="bold", pad=14 if subtitle else 6)
    panel.text(0.0, 1.025, subtitle, transform=panel.transAxes, fontsize=8, color="0.35")


class _Decades(Locator):
    """The decades, and numbers between them where fewer than two decades are in sight."""

    def __call__(self) -> Sequence[float]:
        assert self.axis is not None
        low, high = sorted(self.axis.get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = 10.0**vmin, 10.0**vmax
        found: list[float] = []
        for finer in (LogLocator(numticks=12), LogLocator(subs=(1.0, 2.0, 5.0)), AutoLocator()):
            found = [tick for tick in finer.tick_values(low, high) if low <= tick <= high]
            if len(found) > 1:
                break
        return [float(np.log10(tick)) for tick in found]


def log_ticks(axis: Axis, form: Callable[[float], str]) -> None:
    """Ticks of an axis of base-ten logarithms: at the decades where it spans two.

    Parameters
    ----------
    axis : matplotlib Axis
    form : callable
        The label of a number, not of its logarithm.
    """
    axis.set_major_locator(_Decades())
    axis.set_major_formatter(FuncFormatter(lambda value, _: form(10.0**value)))


def power_of_ten(value: float) -> str:
    """A tick's label on a logarithmic axis.

    Examples
    --------
    >>> power_of_ten(1e-3), power_of_ten(200.0), power_of_ten(5e6)
    ('10⁻³', '200', '5·10⁶')
    """
    power = int(np.floor(np.log10(value) + 1e-9))
    times = f"{value / 10.0**power:.3g}"
    if times != "1" and 1e-3 <= value < 1e5:
        return plain(value)
    return f"{'' if times == '1' else f'{times}·'}10{str(power).translate(SUPERSCRIPTS)}"


def plain(value: float) -> str:
    """A tick's label as the number itself.

    Examples
    --------
    >>> plain(0.25), plain(10.0)
    ('0.25', '10')
    """
    return f"{value:g}"
