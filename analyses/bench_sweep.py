# %% [markdown]
# # Speed and memory of sweeps, beside their targets
# One table: the paper's own design, the demo from a cold start, two workers against one, what the
# machinery costs beside the fits, the memory of a worker, and the same bits from one process, two,
# and a Dask cluster. Ratios are measured by turns in one run, so that a busy machine slows both
# sides; the times to be met want an idle one. Takes about six minutes on two cores.

# %%
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import xarray as xr
from joblib import Parallel, delayed, parallel_config
from rich.console import Console
from rich.table import Table

from bayes_cmoe.sweep import worker
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan, Task
from bayes_cmoe.sweep.presets import preset
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting

WORKERS = 2
PAPER = replace(
    preset("paper-b"),
    settings=tuple(
        setting for setting in preset("paper-b").settings if setting.regime != "paper-b-mended"
    ),
)
NEAR = Setting("constant_contaminated", "merging")
WARM = Design("warm", (NEAR,), MapPlan((300, 400, 500, 600), 8))
STEADY = Design("steady", (NEAR,), MapPlan((10_000, 100_000), 400))
BITS = Design(
    "bits", (NEAR,), MapPlan((300, 20_000), 4, starts=1), NutsPlan((300,), 2, draws=60, tune=60)
)


def timed_sweep(design: Design, workers: int) -> float:
    with TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run_sweep(design, folder, workers=workers)
        return time.perf_counter() - begun


# %% [markdown]
# ## The machinery beside the fits
# The same rows by bare loops in two processes at once, each with half of them: data drawn, fitted
# and measured, nothing passed on or kept. The sweep's excess over the bare loops is what dividing,
# sending, collecting and writing cost, and that one worker is left without work at the end.


# %%
def bare(design: Design, tasks: Iterable[Task]) -> float:
    begun = time.perf_counter()
    for task in tasks:
        setting = task.setting
        bench = worker._bench(setting.variant, setting.regime, design.prior, design.entropy)
        truth = bench.regime.truth(task.n, setting.alpha, setting.gamma)
        for replicate in task.replicates:
            worker._FITS[task.method](bench, design, task, replicate, truth)
    return time.perf_counter() - begun


def halves(design: Design) -> list[list[Task]]:
    """Two lists of tasks with as many rows of each size."""
    plan = design.map or MapPlan((1,), 1)
    half = plan.replications // 2
    return [
        [Task("map", NEAR, n, first, half) for n in reversed(plan.sizes)] for first in (0, half)
    ]


def bare_twice(design: Design) -> float:
    with parallel_config(backend="loky", inner_max_num_threads=1):
        times = Parallel(n_jobs=WORKERS)(delayed(bare)(design, half) for half in halves(design))
    return float(np.mean(list(times)))


def steady(turns: int) -> tuple[float, float, float]:
    """Speed of two workers over one; the share of a sweep's time that is no fit, two ways.

    By the clock it is measured with two workers; in processor time, which other work on the machine
    does not lengthen, in one process.
    """
    timed_sweep(WARM, 1)
    both = [task for half in halves(STEADY) for task in half]
    one, two, loops, shares = [], [], [], []
    for _ in range(turns):
        # The bare loops have processes of their own, and who comes next starts his anew.
        timed_sweep(WARM, WORKERS)
        two.append(timed_sweep(STEADY, WORKERS))
        bare_twice(WARM)
        loops.append(bare_twice(STEADY))
        begun = time.process_time()
        one.append(timed_sweep(STEADY, 1))
        between = time.process_time()
        bare(STEADY, both)
        shares.append(1.0 - (time.process_time() - between) / (between - begun))
    excess = 1.0 - np.divide(loops, two)
    return float(np.median(np.divide(one, two))), float(np.median(excess)), float(np.median(shares))


# %% [markdown]
# ## A worker's memory, and the demo from a cold start
# Both in processes of their own.


# %%
def memory() -> float:
    """Peak gigabytes of a worker that fits a million rows of the largest model."""
    program = """
import json, resource, sys
from bayes_cmoe.sweep.worker import limit_threads
limit_threads()
from bayes_cmoe.sweep.design import Design, MapPlan, Task
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.worker import run_task
setting = Setting("softmax_contaminated", "paper-b-a")
design = Design("memory", (setting,), MapPlan((1_000_000,), 2))
run_task(design, Task("map", setting, 1_000_000, 0, 2))
unit = 1 if sys.platform == "darwin" else 1024
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(json.loads(done.stdout))


def quick() -> float:
    """Seconds of `bayes-cmoe compare quick`, report included."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bayes_cmoe", "compare", "quick"]
        begun = time.perf_counter()
        subprocess.run(
            [*command, "-o", str(Path(folder) / "quick")], check=True, capture_output=True
        )
        return time.perf_counter() - begun


# %% [markdown]
# ## The same bits


# %%
def measured(design: Design, **how: object) -> xr.Dataset:
    with TemporaryDirectory() as folder:
        return run_sweep(design, folder, **how).drop_vars("seconds")


def same_bits() -> bool:
    """Whether one process, two and a Dask cluster of two give the same table."""
    from distributed import LocalCluster

    one, two = (measured(BITS, workers=workers) for workers in (1, WORKERS))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        dask = measured(BITS, cluster=cluster.scheduler_address)
    return bool(one.identical(two) and one.identical(dask))


# %%
def main() -> None:
    worker.limit_threads()  # one worker, which is this process, is then like each of two
    console = Console()
    table = Table("", "measured", "target", "met", title="Sweeps")

    def add(name: str, value: str, target: str, met: bool) -> None:
        table.add_row(name, value, target, "yes" if met else "no")
        console.print(f"{name}: {value}", style="dim")

    # Before this process is large itself: a child's peak is never below its parent's size.
    peak = memory()
    add("memory of a worker, n = 10⁶", f"{peak:.2f} GB", "under 1.5 GB", peak < 1.5)
    took = timed_sweep(PAPER, WORKERS)
    add("paper-b as printed, two workers", f"{took:.0f} s", "under 60 s", took < 60)
    took = quick()
    add("compare quick, cold, report included", f"{took:.0f} s", "under 40 s", took < 40)
    speed, excess, share = steady(3)
    add("fits a second, two workers against one", f"{speed:.2f}", "at least 1.8", speed >= 1.8)
    for name, value in (("two workers", excess), ("processor time", share)):
        add(f"machinery, n ≥ 10⁴, {name}", f"{100 * value:.1f} %", "under 5 %", value < 0.05)
    same = same_bits()
    add("one process, two, Dask cluster of two", "same" if same else "differ", "same bits", same)
    console.print(table)


if __name__ == "__main__":
    main()
