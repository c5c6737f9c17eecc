# %% [markdown]
# # A forest of two islands meets a third, and the next season
# The frozen expert is a random forest that predicts the body mass of a penguin from its bill, its
# flipper and its sex, fitted to birds of the islands Dream and Torgersen (Adelie and Chinstrap). It
# is asked about two shifts: another *site*, Biscoe, where Adelie live beside Gentoo, which it has
# never seen; and another *season* on its own islands. What is new there, where, and is a prompt
# needed at all? The species is hidden from all models. Takes three minutes; figures and a page in
# words go to out/penguin_islands.
#
# What is found. On Biscoe there is a prompt (p = .01, the least that 99 draws can give). It takes
# the Gentoo, 1.2 kg heavier than the forest expects of such a bird, and leaves the Adelie to the
# forest: every one of 55 birds held out is told by its responsibility, without the species.
# The log-score rises by 4.1 nats a bird, and the forest's conformal interval of 3.2 kg shrinks to
# 1.2 kg. Yet for prediction alone the forest is not needed there: a regression on the same 108
# labels is as good (-7.14 nats, with a constant gate -7.14, with a softmax gate -7.27), and with 24
# or 48 labels too, since all that the forest knows are the few Adelie. In the next season there is
# no prompt by these data (p = .07), and one that is fitted all the same, against the test, costs .2
# nats a bird: it sits on a handful of birds.

# %%
import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import palmerpenguins
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.stats import norm
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from bayes_cmoe import absence_test, advise, explain, fit, next_rows, predict
from bayes_cmoe.front.conformal import conformal_quantile
from bayes_cmoe.front.origin import model_of

INPUTS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "male"]
MASS = "body_mass_g"
GATES = {"constant": "constant_contaminated", "softmax": "softmax_contaminated"}
MARKERS = {"Adelie": "o", "Chinstrap": "^", "Gentoo": "s"}
READ = 25.0
"""Grams to which a mass was read."""
SPLITS = 200
# Birds fitted to, in place of all.
FEW = (24, 48)

# %% [markdown]
# ## Data
# 333 birds with all measurements (palmerpenguins, CC0). In both tasks three in four of the old
# birds make the forest and the rest tell how large its errors are; two in three of the new birds
# are fitted to, and the others are held out.
#
# Masses were read to 25 g. A prompt of no width on a value that repeats is infinitely likely, and
# data drawn from the forest never repeat, so that the test below would call it a prompt (p = .01 in
# the next season). What the scale left out is put back: each mass gets a number between -12.5 g and
# 12.5 g by chance.


# %%
@dataclass(frozen=True)
class Task:
    """A forest of old birds, with its own held out, and new birds, fitted to and held out."""

    name: str
    forest: RandomForestRegressor
    old: pd.DataFrame
    fitted: pd.DataFrame
    held_out: pd.DataFrame

    @property
    def scale(self) -> float:
        """Root mean squared error of the forest at old birds that it was not fitted to."""
        errors = self.old[MASS] - self.forest.predict(self.old[INPUTS])
        return float(np.sqrt(np.mean(errors**2)))


def dealt(table: pd.DataFrame, every: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All rows but every so many-th in an order by chance, and these."""
    order = np.random.default_rng(1).permutation(len(table))
    taken = np.arange(len(table)) % every == 0
    return table.iloc[order[~taken]], table.iloc[order[taken]]


def task(name: str, old: pd.DataFrame, new: pd.DataFrame) -> Task:
    known, held = dealt(old, 4)
    forest = RandomForestRegressor(500, min_samples_leaf=3, random_state=0)
    return Task(name, forest.fit(known[INPUTS], known[MASS]), held, *dealt(new, 3))


def load() -> tuple[Task, Task]:
    table = palmerpenguins.load_penguins().dropna().reset_index(drop=True)
    rounding = np.random.default_rng(0).uniform(-READ / 2, READ / 2, len(table))
    male = (table["sex"] == "male").astype(float)
    table = table.assign(male=male, **{MASS: table[MASS] + rounding})
    biscoe, first = table["island"] == "Biscoe", table["year"] == 2007
    return (
        task("site", table[~biscoe], table[biscoe]),
        task("season", table[~biscoe & first], table[~biscoe & ~first]),
    )


# %% [markdown]
# ## A prompt beside the forest
# By MAP; `explain` draws from the posterior by itself.


# %%
@dataclass(frozen=True)
class Adapted:
    """A fit with its predictions of the birds held out."""

    tree: xr.DataTree
    found: xr.Dataset


def adapt(own: Task, gate: str, starts: int = 128) -> Adapted:
    tree = fit(
        own.fitted[[*INPUTS, MASS]], y=MASS, x=INPUTS, frozen=own.forest, variant=GATES[gate],
        expert="linear", held_out=(own.old[INPUTS], own.old[MASS]), starts=starts,
    )  # fmt: skip
    return Adapted(tree, predict(tree, own.held_out[[*INPUTS, MASS]], frozen=own.forest))


# %% [markdown]
# ## Which predicts best
# Beside the forest and the two gates stand the forest recalibrated (a line in its prediction, and
# its own variance) and the adapter alone (a regression on the same inputs), both by maximum
# likelihood at the birds that are fitted to.


# %%
def gaussian(fitted: NDArray, mean: NDArray, y: NDArray, sd: float | None = None) -> NDArray:
    """Log-scores of y by N(mean, sd²); sd of the residuals `fitted` where it is not given."""
    spread = float(np.sqrt(np.mean(fitted**2))) if sd is None else sd
    found: NDArray = norm.logpdf(y, mean, spread)
    return found


def regression(own: Task, fitted: NDArray, held_out: NDArray) -> tuple[NDArray, NDArray]:
    """Held-out predictions and log-scores of a regression on some columns."""
    model = LinearRegression().fit(fitted, own.fitted[MASS])
    left = own.fitted[MASS].to_numpy() - model.predict(fitted)
    mean = model.predict(held_out)
    return mean, gaussian(left, mean, own.held_out[MASS].to_numpy())


def ways(own: Task, fits: dict[str, Adapted]) -> dict[str, tuple[NDArray, NDArray]]:
    """Held-out predictions and log-scores of every model."""
    y = own.held_out[MASS].to_numpy()
    before, here = (own.forest.predict(rows[INPUTS]) for rows in (own.fitted, own.held_out))
    inputs = (rows[INPUTS].to_numpy() for rows in (own.fitted, own.held_out))
    return {
        "forest alone": (here, gaussian(y, here, y, own.scale)),
        "forest, recalibrated": regression(own, before[:, None], here[:, None]),
        "adapter alone": regression(own, *inputs),
        **{
            f"forest and prompt, {gate} gate": (
                one.found["mean"].to_numpy(),
                one.found["log_score"].to_numpy(),
            )
            for gate, one in fits.items()
        },
    }


def comparison(own: Task, fits: dict[str, Adapted]) -> Table:
    found = ways(own, fits)
    y, alone = own.held_out[MASS].to_numpy(), found["forest alone"][1]
    columns = ("", "RMSE (g)", "log-score (nats)", "gain on the forest", "se of it")
    table = Table(*columns, title=f"{own.name}: {len(y)} birds held out")
    for name, (mean, score) in found.items():
        gain = score - alone
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        rmse = np.sqrt(np.mean((y - mean) ** 2))
        table.add_row(
            name, f"{rmse:.0f}", f"{score.mean():.3f}", f"{gain.mean():+.3f}", f"{error:.3f}"
        )
    return table


# %% [markdown]
# ## With fewer labels


# %%
def with_fewer(own: Task, sizes: tuple[int, ...] = FEW) -> Table:
    """Held-out log-scores of the adapter alone and of forest and prompt, by birds fitted to."""
    columns = ("birds fitted to", "adapter alone", "forest and prompt, softmax gate")
    table = Table(*columns, title=f"{own.name}: mean log-score in nats (by maxima)")
    for size in sizes:
        few = replace(own, fitted=own.fitted.iloc[:size])
        found = ways(few, {"softmax": adapt(few, "softmax")})
        both = (found[name][1] for name in ("adapter alone", "forest and prompt, softmax gate"))
        table.add_row(str(size), *(f"{score.mean():.3f}" for score in both))
    return table


# %% [markdown]
# ## Where the prompt is at work


# %%
def by_species(own: Task, one: Adapted) -> Table:
    columns = ("species (hidden)", "birds", "prompt's share", "responsibility", "forest", "both")
    table = Table(*columns, title=f"{own.name}: softmax gate, birds held out")
    species = own.held_out["species"].to_numpy(str)
    for name in np.unique(species):
        part = one.found.isel(obs=np.flatnonzero(species == name))
        means = (
            float(part[key].mean())
            for key in ("share", "responsibility", "frozen_log_score", "log_score")
        )
        table.add_row(name, str(part.sizes["obs"]), *(f"{value:.2f}" for value in means))
    table.caption = "forest, both: mean log-score in nats"
    return table


# %% [markdown]
# ## Is there a prompt at all?
# The likelihood ratio of no prompt, judged in data drawn from the forest alone at the same birds.


# %%
def presence(own: Task, one: Adapted, draws: int = 99) -> str:
    found = absence_test(model_of(one.tree), draws=draws, seed=1)
    ratio, pvalue = float(found["ratio"]), float(found["ratio_pvalue"])
    said = "yes" if pvalue <= 0.05 else "not by these data"
    return f"{own.name}: is there a prompt? {said} (likelihood ratio {ratio:.1f}, p = {pvalue:.2g})"


# %% [markdown]
# ## Intervals that hold
# The birds held out are cut in halves by chance, over and over: one half calibrates the intervals
# (split conformal prediction), the other tells how many lie inside. The forest's own intervals are
# its prediction and 1.64 of its standard errors.


# %%
def coverage(own: Task, one: Adapted, level: float = 0.9) -> dict[str, tuple[float, float]]:
    """Share of birds inside, and mean width in g: the forest's, the fit's, and the conformal ones.

    Both kinds of conformal intervals have the same level; that around a poor prediction is wide.
    """
    y, rng = own.held_out[MASS].to_numpy(), np.random.default_rng(2)
    half = float(norm.ppf(0.5 + level / 2)) * own.scale
    center = own.forest.predict(own.held_out[INPUTS])
    alone = xr.Dataset({"lower": ("obs", center - half), "upper": ("obs", center + half)})
    found = {}
    for name, intervals in (("forest", alone), ("forest and prompt", one.found)):
        ends = intervals["lower"].to_numpy(), intervals["upper"].to_numpy()
        found[name] = _inside(y, *ends)
        drawn = []
        for _ in range(SPLITS):
            order = rng.permutation(len(y))
            known, left = order[: len(y) // 2], order[len(y) // 2 :]
            quantile = conformal_quantile(intervals.isel(obs=known), y[known], level)
            moved = quantile.applied(intervals.isel(obs=left))
            lower, upper = (moved[f"conformal_{end}"].to_numpy() for end in ("lower", "upper"))
            drawn.append(_inside(y[left], lower, upper))
        mean = np.mean(drawn, axis=0)
        found[f"{name}, conformal"] = (float(mean[0]), float(mean[1]))
    return found


def _inside(y: NDArray, lower: NDArray, upper: NDArray) -> tuple[float, float]:
    return float(np.mean((lower <= y) & (y <= upper))), float(np.mean(upper - lower))


def coverage_table(own: Task, one: Adapted) -> Table:
    table = Table("90 % intervals", "birds inside", "mean width (g)", title=own.name)
    for name, (inside, width) in coverage(own, one).items():
        table.add_row(name, f"{inside:.3f}", f"{width:.0f}")
    return table


# %% [markdown]
# ## Before any label, and after
# From the inputs of the new birds and the forest alone: how many rows would a linear prompt, and
# one on two principal components, need to be known to a quarter of the forest's error? And given
# the fit: which of the birds held out would tell most, had they not been weighed?


# %%
def advice(own: Task, truths: int = 12) -> xr.Dataset:
    forms = ["linear", "low-rank-2"]
    return advise(
        own.fitted[INPUTS], frozen=own.forest, held_out=(own.old[INPUTS], own.old[MASS]),
        experts=forms, error=0.25, share=(0.1, 0.9), shift=(1.0, 4.0), truths=truths,
    )  # fmt: skip


def promised(own: Task, one: Adapted) -> str:
    """How many rows the fit itself says are needed for the same error."""
    found = next_rows(one.tree, own.held_out[INPUTS], rows=1, frozen=own.forest)
    reached, rows = found.attrs["standard_error"] / own.scale, len(own.fitted)
    return (
        f"with {rows} birds the prompt's function is known to {reached:.2f} of the forest's error: "
        f"{rows * (reached / 0.25) ** 2:.0f} would do for 0.25"
    )


def next_birds(own: Task, one: Adapted) -> Table:
    found = next_rows(one.tree, own.held_out[INPUTS], rows=5, frozen=own.forest)
    name, before = found.attrs["parameter"], found.attrs["standard_error"]
    columns = ("next", "species (hidden)", *INPUTS, f"error of {name} then")
    table = Table(*columns, title=f"{own.name}: error of {name} now {before:.3g}")
    after = found["standard_error"].to_numpy()
    for place, (row, error) in enumerate(zip(found["chosen"].to_numpy(), after, strict=True), 1):
        bird = own.held_out.iloc[int(row)]
        values = (f"{bird[name]:g}" for name in INPUTS)
        table.add_row(str(place), bird["species"], *values, f"{error:.3g}")
    return table


# %% [markdown]
# ## Figures


# %%
def draw_task(panel: Axes, own: Task, one: Adapted) -> object:
    """Mass against the forest's prediction; filled by responsibility, shaped by hidden species."""
    y, predicted = own.held_out[MASS].to_numpy(), own.forest.predict(own.held_out[INPUTS])
    responsibility = one.found["responsibility"].to_numpy()
    species = own.held_out["species"].to_numpy(str)
    for name, marker in MARKERS.items():
        own_rows = species == name
        if own_rows.any():
            shown = panel.scatter(
                predicted[own_rows], y[own_rows], c=responsibility[own_rows], marker=marker,
                cmap="gray_r", vmin=0, vmax=1, s=34, edgecolors="0.3", linewidths=0.6, label=name,
            )  # fmt: skip
    ends = np.array([predicted.min() - 100.0, predicted.max() + 100.0])
    panel.plot(ends, ends, color="tab:red", label="the forest ± its error")
    panel.fill_between(
        ends, ends - own.scale, ends + own.scale, color="tab:red", alpha=0.15, linewidth=0
    )
    panel.set(xlabel="the forest's prediction (g)", title=own.name, xlim=ends)
    panel.legend(loc="upper left", frameon=False, fontsize=9)
    return shown


def draw_masses(tasks: tuple[Task, Task], fits: dict[str, Adapted]) -> plt.Figure:
    figure, panels = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    for panel, own in zip(panels, tasks, strict=True):
        shown = draw_task(panel, own, fits[own.name])
    panels[0].set_ylabel("body mass (g)")
    figure.colorbar(shown, ax=panels, label="responsibility of the prompt")
    return figure


def draw_share(own: Task, one: Adapted) -> plt.Figure:
    """The share handed over, and what it gains, against flipper length."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    species = own.held_out["species"].to_numpy(str)
    flipper = own.held_out["flipper_length_mm"].to_numpy()
    gain = (one.found["log_score"] - one.found["frozen_log_score"]).to_numpy()
    for name, marker in MARKERS.items():
        rows = species == name
        if rows.any():
            style = {"marker": marker, "s": 34, "edgecolors": "0.2", "linewidths": 0.6}
            colour = "0.85" if name == "Adelie" else "0.35"
            left.scatter(flipper[rows], one.found["share"][rows], color=colour, label=name, **style)
            right.scatter(flipper[rows], gain[rows], color=colour, label=name, **style)
    left.set(xlabel="flipper length (mm)", ylabel="prompt's share pi(x)", ylim=(-0.05, 1.05))
    right.axhline(0.0, color="0.6", linewidth=0.8)
    right.set(xlabel="flipper length (mm)", ylabel="gain in log-score on the forest (nats)")
    right.set_yscale("symlog", linthresh=1.0)
    right.set_ylim(top=30.0)
    left.legend(frameon=False)
    return figure


# %% [markdown]
# ## Run

# %% tags=["parameters", "active-ipynb"]
# # The script takes 128 starts.
# STARTS = 64

# %% tags=["active-ipynb"]
# tasks = load()
# site, season = tasks
# fits = {gate: adapt(site, gate, STARTS) for gate in GATES}
# later = {gate: adapt(season, gate, STARTS) for gate in GATES}
# softmax = {"site": fits["softmax"], "season": later["softmax"]}

# %% tags=["active-ipynb"]
# comparison(site, fits)

# %% tags=["active-ipynb"]
# with_fewer(site)

# %% tags=["active-ipynb"]
# comparison(season, later)

# %% tags=["active-ipynb"]
# for own in tasks:
#     print(presence(own, softmax[own.name]))

# %% tags=["active-ipynb"]
# by_species(site, fits["softmax"])

# %% tags=["active-ipynb"]
# coverage_table(site, fits["softmax"])

# %% tags=["active-ipynb"]
# masses = draw_masses(tasks, softmax)

# %% tags=["active-ipynb"]
# shares = draw_share(site, fits["softmax"])

# %% tags=["active-ipynb"]
# advice(site)

# %% tags=["active-ipynb"]
# next_birds(site, fits["softmax"])

# %% tags=["active-ipynb"]
# explain(fits["softmax"].tree)


# %% tags=["active-py"]
def main(arguments: list[str]) -> dict[str, dict[str, Adapted]]:
    parser = argparse.ArgumentParser(description="A forest of two islands meets a third.")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("out/penguin_islands"), metavar="DIR"
    )
    out = parser.parse_args(arguments).output
    out.mkdir(parents=True, exist_ok=True)
    console, tasks = Console(), load()
    found: dict[str, dict[str, Adapted]] = {}
    for own in tasks:
        with console.status(f"{own.name}: fitting two gates"):
            found[own.name] = {gate: adapt(own, gate) for gate in GATES}
        fits = found[own.name]
        console.print(comparison(own, fits), presence(own, fits["softmax"]), sep="\n")
    site, fits = tasks[0], found["site"]
    with console.status("fitting fewer birds"):
        console.print(with_fewer(site))
    console.print(by_species(site, fits["softmax"]), coverage_table(site, fits["softmax"]))
    with console.status("what could have been known before"):
        before = advice(site)
    console.print(
        repr(before), promised(site, fits["softmax"]), *before["advice"].to_numpy(), sep="\n"
    )
    console.print(next_birds(site, fits["softmax"]))
    softmax = {name: own["softmax"] for name, own in found.items()}
    for name, figure in (
        ("masses", draw_masses(tasks, softmax)),
        ("share", draw_share(site, fits["softmax"])),
    ):
        figure.savefig(out / f"{name}.png", dpi=130)
        console.print(f"wrote {out / f'{name}.png'}", soft_wrap=True)
    with console.status("explaining the fit"):
        explained = explain(fits["softmax"].tree, out / "explained")
    console.print(str(explained), f"wrote {out / 'explained'}", sep="\n", soft_wrap=True)
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
