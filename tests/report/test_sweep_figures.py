"""What the figures of a sweep draw is what the tables say; gaps break nothing."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy.stats import beta

from bayes_cmoe.report.coverage_figures import pooled_coverage
from bayes_cmoe.report.sweep_figures import sweep_figures
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.setting import Setting
from tests.report.fakes import EXPONENTS, bound, comparison_of, theory

VARIANT = "constant_contaminated"
SETTINGS = (Setting(VARIANT, "merging"), Setting(VARIANT, "distinguishable"))
MAP = MapPlan((300, 3000, 30000), 50, starts=4)
NUTS = NutsPlan((100, 1000), 20)
OVER_ALL = ["coverage", "coverage-resolution"]


def design(**plans):
    return Design("one", SETTINGS, **plans)


@pytest.fixture(scope="module")
def comparison():
    return comparison_of(design(map=MAP, nuts=NUTS))


@pytest.fixture(scope="module")
def figures(comparison):
    return sweep_figures(comparison)


def panel_of(figure, regime):
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == regime)


def drawn(panel, label):
    (line,) = [line for line in panel.lines if line.get_label() == label]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def render(figures):
    """As a file; a warning is an error."""
    for figure in figures.values():
        figure.savefig(io.BytesIO(), format="svg")


def test_names_say_what_is_drawn(figures):
    kinds = ("errors", "efficiency", "contraction", "spread")
    names = [f"{kind}-{VARIANT}" for kind in kinds]
    assert list(figures) == [*names, *OVER_ALL, "agreement"]
    assert all(figure.get_suptitle() for figure in figures.values())


@pytest.mark.parametrize(
    ("plans", "names"),
    [
        ({"map": MapPlan(MAP.sizes, 5)}, {f"errors-{VARIANT}", f"efficiency-{VARIANT}"}),
        ({"nuts": NUTS}, {f"contraction-{VARIANT}", f"spread-{VARIANT}", *OVER_ALL}),
    ],
)
def test_what_was_not_measured_is_not_drawn(plans, names):
    assert set(sweep_figures(comparison_of(design(**plans)))) == names


def test_every_figure_has_files_and_no_text_is_mathematics(figures):
    render(figures)
    for figure in figures.values():
        texts = figure.findobj(Text)
        assert not any(text.get_parse_math() for text in texts if "$" in text.get_text())
    named = [text.get_text() for text in figures[f"errors-{VARIANT}"].findobj(Text)]
    assert "$a_1$" in named


def test_distinguishable_regimes_come_first(figures):
    titles = [axes.get_title(loc="left") for axes in figures[f"errors-{VARIANT}"].axes]
    assert titles == ["distinguishable", "merging"]


@pytest.mark.parametrize(
    ("name", "method", "factor", "sizes"),
    [("errors", "map", 1.0, MAP.sizes), ("contraction", "nuts", 1.1, NUTS.sizes)],
)
@pytest.mark.parametrize("parameter", ["lam", "b", "$a_1$"])
def test_errors_stand_beside_their_theory(figures, name, method, factor, sizes, parameter):
    panel = panel_of(figures[f"{name}-{VARIANT}"], "merging")
    limit = factor * np.array([bound(parameter, n) for n in sizes])
    np.testing.assert_allclose(drawn(panel, f"measured {parameter}"), (sizes, 1.2 * limit))
    np.testing.assert_allclose(drawn(panel, f"bound {parameter}"), (sizes, limit))
    bands = [np.vstack([path.vertices for path in own.get_paths()]) for own in panel.collections]
    for n, value in zip(sizes, limit, strict=True):
        corners = [(n, 1.1 * value), (n, 1.4 * value)]
        assert any(
            all(np.isclose(band, corner).all(axis=1).any() for corner in corners) for band in bands
        )
    assert panel.get_xscale() == panel.get_yscale() == "log"


def test_the_asymptotic_line_has_its_slope_and_goes_through_the_bounds_last_size(
    figures,
):
    panel = panel_of(figures[f"errors-{VARIANT}"], "merging")
    for parameter, label in (("lam", "−1/4 lam"), ("$a_1$", "−3/8 $a_1$")):
        n, value = drawn(panel, f"exponent {label}")
        slopes = np.diff(np.log(value)) / np.diff(np.log(n))
        np.testing.assert_allclose(slopes, EXPONENTS[parameter])
        np.testing.assert_allclose(value[n == MAP.sizes[-1]], bound(parameter, MAP.sizes[-1]))
        assert n[0] == MAP.sizes[0]
        assert n[-1] > MAP.sizes[-1]
    texts = [text.get_text() for text in panel.get_legend().get_texts()]
    assert texts == ["−1/4 lam", "−3/8 $a_1$"]


def test_the_loss_is_left_out(figures):
    labels = [line.get_label() for axes in figures[f"errors-{VARIANT}"].axes for line in axes.lines]
    assert not [label for label in labels if str(label).endswith("loss")]


def test_sizes_of_low_resolution_are_shaded(figures):
    for panel in figures[f"errors-{VARIANT}"].axes:
        (shade,) = [own for own in panel.collections if own.get_label() == "not local"]
        edges = shade.get_paths()[0].vertices[:, 0]
        assert edges.min() <= MAP.sizes[0]
        assert edges.max() == pytest.approx(1296.0, rel=0.01)


def test_contraction_shows_the_map_behind(figures):
    panel = panel_of(figures[f"contraction-{VARIANT}"], "distinguishable")
    n, value = drawn(panel, "MAP b")
    np.testing.assert_allclose(n, MAP.sizes)
    np.testing.assert_allclose(value, [1.2 * bound("b", own) for own in MAP.sizes])


def test_ratios_to_the_bound(figures):
    panel = panel_of(figures[f"efficiency-{VARIANT}"], "merging")
    n, value = drawn(panel, "measured lam")
    np.testing.assert_allclose(value, 1 / 1.2)
    np.testing.assert_allclose(n, MAP.sizes, rtol=0.25)  # parameters stand side by side
    bars = [
        np.array(own.get_segments())[..., 1]
        for own in panel.collections
        if own.get_label() != "not local"
    ]
    np.testing.assert_allclose(bars, np.broadcast_to([1 / 1.4, 1 / 1.1], (3, 3, 2)))
    panel = panel_of(figures[f"spread-{VARIANT}"], "merging")
    np.testing.assert_allclose(drawn(panel, "measured b")[1], [1.3, 1.03])


def test_pooled_coverage_counts_each_fit_once():
    rows = {
        "regime": ["r", "r", "s", "s"], "parameter": ["a", "b", "a", "b"], "n": 10, "level": 0.9,
        "covered": [1.0, 0.5, 0.75, np.nan], "fits": [20, 20, 20, 0],
    }  # fmt: skip
    (found,) = pooled_coverage(pd.DataFrame(rows), ["level", "n"]).to_dict("records")
    assert found["covered"] == pytest.approx((20 + 10 + 15) / 60)
    assert found["fits"] == 40
    interval = beta(30 + 0.5, 10 + 0.5).ppf([0.025, 0.975])
    np.testing.assert_allclose([found["low"], found["high"]], interval)


def test_coverage_by_kind_and_role(figures):
    panels = figures["coverage"].axes
    assert [panel.get_title(loc="left") for panel in panels] == [
        "distinguishable (1 regime)",
        "non-distinguishable (1 regime)",
    ] * 2
    for panel in panels:
        for level in (0.5, 0.8, 0.9):
            n, covered = drawn(panel, f"{level:.0%}")
            np.testing.assert_allclose(covered, level)
            np.testing.assert_allclose(n, NUTS.sizes, rtol=0.05)
        dashed = {line.get_ydata()[0] for line in panel.lines if line.get_linestyle() == "--"}
        assert dashed == {0.5, 0.8, 0.9}


def test_coverage_by_resolution_pools_the_regimes(figures):
    share, others = figures["coverage-resolution"].axes
    for panel in (share, others):
        resolution, covered = drawn(panel, "non-distinguishable")
        np.testing.assert_allclose(resolution, [5 * (n / 1296) ** 0.25 for n in NUTS.sizes])
        np.testing.assert_allclose(covered, 0.9)
        centers, pooled = drawn(panel, "all")
        np.testing.assert_allclose(centers, [10**0.25, 10**0.75])
        np.testing.assert_allclose(pooled, 0.9)


def test_agreement_bars_add_up(figures):
    panels = figures["agreement"].axes
    assert [label.get_text() for label in panels[0].get_yticklabels()] == [
        f"{VARIANT}/distinguishable",
        f"{VARIANT}/merging",
    ]
    assert len(panels) == len(MAP.sizes)
    for panel in panels:
        widths = {
            str(bars.get_label()): [bar.get_width() for bar in bars] for bars in panel.containers
        }
        assert widths.keys() == {"same", "better", "worse"}
        for name, share in (("same", 70), ("better", 20), ("worse", 10)):
            np.testing.assert_allclose(widths[name], share)


def test_gaps_break_nothing(comparison):
    errors, coverage = comparison.errors.copy(), comparison.coverage.copy()
    numbers = ["rmse", "low", "high", "median"]
    here = errors["regime"] == f"{VARIANT}/merging"
    errors.loc[errors["n"] == 3000, numbers] = np.nan
    errors.loc[here & (errors["parameter"] == "b"), numbers] = np.nan
    coverage.loc[coverage["n"] == 100, ["covered", "fits"]] = [np.nan, 0]
    blank = {label: theory([300, 3000]) * np.nan for label in comparison.bounds}
    partial = replace(
        comparison,
        errors=errors[~(here & (errors["method"] == "nuts"))],
        coverage=coverage,
        agreement=comparison.agreement[:1],
    )
    found = sweep_figures(partial)
    assert "no finished fit" in [
        text.get_text() for text in panel_of(found[f"contraction-{VARIANT}"], "merging").texts
    ]
    render(found)
    unknown = sweep_figures(replace(partial, bounds=blank))
    assert set(found) - set(unknown) == {"coverage-resolution"}
    render({name: unknown[name] for name in (f"errors-{VARIANT}", "coverage")})


def test_nothing_finished_draws_nothing(comparison):
    empty = pd.DataFrame()
    nothing = replace(comparison, errors=empty, coverage=empty, spread=empty, agreement=empty)
    assert sweep_figures(nothing) == {}
    failed = comparison.errors.assign(rmse=np.nan, low=np.nan, high=np.nan, median=np.nan)
    assert sweep_figures(replace(nothing, errors=failed)) == {}


def test_an_estimate_that_runs_away_is_marked_at_the_edge(comparison):
    errors = comparison.errors.copy()
    away = (errors["n"] == 300) & (errors["parameter"] == "lam")
    errors.loc[away, ["rmse", "low", "high"]] = [1e12, 1e11, 1e13]
    panel = panel_of(
        sweep_figures(replace(comparison, errors=errors))[f"errors-{VARIANT}"], "merging"
    )
    assert panel.get_ylim()[1] < 100.0
    np.testing.assert_allclose(drawn(panel, "beyond the edge"), [[300.0], [0.97]])
