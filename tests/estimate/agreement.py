"""How far an engine's draws are from a reference posterior, in Monte-Carlo standard errors."""

import arviz as az
import numpy as np
import xarray as xr
from scipy import stats

from tests.estimate.references import Reference

__all__ = ["LEVEL", "discrepancies", "limit"]

LEVEL = 1e-3
"""Chance that any figure of one comparison exceeds the limit when both draw from the same law."""
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)


def limit(count: int) -> float:
    """What the largest of so many standard normal numbers, however dependent, stays below."""
    return float(stats.norm.isf(LEVEL / (2.0 * count)))


def discrepancies(tree: xr.DataTree, reference: Reference) -> dict[str, float]:
    """Difference of means, sds and quantiles over its Monte-Carlo error, of every parameter entry.

    The errors are ArviZ's, of the engine's chains and of the reference's draws, which are thinned
    to about independent ones.
    """
    found = {}
    for name, known in reference.draws.items():
        own = tree["posterior"][name].transpose("chain", "draw", ...).to_numpy()
        own = own.reshape(*own.shape[:2], -1)
        flat = known.reshape(1, len(known), -1).astype(float)
        assert own.shape[2] == flat.shape[2]
        for i in range(own.shape[2]):
            here, there = own[..., i], flat[..., i]
            for label, value, error in (
                ("mean", np.mean, {"method": "mean"}),
                ("sd", np.std, {"method": "sd"}),
                *(
                    (
                        f"q{p:g}",
                        lambda draws, p=p: np.quantile(draws, p),
                        {"method": "quantile", "prob": p},
                    )
                    for p in PROBABILITIES
                ),
            ):
                noise = np.hypot(_error(here, error), _error(there, error))
                found[f"{name}[{i}] {label}"] = float((value(here) - value(there)) / noise)
    return found


def _error(draws, how) -> float:
    return float(az.mcse(draws, chain_axis=0, draw_axis=1, **how))
