"""The compiled likelihood against SciPy, finite differences, quadrature and row arithmetic."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bayes_cmoe import Data, InputError, variant_named
from bayes_cmoe.compiled.blocks import BLOCK, CHUNK, FEW
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from tests import reference
from tests.table import CASES, REPRESENTATIVES, TABLE, Case, parameters

STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
STEP = 1e-3


@pytest.fixture(scope="module", params=parameters(TABLE))
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module", params=REPRESENTATIVES, ids=lambda case: case.name)
def representative(request: pytest.FixtureRequest) -> Case:
    return request.param


def test_row_log_density_is_scipys(case: Case) -> None:
    columns = case.columns(case.x, case.y)
    expected = case.reference(case.theta, columns)
    actual = case.likelihood.logp(case.vector, case.likelihood.rows(columns_of(case.model())))
    # A log-density near zero is only as accurate as the density: 1e-12 of one.
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13)


def test_gradient_is_that_of_the_reference(case: Case) -> None:
    columns = case.columns(case.x, case.y)
    layout = case.likelihood.layout

    def total(vector: NDArray) -> float:
        return float(np.sum(case.reference(layout.unravel(vector), columns)))

    point = case.vector
    numeric = [
        sum(w * total(point + k * STEP * unit) for k, w in STENCIL) / STEP
        for unit in np.eye(layout.size)
    ]
    value, gradient = case.likelihood.value_and_gradient(point, case.likelihood.rows(columns))
    np.testing.assert_allclose(value, total(point), rtol=1e-12)
    # Truncation STEP^4 |f^(5)| / 30, with |f^(5)| up to some 1e3, and rounding 1e-15 |f| / STEP.
    np.testing.assert_allclose(gradient, numeric, rtol=1e-8, atol=1e-8)


def test_density_is_normalised(case: Case) -> None:
    x = case.x[:3]
    if case.classes:
        rows = np.repeat(x, case.classes, axis=0)
        labels = np.tile(np.arange(case.classes, dtype=float), len(x))
        mass = np.exp(case.log_density(rows, labels)).reshape(len(x), case.classes).sum(axis=1)
        np.testing.assert_allclose(mass, 1.0, rtol=1e-13)
        return
    eta0 = case.frozen_columns(x, np.zeros(3)).get("frozen_mean", np.zeros(3))
    prompts = reference.mean(case.expert, x, case.theta)
    for row, kink, center in zip(x, eta0, prompts, strict=True):
        y, w = reference.real_line(np.unique(np.hstack([kink, center, -8.0, -3.0, 0.0, 3.0, 8.0])))
        density = np.exp(case.log_density(np.tile(row, (len(y), 1)), y))
        np.testing.assert_allclose(np.sum(w * density), 1.0, rtol=1e-10)


def test_tails_do_not_underflow() -> None:
    case = CASES["constant/linear/gaussian"]
    y = np.array([-1e6, -1e3, 1e3, 1e6])
    x = np.repeat(case.x[:1], 4, axis=0)
    expected = case.reference(case.theta, case.columns(x, y))
    actual = case.log_density(x, y)
    assert np.all(expected < -1e4)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
    rows = case.likelihood.rows(case.columns(x, y))
    assert np.all(np.isfinite(case.likelihood.scores(case.vector, rows)))


def test_extreme_gate_is_finite() -> None:
    case = CASES["softmax/tanh/gaussian"]
    rows = case.likelihood.rows(case.columns(case.x, case.y))
    for tau in (-700.0, -40.0, 40.0, 700.0):
        theta = case.theta | {"tau": np.asarray(tau)}
        vector = case.likelihood.layout.ravel(theta)
        value, gradient = case.likelihood.value_and_gradient(vector, rows)
        expected = case.reference(theta, case.columns(case.x, case.y)).sum()
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        assert np.all(np.isfinite(gradient))


def test_class_that_the_frozen_expert_rules_out() -> None:
    case = CASES["multinomial-constant/linear/categorical"]
    columns = case.columns(case.x, case.y)
    probs = np.zeros_like(columns["frozen_probs"])
    probs[:, 0] = 1.0
    columns = columns | {"frozen_probs": probs}
    value, gradient = case.likelihood.value_and_gradient(case.vector, case.likelihood.rows(columns))
    ruled_out = case.y != 0
    prompt = np.exp(reference.prompt_log_density(case.expert, case.theta, columns))
    lam = case.theta["lam"]
    expected = np.where(ruled_out, lam * prompt, 1 - lam + lam * prompt)
    np.testing.assert_allclose(value, np.log(expected).sum(), rtol=1e-12)
    assert np.all(np.isfinite(gradient))


def test_hessian_is_the_gradients_derivative(representative: Case) -> None:
    case = representative
    rows = case.likelihood.rows(case.columns(case.x, case.y))
    units = np.eye(case.likelihood.layout.size)

    def gradient(vector: NDArray) -> NDArray:
        return case.likelihood.value_and_gradient(vector, rows)[1]

    numeric = np.array(
        [sum(w * gradient(case.vector + k * STEP * u) for k, w in STENCIL) / STEP for u in units]
    )
    hessian = case.likelihood.hessian(case.vector, rows)
    np.testing.assert_allclose(hessian, numeric, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-12, atol=1e-12)


def test_scores_sum_to_the_gradient(representative: Case) -> None:
    case = representative
    rows = case.likelihood.rows(case.columns(case.x, case.y))
    scores = case.likelihood.scores(case.vector, rows)
    assert scores.shape == (case.data.n, case.likelihood.layout.size)
    _, gradient = case.likelihood.value_and_gradient(case.vector, rows)
    np.testing.assert_allclose(scores.sum(axis=0), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK, CHUNK + 1])
def test_every_row_counts_once_at_block_and_chunk_edges(n: int) -> None:
    case = REPRESENTATIVES[0]
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, case.x.shape[1]))
    columns = case.columns(x, rng.normal(0.0, 1.5, n))
    expected = case.reference(case.theta, columns)
    rows = case.likelihood.rows(columns)
    assert rows.n == n
    np.testing.assert_allclose(case.likelihood.logp(case.vector, rows), expected, rtol=1e-11)
    np.testing.assert_allclose(case.likelihood.value(case.vector, rows), expected.sum(), rtol=1e-12)
    value, gradient = case.likelihood.value_and_gradient(case.vector, rows)
    np.testing.assert_allclose(value, expected.sum(), rtol=1e-12)
    order = rng.permutation(n)
    mixed = case.likelihood.rows({name: column[order] for name, column in columns.items()})
    again = case.likelihood.value_and_gradient(case.vector, mixed)
    np.testing.assert_allclose(again[0], value, rtol=1e-12)
    # The gradient's terms cancel: rounding is relative to their number, not to their sum.
    np.testing.assert_allclose(again[1], gradient, rtol=1e-12, atol=1e-13 * n)


def test_new_data_do_not_compile_again(representative: Case) -> None:
    likelihood = Likelihood(representative.model())
    rng = np.random.default_rng(1)
    theta = likelihood.layout.ravel(representative.theta)
    for n in (3, 1000, 200_000):
        x = rng.standard_normal((n, representative.x.shape[1]))
        y = rng.integers(0, representative.classes or 3, n).astype(float)
        rows = likelihood.rows(representative.columns(x, y))
        likelihood.value(theta, rows)
        likelihood.value_and_gradient(theta + 0.001 * n**-0.5, rows)
        likelihood.logp(theta, rows)
        # Value, gradient, and rows' densities in arrays for few rows and for many.
        assert likelihood.compilations == (3 if n <= FEW else 4)


def test_rows_refuse_what_does_not_fit() -> None:
    likelihood = REPRESENTATIVES[0].likelihood
    case = REPRESENTATIVES[0]
    columns = case.columns(case.x, case.y)
    without = {name: column for name, column in columns.items() if name != "frozen_scale"}
    with pytest.raises(InputError, match="lack frozen_scale"):
        likelihood.rows(without)
    with pytest.raises(InputError, match="differ in length"):
        likelihood.rows(columns | {"response": case.y[:-1]})


def test_layout_names_every_entry() -> None:
    case = CASES["multinomial-softmax/tanh/multinomial_logistic"]
    layout = case.likelihood.layout
    assert layout.names == ("beta", "tau", "a", "b")
    assert len(layout.labels) == layout.size == case.vector.size
    back = layout.unravel(layout.ravel(case.theta))
    for name, value in case.theta.items():
        np.testing.assert_array_equal(back[name], value)
    with pytest.raises(InputError, match="the model's parameters are"):
        layout.ravel({"tau": 1.0})
    with pytest.raises(InputError, match="has shape"):
        layout.ravel(case.theta | {"tau": np.zeros(2)})


def test_model_without_one_response_is_refused() -> None:
    import pymc as pm

    with pm.Model() as model:
        pm.Normal("mu")
    with pytest.raises(InputError, match="0 observed variables"):
        Likelihood(model)


def test_feature_order_does_not_matter() -> None:
    """Relabelling features and slopes together leaves every row's log-density as it is."""
    rng = np.random.default_rng(5)
    variant = variant_named("softmax_contaminated")
    regime = variant.regime("distinguishable")
    data = Data(regime.draw_inputs(rng, 20), rng.standard_normal(20))
    model = variant.model(regime, data)
    likelihood = Likelihood(model)
    theta = {"beta": [0.3, -0.4], "tau": 0.1, "a": [0.5, 1.0], "nu": 0.7}
    columns = columns_of(model)
    swapped = theta | {"beta": [-0.4, 0.3], "a": [1.0, 0.5]}
    np.testing.assert_allclose(
        likelihood.logp(likelihood.layout.ravel(theta), likelihood.rows(columns)),
        likelihood.logp(
            likelihood.layout.ravel(swapped),
            likelihood.rows(columns | {"x": columns["x"][:, ::-1]}),
        ),
        rtol=1e-13,
    )
