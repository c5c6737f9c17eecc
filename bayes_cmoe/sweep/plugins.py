"""The plugins that a run began with, kept in its folder by name and digest.

What goes on with a run, or reports it, loads them again; a file that has changed since is named and
not loaded, because a folder may come from elsewhere and lie there for long.
"""

import json
import os
from pathlib import Path

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.files.plain import write_plain
from bayes_cmoe.files.regular import regular_content
from bayes_cmoe.parts.outside import Plugin, load_outside, load_read, plugins, read_plugin

__all__ = ["RECORD", "recall_plugins", "record_plugins"]

RECORD = "plugins.json"
LARGEST = 2**20
"""Bytes of the record."""


def record_plugins(folder: Path) -> None:
    """Write down the plugins that are loaded, where there are any.

    Raises
    ------
    OSError
    """
    record = {plugin.file: plugin.digest for plugin in plugins()}
    if record:
        write_plain(folder / RECORD, json.dumps(record, indent=1).encode())


def recall_plugins(folder: Path) -> list[str]:
    """Load what the run in a folder began with.

    A plugin whose text is loaded already, from wherever, is there; one that was named by hand is
    taken as it is, and the truths of the run decide whether it will do.

    Parameters
    ----------
    folder : Path
        Of a run, or of none yet.

    Returns
    -------
    list of str
        The files that were loaded.

    Raises
    ------
    InputError
        When one of them is missing, is another text than it was, or fails.
    """
    record = _recorded(folder / RECORD)
    if not record:
        return []
    load_outside()
    loaded = plugins()
    files, texts = {own.file for own in loaded}, {own.digest for own in loaded}
    waiting = [
        _same(folder, file, digest)
        for file, digest in record.items()
        if file not in files and digest not in texts
    ]
    for plugin in waiting:
        load_read(plugin)
    return [plugin.file for plugin in waiting]


def _same(folder: Path, file: str, digest: str) -> Plugin:
    """A plugin as the run has read it."""
    if not os.path.exists(file):
        raise InputError(
            f"{folder}: its run began with the plugin {file}, which is not there: put it back, or "
            "name a copy of it with --plugin"
        )
    plugin = read_plugin(file)
    if plugin.digest != digest:
        raise InputError(
            f"{folder}: its run began with another text of the plugin {file}: put that back, or "
            "name the file with --plugin to use it as it is"
        )
    return plugin


def _recorded(file: Path) -> dict[str, str]:
    """Files and digests."""
    # Whether it is a folder at all is asked elsewhere.
    if not os.path.exists(file):
        return {}
    try:
        record = json.loads(regular_content(file, LARGEST))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{file}: cannot be read: {reason}: make it readable") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(file, error) from None
    if not isinstance(record, dict) or not all(isinstance(one, str) for one in record.values()):
        raise _damaged(file, "no files with their digests")
    return record


def _damaged(file: Path, reason: object) -> InputError:
    return InputError(
        f"{file}: not as it was written ({shortened(reason, 200)}): remove it, and name the run's "
        "plugins with --plugin"
    )
