"""Reference posteriors: `python -m tests.estimate.references [name ...]`.

Ten data sets with 10,000 draws of the posterior of each, thinned from long runs that share nothing
with the package's engines: PyMC's own NUTS on the plain PyMC model, diagonal adaptation on PyMC's
own unconstrained scale, a wanted acceptance of .98, every chain begun at another draw of the prior.
Chains are added until the least effective number of draws is 10,000, in the tails 9,000, and the
worst R-hat below 1.005. The idea is posteriordb's (Magnusson et al. 2024, arXiv:2407.04967).

Writes tests/recorded/posteriors/NAME.npz: data, prior, draws (float32), and how they were made.
Batches of chains are kept in out/references/ meanwhile, so that it may be stopped at any moment;
what is recorded is left alone.
"""

import json
import logging
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe import Data, simulate, variant_named
from bayes_cmoe.parts.fixed_prior import plain_priors, priors_of

__all__ = ["CASES", "FOLDER", "Case", "Reference", "recorded"]

FOLDER = Path(__file__).parents[1] / "recorded" / "posteriors"
SCRATCH = Path(__file__).parents[2] / "out" / "references"
KEPT, IN_TAILS = 10_000, 9_000
RHAT = 1.005
CHAINS, TUNE, DRAWS = 4, 1500, 5000
"""Of a batch."""
MOST_BATCHES = 40
NO_PROMPT = "no-prompt"


@dataclass(frozen=True)
class Case:
    """A data set: a regime's truth, or its frozen expert alone ("no-prompt")."""

    variant: str
    regime: str
    n: int
    truth: str = "regime"
    target_accept: float = 0.98

    @property
    def name(self) -> str:
        kind = self.regime if self.truth == "regime" else self.truth
        return f"{self.variant.removesuffix('_contaminated')}-{kind}-{self.n}"

    @cached_property
    def data(self) -> Data:
        regime = variant_named(self.variant).regime(self.regime)
        if self.truth == NO_PROMPT:
            shut = {name: np.full(regime.features, 0.0) for name in regime.gate.dims}
            shut |= {
                name: np.asarray(value)
                for name, value in regime.gate.shut.items()
                if not regime.gate.dims[name]
            }
            regime = replace(regime, path=replace(regime.path, gate=shut))
        return simulate(self.variant, regime, self.n, seed=1)


@dataclass(frozen=True, eq=False)
class Reference:
    """A recorded case: what its model is given, the draws by parameter, and their making."""

    name: str
    data: Data
    draws: dict[str, NDArray]
    made: dict[str, Any]

    def model(self, **other_priors: Any) -> pm.Model:
        """The model with the recorded prior, some of it replaced."""
        variant = variant_named(self.made["variant"])
        return variant.model(self.made["regime"], self.data, self.made["prior"] | other_priors)


CASES = (
    Case("constant_contaminated", "distinguishable", 100),
    Case("constant_contaminated", "merging", 100),
    Case("constant_contaminated", "linear-merging-b", 300),
    Case("constant_contaminated", "vanishing", 300),
    Case("constant_contaminated", "distinguishable", 300, truth=NO_PROMPT),
    Case("constant_contaminated", "merging", 1000),
    Case("softmax_contaminated", "distinguishable", 300),
    Case("softmax_contaminated", "merging", 300),
    Case("multinomial_contaminated", "distinguishable", 300),
    Case("multinomial_contaminated", "homogeneous-merging", 300),
)
"""The cheapest first."""


def recorded() -> Iterator[Reference]:
    """The references that exist."""
    for file in sorted(FOLDER.glob("*.npz")):
        with np.load(file, allow_pickle=False) as content:
            made = json.loads(str(content["made"]))
            data = Data(content["x"], content["y"], classes=made["classes"])
            draws = {name: content[f"draws_{name}"] for name in made["prior"]}
        yield Reference(file.stem, data, draws, made)


def _prior(case: Case) -> dict[str, Any]:
    """The weak prior on this table, written down as numbers."""
    model = variant_named(case.variant).model(case.regime, case.data, "weak")
    return plain_priors(priors_of(model))


def _batch(case: Case, model: pm.Model, prior: dict[str, Any], k: int) -> xr.Dataset:
    """Some chains, from the scratch folder when they are there."""
    # Chains of other data or of another prior are never taken for these.
    given = json.dumps([case.data.x.tolist(), case.data.y.tolist(), prior, case.target_accept])
    mark = sha256(given.encode()).hexdigest()[:12]
    file = SCRATCH / f"{case.name}.{mark}.{k}.npz"
    names = [rv.name for rv in model.free_RVs]
    if not file.exists():
        begun = time.process_time()
        starts = _starts(model, k)
        with model:
            tree = pm.sample(
                draws=DRAWS, tune=TUNE, chains=CHAINS, cores=1, nuts_sampler="pymc",
                target_accept=case.target_accept, initvals=starts, init="jitter+adapt_diag",
                random_seed=[1000 * k + chain for chain in range(CHAINS)], progressbar=False,
                compute_convergence_checks=False, compile_kwargs={"mode": "NUMBA"},
            )  # fmt: skip
        arrays = {name: tree["posterior"][name].to_numpy() for name in names}
        arrays["divergences"] = tree["sample_stats"]["diverging"].to_numpy().sum(axis=1)
        arrays["seconds"] = np.array(time.process_time() - begun)
        SCRATCH.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part.npz")
        np.savez(part, **arrays)
        part.rename(file)
    with np.load(file, allow_pickle=False) as content:
        return xr.Dataset(
            {
                name: (
                    ("chain", "draw", *(f"{name}_{i}" for i in range(content[name].ndim - 2))),
                    content[name],
                )
                for name in names
            },
            attrs={
                "divergences": int(content["divergences"].sum()),
                "seconds": float(content["seconds"]),
            },
        )


def _starts(model: pm.Model, k: int) -> list[dict[str, NDArray]]:
    """Draws of the prior, one for each chain, at which the posterior's density is a number."""
    # More than are needed: far out in the prior a density may overflow.
    drawn = pm.draw(list(model.free_RVs), draws=20 * CHAINS, random_seed=k)
    names = [rv.name for rv in model.free_RVs]
    density = model.compile_logp()
    found = []
    for values in zip(*drawn, strict=True):
        named = dict(zip(names, values, strict=True))
        point = {
            model.rvs_to_values[rv].name: (
                values_
                if (transform := model.rvs_to_transforms[rv]) is None
                else transform.forward(values_, *rv.owner.inputs).eval()
            )
            for rv, values_ in zip(model.free_RVs, values, strict=True)
        }
        if np.isfinite(density(point)):
            found.append(named)
        if len(found) == CHAINS:
            return found
    raise RuntimeError("the prior gives no finite density")


def _worst(chains: xr.Dataset) -> tuple[float, float, float]:
    """Largest R-hat, least bulk and tail effective draws."""

    def all_of(found: Any) -> NDArray:
        return np.concatenate([np.ravel(value) for value in found.data_vars.values()])

    return (
        float(all_of(az.rhat(chains)).max()),
        float(all_of(az.ess(chains)).min()),
        float(all_of(az.ess(chains, method="tail")).min()),
    )


def make(case: Case) -> None:
    """Sample until the rule is met, then write the record."""
    prior = _prior(case)
    model = variant_named(case.variant).model(case.regime, case.data, prior)
    batches: list[xr.Dataset] = []
    for k in range(MOST_BATCHES):
        batches.append(_batch(case, model, prior, k))
        chains = xr.concat(batches, dim="chain")
        rhat, bulk, tail = _worst(chains)
        divergences = sum(batch.attrs["divergences"] for batch in batches)
        seconds = sum(batch.attrs["seconds"] for batch in batches)
        print(
            f"{case.name}: {len(batches)} batches, R-hat {rhat:.4f}, ESS {bulk:.0f} bulk "
            f"{tail:.0f} tail, {divergences} divergences, {seconds:.0f} s",
            flush=True,
        )
        if rhat < RHAT and bulk >= KEPT and tail >= IN_TAILS:
            break
    else:
        print(f"{case.name}: not reached, nothing written", flush=True)
        return
    pooled = {
        name: value.to_numpy().reshape(-1, *value.shape[2:]) for name, value in chains.items()
    }
    total = len(next(iter(pooled.values())))
    places = np.linspace(0, total - 1, KEPT).round().astype(int)
    made = {
        "variant": case.variant, "regime": case.regime, "truth": case.truth,
        "classes": case.data.classes, "prior": prior, "chains": chains.sizes["chain"],
        "draws": DRAWS, "tune": TUNE, "target_accept": case.target_accept, "rhat": rhat,
        "ess_bulk": bulk, "ess_tail": tail, "divergences": divergences,
        "processor_seconds": round(seconds, 1), "pymc": version("pymc"),
    }  # fmt: skip
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        FOLDER / f"{case.name}.npz",
        x=case.data.x,
        y=case.data.y,
        made=np.array(json.dumps(made)),
        **{f"draws_{name}": value[places].astype(np.float32) for name, value in pooled.items()},
    )


def main(names: list[str]) -> None:
    """Make the references that are missing, in the order of their cost."""
    logging.getLogger("pymc").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    for case in CASES:
        wanted = not names or case.name in names
        if wanted and not (FOLDER / f"{case.name}.npz").exists():
            make(case)


if __name__ == "__main__":
    main(sys.argv[1:])
