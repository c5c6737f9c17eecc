# %% [markdown]
# # Is there a prompt at all?
# Draws what the tests of no prompt do (`bayes-cmoe test`): p-values where there is none, which are
# to be uniform at 100, 1,000 and 10,000 rows, and how often a prompt is found, against
# sqrt(n) lam Delta², at which its share begins to be known, and against sqrt(n) lam Delta, the
# first moment of its departure, for shares and sizes that lie apart. The second is what decides:
# that there is a prompt is seen long before what it is. Constant gate, Gaussian f0 and prompt of
# the same tanh form. Takes about ten minutes on one core; --quick shows less in two minutes.
# Usage: python analyses/is_there_a_prompt.py [-o FOLDER] [--quick], default out/.

# %%
import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

if __name__ == "__main__" and not hasattr(sys, "ps1"):
    matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.report.figure_style import COLORS, MARKERS, STYLE
from bayes_cmoe.theory.absence import AbsenceTest

VARIANT, REGIME = "constant_contaminated", "merging"
TESTS = {"ratio": "likelihood ratio", "score": "score process"}


@dataclass(frozen=True)
class Sizes:
    """How much is drawn: (rows, data sets, draws a data set) of the p-values; of the power."""

    uniform: tuple[tuple[int, int, int], ...]
    power: tuple[tuple[int, float], ...]
    strengths: tuple[float, ...]
    data_sets: int
    draws: int


FULL = Sizes(
    ((100, 200, 19), (1000, 200, 19), (10000, 40, 19)),
    ((300, 0.5), (300, 0.1), (3000, 0.5), (3000, 0.1)),
    (0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    40,
    199,
)
QUICK = Sizes(((100, 60, 19), (1000, 40, 19)), ((300, 0.5), (300, 0.1)), (1.0, 4.0, 16.0), 30, 99)


# %%
def test_at(n: int) -> tuple[AbsenceTest, Simulator, NDArray]:
    """The test at n inputs, the model's sampler, and the inputs."""
    variant = variant_named(VARIANT)
    regime = variant.regime(REGIME)
    data = simulate(variant, regime, n, seed=n)
    model = variant.model(regime, data)
    return AbsenceTest(model, seed=n), Simulator(model), data.x


def pvalues_without(n: int, data_sets: int, draws: int) -> dict[str, NDArray]:
    """p-values of data sets without a prompt, each judged by draws of its own."""
    test, *_ = test_at(n)
    found = test.search(np.array([test.draw() for _ in range(data_sets * (1 + draws))]))
    shape = (data_sets, 1 + draws)
    tables = {"ratio": found.ratio.reshape(shape), "score": found.score.reshape(shape)}
    return {
        name: (1 + np.sum(table[:, 1:] >= table[:, :1], axis=1)) / (1 + draws)
        for name, table in tables.items()
    }


def found_with(n: int, lam: float, sizes: Sizes) -> dict[str, NDArray]:
    """How many of the data sets at each strength sqrt(n) lam Delta² are told from f0 at 5 %."""
    variant = variant_named(VARIANT)
    regime = variant.regime(REGIME)
    test, simulator, x = test_at(n)
    columns = {"x": x, **regime.frozen.columns(x)}
    null = test.search(np.array([test.draw() for _ in range(sizes.draws)]))
    limit = {name: np.quantile(getattr(null, name), 0.95) for name in TESTS}
    rng = np.random.default_rng([n, round(100 * lam)])
    counts: dict[str, list[int]] = {name: [] for name in TESTS}
    for strength in sizes.strengths:
        delta = (strength / (lam * n**0.5)) ** 0.5
        values = regime.path.shift(delta)
        truth = {k: np.asarray(v) + values.get(k, 0.0) for k, v in regime.path.center.items()}
        theta = simulator.layout.ravel({"lam": lam, **truth})
        drawn = [simulator.draw(theta, columns, rng) for _ in range(sizes.data_sets)]
        found = test.search(np.array(drawn))
        for name in TESTS:
            counts[name].append(int(np.sum(getattr(found, name) > limit[name])))
    return {name: np.array(own) for name, own in counts.items()}


# %%
def band(count: int, steps: int, level: float = 0.95) -> tuple[NDArray, NDArray]:
    """A simultaneous band of the ECDF of so many p-values that are uniform on 1/steps, ..., 1.

    Pointwise binomial intervals, widened until the whole of a simulated ECDF stays inside with the
    probability asked for (Saeilynoja, Buerkner and Vehtari 2022, doi:10.1007/s11222-022-10090-6).
    """
    grid = np.arange(1, steps) / steps
    drawn = np.random.default_rng(0).integers(1, steps + 1, size=(4000, count)) / steps
    below = np.array([np.sum(drawn <= p + 1e-12, axis=1) for p in grid]).T
    tail = np.minimum(binom.cdf(below, count, grid), binom.sf(below - 1, count, grid)).min(axis=1)
    gamma = np.quantile(tail, 1.0 - level)
    return binom.ppf(gamma, count, grid) / count, binom.isf(gamma, count, grid) / count


def uniform_figure(pvalues: dict[int, dict[str, NDArray]], sizes: Sizes) -> Figure:
    """ECDF of the p-values less p, with its simultaneous 95 % band; a panel a size."""
    shown = [part for part in sizes.uniform if part[0] in pvalues]
    page, panels = plt.subplots(
        1, len(shown), figsize=(10.5, 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for panel, (n, count, draws) in zip(panels[0], shown, strict=True):
        steps = 1 + draws
        grid = np.arange(1, steps) / steps
        low, high = band(count, steps)
        panel.fill_between(
            grid, low - grid, high - grid, color="0.88", label="95 % of uniform ECDFs stay inside"
        )
        panel.axhline(0.0, color="0.5", linewidth=0.8)
        for (name, words), color, mark in zip(TESTS.items(), COLORS, MARKERS, strict=False):
            ecdf = np.mean(pvalues[n][name][:, None] <= grid + 1e-12, axis=0)
            panel.plot(grid, ecdf - grid, color=color, marker=mark, label=words)
        panel.set_title(f"{n:,} rows, {count} data sets of {draws} draws", loc="left")
        panel.set_xlabel("p-value")
    panels[0, 0].set_ylabel("share of p-values up to p, less p")
    panels[0, 0].legend(loc="upper left")
    page.suptitle("Without a prompt the p-values of both tests are uniform")
    return page


def power_figure(counts: dict[tuple[int, float], dict[str, NDArray]], sizes: Sizes) -> Figure:
    """Share of the data sets whose prompt is found, with 95 % binomial intervals.

    Columns: tests; rows: against the second and the first moment of the prompt's departure.
    """
    page, grid = plt.subplots(2, 2, figsize=(10.5, 7.8), layout="constrained", sharey=True)
    strengths = np.array(sizes.strengths)
    for row, panels in enumerate(grid):
        for panel, (name, words) in zip(panels, TESTS.items(), strict=True):
            for ((n, lam), own), color, mark in zip(counts.items(), COLORS, MARKERS, strict=False):
                share = own[name] / sizes.data_sets
                ends = np.array(
                    [binomtest(int(k), sizes.data_sets).proportion_ci() for k in own[name]]
                ).T
                panel.errorbar(
                    # sqrt(n) lam Delta is the root of sqrt(n) lam times sqrt(n) lam Delta².
                    strengths if row == 0 else np.sqrt(n**0.5 * lam * strengths),
                    share,
                    yerr=np.abs(ends - share),
                    color=color,
                    marker=mark,
                    capsize=2,
                    label=f"{n:,} rows, lam = {lam:g}",
                )
            panel.axhline(0.05, color="0.4", linestyle="--", label="level, 5 %")
            panel.set_xscale("log", base=2)
            ticks = 2.0 ** np.arange(-1, 6)
            panel.set_xticks(ticks, [f"{value:g}" for value in ticks])
            panel.set_xlabel(("sqrt(n) lam Delta²", "sqrt(n) lam Delta")[row])
            panel.set_title(words, loc="left")
            panel.set_ylim(0.0, 1.02)
        panels[0].set_ylabel("share of data sets found at 5 %")
    grid[0, 0].legend(loc="upper left")
    page.suptitle("A prompt is found once the first moment of its departure is")
    return page


# %% tags=["parameters", "active-ipynb"]
# SIZES = Sizes(((100, 20, 19),), ((300, 0.5),), (1.0, 4.0, 16.0), 10, 39)
# plt.rcParams.update(STYLE)

# %% tags=["active-ipynb"]
# counts = {(n, lam): found_with(n, lam, SIZES) for n, lam in SIZES.power}
# power = power_figure(counts, SIZES)

# %% tags=["active-ipynb"]
# pvalues = {n: pvalues_without(n, count, draws) for n, count, draws in SIZES.uniform}
# uniform = uniform_figure(pvalues, SIZES)


# %% tags=["active-py"]
def main(words: Sequence[str] | None = None) -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("-o", "--output", type=Path, default=Path("out"))
    reader.add_argument("--quick", action="store_true")
    given = reader.parse_args(words)
    sizes = QUICK if given.quick else FULL
    given.output.mkdir(parents=True, exist_ok=True)
    counts = {}
    for n, lam in sizes.power:
        counts[n, lam] = found_with(n, lam, sizes)
        for name, own in counts[n, lam].items():
            shares = ", ".join(f"{k / sizes.data_sets:.2f}" for k in own)
            print(f"n = {n}, lam = {lam:g}, {TESTS[name]}: found {shares}", flush=True)
    save(power_figure, counts, sizes, given.output / "power.png")
    pvalues: dict[int, dict[str, NDArray]] = {}
    for n, count, draws in sizes.uniform:
        begun = time.perf_counter()
        pvalues[n] = pvalues_without(n, count, draws)
        for name, inside in judged(pvalues[n], count, draws).items():
            rejected = float(np.mean(pvalues[n][name] <= 0.05 + 1e-12))
            print(f"n = {n}, {TESTS[name]}: {rejected:.3f} at 5 %, inside the band: {inside}")
        print(f"  {count} data sets, {time.perf_counter() - begun:.0f} s", flush=True)
        # The larger sizes take long: what is known by then is drawn.
        save(uniform_figure, pvalues, sizes, given.output / "pvalues.png")


def judged(pvalues: dict[str, NDArray], count: int, draws: int) -> dict[str, bool]:
    """Whether each test's ECDF stays inside the simultaneous band."""
    low, high = band(count, 1 + draws)
    grid = np.arange(1, 1 + draws) / (1 + draws)
    found = {}
    for name, p in pvalues.items():
        ecdf = np.mean(p[:, None] <= grid + 1e-12, axis=0)
        found[name] = bool(np.all((ecdf >= low) & (ecdf <= high)))
    return found


def save(draw: Callable[..., Figure], found: dict, sizes: Sizes, file: Path) -> None:
    with plt.rc_context(STYLE):
        page = draw(found, sizes)
        page.savefig(file, dpi=130)
        plt.close(page)
    print(f"wrote {file}", flush=True)


if __name__ == "__main__":
    main()
