"""The expert around the frozen one, log f0 + Ax, against NumPy and the linear expert."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, log_softmax, softmax

from bayes_cmoe import (
    Data,
    InputError,
    advise,
    fit,
    frozen_expert,
    frozen_predictions,
    frozen_probabilities,
    predict,
    variant_named,
)
from bayes_cmoe.compiled.likelihood import Likelihood

RNG = np.random.default_rng(8)
N = 200
X = RNG.normal(size=(N, 2))
# The frozen classifier's own logits, of three classes.
A0, B0 = np.array([[1.0, -0.5], [0.3, 0.8]]), np.array([0.2, -0.4])
LOGITS = X @ A0.T + B0
PROBS = softmax(np.column_stack([LOGITS, np.zeros(N)]), axis=1)
THETA = {
    "beta": np.array([0.7, -0.2]),
    "tau": np.array(-0.3),
    "a": np.array([[-1.0, 0.4], [0.5, 1.5]]),
    "b": np.array([0.6, -0.1]),
}
Y = RNG.integers(3, size=N)
VARIANT = variant_named("multinomial_contaminated")


def log_density(frozen, expert, theta):
    model = VARIANT.build(Data(X, Y, classes=3), frozen=frozen, expert=expert)
    likelihood = Likelihood(model)
    columns = {"x": X, "response": Y, **frozen.columns(X)}
    vector = likelihood.layout.ravel({name: theta[name] for name in likelihood.layout.names})
    return np.asarray(likelihood.logp(vector, likelihood.rows(columns)))


def by_hand(probs):
    share = expit(X @ THETA["beta"] + THETA["tau"])
    moved = np.column_stack([X @ THETA["a"].T + THETA["b"], np.zeros(N)])
    prompt = np.exp(log_softmax(np.log(np.maximum(probs, 1e-12)) + moved, axis=1))
    rows = np.arange(N), Y
    return np.log((1.0 - share) * probs[rows] + share * prompt[rows])


def test_the_prompt_is_the_frozen_law_tilted():
    found = log_density(frozen_probabilities(PROBS), "calibration", THETA)
    np.testing.assert_allclose(found, by_hand(PROBS), rtol=1e-11)


def test_a_class_that_f0_rules_out_can_be_learnt():
    certain = np.zeros((N, 3))
    certain[np.arange(N), (Y + 1) % 3] = 1.0
    found = log_density(frozen_probabilities(certain), "calibration", THETA)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, by_hand(certain), rtol=1e-9)


def test_logits_are_taken_as_they_are():
    f0 = frozen_expert("multinomial_logistic", "linear", {"a": A0, "b": B0})
    found = log_density(f0, "calibration", THETA)
    np.testing.assert_allclose(found, by_hand(PROBS), rtol=1e-11)


def test_numbers_and_plain_log_densities_have_no_logits():
    number = variant_named("softmax_contaminated")
    f0 = frozen_predictions("gaussian", mean=X[:, 0], scale=1.0)
    with pytest.raises(InputError, match="choose a variant of classes"):
        number.build(Data(X, Y.astype(float)), frozen=f0, expert="calibration")


def test_around_a_linear_classifier_it_needs_the_rows_of_a_linear_prompt():
    """log f0 + Ax is linear where log f0 is: the same law, so the same information."""
    table = pd.DataFrame(np.column_stack([X, PROBS]), columns=["p", "q", "f0", "f1", "f2"])
    options = {"x": ["p", "q"], "frozen": {"probs": ["f0", "f1", "f2"]}, "error": 0.5}
    around = advise(table, experts=["calibration"], truth=THETA, **options)
    plain = {**THETA, "a": THETA["a"] + A0, "b": THETA["b"] + B0}
    linear = advise(table, experts=["linear"], truth=plain, **options)
    for name in ("function", "share"):
        np.testing.assert_allclose(
            around["deviation"].sel(target=name).to_numpy(),
            linear["deviation"].sel(target=name).to_numpy(),
            rtol=1e-6,
        )
    assert bool(around["homogeneous"][0])


def test_it_is_looked_at_by_itself_beside_a_classifier_that_is_not_linear():
    bent = softmax(np.column_stack([np.sin(3 * X[:, :1]), X[:, 1:] ** 2, np.zeros(N)]), axis=1)
    table = pd.DataFrame(np.column_stack([X, bent]), columns=["p", "q", "f0", "f1", "f2"])
    options = {"x": ["p", "q"], "frozen": {"probs": ["f0", "f1", "f2"]}, "truths": 2}
    found = advise(table, **options)
    assert found.forms == ["linear", "tanh", "calibration"]
    homogeneous = found["homogeneous"].to_series()
    assert bool(homogeneous["calibration"])
    assert not homogeneous["linear"]


def test_a_fit_predicts_by_it():
    rng = np.random.default_rng(2)
    tilted = softmax(np.log(PROBS) + X[:, :1] * [3.0, 0.0, 0.0] + [0.0, 3.0, 0.0], axis=1)
    law = np.where((rng.random(N) < 0.6)[:, None], tilted, PROBS)
    label = (rng.random((N, 1)) > law.cumsum(axis=1)[:, :2]).sum(axis=1)
    table = pd.DataFrame(np.column_stack([X, PROBS]), columns=["p", "q", "f0", "f1", "f2"])
    table["kind"] = np.array(["cat", "dog", "eel"])[label]
    frozen = {"probs": {"cat": "f0", "dog": "f1", "eel": "f2"}}
    tree = fit(table, y="kind", x=["p", "q"], frozen=frozen, expert="calibration", starts=8)
    found = predict(tree, table.iloc[:30])
    v = {name: own.to_numpy() for name, own in tree["point_estimate"].to_dataset().items()}
    moved = np.column_stack([X @ v["a"].T + v["b"], np.zeros(N)])[:30]
    prompt = softmax(np.log(PROBS[:30]) + moved, axis=1)
    np.testing.assert_allclose(found["prompt_probability"], prompt, atol=1e-9)
