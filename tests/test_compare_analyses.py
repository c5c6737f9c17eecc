"""The analyses that compare regimes: their arithmetic, on comparisons with known errors."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

ANALYSES = Path(__file__).parents[1] / "analyses"
SIZES = np.array([1000, 10000, 100000])


@pytest.fixture(scope="module")
def regimes():
    return runpy.run_path(str(ANALYSES / "compare_regimes.py"), run_name="analysis")


@pytest.fixture(scope="module")
def paper():
    return runpy.run_path(str(ANALYSES / "softmax_contaminated_paper.py"), run_name="analysis")


def rows(regime, rmse, bound, share):
    return pd.DataFrame(
        {
            "regime": regime, "method": "map", "parameter": "lam", "n": SIZES, "rmse": rmse,
            "bound": bound, "resolution": share / bound,
        }
    )  # fmt: skip


def theory():
    return xr.Dataset(
        coords={"target": np.array(["lam", "expert"], dtype=object)}, attrs={"share": "lam"}
    )


def comparison(times):
    """Share 1/2 when distinguishable, 1/4 when merging, and `times` the rows for the same error."""
    labels = ["constant_contaminated/distinguishable", "constant_contaminated/merging"]
    easy = 0.5 * SIZES**-0.5
    hard = 0.25 * (SIZES / times) ** -0.5
    errors = [rows(labels[0], easy, easy, 0.5), rows(labels[1], hard, hard, 0.25)]
    bounds = {label: theory() for label in labels}
    return SimpleNamespace(regimes=labels, bounds=bounds, errors=pd.concat(errors))


def test_rows_factor_is_the_ratio_of_rows_at_equal_relative_error(regimes):
    found = regimes["rows_factor"](comparison(times=9.0))
    np.testing.assert_allclose(found["times"], 9.0)
    np.testing.assert_array_equal(found["n"], SIZES)
    # 400 times the rows: at n = 1000 the share is not resolved, so the size is left out.
    found = regimes["rows_factor"](comparison(times=400.0))
    np.testing.assert_array_equal(found["n"], SIZES[1:])


def test_curvature_is_one_where_theory_is_local(regimes):
    near = regimes["curvature"]("constant_contaminated/distinguishable", "lam", [1_000_000])
    assert near.to_numpy() == pytest.approx([1.0], abs=0.1)


def test_distance_in_noise_standard_deviations(paper):
    # (b)(i): h0 = tanh(x1), h = tanh(x1 (1 + n^-1/8)), noise variance 0.001; by quadrature.
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    shift = np.tanh(nodes * (1.0 + 1e3 ** (-1 / 8))) - np.tanh(nodes)
    expected = np.sqrt(weights @ shift**2 / weights.sum() / 0.001)
    assert paper["distance"]("paper-b-b1", 1e3) == pytest.approx(expected, rel=0.02)


def test_slopes_set_the_printed_ones_beside_the_measured(paper):
    label = "softmax_contaminated/paper-b-b1"
    rates = pd.DataFrame(
        {
            "regime": label, "parameter": ["exp_tau", "beta", "a", "nu"], "slope": -0.4,
            "low": -0.5, "high": -0.3, "bound_slope": -0.45, "median_slope": -0.4, "verdict": "off",
        }
    )  # fmt: skip
    found = paper["slopes"](SimpleNamespace(regimes=[label], rates=rates)).set_index("parameter")
    assert list(found["published"]) == [-0.23, -0.37, -0.39, -0.35]
    assert list(found["exponent"]) == [-0.25, -0.375, -0.375, -0.375]
    assert set(found["slope"]) == {-0.4}
