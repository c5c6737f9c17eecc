"""Response densities and their samplers against SciPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import log_softmax

from bayes_cmoe import InputError
from bayes_cmoe.compiled.graphs import jaxify
from bayes_cmoe.parts.families import FAMILIES, Family, family_named

N = 40
RNG = np.random.default_rng(8)
PLACE, SCALE, DF = RNG.normal(0, 3, N), RNG.uniform(0.1, 4.0, N), RNG.uniform(0.7, 60.0, N)
LOGITS = 3.0 * RNG.standard_normal((N, 3))
PROBS = np.exp(log_softmax(LOGITS, axis=1))

SCALARS: dict[str, tuple[list[NDArray], Callable[[], Any]]] = {
    "gaussian": ([PLACE, SCALE**2], lambda: stats.norm(PLACE, SCALE)),
    "laplace": ([PLACE, SCALE], lambda: stats.laplace(PLACE, SCALE)),
    "student_t": ([PLACE, SCALE, DF], lambda: stats.t(DF, PLACE, SCALE)),
}


def logp(family: Family, y: NDArray, arguments: list[NDArray]) -> NDArray:
    nodes = [pt.tensor(dtype="float64", shape=(None,) * np.ndim(a)) for a in (y, *arguments)]
    nodes[1:] = [
        pt.specify_shape(node, (None, *a.shape[1:]))
        for node, a in zip(nodes[1:], arguments, strict=True)
    ]
    inputs = [node.owner.inputs[0] if node.owner else node for node in nodes]
    return np.asarray(jaxify(inputs, [family.logp(*nodes)])(y, *arguments)[0])


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_log_density(name: str) -> None:
    arguments, frozen = SCALARS[name]
    for y in (RNG.normal(0, 5, N), PLACE, PLACE + 300 * SCALE, PLACE - 1e-9):
        expected = frozen().logpdf(y)
        np.testing.assert_allclose(
            logp(FAMILIES[name], y, arguments), expected, rtol=1e-12, atol=1e-13
        )


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_draws_follow_the_distribution(name: str) -> None:
    """Each draw through its own distribution function is uniform (Kolmogorov-Smirnov)."""
    arguments, frozen = SCALARS[name]
    rng = np.random.default_rng(1)
    uniform = np.concatenate(
        [frozen().cdf(FAMILIES[name].random(rng, *arguments)) for _ in range(500)]
    )
    assert stats.kstest(uniform, "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("name", "argument"), [("categorical", PROBS), ("multinomial_logistic", LOGITS)]
)
def test_class_log_probability_and_draws(name: str, argument: NDArray) -> None:
    full = LOGITS if name == "categorical" else np.column_stack([LOGITS, np.zeros(N)])
    expected = log_softmax(full, axis=1)
    classes = full.shape[1]
    for k in range(classes):
        y = np.full(N, float(k))
        np.testing.assert_allclose(
            logp(FAMILIES[name], y, [argument]), expected[:, k], rtol=1e-12, atol=1e-14
        )
    rng = np.random.default_rng(2)
    row = np.repeat(argument[:1], 50_000, axis=0)
    counts = np.bincount(FAMILIES[name].random(rng, row), minlength=classes)
    assert stats.chisquare(counts, 50_000 * np.exp(expected[0])).pvalue > 1e-4


@pytest.mark.parametrize(
    ("values", "rows"),
    [((), ()), ((5,), ()), ((), (5,)), ((5,), (4, 5)), ((4, 5), (5,)), ((3, 1, 5), (4, 1))],
)
def test_classes_of_any_shapes_that_go_together(
    values: tuple[int, ...], rows: tuple[int, ...]
) -> None:
    y, logits = RNG.integers(0, 3, values), RNG.normal(size=(*rows, 2))
    full = log_softmax(np.concatenate([logits, np.zeros((*rows, 1))], axis=-1), axis=-1)
    both = np.broadcast_shapes(values, rows)
    where = np.broadcast_to(y, both)[..., None]
    expected = np.take_along_axis(np.broadcast_to(full, (*both, 3)), where, axis=-1)[..., 0]
    at = pt.constant(y.astype(float))
    for name, argument in (("multinomial_logistic", logits), ("categorical", np.exp(full))):
        actual = FAMILIES[name].logp(at, pt.constant(argument)).eval()
        np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-15)


def test_huge_logits_do_not_overflow() -> None:
    logits = np.array([[800.0, -800.0], [-800.0, -800.0]])
    actual = logp(FAMILIES["multinomial_logistic"], np.array([0.0, 1.0]), [logits])
    np.testing.assert_allclose(actual, [0.0, -800.0], atol=1e-12)
    draws = FAMILIES["multinomial_logistic"].random(np.random.default_rng(0), logits)
    np.testing.assert_array_equal(draws, [0, 2])


def test_names_are_looked_up_with_a_hint() -> None:
    assert family_named("laplace") is family_named(FAMILIES["laplace"])
    with pytest.raises(InputError, match="did you mean 'gaussian'"):
        family_named("gausian")
