"""A sweep's folder: the design, one file a finished chunk, and the table that they make.

A chunk is written under another name and renamed, so a file that is there is whole: its existence
is the only mark that the chunk is done. A file that is not whole, or not of this design, comes from
elsewhere, and is named.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.study.concentration import LEVELS
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.netcdf import arrays_of, netcdf_of
from bayes_cmoe.sweep.presets import read_design, toml_of
from bayes_cmoe.sweep.rows import COORDINATES, VARIABLES

__all__ = ["DamagedError", "Store"]

TEMPORARY = ".part-"
Arrays = dict[str, NDArray]
"""A chunk's variables by name."""


class DamagedError(InputError):
    """A chunk file that is not whole, or not of this design."""


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

    def prepare(self, design: Design) -> None:
        """Make the folder for a design, or see that it is that design's.

        Raises
        ------
        InputError
            When the folder cannot be written to, holds another design's run, or the chunk folder
            holds files that are not of this design.
        """
        with _written(self.folder):
            self.chunks.mkdir(parents=True, exist_ok=True)
            probe = self.chunks / f"{TEMPORARY}{os.getpid()}"
            probe.touch()
            # A run that has just begun there clears such files away.
            probe.unlink(missing_ok=True)
        if self.design_file.exists():
            self._check_design(design)
        else:
            self._write(self.design_file, toml_of(design).encode())
        self._check_names(design)

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
            if not file.name.startswith(TEMPORARY) and file.name not in known:
                raise InputError(
                    f"{file}: is not a chunk of this design: move it elsewhere, or put "
                    f"{self.design_file.name} back if it was edited"
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out of the folder; the lock ends with the process, however it ends.

        Raises
        ------
        InputError
            When another run is at work in the folder.
        """
        with (self.folder / ".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"{self.folder}: another run is at work there: wait for it, or stop it"
                ) from None
            for left in self.chunks.glob(f"{TEMPORARY}*"):
                left.unlink()
            yield

    def is_busy(self) -> bool:
        """Whether a run is at work in the folder."""
        try:
            with (self.folder / ".lock").open() as stream:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _write(self, file: Path, content: bytes) -> None:
        part = file.with_name(f"{TEMPORARY}{os.getpid()}")
        with _written(file):
            try:
                with part.open("wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(part, file)
            finally:
                with suppress(OSError):
                    part.unlink()

    def write(self, design: Design, task: Task, table: xr.Dataset) -> None:
        """Write a finished chunk, whole or not at all.

        Raises
        ------
        InputError
            When it cannot be written.
        """
        marked = table.assign_attrs(design=design.hash, task=task.name)
        # Through memory: a full disk is then an error of one write, and never half an HDF5 file.
        self._write(self.chunks / task.name, netcdf_of(marked))

    def is_done(self, task: Task) -> bool:
        """Whether the chunk is there."""
        return (self.chunks / task.name).exists()

    def read(self, design: Design, task: Task) -> xr.Dataset:
        """A finished chunk, in memory.

        Raises
        ------
        DamagedError
            When the file is not whole or not of this design.
        """
        chunk = self._arrays(design, task)
        return _table([chunk], [name for name in VARIABLES if name in chunk])

    def statuses(self, design: Design, task: Task) -> list[str]:
        """Status codes of a finished chunk's fits, without reading the rest of it.

        Raises
        ------
        DamagedError
            As `read` does.
        """
        codes: list[str] = self._arrays(design, task, ("status",))["status"].tolist()
        return codes

    def _arrays(
        self, design: Design, task: Task, names: Sequence[str] = (*VARIABLES, *COORDINATES)
    ) -> Arrays:
        """Some of a chunk's variables, those that its method measures, and its targets."""
        file = self.chunks / task.name
        try:
            content = file.read_bytes()
            chunk, marks = arrays_of(content, (*names, "target"), ("design", "task"))
            known = list(marks.values()) == [design.hash, task.name]
            sizes = {"fit": task.count, "target": len(chunk["target"]), "level": len(LEVELS)}
            needed = [name for name in names if name in ("status", *COORDINATES)]
            fitting = all(chunk[name].shape == (task.count,) for name in needed) and all(
                chunk[name].shape == tuple(sizes[dim] for dim in ("fit", *variable.dims))
                for name, variable in VARIABLES.items()
                if name in chunk
            )
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise _damaged(file, error) from None
        if not known or not fitting:
            raise DamagedError(
                f"{file}: not a chunk of this design: delete it and run again, or put "
                f"{self.design_file.name} back if it was edited"
            )
        return chunk

    def collect(self) -> xr.Dataset:
        """All finished fits in the design's order.

        Returns
        -------
        xarray.Dataset with the dims ``fit`` (coordinates method, setting, n, replicate, entropy),
        ``target`` and ``level``; a variable that a fit's method does not measure is NaN.

        Raises
        ------
        InputError
            When the folder holds no run, nothing is finished, or a chunk is damaged.
        """
        design = self.design()
        chunks = [self._arrays(design, task) for task in design.tasks() if self.is_done(task)]
        if not chunks:
            raise InputError(f"{self.folder}: no chunk is finished yet: run the sweep first")
        return _table(chunks, VARIABLES).assign_attrs(design=design.hash, name=design.name)


def _damaged(file: Path, error: Exception) -> DamagedError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DamagedError(f"{file}: not a whole chunk file ({reason}): delete it and run again")


def _table(chunks: Sequence[Arrays], names: Iterable[str]) -> xr.Dataset:
    """Chunks as one table; what a method or setting does not have is missing there."""
    targets = list(dict.fromkeys(name for chunk in chunks for name in chunk["target"]))
    columns = [[targets.index(name) for name in chunk["target"]] for chunk in chunks]
    ends = np.cumsum([0, *(len(chunk["status"]) for chunk in chunks)])
    places = [slice(*pair) for pair in pairwise(ends)]
    sizes = {"fit": ends[-1], "target": len(targets), "level": len(LEVELS)}
    variables = {}
    for name in names:
        variable = VARIABLES[name]
        dims = ("fit", *variable.dims)
        filled = variable.missing(tuple(sizes[dim] for dim in dims))
        for place, own, chunk in zip(places, columns, chunks, strict=True):
            if name in chunk:
                filled[place][(..., own) if "target" in dims else ...] = chunk[name]
        variables[name] = (dims, filled, variable.attributes)
    coords: dict[str, Any] = {
        name: ("fit", np.concatenate([chunk[name] for chunk in chunks])) for name in COORDINATES
    }
    coords |= {"target": np.array(targets, dtype=object), "level": list(LEVELS)}
    joined = xr.Dataset(variables, coords=coords)
    joined["n"].attrs["units"] = "rows"
    return joined


@contextmanager
def _written(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{place}: cannot be written: {error.strerror or error}: "
            "free space and run again, or choose another folder"
        ) from None
