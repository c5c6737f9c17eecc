"""Rows that forms need before any label: beside plan, beside mathematics, and beside fits."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_cmoe import (
    InputError,
    advise,
    frozen_expert,
    frozen_predictions,
    low_rank_expert,
    variant_named,
)
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.parts.experts import EXPERTS, evaluate, expert_named
from bayes_cmoe.study.simulate import simulate
from bayes_cmoe.theory.advice import _quantiles
from bayes_cmoe.theory.forms import form_of
from bayes_cmoe.theory.nearest import SAME, nearest
from bayes_cmoe.theory.planner import _held, plan
from bayes_cmoe.theory.plausible import Beliefs, Sizes, plausible

CONSTANT = "constant_contaminated"
RNG = np.random.default_rng(5)
X = RNG.standard_normal((300, 1))
PROMPT = {"lam": 0.4, "a": [-1.0], "b": 0.8, "nu": 0.5}


def table(frozen, x=X):
    columns = frozen.columns(x)
    own = {f"x{j + 1}": x[:, j] for j in range(x.shape[1])}
    return {**own, "f0": columns["frozen_mean"], "s0": columns["frozen_scale"]}


STATED = {"family": "gaussian", "mean": "f0", "scale": "s0"}


def drawn_from(regime, x):
    """The regime with the table's rows for its inputs."""
    return replace(regime, inputs=lambda rng, n: x[rng.integers(len(x), size=n)])


@pytest.mark.parametrize("target", ["lam", "expert", "b"])
def test_at_a_known_truth_the_rows_are_those_of_plan(target):
    regime = drawn_from(variant_named(CONSTANT).regime("merging"), X)
    wanted = {"lam": 0.05, "expert": 0.2, "b": 0.1}[target]
    planned = plan(CONSTANT, regime, parameter=target, error=wanted, at=1.0, truth=PROMPT, seed=3)
    found = advise(
        table(regime.frozen), x="x1", frozen=STATED, variant=CONSTANT, experts=["tanh"],
        error={target: wanted}, truth=PROMPT,
    )  # fmt: skip
    n, error = planned.attrs["n"], planned.attrs["n_se"]
    # The plan's draws are its own, and so are the inputs that it draws from the same rows.
    assert float(found["rows"].item()) == pytest.approx(n, abs=4.0 * error + 0.01 * n)
    assert found["theta"].dims == ("form", "truth", "entry")
    np.testing.assert_allclose(found["theta"].values.ravel(), [0.4, -1.0, 0.8, 0.5])


def test_classes_too_have_the_rows_of_plan():
    variant = variant_named("multinomial_contaminated")
    x = np.random.default_rng(6).standard_normal((300, 2))
    regime = drawn_from(variant.regime("heterogeneous"), x)
    truth = {name: np.asarray(value) for name, value in regime.truth(1.0).items()}
    planned = plan(variant, regime, parameter="expert", error=0.5, at=1.0, truth=truth, seed=3)
    logits = regime.frozen.columns(x)["frozen_logits"]
    full = np.exp(np.column_stack([logits, np.zeros(len(x))]))
    probs = full / full.sum(axis=1, keepdims=True)
    rows = {"x1": x[:, 0], "x2": x[:, 1], **{f"p{k}": probs[:, k] for k in range(3)}}
    found = advise(
        rows, x=["x1", "x2"], frozen={"probs": ["p0", "p1", "p2"]}, experts=["tanh"],
        error={"expert": 0.5}, truth=truth,
    )  # fmt: skip
    n, error = planned.attrs["n"], planned.attrs["n_se"]
    assert float(found["rows"].item()) == pytest.approx(n, abs=4.0 * error + 0.02 * n)
    assert not bool(found["homogeneous"].item())


def test_far_from_f0_it_is_regression():
    """Every row says whose it is: var a'x + b = nu x'(X'X)^-1 x / share, in all p nu / (share n)"""
    frozen = frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.3}, scale=0.5)
    truth = {"lam": 0.25, "a": [-1.0], "b": 500.0, "nu": 0.49}
    found = advise(
        table(frozen), x="x1", frozen=STATED, variant=CONSTANT, experts=["linear"],
        error={"function": 0.1, "share": 0.02}, truth=truth,
    )  # fmt: skip
    function, share = found["rows"].sel(form="linear").values[:, 0]
    assert function == pytest.approx(2.0 * 0.49 / 0.25 / (0.1 * 0.5) ** 2, rel=1e-3)
    assert share == pytest.approx(0.25 * 0.75 / 0.02**2, rel=1e-3)
    assert float(found["resolved"].item()) == pytest.approx(25.0 * 0.75 / 0.25, rel=1e-3)


def numbered(frozen, expert, x=X, gate=None):
    variant = variant_named("softmax_contaminated" if gate is None else CONSTANT)
    names = tuple(f"x{j + 1}" for j in range(x.shape[1]))
    return form_of(variant, expert_named(expert), variant.gates[0], (x, names), frozen)


def test_the_nearest_line_is_least_squares():
    x = X[:90]
    mean = np.sin(2.0 * x[:, 0])
    form = numbered(frozen_predictions("gaussian", mean, 0.3), "linear", x)
    found = nearest(form)
    named = form.engine.layout.unravel(found.theta)
    (slope, intercept), squares, *_ = np.polyfit(x[:, 0], mean, 1, full=True)
    variance = 0.09 + squares[0] / 90
    np.testing.assert_allclose(named["a"], slope, atol=1e-5)
    np.testing.assert_allclose(named["b"], intercept, atol=1e-5)
    np.testing.assert_allclose(named["nu"], variance, rtol=1e-5)
    gap = slope * x[:, 0] + intercept - mean
    overlap = np.sqrt(2.0 * 0.3 * variance**0.5 / (0.09 + variance)) * np.exp(
        -0.25 * gap**2 / (0.09 + variance)
    )
    assert found.distance == pytest.approx(np.sqrt(np.mean(1.0 - overlap)), rel=1e-4)


@pytest.mark.parametrize(("expert", "same"), [("linear", True), ("tanh", False)])
def test_a_form_that_holds_f0_is_homogeneous(expert, same):
    x = np.random.default_rng(2).uniform(4.0, 9.0, (60, 2))
    frozen = frozen_predictions("gaussian", x @ [2.0, -1.0] + 3.0, 0.7)
    assert (nearest(numbered(frozen, expert, x)).distance < SAME) == same


@pytest.mark.parametrize("expert", ["linear", "tanh"])
def test_truths_have_the_sizes_that_were_asked_for(expert):
    x = np.random.default_rng(2).normal([30.0, -2.0], [5.0, 0.1], (400, 2))
    mean = 0.3 * np.tanh((x[:, 0] - 30.0) / 5.0)
    form = numbered(frozen_predictions("laplace", mean, 0.2), expert, x)
    center = nearest(form).theta
    sizes = Sizes(share=0.15, shift=0.8, spread=1.4, steepness=0.6)
    theta = plausible(form, center, sizes, np.random.default_rng(1))
    layout = form.engine.layout
    here, there = layout.unravel(theta), layout.unravel(center)
    odds = x @ here["beta"] + here["tau"]
    assert np.mean(1.0 / (1.0 + np.exp(-odds))) == pytest.approx(0.15, rel=1e-6)
    assert np.std(odds) == pytest.approx(0.6, rel=1e-6)
    activation = np.tanh if expert == "tanh" else np.asarray
    own, near = (activation(x @ point["a"] + point["b"]) for point in (here, there))
    # A Laplace's variance is twice its scale squared.
    scale = 0.2 * 2.0**0.5
    assert np.sqrt(np.mean((own - near) ** 2)) / scale == pytest.approx(0.8, rel=1e-3)
    assert float(here["nu"]) ** 0.5 / scale == pytest.approx(1.4, rel=1e-3)
    again = plausible(form, center, sizes, np.random.default_rng(1))
    np.testing.assert_array_equal(theta, again)


def test_a_form_with_ends_cannot_move_farther():
    form = numbered(frozen_predictions("gaussian", np.tanh(X[:, 0]), 0.1), "tanh", gate=CONSTANT)
    center, rng = nearest(form).theta, np.random.default_rng(1)
    assert plausible(form, center, Sizes(0.3, 25.0, 1.0, 0.0), rng) is None
    assert plausible(form, center, Sizes(0.3, 5.0, 1.0, 0.0), rng) is not None


def test_units_are_no_matter():
    x = np.random.default_rng(2).normal(size=(200, 2))
    frozen = {"family": "gaussian", "mean": "f0", "scale": 0.5}
    mean = np.sin(x[:, 0])
    few = {"frozen": frozen, "experts": ["linear"], "truths": 3, "x": ["p", "q"]}
    found = advise({"p": x[:, 0], "q": x[:, 1], "f0": mean}, **few)
    moved = advise(
        {"p": 1000.0 * x[:, 0] + 4000.0, "q": 0.01 * x[:, 1], "f0": 7.0 * mean - 20.0},
        **(few | {"frozen": frozen | {"scale": 3.5}}),
    )
    assert float(moved["scale"].item()) == pytest.approx(7.0 * float(found["scale"].item()))
    np.testing.assert_allclose(moved["distance"], found["distance"], rtol=1e-4)
    # Each draw has the same direction among functions, but for a trace of the weak prior.
    np.testing.assert_allclose(moved["rows"], found["rows"], rtol=1e-3)


@pytest.fixture(scope="module")
def merging():
    """A homogeneous and a heterogeneous form beside a line, for a shift that hardly shows."""
    frozen = frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.3}, scale=1.0)
    return advise(
        table(frozen), x="x1", frozen=STATED, variant=CONSTANT, experts=["linear", "tanh"],
        error=0.5, shift=(0.15, 0.15), share=(0.3, 0.3), spread=(1.0, 1.0), truths=3,
    )  # fmt: skip


def test_what_is_not_told_from_f0_gets_no_promise(merging):
    linear, tanh = merging.sel(form="linear"), merging.sel(form="tanh")
    assert bool(linear["homogeneous"])
    assert not bool(tanh["homogeneous"])
    assert str(linear["standing"].item()) == "unresolved"
    assert "no promise" in str(linear["advice"].item())
    assert "modulus" in str(linear["advice"].item())
    assert (linear["resolved"] > linear["rows"].sel(wanted="function")).all()
    # The share may move by more than all of it.
    assert float(linear["modulus"].sel(moved="share")) > 0.3
    assert (tanh["resolved"] < linear["resolved"]).all()
    assert "\n" not in repr(merging)
    assert "no promise" in repr(merging)
    assert merging._repr_html_().count("<tr>") == 3


def test_half_the_shift_of_a_homogeneous_form_needs_sixteen_times_the_rows():
    """The share's error falls as the shift's power -2 where slopes merge (arXiv:2410.12258)."""
    frozen = frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.3}, scale=1.0)
    form = numbered(frozen, "linear", gate=CONSTANT)
    near, far = (
        form.deviations(
            form.engine.layout.ravel({"lam": 0.3, "a": [1.0 + shift], "b": 0.3, "nu": 1.0})
        )
        for shift in (0.05, 0.1)
    )
    assert (near["share"] / far["share"]) ** 2 == pytest.approx(16.0, rel=0.05)
    assert (near["function"] / far["function"]) ** 2 < 6.0


def test_quantiles_are_truths():
    found = _quantiles(np.array([5.0, np.nan, 1.0, 4.0, 2.0, 3.0]))
    np.testing.assert_array_equal(found, [3.0, 5.0, 5.0])
    np.testing.assert_array_equal(_quantiles(np.arange(10.0)), [4.0, 8.0, 9.0])
    assert np.isnan(_quantiles(np.array([np.nan]))).all()


def test_beliefs_are_spread_over_their_ranges():
    drawn = Beliefs(share=(0.1, 0.5), steepness=(0.0, 0.0)).drawn(8, seed=1)
    shares = np.sort([own.share for own in drawn])
    edges = np.linspace(0.1, 0.5, 9)
    assert np.all((shares > edges[:-1]) & (shares < edges[1:]))
    assert {own.steepness for own in drawn} == {0.0}


def test_low_rank_is_linear_in_principal_components():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) * [1.0, 10.0, 0.1, 3.0] + 5.0
    standard = (x - x.mean(axis=0)) / x.std(axis=0)
    values, vectors = np.linalg.eigh(standard.T @ standard / 50)
    wanted = standard @ vectors[:, ::-1][:, :2] / np.sqrt(values[::-1][:2])
    expert = low_rank_expert(x, 2)
    found = np.column_stack(
        [evaluate(expert, x, {"a": one, "b": 0.0}) for one in ([1.0, 0.0], [0.0, 1.0])]
    )
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), rtol=1e-8)
    assert float(evaluate(expert, x, {"a": [1.0, 0.0], "b": 2.5})[0] - found[0, 0]) == 2.5
    several = evaluate(expert, x, {"a": [[1.0, 0.0], [0.0, 2.0]], "b": [0.0, 1.0]})
    np.testing.assert_allclose(several, found * [1.0, 2.0] + [0.0, 1.0])
    with pytest.raises(InputError, match="vary along 4 directions"):
        low_rank_expert(x, 5)
    assert "low-rank-2" not in EXPERTS


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"share": (0.5, 0.1)}, "share from 0.5 to 0.1"),
        ({"share": (0.0, 0.1)}, "share from 0 to 0.1"),
        ({"shift": (0.0, 1.0)}, "shift from 0 to 1"),
        ({"spread": (-1.0, 1.0)}, "spread from -1"),
        ({"steepness": (-1.0, 1.0)}, "steepness from -1"),
        ({"error": -1.0}, "makes no sense"),
        ({"error": {"lamb": 0.1}}, "did you mean 'lam'"),
        ({"truths": 0}, "from 1 to 1000"),
        ({"experts": ["linaer"]}, "did you mean 'linear'"),
        ({"experts": ["low-rank-x"]}, "low-rank-2"),
        ({"experts": ["low-rank-7"]}, "vary along 1 direction"),
        ({"experts": ["linear", "linear"]}, "named twice"),
        ({"experts": []}, "no expert form"),
        ({"variant": "multinomial_contaminated"}, "choose another variant"),
        ({"variant": "softmax_gaussian_moe"}, "no frozen expert"),
        ({"x": "x9"}, "no column 'x9'"),
        ({"truth": {**PROMPT, "nu": -1.0}}, "the truth nu = -1.0 is outside"),
        ({"frozen": {"logp": "f0"}}, "log-densities"),
        ({"frozen": lambda rows: rows["x1"]}, "give held-out rows"),
    ],
)
def test_what_cannot_be_advised_on(given, problem):
    rows = table(frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.3}, scale=1.0), X[:40])
    own = {"x": "x1", "frozen": STATED, "variant": CONSTANT, "experts": ["linear"], "truths": 1}
    with pytest.raises(InputError, match=problem):
        advise(rows, **(own | given))


@pytest.mark.slow
def test_fits_of_so_many_rows_have_the_wanted_error():
    """MAP under the flat prior, 200 data sets at the advised n: its RMSE is what was wanted."""
    variant = variant_named(CONSTANT)
    regime = drawn_from(variant.regime("linear-merging-a"), X)
    truth = {"lam": 0.4, "a": [-1.0], "b": 1.8, "nu": 0.5}
    wanted = {"share": 0.03, "function": 0.12}
    found = advise(
        table(regime.frozen), x="x1", frozen=STATED, variant=CONSTANT, experts=["linear"],
        error=wanted, truth=truth,
    )  # fmt: skip
    columns = np.column_stack([np.ones(len(X)), X[:, 0]])
    held = _held(regime, {name: np.asarray(value, dtype=float) for name, value in truth.items()})
    for target in wanted:
        n = round(float(found["rows"].sel(wanted=target).item()))
        assert n > float(found["resolved"].item())
        model = variant.model(held, simulate(variant, held, n, seed=0))
        posterior, errors = Posterior(model), []
        for seed in range(200):
            model = variant.model(held, simulate(variant, held, n, seed=seed))
            point = fit_map(model, near=truth, posterior=posterior)["point_estimate"]
            if target == "share":
                errors.append((float(point["lam"]) - 0.4) ** 2)
            else:
                off = [float(point["b"]) - 1.8, float(point["a"][0]) + 1.0]
                errors.append(np.mean((columns @ off) ** 2))
        rmse, spread = np.sqrt(np.mean(errors)), np.std(errors) / np.sqrt(200)
        # Three standard errors, and what a bias of order 1/n may add.
        half = 1.5 * spread / rmse**2
        assert wanted[target] * (1.0 - 2 * half) < rmse < wanted[target] * (1.03 + 2 * half), (
            target,
            n,
            rmse,
        )


def test_half_the_error_needs_four_times_the_rows():
    frozen = frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.3}, scale=1.0)
    own = {"x": "x1", "frozen": STATED, "variant": CONSTANT, "experts": ["linear"]}
    truth = {"lam": 0.4, "a": [-1.0], "b": 1.8, "nu": 0.5}
    few, many = (
        advise(table(frozen, X[:60]), error={"function": error, "nu": 2.0}, truth=truth, **own)
        for error in (0.2, 0.1)
    )
    ratio = (many["rows"] / few["rows"]).sel(form="linear").values[:, 0]
    np.testing.assert_allclose(ratio, [4.0, 1.0])
    # What all wanted errors need is what the hardest of them does.
    np.testing.assert_allclose(many["needed"].values[0], float(many["rows"].max()))
