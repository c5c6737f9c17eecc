"""A sweep of several prompts: two sizes, and errors in the truth's order."""

import numpy as np
import pytest

import bayes_cmoe.sweep.worker as worker
from bayes_cmoe.estimate.relabel import labels_of
from bayes_cmoe.sweep.bounds import bounds_of
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.rows import FAILURES
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store
from bayes_cmoe.sweep.worker import redraw

NEAR = Setting("softmax_several_prompts", "distinguishable")
DESIGN = Design("two", (NEAR,), MapPlan((1000, 8000), 6))


def test_a_sweep_of_two_sizes_has_errors_of_the_bounds_order(tmp_path) -> None:
    run_sweep(DESIGN, tmp_path, workers=1)
    table = Store(tmp_path).collect()
    assert not table["status"].isin(FAILURES).any()
    targets = ["beta", "tau", "a", "nu", "exp_tau", "expert", "a[0,x1]", "exp_tau[1]"]
    assert set(targets) <= set(table["target"].to_numpy())
    errors = table["error"].sel(target=targets)
    bounds = bounds_of(DESIGN, NEAR)["bound"].sel(target=targets)
    for n in (1000, 8000):
        own = errors.isel(fit=np.flatnonzero((table["n"] == n).to_numpy()))
        ratio = np.sqrt((own**2).mean("fit")) / bounds.sel(n=n)
        # Root mean squares of six; one wrong order of the prompts would be off by ten and more.
        assert ((ratio > 0.3) & (ratio < 2.5)).all(), ratio


@pytest.mark.parametrize("method", ["map", "nuts"])
def test_errors_do_not_depend_on_the_order_in_which_a_fit_ends(method, monkeypatch) -> None:
    design = Design(
        "one", (NEAR,), MapPlan((1000,), 1), NutsPlan((1000,), 1, draws=60, tune=60, chains=1)
    )
    here = redraw(design, NEAR.variant, NEAR.regime, 1000, 0, method)
    if method == "map":
        real = worker.find_map
        # The descent that wins may end with the prompts in either order.
        monkeypatch.setattr(worker, "find_map", _turned(real))
    else:
        real = worker.fit_by
        monkeypatch.setattr(worker, "fit_by", _turned_draws(real))
    there = redraw(design, NEAR.variant, NEAR.regime, 1000, 0, method)
    np.testing.assert_allclose(here["error"], there["error"], atol=1e-3)


def _turned(real):
    def find_map(posterior, rows, theta):
        labels = labels_of(posterior)
        starts = np.atleast_2d(theta)
        turned = labels.reordered(starts, np.tile([1, 0], (len(starts), 1)))
        return real(posterior, rows, np.concatenate([starts, turned]))

    return find_map


def _turned_draws(real):
    def fit_by(engine, model, **options):
        tree = real(engine, model, **options)
        posterior = tree["posterior"].to_dataset()
        tree["posterior"] = posterior.isel(prompt=[1, 0]).assign_coords(prompt=posterior["prompt"])
        return tree

    return fit_by
