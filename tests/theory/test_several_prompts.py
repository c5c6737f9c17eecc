"""Theory of several prompts: the bound against plain Monte Carlo, and what speaks of one prompt."""

import numpy as np
import pytest

from bayes_cmoe import InputError, simulate, variant_named
from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.distinguishability import distinguishability
from bayes_cmoe.theory.information import information
from bayes_cmoe.theory.modulus import modulus
from bayes_cmoe.theory.planner import plan
from tests import reference

NAME = "softmax_several_prompts"
DRAWS = 200_000
STEP = 1e-4


def test_the_bound_is_that_of_scores_by_differences_of_scipys_density() -> None:
    """I = E[s s'] at the truth, from draws of NumPy's own; in every entry, to the draws' error."""
    n = 10_000
    regime = variant_named(NAME).regime("distinguishable")
    truth = regime.truth(n)
    rng = np.random.default_rng(8)
    x = rng.standard_normal((DRAWS, 2))
    known = regime.frozen.columns(x)
    shares = np.exp(reference.component_log_weights(x, truth))
    owner = (rng.random(DRAWS) > np.cumsum(shares, axis=0)[:2]).sum(axis=0)
    y = rng.laplace(known["frozen_mean"], known["frozen_scale"])
    for j in range(2):
        own = rng.normal(np.tanh(x @ truth["a"][j]), truth["nu"][j] ** 0.5)
        y = np.where(owner == j + 1, own, y)
    columns = {"x": x, "response": y, **known}
    names = list(truth)
    flat = np.concatenate([truth[name].ravel() for name in names])
    edges = np.cumsum([truth[name].size for name in names])[:-1]

    def logp(vector: np.ndarray) -> np.ndarray:
        parts = np.split(vector, edges)
        theta = {k: p.reshape(truth[k].shape) for k, p in zip(names, parts, strict=True)}
        return reference.contaminated(regime.expert, "laplace", theta, columns)

    scores = np.column_stack(
        [(logp(flat + STEP * e) - logp(flat - STEP * e)) / (2 * STEP) for e in np.eye(len(flat))]
    )
    covariance = np.linalg.inv(scores.T @ scores / DRAWS) / n
    found = information(NAME, regime, n=n)
    assert np.isfinite(found["bound"]).all()
    for name, part in zip(names, np.split(np.diag(covariance), edges), strict=True):
        expected = np.sqrt(part.sum())
        assert float(found["bound"].sel(parameter=name)) == pytest.approx(expected, rel=0.03)
    odds = np.exp(2 * truth["tau"]) @ np.split(np.diag(covariance), edges)[names.index("tau")]
    assert float(found["bound"].sel(parameter="exp_tau")) == pytest.approx(odds**0.5, rel=0.03)


def test_the_modulus_is_the_bound_where_the_theory_is_local() -> None:
    found = modulus(NAME, "distinguishable", "tau[0]", 1e6)
    assert (found["modulus"] / found["linear"]).item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_a_plan_judges_by_the_smallest_share() -> None:
    """Where the second prompt's share is lost the plan says so, though the first is resolved."""
    good = plan(NAME, "distinguishable", parameter="expert", n=1e5, draws=2**17, accuracy=0.05)
    assert good.attrs["standing"] == "local"
    few = {"parameter": "expert", "n": 3e3, "draws": 2**17, "accuracy": 0.2}
    lost = plan(NAME, "distinguishable", truth={"tau": [0.5, -4.0]}, **few)
    assert lost.attrs["standing"] == "unresolved"
    assert "exp_tau[1]" in lost.attrs["advice"]


def test_what_speaks_of_one_prompt_refuses_several() -> None:
    variant = variant_named(NAME)
    regime = variant.regime("distinguishable")
    model = variant.model(regime, simulate(variant, regime, 100, seed=1))
    with pytest.raises(InputError, match=r"^diagnose speaks of one prompt and the model has 2: "):
        diagnose(model)
    with pytest.raises(InputError, match=r"is about one prompt and the model has 2: "):
        distinguishability(variant, regime)
