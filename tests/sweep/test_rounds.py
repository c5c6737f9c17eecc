"""Rounds of replications: the same fits whatever happened on the way, and no more than needed."""

from itertools import pairwise, product

import numpy as np
import pytest
import xarray as xr

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep import rounds
from bayes_cmoe.sweep.design import CalibratePlan, Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.measured import Measured, Spread
from bayes_cmoe.sweep.presets import read_design, toml_of
from bayes_cmoe.sweep.rounds import pending, raised, spreads_of
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
    """Fits by setting, of each size in turn."""
    settings, sizes = table["setting"].to_numpy().astype(str), table["n"].to_numpy()
    return {
        label: [int(((settings == label) & (sizes == n)).sum()) for n in (300, 3000)]
        for label in LABELS
    }


def test_a_run_ends_when_its_rates_are_decided(run):
    folder, table = run
    done = counts(table)
    assert {count for own in done.values() for count in own} <= {20, 40, 80, 90}
    assert sum(done[LABELS[0]]) < sum(done[LABELS[1]])
    state = state_of(folder)
    assert (state.finished, state.fits) == (table.sizes["fit"], table.sizes["fit"])


@pytest.mark.slow
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
        seen.append((cell.regime, [fits.sizes["fit"] for fits in cell.fits]))
        return spreads_of(cell)

    monkeypatch.setattr(rounds, "spreads_of", noted)
    done = {task for task in own.tasks() if store.is_done(task)}
    from bayes_cmoe.sweep.bounds import kept_bounds

    assert pending(own, store, done, kept_bounds(own, folder)) == []
    assert seen[:2] == [(LABELS[0], [20, 20]), (LABELS[1], [20, 20])]
    steps = [own for label, own in seen if label == LABELS[1]]
    # Each size goes up by one round at most at a time, and one of them does until the end.
    for before, after in pairwise(steps):
        assert all(b in (a, min(2 * a, 90)) for a, b in zip(before, after, strict=True))
    assert steps[-1] == counts(run[1])[LABELS[1]]


def test_without_bounds_nothing_is_decided(run):
    folder, _ = run
    own, store = design(), Store(folder)
    done = {task for task in own.tasks() if store.is_done(task)}
    waiting = pending(own, store, done, {})
    assert {task.setting.label for task in waiting} == {LABELS[0]}


def random_problem(rng, sizes=4, targets=2):
    spreads = [
        Spread(rng.gamma(0.5, 2e-3, sizes), 0.0, float(rng.uniform(1.96, 2.3)))
        for _ in range(targets)
    ]
    return spreads, 10.0 ** rng.uniform(0, 3, sizes)


def planned(spreads, counts, most, price, until):
    """Replications at the end when what was foreseen of the variances comes true."""
    own = np.array(counts)
    while True:
        now = [Spread(one.parts * counts / own, one.known, one.quantile) for one in spreads]
        chosen = raised(now, own, most, price, until)
        if not chosen.any():
            return own
        own = np.where(chosen, np.minimum(2 * own, most), own)


def test_the_plan_is_near_the_cheapest_of_all():
    """Against every combination of doublings, tried one by one."""
    rng, counts, levels = np.random.default_rng(3), np.full(4, 20), 20 * 2 ** np.arange(5)
    excess = []
    for _ in range(60):
        spreads, price = random_problem(rng)
        until = 0.5 * max(float(own.half()) for own in spreads)
        own = planned(spreads, counts, 320, price, until)

        def narrow(trial, spreads=spreads, until=until):
            return all(
                one.quantile * np.sqrt(np.sum(one.parts * 20 / trial)) <= until for one in spreads
            )

        assert narrow(own)
        cheapest = min(
            price @ trial for trial in map(np.array, product(levels, repeat=4)) if narrow(trial)
        )
        excess.append(
            price @ (own - 20) / max(price @ (np.array(counts)), cheapest - price @ counts)
        )
    assert np.mean(excess) < 1.2
    assert np.max(excess) < 2.0


def test_what_the_ceiling_could_not_decide_gets_no_more():
    hopeless, wide = (Spread(np.full(3, part), 0.0, 2.0) for part in (1.0, 1e-3))
    counts, price = np.full(3, 20), np.ones(3)
    assert not raised([hopeless], counts, 80, price, 0.05).any()
    assert raised([hopeless, wide], counts, 80, price, 0.05).any()
    # What the limits' own error leaves open no replication decides.
    assert not raised([Spread(np.full(3, 1e-3), 0.2, 2.0)], counts, 80, price, 0.05).any()
    assert not raised([wide], counts, 80, price, 0.2).any()
    assert not raised([], counts, 80, price, 0.05).any()


def test_intervals_hold_after_a_run_that_stopped_by_itself():
    """Errors around their linearisation, more so where n is small; the slope's law is known."""
    rng, n = np.random.default_rng(11), np.array([1e3, 1e4, 1e5])
    apart, most, until = np.array([1.0, 0.4, 0.15]), 320, 0.04
    truth = np.log(np.sqrt(1.0 + apart**2)) @ ((np.log(n) - np.log(n).mean()) / 10.6039)
    held, fits = [], []
    for _ in range(300):
        linear = rng.standard_normal((3, most))
        errors = linear + apart[:, None] * rng.standard_normal((3, most))
        counts = np.full(3, 20)
        while True:
            shown = np.where(np.arange(most) < counts[:, None], errors, np.nan)
            known = np.where(np.arange(most) < counts[:, None], linear, np.nan)
            measured = Measured(n, shown, controls=known, limits=np.ones(3))
            chosen = raised([measured.spread()], counts, most, n + 5000.0, until)
            if not chosen.any():
                break
            counts = np.where(chosen, np.minimum(2 * counts, most), counts)
        held.append(bool(measured.difference(np.ones(3)).holds(truth)))
        fits.append(counts)
    # 95 % by 300 runs, and four standard errors of that share.
    assert abs(np.mean(held) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 300)
    # Most of the work is done where it is cheap and errors are far from their linearisation.
    assert np.mean(fits, axis=0)[0] > 3 * np.mean(fits, axis=0)[2]


def test_a_calibration_has_no_rates_to_decide():
    with pytest.raises(InputError, match="calibrated and says until"):
        Design("c", SETTINGS[:1], calibrate=CalibratePlan((100,), 40), prior="flat", until=0.1)


def test_designs_say_it_and_keep_it(tmp_path):
    file = tmp_path / "design.toml"
    file.write_text(toml_of(design(0.02)))
    again = read_design(file)
    assert (again.until, again.margin, again.hash) == (0.02, 0.05, design(0.02).hash)
    assert design(0.02).hash != design(0.03).hash != Design("r", SETTINGS, design().map).hash
    for name, value in (("until", 0), ("until", -1.0), ("margin", 0.0), ("margin", "wide")):
        with pytest.raises(InputError, match=f"{name} = .*: give a difference of slopes"):
            Design.of({**design().content(), name: value})
