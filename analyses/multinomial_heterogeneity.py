# %% [markdown]
# # How many times fewer rows a heterogeneous adapter needs
# arXiv:2602.00939: beside a frozen linear classifier, an adapter of another form (heterogeneous,
# tanh logits) is learnt at faster rates than one of the same form (homogeneous, linear logits),
# and so from fewer rows. Here the number of times is computed from the information bound and then
# measured by maximum likelihood. Takes about two minutes on two idle cores; an interrupted run
# resumes. Usage: python analyses/multinomial_heterogeneity.py [-o DIR] [-w PROCESSES], default
# out/multinomial_heterogeneity.
#
# **What is compared.** Two problems with the same frozen classifier, inputs, level gate (beta* = 0,
# tau* = 1/2) and the same true parameters eta*, each entry Delta away from eta0, up or down; in one
# the prompt's logits are linear in x, in the other they are the tanh of these. The ratio of rows is
# R(e) = n_hom(e) / n_het(e), n(e) the rows from which on the RMSE stays at e or below.
# - **Delta fixed** while rows are added: the bound is s(Delta) / sqrt(n), so R = (s_hom / s_het)²
#   whatever the error. As Delta -> 0 it grows as Delta^-4 for the odds exp tau and as Delta^-2 for
#   beta and the expert. This is what is measured.
# - **Delta moving** with the rows, 2 n^-1/8: the two adapters then reach an error at different
#   Delta, and n_hom ~ n_het^2 (exp tau), n_het^(4/3) (beta, expert). Only computed here.
#
# The paper speaks of rates as Delta -> 0. At a given Delta the constants count as well, and the
# bounded tanh is a hard function to learn where its argument is large: R may be below one.

# %%
import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.measured import Measured
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.exponents import exponents, powers

VARIANT = "multinomial_contaminated"
FORMS = {"heterogeneous": "heterogeneous", "homogeneous": "homogeneous-merging"}
NAMES = {"exp_tau": "odds exp tau", "beta": "gate slope beta", "expert": "expert (a, b)"}
POWERS = {"exp_tau": -4, "beta": -2, "expert": -2}
SIZES = {0: range(5, 9), 1: range(5, 9), 2: range(5, 10)}
REPLICATIONS = 40
RUNAWAY = 100.0
LINES = {"exp_tau": "-", "beta": "--", "expert": ":"}
MARKERS = {"exp_tau": "o", "beta": "s", "expert": "D"}
STYLES = {"heterogeneous": ("0.55", "o", "--"), "homogeneous": ("black", "s", "-")}

# %% [markdown]
# ## The bound
# At Delta fixed, and along the moving path.


# %%
def distance(halvings: NDArray) -> NDArray:
    """Delta after so many halvings of the regimes' own 2."""
    return 2.0 * 2.0**-halvings


def deviations(distances: NDArray, draws: int = 2**17) -> xr.DataArray:
    """s(Delta), the bound on RMSE times sqrt(n): (form, parameter, delta)."""
    found = [powers(VARIANT, regime, delta=distances, draws=draws) for regime in FORMS.values()]
    whole = xr.concat([one.deviation for one in found], dim="form", join="exact")
    return whole.assign_coords(form=list(FORMS)).sel(parameter=list(NAMES))


def along_the_path(sizes: NDArray, draws: int = 2**17) -> xr.DataArray:
    """The bound where Delta = 2 n^-1/8: (form, parameter, n)."""
    given = {"n": sizes, "gamma": Fraction(1, 8), "draws": draws}
    found = [exponents(VARIANT, regime, **given) for regime in FORMS.values()]
    whole = xr.concat([one.bound for one in found], dim="form", join="exact")
    return whole.assign_coords(form=list(FORMS)).sel(parameter=list(NAMES))


# %% [markdown]
# ## The sweep
# A path's exponent depends on n when Delta is to be the same at every n: at n = 4^k the exponent
# gamma = h / 2k gives Delta = 2 n^-gamma = 2^(1 - h) exactly. So each size is a design of its own.
# `SIZES` has the k for each h: the nearer the prompt, the more rows until theory is local (odds
# five times their bound: at 2,000, 10,000 and 80,000 rows for the homogeneous adapter).


# %%
def design_of(k: int, halvings: Sequence[int], replications: int = REPLICATIONS) -> Design:
    """The fits at n = 4^k: both forms at every Delta."""
    settings = tuple(
        Setting(VARIANT, regime, gamma=Fraction(h, 2 * k))
        for h in halvings
        for regime in FORMS.values()
    )
    return Design(f"n = 4^{k}", settings, map=MapPlan((4**k,), replications))


DESIGNS = tuple(
    design_of(k, [h for h, sizes in SIZES.items() if k in sizes])
    for k in sorted({k for sizes in SIZES.values() for k in sizes})
)


def measure(
    designs: Sequence[Design], folder: Path, workers: int, console: Console
) -> dict[tuple[str, float, str], Measured]:
    """Errors over sizes by form, Delta and parameter; runs or resumes the sweeps in a folder."""
    rows: dict[tuple[str, float, str], list[tuple[int, NDArray]]] = {}
    for design in designs:
        (n,) = design.map.sizes if design.map else ()
        table = run_sweep(design, folder / f"n{n}", workers=workers, console=console)
        for setting in design.settings:
            form = next(name for name, regime in FORMS.items() if regime == setting.regime)
            delta = round(2.0 * n ** -float(setting.gamma or 0), 9)
            own = table.isel(fit=np.flatnonzero(table.setting == setting.label))
            for name in NAMES:
                errors = own.error.sel(target=name).to_numpy()
                rows.setdefault((form, delta, name), []).append((n, errors))
    return {
        key: Measured(np.array([n for n, _ in own]), np.array([errors for _, errors in own]))
        for key, own in rows.items()
    }


# %% [markdown]
# ## Rows at equal error


# %%
def falling(rmse: NDArray) -> NDArray:
    """The least curve that falls and lies above a RMSE, (size,)"""
    return np.maximum.accumulate(rmse[::-1])[::-1]


def rows_for(n: NDArray, rmse: NDArray, error: float) -> float:
    """Rows from which on the RMSE stays at an error or below; NaN outside what was measured.

    Log n is interpolated on the log of the least curve that falls and lies above the RMSE.

    Parameters
    ----------
    n, rmse : array, shape (size,)
    error : float
    """
    logs = np.log(falling(rmse))[::-1], np.log(n.astype(float))[::-1]
    return float(np.exp(np.interp(np.log(error), *logs, left=np.nan, right=np.nan)))


def rows_reached(measured: Measured, error: float) -> tuple[float, float]:
    """Rows for an error, and half of the 95 % interval of their logarithm, by the delta method.

    Where log n is interpolated with the weights 1 - t and t between two sizes, the errors of their
    log RMSE are passed on with these weights, divided by the curve's slope. Where the least size
    has the error already, that size and no upper limit.
    """
    n, found = measured.n, measured.average
    rows = rows_for(n, found.value, error)
    if np.isnan(rows):
        return float(n[0]), np.inf
    i = int(np.clip(np.searchsorted(n, rows, "right") - 1, 0, len(n) - 2))
    (upper, lower), step = np.log(falling(found.value))[i : i + 2], np.log(n[i + 1] / n[i])
    halves = np.log(found.high / found.low)[i : i + 2] / 2.0
    t = np.log(rows / n[i]) / step
    return rows, float(step / (upper - lower) * np.hypot((1.0 - t) * halves[0], t * halves[1]))


@dataclass(frozen=True)
class Ratio:
    """Rows of the homogeneous over rows of the heterogeneous adapter, at one error."""

    error: float
    rows: dict[str, float]
    value: float
    low: float
    high: float


def rows_ratio(heterogeneous: Measured, homogeneous: Measured) -> Ratio:
    """The ratio with its 95 % interval, at an error that the slower adapter meets late.

    The error is that between its last two sizes (geometric mean), inside the measured range. The
    two adapters' fits are independent.
    """
    both = {"heterogeneous": heterogeneous, "homogeneous": homogeneous}
    error = max(float(np.sqrt(np.prod(own.average.value[-2:]))) for own in both.values())
    found = {form: rows_reached(own, error) for form, own in both.items()}
    rows = {form: own for form, (own, _) in found.items()}
    ratio = rows["homogeneous"] / rows["heterogeneous"]
    half = float(np.hypot(*(half for _, half in found.values())))
    return Ratio(error, rows, ratio, ratio * np.exp(-half), ratio * np.exp(half))


def comparison(
    measured: dict[tuple[str, float, str], Measured], bound: xr.DataArray
) -> pd.DataFrame:
    """One row a Delta and parameter: measured and bound rows and their ratio at the same error."""
    table = []
    for form, delta, name in measured:
        if form != "homogeneous":
            continue
        both = {own: measured[own, delta, name] for own in FORMS}
        found = rows_ratio(both["heterogeneous"], both["homogeneous"])
        own = bound.sel(delta=delta, parameter=name)
        s = {form: float(own.sel(form=form)) for form in FORMS}
        last = {form: both[form].efficiency(s[form] / both[form].n ** 0.5) for form in FORMS}
        table.append(
            {
                "delta": delta, "parameter": name, "error": found.error,
                **{f"n_{form}": found.rows[form] for form in FORMS},
                "ratio": found.value, "low": found.low, "high": found.high,
                "bound_ratio": (s["homogeneous"] / s["heterogeneous"]) ** 2,
                **{f"bound_n_{form}": (s[form] / found.error) ** 2 for form in FORMS},
                **{f"efficiency_{form}": last[form].value[-1] for form in FORMS},
            }
        )  # fmt: skip
    return pd.DataFrame(table)


# %% [markdown]
# ## Numbers


# %%
def table_of(found: pd.DataFrame) -> Table:
    """The ratios beside the bound's, with the rows they are made of."""
    title = "Rows for the same error at fixed Delta: homogeneous over heterogeneous"
    table = Table("Delta", "of", title=title)
    columns = ("error", "n hom", "n het", "ratio (95 %)", "bound:\nn hom", "\nn het", "\nratio")
    for column in (*columns, "bound / RMSE at\nlargest n: hom, het"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in found.itertuples():
        table.add_row(
            f"{row.delta:g}", NAMES[row.parameter], f"{row.error:.3g}",
            f"{row.n_homogeneous:,.0f}", f"{row.n_heterogeneous:,.0f}",
            f"{row.ratio:.2f} ({row.low:.2f}..{row.high:.2f})",
            f"{row.bound_n_homogeneous:,.0f}", f"{row.bound_n_heterogeneous:,.0f}",
            f"{row.bound_ratio:.2f}",
            f"{row.efficiency_homogeneous:.2f}, {row.efficiency_heterogeneous:.2f}",
        )  # fmt: skip
    return table


def crossing(bound: xr.DataArray, name: str) -> float:
    """The Delta above which the homogeneous adapter needs fewer rows; NaN where it never does."""
    own = bound.sel(parameter=name).sortby("delta")
    ratio = 2.0 * np.log((own.sel(form="homogeneous") / own.sel(form="heterogeneous")).to_numpy())
    if not (ratio.min() < 0.0 < ratio.max()):
        return float("nan")
    return float(np.exp(np.interp(0.0, -ratio, np.log(own.delta))))


def lost(measured: dict[tuple[str, float, str], Measured]) -> str:
    """How often the odds run away where rows are few, at the smallest Delta."""
    nearest = min(delta for _, delta, _ in measured)
    words = []
    for form in FORMS:
        own = measured[form, nearest, "exp_tau"]
        shares = np.mean(own.errors > RUNAWAY, axis=1)
        words.append(", ".join(f"{s:.0%} at {n:,}" for n, s in zip(own.n, shares, strict=True)))
    return f"odds off by more than {RUNAWAY:g}, Delta = {nearest:g}: " + "; ".join(
        f"{form} {text}" for form, text in zip(FORMS, words, strict=True)
    )


def reading(found: pd.DataFrame, bound: xr.DataArray, path: xr.DataArray) -> str:
    """What was found, in words."""
    held = (found.low <= found.bound_ratio) & (found.bound_ratio <= found.high)
    lines = [f"the interval holds the bound's ratio in {held.sum()} of {len(found)} comparisons"]
    ratio = (bound.sel(form="homogeneous") / bound.sel(form="heterogeneous")) ** 2
    for name, words in NAMES.items():
        own = ratio.sel(parameter=name)
        small = own.sortby("delta").isel(delta=slice(0, 2))
        power = float(np.diff(np.log(small))[0] / np.diff(np.log(small.delta))[0])
        cross = crossing(bound, name)
        where = f"; below one above Delta = {cross:.2f}" if np.isfinite(cross) else ""
        lines.append(
            f"{words}: the bound's ratio is {float(own.sel(delta=2.0)):.2f} at Delta = 2, "
            f"{float(own.sel(delta=0.5)):.1f} at 1/2, {float(small[0]):.3g} at "
            f"{float(small.delta[0]):.3g}, growing as Delta^{power:.1f} (rates: "
            f"Delta^{POWERS[name]}){where}"
        )
    for name in NAMES:
        rows = {form: rows_on_the_path(path, form, name, 0.1) for form in FORMS}
        lines.append(
            f"Delta = 2 n^-1/8, {NAMES[name]} to 0.1: {rows['homogeneous']:,.0f} rows against "
            f"{rows['heterogeneous']:,.0f}, {rows['homogeneous'] / rows['heterogeneous']:.2f} times"
        )
    return "\n".join(lines)


def rows_on_the_path(path: xr.DataArray, form: str, name: str, error: float) -> float:
    """Rows for an error by the bound where Delta moves with them."""
    return rows_for(path.n.to_numpy(), path.sel(form=form, parameter=name).to_numpy(), error)


# %% [markdown]
# ## Figures


# %%
def draw_errors(
    axes: Axes,
    measured: dict[tuple[str, float, str], Measured],
    bound: xr.DataArray,
    row: pd.Series,
) -> None:
    """RMSE of both adapters over n with the bounds, and the step between them at equal error."""
    level = bound.sel(delta=row.delta, parameter=row.parameter)
    n = measured["homogeneous", row.delta, row.parameter].n
    top, least = 10.0 * level.max().item() / n[0] ** 0.5, 0.6 * level.min().item() / n[-1] ** 0.5
    for form, (colour, marker, line) in STYLES.items():
        found = measured[form, row.delta, row.parameter].average
        limit = level.sel(form=form).item() / n**0.5
        axes.fill_between(n, found.low, found.high, color=colour, alpha=0.25, lw=0)
        axes.loglog(n, found.value, marker, color=colour, ms=5, label=f"{form}, measured")
        axes.loglog(n, limit, line, color=colour, lw=1.4, label=f"{form}, bound")
        off = n[found.value > top]
        axes.plot(off, np.full(len(off), 0.85 * top), "^", color=colour, ms=7)
    axes.set_ylim(least, top)
    ends = (row.n_heterogeneous, row.error), (row.n_homogeneous, row.error)
    axes.annotate("", *ends[::-1], arrowprops={"arrowstyle": "<->", "lw": 1.4, "color": "black"})
    words = f"rows x {row.ratio:.2g}\nbound: x {row.bound_ratio:.2g}"
    axes.text(0.04, 0.06, words, transform=axes.transAxes, fontsize=10)


def errors_figure(
    measured: dict[tuple[str, float, str], Measured], bound: xr.DataArray, found: pd.DataFrame
) -> Figure:
    """A row of panels for each Delta, a column for each parameter."""
    deltas = sorted(found.delta.unique(), reverse=True)
    size = (12, 3.2 * len(deltas) + 0.6)
    page, grid = plt.subplots(len(deltas), 3, figsize=size, squeeze=False, layout="constrained")
    for panels, delta in zip(grid, deltas, strict=True):
        for axes, name in zip(panels, NAMES, strict=True):
            (row,) = found[(found.delta == delta) & (found.parameter == name)].itertuples()
            draw_errors(axes, measured, bound, row)
            axes.set_title(f"{NAMES[name]}, Delta = {delta:g}", fontsize=10)
            axes.set(xlabel="rows n", ylabel="RMSE")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    page.legend(handles, labels, loc="outside lower center", ncols=4)
    page.suptitle(
        "Error against rows at fixed Delta. Arrow: the step in rows at equal error,\n"
        "homogeneous over heterogeneous (bands: 95 %; triangles: off the scale)"
    )
    return page


def ratio_figure(found: pd.DataFrame, bound: xr.DataArray, path: xr.DataArray) -> Figure:
    """The ratio against Delta, measured on the bound; and by the bound along the moving path."""
    page, (left, right) = plt.subplots(1, 2, figsize=(12, 5.2), layout="constrained")
    ratio = (bound.sel(form="homogeneous") / bound.sel(form="heterogeneous")) ** 2
    for name, words in NAMES.items():
        label = f"{words}: bound (rates: Delta^{POWERS[name]})"
        left.loglog(bound.delta, ratio.sel(parameter=name), LINES[name], color="black", label=label)
        own = found[found.parameter == name]
        left.errorbar(
            own.delta, own.ratio, [own.ratio - own.low, own.high - own.ratio], fmt=MARKERS[name],
            color="black", markerfacecolor="0.7", capsize=3, label=f"{words}: measured (95 %)",
        )  # fmt: skip
        errors = np.geomspace(0.003, 0.5, 60)
        rows = [[rows_on_the_path(path, form, name, e) for e in errors] for form in FORMS]
        along = np.array(rows[1]) / np.array(rows[0])
        right.loglog(errors, along, LINES[name], color="black", label=words)
    for axes in (left, right):
        axes.axhline(1.0, color="0.6", lw=1.0)
        axes.set_ylabel("rows homogeneous / rows heterogeneous")
        axes.legend(fontsize=8)
    left.set(xlabel="Delta, fixed", title="Delta fixed: the same ratio for every error")
    right.set(xlabel="wanted RMSE", title="Delta = 2 n^-1/8 merging as rows are added: bound")
    right.invert_xaxis()
    return page


# %% tags=["parameters", "active-ipynb"]
# FOLDER, FEW = Path("multinomial_heterogeneity"), [design_of(k, (1,), 10) for k in (5, 6, 7)]

# %% tags=["active-ipynb"]
# bound = deviations(distance(np.arange(0.0, 5.01, 1.0)), draws=2**15)
# path = along_the_path(np.geomspace(10.0, 1e10, 7), draws=2**15)
# measured = measure(FEW, FOLDER, 2, Console(quiet=True))
# found = comparison(measured, bound)
# table_of(found)

# %% tags=["active-ipynb"]
# over_sizes = errors_figure(measured, bound, found)

# %% tags=["active-ipynb"]
# ratio = ratio_figure(found, bound, path)


# %% tags=["active-py"]
def main(arguments: Sequence[str], designs: Sequence[Design] = DESIGNS) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description="Rows of a homogeneous over a heterogeneous one.")
    folder = Path("out/multinomial_heterogeneity")
    parser.add_argument("-o", "--output", type=Path, default=folder, metavar="DIR")
    parser.add_argument("-w", "--workers", type=int, default=2, metavar="PROCESSES")
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    console = Console()
    with console.status("computing the information bounds"):
        bound = deviations(distance(np.arange(0.0, 5.01, 0.5)))
        path = along_the_path(np.geomspace(10.0, 1e10, 19))
    measured = measure(designs, given.output / "sweeps", given.workers, console)
    found = comparison(measured, bound)
    Console(width=max(console.width, 130)).print(table_of(found))
    console.print(reading(found, bound, path), lost(measured), sep="\n", soft_wrap=True)
    figures = {
        "errors.png": errors_figure(measured, bound, found),
        "ratio.png": ratio_figure(found, bound, path),
    }
    for name, figure in figures.items():
        figure.savefig(given.output / name, dpi=130)
        console.print(f"wrote {given.output / name}", soft_wrap=True)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
