"""Figures of sweeps and posteriors: what is drawn, held against NumPy; all backends."""

import arviz_plots as azp
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe import (
    InputError,
    plot_contraction,
    plot_coverage,
    plot_efficiency,
    plot_rates,
    plot_ridge,
)
from bayes_cmoe.plots.averages import averaged, measured_slopes, proportions
from bayes_cmoe.plots.fits import gathered, not_local, theory_of

SIZES = (100, 1000, 10000)
POWERS = {"one/easy": -0.5, "one/hard": -0.25}
TARGETS = ["lam", "a", "a[x1]"]
RNG = np.random.default_rng(2)
ERRORS = {
    (regime, n): 2.0 * n**power * RNG.normal(size=(50, 3))
    for regime, power in POWERS.items()
    for n in SIZES
}
HELD = {key: (RNG.random((50, 2, 3)) < [[0.5], [0.9]]).astype(float) for key in ERRORS}


@pytest.fixture(scope="module")
def tree():
    """A reader's own tree: nothing of it comes from a sweep."""
    groups = {}
    for regime, power in POWERS.items():
        theory = {
            "bound": (("target", "n"), [[2.0 * n**power for n in SIZES]] * 3),
            "exponent": ("target", [power, np.nan, np.nan]),
            # Five where log10 n is 2.5, and half a decade more rows make it ten times as large.
            "resolution": ("n", [5.0 * (n / 10**2.5) ** 2 for n in SIZES]),
        }
        if regime == "one/hard":
            moduli = [2.0 * n**power for n in SIZES]
            theory["modulus"] = (("target", "n"), [[1.5 * moduli[0], *moduli[1:]], moduli, moduli])
        groups[regime] = xr.Dataset(theory, coords={"target": TARGETS, "n": list(SIZES)})
        for n in SIZES:
            coords = {"target": TARGETS, "replicate": range(50)}
            errors, held = ERRORS[regime, n], HELD[regime, n]
            groups[f"{regime}/n{n}/map"] = xr.Dataset(
                {"error": (("replicate", "target"), errors)}, coords, {"method": "map"}
            )
            groups[f"{regime}/n{n}/nuts"] = xr.Dataset(
                {
                    "expected_loss": (("replicate", "target"), np.abs(errors)),
                    "posterior_sd": (("replicate", "target"), np.abs(errors) + 0.1),
                    "covered": (("replicate", "level", "target"), held),
                },
                {**coords, "level": [0.5, 0.9]},
                {"method": "nuts"},
            )
    return xr.DataTree.from_dict(groups)


def test_errors_are_gathered_by_regime_and_size(tree):
    found = gathered(tree, "error")
    assert list(found.data_vars) == ["lam", "a"]
    assert found["lam"].sizes == {"regime": 2, "n": 3, "replicate": 50}
    np.testing.assert_array_equal(
        found["a"].sel(regime="one/hard", n=1000), ERRORS["one/hard", 1000][:, 1]
    )
    only = gathered(tree, "error", var_names="a[x1]", regimes=["one/hard"])
    assert list(only.data_vars) == ["a[x1]"]
    assert only["regime"].values.tolist() == ["one/hard"]


def test_a_size_that_is_missing_is_not_a_number(tree):
    kept = {path: own for path, own in tree.to_dict().items() if "hard/n10000" not in path}
    part = xr.DataTree.from_dict(kept)
    found = gathered(part, "error")
    assert found["lam"].sel(regime="one/hard", n=10000).isnull().all()
    assert averaged(found)["lam"].sel(regime="one/hard", n=10000).isnull().all()
    assert np.isfinite(measured_slopes(found)["lam"]).all()


def test_averages_and_slopes(tree):
    found = gathered(tree, "error")
    mean = averaged(found)["lam"].sel(part="value").to_numpy()
    expected = [[np.sqrt(np.mean(ERRORS[r, n][:, 0] ** 2)) for n in SIZES] for r in POWERS]
    np.testing.assert_allclose(mean, expected, rtol=1e-10)
    slopes = measured_slopes(found)["lam"]
    for i, regime in enumerate(POWERS):
        line = np.polyfit(np.log(SIZES), np.log(expected[i]), 1)[0]
        own = slopes.sel(regime=regime)
        assert own.sel(part="value").item() == pytest.approx(line, rel=1e-9)
        assert own.sel(part="low") < POWERS[regime] < own.sel(part="high")


def test_proportions_have_clopper_s_intervals(tree):
    found = proportions(gathered(tree, "covered", method="nuts").sel(level=0.9))["lam"]
    own = found.sel(regime="one/easy", n=100)
    count = int(HELD["one/easy", 100][:, 1, 0].sum())
    assert own.sel(part="value").item() == count / 50
    low = stats.beta(count, 50 - count + 1).ppf(0.025)
    assert own.sel(part="low").item() == pytest.approx(low, rel=1e-9)


def test_theory_is_laid_beside_the_fits(tree):
    like = gathered(tree, "error", regimes="one/hard")
    np.testing.assert_allclose(
        theory_of(tree, "bound", like)["lam"][0], 2.0 * np.array(SIZES) ** -0.25
    )
    assert (theory_of(tree, "exponent", like)["lam"] == -0.25).all()
    assert theory_of(tree, "exponent", like)["a"].isnull().all()
    assert theory_of(tree, "lower", like)["lam"].isnull().all()


def lines(panel):
    """Label-free lines of a matplotlib panel, as arrays of points."""
    return [np.column_stack(line.get_data()) for line in panel.get_lines()]


def holds(panel, points):
    """Whether some line goes through these points."""
    return any(
        own.shape == points.shape and np.allclose(own, points, rtol=1e-9) for own in lines(panel)
    )


def panel_of(collection, name, **where):
    plots = collection.viz["plot"][name]
    return plots.sel(where).item()


def test_contraction_draws_errors_bound_and_published_rate(tree):
    found = plot_contraction(tree, backend="matplotlib")
    panel = panel_of(found, "lam", regime="one/hard")
    x = np.log10(SIZES)
    rmse = np.array([np.sqrt(np.mean(ERRORS["one/hard", n][:, 0] ** 2)) for n in SIZES])
    assert holds(panel, np.column_stack([x, np.log10(rmse)]))
    assert holds(panel, np.column_stack([x, np.log10(2.0) - 0.25 * x]))
    published = np.log10(rmse[-1]) - 0.25 * (x - x[-1])
    assert holds(panel, np.column_stack([x, published]))
    bare = plot_contraction(tree, backend="matplotlib", visuals={"bound": False, "line": False})
    assert len(lines(panel_of(bare, "lam", regime="one/hard"))) < len(lines(panel))


def test_sizes_where_theory_is_not_local_are_shaded(tree):
    spans = not_local(tree, gathered(tree, "error"))["lam"].sel(regime="one/easy")
    np.testing.assert_allclose(spans, [[2.0, 2.5]], atol=0.01)
    panel = panel_of(plot_contraction(tree, backend="matplotlib"), "lam", regime="one/easy")
    (shade,) = panel.patches
    assert shade.get_x() + shade.get_width() == pytest.approx(2.5, abs=0.01)
    bare = plot_contraction(tree, backend="matplotlib", visuals={"local": False})
    assert len(panel_of(bare, "lam", regime="one/easy").patches) == 0


def test_the_modulus_is_drawn_where_it_leaves_the_bound(tree):
    found = plot_contraction(tree, backend="matplotlib", visuals={"bound": False})
    x = np.log10(SIZES)
    y = np.log10(2.0) - 0.25 * x + np.log10([1.5, 1.0, 1.0])
    assert holds(panel_of(found, "lam", regime="one/hard"), np.column_stack([x, y]))
    same = np.column_stack([x, np.log10(2.0) - 0.25 * x])
    assert not holds(panel_of(found, "a", regime="one/hard"), same)
    # With more experts than the truth has there is a modulus, and no bound.
    unbounded = tree.copy(deep=True)
    unbounded["one/hard/bound"] = np.nan * unbounded["one/hard/bound"]
    found = plot_contraction(unbounded, backend="matplotlib")
    assert holds(panel_of(found, "a", regime="one/hard"), same)


def test_efficiency_is_bound_over_error_and_spread_over_bound(tree):
    x, bound = np.log10(SIZES), 2.0 * np.array(SIZES) ** -0.25
    rmse = [np.sqrt(np.mean(ERRORS["one/hard", n][:, 1] ** 2)) for n in SIZES]
    panel = panel_of(plot_efficiency(tree, backend="matplotlib"), "a", regime="one/hard")
    assert holds(panel, np.column_stack([x, bound / rmse]))
    assert any(np.allclose(own[:, 1], 1.0) and len(own) == 2 for own in lines(panel))
    found = averaged(gathered(tree, "error"))["a"].sel(regime="one/hard", n=100)
    # The largest error has the least efficiency.
    ends = [bound[0] / found.sel(part="high"), bound[0] / found.sel(part="low")]
    assert holds(panel, np.column_stack([[2.0, 2.0], ends]))
    spread = [np.mean(np.abs(ERRORS["one/hard", n][:, 1]) + 0.1) for n in SIZES]
    wide = plot_efficiency(tree, backend="matplotlib", method="nuts")
    panel = panel_of(wide, "a", regime="one/hard")
    assert holds(panel, np.column_stack([x, spread / bound]))


def test_nuts_is_averaged_by_the_mean(tree):
    found = plot_contraction(tree, backend="matplotlib", method="nuts", var_names="lam")
    panel = panel_of(found, "lam", regime="one/easy")
    loss = [np.abs(ERRORS["one/easy", n][:, 0]).mean() for n in SIZES]
    assert holds(panel, np.column_stack([np.log10(SIZES), np.log10(loss)]))


def test_stats_and_aesthetics_are_the_reader_s(tree):
    own = averaged(gathered(tree, "error"), "mean", level=0.5) * 0.0 + 1.0
    found = plot_contraction(tree, backend="matplotlib", stats={"error": own})
    assert holds(
        panel_of(found, "a", regime="one/easy"), np.column_stack([np.log10(SIZES), np.zeros(3)])
    )
    together = plot_contraction(
        tree, backend="matplotlib", cols=["__variable__"], aes={"color": ["regime"]}
    )
    assert together.viz["plot"]["lam"].ndim == 0
    colors = {line.get_color() for line in together.viz["plot"]["lam"].item().get_lines()}
    assert len(colors) == 2


@pytest.mark.parametrize("backend", ["matplotlib", "plotly", "bokeh", "none"])
def test_every_backend_draws_every_figure(tree, backend):
    pytest.importorskip(f"arviz_plots.backend.{backend}")
    for found in (
        plot_contraction(tree, backend=backend),
        plot_efficiency(tree, backend=backend),
        plot_rates(tree, backend=backend),
        plot_coverage(tree, backend=backend),
        plot_ridge(posterior(), "lam", "a[x1]", 1.0, backend=backend),
    ):
        assert isinstance(found, azp.PlotCollection)
        assert "plot" in found.viz.children


@pytest.mark.parametrize(
    ("draw", "height"), [(plot_coverage, 0.9), (plot_efficiency, 1.0)], ids=["coverage", "one"]
)
def test_plotly_draws_the_line_across_in_every_panel(tree, draw, height):
    pytest.importorskip("plotly")
    found = draw(tree, backend="plotly").viz["figure"].item()
    across = [own for own in found.layout.shapes if own.y0 == own.y1]
    assert len(across) == len(draw(tree, backend="matplotlib").viz["figure"].item().axes)
    assert {own.y0 for own in across} == {height}


def test_rates_stand_on_their_regime_s_line(tree):
    found = plot_rates(tree, backend="matplotlib", visuals={"bound": False, "exponent": False})
    panel = found.viz["plot"]["lam"].item()
    assert [text.get_text() for text in panel.get_yticklabels()] == list(POWERS)
    slopes = measured_slopes(gathered(tree, "error"))["lam"].sel(part="value").to_numpy()
    (dots,) = panel.collections
    np.testing.assert_allclose(dots.get_offsets(), np.column_stack([slopes, panel.get_yticks()]))


def test_coverage_draws_its_level(tree):
    found = plot_coverage(tree, level=0.5, backend="matplotlib")
    panel = panel_of(found, "lam", regime="one/easy")
    assert any(np.allclose(own[:, 1], 0.5) and len(own) == 2 for own in lines(panel))
    (dots,) = panel.collections[-1:]
    expected = [HELD["one/easy", n][:, 0, 0].mean() for n in SIZES]
    np.testing.assert_allclose(dots.get_offsets()[:, 1], expected)


def posterior():
    share = np.random.default_rng(3).uniform(0.1, 0.9, size=(2, 400))
    slope = 1.0 + 0.3 / share
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(
                {
                    "lam": (("chain", "draw"), share),
                    "a": (("chain", "draw", "feature"), slope[..., None]),
                },
                coords={"feature": ["x1"]},
            )
        }
    )


def test_a_ridge_s_lines_keep_the_product(tree):
    """All draws have lambda Delta = 0.3, so every line does."""
    found = plot_ridge(posterior(), "lam", "a[x1]", 1.0, backend="matplotlib")
    panel = found.viz["plot"]["posterior"].item()
    (own,) = lines(panel)
    own = own[np.isfinite(own).all(axis=1)]
    assert len(own) > 300
    np.testing.assert_allclose(own[:, 0] * own[:, 1], 0.3, rtol=1e-9)
    both = {"first": posterior(), "second": posterior()}
    two = plot_ridge(both, "lam", "a[x1]", 1.0, truth={"lam": 0.5, "a[x1]": 1.6}, backend="none")
    assert two.viz["plot"]["posterior"].sizes == {"model": 2}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda tree: plot_contraction(tree, var_names="lamb"), "unknown target 'lamb'"),
        (lambda tree: plot_contraction(tree, regimes="one/eas"), "did you mean 'one/easy'"),
        (lambda tree: plot_contraction(tree, method="mcmc"), "unknown method"),
        (lambda tree: plot_contraction(tree, visuals={"bond": False}), "did you mean 'bound'"),
        (lambda tree: plot_rates(tree, stats={"error": {}}), "unknown statistic"),
        (lambda tree: plot_coverage(tree, level=0.8), "unknown level '0.8'"),
        (lambda tree: plot_contraction(xr.DataTree()), "the tree has no 'error' of map"),
        (lambda tree: plot_ridge(tree, "lam", "a[x1]", 1.0), "no group 'posterior'"),
        (lambda tree: plot_ridge(posterior(), "lam", "a", 1.0), "name one entry"),
        (lambda tree: plot_ridge(posterior(), "lam", "a[x2]", 1.0), "did you mean 'x1'"),
    ],
)
def test_what_is_not_there_is_refused(tree, draw, message):
    with pytest.raises(InputError, match=message):
        draw(tree)
