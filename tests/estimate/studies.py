"""Small studies for the estimators: simulated data, and the same likelihood in plain NumPy."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pymc as pm
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize

from bayes_cmoe import Data, simulate, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from tests import reference


@dataclass(frozen=True)
class Study:
    """One data set of a regime."""

    variant: str
    regime: str
    family: str
    n: int
    seed: int

    @cached_property
    def data(self) -> Data:
        return simulate(self.variant, self.regime, self.n, seed=self.seed)

    @cached_property
    def truth(self) -> dict[str, NDArray]:
        return variant_named(self.variant).regime(self.regime).truth(self.n)

    @cached_property
    def model(self) -> pm.Model:
        return variant_named(self.variant).model(self.regime, self.data)

    @cached_property
    def posterior(self) -> Posterior:
        return Posterior(self.model)

    @cached_property
    def bounds(self) -> list[tuple[float, float]]:
        """Bounds of each entry of theta: the regime's box."""
        box = variant_named(self.variant).regime(self.regime).box
        return [box[label.split("[")[0]] for label in self.posterior.layout.labels]

    @cached_property
    def log_likelihood(self) -> Callable[[NDArray], float]:
        """theta -> summed log-likelihood, by NumPy and SciPy alone."""
        setting = variant_named(self.variant).regime(self.regime)
        columns = {
            "x": self.data.x,
            "response": self.data.y,
            **setting.frozen.columns(self.data.x),
        }
        unravel = self.posterior.layout.unravel

        def total(theta: NDArray) -> float:
            parameters = unravel(np.asarray(theta))
            return float(
                reference.contaminated(setting.expert, self.family, parameters, columns).sum()
            )

        return total

    def importance_sampled(self, flat: NDArray, count: int) -> tuple[NDArray, NDArray]:
        """Draws about others, shape (draw, parameter), and their log weights under the flat prior.

        From a wide multivariate t, weighted by the NumPy likelihood within the box.
        """
        proposal = stats.multivariate_t(flat.mean(axis=0), 2.0 * np.cov(flat.T), df=4, seed=1)
        draws = proposal.rvs(count)
        bounds = np.array(self.bounds)
        inside = ((draws > bounds[:, 0]) & (draws < bounds[:, 1])).all(axis=1)
        log_weight = np.full(len(draws), -np.inf)
        log_weight[inside] = self._log_likelihoods(draws[inside])
        log_weight[inside] -= proposal.logpdf(draws[inside])
        return draws, log_weight

    def _log_likelihoods(self, draws: NDArray) -> NDArray:
        """`log_likelihood` of many theta = (lam, a, b, nu) at a time, shape (draw,)."""
        assert (self.variant, self.family) == ("constant_contaminated", "laplace")
        frozen = variant_named(self.variant).regime(self.regime).frozen.columns(self.data.x)
        y, x = self.data.y[:, None], self.data.x
        f0 = stats.laplace.logpdf(self.data.y, frozen["frozen_mean"], frozen["frozen_scale"])
        totals = []
        for lam, a, b, nu in (part.T for part in np.array_split(draws, -(-len(draws) // 1000))):
            prompt = stats.norm.logpdf(y, np.tanh(x * a + b), np.sqrt(nu))
            mixed = np.logaddexp(np.log1p(-lam) + f0[:, None], np.log(lam) + prompt)
            totals.append(mixed.sum(axis=0))
        found = np.concatenate(totals)
        assert np.allclose(found[:5], [self.log_likelihood(draw) for draw in draws[:5]], rtol=1e-11)
        return found

    def independent_maximum(
        self, log_prior: Callable[[NDArray], float] = lambda theta: 0.0
    ) -> NDArray:
        """The maximum of the NumPy log-likelihood over the box, by SciPy from the truth."""
        theta = self.posterior.layout.ravel(self.truth)
        scale = np.maximum(np.abs(theta), 0.1)
        bounds = [
            (low / s + 1e-9 * (high - low) / s, high / s - 1e-9 * (high - low) / s)
            for (low, high), s in zip(self.bounds, scale, strict=True)
        ]

        def loss(z: NDArray) -> float:
            return -(self.log_likelihood(z * scale) + log_prior(z * scale)) / self.n

        z, gained = theta / scale, np.inf
        while gained > 1e-12:
            found = minimize(
                loss, z, method="L-BFGS-B", jac="3-point", bounds=bounds,
                options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
            )  # fmt: skip
            z, gained = found.x, loss(z) - found.fun
        return z * scale


STUDIES = (
    Study("constant_contaminated", "distinguishable", "laplace", 700, 1),
    Study("constant_contaminated", "linear-merging-a", "gaussian", 1500, 2),
    Study("softmax_contaminated", "distinguishable", "laplace", 700, 3),
    Study("softmax_contaminated", "paper-b-b2", "gaussian", 1000, 4),
    Study("multinomial_contaminated", "distinguishable", "multinomial_logistic", 1500, 5),
)
IDS = [f"{study.variant}-{study.regime}" for study in STUDIES]
