# %% [markdown]
# # The posterior of softmax-gated experts, with as many as the truth has and with more
# Two overlapping experts fitted by two, three and four under the weak prior: how the Hellinger
# distance, losses, tilt and spreads within cells contract, for posterior draws and for maximum
# likelihood; whether superfluous experts merge or empty; and whether NUTS and tempering visit the
# patterns of cells alike. About 40 minutes on one core, --quick three; goes on where it stopped.
# Usage: python analyses/moe_posterior.py [-o FOLDER] [--quick], default out/.

# %%
import argparse
import sys
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
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

from bayes_cmoe import fit_map, fit_nuts, simulate, variant_named, with_rows
from bayes_cmoe.compiled.energy import Energies
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.ascent import flat_box, highest
from bayes_cmoe.estimate.diagnostics import SamplingWarning
from bayes_cmoe.estimate.tempering import prior_points, temper
from bayes_cmoe.theory.hellinger import Hellinger
from bayes_cmoe.theory.learning import population_draws
from bayes_cmoe.theory.scores import Scores

VARIANT = variant_named("softmax_gaussian_moe")
REGIME = VARIANT.regime("soft-3")
TRUTH = REGIME.measure(1)
EXPERTS = (2, 3, 4)
SIZES, REPLICATIONS, PARTICLES = (100, 316, 1000), 3, 128
CHAINS, DRAWS, PATTERN_ROWS, RUNS = 4, 250, 316, 6
FILE = "moe_posterior.csv"
NODES = 2**12
NARROW = {
    "beta": (-4.0, 4.0), "tau": (-2.0, 2.0), "a": (-3.0, 3.0), "b": (-3.0, 3.0), "nu": (0.1, 4.0)
}  # fmt: skip
PRECISIONS = (1e2, 1e3, 1e4, 1e5)
MEAN = "m H²"  # Which tends to the learning coefficient on average.

# %% tags=["parameters", "active-ipynb"]
# EXPERTS, SIZES, REPLICATIONS, PARTICLES = (2, 3), (100, 316), 1, 96
# CHAINS, DRAWS, RUNS = 2, 100, 2


# %%
@cache
def engine(experts: int) -> Energies:
    """A model under one proper prior for all data sets, the weak one of a reference table."""
    data = simulate(VARIANT, REGIME, 1000, seed=0)
    return Energies(Posterior(VARIANT.build(data, experts=experts, prior="weak")))


@cache
def hellinger() -> tuple[Hellinger, Any]:
    """Distances of three-expert parameters from the truth, and the rows that they are sums over."""
    posterior = engine(3).posterior
    measure = Hellinger(
        Scores(posterior.model, posterior.likelihood),
        lambda rng, n: {"x": REGIME.draw_inputs(rng, n)},
    )
    truth = posterior.layout.ravel(REGIME.truth(1))
    return measure, measure.sample(truth, [], NODES, np.random.SeedSequence(5))


def rows_of(experts: int, n: int, replicate: int) -> Any:
    data = simulate(VARIANT, REGIME, n, seed=np.random.SeedSequence([14, n, replicate]))
    return engine(experts).posterior.likelihood.rows({"x": data.x, "response": data.y})


def drawn(experts: int, n: int, replicate: int, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Posterior draws by tempering, and the maximum-likelihood estimate; natural scale."""
    own, rng = engine(experts), np.random.default_rng([seed, experts, n, replicate])
    rows = rows_of(experts, n, replicate)

    def field(u: NDArray) -> Any:
        return own.field(u, rows)

    run = temper(field, prior_points(own, PARTICLES, rng), [1.0], rng)
    starts = run.stops[0].u[np.argsort(-run.stops[0].energy)[:32]]
    best = highest(field, starts, *flat_box(own))[0]
    natural = own.posterior.natural_many
    return natural(run.stops[0].u), natural(best)


def distances(experts: int, theta: NDArray) -> NDArray:
    """Hellinger distances from the truth, of parameters of so many experts."""
    measure, sample = hellinger()
    likelihood = engine(experts).posterior.likelihood
    log_truth = measure.likelihood.logp(
        engine(3).posterior.layout.ravel(REGIME.truth(1)), sample.model_rows
    )
    found = []
    for one in theta:
        logp = likelihood.logp(one, sample.model_rows)
        apart = np.exp(0.5 * (logp - sample.log_proposal)) - np.exp(
            0.5 * (log_truth - sample.log_proposal)
        )
        found.append(np.sqrt(0.5 * np.mean(apart**2)))
    return np.array(found)


def shares(experts: int, theta: NDArray) -> NDArray:
    """The smallest of the experts' mean shares over x, (draw,)."""
    named = engine(experts).posterior.layout.unravel(theta)
    atoms = VARIANT.mixture("soft-3").gate.atoms({name: named[name] for name in ("beta", "tau")})
    x = np.linspace(-1.0, 1.0, 201)
    score = atoms["tau"][..., None] + atoms["beta"][..., 0][..., None] * x
    weight = np.exp(score - score.max(axis=-2, keepdims=True))
    return (weight / weight.sum(axis=-2, keepdims=True)).mean(axis=-1).min(axis=-1)


def losses(experts: int, theta: NDArray) -> dict[str, NDArray]:
    """Whatever no order of the experts changes, (draw,) each."""
    named = engine(experts).posterior.layout.unravel(theta)
    if experts == len(TRUTH["b"]):
        own = {"D1": LOSSES.exact(named, TRUTH)}
    else:
        spreads = LOSSES.spreads(named, TRUTH)
        own = {"D2": LOSSES.over_specified(named, TRUTH)}
        own |= {f"{name} spread": value for name, value in spreads.items()}
    return {
        "Hellinger": distances(experts, theta),
        **own,
        "tilt-free": LOSSES.tilt_free(named, TRUTH),
        "least share": shares(experts, theta),
    }


def contraction(folder: Path, sizes: tuple[int, ...], replications: int) -> pd.DataFrame:
    """Losses of draws and of the estimate; what the folder's file has is not made again."""
    path = folder / FILE
    parts = [pd.read_csv(path)] if path.exists() else []
    done = {tuple(row) for part in parts for row in part[["experts", "n", "replicate"]].to_numpy()}
    for n in sizes:
        for replicate in range(replications):
            for experts in EXPERTS:
                if (experts, n, replicate) in done:
                    continue
                draws, best = drawn(experts, n, replicate)
                cold, point = losses(experts, draws), losses(experts, best[None])
                rows = [
                    (experts, n, replicate, name, *np.quantile(value, (0.05, 0.5, 0.95)),
                     point[name].item())
                    for name, value in cold.items()
                ]  # fmt: skip
                columns = ["experts", "n", "replicate", "loss", "low", "middle", "high", "mle"]
                parts.append(pd.DataFrame(rows, columns=columns))
                fresh = path.with_suffix(".part")
                pd.concat(parts, ignore_index=True).to_csv(fresh, index=False)
                fresh.replace(path)
    table = pd.concat(parts, ignore_index=True)
    return table[table.n.isin(sizes) & (table.replicate < replications)]


def patterns() -> pd.DataFrame:
    """Share of draws with two atoms in the first true expert's cell: chains of NUTS, runs of ours.

    All of the same three-expert posterior.
    """
    own, rows = engine(3), []
    data = simulate(
        VARIANT, REGIME, PATTERN_ROWS, seed=np.random.SeedSequence([14, PATTERN_ROWS, 0])
    )

    def doubled(theta: NDArray) -> float:
        cells = LOSSES.cells(own.posterior.layout.unravel(theta), TRUTH)
        return float(np.mean(np.sum(cells == 0, axis=-1) == 2))

    for run in range(RUNS):
        draws, _ = drawn(3, PATTERN_ROWS, 0, seed=1 + run)
        rows.append(("tempering", run, doubled(draws)))
    # The same prior, whatever the rows.
    model = with_rows(own.posterior.model, data)
    start = fit_map(model, seed=1, posterior=own.posterior)
    with warnings.catch_warnings():
        # Chains that stay in one pattern are what is looked for.
        warnings.simplefilter("ignore", SamplingWarning)
        tree = fit_nuts(
            model, draws=DRAWS, chains=CHAINS, cores=1, checked=False, start=start, seed=2,
            posterior=own.posterior,
        )  # fmt: skip
    table = own.posterior.layout.vectors(tree["posterior"])
    rows += [("NUTS", chain, doubled(theta)) for chain, theta in enumerate(table)]
    return pd.DataFrame(rows, columns=["engine", "run", "share"])


# %%
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (8, 3)), (0, (1, 3)))


def contraction_figure(table: pd.DataFrame) -> Figure:
    """Medians of draws over n, averaged over data sets on the log scale; the rate in grey."""
    names = sorted(table.experts.unique())
    page, grid = plt.subplots(
        1, len(names), figsize=(4.4 * len(names), 5.2), layout="constrained", squeeze=False
    )
    for axes, experts in zip(grid[0], names, strict=True):
        own = table[(table.experts == experts) & (table.loss != "least share")]
        sizes = np.sort(own.n.unique())
        rate = np.sqrt(np.log(sizes) / sizes)
        for (name, part), style in zip(own.groupby("loss", sort=False), STYLES, strict=False):
            middle = np.exp(part.groupby("n").middle.apply(lambda v: np.log(v).mean()))
            label = f"{name}: {slope(part):.2f}"
            axes.plot(middle.index, middle, "o", linestyle=style, markersize=3, label=label)
            if name == "Hellinger":
                line = middle.iloc[0] * rate / rate[0]
                axes.plot(sizes, line, color="0.75", linewidth=5, zorder=0)
        axes.set(xscale="log", yscale="log", xlabel="rows n", title=f"{experts} experts")
        axes.legend(
            fontsize="x-small", frameon=False, title="slope of", ncols=2, loc="upper center",
            bbox_to_anchor=(0.5, -0.16),
        )  # fmt: skip
    grid[0][0].set_ylabel("posterior median")
    page.suptitle("Contraction of posterior draws; grey: sqrt(log n / n), two true experts")
    return page


def without_data(experts: int, precisions: tuple[float, ...], runs: int) -> pd.DataFrame:
    """Spreads within cells and m H² under exp(-m H²), where no data set is anything special.

    Uniform on a box in which no expert can vanish.
    """
    copies = {2: (1, 0), 3: (1, 1, 0), 4: (1, 1, 0, 0)}[experts]
    options = MappingProxyType({"experts": experts})
    regime = replace(REGIME, name=f"soft-{experts}", copies=copies, options=options)
    found = population_draws(
        VARIANT, regime, prior=NARROW, precisions=precisions, nodes=512, runs=runs
    )
    rows = []
    for m, own in found["theta"].groupby("m"):
        for run, theta in enumerate(own.squeeze("m").transpose("run", "particle", "label").values):
            named = engine(experts).posterior.layout.unravel(theta)
            spreads = LOSSES.spreads(named, TRUTH)
            rows += [(experts, m, run, name, np.median(value)) for name, value in spreads.items()]
            squared = found["squared"].sel(m=m, run=run).mean().item()
            rows.append((experts, m, run, MEAN, m * squared))
    return pd.DataFrame(rows, columns=["experts", "n", "run", "loss", "middle"])


def without_data_figure(table: pd.DataFrame) -> Figure:
    """Medians of the spreads over m, with the exponents of a cell of two atoms."""
    names = list(dict.fromkeys(table.experts))
    page, grid = plt.subplots(
        1, len(names), figsize=(4.6 * len(names), 4.4), layout="constrained", squeeze=False,
        sharey=True,
    )  # fmt: skip
    for axes, experts in zip(grid[0], names, strict=True):
        own = table[(table.experts == experts) & (table.loss != MEAN)]
        for (name, part), style in zip(own.groupby("loss", sort=False), STYLES, strict=False):
            logs = np.log(part.middle).groupby(part.n)
            middle, error = np.exp(logs.mean()), logs.std() / np.sqrt(logs.count())
            axes.errorbar(
                middle.index, middle, yerr=2 * error * middle, fmt="o", linestyle=style,
                markersize=3, capsize=2, label=f"{name}: {slope(part):.2f}",
            )  # fmt: skip
        sizes = np.sort(own.n.unique())
        for power, shade in ((0.25, "0.7"), (0.125, "0.85")):
            line = own.middle.max() * (sizes / sizes[0]) ** -power
            axes.plot(sizes, line, color=shade, linewidth=4, zorder=0, label=f"m^-{power:g}")
        axes.set(xscale="log", yscale="log", xlabel="precision m", title=f"{experts} experts")
        axes.legend(fontsize="x-small", frameon=False, title="slope of the spread of")
    grid[0][0].set_ylabel("median spread within cells")
    page.suptitle("How far the atoms of a cell lie apart under exp(-m H²)")
    return page


def slope(part: pd.DataFrame, column: str = "middle") -> float:
    """Of a loss's log median on log n."""
    return float(np.polyfit(np.log(part.n), np.log(np.maximum(part[column], 1e-12)), 1)[0])


def tilt_figure(table: pd.DataFrame) -> Figure:
    """How far the gates of a cell lie apart, for draws (nine in ten) and for the estimate."""
    names = [k for k in sorted(table.experts.unique()) if k > len(TRUTH["b"])]
    page, grid = plt.subplots(
        1, len(names), figsize=(4.6 * len(names), 4.0), layout="constrained", squeeze=False,
        sharey=True,
    )  # fmt: skip
    for axes, experts in zip(grid[0], names, strict=True):
        own = table[(table.experts == experts) & (table.loss == "beta spread")]
        shift = 1.0 + 0.06 * (own.replicate - own.replicate.mean())
        ends = np.array([own.middle - own.low, own.high - own.middle])
        axes.errorbar(
            own.n * shift, own.middle, yerr=ends, fmt="o", color="black", capsize=2, markersize=4,
            label=f"posterior: median slope {slope(own):.2f}",
        )  # fmt: skip
        axes.plot(
            own.n * shift, own.mle, "x", color="tab:red", markersize=7,
            label=f"maximum likelihood: slope {slope(own, 'mle'):.2f}",
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="rows n", title=f"{experts} experts")
        axes.legend(fontsize="small", frameon=False)
    grid[0][0].set_ylabel("spread of beta within cells")
    page.suptitle("Gates within a cell; with four experts a common tilt changes no density")
    return page


def emptied(experts: int, n: int, replicate: int = 0) -> pd.DataFrame:
    """Of each draw the smallest share, and how far the experts of a cell lie apart."""
    draws, _ = drawn(experts, n, replicate)
    own = losses(experts, draws)
    return pd.DataFrame({"share": own["least share"], "apart": own["b spread"], "n": n})


def emptied_figure(tables: list[pd.DataFrame]) -> Figure:
    """Do superfluous experts merge (to the left) or empty (down)?"""
    page, grid = plt.subplots(
        1, len(tables), figsize=(4.4 * len(tables), 4.2), layout="constrained", squeeze=False,
        sharex=True, sharey=True,
    )  # fmt: skip
    for axes, table in zip(grid[0], tables, strict=True):
        axes.plot(table.apart, table.share, ".", color="black", alpha=0.5)
        low = (table.share < 0.02).mean()
        axes.axhline(0.02, color="0.6", linewidth=1)
        axes.set(xscale="log", yscale="log", xlabel="spread of b within cells")
        axes.set_title(f"n = {table.n.iloc[0]}: {low:.0%} have a share below .02")
    grid[0][0].set_ylabel("smallest mean share of an expert")
    page.suptitle("Three experts for two: draws of the posterior")
    return page


def patterns_figure(table: pd.DataFrame) -> Figure:
    """The pattern's share by chain and by run."""
    page, axes = plt.subplots(figsize=(6.2, 3.6), layout="constrained")
    for place, (_, own) in enumerate(table.groupby("engine", sort=False)):
        axes.plot(own.share, np.full(len(own), place), "o", color="black", alpha=0.6)
        middle, error = own.share.mean(), own.share.std(ddof=1) / len(own) ** 0.5
        axes.errorbar(middle, place + 0.2, xerr=2 * error, fmt="D", color="tab:red", capsize=4)
        axes.text(middle, place + 0.32, f"{middle:.2f} ± {error:.2f}", ha="center")
    names = list(dict.fromkeys(table.engine))
    axes.set_yticks(range(len(names)), [f"{name}, {n}" for name, n in zip(
        names, ("by run", "by chain"), strict=True)])  # fmt: skip
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.4, len(names) - 0.4))
    axes.set_xlabel("share of draws with two atoms in the first expert's cell")
    axes.set_title(f"Which expert is doubled? n = {PATTERN_ROWS}, red: two errors")
    return page


# %% [markdown]
# ## Contraction, and the tilt
# Three data sets a size, 100 to 1,000 rows: the Hellinger distance of draws falls as n to the -.42,
# -.43 and -.41 with two, three and four experts, as sqrt(log n / n) does there (-.41); D1 as -.40;
# spreads within cells as -.22 to -.44. With four experts the gates' spread falls as -.26 for draws;
# for maximum likelihood, where it is .12 to 4.4, so few data sets tell no slope.

# %% tags=["active-ipynb"]
# table = contraction(Path("."), SIZES, REPLICATIONS)
# shown = contraction_figure(table), tilt_figure(table)

# %% [markdown]
# ## Without data
# Under exp(-m H²), with gates that cannot vanish, m H² is 4.90 with three experts and 6.08 with
# four at m = 10⁵ (standard errors .06), where counting gives 5 and 6. At a generic tilt of four
# experts it would be 8: the draws are drawn to small tilts, and the gates' spread falls with m.
#
# ## Do they merge or empty? And are the patterns visited in proportion?
# Under Normal gate levels of the usual width the superfluous expert loses its share: the median
# of the smallest share is .03 to .07 at 100 rows and .01 to .02 at 1,000. It merges only where
# log n is large beside eight times the level's variance. NUTS begins at modes, where that expert
# has a share of .1, and says itself that it has not come round (R-hat 1.5, 32 divergences): it
# doubles the first expert in .87 to 1.00 of its draws, where tempering does in .52 ± .06 (six runs
# of 128 particles, which scatter from .36 to .73) and in .64 (896 particles; of these draws .30
# have an expert with a share below .02).

# %% tags=["active-ipynb"]
# spreads = without_data_figure(without_data(3, (1e2, 1e3), 2))
# ends = emptied_figure([emptied(3, n) for n in SIZES])
# seen = patterns()
# drawn_patterns = patterns_figure(seen)


# %% tags=["active-py"]
def main(words: list[str]) -> pd.DataFrame:
    """Everything, as a script."""
    reader = argparse.ArgumentParser(description="Posteriors of softmax-gated experts.")
    reader.add_argument("-o", "--output", default="out")
    reader.add_argument("--quick", action="store_true", help="two sizes, one data set each")
    given = reader.parse_args(words)
    sizes, count = (SIZES[:2], 1) if given.quick else (SIZES, REPLICATIONS)
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    table = contraction(folder, sizes, count)
    for (experts, name), part in table.groupby(["experts", "loss"]):
        print(
            f"{experts} experts, {name}: slope of the posterior's median {slope(part):.2f}, "
            f"of the maximum-likelihood estimate {slope(part, 'mle'):.2f}"
        )
    seen = patterns()
    for name in dict.fromkeys(seen.engine):
        part = seen[seen.engine == name]
        print(f"{name}: first expert doubled in {part.share.round(2).tolist()} of the draws")
    ends = [emptied(3, n) for n in (sizes[0], sizes[-1])]
    for own in ends:
        low = (own.share < 0.02).mean()
        print(f"n = {own.n.iloc[0]}: {low:.0%} of draws have an expert with a share below .02")
    precisions, runs = (PRECISIONS[:2], 2) if given.quick else (PRECISIONS, 4)
    apart = pd.concat([without_data(k, precisions, runs) for k in EXPERTS[1:]])
    for (experts, name), part in apart.groupby(["experts", "loss"]):
        if name == MEAN:
            last = part[part.n == part.n.max()].middle
            error = last.std(ddof=1) / len(last) ** 0.5
            print(f"{experts} experts: learning coefficient {last.mean():.2f} ± {error:.2f}")
        else:
            print(f"{experts} experts, {name} under exp(-m H²): slope {slope(part):.2f}")
    figures = {
        "without_data": without_data_figure(apart),
        "contraction": contraction_figure(table),
        "tilt": tilt_figure(table),
        "merge_or_empty": emptied_figure(ends),
        "patterns": patterns_figure(seen),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=130)
    print(f"wrote {', '.join(str(folder / f'{name}.png') for name in figures)}")
    return table


# %% tags=["active-py"]
if __name__ == "__main__":
    main(sys.argv[1:])
