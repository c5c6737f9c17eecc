"""Results as ArviZ's and PyMC's users expect them: groups, coords, attrs; models of their own."""

import datetime

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe import InputError, fit_map, fit_nested, simulate, summary, variant_named
from bayes_cmoe.compiled.components import responsibilities

VARIANT = variant_named("constant_contaminated")
REGIME = VARIANT.regime("distinguishable")
DATA = simulate(VARIANT, REGIME, 300, seed=1)


@pytest.fixture(scope="module")
def model():
    return VARIANT.model(REGIME, DATA, "weak")


@pytest.fixture(scope="module")
def point(model):
    return fit_map(model, near=REGIME.truth(300))


@pytest.fixture(scope="module")
def drawn(model, point):
    return fit_nested(model, start=point, draws=300, seed=1, log_likelihood=True)


def test_arviz_summarises_a_point(point):
    """The point as a posterior of one draw, as of any MAP in PyMC's world."""
    table = az.summary(point, kind="stats", round_to="none")
    estimate = point["point_estimate"]
    assert list(table.index) == ["lam", "a[x1]", "b", "nu"]
    assert table["mean"].tolist() == [float(estimate[name].item()) for name in estimate.data_vars]


def test_a_point_is_not_taken_for_draws(model, point):
    assert "mean_share" in responsibilities(model, point)
    assert responsibilities(model, point)["mean_share"].dims == ()
    assert summary(point).heads == ["parameter", "MAP", "se"]


def test_log_densities_have_coords_and_are_the_model_s(drawn):
    """Against SciPy at a draw of its own."""
    chosen = {"chain": 2, "draw": 17}
    draw = {name: value.to_numpy() for name, value in drawn["posterior"].sel(chosen).items()}
    prior = drawn["log_prior"].sel(chosen)
    x, y = DATA.x[:, 0], DATA.y
    expected = {
        "lam": stats.beta(1.5, 1.5).logpdf(draw["lam"]),
        "a": stats.norm(0, 2.5 / x.std()).logpdf(draw["a"]),
        "b": stats.norm(0, 2.5 * np.sqrt(1 + (x.mean() / x.std()) ** 2)).logpdf(draw["b"]),
        "nu": stats.lognorm(1.5, scale=y.var() / 2).logpdf(draw["nu"]),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(prior[name], value, rtol=1e-10)
    own = stats.norm(np.tanh(draw["a"] * x + draw["b"]), np.sqrt(draw["nu"])).pdf(y)
    frozen = REGIME.frozen.columns(DATA.x)
    laplace = stats.laplace(frozen["frozen_mean"], frozen["frozen_scale"]).pdf(y)
    mixed = np.log((1 - draw["lam"]) * laplace + draw["lam"] * own)
    np.testing.assert_allclose(drawn["log_likelihood"]["y"].sel(chosen), mixed, rtol=1e-9)


def test_arviz_takes_them_as_they_are(drawn):
    sensitivity = az.psense_summary(drawn)
    assert list(sensitivity.index) == ["lam", "a[x1]", "b", "nu"]
    assert (sensitivity["likelihood"] > 0.0).all()
    assert az.loo(drawn).n_data_points == 300


def test_units_names_and_priors_are_said(drawn, point):
    for group in (drawn["posterior"], point["point_estimate"], point["posterior"]):
        assert group["lam"].attrs == {
            "long_name": "share of the rows",
            "units": "1",
            "prior": "Beta(1.5, 1.5)",
        }
        # tanh has a scale of its own, so its slopes know nothing of y's unit.
        assert group["a"].attrs["units"] == "1 / unit of x"
        assert group["nu"].attrs["units"] == "(unit of y)^2"
    linear = VARIANT.build(DATA, frozen=REGIME.frozen, expert="linear")
    found = fit_map(linear, near=REGIME.truth(300))["point_estimate"]
    assert found["a"].attrs["units"] == "unit of y / unit of x"


def test_arviz_s_attrs(drawn, point, tmp_path):
    for group in (drawn["posterior"], drawn["log_likelihood"], point["observed_data"]):
        attrs = group.attrs
        made = datetime.datetime.fromisoformat(attrs["created_at"])
        assert abs(datetime.datetime.now(datetime.UTC) - made) < datetime.timedelta(hours=1)
        assert attrs["creation_library"] == attrs["inference_library"] == "bayes_cmoe"
        assert attrs["creation_library_version"]
    assert drawn["posterior"].attrs["sample_dims"] == ["chain", "draw"]
    assert "sample_dims" not in drawn["observed_data"].attrs
    drawn.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as back:
        assert back["posterior"]["lam"].attrs == drawn["posterior"]["lam"].attrs


def test_a_summary_in_text_and_html(drawn, point):
    shown = summary(drawn)
    text, html = repr(shown), shown._repr_html_()
    low = drawn["posterior"]["lam"].quantile(0.05).item()
    for page in (text, html):
        assert f"{low:.4g}" in page
        assert "lam ~ Beta(1.5, 1.5)" in page
        assert "nested Laplace" in page
    assert html.count("<tr>") == 5
    assert shown.status == point["optimizer_result"]["status"].item()


# Models that somebody else wrote ------------------------------------------------------------------


def plain(response):
    """y = b x + noise, its response given in one of three ways."""
    x = np.linspace(-1.0, 1.0, 50)[:, None]
    y = 2.0 * x[:, 0] + np.cos(np.arange(50.0))
    coords = {"obs": range(50), "feature": ["x1"]}
    with pm.Model(coords=coords) as model:
        inputs = pm.Data("x", x, dims=("obs", "feature"))
        slope, spread = pm.Normal("slope", 0.0, 10.0), pm.HalfNormal("spread", 10.0)
        options = {"observed": y}
        if response != "array":
            options = {"observed": pm.Data("given", y, dims="obs")} if response == "data" else {}
        pm.Normal("y", slope * inputs[:, 0], spread, dims="obs", **options)
    return (pm.observe(model, {"y": y}) if response == "observe" else model), x[:, 0], y


@pytest.mark.parametrize("response", ["observe", "array", "data"])
def test_a_response_by_observe_or_as_an_array(response):
    """The slope is ridge regression's at the spread that was found."""
    model, x, y = plain(response)
    tree = fit_map(model, near={"slope": 0.0, "spread": 1.0})
    spread = tree["point_estimate"]["spread"].item()
    expected = x @ y / (x @ x + spread**2 / 100.0)
    assert tree["point_estimate"]["slope"].item() == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(tree["observed_data"]["y"], y)
    assert set(tree["constant_data"].data_vars) == {"x"}


def test_x_that_is_no_data_is_refused():
    with pm.Model(coords={"obs": range(3)}) as model:
        pm.Normal("y", pm.Normal("b"), 1.0, observed=np.zeros(3), dims="obs")
    with pytest.raises(InputError, match=r"x must be pm\.Data"):
        fit_map(model)
