"""A sweep's folder: the design, one file a finished chunk, and the table that they make.

A chunk is written under another name and renamed, so a file that is there is whole: its existence
is the only mark that the chunk is done. A file that is not whole, or not of this design, comes from
elsewhere, and is named.
"""

import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import xarray as xr

from bayes_cmoe.concentration import LEVELS
from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.presets import read_design, toml_of
from bayes_cmoe.sweep.rows import COORDINATES, VARIABLES

__all__ = ["DamagedError", "Store"]

TEMPORARY = ".part-"


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
            probe.unlink()
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
                raise InputError(f"{file}: is not a chunk of this design: move it elsewhere")

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
        self._write(self.chunks / task.name, bytes(marked.to_netcdf(engine="h5netcdf")))

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
        file = self.chunks / task.name
        try:
            with xr.open_dataset(io.BytesIO(file.read_bytes()), engine="h5netcdf") as opened:
                table = opened.load()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise _damaged(file, error) from None
        whole = (
            table.attrs.get("design") == design.hash
            and table.attrs.get("task") == task.name
            and table.sizes.get("fit") == task.count
        )
        if not whole:
            raise _foreign(file)
        return table

    def statuses(self, design: Design, task: Task) -> list[str]:
        """Status codes of a finished chunk's fits, without reading the rest of it.

        Raises
        ------
        DamagedError
            As `read` does.
        """
        file = self.chunks / task.name
        try:
            with h5py.File(io.BytesIO(file.read_bytes()), "r") as opened:
                marks = opened.attrs["design"], opened.attrs["task"]
                codes = [str(code) for code in opened["status"].asstr()[:]]
        except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
            raise _damaged(file, error) from None
        if marks != (design.hash, task.name) or len(codes) != task.count:
            raise _foreign(file)
        return codes

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
        tables = [self.read(design, task) for task in design.tasks() if self.is_done(task)]
        if not tables:
            raise InputError(f"{self.folder}: no chunk is finished yet: run the sweep first")
        return _joined(tables).assign_attrs(design=design.hash, name=design.name)


def _damaged(file: Path, error: Exception) -> DamagedError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DamagedError(f"{file}: not a whole chunk file ({reason}): delete it and run again")


def _foreign(file: Path) -> DamagedError:
    return DamagedError(f"{file}: not a chunk of this design: delete it and run again")


def _joined(tables: Sequence[xr.Dataset]) -> xr.Dataset:
    """Tables of several tasks as one; a target that a setting does not have is NaN there."""
    targets = list(dict.fromkeys(name for table in tables for name in table["target"].to_numpy()))
    places, end = [], 0
    for table in tables:
        places.append(slice(end, end + table.sizes["fit"]))
        end += table.sizes["fit"]
    sizes = {"fit": end, "target": len(targets), "level": len(LEVELS)}
    variables = {}
    for name, variable in VARIABLES.items():
        dims = ("fit", *variable.dims)
        shape = tuple(sizes[dim] for dim in dims)
        filled = np.full(shape, "", dtype=object) if variable.text else np.full(shape, np.nan)
        attributes = {"long_name": variable.long_name}
        for place, table in zip(places, tables, strict=True):
            if name not in table:
                continue
            own, attributes = table[name].to_numpy(), table[name].attrs
            if "target" in dims:
                filled[place][..., [targets.index(t) for t in table["target"].to_numpy()]] = own
            else:
                filled[place] = own
        variables[name] = (dims, filled, attributes)
    coords: dict[str, Any] = {
        name: ("fit", np.concatenate([table[name].to_numpy() for table in tables]))
        for name in COORDINATES
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
            "free space, or choose another folder"
        ) from None
