"""Outputs that are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayes_cmoe.errors import InputError

__all__ = ["check_file_writable", "check_folder_writable", "whole_file", "whole_folder"]


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
    with whole_folder(file.parent) as staging:
        yield staging / file.name


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to; its files move to `folder` when the block ends well.

    Raises
    ------
    InputError
        When writing fails.
    """
    try:
        with tempfile.TemporaryDirectory(dir=_existing(folder), prefix=".bayes-cmoe-") as staging:
            yield Path(staging)
            folder.mkdir(parents=True, exist_ok=True)
            for file in sorted(Path(staging).iterdir()):
                os.replace(file, folder / file.name)
    except OSError as error:
        raise _unwritable(folder, error) from None
