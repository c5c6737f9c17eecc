"""What JAX compiles is kept between the processes of sweeps, and between sweeps.

A worker compiles for seconds before its first fit, and the next worker and the next run compile the
same. JAX keeps executables in a folder when it is told one; loaded ones give the same bits as
compiled ones (a test looks). Keys are JAX's own, of the program, the versions and the flags.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from bayes_cmoe.lazy import is_loaded

__all__ = ["kept_compilations", "tell_jax"]

FOLDER = "JAX_COMPILATION_CACHE_DIR"
WORTH = "0.1"
"""Seconds of compilation from which on an executable is worth a file."""

TELLING = ("flags", "Features", "model name")
"""Lines of /proc/cpuinfo that say for which processor an executable is."""


def kept_compilations(environment: Mapping[str, str]) -> dict[str, str]:
    """JAX's settings for a folder of executables; none when it has one, or none can be written.

    Parameters
    ----------
    environment : mapping of str to str
        Of the process: a folder of the user's own stays.
    """
    if FOLDER in environment:
        return {}
    home = environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(home) / "bayes_cmoe" / f"compiled-{_processor()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    if not os.access(folder, os.W_OK | os.X_OK):
        return {}
    return {
        FOLDER: str(folder),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": WORTH,
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def tell_jax(settings: Mapping[str, str]) -> None:
    """Give JAX settings that it did not find in the environment, since it was imported before.

    To be called before anything is compiled.
    """
    if not is_loaded("jax"):
        return
    import jax

    for name, value in settings.items():
        own = name.lower()
        known = getattr(jax.config, own)
        jax.config.update(own, value if known is None else type(known)(value))


def _processor() -> str:
    """A name for this kind of processor: a home folder may be shared by machines of several."""
    known = [platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    known += sorted({line for line in lines if line.startswith(TELLING)})
    return hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]
