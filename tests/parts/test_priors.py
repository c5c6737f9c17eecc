"""Priors: proper, on the data's scale, and uniform on a box when asked for."""

from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from bayes_cmoe import Data, InputError
from bayes_cmoe.parts.experts import EXPERTS, Expert
from bayes_cmoe.parts.families import gaussian, multinomial_logistic
from bayes_cmoe.parts.gates import GATES, Gate
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.prior import Box, Weak
from bayes_cmoe.parts.priors import priors_for as priors_of

RNG = np.random.default_rng(6)
DATA = Data(
    np.column_stack([RNG.normal(50, 2, 300), RNG.normal(0, 0.1, 300)]), RNG.normal(9, 3, 300)
)
CLASSES = Data(DATA.x, np.arange(300) % 3, classes=3)


def mixture(data: Data, gate: Gate, expert: Expert) -> Mixture:
    return Mixture(gate, expert, gaussian if data.classes is None else multinomial_logistic)


def priors_for(prior: Any, data: Data, gate: Gate, expert: Expert) -> dict[str, Any]:
    parts = mixture(data, gate, expert)
    return priors_of(prior, parts.parameters, parts.reference(data))


@pytest.mark.parametrize("prior", ["flat", "weak"])
@pytest.mark.parametrize("gate", ["constant", "softmax"])
@pytest.mark.parametrize("expert", ["tanh", "linear-nobias"])
@pytest.mark.parametrize("data", [DATA, CLASSES], ids=["scalar", "classes"])
def test_every_unknown_has_a_proper_prior(prior: str, gate: str, expert: str, data: Data) -> None:
    parts = mixture(data, GATES[gate], EXPERTS[expert])
    wanted = {parameter.name: parameter.dims for parameter in parts.parameters}
    priors = priors_for(prior, data, GATES[gate], EXPERTS[expert])
    assert set(priors) == set(wanted)
    assert all(isinstance(p, Box if prior == "flat" else Weak) for p in priors.values())
    with pm.Model(coords={"feature": range(2), "free_class": range(2)}) as model:
        for name, dims in wanted.items():
            priors[name].variable(name, dims)
    for rv in model.free_RVs:
        draw = pm.draw(rv, random_seed=1, mode="FAST_COMPILE")
        assert draw.shape == tuple(2 for _ in wanted[rv.name])
        assert np.all(np.isfinite(draw))


def test_weak_densities_are_scipys() -> None:
    cases: dict[Weak | Box, Any] = {
        Weak("normal", 1.0, 2.0): stats.norm(1.0, 2.0),
        Weak("lognormal", 3.0, 1.5): stats.lognorm(s=1.5, scale=3.0),
        Weak("beta"): stats.beta(1.5, 1.5),
        Weak("beta", alpha=2.0, beta=8.0): stats.beta(2.0, 8.0),
        Box(-1.0, 4.0): stats.uniform(-1.0, 5.0),
    }
    for prior, expected in cases.items():
        with pm.Model():
            variable = prior.variable("v", ())
        for value in (0.1, 0.5, 0.9):
            actual = pm.logp(variable, value).eval(mode="FAST_COMPILE")
            np.testing.assert_allclose(actual, expected.logpdf(value), rtol=1e-12)


@pytest.mark.parametrize("kind", ["cauchy", "halfnormal", "Normal", "uniform", 3, None])
def test_a_weak_prior_of_an_unknown_kind_is_refused_at_once(kind: Any) -> None:
    with pytest.raises(InputError, match="kind of a weak prior") as caught:
        Weak(kind, 0.0, 1.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (lambda: Weak("beta", 0.3, 0.1), "a beta prior has no center: give alpha and beta"),
        (lambda: Weak("beta", sd=0.1), "a beta prior has no sd"),
        (lambda: Weak("normal", alpha=2.0), "a normal prior has no alpha: give center and sd"),
        (lambda: Weak("lognormal", 1.0, beta=(1.0, 2.0)), "a lognormal prior has no beta"),
    ],
)
def test_a_number_that_the_kind_does_not_have_is_refused(prior: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        prior()


def test_a_prior_says_what_it_is() -> None:
    shown = {str(own): repr(own) for own in (Weak("beta"), Weak("normal", 1, (2.5, 0.3333333)))}
    assert shown == {
        "Beta(1.5, 1.5)": "Weak(kind='beta', alpha=1.5, beta=1.5)",
        "Normal(1, [2.5, 0.3333])": "Weak(kind='normal', center=1, sd=(2.5, 0.3333333))",
    }
    assert str(Weak("lognormal", 4.5, 1.5)) == "LogNormal(log 4.5, 1.5)"
    assert str(Box((0.0, 1.0), 2.0)) == "Uniform([0, 1], 2)"


@pytest.mark.parametrize("prior", [pm.Normal.dist(0, 1), ["weak"], None, 3.0, Weak("beta")])
def test_what_is_no_prior_of_a_model_is_refused_in_one_line(prior: Any) -> None:
    with pytest.raises(InputError, match="give 'weak', 'flat', or a prior for each") as caught:
        priors_for(prior, DATA, GATES["constant"], EXPERTS["tanh"])
    assert "\n" not in str(caught.value)


def test_scales_follow_the_units() -> None:
    """Measuring x in units ten times smaller makes its slopes ten times smaller."""
    gate, expert = GATES["softmax"], EXPERTS["linear"]
    first = priors_for("weak", DATA, gate, expert)
    second = priors_for("weak", Data(10.0 * DATA.x, DATA.y), gate, expert)
    for name in ("a", "beta"):
        np.testing.assert_allclose(second[name].sd, np.array(first[name].sd) / 10.0, rtol=1e-12)
    third = priors_for("weak", Data(DATA.x, 10.0 * DATA.y), gate, expert)
    np.testing.assert_allclose(third["a"].sd, np.array(first["a"].sd) * 10.0, rtol=1e-12)
    np.testing.assert_allclose(third["nu"].center, first["nu"].center * 100.0, rtol=1e-12)


def test_flat_box_covers_the_weak_prior() -> None:
    gate, expert = GATES["softmax"], EXPERTS["linear"]
    weak = priors_for("weak", DATA, gate, expert)
    flat = priors_for("flat", DATA, gate, expert)
    for name in ("a", "b", "beta", "tau"):
        center, sd = np.asarray(weak[name].center), np.asarray(weak[name].sd)
        np.testing.assert_allclose(flat[name].lower, center - 10.0 * sd, rtol=1e-12)
        np.testing.assert_allclose(flat[name].upper, center + 10.0 * sd, rtol=1e-12)
    variance = DATA.y.var()
    np.testing.assert_allclose(flat["nu"].lower, 1e-4 * variance, rtol=1e-12)
    np.testing.assert_allclose(flat["nu"].upper, 1e2 * variance, rtol=1e-12)


def test_constant_columns_keep_a_finite_scale() -> None:
    data = Data(np.ones((5, 1)), np.full(5, 2.0))
    for prior in priors_for("weak", data, GATES["softmax"], EXPERTS["linear"]).values():
        assert np.all(np.isfinite(prior.sd))
        assert np.all(np.asarray(prior.sd) > 0)
        assert np.all(np.isfinite(prior.center))


def test_a_mapping_replaces_what_it_names() -> None:
    weak = priors_for("weak", DATA, GATES["constant"], EXPERTS["tanh"])
    chosen = priors_for(
        {"lam": (0.0, 0.3), "b": Weak("normal", 2.0, 0.1)}, DATA, GATES["constant"], EXPERTS["tanh"]
    )
    assert chosen["lam"] == Box(0.0, 0.3)
    assert chosen["b"] == Weak("normal", 2.0, 0.1)
    assert chosen["a"] == weak["a"]


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("weka", "did you mean 'weak'"),
        ({"lamb": (0.0, 1.0)}, "did you mean 'lam'"),
        ({"beta": (0.0, 1.0)}, "unknown parameter 'beta'"),
        ({"lam": (1.0, 0.0)}, "box of lam is empty"),
        ({"lam": (0.5, 0.5)}, "box of lam is empty"),
        ({"lam": (float("nan"), 1.0)}, "box of lam is not bounded"),
    ],
)
def test_wrong_priors_are_refused(prior: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        priors_for(prior, DATA, GATES["constant"], EXPERTS["tanh"])


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ({"lam": (0, 5)}, "box of lam, 0.0 to 5.0, leaves its support, 0 to 1: give"),
        ({"lam": (-0.1, 0.5)}, "leaves its support, 0 to 1"),
        ({"lam": Box(0.0, 1.1)}, "leaves its support, 0 to 1"),
        ({"nu": (-1, 1)}, "box of nu, -1.0 to 1.0, leaves its support, 0 to inf"),
        ({"nu": Weak("normal", 1.0, 1.0)}, "weak prior of nu 'normal'"),
        ({"lam": Weak("lognormal", 0.5, 1.0)}, "weak prior of lam 'lognormal'"),
        ({"nu": Weak("lognormal", -1.0, 1.0)}, "the lognormal prior of nu: give a positive center"),
        ({"b": Weak("normal", 0.0, 0.0)}, "positive sd"),
        ({"b": Weak("normal", float("nan"), 1.0)}, "finite center"),
        ({"b": (-np.inf, np.inf)}, "not bounded"),
        ({"lam": Weak("beta", alpha=0.0)}, "the beta prior of lam: give a positive alpha"),
        ({"lam": Weak("beta", beta=-1.0)}, "finite alpha and a positive beta"),
        ({"b": (0.0, 1.0, 2.0)}, "give \\(lower, upper\\)"),
        ({"b": [0.0, 1.0]}, "give \\(lower, upper\\)"),
        ({"b": None}, "give \\(lower, upper\\)"),
        ({"b": ("0", "1")}, "holds text"),
        ({"b": (False, True)}, "holds truth values"),
        ({"b": Box(0.0, 1.0, start=2.0)}, "does not hold its start"),
    ],
)
def test_a_prior_keeps_to_the_parameter_s_support(prior: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        priors_for(prior, DATA, GATES["constant"], EXPERTS["tanh"])


def test_the_whole_support_may_be_used() -> None:
    given = {"lam": (0, 1), "nu": (0.0, 1e6), "b": (-1e6, 1e6)}
    chosen = priors_for(given, DATA, GATES["constant"], EXPERTS["tanh"])
    assert {name: chosen[name] for name in given} == {
        name: Box(float(low), float(high)) for name, (low, high) in given.items()
    }
