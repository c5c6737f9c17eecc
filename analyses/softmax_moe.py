# %% [markdown]
# # Softmax-gated experts: fits over data, and how fast their losses fall
# The design of arXiv:2305.03288: two experts that cross, a steep gate. Fits by k = 2, 3 and 4
# experts, D1, D2, the tilt-free loss and the spreads within cells over sizes, and the slopes of
# their medians beside the exponents that are published and those worked out here. Then the
# penguins' bills, whose species cross in the same way. Takes about ten minutes on one core (less
# with --quick). Usage: python analyses/softmax_moe.py [-o FOLDER] [--quick], default out/.

# %%
import argparse
import sys
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from bayes_cmoe.models.softmax_gaussian_moe import LOSSES
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bayes_cmoe import Data, fit_map, simulate, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import find_map
from bayes_cmoe.report.expert_figures import data_with_experts

VARIANT = variant_named("softmax_gaussian_moe")
SIZES = (1000, 3162, 10_000, 31_623)
REPLICATIONS = 20
REGIMES = ("exact", "over-3", "tilt-4")
# How far apart the atoms of a cell start, in standard deviations about their expert.
REACHES = (0.1, 0.3, 0.6)

# %% tags=["parameters", "active-ipynb"]
# # The slopes' errors are large at so few fits: the script takes four sizes, twenty each.
# SIZES, REPLICATIONS = (1000, 3162), 12


# %%
def starts(regime_name: str) -> NDArray:
    """The truth, and its cells' atoms apart along the slow path: intercepts, and variances less."""
    regime = VARIANT.regime(regime_name)
    truth, layout = regime.truth(1), VARIANT.mixture(regime)
    order = [parameter.name for parameter in layout.parameters]
    sign = np.zeros(len(regime.copies))
    for cell in set(regime.copies):
        atoms = [i for i, own in enumerate(regime.copies) if own == cell]
        if len(atoms) > 1:
            sign[atoms] = np.linspace(-1.0, 1.0, len(atoms))
    points = []
    for reach in REACHES if sign.any() else (0.0,):
        moved = {**truth, "b": truth["b"] + sign * reach * np.sqrt(truth["nu"])}
        moved["nu"] = truth["nu"] * (1.0 - (sign * reach) ** 2)
        points.append(np.concatenate([np.ravel(moved[name]) for name in order]))
    return np.array(points)


def measured(regime_name: str, sizes: tuple[int, ...], replications: int) -> pd.DataFrame:
    """Losses of maximum-likelihood fits from near the truth, a fit a row."""
    regime = VARIANT.regime(regime_name)
    measure, points = regime.measure(1), starts(regime_name)
    posterior = Posterior(VARIANT.model(regime, simulate(VARIANT, regime, 100, seed=0)))
    rows = []
    for n in sizes:
        for replicate in range(replications):
            data = simulate(VARIANT, regime, n, seed=np.random.SeedSequence([n, replicate]))
            laid = posterior.likelihood.rows({"x": data.x, "response": data.y})
            theta = posterior.layout.unravel(find_map(posterior, laid, points).theta)
            loss = {"tilt-free": LOSSES.tilt_free(theta, measure)}
            if regime.over_specified:
                loss["D2"] = LOSSES.over_specified(theta, measure)
                spreads = LOSSES.spreads(theta, measure)
                loss |= {f"{name}-spread": value for name, value in spreads.items()}
            else:
                loss["D1"] = LOSSES.exact(theta, measure)
            rows += [
                (regime_name, n, replicate, name, float(value)) for name, value in loss.items()
            ]
    return pd.DataFrame(rows, columns=["regime", "n", "replicate", "loss", "value"])


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """Slope of the log median on log n, its bootstrap error, and the exponents beside it."""
    rng, rows = np.random.default_rng(0), []
    for (name, loss), own in table.groupby(["regime", "loss"], sort=False):
        wide = own.pivot(index="n", columns="replicate", values="value")
        logn = np.log(wide.index.to_numpy(dtype=float))

        def slope(values: NDArray, logn: NDArray = logn) -> float:
            return float(np.polyfit(logn, np.log(np.median(values, axis=1)), 1)[0])

        values = wide.to_numpy()
        picks = [rng.integers(values.shape[1], size=values.shape) for _ in range(400)]
        spread = np.std([slope(np.take_along_axis(values, pick, axis=1)) for pick in picks])
        rates = {rate.parameter: rate for rate in VARIANT.regime(str(name)).published}
        rate = rates.get("expert" if loss == "D1" else str(loss))
        rows.append(
            (name, loss, slope(values), spread, float(rate.upper.constant) if rate else np.nan,
             rate.mark if rate else "")
        )  # fmt: skip
    columns = ["regime", "loss", "slope", "se", "exponent", "mark"]
    return pd.DataFrame(rows, columns=columns)


def losses_figure(table: pd.DataFrame, found: pd.DataFrame) -> Figure:
    """Medians over n, log-log, with the exponent's line through the first."""
    names = list(dict.fromkeys(table.regime))
    page, grid = plt.subplots(
        1, len(names), figsize=(4.2 * len(names), 5.0), layout="constrained", squeeze=False
    )
    styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (8, 3)))
    for axes, name in zip(grid[0], names, strict=True):
        own = table[table.regime == name]
        for (loss, part), style in zip(own.groupby("loss", sort=False), styles, strict=False):
            middle = part.groupby("n").value.median()
            line = found[(found.regime == name) & (found.loss == loss)].iloc[0]
            label = f"{loss}: {line.slope:.2f} ± {line.se:.2f}"
            axes.plot(middle.index, middle, "o", linestyle=style, markersize=3, label=label)
            if np.isfinite(line.exponent):
                theory = middle.iloc[0] * (middle.index / middle.index[0]) ** line.exponent
                axes.plot(middle.index, theory, color="0.75", linewidth=4, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="rows n", title=name)
        axes.legend(
            fontsize="small",
            frameon=False,
            ncols=2,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
        )
    grid[0][0].set_ylabel("median loss")
    page.suptitle("Losses of maximum-likelihood fits; grey: the exponent of theory")
    return page


# %%
def fitted(data: Data, experts: int, prior: str = "weak") -> xr.DataTree:
    """A fit from anywhere, ready for a figure."""
    tree = fit_map(VARIANT.build(data, experts=experts, prior=prior))
    mixture = VARIANT.mixture("exact")
    tree.attrs |= {
        "variant": VARIANT.name,
        "expert": mixture.expert.name,
        "family": mixture.family.name,
        "gate": mixture.gate.name,
    }
    return tree


def bills() -> Data:
    """Depth of the penguins' bills by their length."""
    from palmerpenguins import load_penguins

    table = load_penguins().dropna(subset=["bill_length_mm", "bill_depth_mm"])
    length = table.bill_length_mm.to_numpy(dtype=float)
    return Data(length[:, None], table.bill_depth_mm.to_numpy(dtype=float), ["bill length (mm)"])


# %% [markdown]
# ## The authors' design, and the losses' slopes

# %% tags=["active-ipynb"]
# %matplotlib inline
# design = fitted(simulate(VARIANT, "exact", 1000, seed=1), 2)
# data_with_experts(design)

# %% tags=["active-ipynb"]
# table = pd.concat([measured(name, SIZES, REPLICATIONS) for name in REGIMES])
# found = slopes(table)
# losses = losses_figure(table, found)
# print(found.to_string(index=False, float_format="{:.3f}".format))

# %% [markdown]
# ## The penguins' bills

# %% tags=["active-ipynb"]
# penguins = fitted(bills(), 2)
# data_with_experts(penguins)


# %% tags=["active-py"]
def main(words: list[str]) -> pd.DataFrame:
    """Everything, as a script."""
    reader = argparse.ArgumentParser(description="Softmax-gated experts.")
    reader.add_argument("-o", "--output", default="out")
    reader.add_argument("--quick", action="store_true", help="two sizes, six replications")
    given = reader.parse_args(words)
    sizes, count = (SIZES[:2], 6) if given.quick else (SIZES, REPLICATIONS)
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in (("design", simulate(VARIANT, "exact", 1000, seed=1)), ("bills", bills())):
        tree = fitted(data, 2)
        result = tree["optimizer_result"]
        print(
            f"{name}: {result['status'].item()} from a start of the kind "
            f"{result['origin'].item()!r}, log-likelihood {result['loglik'].item():.3f}"
        )
        data_with_experts(tree).savefig(folder / f"{name}.png", dpi=130)
    table = pd.concat([measured(name, sizes, count) for name in REGIMES], ignore_index=True)
    found = slopes(table)
    print(found.to_string(index=False, float_format="{:.3f}".format))
    losses_figure(table, found).savefig(folder / "losses.png", dpi=130)
    print(f"wrote {', '.join(str(folder / f'{n}.png') for n in ('design', 'bills', 'losses'))}")
    return found


# %% tags=["active-py"]
if __name__ == "__main__":
    main(sys.argv[1:])
