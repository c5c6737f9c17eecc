"""Draws from the prior and of responses, held against SciPy's laws and PyMC's own sampling."""

import warnings

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe import (
    Data,
    InputError,
    fit_map,
    frozen_expert,
    frozen_log_density,
    frozen_predictions,
    posterior_predictive,
    prior_predictive,
    variant_named,
    with_rows,
)
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.parts.fixed_prior import priors_of

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 2))
DATA = Data(X, X[:, 0] + RNG.normal(size=40), features=("age", "dose"))
LINE = frozen_expert("gaussian", "linear", {"a": [1.0, 0.0], "b": 0.0}, scale=1.0)
PRIOR = {"lam": "beta(2, 8)", "a": (-0.01, 0.01), "b": "normal(50, 0.1)", "nu": (0.9, 1.1)}
ENOUGH = 1e-4
"""A p-value that a right sampler falls below once in ten thousand seeds."""


@pytest.fixture(scope="module")
def model():
    build = variant_named("constant_contaminated").build
    return build(DATA, frozen=LINE, expert="linear", prior=PRIOR)


@pytest.fixture(scope="module")
def before(model):
    return prior_predictive(model, draws=400, seed=3)


def test_the_prior_s_draws_follow_the_prior(before):
    share = before["prior"]["lam"].to_numpy().ravel()
    assert stats.kstest(share, stats.beta(2, 8).cdf).pvalue > ENOUGH
    assert stats.kstest(before["prior"]["b"].to_numpy().ravel(), stats.norm(50, 0.1).cdf).pvalue > (
        ENOUGH
    )
    assert before["prior"]["a"].dims == ("chain", "draw", "feature")
    assert before["prior"]["lam"].attrs["prior"] == "Beta(2, 8)"


def test_each_response_belongs_to_its_own_draw(before):
    """Far prompt: a draw's part of rows beyond 25 is binomial with that draw's own share."""
    share = before["prior"]["lam"].to_numpy().ravel()
    far = (before["prior_predictive"]["y"].to_numpy()[0] > 25.0).sum(axis=1)
    z = (far - 40 * share) / np.sqrt(40 * share * (1 - share))
    assert abs(z.mean()) < 4.0 / np.sqrt(len(z))
    assert z.var() == pytest.approx(1.0, abs=0.3)


def test_pymc_s_own_sampling_works_and_does_not_warn(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = variant_named("constant_contaminated").build(
            DATA, frozen=LINE, expert="linear", prior=PRIOR
        )
        tree = pm.sample_prior_predictive(200, model=again, random_seed=1)
    far = (tree["prior_predictive"]["y"] > 25.0).mean().item()
    assert far == pytest.approx(0.2, abs=4.0 * np.sqrt(0.2 * 0.8 / 200))


def test_predictions_at_new_rows_follow_the_mixture_there(model):
    tree = fit_map(model, near={"lam": 0.3, "a": [0.0, 0.0], "b": 50.0, "nu": 1.0})
    point = {name: tree["point_estimate"][name].to_numpy() for name in ("lam", "a", "b", "nu")}
    new = pd.DataFrame({"dose": np.zeros(3000), "age": np.full(3000, 7.0)})
    found = posterior_predictive(model, tree, new, seed=2)
    y = found["predictions"]["y"].to_numpy().ravel()
    assert found["predictions_constant_data"]["x"].values[0].tolist() == [7.0, 0.0]
    assert found["predictions"].sizes["obs"] == 3000

    def cdf(value):
        center, scale = point["a"][0] * 7.0 + point["b"], np.sqrt(point["nu"])
        own = stats.norm(center, scale).cdf(value)
        return (1 - point["lam"]) * stats.norm(7.0, 1.0).cdf(value) + point["lam"] * own

    assert stats.kstest(y, cdf).pvalue > ENOUGH
    same = posterior_predictive(model, tree, seed=2)
    assert same["posterior_predictive"].sizes["obs"] == 40
    assert "observed_data" in same.children


def test_new_rows_are_a_model_of_their_own(model):
    new = with_rows(model, Data([[7.0, 0.0]], [50.0]))
    assert new["x"].get_value().tolist() == [[7.0, 0.0]]
    assert new["frozen_mean"].get_value().tolist() == [7.0]
    assert new.coords["obs"] == (0,)
    assert new.coords["feature"] == ("age", "dose")
    assert model["x"].get_value().shape == (40, 2)
    theta = {"lam": 0.25, "a": np.zeros(2), "b": 50.0, "nu": 1.0}
    likelihood = Likelihood(new)
    found = likelihood.value(likelihood.layout.ravel(theta), likelihood.rows(columns_of(new)))
    expected = np.log(0.75 * stats.norm(7, 1).pdf(50.0) + 0.25 * stats.norm(50, 1).pdf(50.0))
    assert found == pytest.approx(expected, rel=1e-10)


def test_new_rows_that_do_not_fit_are_refused(model):
    with pytest.raises(InputError, match="3 inputs, the model has age, dose"):
        with_rows(model, np.zeros((4, 3)))
    with pytest.raises(InputError, match="lack the column 'dose'"):
        with_rows(model, pd.DataFrame({"age": [1.0], "weight": [2.0]}))
    with pytest.raises(InputError, match="not one of the suite's"):
        with_rows(pm.Model(), np.zeros((4, 2)))
    known = frozen_predictions("gaussian", mean=X[:, 0], scale=1.0)
    build = variant_named("constant_contaminated").build
    fixed = build(DATA, frozen=known, expert="linear")
    with pytest.raises(InputError, match="frozen_mean has 40 rows and the data 2"):
        with_rows(fixed, np.zeros((2, 2)))
    there = frozen_predictions("gaussian", mean=[5.0, 6.0], scale=1.0)
    assert with_rows(fixed, np.zeros((2, 2)), frozen=there)["frozen_mean"].get_value()[1] == 6.0


def test_the_prior_stays_what_it_was_on_the_first_rows():
    model = variant_named("constant_contaminated").build(DATA, frozen=LINE, expert="linear")
    assert priors_of(with_rows(model, 100.0 * X)) == priors_of(model)


def test_what_cannot_be_drawn_is_refused():
    build = variant_named("constant_contaminated").build
    model = build(DATA, frozen=frozen_log_density(np.full(40, -1.0)), expert="linear")
    with pytest.raises(InputError, match="cannot be drawn from"):
        prior_predictive(model, draws=2)
    with pytest.raises(InputError, match="0 draws"):
        prior_predictive(model, draws=0)
    with pytest.raises(InputError, match="no group 'posterior'"):
        posterior_predictive(model, xr.DataTree())
