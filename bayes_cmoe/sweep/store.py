"""A sweep's folder: the design, one file a finished chunk, and the table that they make.

A chunk is written under another name and renamed, so a file that is there is whole: its existence
is the only mark that the chunk is done. It is sealed with a digest and says what made it. A file
that has changed since, or that another design, version or truth made, is named and never used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.plain import PART, BusyError, is_locked, lock, read_plain, write_plain
from bayes_cmoe.files.sealed import BrokenSealError
from bayes_cmoe.lazy import xr
from bayes_cmoe.sweep.agreement import check_truths, strangers
from bayes_cmoe.sweep.chunks import Chunk, chunk_of, content_of, fits, joined
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.plugins import RECORD, record_plugins
from bayes_cmoe.sweep.presets import read_design, toml_of
from bayes_cmoe.sweep.provenance import truth_of, versions
from bayes_cmoe.sweep.rows import COORDINATES, VARIABLES

__all__ = ["DamagedError", "ForeignError", "Store"]

ALL = (*VARIABLES, *COORDINATES, "target")
LOCK = ".lock"


class DamagedError(InputError):
    """A chunk file that is not as it was written: nothing in it can be trusted."""


class ForeignError(InputError):
    """A chunk file that is whole, and made by another design, version or truth."""


@dataclass(frozen=True)
class Store:
    """A folder in which a sweep's results lie.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @property
    def design_file(self) -> Path:
        """The design, as TOML."""
        return self.folder / "design.toml"

    @property
    def chunks(self) -> Path:
        """The folder of the finished chunks."""
        return self.folder / "chunks"

    def is_own(self, file: Path) -> bool:
        """Whether a file in the folder may be there before the design is."""
        return file == self.chunks or file.name in (LOCK, RECORD) or file.name.startswith(PART)

    @contextmanager
    def opened(self, design: Design) -> Iterator[None]:
        """Make the folder for a design, or see that it is that design's, and keep other runs out.

        Of two runs that begin at once one has the folder, and the other is refused. The lock ends
        with the process, however it ends.

        Raises
        ------
        InputError
            When another run is at work in the folder, it cannot be written to or holds another
            design's run, or the chunk folder holds files that are not of this design.
        """
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self.locked():
            with _writing(self.folder):
                self.chunks.mkdir(exist_ok=True)
                for left in (*self.folder.glob(f"{PART}*"), *self.chunks.glob(f"{PART}*")):
                    left.unlink()
                # Before hours of work, not after them.
                write_plain(self.chunks / f"{PART}probe", b"")
                (self.chunks / f"{PART}probe").unlink()
            if self.design_file.exists():
                self._check_design(design)
            self._check_names(design)
            if not self.design_file.exists():
                with _writing(self.folder / RECORD):
                    record_plugins(self.folder)
                self._write(self.design_file, toml_of(design).encode())
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder.

        Raises
        ------
        InputError
            When another run is at work in the folder, or its lock cannot be made.
        """
        own = self.folder / LOCK
        if own.is_symlink():
            raise InputError(f"{own}: is a link and would be written through: remove it")
        with ExitStack() as stack:
            with _writing(own):
                try:
                    stack.enter_context(lock(own))
                except BusyError:
                    raise InputError(
                        f"{self.folder}: another run is at work there: wait for it, or stop it"
                    ) from None
            yield

    def is_busy(self) -> bool:
        """Whether a run is at work in the folder."""
        return is_locked(self.folder / LOCK)

    def design(self) -> Design:
        """The design whose run the folder holds.

        Raises
        ------
        InputError
            When there is none.
        """
        if not self.design_file.exists():
            raise InputError(f"{self.folder}: holds no sweep: give the folder of a run")
        return read_design(self.design_file)

    def _check_design(self, design: Design) -> None:
        own = self.design()
        if own.hash == design.hash:
            return
        old, new = own.content(), design.content()
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key) and key != "name"]
        raise InputError(
            f"{self.folder}: holds a run of another design ({', '.join(changed)} differ): "
            "choose another folder, or go back to the design in its design.toml"
        )

    def _check_names(self, design: Design) -> None:
        known = {task.name for task in design.tasks()}
        for file in sorted(self.chunks.iterdir()):
            if file.suffix == ".nc":
                raise InputError(
                    f"{self.folder}: holds a run of an earlier version of bayes_cmoe, whose chunks "
                    "say nothing of what made them: go on with that version, or choose another "
                    "folder"
                )
            if not file.name.startswith(PART) and file.name not in known:
                raise InputError(
                    f"{file}: is not a chunk of this design: move it elsewhere, or put "
                    f"{self.design_file.name} back if it was edited"
                )

    def _write(self, file: Path, content: bytes) -> None:
        with _writing(file):
            write_plain(file, content)

    def write(self, design: Design, task: Task, table: xr.Dataset) -> None:
        """Write a finished chunk, whole or not at all.

        Raises
        ------
        InputError
            When it cannot be written.
        """
        marks = {
            "design": design.hash, "task": task.name, "truth": truth_of(design, task.setting),
        }  # fmt: skip
        self._write(self.chunks / task.name, content_of(table, marks, versions()))

    def is_done(self, task: Task) -> bool:
        """Whether the chunk is there."""
        return (self.chunks / task.name).exists()

    def chunk(self, design: Design, task: Task, names: Sequence[str] = ALL) -> Chunk:
        """Some of a finished chunk's arrays, those that its method measures, and its marks.

        Raises
        ------
        DamagedError
            When the file is not as it was written.
        ForeignError
            When it is not this task's of this design.
        """
        file = self.chunks / task.name
        try:
            found = chunk_of(read_plain(file), (*names, "target"))
        except (OSError, BrokenSealError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise DamagedError(
                f"{file}: not as it was written ({reason}): delete it and run again"
            ) from None
        known = (found.marks["design"], found.marks["task"]) == (design.hash, task.name)
        if not known or not fits(found, task):
            raise ForeignError(
                f"{file}: not a chunk of this design: move it elsewhere and run again, or put "
                f"{self.design_file.name} back if it was edited"
            )
        return found

    def read(self, design: Design, task: Task) -> xr.Dataset:
        """A finished chunk as a table, in memory.

        Raises
        ------
        DamagedError, ForeignError
            As `chunk` does.
        """
        arrays = self.chunk(design, task).arrays
        return joined([arrays], [name for name in VARIABLES if name in arrays])

    def finished(self, design: Design, names: Sequence[str] = ALL) -> dict[Task, Chunk]:
        """All chunks that are there, which agree on what made them.

        Raises
        ------
        DamagedError, ForeignError
            When a chunk is damaged or foreign.
        """
        found = {
            task: self.chunk(design, task, names) for task in design.tasks() if self.is_done(task)
        }
        for line in strangers(found).values():
            raise ForeignError(f"{self.chunks / line}")
        return found

    def collect(self) -> xr.Dataset:
        """All finished fits in the design's order.

        Returns
        -------
        xarray.Dataset with the dims ``fit`` (coordinates method, setting, n, replicate, entropy),
        ``target`` and ``level``; a variable that a fit's method does not measure is NaN.

        Raises
        ------
        InputError
            When the folder holds no run, nothing is finished, a chunk is damaged or foreign, or a
            regime has changed since.
        """
        design = self.design()
        found = self.finished(design)
        if not found:
            raise InputError(f"{self.folder}: no chunk is finished yet: run the sweep first")
        check_truths(self.folder, design, found)
        table = joined([chunk.arrays for chunk in found.values()], VARIABLES)
        return table.assign_attrs(design=design.hash, name=design.name)


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{place}: cannot be written: {error.strerror or error}: "
            "free space and run again, or choose another folder"
        ) from None
