# %% [markdown]
# # Penguins: an adapter finds the species that the frozen expert never saw
# The frozen expert is bill depth on bill length, fitted to Adelie penguins alone. The new data are
# all three species with the species hidden. A linear adapter beside it, under a constant and under
# a softmax gate, is fitted by MAP and NUTS: whose share does it find, which rows does it claim, and
# which model predicts best? Takes about a minute on two cores; figures go to out/penguins.

# %%
import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import palmerpenguins
import pymc as pm
import xarray as xr
from arviz_stats.utils import ELPDDataLOO
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from bayes_cmoe import Data, frozen_expert, variant_named
from bayes_cmoe.compiled.components import Components, RowParts, responsibilities
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.diagnostics import convergence
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.nuts import fit_nuts
from bayes_cmoe.parts.experts import EXPERTS, evaluate

GATES = ("constant", "softmax")
MARKERS = {"Adelie": "o", "Chinstrap": "^", "Gentoo": "s"}
BANDS = ((30.0, 40.0), (40.0, 46.0), (46.0, 60.0))

# %% [markdown]
# ## Data
# Bill length is measured from its mean, so that both intercepts (the line's `b` and the gate's
# `tau`) speak of a bill in the middle of the data and not of one of 0 mm.


# %%
@dataclass(frozen=True)
class Penguins:
    """Bill length and depth (mm), the species, and the line fitted to Adelie (at length - mean)."""

    length: NDArray
    depth: NDArray
    species: NDArray
    line: dict[str, NDArray]
    sd: float

    @property
    def new(self) -> NDArray:
        return self.species != "Adelie"

    @property
    def x(self) -> NDArray:
        return self.length - self.length.mean()


def line_of(x: NDArray, y: NDArray) -> tuple[dict[str, NDArray], float]:
    """Ordinary least squares: the line and the residual standard deviation."""
    design = np.column_stack([np.ones(len(x)), x])
    (intercept, slope), squares, _, _ = np.linalg.lstsq(design, y)
    line = {"a": np.array([slope]), "b": np.array(intercept)}
    return line, float(np.sqrt(squares[0] / (len(x) - 2)))


def load() -> Penguins:
    table = palmerpenguins.load_penguins().dropna(subset=["bill_length_mm", "bill_depth_mm"])
    length, depth = (table[f"bill_{what}_mm"].to_numpy(float) for what in ("length", "depth"))
    species = table["species"].to_numpy(str)
    adelie = species == "Adelie"
    line, sd = line_of((length - length.mean())[adelie], depth[adelie])
    return Penguins(length, depth, species, line, sd)


# %% [markdown]
# ## Fits


# %%
@dataclass(frozen=True)
class Fit:
    """A gate's model with its MAP and its posterior, and what they say of the rows."""

    gate: str
    model: pm.Model
    components: Components
    point: xr.DataTree
    tree: xr.DataTree
    at_map: xr.Dataset
    over_draws: xr.Dataset

    def parts(self) -> RowParts:
        """Densities and responsibilities at the MAP."""
        point = self.point["point_estimate"]
        layout = self.components.layout
        return self.components.at(layout.ravel({k: point[k].to_numpy() for k in layout.names}))

    @property
    def share(self) -> NDArray:
        """Posterior draws of the prompt's share, averaged over the rows."""
        return self.over_draws["mean_share"].to_numpy().ravel()


def fit(penguins: Penguins, gate: str, draws: int = 1000) -> Fit:
    model = variant_named(f"{gate}_contaminated").build(
        Data(penguins.x, penguins.depth, features=("bill_length",)),
        frozen=frozen_expert("gaussian", "linear", penguins.line, scale=penguins.sd),
        expert="linear",
        prior="weak",
    )
    posterior, components = Posterior(model), Components(model)
    point = fit_map(model, posterior=posterior)
    tree = fit_nuts(model, draws=draws, start=point, posterior=posterior, log_likelihood=True)
    at_map, over_draws = (responsibilities(model, t, components=components) for t in (point, tree))
    return Fit(gate, model, components, point, tree, at_map, over_draws)


# %% [markdown]
# ## Which model predicts best
# Frozen alone has no parameters, so leaving a row out changes nothing: its pointwise score is
# log f0 itself, taken from the model, with no effective parameters and no Pareto k to speak of.


# %%
def frozen_alone(log_density: NDArray, like: ELPDDataLOO) -> ELPDDataLOO:
    n = len(log_density)
    return ELPDDataLOO(
        elpd=float(log_density.sum()),
        se=float(np.sqrt(n * log_density.var())),
        p=0.0,
        n_samples=like.n_samples,
        n_data_points=n,
        scale=like.scale,
        warning=False,
        good_k=like.good_k,
        elpd_i=like.elpd_i.copy(data=log_density),
        pareto_k=xr.zeros_like(like.pareto_k),
    )


def comparison(fits: dict[str, Fit]) -> Table:
    loo = {f"{gate} gate": az.loo(f.tree, pointwise=True) for gate, f in fits.items()}
    loo["frozen alone"] = frozen_alone(fits["softmax"].parts().frozen, loo["softmax gate"])
    found = az.compare(loo, round_to="none")
    title = "PSIS-LOO (nats, larger is better)"
    table = Table("model", "elpd", "se", "p", "difference", "se of it", "weight", title=title)
    for name, row in found.iterrows():
        numbers = (row[key] for key in ("elpd", "se", "p", "elpd_diff", "dse"))
        table.add_row(str(name), *(f"{value:.1f}" for value in numbers), f"{row['weight']:.2f}")
    worst = max(float(entry.pareto_k.max()) for entry in loo.values())
    table.caption = f"largest Pareto k {worst:.2f}; frozen alone is exact: it has no parameters"
    return table


# %% [markdown]
# ## Tables


# %%
def summary(penguins: Penguins, fits: dict[str, Fit]) -> Table:
    columns = ("", *(f"{gate} gate" for gate in fits), "truth")
    table = Table(*columns, title=f"{len(penguins.depth)} penguins, species hidden")

    def row(name: str, texts: list[str], truth: str = "") -> None:
        table.add_row(name, *texts, truth)

    all_ = list(fits.values())
    truth = f"{penguins.new.mean():.3f}"
    row("prompt's share, MAP", [f"{f.at_map['mean_share'].item():.3f}" for f in all_], truth)
    row("  posterior mean", [f"{f.share.mean():.3f}" for f in all_], truth)
    limits = [np.quantile(f.share, [0.05, 0.95]) for f in all_]
    row("  90% interval", [f"{low:.3f} to {high:.3f}" for low, high in limits])
    found = [f.over_draws["responsibility"].to_numpy() for f in all_]
    alone = roc_auc_score(penguins.new, penguins.length)
    aucs = [roc_auc_score(penguins.new, r) for r in found]
    row("AUC of responsibilities", [f"{a:.4f}" for a in aucs], f"{alone:.4f} by length")
    for species in MARKERS:
        means = [r[penguins.species == species].mean() for r in found]
        row(
            f"responsibility, {species}",
            [f"{m:.3f}" for m in means],
            "0" if species == "Adelie" else "1",
        )
    own, sd = line_of(penguins.x[penguins.new], penguins.depth[penguins.new])
    points = [f.point["point_estimate"].to_dataset() for f in all_]
    slopes = [f"{p['a'].item():+.3f}" for p in points]
    row("prompt, slope (mm/mm)", slopes, f"{own['a'][0]:+.3f} by OLS")
    spread = [f"{np.sqrt(p['nu'].item()):.2f}" for p in points]
    row("prompt, sd (mm)", spread, f"{sd:.2f} by OLS")
    logliks = [f"{f.point['optimizer_result']['loglik'].item():.1f}" for f in all_]
    row("log-likelihood, MAP (nats)", logliks)
    reports = [convergence(f.tree) for f in all_]
    row("NUTS, divergences", [f"{r.divergences}" for r in reports])
    row("NUTS, worst R-hat", [f"{r.rhat:.3f}" for r in reports])
    row("NUTS, least bulk ESS", [f"{r.ess_bulk:.0f}" for r in reports])
    return table


# %% [markdown]
# ## Why the constant gate is misled
# A constant gate says that the same share of Adelie is found at every bill length; in truth it
# falls from 1 below 40 mm to about 0 above 46 mm. So we compare, band by band, the log-likelihood
# of the constant gate's fit with that of the right answer under the same gate: the true share, and
# the line that least squares gives on the hidden species. The right answer pays the entropy of the
# share at every row; a prompt broad enough to explain the Adelie as well does not.


# %%
def band_table(penguins: Penguins, fits: dict[str, Fit]) -> tuple[Table, dict[str, float]]:
    constant = fits["constant"]
    line, _ = line_of(penguins.x[penguins.new], penguins.depth[penguins.new])
    left = (penguins.depth - evaluate(EXPERTS["linear"], penguins.x[:, None], line))[penguins.new]
    right = {"lam": penguins.new.mean(), **line, "nu": np.mean(left**2)}
    answer = constant.components.at(constant.components.layout.ravel(right))

    at_fit = constant.parts()
    gain = at_fit.log_density - answer.log_density
    frozen = evaluate(EXPERTS["linear"], penguins.x[:, None], penguins.line)
    away = (penguins.depth - frozen) / penguins.sd
    title = "Constant gate, by bill length"
    columns = ("mm", "rows", "not Adelie", "from frozen line (sd)", "responsibility", "gain (nats)")
    table = Table(*columns, title=title)
    for low, high in BANDS:
        here = (penguins.length >= low) & (penguins.length < high)
        table.add_row(
            f"{low:.0f} to {high:.0f}",
            f"{here.sum()}",
            f"{penguins.new[here].mean():.2f}",
            f"{away[here].mean():+.1f}",
            f"{at_fit.responsibility[here].mean():.2f}",
            f"{gain[here].sum():+.1f}",
        )
    table.caption = "gain: log-likelihood of the fit over that of the right answer (see text)"
    short = penguins.length < BANDS[0][1]
    share = penguins.new.mean()
    mix = -len(gain) * (share * np.log(share) + (1 - share) * np.log(1 - share))
    return table, {
        "share": share,
        "mix": mix,
        "gain": gain.sum(),
        "short": gain[short].sum(),
        "rows": short.sum(),
        "adelie": at_fit.responsibility[~penguins.new].mean(),
    }


def explanation(facts: dict[str, float], fits: dict[str, Fit]) -> str:
    point = fits["constant"].point["point_estimate"].to_dataset()
    return (
        "Why the constant gate is misled: all bills below 40 mm are Adelie and hardly any from 46 "
        "mm up, but a gate that does not see the bill must expect the same mix at every length. At "
        f"the true share each Adelie costs {-np.log(1 - facts['share']):.2f} nats and each other "
        f"penguin {-np.log(facts['share']):.2f}, {facts['mix']:.0f} in all, to say which expert it "
        "came from. The fit avoids that cost by making the experts overlap: a prompt that runs "
        f"through all three species (slope {point['a'].item():+.2f}, sd "
        f"{np.sqrt(point['nu'].item()):.1f} mm) explains the Adelie too, claims them with "
        f"responsibility {facts['adelie']:.2f}, and the share rises to {point['lam'].item():.2f}. "
        f"It gains {facts['gain']:.0f} nats over the right answer, {facts['short']:.0f} of them on "
        f"the {facts['rows']:.0f} bills below 40 mm. The softmax gate can say the right answer, "
        "and is not tempted."
    )


# %% [markdown]
# ## Figures


# %%
def draw_rows(panel: Axes, penguins: Penguins, f: Fit) -> object:
    """The data with the lines; filled by responsibility, shaped by the hidden species."""
    responsibility = f.over_draws["responsibility"].to_numpy()
    for species, marker in MARKERS.items():
        own = penguins.species == species
        shown = panel.scatter(
            penguins.length[own], penguins.depth[own], c=responsibility[own], marker=marker,
            cmap="gray_r", vmin=0, vmax=1, s=28, edgecolors="0.3", linewidths=0.6,
        )  # fmt: skip
    grid = np.linspace(penguins.length.min(), penguins.length.max(), 200)
    inputs = (grid - penguins.length.mean())[:, None]
    frozen = evaluate(EXPERTS["linear"], inputs, penguins.line)
    point = f.point["point_estimate"].to_dataset()
    prompt = evaluate(EXPERTS["linear"], inputs, {k: point[k].to_numpy() for k in ("a", "b")})
    sd = np.sqrt(point["nu"].item())
    panel.plot(grid, frozen, "--", color="tab:red", lw=2)
    panel.plot(grid, prompt, color="tab:blue", lw=2)
    panel.fill_between(grid, prompt - sd, prompt + sd, color="tab:blue", alpha=0.2, lw=0, zorder=0)
    panel.set_title(f"{f.gate} gate")
    panel.set_xlabel("bill length (mm)")
    return shown


def draw_fits(penguins: Penguins, fits: dict[str, Fit]) -> plt.Figure:
    figure, panels = plt.subplots(
        1, 2, figsize=(11, 5.2), sharex=True, sharey=True, layout="constrained"
    )
    for panel, f in zip(panels, fits.values(), strict=True):
        shown = draw_rows(panel, penguins, f)
    panels[0].set_ylabel("bill depth (mm)")
    figure.colorbar(shown, ax=panels, label="posterior probability that the row is the prompt's")
    blank = {"color": "white", "markeredgecolor": "0.3", "linestyle": ""}
    lines = [
        Line2D([], [], color="tab:red", ls="--", lw=2, label="frozen expert (Adelie alone)"),
        Line2D([], [], color="tab:blue", lw=2, label="prompt (MAP) ± 1 sd"),
        *(Line2D([], [], marker=m, label=f"{s} (hidden)", **blank) for s, m in MARKERS.items()),
    ]
    figure.legend(handles=lines, loc="outside lower center", ncols=5, fontsize="small")
    return figure


def draw_share(penguins: Penguins, fits: dict[str, Fit]) -> plt.Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    styles = {"constant": ("0.75", "--"), "softmax": ("tab:blue", "-")}
    edges = np.linspace(0.35, 1.0, 66)
    order = np.argsort(penguins.length)
    for gate, f in fits.items():
        colour, style = styles[gate]
        left.hist(
            f.share,
            edges,
            density=True,
            color=colour,
            edgecolor="0.3",
            lw=0.3,
            label=f"{gate} gate",
        )
        share = f.over_draws["share"].to_numpy()[order]
        line = "0.4" if gate == "constant" else colour
        right.plot(penguins.length[order], share, style, color=line, lw=2, label=f"{gate} gate")
    left.axvline(penguins.new.mean(), color="black", ls=":", lw=2, label="true share, 0.558")
    left.set(xlabel="share of the prompt, mean over rows", ylabel="posterior density")
    left.legend(fontsize="small", loc="upper right")
    bins = np.arange(32.0, 61.0, 2.0)
    count, _ = np.histogram(penguins.length, bins)
    new, _ = np.histogram(penguins.length[penguins.new], bins)
    seen = count > 0
    right.scatter(
        ((bins[1:] + bins[:-1]) / 2)[seen], new[seen] / count[seen], s=4 + 1.5 * count[seen],
        color="black", zorder=3, label="not Adelie, in bins of 2 mm (area: rows)",
    )  # fmt: skip
    right.set(xlabel="bill length (mm)", ylabel="share of the prompt (posterior mean)")
    right.set_ylim(-0.04, 1.04)
    right.legend(fontsize="small", loc="center right")
    return figure


# %% [markdown]
# ## Run
# What is found stays in variables: `fits["softmax"].tree` is a posterior for ArviZ, such as
# `az.plot_pair(fits["softmax"].tree)`, and `fits["softmax"].model` a PyMC model.

# %% tags=["parameters", "active-ipynb"]
# DRAWS = 1000

# %% tags=["active-ipynb"]
# penguins = load()
# fits = {gate: fit(penguins, gate, DRAWS) for gate in GATES}

# %% tags=["active-ipynb"]
# summary(penguins, fits)

# %% tags=["active-ipynb"]
# lines = draw_fits(penguins, fits)

# %% tags=["active-ipynb"]
# shares = draw_share(penguins, fits)

# %% tags=["active-ipynb"]
# bands, facts = band_table(penguins, fits)
# bands

# %% tags=["active-ipynb"]
# from textwrap import fill
#
# print(fill(explanation(facts, fits), 100))

# %% tags=["active-ipynb"]
# comparison(fits)

# %% tags=["active-ipynb"]
# shown = az.plot_dist(fits["softmax"].tree)


# %% tags=["active-py"]
def main(arguments: list[str]) -> dict[str, Fit]:
    parser = argparse.ArgumentParser(description="An adapter beside a frozen expert, on penguins.")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/penguins"), metavar="DIR")
    out = parser.parse_args(arguments).output
    out.mkdir(parents=True, exist_ok=True)
    console, penguins = Console(), load()
    fits = {}
    for gate in GATES:
        with console.status(f"fitting the {gate} gate by MAP and NUTS"):
            fits[gate] = fit(penguins, gate)
    console.print(summary(penguins, fits))
    bands, facts = band_table(penguins, fits)
    console.print(bands, explanation(facts, fits), comparison(fits), sep="\n")
    for name, figure in (("lines", draw_fits), ("share", draw_share)):
        path = out / f"{name}.png"
        figure(penguins, fits).savefig(path, dpi=130)
        console.print(f"wrote {path}", soft_wrap=True)
    return fits


if __name__ == "__main__":
    main(sys.argv[1:])
