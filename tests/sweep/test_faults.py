"""Nothing lost and nothing silent: every fault of a run's files is named, or changes no bit."""

import shutil
import time
from dataclasses import replace
from itertools import pairwise

import pytest

import bayes_cmoe.sweep.provenance as provenance
import bayes_cmoe.sweep.run as run
import bayes_cmoe.sweep.store as stores
from bayes_cmoe.commands.cli import main
from bayes_cmoe.errors import InputError
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.sweep.chunks import content_of
from bayes_cmoe.sweep.provenance import truth_of, versions
from bayes_cmoe.sweep.run import run_sweep, state_of
from bayes_cmoe.sweep.store import Store
from tests.sweep.designs import BOTH, FADING, FAR
from tests.sweep.faults import FAULTS, tried

SECONDS_A_FAULT = 2.0


@pytest.fixture
def copy(finished, tmp_path):
    return Store(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def no_fits(monkeypatch):
    def refuse(design, task):
        raise AssertionError(f"{task.name} is run")

    monkeypatch.setattr(run, "run_task", refuse)


def check(tmp_path, finished, kind, count, seed):
    begun = time.monotonic()
    found = tried(tmp_path / "run", finished, kind, count, seed)
    assert set(found) == {"named"}, found
    assert found.total() > 0.8 * count
    assert time.monotonic() - begun < SECONDS_A_FAULT * count
    return found


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_sixty_faults_of_a_kind_are_named(kind, finished, tmp_path):
    check(tmp_path, finished, kind, 60, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_450_faults_of_a_kind_are_named(kind, finished, tmp_path):
    print(kind, dict(check(tmp_path, finished, kind, 450, seed=2)))


@pytest.mark.slow
def test_every_bit_of_a_chunk_counts(copy):
    task = next(BOTH.tasks())
    file = copy.chunks / task.name
    content = file.read_bytes()
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        file.write_bytes(changed)
        with pytest.raises(stores.DamagedError):
            copy.chunk(BOTH, task, ())


def rewritten(store, task, **other):
    """The same fits, sealed anew as though other versions or another truth had made them."""
    truth = other.pop("truth", truth_of(BOTH, task.setting))
    marks = {"design": BOTH.hash, "task": task.name, "truth": truth}
    content = content_of(store.read(BOTH, task), marks, {**versions(), **other})
    (store.chunks / task.name).write_bytes(content)


@pytest.mark.parametrize("place", [0, 1, -1])
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"pymc": "6.5.0"}, "pymc 6.5.0, not "),
        ({"bayes_cmoe": "0.2.0"}, "bayes_cmoe 0.2.0, not "),
        ({"truth": "0123456789abcdef"}, "another truth, box or frozen expert"),
    ],
)
def test_a_chunk_of_another_version_or_truth_is_named(copy, no_fits, other, said, place):
    task = list(BOTH.tasks())[place]
    rewritten(copy, task, **other)
    for attempt in (copy.collect, lambda: run_sweep(BOTH, copy.folder, workers=1)):
        with pytest.raises(InputError, match="move it elsewhere and run again") as caught:
            attempt()
        assert str(caught.value).startswith(f"{copy.chunks / task.name}: ")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
    state = state_of(copy.folder)
    (line,) = state.foreign
    assert task.name in line
    assert not state.damaged
    assert state.finished == BOTH.fits - task.count


def test_status_never_advises_to_delete_what_is_whole(copy, capsys):
    rewritten(copy, next(BOTH.tasks()), pymc="6.5.0")
    assert main(["status", str(copy.folder)]) == 0
    out = capsys.readouterr().out
    assert "of other runs: 1" in out
    assert "move it elsewhere" in out
    assert "delete" not in out


def all_rewritten(store, **other):
    for task in BOTH.tasks():
        rewritten(store, task, **other)


def test_other_versions_are_not_added_to(copy, no_fits, capsys):
    all_rewritten(copy, pymc="6.5.0", jax="0.11")
    whole = copy.collect()
    # Nothing is to be added to a finished run: it may be read.
    assert run_sweep(BOTH, copy.folder, workers=1).identical(whole)
    (copy.chunks / next(BOTH.tasks()).name).unlink()
    with pytest.raises(
        InputError, match=r"made with pymc 6\.5\.0, not .*, jax 0\.11, not "
    ) as said:
        run_sweep(BOTH, copy.folder, workers=1)
    assert "go on with those versions, or choose another folder" in str(said.value)
    assert main(["status", str(copy.folder)]) == 0
    out = capsys.readouterr().out
    assert "the fits were made with pymc 6.5.0, not " in out
    assert "install those versions again, or begin anew in another folder" in out
    assert "delete" not in out


@pytest.fixture
def edit(monkeypatch):
    """Another regime in the place of the one that was swept."""

    def put(**changes):
        variant = variant_named(FAR.variant)
        regime = replace(variant.regime(FAR.regime), **changes)
        other: Variant = replace(variant, regimes={**variant.regimes, FAR.regime: regime})
        monkeypatch.setattr(provenance, "variant_named", lambda name: other)

    return put


def moved_box(regime):
    name, (low, high) = next(iter(regime.box.items()))
    return {"box": {**regime.box, name: (low, high + 1e-3)}}


def moved_gate(regime):
    path = regime.path
    gate = {name: 0.99 * value for name, value in path.gate.items()}
    return {"path": replace(path, gate=gate)}


def moved_frozen(regime):
    frozen = regime.frozen

    def columns(x):
        found = frozen.columns(x)
        return {**found, "frozen_mean": found["frozen_mean"] + 1e-6}

    return {"frozen": replace(frozen, columns=columns)}


def moved_inputs(regime):
    return {"inputs": lambda rng, n: 2.0 * rng.standard_normal((n, regime.features))}


@pytest.mark.parametrize("move", [moved_box, moved_gate, moved_frozen, moved_inputs])
def test_an_edited_regime_is_refused(copy, no_fits, capsys, edit, move):
    edit(**move(variant_named(FAR.variant).regime(FAR.regime)))
    assert truth_of(BOTH, FAR)
    for attempt in (copy.collect, lambda: run_sweep(BOTH, copy.folder, workers=1)):
        with pytest.raises(InputError, match="put the regime back, or choose another folder") as c:
            attempt()
        assert FAR.label in str(c.value)
        assert FADING.label in str(c.value)
    assert main(["status", str(copy.folder)]) == 0
    out = capsys.readouterr().out
    assert "to go on: put the regime back" in out
    assert "delete" not in out


def test_a_worker_with_other_versions_computes_nothing(no_fits):
    made = {**versions(), "numpy": "1.0"}
    with pytest.raises(InputError, match=r"a worker has other versions .*numpy .*, not 1\.0"):
        run._measured(BOTH, next(BOTH.tasks()), made, truth_of(BOTH, FAR))
    with pytest.raises(InputError, match="another truth, box or frozen expert of "):
        run._measured(BOTH, next(BOTH.tasks()), versions(), "0123456789abcdef")


def test_a_mixture_of_two_runs_is_named(copy, tmp_path, no_fits):
    other = replace(BOTH, entropy=7)
    task = next(BOTH.tasks())
    store = Store(tmp_path / "other")
    with store.opened(other):
        store.write(other, task, copy.read(BOTH, task))
    shutil.copy(store.chunks / task.name, copy.chunks / task.name)
    with pytest.raises(InputError, match="not a chunk of this design: move it elsewhere") as caught:
        run_sweep(BOTH, copy.folder, workers=1)
    assert task.name in str(caught.value)


def test_a_chunk_under_another_tasks_name_is_named(copy, no_fits):
    for first, second in pairwise(list(BOTH.tasks())[:3]):
        content = (copy.chunks / second.name).read_bytes()
        shutil.copy(copy.chunks / first.name, copy.chunks / second.name)
        with pytest.raises(InputError, match="not a chunk of this design"):
            copy.collect()
        (copy.chunks / second.name).write_bytes(content)
    assert copy.collect().sizes["fit"] == BOTH.fits
