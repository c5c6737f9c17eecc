"""Error and posterior expected loss against n, beside what theory says of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from bayes_cmoe.report.comparison import MEASURES, Comparison
from bayes_cmoe.report.figure_style import log_ticks, power_of_ten
from bayes_cmoe.report.numbers import fraction
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

__all__ = ["contraction_figure", "error_figure"]

BEYOND = 10**0.3
"""How far past the last size the asymptotic lines go, so that they show where the bound is one."""
OFF_SCALE = 20.0
"""Errors more than so many times the largest bound are marked at the panels' edge."""
DASHES = (0, (4, 2))
DOTS = (0, (1, 1.2))
WORDS = {
    "map": ("error of the MAP", "RMSE of the MAP", "information bound"),
    "nuts": (
        "contraction of the posterior (NUTS)",
        "mean posterior expected loss",
        "its limit, E‖N(0, 2 I⁻¹/n)‖",
    ),
}
"""Method -> title, what is measured, what theory says of it."""


def error_figure(comparison: Comparison, settings: Sequence[Setting]) -> Figure | None:
    """RMSE of the MAP beside information bound and asymptotic exponent, a panel a setting.

    Parameters
    ----------
    comparison : Comparison
    settings : sequence of Setting
        Of one variant.

    Returns
    -------
    Figure, or None where no MAP fit is finished
    """
    return _beside_theory(comparison, settings, "map")


def contraction_figure(comparison: Comparison, settings: Sequence[Setting]) -> Figure | None:
    """Posterior expected loss of NUTS beside its limit, and the MAP's RMSE, a panel a setting.

    Parameters
    ----------
    comparison : Comparison
    settings : sequence of Setting
        Of one variant.

    Returns
    -------
    Figure, or None where no NUTS fit is finished
    """
    return _beside_theory(comparison, settings, "nuts")


def _beside_theory(
    comparison: Comparison, settings: Sequence[Setting], method: str
) -> Figure | None:
    marks = marks_of(comparison)
    regimes = [setting.label for setting in settings]
    shown = rows_of(comparison.errors, method=[method], regime=regimes, parameter=marks)
    if shown.empty or not np.isfinite(shown["rmse"]).any():
        return None
    sizes = comparison.design.plans[method].sizes
    title, measured, limit = WORDS[method]
    figure, panels = regime_panels(
        settings, (sizes[0] / 1.25, sizes[-1] * BEYOND * 1.1), f"{settings[0].variant}: {title}"
    )
    lines = {label: _lines(comparison, label, method) for label in panels}
    first = next(iter(panels.values()))
    first.set_yscale("log")
    first.set_ylim(*_limits(lines, shown))
    log_ticks(first.yaxis, power_of_ten)
    figure.supylabel(f"{measured}\n(parameter's units)", fontsize=8.5)

    other = beyond = modulus = False
    for label, panel in panels.items():
        theory = comparison.bounds[label]
        local_shade(panel, theory)
        for name, line in lines[label].items():
            own = rows_of(shown, regime=[label], parameter=[name])
            exponent = float(theory["exponent"].sel(target=name))
            _theory(panel, line, exponent, own, name, marks[name])
            if method == "map":
                modulus |= _modulus(panel, theory, line[0], name, marks[name])
            beyond |= _measured(panel, own, marks[name])
            if method == "nuts":
                beside = rows_of(
                    comparison.errors, method=["map"], regime=[label], parameter=[name]
                )
                other |= _faint(panel, beside, marks[name])
        _exponent_key(panel)
        if not np.isfinite(rows_of(shown, regime=[label])["rmse"]).any():
            say_nothing_yet(panel)
    legends(figure, marks, shown["parameter"], _meanings(measured, limit, other, beyond, modulus))
    return figure


def _lines(comparison: Comparison, label: str, method: str) -> dict[str, tuple[NDArray, NDArray]]:
    """What theory says of each parameter: the method's sizes and the values there."""
    theory = comparison.bounds[label]
    sizes = np.array(comparison.design.plans[method].sizes)
    values = theory[MEASURES[method][2]].reindex(n=sizes)
    return {name: (sizes, values.sel(target=name).to_numpy()) for name in parameters_of(theory)}


def _limits(
    lines: dict[str, dict[str, tuple[NDArray, NDArray]]], shown: pd.DataFrame
) -> tuple[float, float]:
    """All of theory and nearly all errors: a gate may run away beyond any scale."""
    theory = np.concatenate([line for own in lines.values() for _, line in own.values()])
    measured = shown[["rmse", "low", "high"]].to_numpy(dtype=float).ravel()
    theory, measured = (part[np.isfinite(part) & (part > 0)] for part in (theory, measured))
    every = np.concatenate([theory, measured])
    center = theory if theory.size else measured
    low = max(every.min(), center.min() / OFF_SCALE)
    high = min(every.max(), center.max() * OFF_SCALE)
    return low / 1.5, high * 1.5


def _theory(
    panel: Axes,
    line: tuple[NDArray, NDArray],
    exponent: float,
    own: pd.DataFrame,
    name: str,
    mark: Mark,
) -> None:
    """The bound, and the asymptotic line from its last size both ways."""
    n, bound = line
    panel.plot(n, bound, color=mark.color, linewidth=1.1, label=f"bound {name}")
    known = np.flatnonzero(np.isfinite(bound))
    measured = own[np.isfinite(own["rmse"])]
    if not np.isfinite(exponent) or (not known.size and measured.empty):
        return
    start, value = (
        (n[known[-1]], bound[known[-1]]) if known.size else measured[["n", "rmse"]].iloc[-1]
    )
    reach = np.array([n[0], start, n[-1] * BEYOND])
    panel.plot(
        reach,
        value * (reach / start) ** exponent,
        color=mark.color,
        linewidth=1.1,
        linestyle=DASHES,
        label=f"exponent {fraction(exponent)} {name}",
    )


def _measured(panel: Axes, own: pd.DataFrame, mark: Mark) -> bool:
    """Markers and band; whether some lie beyond the panel's edge."""
    n, value, low, high = (own[key].to_numpy(float) for key in ("n", "rmse", "low", "high"))
    name = own["parameter"].iloc[0] if len(own) else ""
    panel.fill_between(n, low, high, color=mark.color, alpha=0.22, linewidth=0)
    panel.vlines(n, low, high, color=mark.color, linewidth=0.8)
    panel.plot(
        n,
        value,
        linestyle="none",
        color=mark.color,
        marker=mark.marker,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label=f"measured {name}",
        zorder=3,
    )
    return off_scale(panel, n, value, mark)


def _faint(panel: Axes, own: pd.DataFrame, mark: Mark) -> bool:
    """The MAP's RMSE behind the posterior's loss; whether there is any."""
    if own.empty or not np.isfinite(own["rmse"]).any():
        return False
    panel.plot(
        own["n"], own["rmse"], color=mark.color, alpha=0.5, linewidth=0.9, linestyle=":",
        label=f"MAP {own['parameter'].iloc[0]}",
    )  # fmt: skip
    return True


def _exponent_key(panel: Axes) -> None:
    """The asymptotic exponents of a panel, in a corner that falling errors leave free."""
    handles, labels = panel.get_legend_handles_labels()
    lines = {label: line for line, label in zip(handles, labels, strict=True)}
    named = {
        label.removeprefix("exponent "): line
        for label, line in lines.items()
        if label.startswith("exponent ")
    }
    if named:
        key = panel.legend(
            named.values(),
            named.keys(),
            loc="lower left",
            fontsize=7.5,
            handlelength=2.2,
            labelspacing=0.25,
            borderpad=0.15,
            borderaxespad=0.3,
            frameon=True,
            framealpha=0.75,
            edgecolor="none",
        )
        key.set_zorder(4)


def _modulus(panel: Axes, theory: xr.Dataset, n: NDArray, name: str, mark: Mark) -> bool:
    """The modulus where it leaves the bound; whether there is any."""
    if "modulus" not in theory:
        return False
    values = theory["modulus"].reindex(n=n).sel(target=name).to_numpy()
    bound = theory["bound"].reindex(n=n).sel(target=name).to_numpy()
    known = np.isfinite(values)
    if not known.all() or np.array_equal(values[known], bound[known]):
        return False
    panel.plot(n, values, color=mark.color, linewidth=1.3, linestyle=DOTS, label=f"modulus {name}")
    return True


def _meanings(measured: str, limit: str, other: bool, beyond: bool, modulus: bool) -> list[Meaning]:
    gray: Any = {"color": "0.3", "linewidth": 1.1}
    band = Patch(color="0.3", alpha=0.25)
    point = Line2D([], [], color="0.3", marker="o", linestyle="none")
    found: list[Meaning] = [
        ((band, point), f"{measured}, 95% interval"),
        (Line2D([], [], **gray), limit),
        (Line2D([], [], **gray, linestyle=DASHES), "asymptotic exponent, through the last size"),
    ]
    if modulus:
        line = Line2D([], [], **gray | {"linewidth": 1.3}, linestyle=DOTS)
        found.append((line, "modulus at two standard errors, halved"))
    if other:
        found.append((Line2D([], [], **gray, alpha=0.5, linestyle=":"), "RMSE of the MAP"))
    return [*found, OFF_SCALE_MEANING] if beyond else found
