"""A prior as a value: fixed on one table, given to a model of another, and written as JSON."""

import json

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from bayes_cmoe import Data, InputError, frozen_predictions, variant_named
from bayes_cmoe.parts.fixed_prior import plain_priors, priors_of
from bayes_cmoe.parts.prior import Box, Weak, content_of, prior_of

VALUES = {
    "beta": Weak("beta"),
    "number": Weak("normal", -1.0, 2.0),
    "entries": Weak("normal", (1.0, -2.0), (0.5, 0.25)),
    "prompts": Weak("normal", ((1.0, 2.0), (3.0, 4.0)), 0.5),
    "positive": Weak("lognormal", 3.0, 1.5),
    "box": Box(-1.0, 4.0),
    "box of entries": Box((-1.0, -2.0), 4.0, start=0.5),
}


@pytest.mark.parametrize("prior", VALUES.values(), ids=VALUES.keys())
def test_json_and_back(prior):
    assert prior_of("it", json.loads(json.dumps(content_of(prior)))) == prior


def table(center, seed):
    rng = np.random.default_rng(seed)
    data = Data(rng.normal(size=(30, 2)), center + rng.normal(size=30))
    return data, frozen_predictions("laplace", mean=np.zeros(30), scale=1.0)


def test_a_fixed_prior_does_not_look_at_the_data():
    variant = variant_named("softmax_contaminated")
    reference, f0 = table(0.0, 1)
    other, f1 = table(1000.0, 2)
    prior = priors_of(variant.build(reference, frozen=f0, expert="linear"))
    given = variant.build(other, frozen=f1, expert="linear", prior=prior)
    assert priors_of(given) == prior
    assert priors_of(variant.build(other, frozen=f1, expert="linear")) != prior


def test_the_plain_form_is_a_prior_and_keeps_six_digits():
    """Its density in the model is SciPy's at the numbers that are written down."""
    variant = variant_named("constant_contaminated")
    data, f0 = table(2.0, 3)
    prior = json.loads(json.dumps(plain_priors(priors_of(variant.build(data, frozen=f0)))))
    own = prior["nu"]
    assert own["center"] == pytest.approx(data.y.var() / 2.0, rel=5e-6)
    assert own["center"] == float(f"{own['center']:.6g}")
    model = variant.build(data, frozen=f0, prior=prior)
    theta = {"lam": 0.3, "a": np.array([0.5, -1.0]), "b": 0.2, "nu": 1.7}
    density = sum(
        pm.logp(model[name], value).eval(mode="FAST_COMPILE").sum() for name, value in theta.items()
    )
    expected = (
        stats.beta(1.5, 1.5).logpdf(theta["lam"])
        + stats.norm(prior["a"]["center"], prior["a"]["sd"]).logpdf(theta["a"]).sum()
        + stats.norm(prior["b"]["center"], prior["b"]["sd"]).logpdf(theta["b"])
        + stats.lognorm(s=own["sd"], scale=own["center"]).logpdf(theta["nu"])
    )
    assert density == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (3.0, "give an object with kind"),
        ({"center": 0.0}, "give an object with kind"),
        ({"kind": "gamma"}, "unknown kind of the prior of tau 'gamma'"),
        ({"kind": "normal", "center": 0.0}, "lacks 'sd'"),
        ({"kind": "normal", "center": 0.0, "sd": 1.0, "scale": 2.0}, "unknown key"),
        ({"kind": "normal", "center": "zero", "sd": 1.0}, "give a number, or a list"),
        ({"kind": "normal", "center": [0.0, [1.0]], "sd": 1.0}, "give a number, or a list"),
        ({"kind": "normal", "center": None, "sd": 1.0}, "give a number, or a list"),
        ({"kind": "uniform", "lower": 0.0}, "lacks 'upper'"),
        ({"kind": ["normal"]}, "unknown kind"),
    ],
)
def test_what_is_no_prior_is_refused_in_one_line(content, words):
    with pytest.raises(InputError, match="prior of tau") as caught:
        prior_of("tau", content)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plain_prior_is_checked_like_any_other():
    variant = variant_named("constant_contaminated")
    data, f0 = table(0.0, 4)
    with pytest.raises(InputError, match="weak prior of lam"):
        variant.build(data, frozen=f0, prior={"lam": {"kind": "normal", "center": 0, "sd": 1}})
    with pytest.raises(InputError, match="leaves its support"):
        variant.build(data, frozen=f0, prior={"lam": {"kind": "uniform", "lower": 0, "upper": 2}})


def test_a_model_of_somebody_else_has_no_priors_known_here():
    with pytest.raises(InputError, match="not one of the suite's"):
        priors_of(pm.Model())
