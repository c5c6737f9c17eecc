"""Gates: log-weights that are exact in both tails and sum to one."""

import numpy as np
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_cmoe import InputError
from bayes_cmoe.compiled.graphs import jaxify
from bayes_cmoe.parts.gates import GATES, gate_named
from tests import reference

X, LAM, BETA, TAU = pt.matrix("x"), pt.scalar("lam"), pt.vector("beta"), pt.scalar("tau")
CONSTANT = jaxify([X, LAM], GATES["constant"].log_weights(X, LAM))
SOFTMAX = jaxify([X, BETA, TAU], GATES["softmax"].log_weights(X, BETA, TAU))


@given(lam=st.floats(1e-300, 1.0, exclude_max=True))
def test_constant_gate(lam: float) -> None:
    stay, move = CONSTANT(np.zeros((1, 1)), np.float64(lam))
    np.testing.assert_allclose(stay, np.log1p(-lam), rtol=1e-14)
    np.testing.assert_allclose(move, np.log(lam), rtol=1e-14)


@given(score=st.floats(-700.0, 700.0), beta=st.floats(-5.0, 5.0))
def test_softmax_gate(score: float, beta: float) -> None:
    x = np.array([[1.0, -2.0], [0.5, 3.0]])
    theta = {"beta": np.array([beta, 1.0]), "tau": np.asarray(score)}
    stay, move = SOFTMAX(x, theta["beta"], theta["tau"])
    expected = reference.log_weights(x, theta)
    np.testing.assert_allclose(stay, expected[0], rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(move, expected[1], rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(np.exp(stay) + np.exp(move), 1.0, rtol=1e-13)


def test_names_are_looked_up_with_a_hint() -> None:
    assert gate_named("softmax") is gate_named(GATES["softmax"])
    with pytest.raises(InputError, match="did you mean 'constant'"):
        gate_named("konstant")
