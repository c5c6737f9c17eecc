"""One task of a sweep: draw data, fit, measure against the truth; a row a fit, failed or not.

What a row says depends on the design's seed and the row's own coordinates alone, so any row can be
drawn again, by itself and by any worker.
"""

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.estimate.chosen import fit_by
from bayes_cmoe.estimate.diagnostics import SamplingWarning, convergence
from bayes_cmoe.estimate.map import MapEstimate, find_map, fit_map
from bayes_cmoe.estimate.parted import cell_starts
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.estimate.result import map_tree
from bayes_cmoe.estimate.rival import rival
from bayes_cmoe.parts.data import Data
from bayes_cmoe.study.concentration import ball_radius, concentration
from bayes_cmoe.study.losses import SHIFT, loss_names, losses_at
from bayes_cmoe.study.regime import Regime, Truth
from bayes_cmoe.study.simulate import prepare
from bayes_cmoe.study.targets import Targets, targets_of
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.sweep.calibration import calibration
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan, Task
from bayes_cmoe.sweep.draws import thinned, with_draws
from bayes_cmoe.sweep.kept import kept_compilations, tell_jax
from bayes_cmoe.sweep.numerical import CARRIERS, is_numerical
from bayes_cmoe.sweep.rows import table_of
from bayes_cmoe.sweep.setting import Setting

__all__ = ["THREADS", "limit_threads", "redraw", "run_task"]

THREADS = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
"""A worker's environment: one thread each, since there are as many workers as processors."""
REFERENCE = 10_000
"""Rows of the reference data set that scales a weak prior."""


def limit_threads() -> None:
    """Keep this process to one thread, and what it compiles; to be called before JAX compiles."""
    kept = kept_compilations(os.environ)
    os.environ.update(THREADS | kept)
    tell_jax(kept)


class _Drawn(NamedTuple):
    """A data set, and the same with the frozen expert's columns, as a likelihood reads it."""

    data: Data
    columns: dict[str, NDArray]


@dataclass(frozen=True, eq=False)
class _Bench:
    """A regime compiled: whatever the data, sizes and exponents, it is made once a process."""

    variant: Variant
    regime: Regime
    simulator: Simulator
    posterior: Posterior
    targets: Targets

    @property
    def names(self) -> tuple[str, ...]:
        """What is measured."""
        return (*self.targets.names, *loss_names(self.regime))

    def draw(self, design: Design, setting: Setting, n: int, replicate: int) -> _Drawn:
        rng = np.random.default_rng(design.seed(setting, n, replicate))
        x = self.regime.draw_inputs(rng, n)
        truth = self.simulator.layout.ravel(self.regime.truth(n, setting.alpha, setting.gamma))
        columns = {"x": x, **self.regime.frozen.columns(x)}
        y = self.simulator.draw(truth, columns, rng)
        (response,) = set(self.posterior.likelihood.columns) - set(columns)
        data = Data(x, y, classes=self.regime.classes)
        return _Drawn(data, {**columns, response: y})

    def starts(self, truth: NDArray) -> NDArray:
        """Where a fit near the truth begins, (start, parameter): there, unless that is a saddle."""
        mixture, layout = self.targets.mixture, self.posterior.layout
        return cell_starts(mixture, layout, truth, self.regime.copies)

    def rows(self, drawn: _Drawn) -> Rows:
        return self.posterior.likelihood.rows(drawn.columns)


@lru_cache(maxsize=4)
def _bench(name: str, regime: str, prior: str, entropy: int) -> _Bench:
    variant = variant_named(name)
    setting = variant.regime(regime)
    model, simulator = prepare(variant, setting)
    posterior = Posterior(model)
    targets = targets_of(model, posterior.layout)
    bench = _Bench(variant, setting, simulator, posterior, targets)
    if prior == "flat":
        return bench
    own = Setting(name, regime)
    design = Design("reference", (own,), MapPlan((REFERENCE,), 1), entropy=entropy)
    data = bench.draw(design, own, REFERENCE, 0).data
    value = prior if prior == "weak" else json.loads(prior)
    fixed = Posterior(variant.model(setting, data, value))
    return _Bench(variant, setting, simulator, fixed, targets)


def _with_losses(bench: _Bench, truth: Truth, shift: NDArray) -> NDArray:
    """Targets' distances with the regime's losses behind them, (..., target), from differences.

    Where the fit has more experts than the truth, which is then a set, there are losses only.
    """
    values = bench.targets.distances(shift)
    errors = {name: values[..., i] for i, name in enumerate(bench.targets.names)}
    losses = losses_at(bench.regime, truth)({**errors, SHIFT: shift})
    if bench.regime.over_specified:
        values = np.full_like(values, np.nan)
    return np.concatenate([values, losses], axis=-1)


def _map_values(
    bench: _Bench, found: MapEstimate, rows: Rows, truth: Truth, theta: NDArray
) -> dict[str, Any]:
    layout, likelihood = bench.posterior.layout, bench.posterior.likelihood
    error = bench.targets.differences(found.theta, theta)
    loglik, gradient = likelihood.value_and_gradient(theta, rows)
    standard_error, score = np.full((2, len(bench.names)), np.nan)
    standard_error[: layout.size], score[: layout.size] = found.standard_error, gradient / rows.n
    return {
        "status": str(found.status),
        "loglik_gap": found.loglik - loglik,
        "gradient_norm": found.gradient_norm,
        "iterations": found.iterations,
        "seconds": found.seconds,
        "error": _with_losses(bench, truth, error),
        "standard_error": standard_error,
        "score": score,
    }


def _labelled(bench: _Bench, points: NDArray, truth: NDArray) -> NDArray:
    """Points with their prompts in the truth's order, (..., parameter)"""
    labels = labels_of(bench.posterior)
    return points if labels is None else labels.matched(points, truth)


def _fit_map(
    bench: _Bench, design: Design, task: Task, replicate: int, truth: Truth
) -> dict[str, Any]:
    drawn = bench.draw(design, task.setting, task.n, replicate)
    rows, theta = bench.rows(drawn), bench.posterior.layout.ravel(truth)
    found = find_map(bench.posterior, rows, bench.starts(theta))
    plan = design.map or MapPlan((task.n,), 1)
    seed = design.seed(task.setting, task.n, replicate, "starts").generate_state(1)[0]
    other, gap = rival(bench.posterior, drawn.columns, rows, found.theta, int(seed))
    best = find_map(bench.posterior, rows, _labelled(bench, other, theta)) if gap > 0 else found
    values = _map_values(bench, best, rows, truth, theta)
    if plan.starts and task.n <= plan.starts_up_to:
        model = bench.variant.model(bench.regime, drawn.data)
        tree = fit_map(model, starts=plan.starts, seed=int(seed), posterior=bench.posterior)
        gap = max(gap, tree["optimizer_result"]["logp"].item() - found.logp)
    return values | {"anywhere_gap": gap}


def _fit_nuts(
    bench: _Bench, design: Design, task: Task, replicate: int, truth: Truth
) -> dict[str, Any]:
    plan = design.nuts or NutsPlan((task.n,), 1)
    drawn = bench.draw(design, task.setting, task.n, replicate)
    rows, layout = bench.rows(drawn), bench.posterior.layout
    theta = layout.ravel(truth)
    found = find_map(bench.posterior, rows, theta)
    model = bench.variant.model(bench.regime, drawn.data)
    seed = design.seed(task.setting, task.n, replicate, "sampler").generate_state(1)[0]
    with warnings.catch_warnings():
        # The figures that the warning is about are kept with the row.
        warnings.simplefilter("ignore", SamplingWarning)
        tree = fit_by(
            plan.engine,
            model,
            draws=plan.draws,
            tune=plan.tune,
            chains=plan.chains,
            seed=int(seed),
            cores=1,
            checked=False,
            start=map_tree(found, model, layout, task.n),
            posterior=bench.posterior,
        )
    vectors = layout.vectors(tree["posterior"])
    # The fit's draws are in the order of its estimate; errors are taken in the truth's.
    draws = _labelled(bench, vectors.reshape(-1, layout.size), theta)
    about = _map_values(bench, found, rows, truth, theta)
    return {
        **_nuts_values(bench, tree, bench.targets.differences(draws, theta), truth),
        **{name: about[name] for name in ("loglik_gap", "gradient_norm", "iterations", "score")},
        "draws": thinned(draws.reshape(vectors.shape), plan),
    }


def _nuts_values(bench: _Bench, tree: xr.DataTree, shift: NDArray, truth: Truth) -> dict[str, Any]:
    found, report = concentration(bench.targets, shift), convergence(tree)
    losses = _with_losses(bench, truth, shift)[..., len(bench.targets.names) :]
    nothing = np.full((len(found.covered), losses.shape[1]), np.nan)
    weighted = {"khat": tree.attrs["khat"]} if "khat" in tree.attrs else {}
    return weighted | {
        "status": "sampled" if tree.attrs["engine"] == "nuts" else "weighted",
        "seconds": tree.attrs["seconds"],
        "error": _with_losses(bench, truth, shift.mean(axis=0)),
        "expected_loss": np.append(found.expected_loss, losses.mean(axis=0)),
        "radius": np.append(found.radius, [ball_radius(own) for own in losses.T]),
        "posterior_sd": np.append(found.sd, nothing[0]),
        "covered": np.concatenate([found.covered, nothing], axis=1),
        "divergences": report.divergences,
        "rhat": report.rhat,
        "ess_bulk": report.ess_bulk,
        "ess_tail": report.ess_tail,
    }


_FITS = {"map": _fit_map, "nuts": _fit_nuts}


def run_task(design: Design, task: Task) -> xr.Dataset:
    """Measure a task's fits.

    Parameters
    ----------
    design : Design
    task : Task

    Returns
    -------
    xarray.Dataset with the dims ``fit``, ``target`` and ``level``; see `bayes_cmoe.sweep.rows`. A
    fit that fails numerically is a row with the status ``failed`` and the message; any other error
    is raised.
    """
    measure, names, layout = _measure(design, task)
    found: dict[int, Mapping[str, Any]] = {}
    for replicate in task.replicates:
        try:
            found[replicate] = measure(replicate)
        except CARRIERS as error:
            if not is_numerical(error):
                raise
            reason = (str(error).splitlines() or [""])[0]
            message = f"{type(error).__name__}: {reason}"
            found[replicate] = {"status": "failed", "message": message}
    table = table_of(task, found, names, design.entropy)
    return table if layout is None else with_draws(table, found, layout, design.nuts)


def _measure(
    design: Design, task: Task
) -> tuple[Callable[[int], Mapping[str, Any]], Sequence[str], Layout | None]:
    """What measures a replicate, the names of what is measured, and a posterior's layout."""
    if task.method == "calibrate":
        return (*calibration(design, task), None)
    setting, fit = task.setting, _FITS[task.method]
    bench = _bench(setting.variant, setting.regime, design.prior, design.entropy)
    truth = bench.regime.truth(task.n, setting.alpha, setting.gamma)
    layout = bench.posterior.layout if task.method == "nuts" else None
    return lambda replicate: fit(bench, design, task, replicate, truth), bench.names, layout


def redraw(
    design: Design, variant: str, regime: str, n: int, replicate: int, method: str = "map"
) -> xr.Dataset:
    """One row of a sweep again, alone; the same bits on the same machine, but for the seconds.

    Parameters
    ----------
    design : Design
    variant, regime : str
        The regime may carry exponents in brackets, as in the row's ``setting``.
    n, replicate : int
    method : {"map", "nuts", "calibrate"}

    Returns
    -------
    xarray.Dataset with one ``fit``.
    """
    setting = Setting.parse(f"{variant}/{regime}")
    return run_task(design, Task(method, setting, n, replicate, 1))
