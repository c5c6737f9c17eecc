# %% [markdown]
# # Distinguishable beside non-distinguishable: contraction against the minimax rates
# Shows, for the three contaminated variants, how the MAP error and the posterior contract with n
# where frozen and trainable expert are distinguishable and where they merge, beside the information
# bound and the published exponents; how many times more rows merging costs; and, where measured
# slopes leave the bound's although it should speak, what the modulus of continuity says.
# Takes about fifteen minutes on two cores; four when FOLDER holds a run of all regimes.
# Usage: python analyses/compare_regimes.py [FOLDER]. A folder that holds a run of any design is
# read as it is; the default is out/regimes where `bayes-cmoe compare regimes -o out/regimes` has
# left a run, otherwise out/compare_regimes, which a smaller design of this script's own fills.

# %%
import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bayes_cmoe.report.comparison import RESOLVED, Comparison, compare
from bayes_cmoe.sweep.bounds import all_bounds
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store
from bayes_cmoe.theory.modulus import modulus

VARIANTS = {
    "constant_contaminated": "constant gate",
    "softmax_contaminated": "softmax gate",
    "multinomial_contaminated": "multinomial, softmax gate",
}
PAIR = ("distinguishable", "merging")
STANDARD_ERRORS = 2.0
"""Radius at which the modulus is asked, in standard errors of a number that is learnt locally."""
# A modulus this many times the bound's straight line, or one over it, is not local.
CURVED = 1.25

# %%
DESIGN = Design(
    "compare_regimes",
    tuple(Setting(variant, regime) for variant in VARIANTS for regime in PAIR),
    map=MapPlan((1000, 3162, 10000, 31623, 100000), 60),
    nuts=NutsPlan((100, 316, 1000, 3162), 12, draws=400, tune=250),
)


def default_folder() -> Path:
    whole = Path("out/regimes")
    return whole if Store(whole).design_file.exists() else Path("out/compare_regimes")


def measured(folder: Path, own: Design = DESIGN, *, quiet: bool = False) -> Comparison:
    """The run that the folder holds, or this script's own, beside the theory."""
    store = Store(folder)
    if store.design_file.exists() and store.design().hash != own.hash:
        design, fits = store.design(), store.collect()
    else:
        design, fits = own, run_sweep(own, folder, console=Console(stderr=True, quiet=quiet))
    return compare(fits, design, all_bounds(design, folder))


def share_of(comparison: Comparison, label: str) -> str:
    """What says how large the prompt's share is: lam or exp_tau."""
    return str(comparison.bounds[label].attrs["share"])


# %%
def side_by_side(comparison: Comparison) -> Table:
    """Share and expert of each variant, distinguishable and merging: four slopes each."""
    view = Table(title="slope of log error on log n", title_justify="left")
    columns = ("variant", "regime", "parameter", "MAP", "posterior", "bound", "exponent", "verdict")
    for heading in columns:
        view.add_column(heading)
    for variant, title in VARIANTS.items():
        for regime in PAIR:
            label = f"{variant}/{regime}"
            if label not in comparison.regimes:
                continue
            for parameter in (share_of(comparison, label), "expert"):
                own = comparison.rates.query("regime == @label and parameter == @parameter")
                rates = own.set_index("method").to_dict("index")
                if "map" not in rates:
                    continue
                one = rates["map"]
                view.add_row(
                    title,
                    regime,
                    parameter,
                    *(_slope(rates.get(method)) for method in ("map", "nuts")),
                    f"{one['bound_slope']:.3f}",
                    f"{one['exponent']:.3f}",
                    one["verdict"],
                )
    return view


def _slope(rate: dict | None) -> str:
    return f"{rate['slope']:.3f} ({rate['low']:.3f}, {rate['high']:.3f})" if rate else ""


def rows_factor(comparison: Comparison) -> pd.DataFrame:
    """How many times more rows merging needs for the share's relative error of distinguishable.

    At each size of the merging regime: the rows at which the line through log(RMSE / share) on
    log n of the distinguishable one meets the same relative error.
    """
    found = []
    for variant, title in VARIANTS.items():
        labels = [f"{variant}/{regime}" for regime in PAIR]
        if not set(labels) <= set(comparison.regimes):
            continue
        easy, hard = (_relative(comparison, label) for label in labels)
        if len(easy) < 2:
            continue
        slope, offset = np.polyfit(np.log(easy.index.to_numpy(float)), np.log(easy), 1)
        for n, error in hard.items():
            rows = np.exp((np.log(error) - offset) / slope)
            found.append({"variant": title, "n": n, "error": error, "times": n / rows})
    return pd.DataFrame(found)


def _relative(comparison: Comparison, label: str) -> pd.Series:
    """RMSE of the share's MAP over the share, by n, over the sizes that theory calls local."""
    errors = comparison.errors
    chosen = (errors["regime"] == label) & (errors["method"] == "map")
    chosen &= errors["parameter"] == share_of(comparison, label)
    own = errors[chosen & (errors["resolution"] >= RESOLVED)].set_index("n")
    return own["rmse"] / (own["resolution"] * own["bound"])


def local_agreement(comparison: Comparison) -> pd.DataFrame:
    """Whether each MAP slope agrees with its bound's over the sizes that theory calls local."""
    own = comparison.rates.query("method == 'map' and local_sizes > 1").copy()
    own["holds"] = (own["local_low"] <= own["local_bound_slope"]) & (
        own["local_bound_slope"] <= own["local_high"]
    )
    return own


def curvature(label: str, parameter: str, sizes: list[int]) -> pd.Series:
    """Modulus of continuity over the bound's straight line, by n, at two standard errors."""
    setting = Setting.parse(label)
    found = modulus(
        setting.variant,
        setting.regime,
        parameter,
        sizes,
        c=STANDARD_ERRORS * 8**-0.5,
        alpha=setting.alpha,
        gamma=setting.gamma,
    )
    return pd.Series((found["modulus"] / found["linear"]).to_numpy(), index=sizes)


def explained(comparison: Comparison) -> Table:
    """For each slope that leaves its bound's: the modulus over the straight line, by n."""
    view = Table(title="slopes that leave the bound's where it should speak", title_justify="left")
    columns = ("regime", "parameter", "measured", "bound", "modulus over straight line", "local")
    for heading in columns:
        view.add_column(heading)
    own = local_agreement(comparison)
    for row in own[~own["holds"] & (own["parameter"] != "loss")].to_dict("records"):
        sizes = [n for n in comparison.design.plans["map"].sizes if n >= row["local_from"]]
        ratio = curvature(row["regime"], row["parameter"], sizes)
        curved = (ratio > CURVED) | (ratio < 1.0 / CURVED)
        view.add_row(
            row["regime"],
            row["parameter"],
            f"{row['local_slope']:.3f} ({row['local_low']:.3f}, {row['local_high']:.3f})",
            f"{row['local_bound_slope']:.3f}",
            ", ".join(f"{value:.2f}" for value in ratio),
            f"no at {curved.sum()} of {len(ratio)} sizes",
        )
    return view


# %%
def figure(comparison: Comparison) -> Figure:
    """Rows: variants; columns: distinguishable and merging; share and expert against n."""
    present = [
        variant
        for variant in VARIANTS
        if any(f"{variant}/{regime}" in comparison.regimes for regime in PAIR)
    ]
    page, grid = plt.subplots(
        len(present),
        2,
        figsize=(10, 3.1 * len(present) + 0.6),
        sharex=True,
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for line, variant in zip(grid, present, strict=True):
        low, high = _limits(comparison, variant)
        for panel, regime in zip(line, PAIR, strict=True):
            _panel(panel, comparison, f"{variant}/{regime}", high)
            panel.set_title(f"{VARIANTS[variant]}: {regime}", fontsize=10)
        line[0].set_ylim(low, high)
        line[0].set_ylabel("error (parameter's units)")
    for panel in grid[-1]:
        panel.set_xlabel("n (rows)")
    handles, labels = grid[0][0].get_legend_handles_labels()
    page.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    page.suptitle("MAP and posterior beside the information bound (triangles: beyond the scale)")
    return page


def _limits(comparison: Comparison, variant: str) -> tuple[float, float]:
    """Errors that a row shows: about the bounds; a gate that runs away is beyond all scales."""
    chosen = comparison.errors["regime"].isin([f"{variant}/{regime}" for regime in PAIR])
    chosen &= ~comparison.errors["parameter"].isin(["loss", "tau"])
    bounds = comparison.errors.loc[chosen, "bound"]
    return float(bounds.min()) / 5.0, float(bounds.max()) * 5.0


def _panel(panel: plt.Axes, comparison: Comparison, label: str, top: float) -> None:
    if label not in comparison.regimes:
        panel.set_axis_off()
        return
    theory = comparison.bounds[label]
    for parameter, color in ((share_of(comparison, label), "black"), ("expert", "tab:blue")):
        for method, style, marker in (("map", "-", "o"), ("nuts", ":", "s")):
            own = comparison.errors.query(
                "regime == @label and parameter == @parameter and method == @method"
            )
            name = "MAP, RMSE" if method == "map" else "posterior expected loss"
            part = "share" if color == "black" else "expert"
            panel.fill_between(own["n"], own["low"], own["high"], color=color, alpha=0.2, lw=0)
            panel.plot(own["n"], own["rmse"], marker, color=color, ms=4, label=f"{part}: {name}")
            panel.plot(own["n"], own["bound"], style, color=color, lw=1)
            beyond = own.loc[own["rmse"] > top, "n"]
            (marks,) = panel.plot(beyond, [top] * len(beyond), "^", color=color, clip_on=False)
            marks.set_in_layout(False)
        panel.plot([], [], "-", color=color, lw=1, label=f"{part}: bound (dotted: its limit)")
        exponent = float(theory["exponent"].sel(target=parameter))
        bound = theory["bound"].sel(target=parameter)
        last = float(bound["n"][-1])
        guide = float(bound[-1]) * (bound["n"].to_numpy() / last) ** exponent
        panel.plot(bound["n"], guide, "--", color="0.6", lw=1)
        panel.annotate(
            f"n^{exponent:.3g}", (float(bound["n"][0]), guide[0]), fontsize=8, color="0.4"
        )
    panel.set_xscale("log")
    panel.set_yscale("log")


# %% [markdown]
# ## Run
# A folder with a run of `bayes-cmoe compare` shows that run; an empty one is filled with few fits.

# %% tags=["parameters", "active-ipynb"]
# FOLDER = Path("compare_regimes")
# SMALL = Design(
#     "compare_regimes, small",
#     tuple(Setting("constant_contaminated", regime) for regime in PAIR),
#     map=MapPlan((1000, 3162, 10000), 20),
#     nuts=NutsPlan((100, 316), 3, draws=200, tune=150),
# )

# %% tags=["active-ipynb"]
# comparison = measured(FOLDER, SMALL, quiet=True)
# side_by_side(comparison)

# %% tags=["active-ipynb"]
# comparison.rates

# %% tags=["active-ipynb"]
# shown = figure(comparison)

# %% tags=["active-py"]
if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default_folder()
    console = Console(markup=False, highlight=False, width=140)
    comparison = measured(folder)
    console.print(side_by_side(comparison))
    agreement = local_agreement(comparison)
    console.print(
        f"{int(agreement['holds'].sum())} of {len(agreement)} MAP slopes have their bound's slope "
        "inside the 95 % interval, over the sizes that theory calls local (resolution "
        f"{RESOLVED:g} or more)."
    )
    console.print(explained(comparison))
    factors = rows_factor(comparison)
    for title, own in factors.groupby("variant", sort=False):
        times = ", ".join(f"{row.times:.0f} at n = {row.n}" for row in own.itertuples())
        print(f"{title}: merging needs this many times the rows for the share's error: {times}")
    for row in comparison.pooled.query("level == 0.9 and over == 'local sizes'").itertuples():
        print(
            f"90 % interval at local sizes covers {row.covered:.3f} "
            f"({row.low:.3f}, {row.high:.3f}): {row.regime}"
        )
    figure(comparison).savefig(folder / "compare_regimes.png", dpi=130)
    print(f"wrote {folder / 'compare_regimes.png'}")
