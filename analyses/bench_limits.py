# %% [markdown]
# # How near the compiled likelihood comes to a density written by hand
# Value and gradient at n = 10⁵ and a MAP fit at n = 10³, by turns in one run, one thread, processor
# time: as PyTensor's own conversion to JAX has them (`before`), as the suite has them, and the
# limit, one pass in C (`limit.c`, compiled here when there is a compiler). Takes a minute.

# %%
import ctypes
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NPROC": "1"})
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled import device
from bayes_cmoe.compiled.blocks import blocked_sum
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.private import replaced, response_name, value_variable
from bayes_cmoe.estimate.descent import descend, polish
from bayes_cmoe.estimate.map import find_map
from bayes_cmoe.estimate.objective import Objective

KERNELS = {
    "constant_contaminated": "limit_constant",
    "softmax_contaminated": "limit_softmax",
    "multinomial_contaminated": "limit_multinomial",
}
REGIME = "merging"
Function = Callable[[NDArray], tuple[float, NDArray]]


# %%
def compiled_limit(folder: Path) -> ctypes.CDLL | None:
    """The kernels of limit.c; None where there is no compiler for them."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    library = folder / "limit.so"
    source = str(Path(__file__).with_name("limit.c"))
    flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, source, "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def by_hand(library: ctypes.CDLL, variant: str, model: pm.Model) -> Function:
    columns, components = columns_of(model), Components(model)
    theta = np.array([0.5] * components.layout.size)
    arrays = [
        np.ascontiguousarray(columns["x"].T),
        np.ascontiguousarray(columns[response_name(model)], dtype=float),
        np.ascontiguousarray(components.at(theta).frozen),
    ]
    kernel = getattr(library, KERNELS[variant])
    kernel.restype = ctypes.c_double
    d, n = arrays[0].shape
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def value_and_gradient(theta: NDArray) -> tuple[float, NDArray]:
        point, gradient = np.ascontiguousarray(theta, dtype=float), np.empty(len(theta))
        ends = [ctypes.c_void_p(array.ctypes.data) for array in (point, gradient)]
        value = kernel(ctypes.c_long(n), ctypes.c_int(d), *pointers, *ends)
        # The arrays are to live as long as the function.
        assert len(arrays) == 3
        return value, gradient

    return value_and_gradient


# %% [markdown]
# ## As PyTensor converts it
# Its softplus has branches, of which JAX evaluates and differentiates all; log f0 is part of each
# step.


# %%
def converter() -> Callable[..., object]:
    """PyTensor's conversion with its own softplus, whatever has been registered since."""
    from pytensor.link.jax.dispatch import jax_funcify
    from pytensor.scalar import Softplus

    device.set_up()
    own = jax_funcify.dispatch(Softplus)

    def converted(graph: object) -> object:
        current = jax_funcify.dispatch(Softplus)
        jax_funcify.register(Softplus, own)
        try:
            return jax_funcify(graph)
        finally:
            jax_funcify.register(Softplus, current)

    return converted


def as_converted(convert: Callable[..., object], model: pm.Model, posterior: Posterior) -> Function:
    from pytensor.compile.mode import JAX
    from pytensor.graph.fg import FunctionGraph

    columns = columns_of(model)
    (response,) = model.observed_RVs
    values = {rv: rv.type(name=rv.name) for rv in model.free_RVs}
    nodes = {model[name]: model[name].type(name=name) for name in columns}
    logp = pm.logp(response, value_variable(model, response))
    inputs = [*values.values(), *nodes.values()]
    graph = FunctionGraph(inputs, replaced([logp], {**values, **nodes}), clone=True)
    JAX.optimizer.rewrite(graph)
    function = convert(graph)

    def block(theta, own, weights):  # type: ignore[no-untyped-def]
        given = own[: len(columns)]
        return jnp.sum(
            jnp.where(weights > 0, function(*posterior.layout.split(theta), *given)[0], 0.0)
        )

    total, rows = blocked_sum(jax.value_and_grad(block), lambda: None), posterior.rows()
    return lambda theta: total(theta, rows)


# %%
def by_turns(functions: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Least processor time of each, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(turns):
        for name, function in functions.items():
            begun = time.process_time()
            function()
            times[name].append(time.process_time() - begun)
    return {name: min(values) for name, values in times.items()}


def gradients(variant: str, library: ctypes.CDLL | None, convert: Callable[..., object]) -> dict:
    n = 100_000
    regime = variant_named(variant).regime(REGIME)
    data = simulate(variant_named(variant), REGIME, n, seed=1)
    model = variant_named(variant).model(regime, data)
    posterior = Posterior(model)
    rows, theta = posterior.rows(), 1.05 * posterior.layout.ravel(regime.truth(n))
    ways: dict[str, Function] = {
        "before": as_converted(convert, model, posterior),
        "suite": lambda theta: posterior.likelihood.value_and_gradient(theta, rows),
    }
    if library is not None:
        ways["limit"] = by_hand(library, variant, model)
    value, gradient = ways["suite"](theta)
    for way in ways.values():
        other, slope = way(theta)
        np.testing.assert_allclose(other, value, rtol=1e-11)
        np.testing.assert_allclose(slope, gradient, rtol=1e-8, atol=1e-8 * np.abs(gradient).max())
    found = by_turns({name: partial(way, theta) for name, way in ways.items()}, 20)
    return {name: f"{1e9 * seconds / n:.0f} ns" for name, seconds in found.items()}


# %% [markdown]
# ## A fit of 10³ rows from the truth
# Before: L-BFGS-B to the end, then Newton steps. The limit is SciPy's L-BFGS-B on the C kernel,
# whose own bookkeeping is most of it.


# %%
def fits(library: ctypes.CDLL | None) -> dict[str, str]:
    n, name = 1000, "constant_contaminated"
    regime = variant_named(name).regime("distinguishable")
    data = simulate(variant_named(name), "distinguishable", n, seed=1)
    model = variant_named(name).model(regime, data)
    posterior = Posterior(model)
    rows, truth = posterior.rows(), posterior.layout.ravel(regime.truth(n))
    objective = Objective(posterior, rows)
    working = objective.working
    ways: dict[str, Callable[[], object]] = {
        "before": lambda: polish(objective, descend(objective, working.working(truth))),
        "suite": lambda: find_map(posterior, rows, truth),
    }
    if library is not None:
        function = by_hand(library, name, model)

        def least(w: NDArray) -> tuple[float, NDArray]:
            theta = working.natural(w)
            value, gradient = function(theta)
            return -value / n, -working.gradient(theta, gradient) / n

        bounds = list(zip(working.lower, working.upper, strict=True))
        ways["limit"] = lambda: minimize(
            least, working.working(truth), jac=True, method="L-BFGS-B", bounds=bounds
        )
    return {way: f"{1e3 * seconds:.1f} ms" for way, seconds in by_turns(ways, 30).items()}


# %%
def main() -> None:
    convert, console = converter(), Console()
    table = Table("", "before", "suite", "limit", title="Beside a density written by hand")
    with tempfile.TemporaryDirectory() as folder:
        library = compiled_limit(Path(folder))
        for variant in KERNELS:
            found = gradients(variant, library, convert)
            name = f"value and gradient a row, {variant}, n = 10⁵"
            table.add_row(name, *(found.get(key, "") for key in ("before", "suite", "limit")))
        found = fits(library)
        name = "MAP, one start, n = 10³"
        table.add_row(name, *(found.get(key, "") for key in ("before", "suite", "limit")))
    console.print(table)
    if library is None:
        console.print("no C compiler was found (cc, gcc, clang): the limit is not measured")


if __name__ == "__main__":
    main()
