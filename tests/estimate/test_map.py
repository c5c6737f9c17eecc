import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe import Data, frozen_predictions, variant_named
from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.map import find_map, fit_map
from bayes_cmoe.estimate.optimum import Status
from tests.estimate.studies import IDS, STUDIES, Study


def vector(tree: xr.DataTree, study: Study, group: str = "point_estimate") -> np.ndarray:
    layout = study.posterior.layout
    return layout.ravel({name: tree[group][name].to_numpy() for name in layout.names})


@pytest.mark.parametrize("study", STUDIES, ids=IDS)
def test_flat_prior_gives_the_maximum_of_an_independent_likelihood(study: Study) -> None:
    tree = fit_map(study.model, near=study.truth, posterior=study.posterior)
    best = study.log_likelihood(study.independent_maximum())
    result = tree["optimizer_result"]
    assert result["status"].item() == "local"
    assert result["loglik"].item() / study.n == pytest.approx(best / study.n, abs=1e-8)
    found = study.log_likelihood(vector(tree, study))
    assert result["loglik"].item() == pytest.approx(found, rel=1e-11)


@pytest.mark.parametrize("study", STUDIES, ids=IDS)
def test_starts_from_anywhere_find_the_optimum_near_the_truth(study: Study) -> None:
    near = fit_map(study.model, near=study.truth, posterior=study.posterior)
    anywhere = fit_map(study.model, seed=3, posterior=study.posterior)
    assert anywhere["optimizer_result"]["logp"].item() >= (
        near["optimizer_result"]["logp"].item() - 1e-6
    )
    assert anywhere["starts"].sizes["start"] >= LANES


def test_standard_errors_come_from_the_curvature_of_the_likelihood() -> None:
    study = STUDIES[0]
    tree = fit_map(study.model, near=study.truth, posterior=study.posterior)
    theta, size = vector(tree, study), study.posterior.layout.size
    step = 1e-3 * np.diag(np.maximum(np.abs(theta), 0.3))

    def second(i: int, j: int) -> float:
        f = study.log_likelihood
        corners = [f(theta + s * step[i] + t * step[j]) * s * t for s in (-1, 1) for t in (-1, 1)]
        return sum(corners) / (4 * step[i, i] * step[j, j])

    information = -np.array([[second(i, j) for j in range(size)] for i in range(size)])
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    assert vector(tree, study, "standard_error") == pytest.approx(expected, rel=1e-3)


def test_weak_prior_is_added_to_the_likelihood() -> None:
    study = STUDIES[0]
    variant = variant_named(study.variant)
    setting = variant.regime(study.regime)
    model = variant.build(study.data, frozen=setting.frozen, expert=setting.expert, prior="weak")
    tree = fit_map(model, near=study.truth)
    x, y = study.data.x[:, 0], study.data.y
    reach = np.sqrt(1.0 + (x.mean() / x.std()) ** 2)

    def log_prior(theta: np.ndarray) -> float:
        lam, a, b, nu = theta
        return float(
            stats.beta.logpdf(lam, 1.5, 1.5)
            + stats.norm.logpdf(a, 0.0, 2.5 / x.std())
            + stats.norm.logpdf(b, 0.0, 2.5 * reach)
            + stats.lognorm.logpdf(nu, 1.5, scale=y.var() / 2.0)
        )

    expected = study.independent_maximum(log_prior)
    best = study.log_likelihood(expected) + log_prior(expected)
    assert tree["optimizer_result"]["logp"].item() / study.n == pytest.approx(
        best / study.n, abs=1e-8
    )
    assert vector(tree, study) == pytest.approx(expected, abs=1e-4)


def test_an_optimum_at_the_edge_says_which_parameter() -> None:
    study = Study("constant_contaminated", "distinguishable", "laplace", 700, 1)
    variant, setting = (
        variant_named(study.variant),
        variant_named(study.variant).regime(study.regime),
    )
    box = {**setting.box, "nu": (1.0, 10.0)}
    model = variant.model(setting, study.data, prior=box)
    tree = fit_map(model, near={**study.truth, "nu": np.asarray(2.0)})
    assert tree["optimizer_result"]["status"].item() == "edge"
    assert tree["optimizer_result"].attrs["at_edge"] == "nu"
    assert tree["point_estimate"]["nu"].item() == pytest.approx(1.0, abs=1e-6)
    assert np.isnan(tree["standard_error"]["nu"].item())
    assert np.isfinite(tree["standard_error"]["lam"].item())


def test_a_start_where_the_density_is_not_finite_is_a_code_and_not_an_error() -> None:
    study = STUDIES[0]
    start = study.posterior.layout.ravel(study.truth)
    start[1] = np.nan
    estimate = find_map(study.posterior, study.posterior.rows(), start)
    assert estimate.status is Status.NON_FINITE
    assert np.isnan(estimate.standard_error).all()


def test_an_iteration_limit_is_reported_as_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    study = STUDIES[0]
    monkeypatch.setattr("bayes_cmoe.estimate.descent.QUASI_NEWTON_STEPS", 1)
    monkeypatch.setattr("bayes_cmoe.estimate.descent.NEWTON_STEPS", 1)
    start = study.posterior.layout.ravel(study.truth) * 0.5
    estimate = find_map(study.posterior, study.posterior.rows(), start)
    assert estimate.status is Status.STALLED


def test_other_data_do_not_compile_again() -> None:
    study = STUDIES[0]
    fit_map(study.model, near=study.truth, posterior=study.posterior)
    before = study.posterior.likelihood.compilations
    other = Study(study.variant, study.regime, study.family, 333, 9)
    tree = fit_map(other.model, near=other.truth, posterior=study.posterior)
    assert study.posterior.likelihood.compilations == before
    assert tree["optimizer_result"]["n"].item() == 333


def test_many_rows_are_explored_on_a_part_and_finished_on_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = STUDIES[0]
    whole = fit_map(study.model, near=study.truth, posterior=study.posterior)
    monkeypatch.setattr("bayes_cmoe.estimate.map.EXPLORE", 100)
    part = fit_map(study.model, starts=4, posterior=study.posterior)
    assert part["optimizer_result"]["logp"].item() == pytest.approx(
        whole["optimizer_result"]["logp"].item(), abs=1e-6
    )


def test_tree_survives_netcdf(tmp_path) -> None:
    study = STUDIES[4]
    tree = fit_map(study.model, near=study.truth, posterior=study.posterior)
    tree.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    back = xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf")
    for group in tree.children:
        xr.testing.assert_identical(tree[group].to_dataset(), back[group].load().to_dataset())


def test_a_start_that_does_not_fit_the_model_is_refused() -> None:
    study = STUDIES[0]
    with pytest.raises(InputError, match="parameters are lam, a, b, nu"):
        fit_map(study.model, near={"lam": 0.5}, posterior=study.posterior)


def test_edges_of_the_support_come_from_the_model() -> None:
    study = STUDIES[2]
    assert np.column_stack([study.posterior.lower, study.posterior.upper]) == pytest.approx(
        np.array(study.bounds)
    )
    weak = variant_named(study.variant).build(
        study.data, frozen=variant_named(study.variant).regime(study.regime).frozen, expert="tanh"
    )
    compiled = Posterior(weak)
    assert compiled.lower[-1] == 0.0
    assert np.isinf(compiled.upper[-1])
    assert np.isinf(compiled.lower[0])


@pytest.mark.parametrize("variant", ["constant_contaminated", "softmax_contaminated"])
def test_starts_find_a_rare_prompt_in_far_off_units(variant: str) -> None:
    """A tenth of the rows, inputs around 50: the optimum near the truth is the one that counts."""
    rng = np.random.default_rng(0)
    x = rng.normal(50.0, 8.0, 300)
    rare = rng.random(300) < 0.1
    known = 3.0 + 0.4 * x
    y = np.where(
        rare, 30.0 - 0.2 * x + rng.normal(0.0, 1.0, 300), known + rng.normal(0.0, 2.0, 300)
    )
    f0 = frozen_predictions("gaussian", mean=known, scale=2.0)
    model = variant_named(variant).build(Data(x, y), frozen=f0, expert="linear", prior="flat")
    posterior = Posterior(model)
    gate = {"lam": 0.1} if "constant" in variant else {"beta": [0.0], "tau": -2.2}
    near = fit_map(model, near={**gate, "a": [-0.2], "b": 30.0, "nu": 1.0}, posterior=posterior)
    anywhere = fit_map(model, posterior=posterior)
    assert anywhere["optimizer_result"]["logp"].item() >= (
        near["optimizer_result"]["logp"].item() - 1e-6
    )
