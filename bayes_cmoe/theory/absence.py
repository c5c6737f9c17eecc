"""Is there a prompt at all? Tests of a share of zero, and the Bayes factor.

The null hypothesis is the frozen expert alone, which has no unknowns; so data drawn from it at the
inputs at hand and searched in the same way give p-values that are exact at any number of rows.
"""

import math

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import binomtest

from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.replicas import Replicas
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.mixture import mixture_of
from bayes_cmoe.parts.rebuilt import with_response
from bayes_cmoe.theory.absence_search import Search
from bayes_cmoe.theory.cover import ground_of
from bayes_cmoe.theory.null_law import LEVEL, exceedance, process_law

__all__ = ["TIED", "AbsenceTest", "absence_test", "bayes_factor"]

FEWEST, MOST = 39, 10**5
"""Draws: the smaller p-value of 39 is 0.025 at least, and twice that the level."""
TIED = 0.05
"""Share of tied responses from which rounding is spoken of."""


class AbsenceTest:
    """A test of no prompt at given inputs, compiled once for any responses at them.

    Parameters
    ----------
    model : pm.Model
        A contaminated model with its data.
    seed : int
        Of the cover and of all that is drawn.
    posterior : Posterior, optional
        The model compiled already.

    Attributes
    ----------
    drawable : bool
        Whether responses can be drawn from the frozen expert.
    continuous : bool
        Whether responses are real numbers, and no counts or classes.
    response : array, shape (n,)
        The model's own.

    Raises
    ------
    InputError
        When the model is no contaminated mixture of the suite, or has several prompts.
    """

    def __init__(self, model: pm.Model, seed: int = 0, posterior: Posterior | None = None) -> None:
        mixture = mixture_of(model)
        if mixture is None:
            raise InputError(
                "a test for a prompt needs a contaminated mixture: build it by a variant's factory"
            )
        if mixture.prompts > 1:
            raise InputError(
                f"a test for a prompt asks for the first and the model has {mixture.prompts}: "
                "give a model with one"
            )
        first, ground, cover, self._rng = np.random.default_rng(seed).spawn(4)
        columns = columns_of(model)
        self._columns = columns
        self._simulator = Simulator(model)
        compiled = Posterior(model) if posterior is None else posterior
        self._replicas = Replicas(compiled, Components(model))
        self._any = np.ones(compiled.layout.size)
        self.response = np.asarray(columns[self._replicas.response], dtype=float)
        self.drawable = "frozen_logp" not in columns
        self.continuous = mixture.family.response == "number"
        # A prior on the scale of the responses at hand would make the search theirs.
        known, other = self.response, None
        if self.drawable:
            known = self.draw(first)
            other = with_response(model, known)
        prior = compiled if other is None else Posterior(other)
        laid = {**columns, self._replicas.response: known}
        self.search = Search.of(
            self._replicas, ground_of(prior, self._replicas, laid, ground), columns, cover
        )

    def draw(self, rng: np.random.Generator | None = None) -> NDArray:
        """A response drawn from the frozen expert at the inputs, shape (n,)."""
        own = self._rng if rng is None else rng
        return self._simulator.draw(self._any, self._columns, own, component=0)

    def log_null(self) -> float:
        """log f0 summed over the rows: the log evidence of the frozen expert alone."""
        table = self._replicas.table(self._columns, self.response[None])
        return float(self._replicas.frozen(self._any, table)[0])


def bayes_factor(log_evidence: float, log_null: float) -> dict[str, float]:
    """The Bayes factor of a prompt against the frozen expert alone.

    Parameters
    ----------
    log_evidence : float
        log of the integral of likelihood times prior of the contaminated model.
    log_null : float
        log f0 summed over the rows, which is the evidence of the frozen expert: it has no unknowns.

    Returns
    -------
    dict with ``log_bayes_factor``, and ``probability`` of a prompt when both are alike beforehand.

    Examples
    --------
    >>> bayes_factor(-100.0, -100.0)
    {'log_bayes_factor': 0.0, 'probability': 0.5}
    """
    log_ratio = log_evidence - log_null
    return {
        "log_bayes_factor": log_ratio,
        "probability": 1.0 / (1.0 + math.exp(min(-log_ratio, 700.0))),
    }


def absence_test(
    model: pm.Model,
    *,
    draws: int = 199,
    seed: int = 0,
    log_evidence: float | None = None,
    posterior: Posterior | None = None,
) -> xr.Dataset:
    """Test that there is no prompt: by the likelihood ratio and by the score of a share at zero.

    Both are searched on the data and on `draws` responses from f0 at the same inputs, in the same
    way, so that the p-values (1 + #{drawn >= observed}) / (1 + draws) have their level exactly.

    Parameters
    ----------
    model : pm.Model
        A contaminated model with its data.
    draws : int
        Responses drawn from the frozen expert.
    seed : int
    log_evidence : float, optional
        Of the model, for the Bayes factor.
    posterior : Posterior, optional
        The model compiled already.

    Returns
    -------
    xarray.Dataset
        ``ratio``, 2 (max log-likelihood - that of f0 alone), and ``score``, the supremum over
        prompts of the standardised score of a share at zero; of both ``_pvalue``, its 95 %
        binomial interval ``_pvalue_lower`` and ``_pvalue_upper``, and ``_quantile``, exceeded with
        probability 0.05 without a prompt; ``estimate`` (entry), where the likelihood was highest;
        ``log_null``, the summed log f0; ``log_bayes_factor`` and ``probability`` where the evidence
        is given; ``drawn_ratio`` and ``drawn_score`` (draw). Where f0 is known at the rows' own
        responses only, the ratio has no law (NaN), and the score's is that of a Gaussian process.
        Attributes: ``n``, ``draws``, ``law`` ("drawn" or "process"), ``tied``, the share of rows
        whose response, a real number, another row has too, and ``advice``, in words.

    Raises
    ------
    InputError
        When the model is no contaminated mixture of the suite or has several prompts, or `draws`
        is below 39.

    References
    ----------
    Barnard (1963), discussion of Bartlett, J. R. Statist. Soc. B 25, 294; for the limit of both
    statistics Dacunha-Castelle and Gassiat (1999), doi:10.1214/aos/1017938921.

    Examples
    --------
    >>> from bayes_cmoe import simulate, variant_named
    >>> variant = variant_named("constant_contaminated")
    >>> data = simulate(variant, "distinguishable", 200, seed=1)
    >>> found = absence_test(variant.model("distinguishable", data), draws=39)
    >>> float(found.ratio_pvalue), float(found.score_pvalue)
    (0.025, 0.025)
    """
    if not FEWEST <= draws <= MOST:
        raise InputError(f"{draws} draws of the null law: give a number from {FEWEST} to {MOST}")
    test = AbsenceTest(model, seed, posterior)
    labels = list(test.search.ground.targets.layout.labels)
    law = "drawn" if test.drawable else "process"
    if test.drawable:
        null = [test.draw() for _ in range(draws)]
        found = test.search(np.array([test.response, *null]))
        score, drawn_score = found.score[0], found.score[1:]
        drawn_ratio = found.ratio[1:]
    else:
        found = test.search(test.response[None])
        score, drawn_score = process_law(test.search, np.random.default_rng(seed))
        drawn_ratio = np.full(len(drawn_score), np.nan)
    judged = {
        **_judged("ratio", float(found.ratio[0]), drawn_ratio),
        **_judged("score", float(score), drawn_score),
    }
    log_null = test.log_null()
    tied = _tied(test.response) if test.continuous else 0.0
    factor = {} if log_evidence is None else bayes_factor(log_evidence, log_null)
    return xr.Dataset(
        {
            **judged,
            "log_null": log_null,
            **factor,
            "estimate": ("entry", found.theta[0]),
            "drawn_ratio": ("draw", drawn_ratio),
            "drawn_score": ("draw", drawn_score),
        },
        coords={"entry": labels},
        attrs={
            "n": len(test.response),
            "draws": len(drawn_score),
            "law": law,
            "tied": tied,
            "advice": _advice(judged, tied),
        },
    )


def _judged(name: str, value: float, drawn: NDArray) -> dict[str, float]:
    """A statistic with its p-value, the p-value's interval and the quantile of its law."""
    if not np.isfinite(drawn).all():
        missing = ("pvalue", "pvalue_lower", "pvalue_upper", "quantile")
        return {name: value} | {f"{name}_{part}": np.nan for part in missing}
    interval = binomtest(int(np.sum(drawn >= value)), len(drawn)).proportion_ci(0.95, "exact")
    return {
        name: value,
        f"{name}_pvalue": exceedance(drawn, value),
        f"{name}_pvalue_lower": float(interval.low),
        f"{name}_pvalue_upper": float(interval.high),
        f"{name}_quantile": float(np.quantile(drawn, 1.0 - LEVEL)),
    }


def _tied(response: NDArray) -> float:
    """Share of rows whose response another row has too."""
    _, counts = np.unique(response, return_counts=True)
    return float(counts[counts > 1].sum() / len(response))


def _advice(judged: dict[str, float], tied: float) -> str:
    """What the p-values say; of two the smaller is doubled, which keeps the level.

    A narrow prompt on one tied value is a spike that no draw of a density has.
    """
    pvalues = [judged[f"{name}_pvalue"] for name in ("ratio", "score")]
    known = [p for p in pvalues if np.isfinite(p)]
    both = min(1.0, len(known) * min(known))
    if both <= LEVEL and tied > TIED:
        return (
            f"there is a prompt, or rounding: without one data go so far with probability "
            f"{both:.2g}, but {tied:.0%} of the responses are tied, which draws of f0 never are; "
            "add to each a number by chance, up to half a step of their grid, and test again"
        )
    if both <= LEVEL:
        return f"there is a prompt: without one data go so far with probability {both:.2g}"
    return (
        f"no prompt shows: data without one go so far with probability {both:.2g}; the frozen "
        "expert alone will do, or more rows are needed"
    )
