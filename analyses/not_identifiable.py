# %% [markdown]
# # What no data can tell: the tilt of a softmax-gated mixture of experts
# Fit k experts to data of k* < k. From k = 2 k* on, every true gate can be split by the same
# offset: (tau_j, beta_j + delta) and (tau_j, beta_j - delta), expert j twice. Every numerator of
# the gates is multiplied by 2 cosh(delta x), which cancels: another fit for every delta, the same
# density. The published loss D2 sees a difference where there is none; the tilt-free loss does
# not. Takes about ten seconds. Usage: python analyses/not_identifiable.py [FOLDER], default out/.

# %%
import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from bayes_cmoe.models.softmax_gaussian_moe import LOSSES
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bayes_cmoe import Data, variant_named
from bayes_cmoe.compiled.likelihood import Likelihood

VARIANT = variant_named("softmax_gaussian_moe")
TRUTH = VARIANT.regime("exact").measure(1)
OFFSETS = (0.0, 3.0, 10.0)
CURVE = np.linspace(0.0, 10.0, 41)
STYLES = ("-", "--", "-.", ":")

# %% tags=["parameters", "active-ipynb"]
# OFFSETS = (0.0, 3.0, 10.0)


# %%
def tilted(offset: float) -> dict[str, NDArray]:
    """The two true experts, each twice, their gates' slopes `offset` on either side."""
    beta = np.repeat(np.append(TRUTH["beta"][:, 0], 0.0), 2) + offset * np.array([1, -1, 1, -1])
    tau = np.repeat(np.append(TRUTH["tau"], 0.0), 2)
    own = {name: np.repeat(TRUTH[name], 2, axis=0) for name in ("a", "b", "nu")}
    return {"beta": (beta[:-1] - beta[-1])[:, None], "tau": tau[:-1] - tau[-1], **own}


def log_density(theta: dict[str, NDArray], x: NDArray, y: NDArray) -> NDArray:
    """log p(y|x) by the PyMC model of as many experts."""
    model = VARIANT.build(Data(x, y), experts=len(theta["b"]))
    likelihood = Likelihood(model)
    rows = likelihood.rows({"x": x, "response": y})
    return np.asarray(likelihood.logp(likelihood.layout.ravel(theta), rows))


def shares(theta: dict[str, NDArray], x: NDArray) -> NDArray:
    """The gate's shares, shape (expert, n)."""
    score = np.vstack([theta["beta"] * x + theta["tau"][:, None], np.zeros(len(x))])
    weight = np.exp(score - score.max(axis=0))
    return np.asarray(weight / weight.sum(axis=0))


def table(offsets: NDArray | tuple[float, ...]) -> pd.DataFrame:
    """Largest difference of log p from the truth's, and both losses, an offset a row."""
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(0, 1, 40), np.linspace(-8, 18, 60)))
    true = log_density(TRUTH, x[:, None], y)
    rows = []
    for offset in offsets:
        theta = tilted(offset)
        away = np.abs(log_density(theta, x[:, None], y) - true).max()
        losses = (LOSSES.over_specified(theta, TRUTH), LOSSES.tilt_free(theta, TRUTH))
        rows.append((offset, away, *map(float, losses)))
    return pd.DataFrame(rows, columns=["offset", "difference", "D2", "tilt-free"])


# %% [markdown]
# ## The gates differ as much as one likes, the density does not at all

# %%
found = table(OFFSETS)


# %%
def gates_figure() -> Figure:
    """The four gates at each offset; the sums by expert, which the data do tell, in grey."""
    page, grid = plt.subplots(
        1, len(OFFSETS), figsize=(11, 3.6), layout="constrained", sharey=True, squeeze=False
    )
    x = np.linspace(0.0, 1.0, 400)
    for axes, offset in zip(grid[0], OFFSETS, strict=True):
        own = shares(tilted(offset), x)
        for pair in (own[:2], own[2:]):
            axes.plot(x, pair.sum(axis=0), color="0.75", linewidth=6, solid_capstyle="butt")
        for j, (share, style) in enumerate(zip(own, STYLES, strict=True)):
            axes.plot(x, share, style, color="black", linewidth=1.4, label=f"atom {j}")
        axes.set_title(f"offset delta = {offset:g}")
        axes.set_xlabel("x")
    grid[0][0].set_ylabel("share")
    grid[0][-1].plot([], [], color="0.75", linewidth=6, label="both atoms of an expert")
    grid[0][-1].legend(frameon=False, fontsize="small", loc="center right")
    page.suptitle("Three fits of four atoms with the same density p(y|x)")
    return page


def losses_figure() -> Figure:
    """D2 and the tilt-free loss along the offset."""
    page, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    curve = np.array([[f(tilted(o), TRUTH) for f in (LOSSES.over_specified, LOSSES.tilt_free)]
                      for o in CURVE])  # fmt: skip
    axes.plot(CURVE[1:], curve[1:, 0], "-", color="black", label="D2 (published)")
    # What is left of the tilt-free loss is the root of a rounding error.
    floor = np.finfo(float).eps ** 0.5
    axes.plot(
        CURVE[1:], np.maximum(curve[1:, 1], floor), "--", color="tab:blue",
        label="tilt-free (zero to rounding)",
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlabel("offset delta of every gate")
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    axes.set_title("The same density for every delta, and what two losses say")
    return page


# %%
def summary() -> None:
    """The table in words."""
    for row in found.itertuples(index=False):
        offset, away, published, free = row
        print(
            f"offset {offset:g}: log-densities differ by {away:.1g} at most, D2 = {published:.3g}, "
            f"tilt-free {free:.1g}"
        )


# %% tags=["active-ipynb"]
# summary()
# shown = gates_figure(), losses_figure()

# %% tags=["active-py"]
if __name__ == "__main__":
    summary()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    folder.mkdir(parents=True, exist_ok=True)
    gates_figure().savefig(folder / "tilted_gates.png", dpi=130)
    losses_figure().savefig(folder / "tilted_losses.png", dpi=130)
    print(f"wrote {folder / 'tilted_gates.png'}, {folder / 'tilted_losses.png'}")
