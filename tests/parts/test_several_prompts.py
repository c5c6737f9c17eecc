"""Several prompts beside the frozen expert, against NumPy and SciPy: density, gradient, draws."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray

from bayes_cmoe import Data, InputError, frozen_predictions, frozen_probabilities
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.parts.families import gaussian, laplace, multinomial_logistic
from bayes_cmoe.parts.gates import Gate, constant, softmax
from bayes_cmoe.parts.mixture import contaminated_model, mixture_of
from bayes_cmoe.parts.prior import Box
from bayes_cmoe.parts.rebuilt import with_fewer_prompts
from tests import reference

ROWS, FEATURES, CLASSES = 40, 2, 3
KINDS = ("gaussian", "class")
GATES = (constant, softmax)
STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
STEP = 1e-3


def point(gate: Gate, kind: str, prompts: int) -> dict[str, NDArray]:
    """Parameters with the prompts' axis in front, also of one prompt."""
    rng = np.random.default_rng([prompts, len(gate.name), len(kind)])
    theta = (
        {"lam": rng.uniform(0.1, 0.6, prompts)}
        if gate is constant
        else {"beta": rng.uniform(-1, 1, (prompts, FEATURES)), "tau": rng.uniform(-1, 1, prompts)}
    )
    front = () if kind == "gaussian" else (CLASSES - 1,)
    theta["a"] = rng.uniform(-1.5, 1.5, (prompts, *front, FEATURES))
    theta["b"] = rng.uniform(-1.0, 1.0, (prompts, *front))
    if kind == "gaussian":
        theta["nu"] = rng.uniform(0.3, 1.5, prompts)
    return theta


def parts_of(kind: str, rows: int = ROWS) -> tuple[Data, Any, dict[str, NDArray]]:
    """Data, the frozen expert, and the columns as the reference reads them."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal((rows, FEATURES))
    if kind == "gaussian":
        y, mean = rng.normal(0.0, 1.5, rows), np.cos(x[:, 0])
        columns = {"frozen_mean": mean, "frozen_scale": np.full(rows, 0.7)}
        data, frozen = Data(x, y), frozen_predictions("laplace", mean=mean, scale=0.7)
    else:
        y, probs = np.arange(rows) % CLASSES, rng.dirichlet(np.ones(CLASSES), rows)
        columns = {"frozen_probs": probs}
        data, frozen = Data(x, y, classes=CLASSES), frozen_probabilities(probs)
    return data, frozen, {"x": x, "response": np.asarray(y, dtype=float), **columns}


def model_of(gate: Gate, kind: str, prompts: int, prior: Any = "weak") -> pm.Model:
    data, frozen, _ = parts_of(kind)
    family = gaussian if kind == "gaussian" else multinomial_logistic
    return contaminated_model(
        data, frozen=frozen, gate=gate, expert="tanh", prior=prior, prompt=family, prompts=prompts
    )


def own_shape(theta: dict[str, NDArray], prompts: int) -> dict[str, NDArray]:
    """As the model has it: without the prompts' axis where there is one."""
    return theta if prompts > 1 else reference.one_prompt(theta, 0)


def log_density(kind: str, theta: dict[str, NDArray], columns: dict[str, NDArray]) -> NDArray:
    family = "laplace" if kind == "gaussian" else "categorical"
    return reference.contaminated("tanh", family, theta, columns)


@pytest.mark.parametrize("prompts", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_density_and_gradient_are_those_of_scipy(gate: Gate, kind: str, prompts: int) -> None:
    model, columns = model_of(gate, kind, prompts), parts_of(kind)[2]
    likelihood = Likelihood(model)
    layout, theta = likelihood.layout, point(gate, kind, prompts)
    rows = likelihood.rows(columns_of(model))
    vector = layout.ravel(own_shape(theta, prompts))
    expected = log_density(kind, theta, columns)
    np.testing.assert_allclose(likelihood.logp(vector, rows), expected, rtol=1e-12, atol=1e-13)

    def total(at: NDArray) -> float:
        named = layout.unravel(at)
        lifted = named if prompts > 1 else {name: value[None] for name, value in named.items()}
        return float(np.sum(log_density(kind, lifted, columns)))

    numeric = [
        sum(w * total(vector + k * STEP * unit) for k, w in STENCIL) / STEP
        for unit in np.eye(layout.size)
    ]
    value, gradient = likelihood.value_and_gradient(vector, rows)
    np.testing.assert_allclose(value, total(vector), rtol=1e-12)
    # Truncation STEP^4 |f^(5)| / 30, and rounding 1e-15 |f| / STEP.
    np.testing.assert_allclose(gradient, numeric, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_one_prompt_is_the_two_component_mixture_to_the_bit(gate: Gate) -> None:
    """Its graph is logaddexp of the two parts, in that order, with no axis of prompts."""
    model = model_of(gate, "gaussian", 1)
    theta = reference.one_prompt(point(gate, "gaussian", 1), 0)
    x, named = model["x"], {name: model[name] for name in theta}
    (response,) = model.observed_RVs
    y = model.rvs_to_values[response]
    if gate is constant:
        stay, move = pt.log1p(-named["lam"]), pt.log(named["lam"])
    else:
        score = x @ named["beta"] + named["tau"]
        stay, move = -pt.softplus(score), -pt.softplus(-score)
    location = pt.tanh(x @ named["a"].T + named["b"])
    before = pt.logaddexp(
        stay + laplace.logp(y, model["frozen_mean"], model["frozen_scale"]),
        move + gaussian.logp(y, location, named["nu"]),
    )
    both = pytensor.function(
        list(named.values()), [pm.logp(response, y), before], mode="FAST_COMPILE"
    )
    now, then = both(*theta.values())
    np.testing.assert_array_equal(now, then)
    assert "prompt" not in model.coords


DRAWS = 40_000


@pytest.mark.parametrize("prompts", [1, 2, 3])
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_components_are_drawn_with_their_frequencies_and_moments(gate: Gate, prompts: int) -> None:
    """Prompts far apart: each draw says where it came from; moments within five standard errors."""
    model = model_of(gate, "gaussian", prompts)
    simulator = Simulator(model)
    theta = point(gate, "gaussian", prompts)
    # h = tanh(b) + 0 x lies within 1 of zero, and so does the frozen mean: spread them by b alone.
    theta["a"] = np.zeros_like(theta["a"])
    theta["b"] = np.linspace(-1.5, 1.5, prompts) if prompts > 1 else np.array([1.5])
    theta["nu"] = np.linspace(1e-4, 3e-4, prompts)
    x = np.tile([[0.3, -0.4]], (DRAWS, 1))
    columns = {"x": x, "frozen_mean": np.full(DRAWS, 20.0), "frozen_scale": np.full(DRAWS, 0.1)}
    vector = simulator.layout.ravel(own_shape(theta, prompts))
    y = simulator.draw(vector, columns, np.random.default_rng(3))
    means = np.concatenate([[20.0], np.tanh(theta["b"])])
    variances = np.concatenate([[2 * 0.1**2], theta["nu"]])
    owner = np.argmin(np.abs(y[:, None] - means), axis=1)
    shares = np.exp(reference.component_log_weights(x[:1], theta))[:, 0]
    assert shares.sum() == pytest.approx(1.0, rel=1e-12)
    counts = np.bincount(owner, minlength=1 + prompts)
    error = np.sqrt(DRAWS * shares * (1 - shares))
    assert (np.abs(counts - DRAWS * shares) < 5 * error).all()
    kurtosis = np.array([6.0, *[3.0] * prompts])
    for j, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        own = y[owner == j]
        assert abs(own.mean() - mean) < 5 * np.sqrt(variance / len(own))
        spread = variance * np.sqrt((kurtosis[j] - 1) / len(own))
        assert abs(own.var() - variance) < 5 * spread
        alone = simulator.draw(vector, columns, np.random.default_rng(4), j)
        assert abs(alone.mean() - mean) < 5 * np.sqrt(variance / DRAWS)
    assert simulator.components == 1 + prompts


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_classes_are_drawn_with_the_mixtures_probabilities(gate: Gate) -> None:
    prompts = 3
    simulator = Simulator(model_of(gate, "class", prompts))
    theta = point(gate, "class", prompts)
    x, probs = np.tile([[0.7, -1.1]], (DRAWS, 1)), np.array([0.7, 0.2, 0.1])
    columns = {"x": x, "frozen_probs": np.tile(probs, (DRAWS, 1))}
    y = simulator.draw(simulator.layout.ravel(theta), columns, np.random.default_rng(5))
    rows = {
        "x": x[:CLASSES],
        "response": np.arange(float(CLASSES)),
        "frozen_probs": np.tile(probs, (CLASSES, 1)),
    }
    expected = np.exp(log_density("class", theta, rows))
    assert expected.sum() == pytest.approx(1.0, rel=1e-12)
    error = np.sqrt(DRAWS * expected * (1 - expected))
    assert (np.abs(np.bincount(y.astype(int)) - DRAWS * expected) < 5 * error).all()


def test_a_stick_is_broken_and_mended() -> None:
    lam = np.random.default_rng(0).uniform(0.0, 1.0, (50, 4))
    shares = constant.atoms({"lam": lam})["lam"]
    for own, broken in zip(lam, shares, strict=True):
        expected = [p * np.prod(1 - own[:j]) for j, p in enumerate(own)]
        np.testing.assert_allclose(broken, expected, rtol=1e-14)
    np.testing.assert_allclose(constant.stuck({"lam": shares})["lam"], lam, rtol=1e-9)
    nothing = constant.stuck({"lam": np.array([1.0, 0.0])})["lam"]
    np.testing.assert_array_equal(nothing, [1.0, 0.0])


def test_a_model_with_one_prompt_less_is_that_model() -> None:
    """Same density, same prior, down to one prompt; a prior of each prompt's own has no less."""
    three = model_of(softmax, "gaussian", 3, "flat")
    two = with_fewer_prompts(three)
    assert two is not None
    built = model_of(softmax, "gaussian", 2, "flat")
    assert mixture_of(two).prompts == 2
    theta = point(softmax, "gaussian", 2)
    found, expected = Posterior(two), Posterior(built)
    vector = found.layout.ravel(theta)
    np.testing.assert_array_equal(found.lower, expected.lower)
    np.testing.assert_array_equal(found.upper, expected.upper)
    rows = found.rows()
    np.testing.assert_array_equal(
        found.likelihood.logp(vector, rows), expected.likelihood.logp(vector, rows)
    )
    one = with_fewer_prompts(two)
    assert one is not None
    assert with_fewer_prompts(one) is None
    own = {"nu": Box((0.1, 0.2), (1.0, 2.0))}
    assert with_fewer_prompts(model_of(softmax, "gaussian", 2, own)) is None
    every = {"a": Box((-1.0, -2.0), (1.0, 2.0))}
    assert with_fewer_prompts(model_of(softmax, "gaussian", 2, every)) is not None


@pytest.mark.parametrize("prompts", [0, -1, 1.5])
def test_a_number_of_prompts_that_is_none_is_refused(prompts: float) -> None:
    with pytest.raises(InputError, match="give a whole number from 1"):
        model_of(softmax, "gaussian", prompts)
