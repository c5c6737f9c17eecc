"""Priors that come from elsewhere: known by what they do, and checked against the parameter."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from bayes_cmoe import Data, InputError, frozen_predictions, variant_named
from bayes_cmoe.parts.distribution import Distribution, prior_from_text
from bayes_cmoe.parts.fixed_prior import plain_priors, priors_of
from bayes_cmoe.parts.prior import Box, Weak

RNG = np.random.default_rng(4)
DATA = Data(RNG.normal(size=(20, 2)), RNG.normal(size=20))
FROZEN = frozen_predictions("gaussian", mean=np.zeros(20), scale=1.0)


def built(**prior: Any) -> pm.Model:
    return variant_named("constant_contaminated").build(DATA, frozen=FROZEN, prior=prior)


def density(model: pm.Model, name: str, value: Any) -> float:
    return pm.logp(model[name], np.asarray(value)).eval(mode="FAST_COMPILE")


class Preliz:
    """The interface of a PreliZ distribution: `to_pymc` needs a name inside a model."""

    def __init__(self, kind: Any, **numbers: float) -> None:
        self.kind, self.numbers = kind, numbers

    def __repr__(self) -> str:
        return f"{self.kind.__name__}{tuple(self.numbers.values())}"

    def to_pymc(self, name: str | None = None, **options: Any) -> Any:
        if pm.modelcontext(None) is None or name is None:
            return self.kind.dist(**self.numbers, **options)
        return self.kind(name, **self.numbers, **options)


class Extras:
    """The interface of `pymc_extras.prior.Prior`: dims of its own, and a variable in a model."""

    def __init__(self, kind: Any, dims: Any = None, transform: Any = None, **numbers: Any) -> None:
        self.kind, self.dims, self.transform, self.numbers = kind, dims, transform, numbers

    def create_variable(self, name: str, xdist: bool = False) -> Any:
        numbers = {
            key: value.create_variable(f"{name}_{key}") if isinstance(value, Extras) else value
            for key, value in self.numbers.items()
        }
        if self.transform is None:
            return self.kind(name, **numbers, dims=self.dims)
        return pm.Deterministic(name, self.transform(self.kind(f"{name}_raw", **numbers)))


BETA = stats.beta(2.0, 8.0)


def close(value: float) -> Any:
    """SciPy's density, as PyMC has it from the bare numbers 2 and 8: in single precision."""
    return pytest.approx(BETA.logpdf(value), abs=1e-6)


GIVEN = {
    "pymc": lambda: pm.Beta.dist(2, 8),
    "preliz": lambda: Preliz(pm.Beta, alpha=2.0, beta=8.0),
    "pymc-extras": lambda: Extras(pm.Beta, alpha=2.0, beta=8.0),
    "text": lambda: "beta(2, 8)",
    "text by name": lambda: "Beta(beta=8, alpha=2)",
    "text of another parametrisation": lambda: f"beta(mu=0.2, sigma={float(BETA.std())!r})",
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_a_share_s_prior_has_scipy_s_density(given):
    model = built(lam=given())
    assert [rv.name for rv in model.free_RVs] == ["lam", "a", "b", "nu"]
    for value in (0.1, 0.4, 0.9):
        assert density(model, "lam", value) == close(value)


@pytest.mark.parametrize(
    "given",
    [
        lambda: pm.Normal.dist([1.0, -2.0], 0.5),
        lambda: Extras(pm.Normal, ("feature",), mu=np.array([1.0, -2.0]), sigma=0.5),
        lambda: Extras(pm.Normal, "feature", mu=np.array([1.0, -2.0]), sigma=0.5),
    ],
    ids=["pymc", "dims", "a dim"],
)
def test_numbers_of_each_entry(given):
    model = built(a=given())
    expected = stats.norm([1.0, -2.0], 0.5).logpdf([0.3, 0.4])
    np.testing.assert_allclose(density(model, "a", [0.3, 0.4]), expected, rtol=1e-6)


def test_one_number_s_prior_is_that_of_every_entry_and_entries_are_independent():
    model = built(a=pm.StudentT.dist(nu=3, mu=0, sigma=2))
    expected = stats.t(3, 0, 2).logpdf([0.3, -1.0])
    np.testing.assert_allclose(density(model, "a", [0.3, -1.0]), expected, rtol=1e-6)
    drawn = pm.draw(model["a"], 200, random_seed=1, mode="FAST_COMPILE")
    assert drawn.shape == (200, 2)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.5


def test_one_distribution_serves_several_models():
    own = pm.Gamma.dist(2.0, 1.0)
    first, second = built(nu=own), built(nu=own)
    assert first["nu"] is not second["nu"]
    assert own.name is None
    assert density(second, "nu", 1.7) == pytest.approx(stats.gamma(2.0).logpdf(1.7), rel=1e-6)


OUTSIDE = {
    "a normal for a share": (
        {"lam": pm.Normal.dist(0, 1)},
        r"prior of lam, Normal\(0, 1\), reaches from -inf to inf, beyond its support, 0 to 1",
    ),
    "a text": ({"lam": "normal(0, 1)"}, "weak prior of lam 'normal': known: beta"),
    "a gamma for a share": ({"lam": "gamma(2, 1)"}, "prior of lam, Gamma.*reaches from 0 to inf"),
    "a box beyond": ({"lam": pm.Uniform.dist(0, 2)}, "prior of lam.*reaches from 0 to 2"),
    "a box in text": ({"lam": "uniform(0, 2)"}, "box of lam, 0.0 to 2.0, leaves its support"),
    "a normal for a variance": ({"nu": Preliz(pm.Normal, mu=0.0, sigma=1.0)}, "support, 0 to inf"),
    "three numbers": ({"a": pm.Normal.dist([0, 1, 2], 1)}, r"shape \(3,\).*\(2,\)"),
    "two for one": ({"b": pm.Normal.dist([0, 1], 1)}, r"prior of b has numbers of shape \(2,\)"),
    "discrete": ({"nu": pm.Poisson.dist(3)}, "prior of nu.*is discrete"),
    "improper": ({"b": pm.Flat.dist()}, "prior of b.*is improper"),
    "several together": ({"a": pm.Dirichlet.dist([1.0, 1.0])}, "ties several entries together"),
    "hierarchical": ({"b": pm.Normal.dist(pm.Normal.dist(0, 1), 1)}, "depends on other random"),
    "impossible": ({"lam": pm.Beta.dist(-1, 2)}, "cannot be drawn from"),
    "a class": ({"lam": pm.Beta}, "is the class Beta: give it numbers"),
    "other dims": (
        {"b": Extras(pm.Normal, ("feature",), mu=0, sigma=1)},
        "has dims .*feature.*the parameter has",
    ),
    "unknown dims": ({"a": Extras(pm.Normal, ("country",), mu=0, sigma=1)}, "has dims"),
    "a hierarchy": (
        {"b": Extras(pm.Normal, mu=Extras(pm.Normal, mu=0, sigma=1), sigma=1)},
        "unknowns or transforms of its own",
    ),
    "a transform": (
        {"lam": Extras(pm.Normal, transform=pm.math.sigmoid, mu=0, sigma=1)},
        "unknowns or transforms of its own",
    ),
    "half the numbers": ({"lam": Extras(pm.Beta, mu=0.5)}, "prior of lam.*cannot be made"),
    "scipy's": ({"lam": stats.beta(2, 8)}, "or a distribution such as pm.Beta.dist"),
    "a list": ({"b": [0, 1]}, r"give \(lower, upper\), a Box, a Weak"),
    "a number": ({"b": 3.0}, r"give \(lower, upper\)"),
    "any object": ({"b": SimpleNamespace(owner=None)}, r"give \(lower, upper\)"),
    "an unknown name": ({"lam": "betta(2, 8)"}, "distribution of lam 'betta': did you mean 'beta'"),
    "no numbers": ({"lam": "weak"}, "give a distribution and its numbers"),
    "no number": ({"lam": "beta(two, 8)"}, "'two' in Beta: give a number"),
    "nan": ({"lam": "beta(nan, 8)"}, "'nan' in Beta: give a number"),
    "too many": ({"b": "laplace(0, 1, 2)"}, "Laplace has the numbers mu, b: give no more"),
    "an unknown number": ({"b": "normal(mu=0, sd=1)"}, "number of Normal, the prior of b, 'sd'"),
    "twice": ({"b": "normal(0, mu=1)"}, "mu is given twice"),
    "too few": ({"b": "studentt()"}, "cannot be made"),
    "empty": ({"lam": ""}, "give a distribution and its numbers"),
}


@pytest.mark.parametrize(("prior", "words"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_does_not_fit_is_refused_in_one_line(prior, words):
    with pytest.raises(InputError, match=words) as caught:
        built(**prior)
    assert "\n" not in str(caught.value)


def test_text_becomes_a_value_where_there_is_one():
    assert prior_from_text("b", " Normal( 0 , sigma = 2e-1 ) ") == Weak("normal", 0.0, 0.2)
    assert prior_from_text("b", "uniform(-1, 1)") == Box(-1.0, 1.0)
    other = prior_from_text("nu", "lognormal(0, 1)")
    assert isinstance(other, Distribution)
    assert str(other) == "LogNormal(mu=0, sigma=1)"
    assert prior_from_text("nu", "halfnormal(0.1234567890123)").text == (
        "HalfNormal(sigma=0.1234567890123)"
    )
    model = built(nu=other)
    assert density(model, "nu", 2.0) == pytest.approx(stats.lognorm(1.0).logpdf(2.0), rel=1e-12)


def test_what_came_as_text_is_written_down_and_an_object_is_not():
    """And what is written down makes the same prior again."""
    written = plain_priors(priors_of(built(nu="halfnormal(3)", lam="beta(2, 8)")))
    assert written["lam"] == {"kind": "beta", "alpha": 2.0, "beta": 8.0}
    again = built(**written)
    expected = stats.halfnorm(scale=3.0).logpdf(1.3)
    assert density(again, "nu", 1.3) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(InputError, match="cannot be written down"):
        plain_priors(priors_of(built(nu=pm.HalfNormal.dist(3))))


def test_the_engine_takes_them():
    """The MAP of a precise prior is that prior's mode, whatever the few rows say."""
    from bayes_cmoe.estimate.map import fit_map

    model = built(b=pm.Normal.dist(0.7, 1e-4), a=Preliz(pm.Normal, mu=-0.2, sigma=1e-4))
    point = fit_map(model, starts=32)["point_estimate"]
    assert point["b"].item() == pytest.approx(0.7, abs=1e-4)
    np.testing.assert_allclose(point["a"], [-0.2, -0.2], atol=1e-4)


def test_real_ones_where_they_are_installed():
    preliz = pytest.importorskip("preliz")
    assert density(built(lam=preliz.Beta(2, 8)), "lam", 0.4) == pytest.approx(
        BETA.logpdf(0.4), abs=1e-6
    )


def test_real_priors_of_pymc_extras_where_they_are_installed():
    prior = pytest.importorskip("pymc_extras.prior").Prior
    model = built(
        a=prior("Normal", mu=0, sigma=2, dims="feature"), lam=prior("Beta", alpha=2, beta=8)
    )
    assert density(model, "lam", 0.4) == close(0.4)
    with pytest.raises(InputError, match="unknowns or transforms of its own"):
        built(b=prior("Normal", mu=prior("Normal"), sigma=1))
