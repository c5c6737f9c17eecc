"""Predictions of several prompts, and of experts without a frozen one, against SciPy's mixture."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.optimize import brentq
from scipy.special import logsumexp, softmax

from bayes_cmoe import fit, predict
from bayes_cmoe.compiled.likelihood import layout_of
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.result import parameter_dataset
from bayes_cmoe.front.origin import model_of
from bayes_cmoe.front.predicted import as_columns

NEW = slice(0, 40)


@pytest.fixture(scope="module")
def table(two_groups):
    return two_groups[0]


@pytest.fixture(scope="module")
def experts(table):
    return fit(table[["p", "q", "y"]], y="y", variant="softmax_gaussian_moe", experts=3, starts=16)


@pytest.fixture(scope="module")
def prompts(prompts_fit):
    return prompts_fit


def drawn(tree, count=3):
    """The fit with a posterior of several draws about its estimate, and these as vectors."""
    layout = layout_of(model_of(tree))
    point = layout.ravel({name: tree["point_estimate"][name].to_numpy() for name in layout.names})
    theta = point * np.random.default_rng(1).uniform(0.95, 1.05, (1, count, len(point)))
    coords = {"chain": [0], "draw": np.arange(count)}
    moved = tree.copy()
    moved["posterior"] = xr.DataTree(parameter_dataset(layout, theta, coords))
    return moved, [layout.unravel(one) for one in theta[0]]


def by_hand(v, rows, scores, ahead=()):
    """Shares, means and log-densities of all components, each (component, n)."""
    x = rows[["p", "q"]].to_numpy()
    lines = (x @ v["a"].T + v["b"]).T
    means = np.array([*(own for own, _ in ahead), *lines])
    sds = np.array([*(sd for _, sd in ahead), *np.sqrt(v["nu"])])
    density = stats.norm.logpdf(rows["y"].to_numpy(), means, sds[:, None])
    return softmax(scores, axis=0), means, sds, density


def of_experts(v, rows):
    x = rows[["p", "q"]].to_numpy()
    scores = np.vstack([(x @ v["beta"].T + v["tau"]).T, np.zeros(len(x))])
    return by_hand(v, rows, scores)


def of_prompts(v, rows):
    x = rows[["p", "q"]].to_numpy()
    scores = np.vstack([np.zeros(len(x)), (x @ v["beta"].T + v["tau"]).T])
    return by_hand(v, rows, scores, [(rows["f0"].to_numpy(), 0.4)])


@pytest.mark.parametrize("name", ["experts", "prompts"])
def test_every_component_is_the_mixtures_own(name, table, request):
    tree, rows = request.getfixturevalue(name), table.iloc[NEW]
    v = {key: own.to_numpy() for key, own in tree["point_estimate"].to_dataset().items()}
    shares, means, sds, density = (of_experts if name == "experts" else of_prompts)(v, rows)
    found = predict(tree, rows, draws=20_000)
    joint = np.log(shares) + density
    np.testing.assert_allclose(found["shares"], shares.T, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(found["means"], means.T, rtol=1e-9)
    np.testing.assert_allclose(found["mean"], np.sum(shares * means, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["log_score"], logsumexp(joint, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["responsibilities"], softmax(joint, axis=0).T, atol=1e-9)
    for row in range(3):

        def below(y, row=row):
            return np.sum(shares[:, row] * stats.norm.cdf(y, means[:, row], sds))

        for end, level in (("lower", 0.05), ("upper", 0.95)):
            # Twenty thousand draws: the level of their quantile is known to .0015.
            assert below(float(found[end][row])) == pytest.approx(level, abs=0.0093)
            exact = brentq(lambda y, level=level: below(y) - level, -20.0, 20.0)
            assert abs(float(found[end][row]) - exact) < 0.5
    if name == "experts":
        names = ["expert 0", "expert 1", "expert 2"]
        assert not {"share", "responsibility", "frozen_log_score", "prompt_mean"} & set(found)
    else:
        names = ["frozen", "prompt 0", "prompt 1"]
        own = shares[1:] / shares[1:].sum(axis=0)
        np.testing.assert_allclose(found["prompt_mean"], np.sum(own * means[1:], axis=0), rtol=1e-9)
        np.testing.assert_allclose(found["share"], 1.0 - shares[0], rtol=1e-9)
        np.testing.assert_allclose(found["frozen_log_score"], density[0], rtol=1e-9)
    assert found["component"].to_numpy().tolist() == names
    columns = as_columns(found)
    np.testing.assert_array_equal(columns[f"shares_{names[1]}"], found["shares"][:, 1])
    assert {"mean", "lower", "upper", "log_score"} <= set(columns)


@pytest.mark.parametrize("name", ["experts", "prompts"])
def test_draws_are_averaged_by_their_shares(name, table, request):
    tree, draws = drawn(request.getfixturevalue(name))
    rows = table.iloc[NEW]
    each = [(of_experts if name == "experts" else of_prompts)(v, rows) for v in draws]
    shares, means = (np.array([own[place] for own in each]) for place in (0, 1))
    joint = np.log(shares) + np.array([own[3] for own in each])
    found = predict(tree, rows, draws=30)
    np.testing.assert_allclose(found["shares"], shares.mean(axis=0).T, rtol=1e-9)
    low, high = np.quantile(shares, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(found["shares_lower"], low.T, rtol=1e-9)
    np.testing.assert_allclose(found["shares_upper"], high.T, rtol=1e-9)
    np.testing.assert_allclose(
        found["mean"], np.sum(shares * means, axis=1).mean(axis=0), rtol=1e-9
    )
    own = np.sum(shares * means, axis=0) / shares.sum(axis=0)
    first = 0 if name == "experts" else 1
    np.testing.assert_allclose(found["means"][:, first:], own.T[:, first:], rtol=1e-9)
    wanted = logsumexp(joint, axis=(0, 1)) - np.log(3)
    np.testing.assert_allclose(found["log_score"], wanted, rtol=1e-9)
    np.testing.assert_allclose(
        found["responsibilities"], softmax(joint, axis=1).mean(axis=0).T, atol=1e-9
    )


def test_intervals_of_experts_are_calibrated(experts, table):
    held = table.iloc[200:]
    found = predict(experts, table.iloc[:200], calibrate=held[["p", "q", "y"]])
    y = table["y"].iloc[:200]
    inside = (found["conformal_lower"] <= y) & (y <= found["conformal_upper"])
    # 100 rows calibrate: 0.9, to four standard errors of both.
    assert abs(float(inside.mean()) - 0.9) < 4 * np.sqrt(0.09 * (1 / 100 + 1 / 200))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variant": "softmax_gaussian_moe", "frozen": lambda x: x["p"]}, "leave frozen out"),
        ({}, "frozen is missing"),
        ({"variant": "softmax_gaussian_moe", "prompts": 2}, "give --experts"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(table, options, words):
    with pytest.raises(InputError, match=words):
        fit(table, y="y", **options)


def test_a_single_expert_is_no_mixture(table):
    alone = fit(table[["p", "y"]], y="y", variant="softmax_gaussian_moe", experts=1, starts=4)
    with pytest.raises(InputError, match="of one expert"):
        predict(alone)
