"""Predictions against SciPy's own mixture at the fit's numbers."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, softmax

from bayes_cmoe import predict
from bayes_cmoe.errors import InputError
from bayes_cmoe.front import predicted
from bayes_cmoe.front.conformal import conformal_quantile

NEW = slice(0, 60)


def values(group, index=None):
    chosen = group if index is None else group.isel(chain=index[0], draw=index[1])
    return {str(name): chosen[name].to_numpy() for name in chosen.data_vars}


def by_hand(v, table):
    """Share, both means, log f0 and log f of rows under a softmax gate and a linear prompt."""
    x = table[["p", "q"]].to_numpy()
    share = expit(x @ v["beta"] + v["tau"])
    mean = x @ v["a"] + v["b"]
    sd = np.sqrt(v["nu"])
    frozen = stats.norm.logpdf(table["y"], table["f0"], table["s0"])
    return share, mean, sd, frozen, stats.norm.logpdf(table["y"], mean, sd)


def test_a_point_estimate_predicts_by_its_own_mixture(measured, number_fit):
    table = measured.iloc[NEW]
    found = predict(number_fit, table, draws=20_000)
    v = values(number_fit["point_estimate"].to_dataset())
    share, mean, sd, frozen, prompt = by_hand(v, table)
    np.testing.assert_allclose(found["share"], share, rtol=1e-10)
    np.testing.assert_allclose(found["prompt_mean"], mean, rtol=1e-10)
    np.testing.assert_allclose(found["mean"], (1 - share) * table["f0"] + share * mean, rtol=1e-9)
    joint = np.stack([np.log1p(-share) + frozen, np.log(share) + prompt])
    np.testing.assert_allclose(found["log_score"], logsumexp(joint, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["frozen_log_score"], frozen, rtol=1e-9)
    np.testing.assert_allclose(found["responsibility"], softmax(joint, axis=0)[1], atol=1e-9)
    # The ends of the interval, by inverting the distribution function.
    for row in range(5):
        f0, s0, pi = table["f0"].iloc[row], 0.4, share[row]

        def below(y, pi=pi, f0=f0, s0=s0, m=mean[row]):
            return (1 - pi) * stats.norm.cdf(y, f0, s0) + pi * stats.norm.cdf(y, m, sd)

        for name, level in (("lower", 0.05), ("upper", 0.95)):
            end = float(found[name][row])
            # Twenty thousand draws: the level of their quantile is known to .0015.
            assert below(end) == pytest.approx(level, abs=6 * np.sqrt(level * (1 - level) / 20_000))
            assert abs(end - brentq(lambda y, level=level: below(y) - level, -20.0, 20.0)) < 0.3


@pytest.mark.parametrize("kind", ["number", "class"])
def test_many_rows_are_predicted_in_parts(kind, request, monkeypatch):
    """Parts of seven rows, whose draws are all in memory at a time, say what the whole says."""
    if kind == "number":
        tree, table = (
            request.getfixturevalue("number_posterior"),
            request.getfixturevalue("measured"),
        )
        given = {}
    else:
        table, model = request.getfixturevalue("sorted_animals")
        tree, given = request.getfixturevalue("class_fit"), {"frozen": model}
    draws, rows = 12, 7
    monkeypatch.setattr(predicted, "BLOCK", rows)
    whole = predict(tree, table.iloc[:40], draws=draws, **given)
    most = []

    class Watched(predicted.Components):
        def at(self, theta, rows=None):
            most.append(rows.n)
            return super().at(theta, rows)

    monkeypatch.setattr(predicted, "Components", Watched)
    used = len(tree["posterior"].to_dataset().stack(s=("chain", "draw"))["s"])
    monkeypatch.setattr(predicted, "CELLS", rows * min(draws, used))
    xr.testing.assert_allclose(
        predict(tree, table.iloc[:40], draws=draws, **given), whole, rtol=1e-12
    )
    assert set(most) == {rows, 40 % rows}


def test_a_posterior_is_averaged(measured, number_posterior):
    table = measured.iloc[:20]
    found = predict(number_posterior, table, draws=200)
    group = number_posterior["posterior"].to_dataset()
    each = [
        by_hand(values(group, (chain, draw)), table)
        for chain in range(group.sizes["chain"])
        for draw in range(group.sizes["draw"])
    ]
    share = np.array([own[0] for own in each])
    joint = np.array(
        [[np.log1p(-s) + frozen, np.log(s) + prompt] for s, _, _, frozen, prompt in each]
    )
    np.testing.assert_allclose(found["share"], share.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["share_lower"], np.quantile(share, 0.05, axis=0), rtol=1e-9)
    np.testing.assert_allclose(found["share_upper"], np.quantile(share, 0.95, axis=0), rtol=1e-9)
    density = logsumexp(joint, axis=1)
    np.testing.assert_allclose(
        found["log_score"], logsumexp(density, axis=0) - np.log(len(each)), rtol=1e-9
    )
    np.testing.assert_allclose(
        found["responsibility"], softmax(joint, axis=1)[:, 1].mean(axis=0), atol=1e-9
    )


def test_without_a_response_there_are_no_scores(measured, number_fit):
    found = predict(number_fit, measured.iloc[NEW].drop(columns="y"))
    assert not {"responsibility", "log_score", "frozen_log_score"} & set(found)
    with_it = predict(number_fit, measured.iloc[NEW].drop(columns="y"), y=measured["y"].iloc[NEW])
    assert {"responsibility", "log_score", "frozen_log_score"} <= set(with_it)


def test_without_a_table_the_fits_own_rows_are_predicted(measured, number_fit):
    np.testing.assert_array_equal(
        predict(number_fit)["log_score"], predict(number_fit, measured)["log_score"]
    )


def test_classes_have_probabilities_and_labels(sorted_animals, class_fit):
    table, model = sorted_animals
    rows = table.iloc[NEW]
    found = predict(class_fit, rows, frozen=model)
    v = values(class_fit["point_estimate"].to_dataset())
    x = rows[["p", "q"]].to_numpy()
    share = expit(x @ v["beta"] + v["tau"])
    logits = np.column_stack([x @ v["a"].T + v["b"], np.zeros(len(x))])
    prompt = softmax(logits, axis=1)
    expected = (1 - share)[:, None] * model.predict_proba(x) + share[:, None] * prompt
    np.testing.assert_allclose(found["probability"], expected, atol=1e-9)
    np.testing.assert_allclose(found["prompt_probability"], prompt, atol=1e-9)
    assert list(found["class"].to_numpy()) == ["cat", "dog", "eel"]
    np.testing.assert_array_equal(found["label"], model.classes_[expected.argmax(axis=1)])
    codes = {label: code for code, label in enumerate(model.classes_)}
    own = expected[np.arange(len(x)), rows["kind"].map(codes)]
    np.testing.assert_allclose(found["log_score"], np.log(own), atol=1e-9)


def test_a_frozen_model_is_to_be_given_again(sorted_animals, class_fit):
    table, _ = sorted_animals
    with pytest.raises(InputError, match="give it again as frozen="):
        predict(class_fit, table)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"level": 1.0}, "level 1"), ({"draws": 0}, "0 draws"), ({"y": "p0"}, "no column 'p0'")],
)
def test_bad_words_are_refused(measured, number_fit, options, words):
    with pytest.raises(InputError, match=words):
        predict(number_fit, measured, **options)


def test_columns_that_are_missing_are_named(measured, number_fit):
    with pytest.raises(InputError, match="no column 'f0'"):
        predict(number_fit, measured.drop(columns="f0"))
    with pytest.raises(InputError, match="no column 'q'"):
        predict(number_fit, measured.drop(columns="q"))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_conformal_ends_hold_whatever_the_model_is_worth(level):
    """Intervals that are far too narrow and off: the k-th of m + 1 exchangeable scores.

    A new response lies inside with probability k / (m + 1) exactly, whatever was predicted.
    """
    rng, m, times = np.random.default_rng(7), 39, 20_000
    found = xr.Dataset({"lower": ("obs", np.full(m, 3.0)), "upper": ("obs", np.full(m, 3.1))})
    responses = rng.standard_t(3, (times, m + 1))
    scores = np.array([conformal_quantile(found, y[:m], level).score for y in responses])
    ends = conformal_quantile(found, responses[0, :m], level).applied(found.isel(obs=[0]))
    assert float(ends["conformal_lower"][0]) == 3.0 - scores[0]
    assert float(ends["conformal_upper"][0]) == 3.1 + scores[0]
    new = responses[:, m]
    inside = np.sum((new >= 3.0 - scores) & (new <= 3.1 + scores))
    exact = np.ceil((m + 1) * level) / (m + 1)
    assert inside / times == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / times))


def test_conformal_sets_of_classes_hold_their_level(sorted_animals, class_fit):
    table, model = sorted_animals
    rng = np.random.default_rng(0)
    probs = rng.dirichlet(np.ones(3), 4000)
    # Labels of a law of their own: the probabilities are wrong, the sets hold all the same.
    codes = rng.choice(3, 4000, p=[0.7, 0.2, 0.1])
    found = xr.Dataset({"probability": (("obs", "class"), probs)})
    quantile = conformal_quantile(found.isel(obs=slice(2000)), codes[:2000].astype(float), 0.8)
    sets = quantile.applied(found.isel(obs=slice(2000, None)))["conformal_set"].to_numpy()
    held = sets[np.arange(2000), codes[2000:]].mean()
    assert held == pytest.approx(0.8, abs=4 * np.sqrt(2 * 0.16 / 2000))
    calibrated = predict(class_fit, table.iloc[:50], frozen=model, calibrate=table.iloc[50:])
    assert calibrated["conformal_set"].dims == ("obs", "class")


def test_too_few_rows_to_calibrate_on_are_refused(measured, number_fit):
    with pytest.raises(InputError, match=r"5 rows .* too few for the level 0.9: give 9"):
        predict(number_fit, measured, calibrate=measured.iloc[:5])
    with pytest.raises(InputError, match="lack the response 'y'"):
        predict(number_fit, measured, calibrate=measured.drop(columns="y"))


def test_conformal_intervals_are_those_of_the_scores(measured, number_fit):
    held = measured.iloc[100:]
    found = predict(number_fit, measured.iloc[:10], calibrate=held, level=0.8)
    plain = predict(number_fit, held, level=0.8)
    scores = np.maximum(
        plain["lower"].to_numpy() - held["y"], held["y"] - plain["upper"].to_numpy()
    )
    rank = int(np.ceil((len(held) + 1) * 0.8))
    expected = found["lower"] - np.sort(scores)[rank - 1]
    np.testing.assert_allclose(found["conformal_lower"], expected)
