"""A row of a calibration: theta from the prior, y at theta, a fit, and where theta lies among it.

Inputs are the same for all data sets of a size. What a row says depends on the design's seed and
the row's own coordinates alone. A fit that its own engine doubts is a row like any other, with its
status: whether it is doubted is a function of the data, so the ranks of all fits are uniform, and
those of the trusted ones too.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.estimate.engines import Engine, engine_named
from bayes_cmoe.estimate.ranks import Quantities, effective_draws, placed, thinned
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.sweep.design import CalibratePlan, Design, Task
from bayes_cmoe.sweep.setting import Setting

__all__ = ["DOUBTED", "TRUSTED", "calibration", "prior_draws"]

TRUSTED, DOUBTED = "sampled", "doubted"
"""Status codes: whether the engine itself trusts its draws."""


@dataclass(frozen=True, eq=False)
class _Bench:
    """A regime under one prior, compiled once a process."""

    variant: Variant
    regime: Regime
    prior: Any
    simulator: Simulator
    posterior: Posterior
    quantities: Quantities

    def columns(self, x: NDArray) -> dict[str, NDArray]:
        return {"x": x, **self.regime.frozen.columns(x)}


@lru_cache(maxsize=4)
def _bench(name: str, regime: str, prior: str, gate: str, expert: str) -> _Bench:
    variant = variant_named(name)
    setting = variant.altered(regime, gate, expert)
    value = None if prior == "flat" else json.loads(prior)
    x = setting.draw_inputs(np.random.default_rng(0), 2)
    model = variant.model(setting, Data(x, np.zeros(2), classes=setting.classes), value)
    posterior = Posterior(model)
    quantities = Quantities(posterior, setting.path.center)
    return _Bench(variant, setting, value, Simulator(model), posterior, quantities)


def _bench_of(design: Design, setting: Setting) -> _Bench:
    plan = _plan(design)
    return _bench(setting.variant, setting.regime, design.prior, plan.gate, plan.expert)


def prior_draws(model: pm.Model, count: int, seed: int) -> NDArray:
    """Draws of a model's parameters from its prior, shape (count, parameter).

    The first ones are the same whatever the count.
    """
    # In Python, not compiled: a compiler's seconds would be more than those of the draws.
    drawn = pm.draw(list(model.free_RVs), draws=count, random_seed=seed, mode="FAST_COMPILE")
    return np.column_stack([np.reshape(values, (count, -1)) for values in drawn])


@lru_cache(maxsize=4)
def _truths(design: Design, setting: Setting, n: int) -> NDArray:
    """All truths of a size, since they are drawn in one go."""
    bench = _bench_of(design, setting)
    seed = design.seed(setting, n, 0, "prior").generate_state(1)[0]
    return prior_draws(bench.posterior.model, _plan(design).replications, int(seed))


def _plan(design: Design) -> CalibratePlan:
    assert design.calibrate is not None  # a calibration's task comes from such a design
    return design.calibrate


def calibration(
    design: Design, task: Task
) -> tuple[Callable[[int], Mapping[str, Any]], Sequence[str]]:
    """What measures a data set of a calibration by its number, and the quantities' names.

    Parameters
    ----------
    design : Design
        With a plan to calibrate.
    task : Task
    """
    setting = task.setting
    bench = _bench_of(design, setting)
    engine = engine_named(_plan(design).engine)
    inputs = np.random.default_rng(design.seed(setting, task.n, 0, "inputs"))
    x = bench.regime.draw_inputs(inputs, task.n)
    truths = _truths(design, setting, task.n)

    def measure(replicate: int) -> Mapping[str, Any]:
        return _row(bench, engine, design, task, replicate, x, truths[replicate])

    return measure, bench.quantities.names


def _row(
    bench: _Bench,
    engine: Engine,
    design: Design,
    task: Task,
    replicate: int,
    x: NDArray,
    truth: NDArray,
) -> Mapping[str, Any]:
    begun = time.perf_counter()
    seeds = {
        purpose: design.seed(task.setting, task.n, replicate, purpose)
        for purpose in ("data", "sampler", "ties")
    }
    drawn = bench.simulator.draw(truth, bench.columns(x), np.random.default_rng(seeds["data"]))
    data = Data(x, drawn, classes=bench.regime.classes)
    model = bench.variant.model(bench.regime, data, bench.prior)
    with warnings.catch_warnings():
        # What an engine warns of it says as its doubt, which is kept with the row.
        warnings.simplefilter("ignore", UserWarning)
        tree = engine.fit(model, int(seeds["sampler"].generate_state(1)[0]), bench.posterior)
    ranked = _plan(design).ranked
    draws = thinned(tree, bench.posterior.layout, ranked)
    values = bench.quantities.of(np.vstack([truth, draws]), bench.posterior.rows_of(model))
    effective = effective_draws(tree)
    doubt = engine.doubt(tree)
    if not doubt and effective < ranked:
        doubt = f"{effective:.0f} effective draws, fewer than the {ranked} ranked among"
    return {
        "status": DOUBTED if doubt else TRUSTED,
        "message": doubt,
        "seconds": time.perf_counter() - begun,
        "pit": placed(values[0], values[1:], np.random.default_rng(seeds["ties"])),
        "ess_bulk": effective,
    }
