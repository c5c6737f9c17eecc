"""What the figures of a sweep draw is what the tables say; gaps break nothing."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.text import Text
from scipy.stats import beta

from bayes_cmoe.report.coverage import pooled_coverage
from bayes_cmoe.report.sweep_figures import picture_name, sweep_figures
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.setting import Setting
from tests.report.fakes import EXPONENTS, bound, comparison_of, theory

VARIANT = "constant_contaminated"
MERGING, FAR = Setting(VARIANT, "merging"), Setting(VARIANT, "distinguishable")
SETTINGS = (MERGING, FAR)
MAP = MapPlan((300, 3000, 30000), 50, starts=4)
NUTS = NutsPlan((100, 1000), 20)
PARAMETERS = ("lam", "b", "$a_1$")
ERRORS = [f"errors-{VARIANT}-{name}-{own}" for own in ("lam", "b", "_a_1_")
          for name in ("distinguishable", "merging")]  # fmt: skip
EFFICIENCIES = [f"efficiency-{VARIANT}-{name}" for name in ("distinguishable", "merging")]
COVERAGES = [f"coverage-{kind}-{role}" for kind in ("distinguishable", "non-distinguishable")
             for role in ("the-prompts-share", "all-other-parameters")]  # fmt: skip
COLORS = {"map": "black", "nuts": "#d97f24"}


def design(**plans):
    return Design("one", SETTINGS, **plans)


@pytest.fixture(scope="module")
def comparison():
    return comparison_of(design(map=MAP, nuts=NUTS))


@pytest.fixture(scope="module")
def figures(comparison):
    return sweep_figures(comparison)


def panel_of(figures, setting, parameter="", kind="errors"):
    (panel,) = figures[picture_name(kind, setting, parameter)].axes
    return panel


def drawn(panel, color, style="-", alpha=None):
    """The one line that looks so, in numbers, not logarithms."""
    look = to_hex(color), style, alpha
    (line,) = [
        line for line in panel.lines if len(set(line.get_xdata())) > 1
        and (to_hex(line.get_color()), line.get_linestyle(), line.get_alpha()) == look
    ]  # fmt: skip
    return 10.0 ** np.asarray(line.get_xydata(), float)


def points(panel, color):
    """The scatter of that colour."""
    (found,) = [
        own for own in panel.collections
        if len(own.get_offsets()) and to_hex(own.get_facecolor()[0]) == to_hex(color)
        and isinstance(own, PathCollection)
    ]  # fmt: skip
    return 10.0 ** np.asarray(found.get_offsets())


def bars(panel, color):
    """The vertical intervals of that colour, (bar, end)."""
    found = [line for line in panel.lines if to_hex(line.get_color()) == to_hex(color)]
    return np.array([own.get_ydata() for own in found if len(set(own.get_xdata())) == 1])


def key_of(panel):
    (legend,) = panel.figure.legends
    return [text.get_text() for text in legend.get_texts()]


def render(figures):
    """As a file; a warning is an error."""
    for figure in figures.values():
        figure.savefig(io.BytesIO(), format="svg")


def test_names_say_what_is_drawn(figures):
    assert sorted(figures) == sorted([*ERRORS, *EFFICIENCIES, *COVERAGES])
    assert list(figures)[:2] == ERRORS[:2]
    assert all(figure.axes[0].get_title(loc="left") for figure in figures.values())


@pytest.mark.parametrize(
    ("plans", "names"),
    [
        ({"map": MapPlan(MAP.sizes, 5)}, [*ERRORS, *EFFICIENCIES]),
        ({"nuts": NUTS}, [*ERRORS, *COVERAGES]),
    ],
)
def test_what_was_not_measured_is_not_drawn(plans, names):
    assert sorted(sweep_figures(comparison_of(design(**plans)))) == sorted(names)


def test_every_figure_has_files_and_no_text_is_mathematics(figures):
    render(figures)
    for figure in figures.values():
        texts = figure.findobj(Text)
        assert not any(text.get_parse_math() for text in texts if "$" in text.get_text())
    title = panel_of(figures, MERGING, "$a_1$").get_title(loc="left")
    assert title == "merging: $a_1$"


@pytest.mark.parametrize(
    ("method", "factor", "sizes", "line"),
    [("map", 1.0, MAP.sizes, "C0"), ("nuts", 1.1, NUTS.sizes, COLORS["nuts"])],
)
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_errors_stand_beside_their_theory(figures, method, factor, sizes, line, parameter):
    panel = panel_of(figures, MERGING, parameter)
    limit = factor * np.array([bound(parameter, n) for n in sizes])
    measured = np.column_stack([sizes, 1.2 * limit])
    np.testing.assert_allclose(points(panel, COLORS[method]), measured)
    np.testing.assert_allclose(drawn(panel, COLORS[method], alpha=0.3), measured)
    np.testing.assert_allclose(drawn(panel, line), np.column_stack([sizes, limit]))
    ends = np.column_stack([1.1 * limit, 1.4 * limit])
    np.testing.assert_allclose(10.0 ** bars(panel, COLORS[method]), ends)


def test_the_published_rate_goes_through_the_last_error_with_its_slope(figures):
    for parameter, said in (("lam", "minimax rate n^(−1/4)"), ("$a_1$", "minimax rate n^(−3/8)")):
        panel = panel_of(figures, MERGING, parameter)
        n, value = drawn(panel, "0.4", "--").T
        slopes = np.diff(np.log(value)) / np.diff(np.log(n))
        np.testing.assert_allclose(slopes, EXPONENTS[parameter])
        np.testing.assert_allclose(value[-1], 1.2 * bound(parameter, MAP.sizes[-1]))
        assert said in key_of(panel)
    unknown = key_of(panel_of(figures, MERGING, "b"))
    assert unknown == [
        "RMSE of the MAP", "information bound", "theory not local", "posterior's expected loss",
        "its limit",
    ]  # fmt: skip


def test_a_rate_without_its_lower_bound_is_only_published(comparison):
    bounds = {
        label: own.assign(lower=own["lower"] - 0.1) for label, own in comparison.bounds.items()
    }
    panel = panel_of(sweep_figures(replace(comparison, bounds=bounds)), MERGING, "lam")
    assert "published rate n^(−1/4)" in key_of(panel)


def test_regimes_share_their_scale_and_numbers_stand_on_the_axes(figures):
    near, far = (panel_of(figures, own, "lam") for own in SETTINGS)
    assert near.get_ylim() == far.get_ylim()
    near.figure.draw_without_rendering()
    assert "10³" in [text.get_text() for text in near.get_xticklabels()]


def test_the_loss_is_left_out(figures):
    assert not [name for name in figures if "loss" in name]


def test_sizes_of_low_resolution_are_shaded(figures):
    shades = panel_of(figures, MERGING, "lam").patches
    edges = 10.0 ** np.array([[own.get_x(), own.get_x() + own.get_width()] for own in shades])
    np.testing.assert_allclose(edges, [[300, 1296], [100, 1000]], rtol=0.01)


def test_efficiency_is_the_bound_over_the_error(figures):
    panel = panel_of(figures, MERGING, kind="efficiency")
    scatters = [own for own in panel.collections if isinstance(own, PathCollection)]
    assert len(scatters) == len(PARAMETERS)
    for own in scatters:
        expected = np.column_stack([np.log10(MAP.sizes), np.full(3, 1 / 1.2)])
        np.testing.assert_allclose(own.get_offsets(), expected)
    assert len({tuple(own.get_facecolor()[0]) for own in scatters}) == len(PARAMETERS)
    assert key_of(panel) == [*PARAMETERS, "theory not local"]


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


def test_coverage_by_kind_and_role(comparison):
    coverage = comparison.coverage.copy()
    share = (coverage["parameter"] == "lam") & (coverage["level"] == 0.9)
    coverage.loc[share & (coverage["n"] == 100), "covered"] = 0.35
    figures = sweep_figures(replace(comparison, coverage=coverage))
    for name, expected in (("the-prompts-share", [0.35, 0.9]), ("all-other-parameters", 0.9)):
        (panel,) = figures[f"coverage-non-distinguishable-{name}"].axes
        found = np.log10(points(panel, "black"))
        np.testing.assert_allclose(found[:, 0], np.log10(NUTS.sizes))
        np.testing.assert_allclose(found[:, 1], expected)
        (nominal,) = [line for line in panel.lines if line.get_linestyle() == ":"]
        assert set(nominal.get_ydata()) == {0.9}
        # A fit of twenty counts once, whatever the number of its entries.
        first = found[0, 1] * 20
        interval = beta(first + 0.5, 20 - first + 0.5).ppf([0.025, 0.975])
        np.testing.assert_allclose(bars(panel, "C0")[0], interval)


def test_gaps_break_nothing(comparison):
    errors, coverage = comparison.errors.copy(), comparison.coverage.copy()
    numbers = ["rmse", "low", "high", "median"]
    here = errors["regime"] == MERGING.label
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
    assert "no finished fit" in [text.get_text() for text in panel_of(found, MERGING, "b").texts]
    assert len(points(panel_of(found, MERGING, "lam"), "black")) >= 2
    render(found)
    unknown = sweep_figures(replace(partial, bounds=blank))
    assert set(found) - set(unknown) == set(EFFICIENCIES)
    render(unknown)


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
    panel = panel_of(sweep_figures(replace(comparison, errors=errors)), MERGING, "lam")
    assert 10.0 ** panel.get_ylim()[1] < 100.0
    (arrow,) = [line for line in panel.lines if line.get_label() == "beyond the edge"]
    np.testing.assert_allclose(arrow.get_xydata(), [[np.log10(300.0), 0.97]])
