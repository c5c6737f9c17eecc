"""The fits of a sweep by setting, method and size, beside the theory of their setting."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.study.targets import EXPERT
from bayes_cmoe.sweep.design import Design

__all__ = ["RESOLVED", "Cell", "cells_of", "entries_of", "targets_of"]

RESOLVED = 5.0
"""Resolution from which theory is local: the share's bound is a fifth of the share, or less."""


@dataclass(frozen=True, eq=False)
class Cell:
    """The fits of one setting by one method, as plain arrays with the sizes in front."""

    regime: str
    method: str
    n: NDArray
    fits: tuple[xr.Dataset, ...]
    theory: xr.Dataset

    def stacked(self, variable: str, target: str) -> NDArray:
        """A variable of every fit, (size, replicate), NaN where sizes have fewer fits."""
        rows = [own[variable].sel(target=target).to_numpy() for own in self.fits]
        table = np.full((len(rows), max(map(len, rows))), np.nan)
        for filled, row in zip(table, rows, strict=True):
            filled[: len(row)] = row
        return table

    @property
    def resolution(self) -> NDArray:
        """The share over its bound, (size,)"""
        return self.theory["resolution"].sel(n=self.n).to_numpy()

    @property
    def local(self) -> NDArray:
        """Whether theory is local, (size,): a rule of theory alone, before anything is measured."""
        return self.resolution >= RESOLVED


def cells_of(table: xr.Dataset, design: Design, bounds: Mapping[str, xr.Dataset]) -> Iterator[Cell]:
    """The fits of each setting and method that has any, in the design's order."""
    for setting in design.settings:
        theory = bounds[setting.label]
        for method in design.plans:
            chosen = (table["setting"] == setting.label) & (table["method"] == method)
            own = table.isel(fit=np.flatnonzero(chosen.to_numpy()))
            sizes = np.unique(own["n"].to_numpy())
            fits = tuple(own.isel(fit=np.flatnonzero(own["n"].to_numpy() == n)) for n in sizes)
            if fits:
                yield Cell(setting.label, method, sizes, fits, theory)


def targets_of(cell: Cell) -> list[str]:
    """Whole parameters and norms; the entries of a vector have no rate of their own."""
    return [name for name in cell.theory["target"].to_numpy() if "[" not in name]


def entries_of(cell: Cell) -> list[str]:
    """The single entries of all parameters, each once."""
    names = list(cell.theory["target"].to_numpy())
    vectors = {name.partition("[")[0] for name in names if "[" in name}
    share, parameter = (cell.theory.attrs[name] for name in ("share", "share_parameter"))
    others = {*vectors, EXPERT, "loss"} | ({share} if share != parameter else set())
    names = [name for name in names if name not in others]
    # A function of an entry of several prompts' gates is no entry of its own.
    return [name for name in names if share == parameter or not name.startswith(f"{share}[")]
