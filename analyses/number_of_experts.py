# %% [markdown]
# # How many experts? Nine criteria, and how often each is right
# Data sets of two softmax-gated experts that overlap, fitted by one, two and three: the share in
# which AIC, BIC, sBIC, WBIC, the evidence by two ways, PSIS-LOO, the dendrogram and merging of
# posterior draws pick two, with 95 per cent Clopper-Pearson intervals. A data set takes about 20
# seconds on one core, 60 of 1,000 rows: the whole about 40 minutes; --quick two minutes. Goes on
# where it was stopped. Usage: python analyses/number_of_experts.py [-o FOLDER] [--quick]

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
from matplotlib.figure import Figure
from scipy.stats import beta

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.front.number_of_experts import CRITERIA, number_of_experts

VARIANT = variant_named("softmax_gaussian_moe")
REGIME, TRUE, MOST = "soft-3", 2, 3
"""Gates (-.3, -1), (0, 0), means -1 - x and 1 + x, variances .9 and .6, x uniform on (-1, 1)."""
SIZES, REPLICATIONS, PARTICLES = (100, 316, 1000), 20, 256
LEVEL = 0.95
FILE = "number_of_experts.csv"

# %% tags=["parameters", "active-ipynb"]
# SIZES, REPLICATIONS, PARTICLES = (100, 316), 2, 64


# %%
def picked(n: int, replicate: int, particles: int) -> pd.DataFrame:
    """The criteria of one data set, one a row."""
    data = simulate(VARIANT, REGIME, n, seed=np.random.SeedSequence([13, n, replicate]))
    found = number_of_experts(data, MOST, particles=particles, seed=replicate)
    table = found["value"].to_pandas().add_prefix("experts ")
    rows = table.assign(pick=found["pick"].to_pandas()).reset_index()
    return rows.assign(n=n, replicate=replicate, particles=particles)


def study(folder: Path, sizes: tuple[int, ...], replications: int, particles: int) -> pd.DataFrame:
    """All data sets; those in the folder's file are not made again."""
    path = folder / FILE
    parts = [pd.read_csv(path)] if path.exists() else []
    done = {
        tuple(row) for part in parts for row in part[["n", "replicate", "particles"]].to_numpy()
    }
    for replicate in range(replications):
        for n in sizes:
            if (n, replicate, particles) in done:
                continue
            parts.append(picked(n, replicate, particles))
            # Whole before it is in place: a run that is stopped leaves the last file.
            fresh = path.with_suffix(".part")
            pd.concat(parts, ignore_index=True).to_csv(fresh, index=False)
            fresh.replace(path)
    table = pd.concat(parts, ignore_index=True)
    kept = table.n.isin(sizes) & (table.replicate < replications) & (table.particles == particles)
    return table[kept]


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """The share of data sets in which each criterion picks the truth, and its interval."""
    rows = []
    for (criterion, n), own in table.groupby(["criterion", "n"]):
        right, count = int((own.pick == TRUE).sum()), len(own)
        tail = (1.0 - LEVEL) / 2.0
        lower = beta.ppf(tail, right, count - right + 1) if right else 0.0
        upper = beta.isf(tail, right + 1, count - right) if right < count else 1.0
        fewer, more = (own.pick < TRUE).mean(), (own.pick > TRUE).mean()
        rows.append((criterion, n, count, right / count, lower, upper, fewer, more))
    columns = ["criterion", "n", "sets", "share", "lower", "upper", "fewer", "more"]
    found = pd.DataFrame(rows, columns=columns)
    order = {name: i for i, name in enumerate(CRITERIA)}
    return found.sort_values(["n", "criterion"], key=lambda c: c.map(order).fillna(c))


def shares_figure(found: pd.DataFrame) -> Figure:
    """Shares and intervals, a panel a size."""
    sizes = sorted(found.n.unique())
    page, grid = plt.subplots(
        1, len(sizes), figsize=(3.6 * len(sizes) + 1.0, 4.2), layout="constrained", sharey=True,
        squeeze=False,
    )  # fmt: skip
    for axes, n in zip(grid[0], sizes, strict=True):
        own = found[found.n == n].set_index("criterion").reindex(CRITERIA)
        places = np.arange(len(own))[::-1]
        ends = np.array([own.share - own.lower, own.upper - own.share])
        axes.errorbar(own.share, places, xerr=ends, fmt="o", color="black", capsize=3)
        axes.barh(places, own.more, color="0.85", height=0.5, zorder=0, label="picks more")
        axes.barh(
            places, -own.fewer, left=1.0, color="0.6", height=0.5, zorder=0, label="picks fewer"
        )
        axes.set(xlim=(-0.03, 1.03), title=f"n = {n}, {int(own.sets.iloc[0])} data sets")
        axes.set_xlabel(f"share that picks {TRUE}")
        axes.set_yticks(places, own.index)
    grid[0][-1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    page.suptitle("How often each criterion finds the two experts (95 per cent intervals)")
    return page


# %% [markdown]
# ## The study
# What was reached so far, six data sets of 100 and of 316 rows and four of 1,000: BIC picks two in
# all 16, WBIC in 14, the evidence in 14 by either way, PSIS-LOO in 13, merging of draws in 12, the
# dendrogram in 11, sBIC in 2 (of 1,000 rows) and AIC in none. Six of six is .54 to 1, four of four
# .40 to 1: this tells AIC and sBIC from the others, and nothing among the others. sBIC asks of a
# superfluous expert one unit of log n, see `bayes_cmoe.estimate.criteria`, which at 1,000 rows
# is no more than what an over-specified fit gains by chance.

# %% tags=["active-ipynb"]
# table = study(Path("."), SIZES, REPLICATIONS, PARTICLES)
# found = shares(table)
# print(found.to_string(index=False, float_format="{:.2f}".format))
# shown = shares_figure(found)


# %% tags=["active-py"]
def main(words: list[str]) -> pd.DataFrame:
    """The study as a script."""
    reader = argparse.ArgumentParser(description="How many experts?")
    reader.add_argument("-o", "--output", default="out")
    reader.add_argument("--quick", action="store_true", help="100 rows, two small data sets")
    reader.add_argument("--replications", type=int, default=REPLICATIONS)
    given = reader.parse_args(words)
    folder = Path(given.output)
    folder.mkdir(parents=True, exist_ok=True)
    if given.quick:
        table = study(folder, SIZES[:1], 2, 64)
    else:
        table = study(folder, SIZES, given.replications, PARTICLES)
    found = shares(table)
    print(found.to_string(index=False, float_format="{:.2f}".format))
    shares_figure(found).savefig(folder / "number_of_experts.png", dpi=130)
    print(f"wrote {folder / 'number_of_experts.png'}, {folder / FILE}")
    return found


# %% tags=["active-py"]
if __name__ == "__main__":
    main(sys.argv[1:])
