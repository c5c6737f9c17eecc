"""Expected information of single rows against quadrature of densities written here."""

import numpy as np
import pytest
from scipy.integrate import quad_vec
from scipy.special import softmax
from scipy.stats import norm, poisson

from bayes_cmoe import (
    Data,
    InputError,
    contaminated_variant,
    frozen_arguments,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
    variant_named,
)
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.theory.expected import row_information, weighted_scores
from bayes_cmoe.theory.scores import Scores

X = np.array([[-1.0], [0.3], [2.5], [0.3]])
F0 = np.array([1.0, -0.5, 4.0, -0.5])
SCALE = np.array([0.4, 1.0, 0.2, 1.0])
THETA = {"beta": [0.7], "tau": -0.4, "a": [-1.2], "b": 0.5, "nu": 0.3}
STEP = 1e-5


def derivatives(density, theta):
    """Central differences of a density in each entry of theta."""
    columns = []
    for i in range(len(theta)):
        ends = [theta.copy(), theta.copy()]
        ends[0][i] -= STEP
        ends[1][i] += STEP
        columns.append((density(ends[1]) - density(ends[0])) / (2.0 * STEP))
    return np.array(columns)


def outer(density, theta):
    """s s' p = dp dp' / p."""
    p, moved = density(theta), derivatives(density, theta)
    return np.outer(moved, moved) / p if p > 0 else np.zeros((len(theta), len(theta)))


def mixture(row, y, frozen):
    def density(theta):
        beta, tau, slope, intercept, variance = theta
        share = 1.0 / (1.0 + np.exp(-(beta * X[row, 0] + tau)))
        prompt = norm.pdf(y, slope * X[row, 0] + intercept, variance**0.5)
        return (1.0 - share) * frozen(row, y) + share * prompt

    return density


FAMILIES = {
    "gaussian": lambda row, y: norm.pdf(y, F0[row], SCALE[row]),
    "laplace": lambda row, y: np.exp(-abs(y - F0[row]) / SCALE[row]) / (2.0 * SCALE[row]),
}


def engine_of(frozen, y=None, variant="softmax_contaminated", **parts):
    data = Data(X, np.zeros(len(X)) if y is None else y, classes=parts.pop("classes", None))
    model = variant_named(variant).build(data, frozen=frozen, prior="flat", expert="linear")
    return Scores(model), columns_of(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_number(family):
    engine, columns = engine_of(frozen_predictions(family, F0, SCALE))
    theta = engine.layout.ravel(THETA)
    found = row_information(engine, theta, columns, None)
    assert found.shape == (4, 5, 5)
    for row in range(3):
        centers = sorted([F0[row], -1.2 * X[row, 0] + 0.5])
        wanted, _ = quad_vec(
            lambda y, row=row: outer(mixture(row, y, FAMILIES[family]), theta),
            centers[0] - 25.0, centers[1] + 25.0, points=centers, epsrel=1e-8,
        )  # fmt: skip
        # Gauss' rule misses a Laplace's kink by the square of a panel's width.
        scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
        np.testing.assert_allclose(found[row] / scale, wanted / scale, atol=1e-3)
        if family == "gaussian":
            np.testing.assert_allclose(found[row] / scale, wanted / scale, atol=5e-6)


def test_equal_rows_tell_the_same_and_permuted_ones_their_own():
    engine, columns = engine_of(frozen_predictions("gaussian", F0, SCALE))
    theta = engine.layout.ravel(THETA)
    found = row_information(engine, theta, columns, None)
    np.testing.assert_array_equal(found[1], found[3])
    order = [2, 3, 0, 1]
    moved = {name: column[order] for name, column in columns.items()}
    np.testing.assert_array_equal(row_information(engine, theta, moved, None), found[order])


def test_half_the_panels_find_the_same():
    engine, columns = engine_of(frozen_predictions("student_t", F0, SCALE, 4.0))
    theta = engine.layout.ravel(THETA)
    few, many = (
        np.concatenate(
            [
                np.einsum("rki,rkj->rij", part, part)
                for part in weighted_scores(engine, theta, columns, None, panels=panels)
            ]
        )
        for panels in (8, 16)
    )
    size = np.sqrt(np.einsum("rii->ri", many))
    scaled = (few - many) / (size[:, :, None] * size[:, None, :])
    np.testing.assert_allclose(scaled, 0.0, atol=1e-3)
    assert np.max(np.abs(scaled)) > 1e-9


def test_classes():
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    data = Data(X, [0, 1, 2, 0], classes=3)
    model = variant_named("multinomial_contaminated").build(
        data, frozen=frozen_probabilities(probs), gate="constant", prior="flat"
    )
    engine = Scores(model)
    theta = engine.layout.ravel({"lam": 0.3, "a": [[1.0], [-0.5]], "b": [0.2, 0.0]})

    def density(row, k):
        def at(theta):
            lam, slopes, intercepts = theta[0], theta[1:3], theta[3:5]
            logits = np.append(slopes * X[row, 0] + intercepts, 0.0)
            return (1.0 - lam) * probs[row, k] + lam * softmax(logits)[k]

        return at

    found = row_information(engine, theta, columns_of(model), 3)
    for row in range(4):
        wanted = sum(outer(density(row, k), theta) for k in range(3))
        np.testing.assert_allclose(found[row], wanted, rtol=1e-6, atol=1e-9)


def test_counts():
    variant = contaminated_variant(
        "counts", title="counts", source="none", gates=["constant"], expert="linear",
        family="poisson",
    )  # fmt: skip
    log_rate = np.array([0.5, 1.0, -1.0, 1.0])
    frozen = frozen_arguments("poisson", log_rate=log_rate)
    model = variant.build(Data(X, [1.0, 2.0, 0.0, 4.0]), frozen=frozen, prior="flat")
    engine = Scores(model)
    theta = engine.layout.ravel({"lam": 0.3, "a": [0.8], "b": 0.6})

    def density(row, y):
        def at(theta):
            rate = np.exp(theta[1] * X[row, 0] + theta[2])
            return (1.0 - theta[0]) * poisson.pmf(y, np.exp(log_rate[row])) + theta[
                0
            ] * poisson.pmf(y, rate)

        return at

    found = row_information(engine, theta, columns_of(model), None)
    for row in range(4):
        wanted = sum(outer(density(row, y), theta) for y in range(150))
        np.testing.assert_allclose(found[row], wanted, rtol=1e-6, atol=1e-9)
    far = engine.layout.ravel({"lam": 0.3, "a": [0.8], "b": 16.0})
    with pytest.raises(InputError, match="larger units"):
        row_information(engine, far, columns_of(model), None)


def test_log_densities_alone_say_nothing_of_another_response():
    engine, columns = engine_of(frozen_log_density(np.full(4, -1.0)))
    theta = engine.layout.ravel(THETA)
    with pytest.raises(InputError, match="its predictions or probabilities"):
        row_information(engine, theta, columns, None)
