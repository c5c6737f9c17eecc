"""How a sampling went, by the checks of `arviz.diagnose`, in one line, with a remedy."""

from dataclasses import dataclass

import arviz as az
import numpy as np
import xarray as xr

__all__ = ["Convergence", "SamplingWarning", "convergence", "remedy"]

WORST_RHAT = 1.01
FEWEST_EFFECTIVE = 100
LEAST_BFMI = 0.3


class SamplingWarning(UserWarning):
    """The draws may not represent the posterior; the message says what to try."""


@dataclass(frozen=True)
class Convergence:
    """The worst figures over all parameters.

    Parameters
    ----------
    chains, draws : int
    divergences : int
    rhat : float
        Largest rank-normalised split R-hat (Vehtari et al. 2021, doi:10.1214/20-BA1221).
    ess_bulk, ess_tail : float
        Smallest effective number of draws.
    bfmi : float
        Smallest energy Bayesian fraction of missing information of a chain (Betancourt 2016,
        arXiv:1604.00695); NaN where the engine has no energies.
    deepest : int
        Draws whose tree reached the greatest depth.
    """

    chains: int
    draws: int
    divergences: int
    rhat: float
    ess_bulk: float
    ess_tail: float
    bfmi: float
    deepest: int

    @property
    def line(self) -> str:
        """One line for a log or a terminal."""
        return (
            f"{self.chains} chains x {self.draws} draws, {self.divergences} divergences, "
            f"worst R-hat {self.rhat:.3f}, least ESS {self.ess_bulk:.0f} bulk, "
            f"{self.ess_tail:.0f} tail, E-BFMI {self.bfmi:.2f}, {self.deepest} at full depth"
        )


def _extreme(dataset: xr.Dataset, pick: str) -> float:
    values = np.concatenate([np.ravel(variable) for variable in dataset.data_vars.values()])
    return float(np.nanmax(values) if pick == "max" else np.nanmin(values))


def convergence(tree: xr.DataTree) -> Convergence:
    """The worst convergence figures of a tree with ``posterior`` and ``sample_stats``."""
    posterior = tree["posterior"].to_dataset()
    stats = tree["sample_stats"].to_dataset()

    def count(name: str) -> int:
        return int(stats[name].sum()) if name in stats else 0

    several = posterior.sizes["chain"] > 1
    return Convergence(
        chains=posterior.sizes["chain"],
        draws=posterior.sizes["draw"],
        divergences=count("diverging"),
        rhat=_extreme(az.rhat(posterior), "max") if several else float("nan"),
        ess_bulk=_extreme(az.ess(posterior), "min"),
        ess_tail=_extreme(az.ess(posterior, method="tail"), "min"),
        bfmi=_extreme(az.bfmi(stats), "min") if "energy" in stats else float("nan"),
        deepest=int(stats["reached_max_treedepth"].sum())
        if "reached_max_treedepth" in stats
        else 0,
    )


def remedy(report: Convergence) -> str:
    """What to try, in one line; empty when nothing is wrong."""
    if report.divergences:
        return (
            f"{report.divergences} divergences: the posterior has a narrow ridge; raise "
            "target_accept (0.95), or use the weak prior, or check with `diagnose` whether the "
            "data tell the prompt from the frozen expert"
        )
    if report.rhat > WORST_RHAT or report.ess_bulk < FEWEST_EFFECTIVE * report.chains:
        return (
            f"worst R-hat {report.rhat:.3f}, least ESS {report.ess_bulk:.0f}: the chains have not "
            "mixed; draw more (draws, tune), or use the weak prior"
        )
    if report.bfmi < LEAST_BFMI:
        return (
            f"E-BFMI {report.bfmi:.2f}: the energies mix slowly, so the tails may be missed; draw "
            "more (draws, tune)"
        )
    if report.deepest:
        return (
            f"{report.deepest} draws reached the greatest tree depth: the steps are small for the "
            "posterior's length; warm up longer (tune)"
        )
    return ""
