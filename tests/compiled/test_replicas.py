"""Many responses side by side against the same ones alone, and scores against NumPy."""

import numpy as np
import pytest
from scipy.stats import laplace, norm

from bayes_cmoe import Data, frozen_predictions, variant_named
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.replicas import PAIRS, ROUNDED, Replicas
from tests import reference
from tests.estimate.studies import STUDIES

STUDY = STUDIES[0]
COUNT = 5
SHUT = 1e-9


@pytest.fixture(scope="module")
def replicas() -> Replicas:
    return Replicas(STUDY.posterior, Components(STUDY.model))


@pytest.fixture(scope="module")
def rows():
    """Inputs and columns of 1,300 rows, two blocks, and several responses at them."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1300, 1))
    frozen = variant_named(STUDY.variant).regime(STUDY.regime).frozen.columns(x)
    return {"x": x, **frozen}, rng.standard_normal((COUNT, 1300))


@pytest.fixture(scope="module")
def pairs():
    """As many pairs as need two calls, the last of them small."""
    rng = np.random.default_rng(4)
    count = PAIRS + 9
    truth = STUDY.posterior.layout.ravel(STUDY.truth)
    return truth * rng.uniform(0.7, 1.3, (count, len(truth))), rng.integers(COUNT, size=count)


def numpy_score(theta, columns, y) -> float:
    """S of a constant gate, by SciPy: the share is the same in every row and cancels."""
    _, slope, bias, nu = theta
    f0 = laplace.logpdf(y, columns["frozen_mean"], columns["frozen_scale"])
    f = norm.logpdf(y, np.tanh(slope * columns["x"][:, 0] + bias), np.sqrt(nu))
    g = np.exp(f - f0) - 1.0
    return g.sum() / np.sqrt(np.sum(g**2))


def test_likelihoods_are_those_of_each_response_alone(replicas, rows, pairs) -> None:
    columns, responses = rows
    theta, which = pairs
    table = replicas.table(columns, responses)
    values, gradients = replicas.log_density(theta, which, table)
    added, slopes = replicas.log_posterior(theta, which, table)
    box = np.array(STUDY.bounds)
    for i in range(0, len(theta), 8):
        own = {**columns, "response": responses[which[i]]}
        wanted = reference.contaminated(
            "tanh", "laplace", STUDY.posterior.layout.unravel(theta[i]), own
        ).sum()
        assert values[i] == pytest.approx(wanted, rel=1e-11)
        alone = STUDY.posterior.likelihood
        _, gradient = alone.value_and_gradient(theta[i], alone.rows(own))
        assert gradients[i] == pytest.approx(gradient, rel=1e-9, abs=1e-8)
    log_prior = -np.log(box[:, 1] - box[:, 0]).sum()
    np.testing.assert_allclose(added, values + log_prior, rtol=1e-12)
    np.testing.assert_allclose(slopes, gradients, rtol=1e-12)


def test_scores_are_numpys(replicas, rows, pairs) -> None:
    columns, responses = rows
    theta, which = pairs
    table = replicas.table(columns, responses)
    scores, gradients = replicas.score(theta, which, table)
    np.testing.assert_allclose(replicas.scores(theta, which, table), scores, rtol=1e-12)
    for i in range(0, len(theta), 8):
        y = responses[which[i]]
        assert scores[i] == pytest.approx(numpy_score(theta[i], columns, y), rel=1e-9)
        for j, step in enumerate(np.diag(1e-5 * np.abs(theta[i]))):
            ends = [numpy_score(theta[i] + sign * step, columns, y) for sign in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * step[j])
            # Central differences of a number of order ten, at a relative step of 1e-5.
            assert gradients[i, j] == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_scores_row_by_row_and_the_newton_step(replicas, rows) -> None:
    columns, responses = rows
    theta = STUDY.posterior.layout.ravel(STUDY.truth)
    shut = np.concatenate([[SHUT], theta[1:]])
    table = replicas.table(columns, responses)
    own = replicas.row_scores(np.stack([shut, shut * 1.1]), table)
    y = responses[0]
    f0 = laplace.logpdf(y, columns["frozen_mean"], columns["frozen_scale"])
    f = norm.logpdf(y, np.tanh(theta[1] * columns["x"][:, 0] + theta[2]), np.sqrt(theta[3]))
    g = SHUT * (np.exp(f - f0) - 1.0)
    assert own.shape == (2, 1300)
    np.testing.assert_allclose(own[0], g, rtol=1e-8, atol=1e-12 * SHUT)
    newton = replicas.newton_share(shut[None], np.zeros(1, dtype=int), table)
    assert newton[0] == pytest.approx(g.sum() / np.sum(g**2), rel=1e-9)


def test_a_gate_that_gives_no_row_a_share_scores_nothing() -> None:
    """A softmax gate whose log-odds run away: no division by nothing."""
    study = STUDIES[2]
    replicas = Replicas(study.posterior, Components(study.model))
    far = {**study.truth, "beta": np.zeros(2), "tau": -800.0}
    empty, which = study.posterior.layout.ravel(far)[None], np.zeros(1, dtype=int)
    columns = columns_of(study.model)
    table = replicas.table(columns, columns["response"][None])
    with np.errstate(divide="raise", invalid="raise"):
        score, gradient = replicas.score(empty, which, table)
        assert score == replicas.scores(empty, which, table) == [0.0]
        assert replicas.newton_share(empty, which, table) == [0.0]
    assert np.array_equal(gradient, np.zeros_like(empty))


def test_the_frozen_expert_alone(replicas, rows) -> None:
    columns, responses = rows
    table = replicas.table(columns, responses)
    found = replicas.frozen(STUDY.posterior.layout.ravel(STUDY.truth), table)
    wanted = laplace.logpdf(responses, columns["frozen_mean"], columns["frozen_scale"])
    np.testing.assert_allclose(found, wanted.sum(axis=1), rtol=1e-11)


@pytest.fixture(scope="module")
def gaussian():
    """A frozen expert that a prompt can equal."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((200, 1))
    mean = x[:, 0] + 0.3
    frozen = frozen_predictions("gaussian", mean=mean, scale=1.0)
    y = mean + rng.standard_normal(200)
    model = variant_named("constant_contaminated").build(
        Data(x, y), frozen=frozen, expert="linear", prior="flat"
    )
    return Replicas(Posterior(model), Components(model)), columns_of(model)


def test_a_prompt_equal_to_the_frozen_expert_scores_nothing(gaussian) -> None:
    replicas, columns = gaussian
    table = replicas.table(columns, columns["response"][None])
    same = np.array([[SHUT, 1.0, 0.3, 1.0]])
    # What rounding leaves of f/f0 - 1 is 1e-16 against a floor of 1e-8, summed over 200 rows.
    assert abs(replicas.scores(same, np.zeros(1, dtype=int), table)[0]) < 200 * 1e-15 / ROUNDED
    near = np.array([[SHUT, 1.0, 0.3 + 1e-5, 1.0]])
    z = columns["response"] - columns["frozen_mean"]
    # So near the score is that of the mean, sum z / sqrt(sum z²).
    assert replicas.scores(near, np.zeros(1, dtype=int), table)[0] == pytest.approx(
        z.sum() / np.sqrt(np.sum(z**2)), abs=1e-3
    )


def test_heavy_tails_do_not_run_away(gaussian) -> None:
    """A prompt of nine times the variance has no E[(f/f0)²]; one far response is one unit."""
    replicas, columns = gaussian
    y = columns["frozen_mean"].copy()
    y[7] += 40.0
    table = replicas.table(columns, y[None])
    heavy = np.array([[SHUT, 1.0, 0.3, 9.0]])
    assert replicas.scores(heavy, np.zeros(1, dtype=int), table)[0] == pytest.approx(1.0, abs=1e-6)
