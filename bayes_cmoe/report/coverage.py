"""Coverage of credible intervals over the regimes of a kind, the prompt's share apart."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.plots.averages import PARTS
from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.posterior_tables import jeffreys
from bayes_cmoe.report.sweep_parts import KINDS, kind_of

__all__ = ["LEVEL", "pooled_coverage", "pooled_tree"]

LEVEL = 0.9
"""Of the intervals that are drawn; the tables have the others."""
SHARE, OTHERS = "the prompt's share", "all other parameters"


def pooled_coverage(coverage: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Coverage over the entries and regimes of each group, with Jeffreys intervals.

    Entries of one fit are dependent: the interval counts each fit once, and is rather too wide.

    Parameters
    ----------
    coverage : DataFrame
        As `Comparison.coverage`, with the columns that `by` names.
    by : sequence of str

    Returns
    -------
    DataFrame with `by`, covered, low, high, fits

    Examples
    --------
    >>> rows = {"regime": "r", "parameter": ["a", "b"], "n": 10, "covered": [0.9, 0.7], "fits": 10}
    >>> found = pooled_coverage(pd.DataFrame(rows), ["n"])
    >>> found[["covered", "low", "high", "fits"]].round(2).values.tolist()
    [[0.8, 0.5, 0.96, 10.0]]
    """
    own = coverage[coverage["fits"] > 0]
    rows = []
    for values, group in own.groupby(list(by), sort=True, observed=True):
        held = (group["covered"] * group["fits"]).sum() / group["fits"].sum()
        fits = int(group.groupby(["regime", "n"])["fits"].max().sum())
        low, high = jeffreys(held * fits, fits)
        names = dict(zip(by, values, strict=True))
        rows.append({**names, "covered": held, "low": low, "high": high, "fits": fits})
    return pd.DataFrame(rows, columns=[*by, "covered", "low", "high", "fits"])


def pooled_tree(comparison: Comparison) -> tuple[xr.DataTree, xr.Dataset]:
    """Coverage by kind of regime and role, in the form that `plot_coverage` takes.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    DataTree
        ``KIND/nSIZE/nuts``, averages in place of fits.
    Dataset
        The same with intervals: a variable a role, over (regime, part, n); empty where no interval
        is known.
    """
    rows = _labelled(comparison)
    if rows.empty:
        return xr.DataTree(), xr.Dataset()
    pooled = pooled_coverage(rows, ["kind", "role", "n"])
    kinds = [kind for kind in KINDS if (pooled["kind"] == kind).any()]
    roles = [role for role in (SHARE, OTHERS) if (pooled["role"] == role).any()]
    sizes = np.unique(pooled["n"])
    every = pd.MultiIndex.from_product([kinds, roles, sizes])
    table = pooled.set_index(["kind", "role", "n"])[["covered", "low", "high"]].reindex(every)
    values = table.to_numpy().reshape(len(kinds), len(roles), -1, 3)
    parts = {
        role: (("regime", "part", "n"), values[:, i].swapaxes(1, 2)) for i, role in enumerate(roles)
    }
    coords = {"regime": kinds, "part": list(PARTS), "n": sizes}
    leaves = {
        f"{kind}/n{n}/nuts": xr.Dataset(
            {"covered": (("replicate", "level", "target"), values[k, :, i, 0][None, None])},
            {"level": [LEVEL], "target": roles},
            {"method": "nuts"},
        )
        for k, kind in enumerate(kinds)
        for i, n in enumerate(sizes)
    }
    return xr.DataTree.from_dict(leaves), xr.Dataset(parts, coords)


def _labelled(comparison: Comparison) -> pd.DataFrame:
    """The coverage of entries at the drawn level with their regime's kind and their role."""
    coverage = comparison.coverage
    if coverage.empty:
        return coverage
    known = (coverage["fits"] > 0) & np.isfinite(coverage["covered"])
    coverage = coverage[known & np.isclose(coverage["level"], LEVEL)]
    kinds = {setting.label: kind_of(setting) for setting in comparison.design.settings}
    role = np.where(_is_share(coverage, comparison), SHARE, OTHERS)
    return coverage.assign(kind=coverage["regime"].map(kinds), role=role)


def _is_share(coverage: pd.DataFrame, comparison: Comparison) -> NDArray:
    """Which rows are of the parameter that says how large the share is, or of an entry of it."""
    parameters = [comparison.bounds[label].attrs["share_parameter"] for label in coverage["regime"]]
    names = coverage["parameter"].str.partition("[")[0]
    return names.to_numpy() == np.array(parameters, dtype=object)
