"""Parameters of many entries as grids."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from bayes_cmoe.report.fit_figures import estimates_figure
from bayes_cmoe.report.parameter_grids import draw_grid, grid_of, is_grid

CLASSES, FEATURES = 5, 6


@pytest.fixture(scope="module")
def tree():
    """Draws of slopes of five logits over six features, and of a number."""
    rng = np.random.default_rng(1)
    coords = {"free_class": list("abcde"), "feature": [f"x{j}" for j in range(FEATURES)]}
    mean = np.zeros((CLASSES, FEATURES))
    mean[2, 4], mean[3, 0] = 5.0, -4.0
    drawn = mean + rng.normal(size=(2, 300, CLASSES, FEATURES))
    tau = rng.normal(size=(2, 300))
    dims = ("free_class", "feature")
    point = xr.Dataset({"a": (dims, mean + 100.0), "tau": 0.1}, coords)
    found = xr.DataTree.from_dict({
        "posterior": xr.Dataset(
            {"a": (("chain", "draw", *dims), drawn), "tau": (("chain", "draw"), tau)}, coords
        ),
        "sample_stats": xr.Dataset({"lp": (("chain", "draw"), tau)}),
        "point_estimate": point,
        "standard_error": xr.Dataset({"a": (dims, np.full_like(mean, 60.0)), "tau": 1.0}, coords),
    })  # fmt: skip
    found.attrs["variant"] = "any"
    return found, drawn


def test_a_grid_has_the_means_and_says_which_signs_are_sure(tree):
    found, drawn = tree
    grid = grid_of(found, "a")
    np.testing.assert_allclose(grid.value, drawn.mean(axis=(0, 1)))
    low, high = np.quantile(drawn, [0.05, 0.95], axis=(0, 1))
    np.testing.assert_array_equal(grid.sure, (low > 0) | (high < 0))
    assert [tuple(place) for place in np.argwhere(grid.sure)] == [(2, 4), (3, 0)]
    assert grid.rows == tuple("abcde")
    assert grid.columns[4] == "x4"
    assert (grid.row_dims, grid.column_dim) == ("class", "feature")


def test_without_draws_it_is_of_the_estimate_and_its_error(tree):
    point = tree[0].copy()
    del point["sample_stats"]
    grid = grid_of(point, "a")
    np.testing.assert_allclose(grid.value, point["point_estimate"]["a"])
    # 1.645 standard errors of 60 are 98.7: of 100 and 105 the sign is sure, of 96 not.
    assert grid.sure.sum() == CLASSES * FEATURES - 1
    assert not grid.sure[3, 0]


def test_several_prompts_have_a_row_for_each_of_their_logits():
    value = np.arange(24.0).reshape(2, 3, 4)
    dims = ("prompt", "free_class", "feature")
    coords = {"prompt": [0, 1], "free_class": ["u", "v", "w"], "feature": list("abcd")}
    tree = xr.DataTree.from_dict({
        "point_estimate": xr.Dataset({"a": (dims, value)}, coords),
        "standard_error": xr.Dataset({"a": (dims, np.ones_like(value))}, coords),
    })  # fmt: skip
    grid = grid_of(tree, "a")
    assert grid.rows == ("0,u", "0,v", "0,w", "1,u", "1,v", "1,w")
    np.testing.assert_array_equal(grid.value, value.reshape(6, 4))


def test_few_entries_or_one_dim_are_listed():
    assert is_grid(xr.DataArray(np.zeros((5, 5))))
    assert not is_grid(xr.DataArray(np.zeros((4, 6))))
    assert not is_grid(xr.DataArray(np.zeros(100)))


def test_the_figure_stays_short_and_marks_what_is_sure(tree):
    figure = estimates_figure(tree[0])
    # Thirty lines of 0.3 inches would be longer.
    assert figure.get_figheight() < 0.3 * 30
    panel = Figure().subplots()
    draw_grid(panel, grid_of(tree[0], "a"))
    (dots,) = panel.lines
    np.testing.assert_array_equal(np.column_stack(dots.get_data()), [[4, 2], [0, 3]])
    low, high = panel.images[0].get_clim()
    assert low == -high
    assert [label.get_text() for label in panel.get_yticklabels()] == list("abcde")
