"""One task: rows that can be drawn again, say what they should, and fail only as numbers do."""

from zlib import crc32

import numpy as np
import nutpie
import pytest
import xarray as xr
from jax.errors import JaxRuntimeError
from numpy.random import SeedSequence
from scipy import stats

import bayes_cmoe.estimate.nested as nested
import bayes_cmoe.sweep.worker as worker
from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.map import find_map, fit_map
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan, Task
from bayes_cmoe.sweep.numerical import is_numerical
from bayes_cmoe.sweep.rows import VARIABLES
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store
from bayes_cmoe.sweep.worker import redraw, run_task
from tests.sweep.designs import BOTH, FADING, FAR, measured


def row_of(table, method, setting, n, replicate):
    chosen = (
        (table["method"] == method)
        & (table["setting"] == setting.label)
        & (table["n"] == n)
        & (table["replicate"] == replicate)
    )
    return table.isel(fit=np.flatnonzero(chosen.to_numpy()))


@pytest.mark.parametrize("method", ["map", "nuts"])
def test_a_single_row_is_drawn_again_with_the_same_bits(finished, method):
    table = Store(finished).collect()
    again = redraw(BOTH, "constant_contaminated", "distinguishable[alpha=1/8]", 300, 1, method)
    stored = row_of(table, method, FADING, 300, 1)
    assert again.sizes["fit"] == stored.sizes["fit"] == 1
    for name in VARIABLES:
        if name not in again:
            assert stored[name].isnull().all()
        elif name != "seconds":
            np.testing.assert_array_equal(stored[name].to_numpy(), again[name].to_numpy(), name)


def test_a_row_is_a_fit_of_the_data_that_simulate_draws(finished):
    """The public functions, from the row's seed, give the same estimate."""
    n, replicate = 300, 2
    data = simulate(FAR.variant, FAR.regime, n, BOTH.seed(FAR, n, replicate))
    variant = variant_named(FAR.variant)
    truth = variant.regime(FAR.regime).truth(n)
    model = variant.model(FAR.regime, data)
    fit = fit_map(model, near=truth)
    row = row_of(Store(finished).collect(), "map", FAR, n, replicate)
    for name in ("lam", "b", "nu"):
        expected = fit["point_estimate"][name].item() - float(truth[name])
        assert row["error"].sel(target=name).item() == pytest.approx(expected, abs=1e-9)
        found = row["standard_error"].sel(target=name).item()
        assert found == pytest.approx(fit["standard_error"][name].item(), rel=1e-6)
    likelihood = Likelihood(model)
    there = likelihood.value(likelihood.layout.ravel(truth), likelihood.rows(columns_of(model)))
    gap = fit["optimizer_result"]["loglik"].item() - there
    assert row["loglik_gap"].item() == pytest.approx(gap, abs=1e-6)


def test_nuts_rows_hang_together(finished):
    table = Store(finished).collect()
    rows = table.isel(fit=np.flatnonzero((table["method"] == "nuts").to_numpy()))
    assert (rows["status"] == "sampled").all()
    loss, error = rows["expected_loss"], np.abs(rows["error"])
    known = loss.notnull() & (loss["target"] != "loss")
    # Jensen both ways: |E d| <= E|d| <= root mean square.
    assert (loss >= error - 1e-12).where(known, True).all()
    spread = np.hypot(rows["posterior_sd"], error)
    assert (loss <= spread + 1e-12).where(known, True).all()
    # Nine tenths of a distance's distribution reach beyond its mean; a half does not.
    assert (rows["radius"] > loss).where(loss.notnull(), True).all()
    assert rows["covered"].sel(target="lam").isin([0.0, 1.0]).all()
    assert rows["covered"].sel(target="expert").isnull().all()
    assert (rows["ess_bulk"] > 1).all()


def nested_design(**plan):
    return Design("few", (FAR,), nuts=NutsPlan((300,), 1, draws=60, tune=60, **plan))


def test_posteriors_by_nested_laplace_are_rows_that_say_so(monkeypatch):
    """Weighted where it trusts itself, else NUTS' row to the bit; with its k-hat either way."""
    asked = (FAR.variant, FAR.regime, 300, 0, "nuts")
    sampled = redraw(nested_design(), *asked)
    assert sampled["status"].item() == "sampled"
    assert "khat" not in sampled
    monkeypatch.setattr(nested, "FEWEST", 50)
    weighted = redraw(nested_design(engine="nested"), *asked)
    assert weighted["status"].item() == "weighted"
    assert weighted["khat"].item() < 0.7
    # Two engines on one posterior: within five standard errors of a mean of 100 draws.
    apart = np.abs(weighted["error"] - sampled["error"]) / sampled["posterior_sd"]
    assert apart.max() < 5 * (2 / 100) ** 0.5
    monkeypatch.setattr(nested, "FEWEST", 10**6)
    fallen_back = redraw(nested_design(engine="nested"), *asked)
    assert fallen_back["khat"].item() == weighted["khat"].item()
    same = measured(fallen_back).drop_vars("khat")
    xr.testing.assert_equal(same, measured(sampled))


def test_starts_from_the_prior_never_lose_in_the_easy_regime(finished):
    table = Store(finished).collect()
    rows = table.isel(fit=np.flatnonzero((table["method"] == "map").to_numpy()))
    searched = (rows["setting"] == FAR.label) & (rows["n"] == 300)
    easy = rows["anywhere_gap"].to_numpy()[searched.to_numpy()]
    assert len(easy) == 4
    assert np.isfinite(easy).all()
    assert np.abs(easy).max() < 1e-3


def test_large_sizes_are_spared_the_starts_from_the_prior(monkeypatch):
    searched = []

    def from_anywhere(model, **options):
        searched.append(model.dim_lengths["obs"].eval())
        return fit_map(model, **options)

    monkeypatch.setattr(worker, "fit_map", from_anywhere)
    design = Design("few", (FAR,), MapPlan((300, 400), 1, starts=1, starts_up_to=300))
    gaps = [run_task(design, task)["anywhere_gap"].item() for task in design.tasks()]
    assert searched == [300]
    assert np.isfinite(gaps).all()


def test_a_better_rival_is_the_rows_estimate(monkeypatch):
    """A rival that gains is fitted again and measured; one that does not changes nothing."""
    design = Design("one", (FAR,), MapPlan((300,), 1))
    near = run_task(design, Task("map", FAR, 300, 0, 1))
    met = []

    def counted(*given):
        met.append(find_map(*given))
        return met[-1]

    monkeypatch.setattr(worker, "find_map", counted)
    for gain, fits in ((-1.0, 1), (3.0, 2)):
        monkeypatch.setattr(worker, "rival", lambda *given, gain=gain: (given[3] * 0.9, gain))
        met.clear()
        row = run_task(design, Task("map", FAR, 300, 0, 1))
        assert len(met) == fits
        assert row["anywhere_gap"].item() == gain
        np.testing.assert_allclose(row["error"], near["error"], atol=1e-4)


def test_a_weak_prior_is_the_same_whichever_row_comes_first():
    design = Design("weak", (FAR,), MapPlan((300,), 3), prior="weak")
    flat = redraw(Design("flat", (FAR,), MapPlan((300,), 3)), FAR.variant, FAR.regime, 300, 2)
    together = run_task(design, Task("map", FAR, 300, 0, 3))
    worker._bench.cache_clear()
    alone = redraw(design, FAR.variant, FAR.regime, 300, 2)
    assert measured(together.isel(fit=[2])).identical(measured(alone))
    assert (flat["error"] != alone["error"]).any()


def spawned(setting, n, replicate, *purpose):
    """Random numbers of a row: names as CRC-32, then sizes, then what they are for."""
    names = (setting.variant.encode(), setting.regime.encode())
    return SeedSequence(7, spawn_key=(*map(crc32, names), n, replicate, *purpose))


def test_starts_have_numbers_of_their_own_and_a_gap_is_what_they_gain(monkeypatch):
    """A start that reaches 2.5 nats more than the one at the truth, whatever the data are."""
    reached, seeds = [], []

    def from_the_truth(*arguments):
        reached.append(find_map(*arguments))
        return reached[-1]

    def from_anywhere(model, *, starts, seed, posterior):
        seeds.append((starts, seed))
        result = xr.Dataset({"logp": reached[-1].logp + 2.5})
        return xr.DataTree.from_dict({"optimizer_result": result})

    monkeypatch.setattr(worker, "find_map", from_the_truth)
    monkeypatch.setattr(worker, "fit_map", from_anywhere)
    design = Design("one", (FAR,), MapPlan((300,), 2, starts=3), entropy=7)
    table = run_task(design, Task("map", FAR, 300, 4, 2))
    assert table["anywhere_gap"].to_numpy() == pytest.approx([2.5, 2.5])
    expected = [spawned(FAR, 300, replicate, 1).generate_state(1)[0] for replicate in (4, 5)]
    assert seeds == [(3, seed) for seed in expected]


def test_a_weak_prior_is_scaled_by_ten_thousand_rows_of_the_regime():
    """SciPy's densities, on the scale of what `simulate` draws from the reference's seed."""
    worker._bench.cache_clear()
    posterior = worker._bench(FAR.variant, FAR.regime, "weak", 7).posterior
    data = simulate(FAR.variant, FAR.regime, 10_000, spawned(FAR, 10_000, 0))
    x = data.x[:, 0]
    reach = np.sqrt(1.0 + x.mean() ** 2 / x.var())
    theta = {"lam": 0.3, "a": np.array([0.7]), "b": -0.4, "nu": 0.8}
    expected = (
        stats.beta.logpdf(0.3, 1.5, 1.5)
        + stats.norm.logpdf(0.7, 0.0, 2.5 / x.std())
        + stats.norm.logpdf(-0.4, 0.0, 2.5 * reach)
        + stats.lognorm.logpdf(0.8, 1.5, scale=data.y.var() / 2.0)
    )
    found = float(posterior.log_prior(posterior.layout.ravel(theta)))
    assert found == pytest.approx(expected, rel=1e-9)


def test_exponents_move_the_truth_and_the_data(finished):
    """Fewer rows come from a prompt that vanishes, so its parameters are harder to learn."""
    table = Store(finished).collect().sel(target="expert")
    large = table.isel(fit=np.flatnonzero((table["n"] == 40_000).to_numpy()))
    error = large["error"].groupby("setting").mean()
    here, there = (error.sel(setting=setting.label).item() for setting in (FAR, FADING))
    assert 1.5 < there / here < 20.0


@pytest.mark.parametrize(
    "error",
    [
        np.linalg.LinAlgError("Matrix is\nwhat it is"),
        OverflowError("big"),
        ValueError("array must not contain infs or NaNs"),
        JaxRuntimeError("INTERNAL: invalid value (nan) in jit"),
        RuntimeError("All initialization points failed\n\nCaused by:\n  BadLogp(-3)"),
    ],
)
def test_a_failed_fit_is_a_row_with_its_code(error, monkeypatch):
    real = worker.find_map
    calls = []

    def sometimes(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return real(*arguments)

    monkeypatch.setattr(worker, "find_map", sometimes)
    table = run_task(Design("one", (FAR,), MapPlan((300,), 3)), Task("map", FAR, 300, 0, 3))
    assert table["status"].to_numpy().tolist() == ["local", "failed", "local"]
    message = table["message"].to_numpy()[1]
    assert message.startswith(type(error).__name__)
    assert "\n" not in message
    assert np.isnan(table["error"].to_numpy()[1]).all()
    assert table["replicate"].to_numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("operands could not be broadcast together with shapes (2,) (3,)"),
        RuntimeError("dictionary changed size during iteration"),
        JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"),
        InputError("the columns differ in length: infinite"),
        TypeError("nan"),
        RuntimeError(
            "All initialization points failed\n\nCaused by:\n    Logp function returned error: "
            "PyError(PyErr { type: <class 'ValueError'>, value: ValueError('shape bug'), "
            'traceback: Some("np.isfinite(nan)") })\n\nStack backtrace:\n   0: inf'
        ),
    ],
)
def test_a_mistake_in_the_program_stops_the_run(error, monkeypatch):
    def wrong(*arguments):
        raise error

    monkeypatch.setattr(worker, "find_map", wrong)
    with pytest.raises(type(error)) as caught:
        run_task(Design("one", (FAR,), MapPlan((300,), 3)), Task("map", FAR, 300, 0, 3))
    assert caught.value is error


def sampled(density):
    """What nutpie itself raises for a density of two numbers."""
    compiled = nutpie.compiled_pyfunc.from_pyfunc(
        ndim=2,
        make_logp_fn=lambda: density,
        make_expand_fn=lambda *_: lambda z: {"z": np.asarray(z)},
        expanded_dtypes=[np.dtype("float64")],
        expanded_shapes=[(2,)],
        expanded_names=["z"],
        make_initial_point_fn=lambda seed: np.zeros(2),
    )
    with pytest.raises(RuntimeError) as caught:
        nutpie.sample(compiled, draws=5, tune=5, chains=1, cores=1, seed=1, progress_bar=False)
    return caught.value


def test_nutpies_own_failures_are_told_apart():
    def overflown(z):
        raise OverflowError("math range error")

    def mistaken(z):
        raise ValueError("shapes (2,) and (3,) not aligned")

    assert is_numerical(sampled(lambda z: (np.nan, z)))
    assert is_numerical(sampled(lambda z: (0.0, z * np.nan)))
    assert is_numerical(sampled(overflown))
    assert not is_numerical(sampled(mistaken))


def cramer_rao(setting, n):
    """Bounds at n for each component, from scores of a big draw; (component,)"""
    variant = variant_named(setting.variant)
    regime = variant.regime(setting.regime)
    data = simulate(variant, regime, 200_000, seed=99)
    model = variant.model(regime, data)
    likelihood = Likelihood(model)
    truth = likelihood.layout.ravel(regime.truth(n))
    scores = likelihood.scores(truth, likelihood.rows(columns_of(model)))
    return np.sqrt(np.diag(np.linalg.inv(scores.T @ scores / len(scores))) / n)


def check_efficiency(setting, n, replications):
    """Errors over the bound are chi-squared, and twice the log-likelihood gap too (Wilks)."""
    design = Design("bound", (setting,), MapPlan((n,), replications))
    table = run_task(design, Task("map", setting, n, 0, replications))
    assert (table["status"] == "local").all()
    bound = cramer_rao(setting, n)
    size = len(bound)
    errors = table["error"].to_numpy()[:, :size]
    squares = np.sum((errors / bound) ** 2, axis=0)
    low, high = stats.chi2(replications).ppf([1e-4 / size, 1 - 1e-4 / size])
    assert ((squares > low) & (squares < high)).all(), squares / replications
    total = 2.0 * float(table["loglik_gap"].sum())
    assert stats.chi2(size * replications).cdf(total) == pytest.approx(0.5, abs=0.4999)


def test_errors_reach_the_cramer_rao_bound():
    check_efficiency(FAR, 10_000, 120)


@pytest.mark.slow
@pytest.mark.parametrize(
    "label",
    ["softmax_contaminated/distinguishable", "multinomial_contaminated/distinguishable"],
)
def test_errors_reach_the_cramer_rao_bound_in_other_variants(label):
    check_efficiency(Setting.parse(label), 30_000, 300)
