"""The factories' models in PyMC's own hands; `pm.sample` runs with its default compiler."""

import doctest
import importlib
import pkgutil

import arviz as az
import bayes_cmoe.models
import numpy as np
import pymc as pm
import pytest

from bayes_cmoe import (
    Data,
    InputError,
    frozen_expert,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
    variant_named,
)
from tests.table import CASES, REPRESENTATIVES, Case

MODULES = [info.name for info in pkgutil.iter_modules(bayes_cmoe.models.__path__)]
# The sampler of a `pm.CustomDist` is Python: Numba calls it in object mode and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Numba will use object mode:UserWarning")
PYTHON = {"compile_kwargs": {"mode": "FAST_COMPILE"}}
QUIET = {"progressbar": False, "random_seed": 1}


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_models_folder(name: str) -> None:
    module = importlib.import_module(f"bayes_cmoe.models.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("case", REPRESENTATIVES, ids=lambda case: case.name)
def test_pymc_samples_predicts_and_scores(case: Case) -> None:
    with case.model("weak"):
        prior = pm.sample_prior_predictive(20, random_seed=1, **PYTHON)
        tree = pm.sample(20, tune=20, chains=1, cores=1, compute_convergence_checks=False, **QUIET)
        pm.compute_log_likelihood(tree, progressbar=False, **PYTHON)
        pm.sample_posterior_predictive(tree, extend_inferencedata=True, **QUIET, **PYTHON)
    assert prior["prior_predictive"]["y"].shape == (1, 20, case.data.n)
    draws = tree["posterior"].dataset
    rows = tree["log_likelihood"]["y"]
    assert rows.dims == ("chain", "draw", "obs")
    layout = case.likelihood.layout
    theta = {name: draws[name].values[0, -1] for name in layout.names}
    expected = case.reference(theta, case.columns(case.x, case.y))
    np.testing.assert_allclose(rows.values[0, -1], expected, rtol=1e-10)
    predicted = tree["posterior_predictive"]["y"]
    assert predicted.shape == (1, 20, case.data.n)
    if case.classes:
        assert set(np.unique(predicted)) <= set(range(case.classes))
    else:
        assert np.all(np.isfinite(predicted))


@pytest.mark.filterwarnings("ignore::pymc.exceptions.ImplicitFreezeWarning")
def test_frozen_log_densities_score_and_refuse_to_predict() -> None:
    case = CASES["softmax/tanh/log_density"]
    tree = az.from_dict({"posterior": {name: v[None, None] for name, v in case.theta.items()}})
    with case.model("weak"):
        pm.compute_log_likelihood(tree, progressbar=False, **PYTHON)
        with pytest.raises(InputError, match="cannot be drawn from: give its predictions"):
            pm.sample_posterior_predictive(tree, **QUIET, **PYTHON)
    expected = case.reference(case.theta, case.columns(case.x, case.y))
    np.testing.assert_allclose(tree["log_likelihood"]["y"].values[0, 0], expected, rtol=1e-11)


@pytest.mark.parametrize(
    ("case", "dims"),
    [
        ("constant/tanh/gaussian", {"lam": (), "a": ("feature",), "b": (), "nu": ()}),
        (
            "softmax/relu-nobias/laplace",
            {"beta": ("feature",), "tau": (), "a": ("feature",), "nu": ()},
        ),
        (
            "multinomial-constant/gelu/categorical",
            {"lam": (), "a": ("free_class", "feature"), "b": ("free_class",)},
        ),
        (
            "multinomial-softmax/linear-nobias/log_density",
            {"beta": ("feature",), "tau": (), "a": ("free_class", "feature")},
        ),
    ],
)
def test_parameters_carry_the_papers_names_and_dims(
    case: str, dims: dict[str, tuple[str, ...]]
) -> None:
    model = CASES[case].model()
    found = {rv.name: tuple(model.named_vars_to_dims.get(rv.name) or ()) for rv in model.free_RVs}
    assert found == dims
    assert tuple(model.coords["obs"]) == tuple(range(CASES[case].data.n))


def test_factories_refuse_what_does_not_belong_together() -> None:
    scalar, labels = CASES["constant/tanh/gaussian"], CASES["multinomial-softmax/tanh/categorical"]
    constant = variant_named("constant_contaminated")
    multinomial = variant_named("multinomial_contaminated")
    gaussian = frozen_expert(
        "gaussian", "linear", {"a": np.ones(scalar.x.shape[1]), "b": 0.0}, scale=1.0
    )
    with pytest.raises(InputError, match="did you mean 'tanh'"):
        constant.build(scalar.data, frozen=gaussian, expert="tahn")
    with pytest.raises(InputError, match="did you mean 'flat'"):
        constant.build(scalar.data, frozen=gaussian, prior="flatt")
    with pytest.raises(InputError, match="did you mean 'softmax'"):
        multinomial.build(labels.data, frozen=gaussian, gate="softmx")
    with pytest.raises(InputError, match="class labels"):
        multinomial.build(scalar.data, frozen=gaussian)
    short = frozen_probabilities(np.full((3, labels.classes), 1 / labels.classes))
    with pytest.raises(InputError, match="3 rows and the data 12"):
        multinomial.build(labels.data, frozen=short)


def test_frozen_expert_must_speak_of_the_same_response() -> None:
    scalar, labels = CASES["constant/tanh/gaussian"], CASES["multinomial-softmax/tanh/categorical"]
    n, classes = labels.data.n, labels.classes
    constant = variant_named("constant_contaminated")
    multinomial = variant_named("multinomial_contaminated")
    numbers = frozen_predictions("gaussian", np.zeros(n), 1.0)
    with pytest.raises(InputError, match="class"):
        multinomial.build(labels.data, frozen=numbers)
    with pytest.raises(InputError, match="class"):
        constant.build(scalar.data, frozen=frozen_probabilities(np.full((n, 2), 0.5)))
    with pytest.raises(InputError, match="classes"):
        multinomial.build(
            labels.data, frozen=frozen_probabilities(np.full((n, classes + 1), 1 / (classes + 1)))
        )
    assert classes is not None
    slopes = np.ones((classes, labels.x.shape[1]))
    one_logit_too_many = frozen_expert("multinomial_logistic", "linear-nobias", {"a": slopes})
    with pytest.raises(InputError, match="classes"):
        multinomial.build(labels.data, frozen=one_logit_too_many)


def test_a_response_of_the_wrong_kind_is_refused() -> None:
    labels = Data(np.arange(4.0), np.arange(4.0) % 3, classes=3)
    classifier = frozen_log_density(np.full(4, -1.0))
    with pytest.raises(InputError, match="gaussian prompt does not go"):
        variant_named("softmax_contaminated").build(labels, frozen=classifier)
