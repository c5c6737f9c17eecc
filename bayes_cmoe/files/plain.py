"""Small files of our own in a folder that others may write to: never through a link, never in part.

A link that lies where a lock or a part is to be made would have us write to a file elsewhere.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["PART", "BusyError", "is_locked", "lock", "read_plain", "write_plain"]

PART = ".part-"
"""How the name of a file begins that is still being written."""


class BusyError(BlockingIOError):
    """Another process holds the lock."""


def read_plain(file: Path) -> bytes:
    """The content of a file, which is no pipe or device: those would keep us waiting.

    Raises
    ------
    OSError
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{file} is no ordinary file")
        return stream.read()


def write_plain(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; what lies there, a link included, is replaced.

    Raises
    ------
    OSError
    """
    part = file.with_name(f"{PART}{os.getpid()}")
    with suppress(FileNotFoundError):
        part.unlink()
    made = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(part, made, 0o666), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, file)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def lock(file: Path) -> Iterator[None]:
    """Hold a lock by a file; it ends with the process, however that ends.

    Raises
    ------
    BusyError
        When another process holds it.
    OSError
        When the file is a link, or cannot be made.
    """
    made = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(file, made, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(error.errno, error.strerror) from None
        yield
    finally:
        os.close(descriptor)


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
