"""A finished run opened as one tree."""

import numpy as np
import pytest

from bayes_cmoe import InputError, open_sweep, plot_contraction, plot_coverage
from bayes_cmoe.plots.fits import gathered
from bayes_cmoe.sweep.bounds import all_bounds
from bayes_cmoe.sweep.store import Store
from tests.sweep.designs import BOTH, FADING, FAR

PATHS = (FAR.label, FADING.label.replace("1/8", "1:8"))


@pytest.fixture(scope="module")
def tree(finished):
    all_bounds(BOTH, finished)
    return open_sweep(finished)


def test_every_fit_is_in_its_place(tree, finished):
    table = Store(finished).collect()
    assert tree.attrs == {"design": "both", "hash": BOTH.hash}
    count = 0
    for path, setting in zip(PATHS, (FAR, FADING), strict=True):
        for method, sizes in {"map": (300, 40_000), "nuts": (300,)}.items():
            assert {"n300", "n40000"} == set(tree[path].children)
            for n in sizes:
                own = tree[f"{path}/n{n}/{method}"]
                there = (table.setting == setting.label) & (table.method == method)
                expected = table.isel(fit=np.flatnonzero(there & (table.n == n)))
                np.testing.assert_array_equal(own["seconds"], expected["seconds"])
                assert own.attrs == {"regime": setting.label, "n": n, "method": method}
                count += own.sizes["replicate"]
    assert count == table.sizes["fit"]


def test_theory_stands_over_its_fits(tree, finished):
    bounds = all_bounds(BOTH, finished)[FADING.label]
    own = tree[PATHS[1]]
    np.testing.assert_array_equal(own["bound"], bounds["bound"])
    np.testing.assert_array_equal(own["resolution"], bounds["resolution"])


def test_its_figures_are_drawn(tree):
    errors = gathered(tree, "error")
    assert list(errors["regime"].values) == list(PATHS)
    assert "a[x1]" not in errors
    found = plot_contraction(tree, var_names=["lam", "expert"], backend="none")
    assert found.viz["plot"]["lam"].sizes == {"regime": 2}
    assert set(plot_coverage(tree, backend="none").viz["plot"].data_vars) >= {"lam", "b", "nu"}


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no sweep"):
        open_sweep(tmp_path)
