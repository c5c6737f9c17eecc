# %% [markdown]
# # Maximum likelihood on the phase diagram: measured exponents over the (alpha, gamma) plane
# Share lam* = n^-alpha / 2, distance ‖Delta*‖ = 2 n^-gamma, constant gate, tanh experts: at 4 x 4
# points of the plane, the slope of log RMSE on log n over four sizes, relative to what is estimated
# (the error's slope minus the truth's own), on the computed phase diagram. Takes about three
# minutes on two idle cores; an interrupted run resumes.
# Usage: python analyses/phase_map.py [-o DIR] [-w PROCESSES], default out/phase_map.
#
# The background is asymptotic. At these sizes the information bound itself has another slope, so
# a measurement must meet the bound's slope **on the same sizes**, and only where theory is local:
# where the share is at least five times its bound (resolution). That is computed before anything is
# measured.
#
# On and beyond alpha + 2 gamma = 1/2 the bound is above the share itself and says nothing of an
# estimator on a compact set. The expansion at f0 does: the data know m1 = lam Delta and
# m2 = lam Delta² to n^-1/2 each, lam = m1²/m2, Delta = m2/m1. With m2 lost in its noise the share
# may come out anywhere up to 1, so that error over share grows as n^alpha; the expert is off by
# n^-1/2 / m1, m1 itself at least n^-1/2, so that error over distance goes as n to the power of
# gamma - 1/2 + min(alpha + gamma, 1/2). (The expansion leaves out fits that run to an expert far
# off; where these die out as n grows, as for a large share, the expert's RMSE falls faster.)

# %%
import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from rich.console import Console
from rich.table import Table

from bayes_cmoe.report.comparison import RESOLVED, Comparison, compare
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.bounds import all_bounds
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.exponents import phase_diagram

VARIANT, REGIME = "constant_contaminated", "merging"
EXPONENTS = (Fraction(0), Fraction(1, 16), Fraction(1, 8), Fraction(1, 4))
DESIGN = Design(
    "phase-map",
    tuple(Setting(VARIANT, REGIME, alpha, gamma) for alpha in EXPONENTS for gamma in EXPONENTS),
    map=MapPlan((10_000, 31_623, 100_000, 316_228), 40, starts=4, starts_up_to=10_000),
)
NAMES = {"lam": "share lambda", "expert": "expert (eta, nu)"}
MARKERS = {"all": "o", "some": "s", "none": "D"}
LOCAL = {"all": "local at every size", "some": "at some sizes", "none": "at none"}
LEVELS = np.arange(-0.6, 0.61, 0.1)


# %% [markdown]
# ## The sweep, the bounds at its sizes, and both relative to the truth


# %%
def measure(design: Design, folder: Path, workers: int, console: Console) -> Comparison:
    """Run or resume the sweep in a folder and set it beside the bounds."""
    table = run_sweep(design, folder, workers=workers, console=console)
    with console.status("computing the information bounds"):
        bounds = all_bounds(design, folder, workers)
    return compare(table, design, bounds)


def on_the_plane(rows: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Rows of the share and the expert, with their settings' alpha and gamma."""
    places = [(one.label, float(one.alpha or 0), float(one.gamma or 0)) for one in design.settings]
    plane = pd.DataFrame(places, columns=["regime", "alpha", "gamma"])
    return rows[rows.parameter.isin(NAMES)].merge(plane, on="regime")


def relative_errors(found: Comparison) -> pd.DataFrame:
    """Errors and bounds over the size of what is estimated, for each point and n."""
    errors = on_the_plane(found.errors, found.design)
    path = variant_named(VARIANT).regime(REGIME).path
    share = float(path.gate["lam"]) * errors.n**-errors.alpha
    size = np.where(errors.parameter == "lam", share, path.delta * errors.n**-errors.gamma)
    columns = ("rmse", "low", "high", "median", "bound")
    return errors.assign(size=size, **{name: errors[name] / size for name in columns})


def relative_rates(found: Comparison) -> pd.DataFrame:
    """Slopes of error over size, for each point and parameter, and where theory is local.

    ``beyond`` is the slope that is expected on and beyond the boundary, NaN inside.
    """
    rates = on_the_plane(found.rates, found.design)
    own = np.where(rates.parameter == "lam", rates.alpha, rates.gamma)
    one = found.errors[found.errors.parameter == "lam"]
    share = (one.resolution >= RESOLVED).groupby(one.regime).mean().loc[rates.regime].to_numpy()
    local = np.select([share == 1.0, share > 0.0], ["all", "some"], "none")
    lost = rates.gamma - 0.5 + np.minimum(rates.alpha + rates.gamma, 0.5)
    beyond = np.where(rates.parameter == "lam", rates.alpha, lost)
    beyond = np.where(rates.alpha + 2.0 * rates.gamma < 0.5, np.nan, beyond)
    columns = ("slope", "low", "high", "bound_slope", "exponent")
    shifted = {name: rates[name] + own for name in columns}
    return rates.assign(local=local, beyond=beyond, **shifted)


# %% [markdown]
# ## Numbers


# %%
def table_of(rates: pd.DataFrame, errors: pd.DataFrame, parameter: str) -> Table:
    """One row a point: slopes of error over size, and the errors at the largest size."""
    table = Table(title=f"{NAMES[parameter]}: slope of RMSE / size on log n, and at the largest n")
    names = ("alpha", "gamma", "local", "measured (95 %)", "bound at\nsame n", "bound,\nn -> inf")
    for name in (*names, "expected\nbeyond", "RMSE /\nsize", "median /\nsize", "at an\nedge"):
        table.add_column(name, justify="right", no_wrap=True)
    largest = errors[(errors.n == errors.n.max()) & (errors.parameter == parameter)]
    for row in rates[rates.parameter == parameter].itertuples():
        (end,) = largest[largest.regime == row.regime].itertuples()
        table.add_row(
            str(Fraction(row.alpha)), str(Fraction(row.gamma)), row.local,
            f"{row.slope:+.2f} ({row.low:+.2f}..{row.high:+.2f})",
            f"{row.bound_slope:+.2f}", f"{row.exponent:+.2f}",
            "" if np.isnan(row.beyond) else f"{row.beyond:+.2f}",
            f"{end.rmse:.3g}", f"{end.median:.3g}", f"{end.edge:.0%}",
        )  # fmt: skip
    return table


def reading(found: Comparison, rates: pd.DataFrame, errors: pd.DataFrame) -> str:
    """What was found, in words."""
    lines = []
    for parameter, name in NAMES.items():
        own = rates[rates.parameter == parameter]
        for local, words in LOCAL.items():
            part = own[own.local == local]
            if len(part):
                held = (part.low <= part.bound_slope) & (part.bound_slope <= part.high)
                gap = (part.slope - part.bound_slope).mean()
                lines.append(
                    f"{name}, {words}: the interval holds the bound's slope at {held.sum()} of "
                    f"{len(part)} points; measured minus bound {gap:+.2f} on average"
                )
        beyond = own[own.beyond.notna()]
        if len(beyond):
            held = (beyond.low <= beyond.beyond) & (beyond.beyond <= beyond.high)
            ends = errors[(errors.n == errors.n.max()) & errors.regime.isin(beyond.regime)]
            ends = ends[ends.parameter == parameter]
            lines.append(
                f"{name}, on and beyond the boundary: the interval holds the expected slope at "
                f"{held.sum()} of {len(beyond)} points; at n = {errors.n.max():,} the RMSE is "
                f"{ends.rmse.min():.2g} to {ends.rmse.max():.2g} times what is estimated, and "
                f"{ends.edge.mean():.0%} of the fits end at the edge of the box"
            )
    if len(found.agreement):
        agreement = on_the_plane(found.agreement.assign(parameter="lam"), found.design)
        inside = agreement.alpha + 2 * agreement.gamma < 0.5
        for part, words in ((agreement[inside], "inside"), (agreement[~inside], "on or beyond")):
            if len(part):
                lines.append(
                    f"{words} the boundary, n = {agreement.n.max():,}: starts from the prior find "
                    f"a higher likelihood than the start at the truth in {part.better.mean():.0%} "
                    f"of the fits, a lower one in {part.worse.mean():.0%}"
                )
    return "\n".join(lines)


# %% [markdown]
# ## Figures


# %%
def draw_map(axes: Axes, diagram: xr.Dataset, rates: pd.DataFrame, parameter: str) -> object:
    """The computed diagram, and at each point the measured slope beside the bound's."""
    values = diagram.relative.sel(parameter=parameter).transpose("gamma", "alpha")
    shades = {"levels": LEVELS, "cmap": "Greys", "extend": "both"}
    filled = axes.contourf(diagram.alpha, diagram.gamma, values, **shades)
    axes.contour(diagram.alpha, diagram.gamma, values, levels=[0.0], colors="black", linewidths=4.0)
    axes.plot(diagram.alpha, diagram.boundary, color="white", lw=1.6, ls=(0, (4, 3)))
    halo = [withStroke(linewidth=3.0, foreground="white")]
    for row in rates[rates.parameter == parameter].itertuples():
        halves = [filled.cmap(filled.norm(value)) for value in (row.slope, row.bound_slope)]
        axes.plot(
            row.alpha, row.gamma, MARKERS[row.local], markersize=17, fillstyle="left",
            markerfacecolor=halves[0], markerfacecoloralt=halves[1], markeredgecolor="black",
            markeredgewidth=1.4, clip_on=False, zorder=3,
        )  # fmt: skip
        axes.annotate(
            f"{row.slope:+.2f} | {row.bound_slope:+.2f}", (row.alpha, row.gamma), (0, -21),
            textcoords="offset points", ha="center", fontsize=8, path_effects=halo, zorder=4,
        )  # fmt: skip
    axes.set(title=NAMES[parameter], xlabel="alpha: share ~ n^-alpha")
    axes.set(xlim=(-0.035, 0.30), ylim=(-0.035, 0.30))
    axes.axhline(0.0, color="black", lw=0.8)
    axes.axvline(0.0, color="black", lw=0.8)
    return filled


def map_figure(diagram: xr.Dataset, rates: pd.DataFrame) -> Figure:
    """The two maps."""
    page, panels = plt.subplots(1, 2, figsize=(12, 6.4), sharey=True, layout="constrained")
    filled = None
    for axes, parameter in zip(panels, NAMES, strict=True):
        filled = draw_map(axes, diagram, rates, parameter)
    panels[0].set_ylabel("gamma: distance ~ n^-gamma")
    bar = page.colorbar(filled, ax=panels, shrink=0.9)
    bar.set_label("exponent of (error / size) in n")
    blank = {"color": "white", "markeredgecolor": "black", "linestyle": "", "markersize": 10}
    handles = [Line2D([], [], marker=MARKERS[k], label=LOCAL[k], **blank) for k in MARKERS]
    handles += [
        Line2D([], [], color="black", lw=4, label="computed: exponent 0"),
        Line2D([], [], color="0.55", lw=1.6, ls="--", label="published: alpha + 2 gamma = 1/2"),
    ]
    page.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=9)
    page.suptitle(
        "Exponents relative to what is estimated. Background: information bound, n -> infinity. "
        "Points: measured | bound at the same n"
    )
    return page


def slopes_figure(rates: pd.DataFrame) -> Figure:
    """Measured slopes against the bound's on the same sizes."""
    page, panels = plt.subplots(1, 2, figsize=(11, 5.4), layout="constrained")
    for axes, (parameter, name) in zip(panels, NAMES.items(), strict=True):
        own = rates[rates.parameter == parameter]
        ends = [own.bound_slope.min() - 0.05, own.bound_slope.max() + 0.05]
        axes.plot(ends, ends, color="black", lw=1.2, label="measured = bound")
        for local, marker in MARKERS.items():
            part = own[own.local == local]
            face = {"all": "black", "some": "0.6", "none": "white"}[local]
            axes.errorbar(
                part.bound_slope, part.slope, [part.slope - part.low, part.high - part.slope],
                fmt=marker, color="black", ecolor="0.5", markerfacecolor=face, label=LOCAL[local],
            )  # fmt: skip
        axes.plot(
            own.bound_slope, own.beyond, "_", color="black", ms=20, mew=2.2, zorder=1,
            label="expected on and beyond the boundary",
        )  # fmt: skip
        axes.axhline(0.0, color="0.7", lw=0.8, zorder=0)
        axes.set(title=name, xlabel="slope of bound / size on log n, same sizes")
        axes.set_ylabel("measured slope of RMSE / size (95 %)")
    page.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return page


def errors_figure(errors: pd.DataFrame) -> Figure:
    """Errors over size against the resolution: one curve for all points and sizes."""
    page, panels = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained")
    for axes, (parameter, name) in zip(panels, NAMES.items(), strict=False):
        own = errors[errors.parameter == parameter]
        resolution = 1.0 / own.bound
        ends = np.array([resolution.min(), resolution.max()])
        axes.loglog(ends, 1.0 / ends, color="black", lw=1.2, label="information bound")
        axes.loglog(resolution, own.rmse, "o", color="black", ms=4, label="RMSE")
        axes.loglog(resolution, own["median"], "v", color="0.6", ms=4, label="median |error|")
        axes.axhline(1.0, color="0.5", lw=1.0, ls=":", label="error = what is estimated")
        axes.set(title=name, xlabel="size / bound of it", ylabel="error / size")
    panels[0].axvline(RESOLVED, color="0.5", lw=1.0, ls="--", label="local from here on")
    own = errors[errors.parameter == "lam"]
    panels[2].semilogx(own.resolution, own.edge, "o", color="black", ms=4)
    panels[2].axvline(RESOLVED, color="0.5", lw=1.0, ls="--", label="local from here on")
    panels[2].set(title="fits at the edge of the box", xlabel="share / bound of it")
    panels[2].set(ylabel="share of the fits", ylim=(-0.03, 1.03))
    for axes in panels:
        axes.legend(fontsize=8)
    return page


# %% tags=["parameters", "active-ipynb"]
# FOLDER, AXIS = Path("phase_map"), np.linspace(0.0, 0.3125, 7)
# PLACES = ((0, 0), (0, "1/8"), ("1/4", "1/4"))
# # Three points and three sizes, no starts from the prior: those are the script's, and its cost.
# SMALL = Design(
#     "phase-map, small",
#     tuple(Setting(VARIANT, REGIME, Fraction(a), Fraction(b)) for a, b in PLACES),
#     map=MapPlan((4_000, 16_000, 64_000), 24),
# )

# %% tags=["active-ipynb"]
# found = measure(SMALL, FOLDER, 1, Console(quiet=True))
# rates, errors = relative_rates(found), relative_errors(found)
# table_of(rates, errors, "lam")

# %% tags=["active-ipynb"]
# diagram = phase_diagram(VARIANT, REGIME, alpha=AXIS[::2], gamma=AXIS)
# on_the_map = map_figure(diagram, rates)

# %% tags=["active-ipynb"]
# over_sizes = errors_figure(errors)


# %% tags=["active-py"]
def main(arguments: Sequence[str], design: Design = DESIGN) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description="Measured exponents over the phase diagram.")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/phase_map"), metavar="DIR")
    parser.add_argument("-w", "--workers", type=int, default=2, metavar="PROCESSES")
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    console = Console()
    found = measure(design, given.output / "sweep", given.workers, console)
    rates, errors = relative_rates(found), relative_errors(found)
    with console.status("computing the phase diagram"):
        axis = np.linspace(0.0, 0.3125, 11)
        diagram = phase_diagram(VARIANT, REGIME, alpha=axis[::2], gamma=axis)
    wide = Console(width=max(console.width, 120))
    wide.print(*(table_of(rates, errors, parameter) for parameter in NAMES), sep="\n")
    console.print(reading(found, rates, errors), soft_wrap=True)
    figures = {
        "phase_map.png": map_figure(diagram, rates),
        "slopes.png": slopes_figure(rates),
        "errors.png": errors_figure(errors),
    }
    for name, figure in figures.items():
        figure.savefig(given.output / name, dpi=130)
        console.print(f"wrote {given.output / name}", soft_wrap=True)
    return rates


if __name__ == "__main__":
    main(sys.argv[1:])
