"""What comes from outside the package: plugin files, and the modules of entry points.

A plugin is plain Python that calls `register_gate`, `register_expert`, `register_family` or
`register_variant`, or defines ``VARIANT``. Files are named on the command line, by `load_plugin` or
by an environment variable, and are read once in a process: workers of a sweep are given the text
that the run itself has read.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.regular import regular_content

__all__ = [
    "ENVIRONMENT",
    "GROUP",
    "READERS",
    "REGISTRIES",
    "Plugin",
    "load_outside",
    "load_plugin",
    "load_read",
    "plugins",
    "read_plugin",
    "register",
    "registered",
    "source_of",
    "take_plugins",
]

ENVIRONMENT = "BAYES_CMOE_PLUGINS"
"""Files, separated as in PATH."""
GROUP = "bayes_cmoe"
"""Of entry points; the value of each is a module's name."""
LARGEST = 2**20
"""Bytes of a file."""
REGISTRIES: list[dict[str, Any]] = []
"""What a plugin may add names to; one that fails leaves them as they were."""
READERS: list[Callable[[ModuleType], None]] = []
"""What looks at a module once it has run; it may raise as the module itself."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


def register[T: _Named](kind: str, known: dict[str, T], item: T) -> T:
    """Make an item known by its name; the item itself again is no second one.

    Raises
    ------
    InputError
        When the name is taken by another.
    """
    if known.get(item.name, item) is not item:
        article = "an" if kind[0] in "aeiou" else "a"
        raise InputError(
            f"{article} {kind} named {item.name!r} exists already: choose another name"
        )
    known[item.name] = item
    return item


def registered[T: _Named](kind: str, known: Mapping[str, T], name: str) -> T:
    """The item of that name, be it from a plugin that has to be loaded first.

    Raises
    ------
    InputError
        When there is none; the message gives the nearest name.
    """
    if name not in known:
        load_outside()
    return known[choose(kind, name, known)]


@dataclass(frozen=True)
class Plugin:
    """A file, by its absolute name, and its text."""

    file: str
    source: str

    @property
    def module(self) -> str:
        """The name of its module."""
        return f"bayes_cmoe_plugin_{sha256(self.file.encode()).hexdigest()[:12]}"

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return sha256(self.source.encode()).hexdigest()


_FILES: dict[str, Plugin] = {}
"""Those that are loaded, or being loaded, by their files."""
_ENTRIES: set[str] = set()
"""Names of the entry points that are imported, or being imported."""


def load_plugin(file: str | Path) -> ModuleType:
    """Load a plugin file, here and in every process that is started from here.

    Parameters
    ----------
    file : str or Path

    Returns
    -------
    Its module; the same one when the file is loaded already.

    Raises
    ------
    InputError
        When the file cannot be read or fails; it and the line that failed are named.
    """
    path = os.path.abspath(file)
    if path not in _FILES:
        return load_read(read_plugin(path))
    _name(path)
    return sys.modules[_FILES[path].module]


def load_read(plugin: Plugin) -> ModuleType:
    """Load a plugin from its text as it was read, as `load_plugin` does from a file."""
    if plugin.file not in _FILES:
        _load(plugin)
    _name(plugin.file)
    return sys.modules[plugin.module]


def _name(path: str) -> None:
    """Let processes that are started from here load the file as well."""
    named = _environment()
    if path not in map(os.path.abspath, named):
        os.environ[ENVIRONMENT] = os.pathsep.join([*named, path])


def load_outside() -> None:
    """Load what the environment and the entry points name and is not loaded yet.

    Called before a name is looked up.

    Raises
    ------
    InputError
        When one of them fails.
    """
    for path in map(os.path.abspath, _environment()):
        if path not in _FILES:
            _load(read_plugin(path))
    for entry in _entry_points():
        if entry.name not in _ENTRIES:
            _import(entry)


def plugins() -> tuple[Plugin, ...]:
    """The plugin files that are loaded."""
    return tuple(_FILES.values())


def take_plugins(given: Iterable[Plugin]) -> None:
    """Load another process's plugins, from the text that it has read.

    Raises
    ------
    InputError
        When this process has read another text from the same file.
    """
    for plugin in given:
        if _FILES.get(plugin.file, plugin) != plugin:
            raise InputError(
                f"{plugin.file}: a worker has loaded another text of this plugin: start the "
                "workers anew"
            )
        if plugin.file not in _FILES:
            _load(plugin)


def source_of(module: str) -> str | None:
    """The text of a plugin's module as it was read; None for other modules."""
    return next((plugin.source for plugin in _FILES.values() if plugin.module == module), None)


def _environment() -> list[str]:
    return [name for name in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if name]


_FOUND: list[tuple[EntryPoint, ...]] = []


def _entry_points() -> tuple[EntryPoint, ...]:
    """The group's entry points; installed packages do not change while a process runs."""
    if not _FOUND:
        _FOUND.append(tuple(entry_points(group=GROUP)))
    return _FOUND[0]


def read_plugin(file: str) -> Plugin:
    """A plugin file's text, nothing of it run.

    Raises
    ------
    InputError
        When it cannot be read, or is no text.
    """
    path = os.path.abspath(file)
    if os.pathsep in path:
        raise InputError(f"{path}: a plugin's name cannot hold {os.pathsep!r}: rename it")
    try:
        return Plugin(path, regular_content(Path(path), LARGEST).decode("utf-8-sig"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"plugin {path}: cannot be read: {reason}: check its name") from None
    except ValueError as error:
        raise InputError(f"plugin {path}: no Python file: {shortened(error, 200)}") from None


def _load(plugin: Plugin) -> None:
    module = ModuleType(plugin.module)
    module.__file__ = plugin.file
    _FILES[plugin.file], sys.modules[plugin.module] = plugin, module

    def run() -> None:
        exec(compile(plugin.source, plugin.file, "exec"), module.__dict__)
        _look_at(module)

    try:
        _run(run, f"plugin {plugin.file}", lambda name: name == plugin.file)
    except BaseException:
        del _FILES[plugin.file], sys.modules[plugin.module]
        raise


def _import(entry: EntryPoint) -> None:
    _ENTRIES.add(entry.name)

    def run() -> None:
        entry.load()
        _look_at(sys.modules[entry.module])

    where = f"entry point {entry.name} = {entry.value} of group {GROUP}"
    try:
        _run(run, where, lambda name: not name.startswith("<frozen"))
    except BaseException:
        _ENTRIES.discard(entry.name)
        raise


def _look_at(module: ModuleType) -> None:
    for reader in READERS:
        reader(module)


def _run(run: Callable[[], None], where: str, own: Callable[[str], bool]) -> None:
    """Run another's code; what it raises is one line that names its own last line."""
    before = [dict(registry) for registry in REGISTRIES]
    try:
        run()
    except BaseException as error:
        for registry, names in zip(REGISTRIES, before, strict=True):
            registry.clear()
            registry.update(names)
        # It is not our code, so any exception may be one that its author has to mend.
        if not isinstance(error, Exception | SystemExit):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if own(frame.filename)]
        number = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        line = f", line {number}" if number else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        what = said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"
        raise InputError(f"{where}{line}: {shortened(what, 400)}") from None
