"""Expert functions against NumPy and SciPy."""

import numpy as np
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bayes_cmoe import Expert, InputError, expert_named, register_expert
from bayes_cmoe.parts.experts import EXPERTS, evaluate
from tests import reference, table


def test_every_expert_of_the_table_exists_and_no_other() -> None:
    # What stands around a frozen expert is no function of x alone: tests/parts/test_calibration.py.
    assert set(EXPERTS) == {*table.EXPERTS, "calibration"}


@pytest.mark.parametrize("name", table.EXPERTS)
@pytest.mark.parametrize("features", [1, 2, 5])
def test_mean_of_a_scalar_response(name: str, features: int) -> None:
    rng = np.random.default_rng(features)
    x = 3.0 * rng.standard_normal((20, features))
    values = {"a": rng.standard_normal(features), "b": rng.standard_normal()}
    parameters = {key: np.asarray(values[key]) for key in EXPERTS[name].dims}
    expected = reference.mean(name, x, parameters)
    np.testing.assert_allclose(
        evaluate(EXPERTS[name], x, parameters), expected, rtol=1e-13, atol=1e-15
    )


@pytest.mark.parametrize("name", table.EXPERTS)
@pytest.mark.parametrize("free", [1, 3])
def test_logits_of_a_class_response(name: str, free: int) -> None:
    rng = np.random.default_rng(free)
    x = rng.standard_normal((20, 2))
    values = {"a": rng.standard_normal((free, 2)), "b": rng.standard_normal(free)}
    parameters = {key: values[key] for key in EXPERTS[name].dims}
    logits = evaluate(EXPERTS[name], x, parameters)
    assert logits.shape == (20, free)
    np.testing.assert_allclose(logits, reference.mean(name, x, parameters), rtol=1e-13, atol=1e-15)


@given(z=arrays(float, 6, elements=st.floats(-700.0, 700.0)))
def test_activations_far_out(z: np.ndarray) -> None:
    for name in table.ACTIVATIONS:
        actual = evaluate(EXPERTS[f"{name}-nobias"], z[:, None], {"a": [1.0]})
        expected = reference.ACTIVATIONS[name](z)
        assert np.all(np.isfinite(actual))
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-300)


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(InputError, match="takes the parameters a, b; got a"):
        evaluate(EXPERTS["tanh"], [[1.0]], {"a": [1.0]})
    with pytest.raises(InputError, match="got none"):
        evaluate(EXPERTS["tanh-nobias"], [[1.0]], {})


def test_names_are_looked_up_with_a_hint() -> None:
    assert expert_named("relu") is EXPERTS["relu"]
    assert expert_named(EXPERTS["relu"]) is EXPERTS["relu"]
    with pytest.raises(InputError, match="unknown expert 'rellu': did you mean 'relu'"):
        expert_named("rellu")


def test_a_users_expert_is_found_by_name() -> None:
    wave = Expert("sine", {"a": ("feature",)}, lambda x, a: pt.sin(x @ a.T), bounded=True)
    register_expert(wave)
    try:
        assert register_expert(wave) is expert_named("sine")
        np.testing.assert_allclose(
            evaluate(wave, [[0.5], [1.0]], {"a": [2.0]}), np.sin([1.0, 2.0]), rtol=1e-14
        )
        other = Expert("sine", {"a": ("feature",)}, lambda x, a: x @ a.T)
        with pytest.raises(InputError, match="exists already"):
            register_expert(other)
    finally:
        del EXPERTS["sine"]
