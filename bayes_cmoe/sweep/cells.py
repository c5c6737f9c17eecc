"""The fits of a sweep by setting, method and size, beside the theory of their setting."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.study.losses import loss_names, losses_at
from bayes_cmoe.study.targets import EXPERT
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.limits import Limit
from bayes_cmoe.sweep.measured import LEVEL, Measured
from bayes_cmoe.sweep.moduli import RESOLVED
from bayes_cmoe.sweep.setting import Setting

__all__ = ["MEASURES", "RESOLVED", "Cell", "cells_of", "entries_of", "measured_of", "targets_of"]

MEASURES = {"map": ("error", "rms", "bound"), "nuts": ("expected_loss", "mean", "expected")}
"""Method -> what is measured of a fit, how fits are averaged, and what theory says of it."""


@dataclass(frozen=True, eq=False)
class Cell:
    """The fits of one setting by one method, as plain arrays with the sizes in front."""

    setting: Setting
    method: str
    n: NDArray
    fits: tuple[xr.Dataset, ...]
    theory: xr.Dataset

    @property
    def regime(self) -> str:
        """The setting's label."""
        return self.setting.label

    @property
    def statistic(self) -> str:
        """How fits are averaged: by medians where the fit has more experts than the truth.

        What is proved there is in probability, and an estimate that lies far off in one data set
        of many would be all that is seen of a mean.
        """
        return "median" if self.setting.study.over_specified else MEASURES[self.method][1]

    @property
    def is_controlled(self) -> bool:
        """Whether the linearised errors are known: the score of every fit, and theory's pull."""
        return "pull" in self.theory and all("score" in fits for fits in self.fits)

    def stacked(self, variable: str, target: str) -> NDArray:
        """A variable of every fit, (size, ..., replicate), NaN where sizes have fewer fits."""
        return _stacked(self.fits, variable, target)

    def controls_of(self, variable: str, target: str) -> NDArray:
        """The same of the limit experiment on the same data; NaN where it is not known."""
        if self.is_controlled:
            return _stacked(self.controls, variable, target)
        return np.full_like(
            self.stacked("error" if variable == "linear" else variable, target), np.nan
        )

    def signed(self, target: str) -> NDArray:
        """Linearised errors of a target's entries, (size, replicate, k); of the loss, of all."""
        count = self.stacked("error", target).shape[1]
        if not self.is_controlled:
            return np.zeros((len(self.n), count, 0))
        entries = self.theory["entries"].sel(target=target).to_numpy().astype(bool)
        if not entries.any():
            entries[: self.theory.sizes["entry"]] = True
        found = np.full((len(self.n), count, entries.sum()), np.nan)
        for filled, linear in zip(found, self.linear, strict=True):
            filled[: len(linear)] = linear[:, entries]
        return found

    def medians(self, target: str) -> tuple[NDArray, NDArray]:
        """Sizes of linearised errors, (size, replicate), and their medians in theory, (size,)"""
        return self.controls_of("linear", target), self.theoretical("median", target)

    @cached_property
    def controls(self) -> tuple[xr.Dataset, ...]:
        """What each fit would show in the limit, by the names of the fits' variables, a size each.

        The size of an estimate's error (``linear`` for both methods); of a posterior its expected
        loss, the radius of its ball, and whether its intervals hold the truth. NaN where the
        information is singular.
        """
        triples = zip(self.n, self.fits, self.linear, strict=True)
        return tuple(self._limiting(int(n), fits, linear) for n, fits, linear in triples)

    @cached_property
    def linear(self) -> list[NDArray]:
        """The linearised errors I^-1 S / n of the measured vector, (fit, measured), a size each."""
        pairs = zip(self.n, self.fits, strict=True)
        return [
            fits["score"].sel(target=self.theory["entry"].to_numpy()).to_numpy()
            @ self.theory["pull"].sel(n=n).to_numpy().T
            for n, fits in pairs
        ]

    def _limiting(self, n: int, fits: xr.Dataset, linear: NDArray) -> xr.Dataset:
        own = self.theory.sel(n=n)
        truth = self.setting.study.truth(n, self.setting.alpha, self.setting.gamma)
        entries = own["entries"].to_numpy().astype(bool)
        limit = Limit(
            tuple(own["target"].to_numpy()),
            entries[entries.any(axis=1)],
            own["spread"].to_numpy(),
            losses_at(self.setting.study, truth),
        )
        coords = {"target": own["target"], "level": fits["level"]}
        sizes = (("fit", "target"), limit.distances(linear))
        if self.method == "map":
            return xr.Dataset({"linear": sizes, "error": sizes}, coords)
        losses, radii = limit.posterior(linear)
        return xr.Dataset(
            {
                "linear": sizes,
                "expected_loss": (("fit", "target"), losses),
                "radius": (("fit", "target"), radii),
                "covered": (("fit", "level", "target"), limit.covered(linear)),
            },
            coords,
        )

    @property
    def resolution(self) -> NDArray:
        """The share over its bound, (size,)"""
        return self.theory["resolution"].sel(n=self.n).to_numpy()

    @property
    def local(self) -> NDArray:
        """Whether theory is local, (size,): a rule of theory alone, before anything is measured."""
        return self.resolution >= RESOLVED

    def slack(self, target: str) -> NDArray:
        """Relative Monte-Carlo error of the bound and what follows from it, (size,)"""
        return np.nan_to_num(self.theoretical("bound_se", target))

    def theoretical(self, name: str, target: str) -> NDArray:
        """What theory says of a target at the sizes, (size,); NaN where it says nothing."""
        if name not in self.theory:
            return np.full(len(self.n), np.nan)
        return self.theory[name].sel(target=target, n=self.n).to_numpy()


def _stacked(parts: Sequence[xr.Dataset], variable: str, target: str) -> NDArray:
    """(size, ..., replicate), NaN where sizes have fewer fits."""
    rows = [np.moveaxis(own[variable].sel(target=target).to_numpy(), 0, -1) for own in parts]
    table = np.full((len(rows), *rows[0].shape[:-1], max(row.shape[-1] for row in rows)), np.nan)
    for filled, row in zip(table, rows, strict=True):
        filled[..., : row.shape[-1]] = row
    return table


def cells_of(table: xr.Dataset, design: Design, bounds: Mapping[str, xr.Dataset]) -> Iterator[Cell]:
    """The fits of each setting with bounds and method that has any, in the design's order."""
    for setting in design.settings:
        if setting.label not in bounds:
            continue
        theory = bounds[setting.label]
        for method in design.plans:
            chosen = (table["setting"] == setting.label) & (table["method"] == method)
            own = table.isel(fit=np.flatnonzero(chosen.to_numpy()))
            sizes = np.unique(own["n"].to_numpy())
            fits = tuple(own.isel(fit=np.flatnonzero(own["n"].to_numpy() == n)) for n in sizes)
            if fits:
                yield Cell(setting, method, sizes, fits, theory)


def measured_of(cell: Cell, target: str) -> Measured | None:
    """The errors of one target; None where nothing of the kind was measured, such as no loss."""
    variable, _, limit = MEASURES[cell.method]
    errors = cell.stacked(variable, target)
    if not np.isfinite(errors).any():
        return None
    return Measured(
        cell.n,
        errors,
        cell.statistic,
        controls=cell.controls_of(variable, target),
        limits=cell.theoretical(limit, target),
        slack=cell.slack(target),
        signed=cell.signed(target),
        level=LEVEL,
    )


def targets_of(cell: Cell) -> list[str]:
    """Whole parameters and norms; the entries of a vector have no rate of their own."""
    return [name for name in cell.theory["target"].to_numpy() if "[" not in name]


def entries_of(cell: Cell) -> list[str]:
    """The single entries of all parameters, each once."""
    names = list(cell.theory["target"].to_numpy())
    vectors = {name.partition("[")[0] for name in names if "[" in name}
    share, parameter = (cell.theory.attrs[name] for name in ("share", "share_parameter"))
    others = {*vectors, EXPERT, *loss_names(cell.setting.study)}
    if share != parameter:
        others.add(share)
    names = [name for name in names if name not in others]
    # A function of an entry of several prompts' gates is no entry of its own.
    return [name for name in names if share == parameter or not name.startswith(f"{share}[")]
