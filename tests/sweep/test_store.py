"""A run's folder: whole chunks, and what is said about everything else in it."""

import io
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

import bayes_cmoe.sweep.run as run
from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.rows import COORDINATES, VARIABLES, table_of
from bayes_cmoe.sweep.run import StoppedError, run_sweep, state_of
from bayes_cmoe.sweep.store import Store
from tests.sweep.designs import BOTH, FADING, FAR, NEAR, measured


@pytest.fixture
def copy(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    return Store(folder)


@pytest.fixture
def ready_fits(finished, monkeypatch):
    """A fit is then read from the finished run, for tests of what is done with it."""
    monkeypatch.setattr(run, "run_task", Store(finished).read)


@contextmanager
def file_limit(size: int):
    """Let this process write no file beyond a size: a write then stops in the middle of one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def begin(store, design):
    with store.opened(design):
        pass


@pytest.fixture
def no_fits(monkeypatch):
    """Any fit is then an error."""

    def refuse(design, task):
        raise AssertionError(f"{task.name} is run")

    monkeypatch.setattr(run, "run_task", refuse)


def test_the_table_is_tidy_and_says_its_units(finished):
    table = Store(finished).collect()
    assert table.sizes == {"fit": BOTH.fits, "target": len(table["target"]), "level": 3}
    assert set(table.data_vars) == set(VARIABLES)
    assert set(COORDINATES) <= set(table.coords)
    assert table["seconds"].attrs["units"] == "s"
    assert table["n"].attrs["units"] == "rows"
    keys = list(zip(*(table[name].to_numpy() for name in COORDINATES[:4]), strict=True))
    assert len(set(keys)) == BOTH.fits
    assert table.attrs["design"] == BOTH.hash


def test_the_table_survives_netcdf(finished, tmp_path):
    table = Store(finished).collect()
    table.to_netcdf(tmp_path / "fits.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "fits.nc", engine="h5netcdf") as back:
        xr.testing.assert_identical(back.load(), table)


def test_a_finished_run_is_read_and_not_run(copy, no_fits):
    again = run_sweep(BOTH, copy.folder, workers=1)
    assert again.identical(Store(copy.folder).collect())
    state = state_of(copy.folder)
    assert (state.fits, state.finished, state.failed) == (BOTH.fits, BOTH.fits, 0)
    assert sum(state.statuses.values()) == BOTH.fits


def test_a_missing_chunk_is_made_again_with_the_same_bits(copy):
    before = copy.collect()
    task = next(task for task in BOTH.tasks() if task.setting == FADING)
    (copy.chunks / task.name).unlink()
    assert state_of(copy.folder).finished == BOTH.fits - task.count
    assert measured(run_sweep(BOTH, copy.folder, workers=1)).identical(measured(before))


def test_a_chunk_of_another_shape_is_named(copy, no_fits):
    task = next(BOTH.tasks())
    copy.write(BOTH, task, copy.read(BOTH, task).isel(level=[0, 1]))
    assert state_of(copy.folder).finished == BOTH.fits
    other = next(task for task in BOTH.tasks() if task.method == "nuts")
    copy.write(BOTH, other, copy.read(BOTH, other).isel(level=[0, 1]))
    with pytest.raises(InputError, match="not a chunk of this design"):
        run_sweep(BOTH, copy.folder, workers=1)


@pytest.mark.parametrize("kept", [0, 1, 32, 700, 3000, -1])
def test_a_truncated_chunk_is_named(copy, kept, no_fits):
    file = copy.chunks / next(BOTH.tasks()).name
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    with pytest.raises(InputError, match="delete it and run again") as caught:
        run_sweep(BOTH, copy.folder, workers=1)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    (damage,) = state_of(copy.folder).damaged
    assert str(file) in damage


def test_a_chunk_of_another_design_is_named(copy, no_fits):
    first, second = list(BOTH.tasks())[:2]
    shutil.copy(copy.chunks / first.name, copy.chunks / second.name)
    with pytest.raises(InputError, match="not a chunk of this design"):
        run_sweep(BOTH, copy.folder, workers=1)


def test_a_foreign_file_is_named(copy, no_fits):
    (copy.chunks / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt: is not a chunk.*move it elsewhere"):
        run_sweep(BOTH, copy.folder, workers=1)


def test_files_beside_the_chunks_are_left_alone(copy, no_fits):
    (copy.folder / "notes.txt").write_text("mine")
    run_sweep(BOTH, copy.folder, workers=1)
    assert (copy.folder / "notes.txt").read_text() == "mine"


def test_an_edited_design_is_refused_and_nothing_touched(copy, no_fits):
    before = sorted((f.name, f.stat().st_mtime_ns) for f in copy.chunks.iterdir())
    edited = Design("both", BOTH.settings, MapPlan((300, 40_000), 5, starts=1), BOTH.nuts)
    with pytest.raises(InputError, match=r"another design \(map differ\): choose another folder"):
        run_sweep(edited, copy.folder, workers=1)
    text = copy.design_file.read_text().replace("replications = 4", "replications = 5")
    copy.design_file.write_text(text)
    with pytest.raises(InputError, match="another design"):
        run_sweep(BOTH, copy.folder, workers=1)
    assert sorted((f.name, f.stat().st_mtime_ns) for f in copy.chunks.iterdir()) == before


def test_another_name_for_the_same_design_resumes(copy, no_fits):
    run_sweep(Design("else", BOTH.settings, BOTH.map, BOTH.nuts), copy.folder, workers=1)


def test_left_over_parts_are_cleared(copy, no_fits):
    part = copy.chunks / ".part-12345"
    part.write_bytes(b"half")
    run_sweep(BOTH, copy.folder, workers=1)
    assert not part.exists()


def test_two_runs_do_not_share_a_folder(copy, no_fits):
    with copy.locked(), pytest.raises(InputError, match="another run is at work"):
        run_sweep(BOTH, copy.folder, workers=1)


def read_only(tmp_path: Path) -> Path:
    if os.geteuid() == 0:  # root may write anywhere but into the kernel's own folders
        return Path("/proc/sweep")
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    return folder / "run"


def test_a_read_only_folder_is_refused_before_any_work(tmp_path, no_fits):
    with pytest.raises(InputError, match=r"cannot be written: .*choose another folder"):
        run_sweep(BOTH, read_only(tmp_path), workers=1)


def test_a_file_in_the_folders_place_is_refused(tmp_path, no_fits):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        run_sweep(BOTH, tmp_path / "run", workers=1)


def test_a_disk_that_fills_up_leaves_whole_chunks(tmp_path, finished, ready_fits):
    """The third chunk's write stops half-way; the run says so, and goes on once there is room."""
    folder, whole = tmp_path / "run", Store(finished)
    store, tasks = Store(folder), list(BOTH.tasks())
    begin(store, BOTH)
    for task in tasks[:2]:
        store.write(BOTH, task, whole.read(BOTH, task))
    before = sorted(file.name for file in store.chunks.iterdir())
    with (
        file_limit(4096),
        pytest.raises(InputError, match="File too large: free space and run again") as caught,
    ):
        run_sweep(BOTH, folder, workers=1)
    assert str(store.chunks / tasks[2].name) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(file.name for file in store.chunks.iterdir()) == before
    assert state_of(folder).finished == sum(task.count for task in tasks[:2])
    assert run_sweep(BOTH, folder, workers=1).identical(whole.collect())


def test_a_disk_that_is_full_at_the_last_moment_leaves_no_part(copy, ready_fits, monkeypatch):
    """Some file systems find room only when the content is sent to the disk."""
    task = next(BOTH.tasks())
    (copy.chunks / task.name).unlink()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match="No space left on device: free space"):
            run_sweep(BOTH, copy.folder, workers=1)
    assert not copy.is_done(task)
    assert not list(copy.chunks.glob(".part-*"))
    run_sweep(BOTH, copy.folder, workers=1)
    assert copy.is_done(task)


def test_a_design_that_does_not_fit_on_the_disk_is_not_kept(tmp_path, no_fits):
    with file_limit(16), pytest.raises(InputError, match=r"design\.toml: cannot be written"):
        run_sweep(BOTH, tmp_path / "run", workers=1)
    assert not list((tmp_path / "run").glob("*.toml"))


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    tmp_path, finished, ready_fits, monkeypatch
):
    real, calls = run.run_task, []

    def interrupted(design, task):
        calls.append(task)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(design, task)

    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(run, "run_task", interrupted)
        with pytest.raises(StoppedError, match="run the same command again") as caught:
            run_sweep(BOTH, folder, workers=1)
    kept = sum(task.count for task in calls[:2])
    assert f"{kept} of {BOTH.fits} fits are kept" in str(caught.value)
    assert state_of(folder).finished == kept
    resumed = run_sweep(BOTH, folder, workers=1)
    assert measured(resumed).identical(measured(Store(finished).collect()))


def test_failures_stay_until_they_are_asked_for_again(copy, ready_fits, monkeypatch):
    before = copy.collect()
    task = next(BOTH.tasks())
    table = copy.read(BOTH, task)
    codes = table["status"].to_numpy().copy()
    codes[0] = "failed"
    copy.write(BOTH, task, table.assign(status=("fit", codes, table["status"].attrs)))
    assert state_of(copy.folder).failed == 1
    with monkeypatch.context() as patch:
        patch.setattr(run, "run_task", None)
        assert run_sweep(BOTH, copy.folder, workers=1)["status"].to_numpy()[0] == "failed"
    again = run_sweep(BOTH, copy.folder, workers=1, retry_failed=True)
    assert measured(again).identical(measured(before))
    assert state_of(copy.folder).failed == 0


def test_a_folder_without_a_run_is_said_so(tmp_path):
    with pytest.raises(InputError, match="holds no sweep"):
        state_of(tmp_path)
    begin(Store(tmp_path), BOTH)
    with pytest.raises(InputError, match="no chunk is finished"):
        Store(tmp_path).collect()
    assert state_of(tmp_path).finished == 0


def test_progress_counts_finished_fits(copy, ready_fits):
    (copy.chunks / next(BOTH.tasks()).name).unlink()
    out = io.StringIO()
    run_sweep(BOTH, copy.folder, workers=1, console=Console(file=out, width=120))
    assert f"{BOTH.fits}/{BOTH.fits} fits" in out.getvalue()


def test_settings_with_other_parameters_share_a_table(tmp_path):
    """A target that a setting does not have is missing there, and nothing moves."""
    design = Design("two", (FAR, NEAR), MapPlan((300,), 2))
    store = Store(tmp_path / "run")
    begin(store, design)
    names = {FAR: ("lam", "a", "loss"), NEAR: ("loss", "beta")}
    for i, task in enumerate(design.tasks()):
        own = names[task.setting]
        rows = {r: {"error": 10.0 * i + r + np.arange(len(own)) / 10} for r in task.replicates}
        store.write(design, task, table_of(task, rows, own, design.entropy))
    error = store.collect()["error"]
    assert error["target"].to_numpy().tolist() == ["lam", "a", "loss", "beta"]
    missing = np.nan
    np.testing.assert_allclose(
        error.to_numpy(),
        [
            [0.0, 0.1, 0.2, missing],
            [1.0, 1.1, 1.2, missing],
            [missing, missing, 10.0, 10.1],
            [missing, missing, 11.0, 11.1],
        ],
    )
