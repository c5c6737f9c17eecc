import json
from functools import lru_cache

import numpy as np
import pytensor.tensor as pt
import pytest

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.experts import EXPERTS, Expert, register_expert
from bayes_cmoe.parts.frozen import frozen_expert
from bayes_cmoe.theory.distinguishability import distinguishability
from bayes_cmoe.theory.relations import Term, null_relations, readable

CONSTANT, SOFTMAX = "constant_contaminated", "softmax_contaminated"
BIASED = {"a": [1.0], "b": 0.3}
PROMPT = BIASED | {"nu": 1.0}


def frozen(family, expert="tanh", parameters=BIASED):
    """The same object for the same expert: a model is compiled once for each."""
    return _frozen(family, expert, tuple((name, str(value)) for name, value in parameters.items()))


@lru_cache
def _frozen(family, expert, parameters):
    df = 4.0 if family == "student_t" else None
    values = {name: json.loads(value) for name, value in parameters}
    return frozen_expert(family, expert, values, scale=1.0, df=df)


@pytest.mark.parametrize(
    ("variant", "family"), [(CONSTANT, "laplace"), (CONSTANT, "student_t"), (SOFTMAX, "laplace")]
)
def test_frozen_expert_outside_the_family_is_distinguishable(variant, family):
    result = distinguishability(variant, (frozen(family), "tanh", PROMPT))
    assert result.independent
    assert result.margin > 0.01


@pytest.mark.parametrize(
    ("variant", "expert"), [(CONSTANT, "tanh"), (CONSTANT, "relu"), (SOFTMAX, "linear")]
)
def test_gaussian_with_the_prompts_mean_is_not(variant, expert):
    result = distinguishability(variant, (frozen("gaussian", expert), expert, PROMPT))
    assert result.relations == ("f0 = f",)
    assert result.margin == 0.0


@pytest.mark.parametrize("variant", [CONSTANT, SOFTMAX])
def test_gaussian_linear_against_tanh_is(variant):
    result = distinguishability(variant, (frozen("gaussian", "linear"), "tanh", PROMPT))
    assert result.independent
    assert result.margin > 0.01


@pytest.mark.parametrize(("name", "power"), [("a", 2.0), ("b", 3.0)])
def test_margin_shrinks_as_the_power_that_slows_lambda(name, power):
    """f - f0 = Delta df + Delta² d²f / 2 + ...; for b the second term is Delta² df/dnu: no news.

    So lambda's error grows as Delta^-2 when a merges and as Delta^-3 when b does (THEORY 2.1).
    """
    margins = [
        distinguishability(
            CONSTANT,
            (frozen("gaussian", "linear"), "linear", PROMPT | {name: np.add(PROMPT[name], shift)}),
        ).margin
        for shift in (0.03, 0.01)
    ]
    assert np.log(margins[0] / margins[1]) / np.log(3.0) == pytest.approx(power, abs=0.1)


@pytest.mark.parametrize(("variant", "slope"), [(CONSTANT, [1.0]), (SOFTMAX, [1.0, 0.5])])
@pytest.mark.parametrize("expert", ["tanh-nobias", "sigmoid-nobias", "gelu-nobias"])
def test_smooth_experts_without_bias_are_strongly_identifiable(variant, expert, slope):
    f0 = frozen("gaussian", expert, {"a": slope})
    result = distinguishability(variant, (f0, expert, {"a": slope, "nu": 1.0}), order=2)
    assert result.independent
    assert result.margin > 1e-3
    assert str(result).startswith("strongly identifiable")


@pytest.mark.parametrize("variant", [CONSTANT, SOFTMAX])
def test_relu_is_not(variant):
    f0 = frozen("gaussian", "relu-nobias", {"a": [1.0, 0.5]})
    result = distinguishability(variant, (f0, "relu-nobias", {"a": [1.0, 0.5], "nu": 1.0}), order=2)
    assert result.relations == ("d²h/da² = 0",)


def test_linear_expert_returns_the_heat_equation():
    f0 = frozen("gaussian", "linear")
    constant = distinguishability(CONSTANT, (f0, "linear", PROMPT), order=2).relations
    assert constant == ("d²f/db² = 2 df/dnu", "d²h/d(a, b)² = 0")
    softmax = distinguishability(SOFTMAX, (f0, "linear", PROMPT), order=2).relations
    assert set(softmax) == {
        "d²f/db² = 2 df/dnu",
        "d²f/da db = 2 x df/dnu",
        "df/da = x df/db",
        "d²h/d(a, b)² = 0",
    }


@pytest.mark.parametrize("expert", ["tanh", "sigmoid", "gelu"])
def test_a_bias_collides_under_a_softmax_gate_only(expert):
    f0 = frozen("gaussian", expert)
    assert distinguishability(CONSTANT, (f0, expert, PROMPT), order=2).independent
    softmax = distinguishability(SOFTMAX, (f0, expert, PROMPT), order=2)
    assert softmax.relations == ("df/da = x df/db",)


def test_a_bias_collides_with_every_slope():
    parameters = {"a": [1.0, -0.5], "b": 0.3}
    f0 = frozen("gaussian", "tanh", parameters)
    result = distinguishability(SOFTMAX, (f0, "tanh", parameters | {"nu": 1.0}), order=2)
    assert set(result.relations) == {"df/da[x1] = x1 df/db", "df/da[x2] = x2 df/db"}


def test_a_registered_expert_is_judged_like_any_other():
    """sin(ax + c): independent; exp(ax + c): d²h/dc² = dh/dc."""
    dims = {"a": ("feature",), "c": ()}
    register_expert(Expert("test-sine", dims, lambda x, a, c: pt.sin(x @ a.T + c)))
    register_expert(Expert("test-growth", dims, lambda x, a, c: pt.exp(x @ a.T + c)))
    try:
        point = {"a": [0.5], "c": 0.2}
        for name, relations in (("test-sine", ()), ("test-growth", ("d²h/dc² = dh/dc",))):
            f0 = frozen("gaussian", name, point)
            result = distinguishability(CONSTANT, (f0, name, point | {"nu": 1.0}), order=2)
            if name == "test-growth":
                assert set(relations) < set(result.relations)
                assert "d²h/da dc = dh/da" in result.relations
            else:
                assert result.independent
            assert distinguishability(CONSTANT, (f0, name, point | {"nu": 1.0})).relations == (
                "f0 = f",
            )
    finally:
        del EXPERTS["test-sine"], EXPERTS["test-growth"]


def test_multinomial_by_the_form_of_the_prompt():
    same = distinguishability("multinomial_contaminated", "homogeneous-merging")
    assert same.relations == ("f0 = f",)
    other = distinguishability("multinomial_contaminated", "heterogeneous")
    assert other.independent
    assert other.margin > 0.01
    logits = {"a": [[1.0], [-0.5]], "b": [0.2, 0.0]}
    f0 = frozen_expert("multinomial_logistic", "linear", logits)
    for gate in ("constant", "softmax"):
        result = distinguishability(
            "multinomial_contaminated", (f0, "linear", logits), order=2, gate=gate
        )
        assert "d²h/d(a, b)² = 0" in result.relations
        assert ("df/da[0,x1] = x df/db[0]" in result.relations) == (gate == "softmax")


def test_a_paper_design_that_does_not_merge_is_distinguishable():
    assert distinguishability(SOFTMAX, "paper-b-b1").relations == ("f0 = f",)
    assert distinguishability(SOFTMAX, "paper-b-b2").independent


def test_singular_values_are_those_of_unit_columns():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((50, 3))
    columns = np.column_stack([z, 3.0 * z[:, 0] - 0.5 * z[:, 2]])
    terms = [Term("f"), Term("f", ("a",)), Term("f", ("b",)), Term("f", ("a", "b"))]
    values, (relation,) = null_relations(terms, columns, np.linalg.norm(columns, axis=0))
    unit = columns / np.linalg.norm(columns, axis=0)
    np.testing.assert_allclose(values[:3] ** 2, np.linalg.eigvalsh(unit.T @ unit)[:0:-1])
    assert readable(relation) == "d²f/da db = -1/2 df/db + 3 f"


def test_nearly_dependent_columns_are_not_judged():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((50, 3))
    columns = np.column_stack([z[:, :2], z[:, 0] + 1e-9 * z[:, 2]])
    terms = [Term("f"), Term("f", ("a",)), Term("f", ("b",))]
    with pytest.raises(InputError, match="another point"):
        null_relations(terms, columns, np.linalg.norm(columns, axis=0))


def test_bad_input():
    f0 = frozen("gaussian")
    with pytest.raises(InputError, match="order"):
        distinguishability(CONSTANT, "merging", order=3)
    with pytest.raises(InputError, match="at least"):
        distinguishability(CONSTANT, "merging", rows=8)
    with pytest.raises(InputError, match="lacks"):
        distinguishability(CONSTANT, (f0, "tanh", {"a": [1.0], "nu": 1.0}))
    with pytest.raises(InputError, match="parameters are"):
        distinguishability(CONSTANT, (f0, "tanh", BIASED))
    with pytest.raises(InputError, match="unknown gate"):
        distinguishability(CONSTANT, (f0, "tanh", PROMPT), gate="softmax")
