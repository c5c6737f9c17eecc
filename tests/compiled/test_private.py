"""The contract with the inside of PyMC, PyTensor, nutpie and joblib, at the installed versions."""

import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from joblib import Parallel, delayed, parallel_config
from pymc.distributions import transforms
from scipy import stats

from bayes_cmoe.compiled import private
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.private import conversion
from bayes_cmoe.errors import InputError

X = np.array([0.0, 1.0, 2.0])


def weighted_model() -> pm.Model:
    """Unknowns m ~ N(1, 2²) and s ~ LogNormal(0, 1); a custom response of w, m and s."""

    def logp(value: pt.TensorVariable, *arguments: pt.TensorVariable) -> pt.TensorVariable:
        w, m, s = arguments
        return w - 0.5 * ((value - m) / s) ** 2

    def random(w, m, s, rng=None, size=None):
        return rng.normal(m, s) + w

    with pm.Model(coords={"obs": range(3)}) as model:
        x = pm.Data("x", X, dims="obs")
        y = pm.Data("response", np.array([0.5, 1.0, 4.0]), dims="obs")
        # Arrays: PyTensor would take a bare number for single precision.
        m = pm.Normal("m", np.asarray(1.0), np.asarray(2.0), initval=0.25)
        s = pm.LogNormal("s", np.asarray(0.0), np.asarray(1.0))
        pm.CustomDist(
            "y", pt.constant(10.0), m + x, s, logp=logp, random=random, signature="(),(),()->()",
            observed=y, dims="obs", class_name="Weighted",
        )  # fmt: skip
    return model


@pytest.fixture(scope="module")
def model() -> pm.Model:
    return weighted_model()


def test_names_and_values_of_a_model(model: pm.Model) -> None:
    assert private.response_name(model) == "response"
    assert private.value_variable(model, model["y"]) is model["response"]
    assert private.value_variable(model, model["s"]).name == "s_log__"
    assert private.class_name(model["y"]) == "Weighted"
    assert private.class_name(model["m"]) != "Weighted"
    assert np.array_equal(private.shared_value(model["x"]), X)
    assert private.shared_value(model["m"]) is None
    assert private.row_nodes(model) == {name: model[name] for name in ("x", "response")}
    np.testing.assert_array_equal(private.row_values(model)["response"], [0.5, 1.0, 4.0])


def test_a_response_that_is_a_constant_is_a_row_by_its_variable_s_name() -> None:
    with pm.Model(coords={"obs": range(3)}) as plain:
        pm.Normal("y", 0.0, 1.0, dims="obs")
    observed = pm.observe(plain, {"y": X})
    assert private.response_name(observed) == "y"
    np.testing.assert_array_equal(private.row_values(observed)["y"], X)


def test_a_random_variable_is_known_and_written() -> None:
    own = pm.Beta.dist(2, 8)
    assert private.is_random(own)
    assert private.is_random(pm.TruncatedNormal.dist(0, 1, lower=0))
    assert not any(private.is_random(other) for other in (own + 1, 3.0, None, pm.Beta))
    assert private.written(own) == "Beta(2, 8)"
    assert private.written(pm.Gamma.dist(2, 3)).startswith("Gamma(2, ")


def test_what_a_random_variable_is_made_of() -> None:
    plain, tied = pm.Normal.dist(0, 1), pm.Dirichlet.dist([1.0, 1.0])
    assert (private.ties_entries(plain), private.ties_entries(tied)) == (False, True)
    assert private.depends_on_random(pm.Normal.dist(plain, 1))
    assert not private.depends_on_random(plain)
    known = private.continuous_distributions()
    assert known["Beta"] is pm.Beta
    assert "Poisson" not in known


def test_a_random_variable_is_borrowed_with_dims() -> None:
    """Shared numbers, entries of its own, and the transform that PyMC gives its kind."""
    own = pm.Gamma.dist(2.0, 1.0)
    with pm.Model(coords={"k": range(4)}) as there:
        borrowed = private.borrowed(own, "g", ("k",))
    assert there.free_RVs == [borrowed]
    assert there.named_vars_to_dims["g"] == ("k",)
    assert private.support(there, borrowed) == (0.0, np.inf)
    assert len(set(pm.draw(borrowed, random_seed=1, mode="FAST_COMPILE"))) == 4
    assert own.name is None


def test_a_parameter_without_a_start_has_none(model: pm.Model) -> None:
    assert np.isnan(private.initial_value(model, model["s"]))


def test_a_start_that_is_a_number_is_read(model: pm.Model) -> None:
    assert private.initial_value(model, model["m"]) == 0.25


def test_a_response_is_drawn_from_its_arguments(model: pm.Model) -> None:
    draw, arguments, cores = private.density_sampler(model["y"])
    assert len(arguments) == 3
    assert cores == (0, 0, 0)
    center, scale = np.array([1.0, 2.0, 3.0]), np.full(3, 0.5)
    found = draw(np.random.default_rng(7), np.full(3, 10.0), center, scale, None)
    assert np.array_equal(found, 10.0 + np.random.default_rng(7).normal(center, 0.5))


def test_leading_arguments_are_exchanged_and_no_others(model: pm.Model) -> None:
    changed, leading = private.with_leading(model["y"], [pt.constant(-3.0)])
    assert len(leading) == 1
    assert np.all(leading[0].eval() == 10.0)
    inside = {model["m"]: pt.constant(1.0), model["s"]: pt.constant(2.0)}
    logp = private.replaced([pm.logp(changed, pt.constant([0.0, 1.0, 5.0]))], inside)[0]
    expected = -3.0 - 0.5 * ((np.array([0.0, 1.0, 5.0]) - (1.0 + X)) / 2.0) ** 2
    np.testing.assert_allclose(logp.eval(), expected, rtol=1e-14)


def test_densities_and_transforms_of_the_unknowns(model: pm.Model) -> None:
    m, s = pt.scalar("m", dtype="float64"), pt.scalar("s", dtype="float64")
    parts = private.joint_log_density({model["m"]: m, model["s"]: s})
    values = private.jaxify([m, s], parts)(0.3, 0.7)
    expected = stats.norm(1.0, 2.0).logpdf(0.3), stats.lognorm(1.0).logpdf(0.7)
    np.testing.assert_allclose([float(value) for value in values], expected, rtol=1e-14)
    forward = private.forward_transformed(model, model["s"], s)
    np.testing.assert_allclose(forward.eval({s: 0.7}), np.log(0.7), rtol=1e-15)
    assert private.forward_transformed(model, model["m"], m) is m


def test_a_converted_graph_keeps_data_and_lets_an_impossible_parameter_pass(
    model: pm.Model,
) -> None:
    scale = pt.scalar("scale", dtype="float64")
    total = pm.logp(pm.Normal.dist(0.0, scale), model["x"]).sum()
    (function,) = [private.jaxify([scale], [total])]
    value = jax.jit(lambda at: function(at)[0])(2.0)
    np.testing.assert_allclose(value, stats.norm(0.0, 2.0).logpdf(X).sum(), rtol=1e-14)
    # PyMC's own check of the scale would raise here, which JAX cannot.
    assert np.isnan(function(-2.0)[0])


def test_a_graph_is_converted_once_with_the_data_of_when_it_was_given(monkeypatch) -> None:
    """By eight threads at once, the first of them within a program that is being traced."""
    own, converted, real = weighted_model(), [], conversion._converted

    def counted(graph):
        converted.append(graph)
        return real(graph)

    monkeypatch.setattr(conversion, "_converted", counted)
    scale = pt.scalar("scale", dtype="float64")
    function = private.jaxify([scale], [pm.logp(pm.Normal.dist(0.0, scale), own["x"]) * X])
    own.set_data("x", X + 100.0)
    assert not converted
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(jax.jit(lambda at: function(at)[0]), np.arange(1.0, 9.0)))
    assert len(converted) == 1
    found.append(function(9.0)[0])
    expected = [X * stats.norm(0.0, at).logpdf(X) for at in range(1, 10)]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_shapes_are_those_of_the_types_or_of_the_data() -> None:
    with pm.Model(coords={"k": range(4)}) as own:
        length = pytensor.shared(np.int64(5))
        found = [
            private.shape_of(variable)
            for variable in (
                pm.Normal("a"), pm.Normal("b", dims="k"), pm.Normal("c", shape=(2, 3)),
                pm.Normal("d", shape=(length,)),
            )
        ]  # fmt: skip
    assert found == [(), (4,), (2, 3), (5,)]
    assert own["d"].type.shape == (None,)


def supported(declare) -> tuple[np.ndarray, np.ndarray]:
    with pm.Model() as own:
        variable = declare()
    lower, upper = private.support(own, variable)
    return lower, upper


RANGES = {
    "normal": (lambda: pm.Normal("v"), -np.inf, np.inf),
    "log-normal": (lambda: pm.LogNormal("v"), 0.0, np.inf),
    "beta": (lambda: pm.Beta("v", 2.0, 3.0), 0.0, 1.0),
    "uniform": (lambda: pm.Uniform("v", -2.0, 7.0), -2.0, 7.0),
    "vector": (lambda: pm.Uniform("v", [-2.0, 0.0], [1.0, 5.0]), [-2.0, 0.0], [1.0, 5.0]),
    "cut below": (lambda: pm.TruncatedNormal("v", 0.0, 1.0, lower=-0.5), -0.5, np.inf),
    "cut above": (lambda: pm.TruncatedNormal("v", 0.0, 1.0, upper=0.5), -np.inf, 0.5),
    "pareto": (lambda: pm.Pareto("v", 2.0, 3.0), 3.0, np.inf),
    "angle": (lambda: pm.VonMises("v", 0.0, 1.0), -np.pi, np.pi),
    "own": (lambda: pm.Normal("v", transform=transforms.Interval(-1.0, 4.0)), -1.0, 4.0),
    "exp m1": (lambda: pm.HalfNormal("v", default_transform=None, transform=transforms.log_exp_m1),
               0.0, np.inf),
    "no transform": (lambda: pm.Uniform("v", 1.0, 2.0, default_transform=None), 1.0, 2.0),
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_a_support_is_what_the_distribution_or_the_transform_says(name: str) -> None:
    declare, lower, upper = RANGES[name]
    found = supported(declare)
    np.testing.assert_allclose(found[0], lower, rtol=1e-15)
    np.testing.assert_allclose(found[1], upper, rtol=1e-15)


REFUSED = {
    "simplex": (lambda: pm.Dirichlet("v", [1.0, 1.0, 1.0]), "entries of v depend on each other"),
    "ordered": (lambda: pm.Normal("v", shape=3, transform=transforms.ordered), "transform ordered"),
    "zero sum": (lambda: pm.ZeroSumNormal("v", shape=3), "depend on each other"),
    "moving": (lambda: pm.Uniform("v", 0.0, pm.HalfNormal("top")), "moves with other parameters"),
    "two transforms": (lambda: pm.HalfNormal("v", transform=transforms.log), "states no range"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_parameter_without_a_range_of_its_own_is_refused(name: str) -> None:
    declare, words = REFUSED[name]
    with pytest.raises(InputError, match=words):
        supported(declare)


def test_a_model_with_a_simplex_is_refused_by_name() -> None:
    with pm.Model(coords={"obs": range(3)}) as own:
        pm.Data("x", X, dims="obs")
        weights = pm.Dirichlet("weights", [1.0, 1.0])
        pm.Normal("y", weights[0], 1.0, observed=pm.Data("response", X, dims="obs"), dims="obs")
    with pytest.raises(InputError, match="entries of weights depend on each other"):
        Posterior(own)


def test_nutpie_draws_from_a_density_in_numpy() -> None:
    """Moments of N((1, -2), diag(1, 9)); 5 standard errors of some 1000 effective draws."""
    center, variance = np.array([1.0, -2.0]), np.array([1.0, 9.0])

    def density(z: np.ndarray) -> tuple[float, np.ndarray]:
        return float(-0.5 * np.sum((z - center) ** 2 / variance)), -(z - center) / variance

    tree = private.sampled_by_nutpie(
        density,
        np.array([[0.0, 0.0], [2.0, 1.0]]),
        seeds=[3, 4],
        cores=1,
        progress=False,
        settings={"draws": 1000, "tune": 300},
    )
    z = tree["posterior"]["z"].to_numpy()
    assert z.shape == (2, 1000, 2)
    error = 5.0 * np.sqrt(variance / 1000.0)
    assert np.all(np.abs(z.mean(axis=(0, 1)) - center) < error)
    assert np.all(np.abs(z.var(axis=(0, 1)) / variance - 1.0) < 5.0 * np.sqrt(2.0 / 1000.0))


def test_each_chain_begins_where_it_is_told_to() -> None:
    """Without warm-up a first step of a steep density cannot take a chain to the other mode."""
    modes = np.array([[-50.0], [50.0]])

    def density(z: np.ndarray) -> tuple[float, np.ndarray]:
        own = modes[np.argmin(np.abs(modes[:, 0] - z[0]))]
        return float(-0.5 * np.sum((z - own) ** 2)), own - z

    settings = {"draws": 50, "tune": 50}
    for cores in (1, 2):
        tree = private.sampled_by_nutpie(
            density, modes + 0.5, seeds=[1, 2], cores=cores, progress=False, settings=settings
        )
        middle = tree["posterior"]["z"].mean(("draw", "z_dim_0")).to_numpy()
        assert middle == pytest.approx([-50.0, 50.0], abs=2.0)


def test_an_interrupt_while_a_chain_runs_is_no_shorter_chain() -> None:
    """One signal after a thousand evaluations, long before two hundred thousand draws are made."""
    seen = []

    def density(z: np.ndarray) -> tuple[float, np.ndarray]:
        seen.append(0)
        if len(seen) == 1000:
            os.kill(os.getpid(), signal.SIGINT)
        return float(-0.5 * z @ z), -z

    # A shell that starts these tests in the background lets them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            private.sampled_by_nutpie(
                density,
                np.ones((1, 2)),
                seeds=[1],
                cores=1,
                progress=False,
                settings={"draws": 200_000, "tune": 100},
            )
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(seen) < 100_000


def _killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_is_told_by_joblibs_error() -> None:
    with pytest.raises(private.dead_worker_error()):
        Parallel(n_jobs=2)(delayed(_killed)() for _ in range(2))


_HELD: list[np.ndarray] = []


def _grown() -> int:
    """This process, 150 MB larger, and older than what joblib lets pass between two looks."""
    _HELD.append(np.ones(150 * 10**6 // 8))
    time.sleep(1.1)
    return os.getpid()


@pytest.mark.filterwarnings("ignore:A worker stopped")
@pytest.mark.parametrize(("size", "renewed"), [(2e9, False), (1e8, True)])
def test_a_worker_is_renewed_when_it_has_grown_by_what_it_may(size: float, renewed: bool) -> None:
    """By 450 MB each: more than the 300 that joblib allows by itself."""
    with parallel_config(backend="loky", initializer=private.let_grow, initargs=(size,)):
        processes = Parallel(n_jobs=2, batch_size=1)(delayed(_grown)() for _ in range(8))
    assert (len(set(processes)) > 2) is renewed


def test_no_other_file_reaches_inside() -> None:
    own = Path(private.__file__).parent
    root = own.parents[1]
    inside = re.compile(
        r"rvs_to_|rng_fn|dist_params|ndims_params|_print_name|jax_funcify|clone_replace|"
        r"conditional_logp|CheckParameterValue|compiled_pyfunc|joblib\.externals|"
        r"pymc\.(logprob|distributions)|pytensor\.(graph|compile)|jax\._src|\.owner\.(op|inputs)"
    )
    places = [*root.rglob("*.py"), *(root.parent / "models").glob("*.py")]
    found = [
        file.parent
        for file in places
        for line in file.read_text().splitlines()
        if inside.search(line) and not line.strip().startswith(("#", "joblib.externals"))
    ]
    assert set(found) == {own}
