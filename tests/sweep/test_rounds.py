"""Rounds of replications: the same fits whatever happened on the way, and no more than needed."""

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep import rounds
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.presets import read_design, toml_of
from bayes_cmoe.sweep.rounds import half_width, pending
from bayes_cmoe.sweep.run import run_sweep, state_of
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store

LABELS = ("constant_contaminated/distinguishable", "constant_contaminated/merging")
SETTINGS = tuple(Setting.parse(label) for label in LABELS)


def design(until=0.16, most=90):
    return Design("rounds", SETTINGS, map=MapPlan((300, 3000), most), until=until)


def test_rounds_double_and_cover_every_replication_once():
    own = design()
    assert own.rounds == 4  # 20, 40, 80, 90
    assert [own.replications("map", number) for number in range(5)] == [0, 20, 40, 80, 90]
    for setting in SETTINGS:
        for n in (300, 3000):
            found = [
                replicate
                for task in own.tasks()
                if (task.setting, task.n) == (setting, n)
                for replicate in task.replicates
            ]
            assert sorted(found) == list(range(90))
    # Without `until` all are one round, and their tasks are as ever.
    once = Design("rounds", SETTINGS, map=MapPlan((300, 3000), 90))
    assert once.rounds == 1
    assert list(once.tasks()) == list(once.round(1))


def test_a_method_with_few_replications_is_done_early():
    own = Design("two", SETTINGS, map=MapPlan((300,), 60), nuts=NutsPlan((300,), 5), until=0.1)
    assert {task.method for task in own.round(2)} == {"map"}
    assert own.replications("nuts", 1) == 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose regimes are decided at different rounds or not at all."""
    folder = tmp_path_factory.mktemp("rounds")
    return folder, run_sweep(design(), folder, workers=1)


def counts(table):
    labels, numbers = np.unique(table["setting"].to_numpy().astype(str), return_counts=True)
    return dict(zip(labels, numbers // 2, strict=True))


def test_a_run_ends_when_its_rates_are_decided(run):
    folder, table = run
    done = counts(table)
    assert set(done.values()) <= {20, 40, 80, 90}
    assert done[LABELS[0]] < done[LABELS[1]]
    state = state_of(folder)
    assert (state.finished, state.fits) == (table.sizes["fit"], table.sizes["fit"])


def test_what_was_left_off_in_between_leaves_no_trace(run, tmp_path):
    """Chunks of the last rounds removed, in another order and by two processes: the same bits."""
    _, table = run
    again = tmp_path / "again"
    run_sweep(design(), again, workers=2)
    store = Store(again)
    for task in [task for task in design().tasks() if store.is_done(task)][3::2]:
        (store.chunks / task.name).unlink()
    assert state_of(again).finished < table.sizes["fit"]
    resumed = run_sweep(design(), again, workers=1)
    xr.testing.assert_identical(resumed.drop_vars("seconds"), table.drop_vars("seconds"))


def test_a_round_is_decided_by_itself_and_those_before(run, monkeypatch):
    """The widths asked for are those of complete rounds, whatever else lies in the folder."""
    folder, _ = run
    own, store, seen = design(), Store(folder), []

    def noted(cell):
        seen.append((cell.regime, cell.fits[0].sizes["fit"]))
        return half_width(cell)

    monkeypatch.setattr(rounds, "half_width", noted)
    done = {task for task in own.tasks() if store.is_done(task)}
    from bayes_cmoe.sweep.bounds import kept_bounds

    assert pending(own, store, done, kept_bounds(own, folder)) == []
    assert seen[:2] == [(LABELS[0], 20), (LABELS[1], 20)]
    assert [count for label, count in seen if label == LABELS[1]] == [20, 40, 80]


def test_without_bounds_nothing_is_decided(run):
    folder, _ = run
    own, store = design(), Store(folder)
    done = {task for task in own.tasks() if store.is_done(task)}
    waiting = pending(own, store, done, {})
    assert {task.setting.label for task in waiting} == {LABELS[0]}


def test_designs_say_it_and_keep_it(tmp_path):
    file = tmp_path / "design.toml"
    file.write_text(toml_of(design(0.02)))
    again = read_design(file)
    assert (again.until, again.margin, again.hash) == (0.02, 0.05, design(0.02).hash)
    assert design(0.02).hash != design(0.03).hash != Design("r", SETTINGS, design().map).hash
    for name, value in (("until", 0), ("until", -1.0), ("margin", 0.0), ("margin", "wide")):
        with pytest.raises(InputError, match=f"{name} = .*: give a difference of slopes"):
            Design.of({**design().content(), name: value})
