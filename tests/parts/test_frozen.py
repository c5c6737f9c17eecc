"""The frozen expert: the same density however it is stated, and clear words when it is not one."""

import numpy as np
import pandas as pd
import pytest

from bayes_cmoe import (
    Data,
    InputError,
    frozen_expert,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
    variant_named,
)
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.parts.frozen import Frozen
from tests import reference

RNG = np.random.default_rng(12)
X = RNG.standard_normal((15, 2))
ETA = {"a": np.array([0.7, -0.4]), "b": np.asarray(0.2)}
LABELS = np.arange(15.0) % 3
CLASS_ETA = {"a": RNG.standard_normal((2, 2)), "b": np.array([0.3, -0.1])}
THETA = {"lam": 0.4, "a": np.array([0.1, 0.9]), "b": -0.3, "nu": 0.6}
CLASS_THETA = {"lam": 0.4, "a": -CLASS_ETA["a"], "b": np.zeros(2)}


def row_log_density(frozen: Frozen, *, classes: int | None = None) -> np.ndarray:
    y = np.sin(np.arange(15.0)) if classes is None else LABELS
    options = {} if classes is None else {"gate": "constant", "expert": "linear"}
    variant = "constant_contaminated" if classes is None else "multinomial_contaminated"
    model = variant_named(variant).build(Data(X, y, classes=classes), frozen=frozen, **options)
    likelihood = Likelihood(model)
    theta = likelihood.layout.ravel(THETA if classes is None else CLASS_THETA)
    return likelihood.logp(theta, likelihood.rows(columns_of(model)))


@pytest.mark.parametrize(
    ("family", "df"), [("gaussian", None), ("laplace", None), ("student_t", 4.0)]
)
def test_three_ways_to_state_a_scalar_density(family: str, df: float | None) -> None:
    mean = reference.mean("tanh", X, ETA)
    y = np.sin(np.arange(15.0))
    columns = {"response": y, "frozen_mean": mean, "frozen_scale": 0.8, "frozen_df": df}
    ways = [
        frozen_expert(family, "tanh", ETA, scale=0.8, df=df),
        frozen_predictions(family, mean, 0.8, df),
        frozen_log_density(reference.frozen_log_density(family, columns)),
    ]
    first, *others = [row_log_density(way) for way in ways]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-12, atol=1e-13)


def test_three_ways_to_state_class_probabilities() -> None:
    logits = reference.mean("linear", X, CLASS_ETA)
    labels = [np.full(15, float(k)) for k in range(3)]
    log_probs = np.stack([reference.multinomial(logits, y) for y in labels], axis=1)
    ways = [
        frozen_expert("multinomial_logistic", "linear", CLASS_ETA),
        frozen_probabilities(np.exp(log_probs)),
        frozen_log_density(reference.multinomial(logits, LABELS)),
    ]
    first, *others = [row_log_density(way, classes=3) for way in ways]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-12, atol=1e-13)


def test_an_expert_is_known_at_any_inputs_and_predictions_only_at_their_own() -> None:
    known = frozen_expert("laplace", "linear", ETA, scale=2.0)
    for n in (1, 4, 15):
        columns = known.columns(X[:n])
        np.testing.assert_allclose(columns["frozen_mean"], X[:n] @ ETA["a"] + 0.2, rtol=1e-14)
        np.testing.assert_array_equal(columns["frozen_scale"], np.full(n, 2.0))
    with pytest.raises(InputError, match="frozen_mean has 15 rows and the data 4"):
        frozen_predictions("gaussian", np.zeros(15), 1.0).columns(X[:4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gausian", [0.0], 1.0), "did you mean 'gaussian'"),
        (("multinomial_logistic", [0.0], 1.0), "known: gaussian, laplace, student_t"),
        (("gaussian", [0.0, np.nan], 1.0), "frozen_mean is not finite in row 1"),
        (("gaussian", [0.0, 0.0], [1.0, 0.0]), "frozen_scale is not positive in row 1"),
        (("gaussian", [0.0, 0.0], [-1.0, 1.0]), "frozen_scale is not positive in row 0"),
        (("laplace", [0.0], [np.inf]), "frozen_scale is not finite in row 0"),
        (("laplace", [0.0], 1.0, 3.0), "no degrees of freedom"),
        (("student_t", [0.0], 1.0), "needs its degrees of freedom"),
        (("student_t", [0.0], 1.0, 0.0), "frozen_df is not positive in row 0"),
        (("gaussian", [[0.0]], 1.0), "give one number for each row"),
    ],
)
def test_wrong_predictions_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        frozen_predictions(*arguments)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        ([0.5, 0.5], "give \\(n, classes\\)"),
        ([[1.0]], "give \\(n, classes\\)"),
        ([[0.5, 0.5], [0.7, 0.4]], "not summing to one in row 1"),
        ([[1.2, -0.2]], "negative or not a number in row 0"),
        ([[np.nan, 1.0]], "negative or not a number in row 0"),
        ([[np.inf, 1.0]], "not summing to one in row 0"),
    ],
)
def test_wrong_probabilities_are_refused(probs: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        frozen_probabilities(probs)


def test_rounded_probabilities_are_made_exact() -> None:
    probs = frozen_probabilities([[0.3333333, 0.3333333, 0.3333333]]).columns(np.zeros((1, 1)))
    np.testing.assert_allclose(probs["frozen_probs"].sum(axis=1), 1.0, rtol=1e-15)


def test_log_densities_must_be_numbers() -> None:
    for wrong in (np.nan, -np.inf):
        with pytest.raises(InputError, match="frozen_logp is not finite in row 2"):
            frozen_log_density([0.0, -1.0, wrong])


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("gaussian", {}, "frozen_scale of a frozen gaussian is None"),
        ("gaussian", {"scale": 0.0}, "give a positive number"),
        ("gaussian", {"scale": float("nan")}, "give a positive number"),
        ("gaussian", {"scale": 1.0, "df": 3.0}, "no degrees of freedom"),
        ("student_t", {"scale": 1.0}, "needs its degrees of freedom"),
        ("student_t", {"scale": 1.0, "df": -2.0}, "give a positive number"),
        ("multinomial_logistic", {"scale": 1.0}, "has no scale"),
        ("poisson", {"scale": 1.0}, "has no scale"),
        ("poison", {"scale": 1.0}, "did you mean .poisson."),
        ("categorical", {}, "unknown frozen family"),
    ],
)
def test_wrong_experts_are_refused(family: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        frozen_expert(family, "linear", ETA, **options)


def model_logp(x, y, frozen: Frozen, **options) -> np.ndarray:
    variant = "multinomial_contaminated" if options else "constant_contaminated"
    model = variant_named(variant).build(Data(x, y, **options), frozen=frozen)
    likelihood = Likelihood(model)
    start = np.full(likelihood.layout.size, 0.3)
    return likelihood.logp(start, likelihood.rows(columns_of(model)))


def test_arrays_changed_afterwards_do_not_change_the_model() -> None:
    """Each of the user's arrays: those of the data and those of the frozen expert."""
    given = {"x": X, "y": np.sin(np.arange(15.0)), "mean": X[:, 0], "scale": np.ones(15)}
    own = {name: array.copy() for name, array in given.items()}
    kept = {name: array.copy() for name, array in own.items()}
    frozen = frozen_predictions("laplace", own["mean"], own["scale"])
    data = Data(own["x"], own["y"])
    known = frozen_log_density(own["y"])
    for array in own.values():
        array += 5.0
    again = frozen_predictions("laplace", kept["mean"], kept["scale"])
    np.testing.assert_array_equal(
        model_logp(data.x, data.y, frozen), model_logp(kept["x"], kept["y"], again)
    )
    np.testing.assert_array_equal(known.columns(X)["frozen_logp"], kept["y"])
    for expert in (frozen, known, frozen_probabilities(np.full((15, 2), 0.5))):
        for column in expert.columns(X).values():
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 9.0


def test_an_expert_s_parameters_are_copied() -> None:
    slope = np.array([0.7, -0.4])
    expert = frozen_expert("gaussian", "linear", {"a": slope, "b": 0.2}, scale=1.0)
    before = expert.columns(X)["frozen_mean"]
    slope[:] = 9.0
    np.testing.assert_array_equal(expert.columns(X)["frozen_mean"], before)


@pytest.mark.parametrize(
    "make",
    [
        lambda wrong: frozen_predictions("gaussian", wrong([0.0, 1.0]), 1.0),
        lambda wrong: frozen_predictions("gaussian", [0.0, 1.0], wrong([0.5, 1.0])),
        lambda wrong: frozen_predictions("student_t", [0.0, 1.0], 1.0, wrong([0.5, 1.0])),
        lambda wrong: frozen_log_density(wrong([-1.0, -2.0])),
        lambda wrong: frozen_probabilities(wrong([[0.5, 0.5], [0.25, 0.75]])),
        lambda wrong: frozen_expert("gaussian", "tanh", {"a": wrong([1.0, 2.0]), "b": 0}, scale=1),
    ],
)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda values: np.ma.array(values, mask=np.array(values) == np.min(values)),
        lambda values: np.array(values).astype(str),
        lambda values: np.array(values) > 0.75,
        lambda values: np.array(values) * 1j,
        lambda values: np.array(values).astype("timedelta64[s]"),
        lambda values: np.array(values).astype(object),
    ],
    ids=["masked", "text", "truth", "complex", "time", "object"],
)
def test_frozen_columns_hold_numbers(make, wrong) -> None:
    with pytest.raises(InputError, match=r"masked in row|holds .* not numbers"):
        make(wrong)


def test_rows_are_never_paired_by_position_against_their_labels() -> None:
    order, other = [3, 1, 2], [1, 2, 3]
    x = pd.DataFrame({"a": [0.0, 1.0, 2.0]}, index=order)
    y = pd.Series([0.0, 1.0, 0.5], index=order)

    def column(labels: list[int]) -> pd.Series:
        return pd.Series([0.1, 0.2, 0.3], index=labels)

    for scale in (1.0, column(order), column(order).to_numpy()):
        model_logp(x, y, frozen_predictions("gaussian", column(order), scale))
    with pytest.raises(InputError, match="the frozen mean and the frozen scale label their rows"):
        frozen_predictions("gaussian", column(order), column(other))
    probs = pd.DataFrame({"p": [0.5] * 3, "q": [0.5] * 3}, index=other)
    for frozen, options in (
        (frozen_predictions("gaussian", column(other), 1.0), {}),
        (frozen_predictions("gaussian", [0.1, 0.2, 0.3], column(other)), {}),
        (frozen_log_density(-column(other)), {}),
        (frozen_probabilities(probs), {"classes": 2}),
    ):
        labels = y if not options else y.round()
        with pytest.raises(InputError, match="the data and the frozen columns label their rows"):
            model_logp(x, labels, frozen, **options)
        model_logp(x.to_numpy(), labels.to_numpy(), frozen, **options)


def test_a_class_label_s_log_probability_is_not_positive() -> None:
    labels = np.arange(15) % 2
    wrong = np.where(np.arange(15) == 4, 0.1, -1.0)
    with pytest.raises(InputError, match=r"frozen_logp is positive, .* in row 4"):
        model_logp(X, labels, frozen_log_density(wrong), classes=2)
    model_logp(X, labels, frozen_log_density(np.full(15, 1e-7)), classes=2)
    model_logp(X, np.sin(labels), frozen_log_density(np.full(15, 0.1)))


def test_a_scale_is_one_number() -> None:
    for wrong in ([1.0, 2.0], np.inf, True, "1"):
        with pytest.raises(InputError, match=r"give a positive number|not numbers"):
            frozen_expert("gaussian", "linear", ETA, scale=wrong)
