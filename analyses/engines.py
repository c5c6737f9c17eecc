# %% [markdown]
# # Two engines on one posterior
# Nested Laplace with importance sampling, and NUTS along the posterior's ridge, in every regime of
# every variant: how many effective draws a second of processor time, what each says of itself, and
# where the two disagree by more than Monte-Carlo error. Every line is written at once to the table
# given by `-o`, and lines that stand there are not measured again. About half a minute a line.

# %%
import argparse
import os
import time
import warnings
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
os.environ.update(dict.fromkeys(THREADS, "1"))
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import arviz as az
import pandas as pd
import xarray as xr
from rich.console import Console

from bayes_cmoe import simulate, variant_named, variants
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.diagnostics import SamplingWarning, convergence
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.nested import fit_nested
from bayes_cmoe.estimate.nuts import fit_nuts

Line = dict[str, str | float]


# %% [markdown]
# The processor's seconds are those of a second fit: the first pays for compilation.


# %%
def least_ess(tree: xr.DataTree) -> float:
    ess = az.ess(tree["posterior"].to_dataset())
    return min(float(values.min()) for values in ess.data_vars.values())


def measured(variant: str, regime: str, n: int, draws: int) -> Line:
    """Both engines on one data set of a regime."""
    own = variant_named(variant)
    model = own.model(regime, simulate(own, regime, n, seed=1), "weak")
    posterior = Posterior(model)
    point = fit_map(model, posterior=posterior)
    settings = {"start": point, "posterior": posterior, "draws": draws}
    fit_nested(model, **settings, seed=1)
    begun = time.process_time()
    nested = fit_nested(model, **settings, seed=2)
    between = time.process_time()
    fit_nuts(model, **settings | {"draws": 5}, tune=5, chains=1, seed=1, cores=1)
    again = time.process_time()
    nuts = fit_nuts(model, **settings, seed=2, cores=1)
    ended = time.process_time()
    report = convergence(nuts)
    return {
        "variant": variant,
        "regime": regime,
        "n": n,
        "parameters": posterior.layout.size,
        "nested khat": nested.attrs["khat"],
        "nested effective": nested.attrs["effective"],
        "nested a second": nested.attrs["effective"] / (between - begun),
        "nested trusted": nested.attrs["trusted"],
        "log evidence": nested.attrs["log_evidence"],
        "NUTS divergences": report.divergences,
        "NUTS R-hat": report.rhat,
        "NUTS effective": report.ess_bulk,
        "NUTS a second": least_ess(nuts) / (ended - again),
        "NUTS trusted": nuts.attrs["trusted"],
        "disagreements": nuts.attrs["disagreements"],
    }


# %% tags=["parameters", "active-ipynb"]
# VARIANT, REGIMES, ROWS, DRAWS = "constant_contaminated", ("distinguishable", "merging"), 300, 300

# %% tags=["active-ipynb"]
# warnings.simplefilter("ignore", SamplingWarning)
# lines = pd.DataFrame([measured(VARIANT, regime, ROWS, DRAWS) for regime in REGIMES])
# lines.T


# %% tags=["active-py"]
def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("out/engines.csv"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--variants", nargs="+", default=None)
    parser.add_argument("--draws", type=int, default=1000)
    given = parser.parse_args(arguments)
    names = given.variants or list(variants())
    given.output.parent.mkdir(parents=True, exist_ok=True)
    done = pd.read_csv(given.output).to_dict("records") if given.output.exists() else []
    known = {(line["variant"], line["regime"], line["n"]) for line in done}
    for n in given.sizes:
        for variant in names:
            for name in variant_named(variant).regimes:
                if (variant, name, n) in known:
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", SamplingWarning)
                    done.append(measured(variant, name, n, given.draws))
                pd.DataFrame(done).to_csv(given.output, index=False)
                line = done[-1]
                Console().print(
                    f"{variant}/{name} n = {n}: nested k-hat {line['nested khat']:.2f}, "
                    f"{line['nested a second']:.0f} a second; NUTS {line['NUTS divergences']} "
                    f"divergences, R-hat {line['NUTS R-hat']:.3f}, {line['NUTS a second']:.0f} a "
                    f"second; {line['disagreements'] or 'agree'}"
                )
    return 0


# %% tags=["active-py"]
if __name__ == "__main__":
    raise SystemExit(main())
