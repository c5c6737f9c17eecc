import warnings
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import arviz as az
import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import bayes_cmoe.estimate.nuts as nuts
from bayes_cmoe.estimate.agreement import disagreements
from bayes_cmoe.estimate.diagnostics import Convergence, SamplingWarning, convergence, remedy
from bayes_cmoe.estimate.importance import weights_of
from bayes_cmoe.estimate.laplace import Sample
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.nuts import fit_nuts
from tests.estimate.studies import STUDIES, Study

SMALL = Study("constant_contaminated", "distinguishable", "laplace", 400, 11)


@pytest.fixture(scope="module")
def sampled() -> xr.DataTree:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return fit_nuts(
            SMALL.model, draws=1000, seed=5, log_likelihood=True, posterior=SMALL.posterior
        )


def test_posterior_agrees_with_importance_sampling_of_an_independent_density(
    sampled: xr.DataTree,
) -> None:
    """Flat prior on the box: the posterior is the NumPy likelihood; a multivariate t covers it."""
    names = SMALL.posterior.layout.names
    flat = np.column_stack([sampled["posterior"][name].to_numpy().ravel() for name in names])
    draws, log_weight = SMALL.importance_sampled(flat, 20_000)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    expected = weight @ draws
    error = np.sqrt(weight**2 @ (draws - expected) ** 2)
    ess = np.array([float(az.ess(sampled["posterior"][name]).min()) for name in names])
    error = np.hypot(error, flat.std(axis=0) / np.sqrt(ess))
    assert np.abs(flat.mean(axis=0) - expected).max() < 5.0 * error.max()
    assert (np.abs(flat.mean(axis=0) - expected) < 5.0 * error).all()
    spread = np.sqrt(weight @ (draws - expected) ** 2)
    # Tails are heavy where the prompt's share is small: draws know the spread to 3 to 16 %.
    mcse = np.array(
        [float(az.mcse(sampled["posterior"][name], method="sd").max()) for name in names]
    )
    assert (np.abs(flat.std(axis=0) - spread) < 4.0 * mcse).all()
    assert (mcse < 0.25 * spread).all()


def test_tree_is_what_arviz_reads(sampled: xr.DataTree) -> None:
    summary = az.summary(sampled, var_names=["lam", "a"])
    assert list(summary.index) == ["lam", "a[x1]"]
    loo = az.loo(sampled)
    assert np.isfinite(loo.elpd)
    assert sampled["sample_stats"]["diverging"].dtype == bool
    assert set(sampled.children) >= {"posterior", "sample_stats", "observed_data", "constant_data"}
    assert "4 chains x 1000 draws" in sampled.attrs["summary"]


def test_pointwise_log_likelihood_is_that_of_the_draws(sampled: xr.DataTree) -> None:
    posterior = sampled["posterior"]
    theta = SMALL.posterior.layout.ravel(
        {name: posterior[name][2, 17].to_numpy() for name in SMALL.posterior.layout.names}
    )
    total = float(sampled["log_likelihood"]["y"][2, 17].sum())
    assert total == pytest.approx(SMALL.log_likelihood(theta), rel=1e-10)


def test_same_seed_same_draws(sampled: xr.DataTree) -> None:
    """Fewer draws are the first ones: the warm-up alone adapts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SamplingWarning)
        again = fit_nuts(SMALL.model, draws=200, seed=5, posterior=SMALL.posterior)
    first = sampled["posterior"].to_dataset().isel(draw=slice(200))
    xr.testing.assert_equal(first, again["posterior"].to_dataset())


@pytest.mark.parametrize(
    "study",
    [STUDIES[0], pytest.param(STUDIES[4], marks=pytest.mark.slow)],
    ids=["constant", "multinomial"],
)
def test_map_and_nuts_agree_at_large_n(study: Study) -> None:
    """Bernstein-von Mises: mean at the MAP to O(1/n), sd equal to the standard error."""
    large = Study(study.variant, study.regime, study.family, 10_000, study.seed)
    point = fit_map(large.model, near=large.truth, posterior=study.posterior)
    tree = fit_nuts(large.model, draws=500, start=point, posterior=study.posterior)
    for name in study.posterior.layout.names:
        draws = tree["posterior"][name]
        error = point["standard_error"][name].to_numpy()
        shift = (draws.mean(("chain", "draw")) - point["point_estimate"][name]).to_numpy() / error
        assert np.abs(shift).max() < 0.35
        assert draws.std(("chain", "draw")).to_numpy() / error == pytest.approx(1.0, abs=0.15)


def test_too_few_draws_come_with_a_warning_and_a_remedy() -> None:
    with pytest.warns(SamplingWarning, match="draw more"):
        fit_nuts(SMALL.model, draws=20, tune=30, chains=2, seed=1, posterior=SMALL.posterior)


def test_a_higher_wanted_acceptance_takes_shorter_steps() -> None:
    """An integrator's energy error grows with its step (Hoffman and Gelman 2014, section 3.2)."""
    steps = []
    point = fit_map(SMALL.model, near=SMALL.truth, posterior=SMALL.posterior)
    for wanted in (0.6, 0.99):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SamplingWarning)
            tree = fit_nuts(
                SMALL.model, draws=20, tune=150, chains=2, target_accept=wanted, start=point,
                posterior=SMALL.posterior,
            )  # fmt: skip
        steps.append(float(tree["sample_stats"]["step_size"].mean()))
    assert steps[1] < 0.6 * steps[0]


def test_remedy_names_divergences_first() -> None:
    good = Convergence(4, 1000, 0, 1.001, 2000.0, 1500.0, 0.9, 0)
    assert remedy(good) == ""
    assert "target_accept" in remedy(replace(good, divergences=3, rhat=1.2))
    assert "draw more" in remedy(replace(good, rhat=1.2))
    assert "draw more" in remedy(replace(good, ess_bulk=399.0))
    assert "energies" in remedy(replace(good, bfmi=0.29))
    assert "tree depth" in remedy(replace(good, deepest=1))


def test_energies_are_judged_by_betancourts_fraction(sampled: xr.DataTree) -> None:
    """E-BFMI = sum (E_i - E_{i-1})^2 / sum (E_i - mean E)^2, up to (n - 1) / n of ArviZ's own."""
    energy = sampled["sample_stats"]["energy"].to_numpy()
    steps = (np.diff(energy, axis=1) ** 2).mean(axis=1)
    expected = (steps / energy.var(axis=1, ddof=1)).min()
    assert convergence(sampled).bfmi == pytest.approx(expected, rel=1e-6)
    assert convergence(sampled).deepest == 0
    assert sampled.attrs["trusted"] == 1
    assert sampled.attrs["disagreements"] == ""


def test_tree_survives_netcdf(sampled: xr.DataTree, tmp_path) -> None:
    sampled.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    back = xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf")
    xr.testing.assert_identical(
        sampled["posterior"].to_dataset(), back["posterior"].load().to_dataset()
    )
    assert back.attrs["summary"] == sampled.attrs["summary"]


def test_a_long_tail_is_judged_on_its_logarithm(monkeypatch) -> None:
    """Lognormal draws of deviation 2, and a wider proposal, whose weights know the tail better.

    A chain without the rarest draws thinks its spread is known well: it is called different.
    """
    monkeypatch.setattr(nuts, "labels_of", lambda posterior: None)
    layout = SimpleNamespace(
        labels=("nu",), vectors=lambda values: np.asarray(values["nu"])[..., None]
    )
    posterior: Any = SimpleNamespace(
        layout=layout, lower=np.zeros(1), upper=np.full(1, np.inf), natural_many=lambda u: u
    )
    plain: list[str] = []
    judged: list[str] = []
    shifted: list[str] = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        z = 3.0 * rng.standard_normal(4000)
        weights = weights_of(norm.logpdf(z, 0.0, 2.0), norm.logpdf(z, 0.0, 3.0))
        u = np.exp(z)[:, None]
        sample = Sample(u, np.zeros(4000), weights, (), ())
        draws = np.exp(2.0 * rng.standard_normal((4, 1000)))
        plain += disagreements(("nu",), draws[..., None], u, weights)
        for found, factor in ((judged, 1.0), (shifted, np.exp(0.4))):
            group = xr.Dataset({"nu": (("chain", "draw"), factor * draws)})
            tree = xr.DataTree.from_dict({"posterior": group})
            found += nuts._disagreements(posterior, tree, sample)
    assert plain
    assert judged == []
    # Shifts by a fifth of a deviation are some eight standard errors.
    assert len(shifted) == 30
    assert all(line.startswith("log nu mean") for line in shifted)
