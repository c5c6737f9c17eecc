# %% [markdown]
# # Where a contaminated mixture of experts can be learnt
# Draws, for the constant and the softmax gate, the exponent of the information bound relative to
# the size of what is estimated, over the plane of (alpha, gamma): the share vanishes as n^-alpha,
# the prompt merges with the frozen expert as n^-gamma. Below zero it is learnt, above zero nothing
# is consistent. The published boundary sqrt(n) lam* ‖Delta*‖² -> infinity is drawn on it; the
# softmax gate's paper keeps the gate fixed (alpha = 0), the line beyond is the constant gate's.
# Between 0 and 0.1 in alpha the odds exp tau are not yet small, and below 0.05 in gamma nothing
# has merged by 10^16 rows, which bends the computed line a little.
# Takes about two minutes on two cores. Usage: python analyses/phase_diagram.py [FOLDER], default
# out/.

# %%
import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayes_cmoe.theory.exponents import phase_diagram

ALPHAS = np.linspace(0.0, 0.5, 11)
GAMMAS = np.linspace(0.0, 0.35, 15)
CASES = (
    ("constant_contaminated", "merging", "constant gate, tanh"),
    ("softmax_contaminated", "merging", "softmax gate, beta* = 0, tanh"),
)
SHARE = {"lam": "share lambda", "exp_tau": "odds exp tau", "expert": "expert (eta, nu)"}
PUBLISHED = {
    "constant_contaminated": "published: alpha + 2 gamma = 1/2",
    "softmax_contaminated": "published at alpha = 0, carried on: alpha + 2 gamma = 1/2",
}
LEVELS = np.arange(-0.5, 0.81, 0.1)

# %% tags=["parameters", "active-ipynb"]
# ALPHAS, GAMMAS = np.linspace(0.0, 0.5, 6), np.linspace(0.0, 0.35, 8)

# %%
found = {name: phase_diagram(name, regime, alpha=ALPHAS, gamma=GAMMAS) for name, regime, _ in CASES}


# %%
def draw(axes: Axes, table: xr.Dataset, parameter: str, title: str) -> object:
    """One parameter's map: filled contours of the relative exponent, and the two boundaries."""
    values = table.relative.sel(parameter=parameter).transpose("gamma", "alpha")
    filled = axes.contourf(
        table.alpha, table.gamma, values, levels=LEVELS, cmap="Greys", extend="both"
    )
    axes.contour(table.alpha, table.gamma, values, levels=[0.0], colors="black", linewidths=4.0)
    axes.plot([], [], color="black", linewidth=4.0, label="computed: exponent 0")
    axes.plot(
        table.alpha,
        table.boundary,
        color="white",
        linewidth=1.6,
        linestyle=(0, (4, 3)),
        label=PUBLISHED[str(table.attrs["variant"])],
    )
    axes.text(0.06, 0.05, "learnt", fontsize=12)
    axes.text(0.27, 0.28, "not consistent", fontsize=12, color="white")
    axes.set_title(f"{title}: {SHARE[parameter]}", fontsize=10)
    axes.set_xlabel("alpha: share ~ n^-alpha")
    axes.set_ylabel("gamma: distance ~ n^-gamma")
    axes.set_ylim(GAMMAS[0], GAMMAS[-1])
    axes.legend(loc="upper left", fontsize=8, facecolor="0.75", framealpha=1.0)
    return filled


def figure() -> Figure:
    """Rows: gates; columns: the share and the expert."""
    page, grid = plt.subplots(2, 2, figsize=(11, 8.5), layout="constrained")
    filled = None
    for row, (name, _, title) in zip(grid, CASES, strict=True):
        for axes, parameter in zip(row, found[name].parameter.values, strict=True):
            filled = draw(axes, found[name], str(parameter), title)
    bar = page.colorbar(filled, ax=grid, shrink=0.8)
    bar.set_label("exponent of (error bound / size) in n")
    page.suptitle("Where the prompt can be learnt: exponent of the information bound over size")
    return page


# %%
def summary() -> None:
    """Where the computed boundary lies against the published one."""
    for name, _, title in CASES:
        table = found[name]
        for alpha in (0.0, 0.2, 0.4):
            one = table.sel(alpha=alpha, method="nearest")
            worst = one.relative.max("parameter").values
            crossing = float(np.interp(0.0, worst, table.gamma.values))
            print(
                f"{title}: at alpha = {float(one.alpha):.1f} consistent up to gamma = "
                f"{crossing:.3f} (published {float(one.boundary):.3f})"
            )


# %% tags=["active-ipynb"]
# summary()
# shown = figure()

# %% tags=["active-py"]
if __name__ == "__main__":
    summary()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    folder.mkdir(parents=True, exist_ok=True)
    figure().savefig(folder / "phase_diagram.png", dpi=130)
    print(f"wrote {folder / 'phase_diagram.png'}")
