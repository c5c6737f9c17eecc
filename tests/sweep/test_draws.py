"""Draws that a sweep keeps: those of its fits, thinned, whole or refused, and seen by ArviZ."""

from dataclasses import replace

import arviz as az
import numpy as np
import pytest

import bayes_cmoe.commands.compare as compare
from bayes_cmoe import InputError, open_sweep, variant_named
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.sweep.design import Design, NutsPlan
from bayes_cmoe.sweep.draws import kept_draws, posterior_of, thinned, with_draws
from bayes_cmoe.sweep.presets import preset
from bayes_cmoe.sweep.rows import table_of
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.store import DamagedError, Store
from bayes_cmoe.sweep.worker import redraw
from tests.sweep.designs import BOTH, FADING, FAR

NUTS = BOTH.nuts
RNG = np.random.default_rng(5)
ONE = Design("one", (FAR,), nuts=NutsPlan((300,), 2, draws=60, tune=60, keep_draws=10))
LAYOUT = Layout(
    ("lam", "W"), ((), (2, 3)), ((), ("class", "feature")),
    {"class": ("c0", "c1"), "feature": ("x1", "x2", "x3")},
)  # fmt: skip


@pytest.fixture(scope="module")
def leaf(finished):
    return open_sweep(finished)[f"{FAR.label}/n300/nuts"]


def test_draws_are_thinned_evenly_and_repeat_where_there_are_few():
    draws = np.arange(2 * 7 * 3.0).reshape(2, 7, 3)
    plan = NutsPlan((100,), 1, draws=20, chains=2, keep_draws=8)
    np.testing.assert_array_equal(thinned(draws, plan), draws[:, [0, 2, 4, 6]])
    few = thinned(draws[:, :2], plan)
    assert few.shape == (2, 4, 3)
    assert set(few[0, :, 0]) == {0.0, 3.0}


def test_what_was_kept_is_what_the_fit_measured(leaf):
    """Sixty draws a chain, ten of each kept: the means agree to the thinning's error."""
    posterior, truth = (leaf[name].to_dataset(inherit=False) for name in ("posterior", "truth"))
    assert dict(posterior.sizes) == {"replicate": 2, "chain": 2, "draw": 10, "feature": 1}
    for name in ("lam", "b", "nu"):
        error = (posterior[name].mean(["chain", "draw"]) - truth[name]).to_numpy()
        sd = leaf["posterior_sd"].sel(target=name).to_numpy()
        np.testing.assert_array_less(abs(error - leaf["error"].sel(target=name)), 4 * sd / 20**0.5)
        np.testing.assert_array_less(0.3 * sd, posterior[name].std(["chain", "draw"]))
    expected = variant_named(FAR.variant).regime(FAR.regime).truth(300)
    assert truth["lam"].item() == pytest.approx(float(expected["lam"]))


def test_a_row_drawn_again_has_the_same_draws(finished):
    posterior = kept_draws(Store(finished), BOTH)[FADING.label, 300][0]
    again = redraw(BOTH, FADING.variant, FADING.name, 300, 1, "nuts")
    assert again["draws"].sizes == {"fit": 1, "chain": 2, "draw": 10, "entry": 4}
    own = again["draws"].sel(entry="lam")[0]
    np.testing.assert_array_equal(own, posterior["lam"].sel(replicate=1))


def test_the_truth_s_place_among_the_draws(leaf):
    below = leaf["posterior"]["b"].to_numpy() < leaf["truth"]["b"].item()
    expected = (below.sum(axis=(1, 2)) + 0.5) / 21
    np.testing.assert_allclose(leaf["posterior_pit"]["b"], expected)


def matrices(store, tmp_design, first):
    """A chunk of two fits whose draws have a parameter of two dims; the second fit failed."""
    draws = RNG.normal(size=(2, 5, LAYOUT.size))
    rows = {first: {"status": "sampled", "draws": draws}, first + 1: {"status": "failed"}}
    task = next(task for task in tmp_design.tasks() if task.first == first)
    table = with_draws(table_of(task, rows, ("lam",), 1), rows, LAYOUT, tmp_design.nuts)
    with store.opened(tmp_design):
        store.write(tmp_design, task, table)
    return task, draws


def test_entries_are_put_back_in_their_parameter_s_shape(tmp_path):
    store = Store(tmp_path)
    task, draws = matrices(store, ONE, 0)
    arrays = store.chunk(ONE, task, ("draws", "entry", "entry_dims", "replicate")).arrays
    found = posterior_of([arrays])
    values = LAYOUT.unravel(draws)
    assert found["W"].dims == ("replicate", "chain", "draw", "class", "feature")
    np.testing.assert_array_equal(found["W"].sel(replicate=0), values["W"])
    np.testing.assert_array_equal(found["lam"].sel(replicate=0), values["lam"])
    assert found["W"].sel(replicate=1).isnull().all()
    assert list(found["class"].values) == ["c0", "c1"]
    # Chunks are put in the order of their replicates.
    other = {**arrays, "replicate": arrays["replicate"] + 2}
    assert posterior_of([other, arrays])["replicate"].values.tolist() == [0, 1, 2, 3]


def test_a_chunk_whose_draws_were_changed_is_refused(tmp_path):
    store = Store(tmp_path)
    task, draws = matrices(store, ONE, 0)
    file = store.chunks / task.name
    content = file.read_bytes()
    place = content.index(draws[1, 2, 3].tobytes())
    file.write_bytes(content[:place] + np.float64(0.5).tobytes() + content[place + 8 :])
    with pytest.raises(DamagedError, match="not as it was written"):
        store.read(ONE, task)


def test_a_run_without_draws_has_no_posteriors_and_is_another_design(finished):
    assert NUTS is not None
    without = replace(BOTH, nuts=replace(NUTS, keep_draws=0))
    assert kept_draws(Store(finished), without) == {}
    assert "keep_draws" not in without.content()["nuts"]
    assert without.hash != BOTH.hash
    with pytest.raises(InputError, match="another design"):
        run_sweep(without, finished, workers=1)


@pytest.mark.parametrize("count", [7, 121, -1])
def test_counts_that_make_no_sense_are_refused(count):
    with pytest.raises(InputError, match="keep_draws"):
        NutsPlan((300,), 2, draws=60, chains=2, keep_draws=count)


def test_the_option_is_a_part_of_the_design(tmp_path, monkeypatch):
    seen = []

    def record(design, *_, **__):
        seen.append(design)
        return 0

    monkeypatch.setattr(compare, "run_design", record)
    assert compare.compare("quick", output=tmp_path / "run", keep_draws=40) == 0
    quick = preset("quick").nuts
    assert quick is not None
    assert seen[0].nuts == replace(quick, keep_draws=40)
    with pytest.raises(InputError, match=r"no \[nuts\]: leave the option out"):
        compare.compare("paper-a", output=tmp_path / "run", keep_draws=40)


def test_arviz_draws_them(leaf, finished):
    fading = open_sweep(finished)[f"{FADING.label.replace('1/8', '1:8')}/n300/nuts"]
    models = {"here": leaf.isel(replicate=0), "there": fading.isel(replicate=0)}
    forest = az.plot_forest(models, var_names=["lam"], backend="none")
    assert forest.viz["trunk"]["lam"].sizes["model"] == 2
    summary = az.summary(leaf.isel(replicate=0))
    assert {"lam", "a[x1]", "b", "nu"} == set(summary.index)
    places = az.plot_ecdf_pit(
        leaf, group="posterior_pit", sample_dims=["replicate"], backend="none"
    )
    assert "lam" in places.viz["ecdf_lines"].data_vars
