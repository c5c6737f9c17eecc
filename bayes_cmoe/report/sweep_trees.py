"""A comparison's tables as the trees and averages that the figures of `bayes_cmoe.plots` draw."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from bayes_cmoe.plots.averages import PARTS
from bayes_cmoe.plots.fits import OF_THEORY, path_of
from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.sweep_parts import KINDS, kind_of, leading
from bayes_cmoe.study.losses import LOSS, loss_names
from bayes_cmoe.sweep.cells import MEASURES
from bayes_cmoe.sweep.setting import Setting

__all__ = ["averages_of", "by_variant", "parameters_of", "tree_of"]

COLUMNS = ("rmse", "low", "high")
"""Of the table of errors, in the order of `PARTS`."""


def parameters_of(setting: Setting, theory: xr.Dataset) -> list[str]:
    """The targets that are drawn: the share, whole parameters and the expert's joint norm.

    A loss made of published rates is in no parameter's units and its weights move with n, so it
    stays in the tables; one that the regime declares comes first, and alone with the further ones
    where the fit has more experts than the truth. A parameter whose function is the share is left
    out beside it, for which rates are published.
    """
    names = [str(name) for name in theory["target"].to_numpy() if "[" not in str(name)]
    if setting.study.over_specified:
        return [name for name in names if name in loss_names(setting.study)]
    first = [leading(setting, theory), theory.attrs["share"]]
    dropped = {LOSS, theory.attrs["share_parameter"], *first}
    return [
        *(name for name in dict.fromkeys(first) if name in names),
        *(name for name in names if name not in dropped),
    ]


def by_variant(comparison: Comparison) -> dict[str, list[Setting]]:
    """The settings of each variant, distinguishable ones first."""
    found: dict[str, list[Setting]] = {}
    for setting in comparison.design.settings:
        if setting.label in comparison.bounds:
            found.setdefault(setting.variant, []).append(setting)
    return {
        variant: sorted(settings, key=lambda setting: KINDS.index(kind_of(setting)))
        for variant, settings in found.items()
    }


def tree_of(comparison: Comparison, label: str, method: str) -> xr.DataTree:
    """One regime by one method in the form of `bayes_cmoe.open_sweep`, averages in place of fits.

    Parameters
    ----------
    comparison : Comparison
    label : str
        The regime's.
    method : {"map", "nuts"}
    """
    theory, path = comparison.bounds[label], path_of(label)
    known = theory[[name for name in OF_THEORY if name in theory]]
    targets = known["target"].to_numpy().astype(str)
    groups = {path: known.assign_coords(target=targets)}
    own = _table(comparison.errors, label, method)
    for n, values in own.iterrows() if len(own) else ():
        averaged = values["rmse"].reindex(targets).to_numpy(dtype=float)[None]
        leaf = xr.Dataset(
            {MEASURES[method][0]: (("replicate", "target"), averaged)},
            coords={"target": targets},
            attrs={"method": method},
        )
        groups[f"{path}/n{n}/{method}"] = leaf
    return xr.DataTree.from_dict(groups)


def averages_of(
    comparison: Comparison, label: str, method: str, parameters: Sequence[str]
) -> xr.Dataset:
    """The page's averages with their intervals, controlled, as `bayes_cmoe.plots` takes them.

    Returns
    -------
    Dataset with a variable a parameter, over (regime, part, n)
    """
    own = _table(comparison.errors, label, method)
    found = {
        name: (
            ("regime", "part", "n"),
            np.array([[own[column][name].to_numpy(dtype=float) for column in COLUMNS]]),
        )
        for name in parameters
        if len(own) and name in own["rmse"]
    }
    coords = {"regime": [path_of(label)], "part": list(PARTS), "n": own.index.to_numpy()}
    return xr.Dataset(found, coords)


def _table(errors: pd.DataFrame, label: str, method: str) -> pd.DataFrame:
    """A regime's errors by n, (column, parameter) across."""
    if errors.empty:
        return errors
    own = errors[(errors["regime"] == label) & (errors["method"] == method)]
    return own.pivot(index="n", columns="parameter", values=list(COLUMNS))
