# %% [markdown]
# # Intervals that hold where nothing is told apart
# How often 90 % intervals hold the truth, in a distinguishable, a vanishing and a merging regime
# of the constant gate: standard errors (Wald), the profile likelihood with the chi-square quantile,
# the same with a quantile drawn at the value where that is larger, and test inversion with
# critical values drawn at the least favourable identification. A truth is
# held when its likelihood ratio is not refused, so no interval has to be traced to its ends, and
# nothing has to be drawn where the ratio is so small that no draw would refuse it. Beside
# the parameters themselves stand their products with the share, which are identified always.
# Takes about a minute for every 50 data sets and regime on one core; the default is 1,000 at 1,000
# rows. Results go to a CSV file row by row, and the same command goes on from there.
# Usage: python analyses/interval_coverage.py [-o FOLDER] [-n ROWS] [--sets COUNT] [--regime NAME]

# %%
import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binomtest, chi2

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.report.figure_style import COLORS, MARKERS, STYLE
from bayes_cmoe.theory.confidence import SURE, Workshop
from bayes_cmoe.theory.cover import Ground
from bayes_cmoe.theory.inversion import Inversion
from bayes_cmoe.theory.lines import line_named

VARIANT = "constant_contaminated"
REGIMES = ("distinguishable", "vanishing", "merging")
LEVEL = 0.9
LIMIT = float(chi2.ppf(LEVEL, 1))
"""Of the likelihood ratio by its chi-square law; a drawn quantile counts where it is larger."""
PROFILED = ("lam", "a[x1]", "b", "nu", "lam*b", "lam*nu")
INVERTED = ("lam",)
DRAWN = ("lam", "a[x1]", "nu")
METHODS = {
    "wald": "standard errors",
    "profile": "profile",
    "drawn": "profile, drawn quantile",
    "inverted": "test inversion",
}
FIELDS = ("regime", "n", "seed", "target", "ratio", "limit", "wald", "pvalue")
STARTS = 14
DRAWS = 95


# %%
class Study:
    """One regime at one size, compiled once."""

    def __init__(self, regime: str, n: int) -> None:
        self.variant = variant_named(VARIANT)
        self.regime, self.n = self.variant.regime(regime), n
        data = simulate(self.variant, self.regime, n, seed=10**6)
        self.workshop = Workshop.of(self.variant.model(self.regime, data))
        self.ground: Ground = self.workshop.own_ground
        self.truth = self.workshop.posterior.layout.ravel(self.regime.truth(n))

    def rows(self, seed: int) -> list[dict[str, object]]:
        """Whether one data set's intervals hold the truth."""
        data = simulate(self.variant, self.regime, self.n, seed=seed)
        response = self.workshop.replicas.response
        columns = {"x": data.x, **self.regime.frozen.columns(data.x), response: data.y}
        rng = np.random.default_rng([seed, self.n])
        ground, working = self.ground, self.ground.working
        wide = ground.with_share(ground.near(rng, STARTS), rng.uniform(0.2, 1.5, STARTS))
        starts = np.concatenate([working.working(self.truth)[None], wide])
        heights = self.workshop.heights(ground, columns, self.truth)
        table = heights.replicas.table(columns, data.y[None])
        top, theta = heights.best(starts[None], table)
        found: list[dict[str, object]] = []
        for name in PROFILED:
            line = line_named(ground, name)
            value = np.atleast_1d(line.value(self.truth))
            both = np.concatenate([starts, working.working(theta)])
            low, held = heights.best(both[None], table, line, value)
            # From where the value is held the free maximum may be found to be higher.
            again, at_again = heights.best(working.working(held)[:, None], table)
            if again[0] > top[0]:
                top, theta = again, at_again
            ratio = max(2.0 * float(top[0] - low[0]), 0.0)
            pvalue = limit = np.nan
            test = Inversion.of(heights, self.workshop.simulator, columns, line, LEVEL, DRAWS, rng)
            if name in DRAWN:
                limit = LIMIT if ratio <= LIMIT else max(LIMIT, test.limit_at(held[0], rng))
            if name in INVERTED:
                # As the interval does, which takes such values as not refused.
                sure = ratio <= SURE * LIMIT
                pvalue = 1.0 if sure else test.pvalue(ratio, float(value[0]), held[0], data.y, rng)
            found.append(
                {
                    "regime": self.regime.name,
                    "n": self.n,
                    "seed": seed,
                    "target": name,
                    "ratio": round(ratio, 4),
                    "limit": round(limit, 4),
                    "wald": round(self._wald(columns, theta[0], line.value, float(value[0])), 4),
                    "pvalue": round(float(pvalue), 4),
                }
            )
        return found

    def _wald(self, columns: dict, theta: NDArray, value_of, truth: float) -> float:  # type: ignore[no-untyped-def]
        """The squared error in standard errors from the observed information; NaN without one."""
        likelihood = self.workshop.posterior.likelihood
        information = -likelihood.hessian(theta, likelihood.rows(columns))
        step = 1e-6 * np.maximum(np.abs(theta), 1.0)
        gradient = (value_of(theta + np.diag(step)) - value_of(theta - np.diag(step))) / (2 * step)
        if np.linalg.eigvalsh(information)[0] <= 0:
            return np.nan
        variance = gradient @ np.linalg.solve(information, gradient)
        return float((value_of(theta) - truth) ** 2 / variance)


# %%
def read(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def run(file: Path, regime: str, n: int, sets: int) -> None:
    """Add the data sets that the file lacks."""
    done = {(row["regime"], int(row["n"]), int(row["seed"])) for row in read(file)}
    todo = [seed for seed in range(sets) if (regime, n, seed) not in done]
    if not todo:
        return
    study = Study(regime, n)
    for seed in todo:
        rows = study.rows(seed)
        new = not file.exists()
        with file.open("a", newline="") as opened:
            writer = csv.DictWriter(opened, FIELDS)
            if new:
                writer.writeheader()
            writer.writerows(rows)


def held(rows: list[dict[str, str]], method: str) -> NDArray:
    """Whether each truth is inside the interval; empty where the method was not asked."""
    if method == "profile":
        return np.array([float(row["ratio"]) <= LIMIT for row in rows])
    if method == "drawn":
        pairs = [(float(row["ratio"]), float(row["limit"])) for row in rows]
        return np.array([ratio <= own for ratio, own in pairs if np.isfinite(own)])
    if method == "wald":
        return np.array([float(row["wald"]) <= LIMIT for row in rows])
    alpha = (1.0 - LEVEL) * 0.9
    return np.array([float(row["pvalue"]) > alpha for row in rows if row["pvalue"] != "nan"])


def coverage(rows: list[dict[str, str]]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """(regime and size, target, method) -> (truths held, data sets)."""
    found = {}
    places = dict.fromkeys((row["regime"], row["n"]) for row in rows)
    for regime, n in places:
        for target in PROFILED:
            own = [
                row
                for row in rows
                if (row["regime"], row["n"], row["target"]) == (regime, n, target)
            ]
            for method in METHODS:
                inside = held(own, method)
                if len(inside):
                    key = (f"{regime}, {int(n):,} rows", target, method)
                    found[key] = (int(inside.sum()), len(inside))
    return found


def figure(found: dict[tuple[str, str, str], tuple[int, int]]) -> Figure:
    """Coverage of each target with its 95 % binomial interval; a panel a regime."""
    places = list(dict.fromkeys(place for place, _, _ in found))
    page, panels = plt.subplots(
        1, len(places), figsize=(3.8 * len(places) + 0.6, 4.2), layout="constrained", sharey=True,
        squeeze=False,
    )  # fmt: skip
    for panel, place in zip(panels[0], places, strict=True):
        panel.axhspan(0.88, 0.92, color="0.88", label="aim, .88 to .92")
        for shift, (method, words), color, mark in zip(
            (-0.3, -0.1, 0.1, 0.3), METHODS.items(), COLORS, MARKERS, strict=False
        ):
            own = [(i, found.get((place, name, method))) for i, name in enumerate(PROFILED)]
            known = [(i, k, count) for i, pair in own if pair for k, count in [pair]]
            at = [i + shift for i, _, _ in known]
            share = np.array([k / count for _, k, count in known])
            ends = np.array([binomtest(k, count).proportion_ci() for _, k, count in known]).T
            panel.errorbar(
                at, share, yerr=np.abs(ends - share), color=color, marker=mark, linestyle="",
                capsize=2, label=words,
            )  # fmt: skip
        sets = max(count for (p, _, _), (_, count) in found.items() if p == place)
        panel.set_title(f"{place}, {sets} data sets", loc="left")
        panel.set_xticks(range(len(PROFILED)), PROFILED, rotation=45, ha="right")
        panel.set_ylim(0.4, 1.0)
    panels[0, 0].set_ylabel("share of 90 % intervals that hold the truth")
    panels[0, 0].legend(loc="lower left")
    page.suptitle("Coverage of 90 % intervals by four methods")
    return page


# %% tags=["parameters", "active-ipynb"]
# FOLDER, ROWS, SETS, REGIME = Path("interval_coverage"), 300, 2, "distinguishable"

# %% tags=["active-ipynb"]
# FOLDER.mkdir(exist_ok=True)
# run(FOLDER / "coverage.csv", REGIME, ROWS, SETS)
# found = coverage(read(FOLDER / "coverage.csv"))
# found

# %% tags=["active-ipynb"]
# plt.rcParams.update(STYLE)
# shown = figure(found)


# %% tags=["active-py"]
def main(words: Sequence[str] | None = None) -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("-o", "--output", type=Path, default=Path("out"))
    reader.add_argument("-n", "--rows", type=int, default=1000)
    reader.add_argument("--sets", type=int, default=1000)
    reader.add_argument("--regime", action="append", choices=REGIMES)
    given = reader.parse_args(words)
    given.output.mkdir(parents=True, exist_ok=True)
    file = given.output / "coverage.csv"
    for regime in given.regime or REGIMES:
        run(file, regime, given.rows, given.sets)
    found = coverage(read(file))
    for (place, target, method), (inside, count) in found.items():
        low, high = binomtest(inside, count).proportion_ci()
        print(
            f"{place}, {target}: {METHODS[method]} {inside / count:.3f} ({low:.3f} to {high:.3f})"
        )
    with plt.rc_context(STYLE):
        figure(found).savefig(given.output / "coverage.png", dpi=130)
    print(f"wrote {given.output / 'coverage.png'}")


if __name__ == "__main__":
    main()
