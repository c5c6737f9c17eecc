"""Ranks of truths among posterior draws: a conjugate model, where the posterior is known."""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.ranks import Quantities, effective_draws, placed, thinned
from bayes_cmoe.report.calibration import uniformity
from tests import reference

SETS, RANKED, ROWS = 400, 99, 5


def conjugate(scale=1.0, shift=0.0, *, from_prior=False):
    """Places of theta and of the log-likelihood: theta ~ N(0, 1), y_i ~ N(theta, 1), i = 1..5."""
    rng = np.random.default_rng(4)
    places = []
    for _ in range(SETS):
        theta = rng.normal()
        y = rng.normal(theta, 1.0, ROWS)
        center, sd = y.sum() / (1 + ROWS), (1 + ROWS) ** -0.5
        if from_prior:
            center, sd = 0.0, 1.0
        draws = rng.normal(center + shift * sd, scale * sd, RANKED)
        both = np.concatenate([[theta], draws])
        loglik = stats.norm.logpdf(y[:, None], both).sum(axis=0)
        values = np.column_stack([both, loglik])
        places.append(placed(values[0], values[1:], rng))
    return np.array(places)


def test_the_true_posterior_is_calibrated():
    for own in conjugate().T:
        assert uniformity(own) > 0.05
        assert stats.kstest(own, "uniform").pvalue > 0.05


@pytest.mark.parametrize("wrong", [{"scale": 1.35}, {"scale": 0.75}, {"shift": 0.35}], ids=str)
def test_a_wrong_posterior_is_not(wrong):
    own = conjugate(**wrong)[:, 0]
    assert uniformity(own) < 1e-4


def test_an_engine_that_ignores_the_data_is_seen_by_the_log_likelihood_alone():
    theta, loglik = conjugate(from_prior=True).T
    assert uniformity(theta) > 0.05
    assert uniformity(loglik) < 1e-10


def test_a_place_is_its_rank_and_a_uniform_number():
    rng = np.random.default_rng(1)
    draws = np.arange(1.0, 10.0)[:, None]
    for rank in range(10):
        found = [placed(np.array([rank + 0.5]), draws, rng).item() for _ in range(200)]
        assert rank / 10 <= min(found) < max(found) <= (rank + 1) / 10
        assert np.mean(found) == pytest.approx((rank + 0.5) / 10, abs=0.01)


def test_ties_are_parted_at_random():
    rng = np.random.default_rng(2)
    found = [placed(np.zeros(1), np.zeros((9, 1)), rng).item() for _ in range(1000)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_draws_are_thinned_over_all_chains():
    names = ("lam", "a")
    values = np.arange(2 * 6.0).reshape(2, 6)
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "lam": (("draw", "chain"), values.T),
                    "a": (("chain", "draw", "feature"), values[..., None] + 100.0),
                }
            )
        }
    )
    layout = Posterior(model("constant_contaminated")).layout
    assert layout.names[:2] == names
    own = xr.DataTree.from_dict(
        {"posterior": tree["posterior"].to_dataset().assign(
            b=(("chain", "draw"), values), nu=(("chain", "draw"), values)
        )}
    )  # fmt: skip
    found = thinned(own, layout, 4)
    assert found[:, 0].tolist() == [1.0, 4.0, 7.0, 10.0]
    assert found[:, 1].tolist() == [101.0, 104.0, 107.0, 110.0]


def test_the_least_effective_number_counts():
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=(2, 500)), axis=1)
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "good": (("chain", "draw"), rng.normal(size=(2, 500))),
                    "bad": (("chain", "draw"), walk),
                }
            )
        }
    )
    assert effective_draws(tree) < 50


def model(name, regime="merging"):
    return variant_named(name).model(regime, simulate(name, regime, 40, seed=3))


def test_quantities_of_one_prompt_are_those_of_numpy():
    own = model("softmax_contaminated")
    posterior = Posterior(own)
    regime = variant_named("softmax_contaminated").regime("merging")
    quantities = Quantities(posterior, regime.path.center)
    assert quantities.names[-2:] == ("log-likelihood", "share x distance")
    theta = {"beta": np.array([0.3, -0.2]), "tau": -0.7, "a": np.array([1.4, 0.1]), "nu": 0.6}
    data = simulate("softmax_contaminated", "merging", 40, seed=3)
    columns = {"x": data.x, "response": data.y, **regime.frozen.columns(data.x)}
    loglik = reference.contaminated("tanh-nobias", "gaussian", theta, columns).sum()
    distance = np.sqrt(0.4**2 + 0.4**2 + 0.4**2)  # from a = (1, .5), nu = 1
    flat = posterior.layout.ravel(theta)
    found = quantities.of(np.array([flat, flat]), posterior.rows())
    assert found.shape == (2, len(quantities.names))
    assert found[0, : posterior.layout.size].tolist() == flat.tolist()
    assert found[0, -2:] == pytest.approx([loglik, np.exp(-0.7) * distance], rel=1e-9)


def test_quantities_of_several_prompts_do_not_see_their_order():
    own = model("softmax_several_prompts", "merging-together")
    posterior = Posterior(own)
    regime = variant_named("softmax_several_prompts").regime("merging-together")
    quantities = Quantities(posterior, regime.path.center)
    rng = np.random.default_rng(5)
    named = {
        name: np.abs(rng.normal(size=(1, *shape))) + 0.1
        for name, shape in zip(posterior.layout.names, posterior.layout.shapes, strict=True)
    }
    orders = [
        np.concatenate([value[:, list(order)].reshape(1, -1) for value in named.values()], axis=1)
        for order in itertools.permutations(range(2))
    ]
    first, second = quantities.of(np.concatenate(orders), posterior.rows())
    assert first == pytest.approx(second, rel=1e-12)
    assert not np.array_equal(orders[0], orders[1])
    largest = posterior.layout.slices["tau"].start
    assert first[largest] == named["tau"].max()
