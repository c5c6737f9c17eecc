# %% [markdown]
# # Speed and memory, beside PyMC's own ways
# One table: value and gradient, cold start, MAP, NUTS and the memory of a large fit. Every ratio is
# measured in one run, both sides by turns, so that a busy machine slows both. Each measurement has
# a process of its own. Takes about ten minutes on two cores; `--quick` about three.

# %%
import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import xarray as xr
from pymc.model.transform.optimization import freeze_model
from rich.console import Console
from rich.table import Table

from bayes_cmoe import Data, simulate, variant_named
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import find_map, fit_map
from bayes_cmoe.estimate.nuts import fit_nuts
from bayes_cmoe.estimate.threads import one_blas_thread

VARIANT = variant_named("constant_contaminated")
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
Figures = dict[str, float]


def model_of(regime: str, n: int, prior: str | None = None, seed: int = 1) -> pm.Model:
    return VARIANT.model(regime, simulate(VARIANT, regime, n, seed=seed), prior)


def seconds(function: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def least_ess(tree: xr.DataTree) -> float:
    ess = az.ess(tree["posterior"].to_dataset())
    return min(float(values.min()) for values in ess.data_vars.values())


# %% [markdown]
# ## Value and gradient, one thread
# PyMC's function is the log posterior on the unconstrained scale. Beside it the suite's two: the
# log-likelihood on the natural scale, which MAP uses (the prior is added once, not a row), and the
# log posterior on the unconstrained scale, which NUTS uses and which must equal PyMC's.


# %%
def measure_gradient(quick: bool) -> Figures:
    n = 100_000
    model = model_of("merging", n)
    posterior = Posterior(model)
    rows = posterior.rows()
    theirs = model.logp_dlogp_function(ravel_inputs=True)
    theirs.set_extra_values({})
    u = posterior.unconstrained_from(posterior.layout.ravel(VARIANT.regime("merging").truth(n)))
    value, gradient = posterior.unconstrained(u, rows)
    other, slope = theirs(u)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(value, other, rtol=1e-9)
    theta = posterior.natural_many(u)
    posterior.likelihood.value_and_gradient(theta, rows)
    own, unconstrained, pymc = [], [], []
    for _ in range(20 if quick else 60):
        own.append(seconds(lambda: posterior.likelihood.value_and_gradient(theta, rows)))
        unconstrained.append(seconds(lambda: posterior.unconstrained(u, rows)))
        pymc.append(seconds(lambda: theirs(u)))
    times = {"own": own, "unconstrained": unconstrained, "pymc": pymc}
    return {name: min(values) / n * 1e9 for name, values in times.items()}


# %% [markdown]
# ## From factory to first gradient, cold
# A fresh process each time; imports are not counted.


# %%
def measure_cold(quick: bool) -> Figures:
    regime = VARIANT.regime("merging")
    truth = regime.truth(100_000)
    rng = np.random.default_rng(1)
    x = regime.draw_inputs(rng, 100_000)
    data = Data(x, rng.standard_normal(len(x)))
    begun = time.perf_counter()
    model = VARIANT.model(regime, data)
    likelihood = Likelihood(model)
    rows = likelihood.rows(columns_of(model))
    likelihood.value_and_gradient(likelihood.layout.ravel(truth), rows)
    return {"own": time.perf_counter() - begun}


# %% [markdown]
# ## MAP from one start, warm
# PyMC compiles at every call of `pm.find_MAP`; a model frozen by its `freeze_model` keeps the
# compiled functions, and the second call is then warm. Both sides start at the same point, a tenth
# away from the truth, and the optima are compared. Both keep BLAS to one thread, which spares PyMC
# a wait beside XLA's threads.


# %%
def measure_map(quick: bool) -> Figures:
    n = 100_000
    model = model_of("merging", n)
    posterior = Posterior(model)
    rows = posterior.rows()
    start = {
        name: np.asarray(value) * 1.1 for name, value in VARIANT.regime("merging").truth(n).items()
    }
    frozen = freeze_model(model)

    def pymc() -> xr.DataTree:
        return pm.find_MAP(
            initvals=start, jitter=False, model=frozen, progressbar=False, return_inferencedata=True
        )

    theta = posterior.layout.ravel(start)
    cold = seconds(pymc)
    find_map(posterior, rows, theta)
    own_times, pymc_times = [], []
    for _ in range(3 if quick else 8):
        own_times.append(seconds(lambda: find_map(posterior, rows, theta)))
        with one_blas_thread():
            pymc_times.append(seconds(pymc))
    ours, found = find_map(posterior, rows, theta), pymc()["posterior"]
    point = {name: found[name].to_numpy()[0, 0] for name in posterior.layout.names}
    theirs = posterior.likelihood.value(posterior.layout.ravel(point), rows)
    return {
        "own": min(own_times),
        "pymc": min(pymc_times),
        "pymc_cold": cold,
        "behind": ours.loglik - theirs,
    }


# %% [markdown]
# ## NUTS
# Least bulk ESS over the parameters, 4 chains of 1000 draws, each side with its own default
# warm-up, weak prior. Included: all that a user waits for, compilation and (on our side) the MAP
# fit. Excluded: our second fit of the same compiled model, MAP fit and warm-up included; of
# `pm.sample` the sampling time that it reports, warm-up included. Sums over repeats.


# %%
def measure_nuts(regime: str, quick: bool) -> Figures:
    warnings.simplefilter("ignore")
    logging.getLogger("pymc").setLevel(logging.ERROR)
    total = dict.fromkeys(("own", "own_all", "pymc", "pymc_all", "own_ess", "pymc_ess"), 0.0)
    total |= {"own_div": 0.0, "pymc_div": 0.0, "own_all_ess": 0.0}
    for seed in range(1 if quick else 3):
        model = model_of(regime, 10_000, "weak", seed)
        begun = time.perf_counter()
        posterior = Posterior(model)
        first = fit_nuts(model, posterior=posterior, seed=seed)
        total["own_all"] += time.perf_counter() - begun
        total["own_all_ess"] += least_ess(first)
        begun = time.perf_counter()
        theirs = pm.sample(model=model, chains=4, random_seed=seed, progressbar=False)
        total["pymc_all"] += time.perf_counter() - begun
        total["pymc"] += theirs["posterior"].attrs["sampling_time"]
        total["pymc_ess"] += least_ess(theirs)
        begun = time.perf_counter()
        second = fit_nuts(model, posterior=posterior, seed=seed + 100)
        total["own"] += time.perf_counter() - begun
        total["own_ess"] += least_ess(second)
        total["own_div"] += float(second["sample_stats"]["diverging"].sum())
        total["pymc_div"] += float(theirs["sample_stats"]["diverging"].sum())
    return total


# %% [markdown]
# ## Memory of a large MAP fit
# Peak resident memory of a process that simulates the rows and fits them from one start.


# %%
def measure_memory(quick: bool) -> Figures:
    n = 1_000_000 if quick else 10_000_000
    truth = VARIANT.regime("merging").truth(n)
    model = model_of("merging", n)
    found: list[xr.DataTree] = []
    took = seconds(lambda: found.append(fit_map(model, near=truth)))
    if found[0]["optimizer_result"]["status"].item() != "local":
        raise SystemExit(f"the fit of {n} rows did not converge")
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return {"bytes": peak, "n": n, "seconds": took}


# %%
MEASURES: dict[str, Callable[[bool], Figures]] = {
    "gradient": measure_gradient,
    "cold": measure_cold,
    "map": measure_map,
    "nuts-distinguishable": lambda quick: measure_nuts("distinguishable", quick),
    "nuts-merging": lambda quick: measure_nuts("merging", quick),
    "memory": measure_memory,
}


def alone(name: str, quick: bool) -> Figures:
    """A measurement in a process of its own; value and gradient on one thread."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", name]
    threads = ONE_THREAD if name == "gradient" else {}
    done = subprocess.run(
        command + ["--quick"] * quick,
        env={**os.environ, **threads},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


class Results:
    """The table, row by row."""

    def __init__(self) -> None:
        columns = ("", "suite", "PyMC", "ratio", "target", "met")
        self.table = Table(*columns, title="Speed and memory")

    def ratio(self, name: str, own: str, pymc: str, ratio: float, target: float) -> None:
        met = "yes" if ratio >= target else "no"
        self.table.add_row(name, own, pymc, f"{ratio:.1f}", f"at least {target:g}", met)

    def limit(self, name: str, own: str, value: float, target: float, unit: str) -> None:
        met = "yes" if value <= target else "no"
        self.table.add_row(name, own, "", "", f"at most {target:g} {unit}", met)


def nuts_rows(results: Results, regime: str, f: Figures) -> None:
    own, own_all = f["own_ess"] / f["own"], f["own_all_ess"] / f["own_all"]
    pymc, pymc_all = f["pymc_ess"] / f["pymc"], f["pymc_ess"] / f["pymc_all"]
    for kind, ours, theirs, target in (
        ("without", own, pymc, 2.5),
        ("with", own_all, pymc_all, 4.0),
    ):
        results.ratio(
            f"NUTS, {regime}, n = 10⁴: ESS/s {kind} compilation",
            f"{ours:.0f}/s",
            f"{theirs:.0f}/s",
            ours / theirs,
            target,
        )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Speed and memory, beside PyMC's own ways.")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, 10^6 rows for memory")
    parser.add_argument("--measure", choices=MEASURES, help="one measurement, as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        print(json.dumps(MEASURES[chosen.measure](chosen.quick)))
        return
    console, results = Console(), Results()

    def of(name: str) -> Figures:
        with console.status(f"measuring {name}"):
            return alone(name, chosen.quick)

    f = of("gradient")
    for key, use in (("own", "natural scale"), ("unconstrained", "unconstrained")):
        results.ratio(
            f"value and gradient, {use}, n = 10⁵, one thread",
            f"{f[key]:.0f} ns a row",
            f"{f['pymc']:.0f} ns a row",
            f["pymc"] / f[key],
            3.0,
        )
    cold = min(of("cold")["own"] for _ in range(2 if chosen.quick else 3))
    name = "factory to first gradient, cold, imports not counted"
    results.limit(name, f"{cold:.1f} s", cold, 3.0, "s")
    f = of("map")
    results.ratio(
        f"MAP, one start, n = 10⁵, warm (PyMC's first call {f['pymc_cold']:.1f} s)",
        f"{f['own']:.2f} s",
        f"{f['pymc']:.2f} s",
        f["pymc"] / f["own"],
        10.0,
    )
    same = f"MAP: log-likelihood of the suite's optimum less PyMC's: {f['behind']:+.1e} nats"
    divergences = []
    for regime in ("distinguishable", "merging"):
        f = of(f"nuts-{regime}")
        nuts_rows(results, regime, f)
        divergences.append(f"{regime} {f['own_div']:.0f} and {f['pymc_div']:.0f}")
    f = of("memory")
    gigabytes = f["bytes"] / 1e9
    name = f"memory of a MAP fit of {f['n']:.0e} rows ({f['seconds']:.0f} s)"
    results.limit(name, f"{gigabytes:.2f} GB", gigabytes, 4.0, "GB")
    console.print(results.table, same, sep="\n")
    console.print(f"NUTS, divergences of the suite and of PyMC: {'; '.join(divergences)}")


if __name__ == "__main__":
    main([] if "ipykernel" in sys.modules else sys.argv[1:])
