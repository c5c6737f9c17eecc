"""A chunk of a sweep: its fits' arrays and what it is marked with, as a sealed file's content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.files.sealed import sealed, unsealed
from bayes_cmoe.lazy import xr
from bayes_cmoe.study.concentration import LEVELS
from bayes_cmoe.sweep.design import Task
from bayes_cmoe.sweep.rows import COORDINATES, VARIABLES

__all__ = ["MARKS", "Chunk", "chunk_of", "content_of", "fits", "joined"]

MARKS = ("design", "task", "truth")
"""What a chunk says of itself beside the versions that made it."""
VERSION = "version "
"""Before a package's name."""


@dataclass(frozen=True)
class Chunk:
    """A chunk that was read.

    Parameters
    ----------
    arrays : mapping of str to array
        The variables that its method measures, the coordinates and ``target``.
    marks : mapping of str to str
        By the names of `MARKS`.
    versions : mapping of str to str
        What made it, see `bayes_cmoe.sweep.provenance.versions`.
    """

    arrays: Mapping[str, NDArray]
    marks: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def statuses(self) -> list[str]:
        """Status codes of its fits."""
        codes: list[str] = self.arrays["status"].tolist()
        return codes


def content_of(table: xr.Dataset, marks: Mapping[str, str], versions: Mapping[str, str]) -> bytes:
    """A task's table as the content of its file.

    Parameters
    ----------
    table : xarray.Dataset
        From `bayes_cmoe.sweep.worker.run_task`.
    marks, versions : mapping of str to str
        As in `Chunk`.
    """
    # Levels are the same in all chunks; units and meanings are those of `VARIABLES`.
    names = [str(name) for name in table.variables if name != "level"]
    arrays = {name: table.variables[name].to_numpy() for name in names}
    return sealed(arrays, {**marks, **{VERSION + name: one for name, one in versions.items()}})


def chunk_of(content: bytes, names: Iterable[str] | None = None) -> Chunk:
    """A chunk from its file's content.

    Parameters
    ----------
    content : bytes
    names : iterable of str, optional
        Arrays that are wanted; all by default.

    Raises
    ------
    BrokenSealError
        When a bit of it is not as it was written.
    """
    arrays, found = unsealed(content, names)
    made = {
        name.removeprefix(VERSION): one for name, one in found.items() if name.startswith(VERSION)
    }
    return Chunk(arrays, {name: found.get(name, "") for name in MARKS}, made)


def fits(chunk: Chunk, task: Task) -> bool:
    """Whether the arrays that are there have the shapes that the task's have."""
    arrays = chunk.arrays
    sizes = {"fit": task.count, "target": len(arrays.get("target", ())), "level": len(LEVELS)}
    needed = [name for name in COORDINATES if name in arrays]
    if "draws" in arrays and arrays["draws"].shape[::3] != (task.count, len(arrays["entry"])):
        return False
    return all(arrays[name].shape == (task.count,) for name in needed) and all(
        arrays[name].shape == tuple(sizes[dim] for dim in ("fit", *variable.dims))
        for name, variable in VARIABLES.items()
        if name in arrays
    )


def joined(chunks: Sequence[Mapping[str, NDArray]], names: Iterable[str]) -> xr.Dataset:
    """Chunks as one table; what a method or setting does not have is missing there.

    Parameters
    ----------
    chunks : sequence of mapping of str to array
    names : iterable of str
        Variables of the table.
    """
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
    table = xr.Dataset(variables, coords=coords)
    table["n"].attrs["units"] = "rows"
    return table
