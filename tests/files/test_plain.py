"""Locks and small files: never through a link, never in part."""

import os
import subprocess
import sys

import pytest

from bayes_cmoe.files.plain import BusyError, is_locked, lock, read_plain, write_plain


@pytest.fixture
def outside(tmp_path):
    file = tmp_path / "outside"
    file.write_bytes(b"mine")
    return file


def test_a_file_is_written_whole(tmp_path):
    write_plain(tmp_path / "chunk", b"first")
    write_plain(tmp_path / "chunk", b"second")
    assert read_plain(tmp_path / "chunk") == b"second"
    assert [file.name for file in tmp_path.iterdir()] == ["chunk"]


def test_a_link_in_the_parts_or_the_files_place_is_not_written_through(tmp_path, outside):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / f".part-{os.getpid()}").symlink_to(outside)
    (folder / "chunk").symlink_to(outside)
    write_plain(folder / "chunk", b"ours")
    assert outside.read_bytes() == b"mine"
    assert not (folder / "chunk").is_symlink()
    assert [file.name for file in folder.iterdir()] == ["chunk"]


def test_a_link_that_comes_back_is_refused(tmp_path, outside, monkeypatch):
    """Somebody else puts it there again between our two steps."""
    part = tmp_path / f".part-{os.getpid()}"
    part.symlink_to(outside)
    monkeypatch.setattr(type(part), "unlink", lambda self, missing_ok=False: None)
    with pytest.raises(FileExistsError):
        write_plain(tmp_path / "chunk", b"ours")
    assert outside.read_bytes() == b"mine"


@pytest.mark.parametrize("target", ["outside", "nowhere"])
def test_a_lock_that_is_a_link_is_refused(tmp_path, outside, target):
    (tmp_path / ".lock").symlink_to(tmp_path / target)
    with pytest.raises(OSError, match="symbolic links"), lock(tmp_path / ".lock"):
        pass
    assert not is_locked(tmp_path / ".lock")
    assert outside.read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_lock_keeps_others_out_until_its_process_ends(tmp_path):
    file = tmp_path / ".lock"
    file.write_bytes(b"kept")
    with lock(file):
        assert is_locked(file)
        with pytest.raises(BusyError), lock(file):
            pass
    assert not is_locked(file)
    assert file.read_bytes() == b"kept"
    program = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"
    subprocess.run([sys.executable, "-c", program, str(file)], check=True)
    assert not is_locked(file)
    assert not is_locked(tmp_path / "none")


def test_a_pipe_in_a_files_place_does_not_keep_us_waiting(tmp_path):
    os.mkfifo(tmp_path / "chunk")
    with pytest.raises(OSError, match="no ordinary file"):
        read_plain(tmp_path / "chunk")
    os.mkfifo(tmp_path / ".lock")
    assert not is_locked(tmp_path / ".lock")
