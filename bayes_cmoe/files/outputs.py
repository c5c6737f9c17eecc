"""Outputs that are written whole or not at all, and replaced as the set that they are.

A set is made in a hidden folder. Once it is whole, that folder is renamed, and from then on the
new set is what there is: the old set's files go, then the new ones come. A kill in between leaves a
part of one set and never a mixture of two; whoever comes next makes an end of it.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bayes_cmoe.errors import InputError

__all__ = [
    "check_file_writable",
    "check_folder_writable",
    "settle",
    "whole_file",
    "whole_folder",
]

STAGED = ".staged-"
"""How the name of a folder begins in which a set is made."""
LOCK, FORMER, NEW = "lock", "former.json", "new"
"""In such a folder: its owner's lock, the names of the set before, the new set."""
READY, MOVING = ".ready-set", ".moving-set"
"""A whole set, while the old one goes; and while the new one comes."""


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _try(folder: Path, target: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unwritable(target, error) from None


def _unwritable(target: Path, error: OSError) -> InputError:
    return InputError(
        f"{target}: cannot be written: {error.strerror or error}: "
        "free space, or choose another place"
    )


def check_file_writable(file: Path) -> None:
    """Refuse a file that could not be written, before any work is done for it.

    Raises
    ------
    InputError
    """
    if file.is_dir():
        raise InputError(f"{file}: is a folder: give the name of a file with -o")
    if not file.parent.is_dir():
        raise InputError(f"{file}: no folder {str(file.parent)!r}: make it, or choose another")
    _try(file.parent, file)


def check_folder_writable(folder: Path) -> None:
    """Refuse a folder that could not be made or written to, before any work is done for it.

    Raises
    ------
    InputError
    """
    place = _existing(folder)
    if not place.is_dir():
        raise InputError(f"{folder}: {str(place)!r} is a file: give the name of a folder with -o")
    _try(place, folder)


@contextmanager
def whole_file(file: Path) -> Iterator[Path]:
    """A name to write to; it becomes `file` when the block ends well.

    Raises
    ------
    InputError
        When writing fails.
    """
    try:
        with _staging(_existing(file.parent)) as staging:
            yield staging / NEW / file.name
            file.parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / NEW / file.name, file)
    except OSError as error:
        raise _unwritable(file, error) from None


@contextmanager
def whole_folder(folder: Path, former: Iterable[str] = ()) -> Iterator[Path]:
    """A folder to write a set of files to; it takes the old set's place when the block ends well.

    Parameters
    ----------
    folder : Path
        Other files in it are left alone.
    former : iterable of str
        Names, relative to the folder, that belong to the set: those that are not made again go.

    Raises
    ------
    InputError
        When writing fails; the old set is then as it was.
    """
    try:
        with _staging(_existing(folder)) as staging:
            yield staging / NEW
            (staging / FORMER).write_text(json.dumps(sorted(former)), encoding="utf-8")
            folder.mkdir(parents=True, exist_ok=True)
            with _alone(folder):
                _settle(folder)
                for name in _names(staging):
                    _check_place(folder, name)
                os.rename(staging, folder / READY)
                _settle(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


def settle(folder: Path) -> None:
    """Finish what a kill left between an old set of files and a new one.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    if not any((folder / left).exists() for left in (READY, MOVING)):
        return
    try:
        with _alone(folder):
            _settle(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _settle(folder: Path) -> None:
    ready, moving = folder / READY, folder / MOVING
    if ready.exists() and not moving.exists():
        former = json.loads((ready / FORMER).read_text(encoding="utf-8"))
        for name in {*former, *_names(ready)}:
            (folder / name).unlink(missing_ok=True)
        os.rename(ready, moving)
    if moving.exists():
        for name in _names(moving):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(moving / NEW / name, folder / name)
        shutil.rmtree(moving)


def _names(staging: Path) -> list[str]:
    """Names of the new set's files, relative to it."""
    files = sorted(file for file in (staging / NEW).rglob("*") if not file.is_dir())
    return [str(file.relative_to(staging / NEW)) for file in files]


def _check_place(folder: Path, name: str) -> None:
    """Refuse, while the old set is whole, what could not be moved."""
    place = folder / name
    if place.is_dir() and not place.is_symlink():
        raise IsADirectoryError(f"{place} is a folder")
    if place.parent.exists() and not place.parent.is_dir():
        raise NotADirectoryError(f"{place.parent} is a file")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else replaces a set in the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Some network file systems have no locks for folders.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _staging(place: Path) -> Iterator[Path]:
    """A hidden folder of one's own, which is gone at the end; those that a kill left go first."""
    for left in place.glob(f"{STAGED}*"):
        _clear(left)
    descriptor, staging = _begun(place)
    try:
        (staging / NEW).mkdir()
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        os.close(descriptor)


def _begun(place: Path) -> tuple[int, Path]:
    """A new staging folder and its lock."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        staging = Path(tempfile.mkdtemp(dir=place, prefix=STAGED))
        try:
            descriptor = os.open(staging / LOCK, flags, 0o600)
        except FileNotFoundError:
            continue  # cleared by another process before it had its lock
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if (staging / LOCK).exists():
            return descriptor, staging
        os.close(descriptor)


def _clear(left: Path) -> None:
    """Remove a staging folder, unless its owner is alive."""
    try:
        descriptor = os.open(left / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        with suppress(OSError):
            left.rmdir()
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(descriptor)
