"""What an explanation's figures draw of several prompts."""

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe.report.explanation_figures import feature_figure

NAMES = ["frozen", "prompt 0", "prompt 1"]


def explained(features):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, features)), rng.standard_normal(40)
    shares = rng.dirichlet(np.ones(3), 40)
    each = ("obs", "component"), shares
    rows = xr.Dataset(
        {
            "responsibility": ("obs", 1.0 - shares[:, 0]),
            "share": ("obs", 1.0 - shares[:, 0]),
            "shares": each,
            "shares_lower": (each[0], shares / 2),
            "shares_upper": (each[0], (1 + shares) / 2),
            "frozen_mean": ("obs", y),
            "means": (each[0], np.column_stack([y, y + 1.0, y - 2.0])),
        },
        coords={"component": NAMES},
        attrs={"response": "mass", "level": 0.9},
    )
    data = xr.Dataset(
        {"x": (("obs", "feature"), x)}, coords={"feature": [f"x{j}" for j in range(features)]}
    )
    observed = xr.Dataset({"y": ("obs", y)})
    return xr.DataTree.from_dict({"constant_data": data, "observed_data": observed}), rows


@pytest.mark.parametrize("features", [1, 2])
def test_each_prompt_has_its_own_share_and_name(features):
    tree, rows = explained(features)
    figure = feature_figure(tree, rows, 0)
    above, below = figure.axes[:2]
    order = np.argsort(tree["constant_data"]["x"].to_numpy()[:, 0])
    drawn = {line.get_label(): line.get_ydata() for line in below.get_lines()}
    for place, name in enumerate(NAMES[1:], 1):
        np.testing.assert_array_equal(drawn[name], rows["shares"].to_numpy()[order, place])
    assert len({line.get_color() for line in below.get_lines()}) == 2
    (legend,) = figure.legends
    named = [text.get_text() for text in legend.get_texts()]
    if features == 1:
        means = {line.get_label(): line.get_ydata() for line in above.get_lines()}
        for place, name in enumerate(NAMES[1:], 1):
            np.testing.assert_array_equal(means[name], rows["means"].to_numpy()[order, place])
        assert named == ["frozen model", *NAMES[1:]]
    else:
        assert named == NAMES[1:]
