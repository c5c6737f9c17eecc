"""Descents side by side against SciPy's, one by one."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize, rosen, rosen_der

from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.estimate.flock import _updated, descend_together, descend_traced, skipping

FREE = (np.full(3, -np.inf), np.full(3, np.inf))


def valleys(w: NDArray) -> tuple[NDArray, NDArray]:
    return np.array([rosen(p) for p in w]), np.array([rosen_der(p) for p in w])


def test_ends_are_minima_with_edges_and_without() -> None:
    starts = np.random.default_rng(0).uniform(-1.5, 1.5, (12, 3))
    found = descend_together(valleys, starts, FREE, np.eye(3) / 500, 400, 1e-14)
    np.testing.assert_allclose(found.value[found.value < 1e-3], 0.0, atol=1e-9)
    assert np.all(np.abs(valleys(found.w)[1]) < 1e-4)
    box = (np.array([-2.0, -2.0, -2.0]), np.array([0.5, 2.0, 2.0]))
    held = descend_together(valleys, np.minimum(starts, 0.4), box, np.eye(3) / 500, 400, 1e-14)
    expected = minimize(
        rosen, [0.3, 0.1, 0.0], jac=rosen_der, method="L-BFGS-B",
        bounds=[(-2, 0.5), (-2, 2), (-2, 2)], options={"ftol": 1e-15, "gtol": 1e-9},
    )  # fmt: skip
    assert np.all((held.w >= box[0]) & (held.w <= box[1]))
    assert held.value.min() == pytest.approx(expected.fun, abs=1e-9)
    assert held.w[np.argmin(held.value)] == pytest.approx(expected.x, abs=1e-5)


def test_a_point_ends_where_it_would_end_alone() -> None:
    starts = np.random.default_rng(1).uniform(-1.5, 1.5, (6, 3))
    together = descend_together(valleys, starts, FREE, np.eye(3) / 500, 60, 1e-12)
    alone = descend_together(valleys, starts[2:3], FREE, np.eye(3) / 500, 60, 1e-12)
    np.testing.assert_array_equal(together.w[2], alone.w[0])


@pytest.mark.parametrize("iterations", [0, 1, 8, 60])
def test_a_program_takes_the_same_steps(iterations: int) -> None:
    def traced(w):
        a, b = w[:, 1:] - w[:, :-1] ** 2, 1.0 - w[:, :-1]
        value = jnp.sum(100.0 * a**2 + b**2, axis=1)
        slope = jnp.zeros_like(w).at[:, :-1].add(-400.0 * w[:, :-1] * a - 2.0 * b)
        slope = slope.at[:, 1:].add(200.0 * a)
        return jnp.where(w[:, 0] > 5.0, jnp.nan, value), slope

    def holes(w: NDArray) -> tuple[NDArray, NDArray]:
        value, gradient = valleys(w)
        return np.where(w[:, 0] > 5.0, np.nan, value), gradient

    box = (np.array([-2.0, -2.0, -2.0]), np.array([6.0, 0.7, 2.0]))
    starts = np.random.default_rng(2).uniform(-1.5, 0.6, (9, 3))
    starts[4, 0] = 5.5
    expected = descend_together(holes, starts, box, np.eye(3) / 500, iterations, 0.0)
    w, value = jax.jit(lambda w: descend_traced(traced, w, box, np.eye(3) / 500, iterations))(
        starts
    )
    np.testing.assert_allclose(w, expected.w, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(value, expected.value, rtol=1e-6, atol=1e-6)


def test_a_start_without_a_value_stays_and_does_no_harm() -> None:
    def holes(w: NDArray) -> tuple[NDArray, NDArray]:
        value, gradient = valleys(w)
        value[w[:, 0] > 5.0] = np.nan
        return value, gradient

    starts = np.array([[6.0, 0.0, 0.0], [1.1, 1.0, 1.0]])
    found = descend_together(holes, starts, FREE, np.eye(3) / 500, 200, 1e-14)
    assert np.isinf(found.value[0])
    np.testing.assert_array_equal(found.w[0], starts[0])
    assert found.value[1] < 1e-9


def test_a_step_is_taken_only_downhill_and_ends_when_nothing_is_promised() -> None:
    calls = []

    def bowl(w: NDArray) -> tuple[NDArray, NDArray]:
        calls.append(len(w))
        return np.sum(w**2, axis=1) / 2.0, w

    # With the inverse Hessian given, Newton's step is exact: one move, and one look at its end.
    found = descend_together(bowl, np.ones((4, 3)), FREE, np.eye(3), 50, 1e-12)
    assert found.iterations == 1
    assert len(calls) == 2
    np.testing.assert_array_equal(found.w, np.zeros((4, 3)))


def test_the_update_satisfies_the_secant_equation_and_stays_positive_definite() -> None:
    """BFGS: H y = s, H symmetric and positive definite (Nocedal and Wright 2006, section 6.1)."""
    rng = np.random.default_rng(2)
    root = rng.standard_normal((5, 3, 3))
    hessian = root @ root.transpose(0, 2, 1) + np.eye(3)
    step, change = rng.standard_normal((2, 5, 3))
    change *= np.sign(np.sum(step * change, axis=1))[:, None]
    change[4] *= -1.0  # along negative curvature
    taken = np.array([True, True, True, False, True])
    found = _updated(np, hessian, step, change, taken)
    np.testing.assert_allclose(np.einsum("sij,sj->si", found, change)[:3], step[:3], rtol=1e-9)
    np.testing.assert_allclose(found, found.transpose(0, 2, 1), rtol=1e-9, atol=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0.0
    np.testing.assert_array_equal(found[3:], hessian[3:])


def test_points_that_stand_still_are_not_evaluated_again() -> None:
    asked: list[int] = []

    def squares(w: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(w))
        # Each point has its own function, told by its number.
        return np.sum((w - moved[:, None]) ** 2, axis=1), 2.0 * (w - moved[:, None])

    function = skipping(squares)
    w = np.zeros((4, 2))
    value, gradient = function(w)
    assert value == pytest.approx([0.0, 2.0, 8.0, 18.0])
    w[2] = 1.0
    value, gradient = function(w)
    assert value == pytest.approx([0.0, 2.0, 2.0, 18.0])
    assert gradient[2] == pytest.approx([-2.0, -2.0])
    value[:] = np.nan
    assert np.isfinite(function(w)[0]).all()
    assert asked == [4, 1]
    bounds = (np.full(2, -9.0), np.full(2, 9.0))
    found = descend_together(skipping(squares), np.zeros((4, 2)), bounds, np.eye(2), 50, 1e-12)
    assert found.w == pytest.approx(np.repeat(np.arange(4.0), 2).reshape(4, 2), abs=1e-5)
