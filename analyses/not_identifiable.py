# %% [markdown]
# # What no data can tell: the tilt of a softmax-gated mixture of experts
# Fit k experts to data of k* < k. From k = 2 k* on, every true gate can be split by the same
# offset: (tau_j, beta_j + delta) and (tau_j, beta_j - delta), expert j twice. Every numerator of
# the gates is multiplied by 2 cosh(delta x), which cancels: another fit for every delta, the same
# density. The published loss D2 sees a difference where there is none; the tilt-free loss does
# not. Ten seconds; then, as the data grow, which tilt maximum likelihood, a penalised fit and the
# posterior settle on: about 20 minutes on one core, --quick one; goes on where it stopped.
# Usage: python analyses/not_identifiable.py [-o FOLDER] [--quick], default out/.

# %%
import argparse
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from bayes_cmoe.models.softmax_gaussian_moe import LOSSES
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import t

from bayes_cmoe import Data, simulate, variant_named
from bayes_cmoe.compiled.energy import Energies, Field
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import find_map
from bayes_cmoe.estimate.parted import cell_starts
from bayes_cmoe.estimate.tempering import prior_points, temper
from bayes_cmoe.parts.mixture import mixture_of

VARIANT = variant_named("softmax_gaussian_moe")
TRUTH = VARIANT.regime("exact").measure(1)
OFFSETS = (0.0, 3.0, 10.0)
CURVE = np.linspace(0.0, 10.0, 41)
STYLES = ("-", "--", "-.", ":")
SIZES, SETS = (100, 316, 1000, 3162, 10_000), 20
POSTERIORS, LAST = 8, 1000  # Data sets, and their largest size: more rows are dear.
STARTS, PARTICLES = 12, 64
FILE = "tilts.csv"
ML, NEAR, MAP, BAYES = "maximum likelihood", "begun at the truth", "Normal gates", "posterior"
DESIGNS = {"overlapping": "soft-3", "authors'": "tilt-4"}
WAYS = {"overlapping": (ML, MAP, BAYES), "authors'": (ML, NEAR)}
BOXES: dict[str, dict[str, tuple[float, float]]] = {
    "overlapping": {
        "beta": (-20.0, 20.0), "tau": (-20.0, 20.0), "a": (-10.0, 10.0), "b": (-10.0, 10.0),
        "nu": (0.05, 5.0),
    },
    "authors'": dict(VARIANT.regime("tilt-4").box),
}  # fmt: skip
STEEPEST = {"overlapping": 9.0, "authors'": 27.0}  # Offsets that the boxes hold.
LOSS_NAMES = ("D2", "tilt-free", "tilt")
TILTED = 0.2
KEYS = ["design", "way", "number", "n", "loss"]
MARKS = {
    ML: ("o", "tab:red"), NEAR: ("s", "tab:gray"), MAP: ("^", "tab:orange"), BAYES: ("D", "black")
}  # fmt: skip

# %% tags=["parameters", "active-ipynb"]
# OFFSETS, SIZES, SETS = (0.0, 3.0, 10.0), (100, 316), 3
# POSTERIORS, LAST = 1, 316


# %%
def tilted(offset: float, middle: float = 0.0, truth: dict[str, Any] = TRUTH) -> dict[str, NDArray]:
    """The two true experts, each twice, their gates' slopes `offset` on either side.

    Both atoms of an expert have even shares at x = middle.
    """
    sides = offset * np.array([1, -1, 1, -1])
    beta = np.repeat(np.append(truth["beta"][:, 0], 0.0), 2) + sides
    tau = np.repeat(np.append(truth["tau"], 0.0), 2) - sides * middle
    own = {name: np.repeat(truth[name], 2, axis=0) for name in ("a", "b", "nu")}
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


# %% [markdown]
# ## Which tilt is settled on as the data grow
# At a tilt that is not zero, 16 of the 18 parameters of four atoms are regular and two, the offset
# and the middle of the tilt, do nothing. Maximised over the 16 the log-likelihood gains Z(t)'Z(t)/2
# on the truth's, with Z(t) the standardised score at the tilt t: a Gaussian field in the limit.
# - **Maximum likelihood** takes the tilt at which this field is highest over the box, unless one of
#   the other ways to have the truth's density pays more: an expert with hardly any share and
#   whatever parameters, or three atoms in one cell. What each gains is bounded in probability, so
#   noise says which wins, and where: what the best tilted fit lacks to the best of all does not
#   grow with the rows. With some probability D2 stays where it is; the tilt-free loss falls.
# - **Normal gate priors** add the logarithm of their density at t, which is as large as the field:
#   the penalised fit's tilt stays within the prior, and is left open there just as well.
# - **The posterior** weighs a tilt with the volume of all that fits about it, n^-8 about a generic
#   tilt and n^-6 at least about none, so that tilts above any bound have probability n^-2, up to
#   logarithms: its tilt shrinks.
# - **A fit begun at the truth** ends in a maximum near it, and says nothing about tilts elsewhere.
#
# The tilt is measured by how much the shares within cells change over x; above .2 it is called one.
#
# Found, in 20 data sets of the overlapping experts at 100, 316, 1,000, 3,162 and 10,000 rows: the
# best fit gains 13 to 15 nats on the truth at every size (medians). Its D2 has the medians 11, 12,
# 3.6, .57 and 1.6 and the upper quartiles 48, 69, 402, 2.2 and 3.5; its tilt-free loss falls as
# n^-.63 ± .15. It is tilted in .80, .65, .60, .30 and .45 of the data sets (binomial half-widths of
# about .2), and the best tilted fit lacks 0, 0, 0, 1.8 and 1.2 nats to the best (medians): this
# does not grow. Normal gates leave .55, .30, .15, .25 and .35 tilted. Of the posterior (eight data
# sets, to 1,000 rows) D2 falls as n^-1.03 ± .32 and .41, .36, .16 of the draws are tilted. In the
# authors' design, where a gate is so steep that data sets differ by powers of ten, .45 of the best
# fits are tilted at 10,000 rows (.75, .45, .35 and .30 below), and D2's slope may be anything
# (-.32 ± .56; begun at the truth -.36 ± .50).


# %%
@cache
def compiled(design: str, way: str) -> Posterior:
    """The model of four experts: flat on the box, or with the weak prior, whose gates are Normal.

    The same for all data sets.
    """
    data = simulate(VARIANT, DESIGNS[design], 1000, seed=0)
    prior = BOXES[design] if way in (ML, NEAR) else "weak"
    return Posterior(VARIANT.build(data, experts=4, prior=prior))


def columns(design: str, number: int) -> dict[str, NDArray]:
    """Data set number so and so, of the largest size; smaller ones are its first rows."""
    seed = np.random.SeedSequence([31, number])
    data = simulate(VARIANT, DESIGNS[design], SIZES[-1], seed=seed)
    return {"x": data.x, "response": data.y}


def begun(design: str, way: str, x: NDArray, rng: np.random.Generator) -> NDArray:
    """Where fits begin, (start, parameter): near the truth without a tilt, and with any tilt."""
    posterior, truth = compiled(design, way), VARIANT.regime(DESIGNS[design]).measure(1)
    layout, mixture = posterior.layout, mixture_of(posterior.model)
    assert mixture is not None
    near = cell_starts(mixture, layout, layout.ravel(tilted(0.0, 0.0, truth)), (0, 0, 1, 1))
    if way == NEAR:
        return near
    offsets = 0.1 * (STEEPEST[design] / 0.1) ** rng.random(STARTS)
    middles = x[rng.integers(len(x), size=STARTS), 0]
    points = [layout.ravel(tilted(*one, truth)) for one in zip(offsets, middles, strict=True)]
    return np.vstack([near, points])


def sway(design: str, theta: dict[str, NDArray]) -> NDArray:
    """How much the shares within cells change over x, (draw,): zero without a tilt, one at most.

    The root of E sum_i pi_A(x) (pi_i(x) / pi_A(x) - mean)², A the cell of atom i. Unlike weights
    exp tau and their slopes it does not depend on where x is zero. Cells are by the experts alone:
    a steep gate would carry an atom into another's cell.
    """
    regime = VARIANT.regime(DESIGNS[design])
    here, there = LOSSES.atoms(theta), LOSSES.atoms(regime.measure(1))
    pairs = ((here.slow, there.slow), (here.fast, there.fast))
    apart = sum(np.sum((own[..., None, :] - true) ** 2, axis=-1) for own, true in pairs)
    cells = np.argmin(apart, axis=-1)
    x = regime.draw_inputs(np.random.default_rng(0), 500)[:, 0]
    atoms = LOSSES.gate.atoms({name: theta[name] for name in ("beta", "tau")})
    score = atoms["tau"][..., None] + atoms["beta"][..., 0][..., None] * x
    share = np.exp(score - score.max(axis=-2, keepdims=True))
    share = share / share.sum(axis=-2, keepdims=True)
    together = (cells[..., None] == cells[..., None, :]).astype(float)
    cell = np.maximum(np.einsum("...ij,...jx->...ix", together, share), 1e-300)
    mean = share.mean(axis=-1, keepdims=True) / cell.mean(axis=-1, keepdims=True)
    return np.sqrt(np.sum(np.mean(cell * (share / cell - mean) ** 2, axis=-1), axis=-1))


def measured(design: str, theta: dict[str, NDArray]) -> dict[str, float]:
    """Medians over draws, or of a single fit."""
    truth = VARIANT.regime(DESIGNS[design]).measure(1)
    own = (LOSSES.over_specified(theta, truth), LOSSES.tilt_free(theta, truth), sway(design, theta))
    middle = {name: float(np.median(value)) for name, value in zip(LOSS_NAMES, own, strict=True)}
    return middle | {"tilted": float(np.mean(own[-1] > TILTED))}


def fitted(design: str, way: str, number: int, sizes: tuple[int, ...]) -> list[dict[str, float]]:
    """Losses of the best fit to the first rows of a data set.

    And in nats its gain on the truth, and what the best tilted fit lacks to it.
    """
    posterior, whole = compiled(design, way), columns(design, number)
    truth = VARIANT.regime(DESIGNS[design]).measure(1)
    found = []
    for n in sizes:
        own = {name: column[:n] for name, column in whole.items()}
        rows = posterior.likelihood.rows(own)
        starts = begun(design, way, own["x"], np.random.default_rng([number, n]))
        best = find_map(posterior, rows, starts)
        true = posterior.likelihood.value(posterior.layout.ravel(tilted(0.0, 0.0, truth)), rows)
        losses = measured(design, posterior.layout.unravel(best.theta))
        ends = posterior.layout.unravel(best.starts)
        lacking = n * (
            np.array([end.value for end in best.search.ends]) - best.search.ends[0].value
        )
        cost = np.min(lacking, where=sway(design, ends) > TILTED, initial=np.inf)
        found.append({**losses, "gain": best.loglik - true, "cost": float(cost)})
    return found


def grown(seen: Field, both: Field) -> Field:
    """The posterior of the rows seen as a prior, and the further rows as what is turned on."""
    metric = both.metric - seen.metric
    prior = seen.prior + seen.energy, seen.prior_slope + seen.slope
    return Field(*prior, both.energy - seen.energy, both.slope - seen.slope, metric)


def drawn(
    design: str, number: int, sizes: tuple[int, ...], particles: int = PARTICLES
) -> list[dict[str, float]]:
    """Medians of the posterior's losses: from the prior to the first rows, then to more and more.

    References
    ----------
    Chopin (2002), doi:10.1093/biomet/89.3.539.
    """
    own, whole = Energies(compiled(design, BAYES)), columns(design, number)
    rng, found = np.random.default_rng([41, number]), []
    u = prior_points(own, particles, rng)
    rows: list[Any] = []
    for n in sizes:
        rows = [*rows[-1:], own.posterior.likelihood.rows({k: v[:n] for k, v in whole.items()})]
        u = temper(turned_on(own, rows), u, [1.0], rng).stops[0].u
        theta = own.posterior.layout.unravel(own.posterior.natural_many(u))
        found.append(measured(design, theta))
    return found


def turned_on(own: Energies, rows: list[Any]) -> Callable[[NDArray], Field]:
    """The field that begins at the prior, or at the posterior of the first of two sets of rows."""
    if len(rows) == 1:
        return lambda u: own.field(u, rows[0])
    return lambda u: grown(own.field(u, rows[0]), own.field(u, rows[1]))


def growth(
    folder: Path, sizes: tuple[int, ...], sets: int, posteriors: int, particles: int = PARTICLES
) -> pd.DataFrame:
    """A loss a row, for every design, way, data set and size; the folder's file is gone on with."""
    path = folder / FILE
    known = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*KEYS, "value"])
    wanted = [
        (design, way, number)
        for design, ways in WAYS.items()
        for way in ways
        for number in range(posteriors if way == BAYES else sets)
    ]
    for design, way, number in wanted:
        own = known[(known.design == design) & (known.way == way) & (known.number == number)]
        asked = tuple(n for n in sizes if way != BAYES or n <= LAST)
        fresh_sizes = tuple(n for n in asked if n not in set(own.n))
        if not fresh_sizes:
            continue
        if way == BAYES:
            # The particles of a size come from the one before.
            found, fresh_sizes = drawn(design, number, asked, particles), asked
            known = known.drop(own.index)
        else:
            found = fitted(design, way, number, fresh_sizes)
        rows = [
            (design, way, number, n, name, value)
            for n, losses in zip(fresh_sizes, found, strict=True)
            for name, value in losses.items()
        ]
        fresh = pd.DataFrame(rows, columns=known.columns)
        kinds = {"number": int, "n": int, "value": float}
        known = pd.concat([known, fresh], ignore_index=True).astype(kinds)
        known.to_csv(path.with_suffix(".part"), index=False)
        path.with_suffix(".part").replace(path)
    inside = known.n.isin(sizes) & (known.number < np.where(known.way == BAYES, posteriors, sets))
    return known[inside]


def slope(part: pd.DataFrame) -> tuple[float, float]:
    """Mean over data sets of the slope of log loss on log n, and half its 95 % interval."""
    table = part.pivot(index="number", columns="n", values="value").clip(lower=1e-12)
    logs = np.log(table.to_numpy(float))
    own = np.polyfit(np.log(table.columns.to_numpy(float)), logs.T, 1)[0]
    if len(own) == 1:
        return float(own[0]), float("inf")
    error = own.std(ddof=1) / len(own) ** 0.5
    return float(own.mean()), float(t.ppf(0.975, len(own) - 1) * error)


def growth_figure(table: pd.DataFrame) -> Figure:
    """Medians over data sets of every loss against n, with quartiles, a design a row."""
    page, grid = plt.subplots(
        len(WAYS), len(LOSS_NAMES), figsize=(12.5, 9.0), layout="constrained", sharex=True
    )
    titles = {"D2": "D2 (published)", "tilt-free": "tilt-free loss", "tilt": "tilt"}
    for (design, ways), line in zip(WAYS.items(), grid, strict=True):
        for axes, name in zip(line, LOSS_NAMES, strict=True):
            for place, way in enumerate(ways):
                part = table[(table.design == design) & (table.way == way) & (table.loss == name)]
                own = part.groupby("n").value
                middle = own.median()
                ends = np.array([middle - own.quantile(0.25), own.quantile(0.75) - middle])
                value, half = slope(part)
                axes.errorbar(
                    middle.index * 1.06 ** (place - 1), middle, yerr=ends, fmt=MARKS[way][0],
                    color=MARKS[way][1], linestyle=STYLES[place], capsize=2, markersize=5,
                    label=f"{way}: {value:.2f} ± {half:.2f}",
                )  # fmt: skip
            axes.set(xscale="log", yscale="log", title=f"{titles[name]}, {design} experts")
            axes.legend(
                frameon=False, fontsize="small", title="slope of log loss on log n",
                loc="upper center", bbox_to_anchor=(0.5, -0.12),
            )  # fmt: skip
    for axes in grid[0]:
        axes.tick_params(labelbottom=True)
    page.supxlabel("rows n")
    page.suptitle("Four experts fitted to two: medians and quartiles over data sets")
    return page


# %% tags=["active-ipynb"]
# table_of_growth = growth(Path("."), SIZES, SETS, POSTERIORS)
# shown_growth = growth_figure(table_of_growth)


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
def main(words: list[str]) -> pd.DataFrame:
    """Everything, as a script."""
    reader = argparse.ArgumentParser(description="What no data can tell.")
    reader.add_argument("-o", "--output", default="out")
    reader.add_argument("--quick", action="store_true", help="two sizes, three data sets, one")
    given = reader.parse_args(words)
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    summary()
    gates_figure().savefig(folder / "tilted_gates.png", dpi=130)
    losses_figure().savefig(folder / "tilted_losses.png", dpi=130)
    sizes, sets, posteriors = (SIZES[:2], 3, 1) if given.quick else (SIZES, SETS, POSTERIORS)
    grew = growth(folder, sizes, sets, posteriors)
    for (design, way, name), part in grew.groupby(["design", "way", "loss"], sort=False):
        own = part.groupby("n").value
        each = ", ".join(f"{v:.3g}" for v in (own.mean() if name == "tilted" else own.median()))
        value, half = slope(part) if name in LOSS_NAMES else (np.nan, np.nan)
        print(
            f"{design} experts, {way}: {name} {each}"
            + (f", slope {value:.2f} ± {half:.2f}" if name in LOSS_NAMES else "")
        )
    growth_figure(grew).savefig(folder / "tilts.png", dpi=130)
    names = ("tilted_gates", "tilted_losses", "tilts")
    print(f"wrote {', '.join(str(folder / f'{name}.png') for name in names)}")
    return grew


# %% tags=["active-py"]
if __name__ == "__main__":
    main(sys.argv[1:])
