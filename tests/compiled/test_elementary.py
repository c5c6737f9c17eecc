"""Functions with derivatives of their own, against NumPy and SciPy, far into the tails."""

from typing import Any

import jax
import numpy as np
import pytensor.tensor as pt
import pytest
from scipy.special import expit

from bayes_cmoe.compiled.elementary import NARROW, log_add_exp, softplus
from bayes_cmoe.compiled.private import jaxify, known_parts

TAILS = np.array(
    [-1e6, -745.0, -300.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 300.0, 745.0, 1e6]
)
# XLA takes what is below the smallest normal number for zero.
TINY = np.finfo(float).tiny
CLOSE = {"rtol": 1.6e-15, "atol": TINY}


def test_softplus_and_its_derivatives() -> None:
    np.testing.assert_allclose(softplus(TAILS), np.logaddexp(0.0, TAILS), **CLOSE)
    first, second = jax.grad(softplus), jax.grad(jax.grad(softplus))
    np.testing.assert_allclose(jax.vmap(first)(TAILS), expit(TAILS), **CLOSE)
    np.testing.assert_allclose(jax.vmap(second)(TAILS), expit(TAILS) * expit(-TAILS), **CLOSE)


@pytest.mark.parametrize("shift", [-1e6, 0.0, 3.0, 1e6])
def test_two_terms_and_their_derivatives(shift: float) -> None:
    a, b = TAILS + shift, np.full_like(TAILS, shift)
    np.testing.assert_allclose(log_add_exp(a, b), np.logaddexp(a, b), **CLOSE)
    slopes = jax.vmap(jax.grad(log_add_exp, (0, 1)))(a, b)
    np.testing.assert_allclose(slopes, [expit(a - b), expit(b - a)], **CLOSE)
    bends = jax.vmap(jax.hessian(log_add_exp))(a, b)
    np.testing.assert_allclose(bends, expit(a - b) * expit(b - a), **CLOSE)


def test_terms_that_are_not_there() -> None:
    a = np.array([-np.inf, -np.inf, 2.0])
    b = np.array([-np.inf, -1.5, -np.inf])
    np.testing.assert_array_equal(log_add_exp(a, b), [-np.inf, -1.5, 2.0])
    slopes = jax.vmap(jax.grad(log_add_exp, (0, 1)))(a, b)
    np.testing.assert_array_equal(np.array(slopes)[:, 1:], [[0.0, 1.0], [1.0, 0.0]])
    assert np.isfinite(slopes).all()


@pytest.mark.parametrize(("precision", "within"), [("float64", 5e-16), ("float32", 3e-7)])
def test_the_logarithm_of_one_and_a_little(precision: str, within: float) -> None:
    """Relative to the logarithm itself, where the little is next to nothing and where it is one."""
    x = np.concatenate([np.linspace(-80, 0, 4001), [-1e-3, -1e-9]]).astype(precision)
    with jax.enable_x64(precision == "float64"):
        found = np.asarray(jax.jit(softplus)(x))
    assert found.dtype == precision
    expected = np.log1p(np.exp(x.astype(float)))
    # What the exponential loses, at arguments rounded as they are, is not the logarithm's.
    slack = within * (1.0 + np.abs(x.astype(float)))
    assert (np.abs(found / expected - 1.0) <= slack).all()


def test_one_exponential_whatever_the_sign() -> None:
    """A density, its slopes, and a gate's two shares: what is dear is made once."""

    def gated(x: Any, a: Any, b: Any) -> Any:
        return jax.numpy.sum(log_add_exp(a - softplus(x), b - softplus(-x)))

    compiled = jax.jit(jax.value_and_grad(gated, (0, 1, 2))).lower(TAILS, TAILS, TAILS).compile()
    assert compiled.as_text().count(" exponential(") == 2
    assert "log-plus-one" not in compiled.as_text()


@pytest.mark.parametrize(
    ("left", "right"),
    [((7, 2), (2, 1)), ((7, 3), (3, NARROW)), ((7, 3), (3, NARROW + 1)), ((7, 0), (0, 2)),
     ((7, 3), (3, 0)), ((7, 3), (3,)), ((3,), (3, 2)), ((3,), (3,))],
)  # fmt: skip
def test_products_of_matrices_and_vectors(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal(left), rng.standard_normal(right)
    a, b = (pt.tensor(dtype="float64", shape=(None,) * len(shape)) for shape in (left, right))
    found = np.asarray(jaxify([a, b], [a @ b])(x, y)[0])
    products = str(jax.make_jaxpr(jaxify([a, b], [a @ b]))(x, y)).count("dot_general")
    narrow = x.ndim == y.ndim == 2 and 0 < y.shape[1] <= NARROW
    assert products == (y.shape[1] if narrow else 1)
    assert found.shape == (x @ y).shape
    np.testing.assert_allclose(found, x @ y, rtol=1e-13, atol=1e-14)


def test_many_terms() -> None:
    terms = np.random.default_rng(3).normal(0.0, 30.0, (5, 200))
    expected = np.logaddexp.reduce(terms)
    np.testing.assert_allclose(log_add_exp(*terms), expected, rtol=1e-15, atol=1e-15)
    shares = jax.vmap(jax.grad(lambda t: log_add_exp(*t)))(terms.T)
    np.testing.assert_allclose(shares, np.exp(terms - expected).T, rtol=1e-13, atol=1e-300)


def test_a_converted_graph_has_them() -> None:
    x = pt.vector("x", dtype="float64")
    converted = jaxify([x], [pt.logaddexp(x, 0.0), pt.softplus(x)])
    text = str(jax.make_jaxpr(converted)(TAILS))
    assert text.count("custom_jvp_call") >= 2
    for found in converted(TAILS):
        np.testing.assert_allclose(found, np.logaddexp(0.0, TAILS), **CLOSE)


def test_what_is_known_is_as_large_as_may_be() -> None:
    x, y, a = (pt.vector(name, dtype="float64") for name in ("x", "y", "a"))
    frozen = pt.log(pt.abs(y - pt.tanh(x)))
    filled = pt.zeros_like(x)
    output = pt.logaddexp(frozen, (y - x * a) ** 2) + filled * a + x * pt.exp(y)
    (first, second) = known_parts([output], [x, y], [a])
    assert {first, second} == {frozen, output.owner.inputs[1]}
    assert known_parts([x * a + y], [x, y], [a]) == []
