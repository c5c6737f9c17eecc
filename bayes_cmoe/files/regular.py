"""The content of a file that is one: a pipe or a device may wait for ever, or have no end."""

import os
import stat
from pathlib import Path

from bayes_cmoe.errors import InputError

__all__ = ["regular_content"]


def _without_waiting(name: str, flags: int) -> int:
    """Opened without the other end of a pipe; on a regular file the flag changes nothing."""
    return os.open(name, flags | os.O_NONBLOCK)


def regular_content(file: Path, most: int) -> bytes:
    """The content of a regular file.

    Parameters
    ----------
    file : Path
    most : int
        Bytes that it may have.

    Raises
    ------
    InputError
        When it is a pipe or a device, or larger.
    OSError, ValueError
        When it cannot be opened or read, is a folder, or its name is none.
    """
    with open(file, "rb", opener=_without_waiting) as stream:
        kind = os.fstat(stream.fileno())
        if not stat.S_ISREG(kind.st_mode):
            raise InputError(f"{file}: not a file: give the name of a file")
        if kind.st_size > most:
            raise InputError(f"{file}: {kind.st_size} bytes: give a file of at most {most}")
        return stream.read(most)
