"""A sweep as one `DataTree`, by regime and size; and what is averaged over its fits.

The figures take any tree of this form, a reader's own as well: leaves ``REGIME/nSIZE`` (and below,
if wanted, by method) with the dims (replicate, target), and over them a group ``REGIME`` that may
have ``bound`` (target, n) and ``exponent`` (target).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.sweep.bounds import kept_bounds
from bayes_cmoe.sweep.cells import RESOLVED
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.draws import kept_draws
from bayes_cmoe.sweep.store import Store

__all__ = ["OF_THEORY", "gathered", "not_local", "open_sweep", "path_of", "theory_of"]

GRID = 1000
"""Points at which it is looked where theory is local."""
_LEAF = re.compile(r"n([0-9]+)")
KEPT = ("posterior", "truth", "posterior_pit")
"""Groups below a fit's, where draws were kept."""
OF_THEORY = ("bound", "expected", "exponent", "lower", "modulus", "resolution")


def open_sweep(folder: Path | str) -> xr.DataTree:
    """The finished fits of a sweep as one tree, beside the theory that its report has computed.

    Parameters
    ----------
    folder : Path or str
        Where `bayes-cmoe compare` has left a run, finished or not.

    Returns
    -------
    xarray.DataTree
        ``REGIME`` (such as ``constant_contaminated/merging``; within brackets ``/`` is written
        ``:``): ``bound``, ``expected``, ``modulus`` (target, n), ``exponent`` and ``lower``
        (target), ``resolution`` (n), where a report has been made. ``REGIME/nSIZE/METHOD``: a run's
        variables by (replicate, target, level), with ``long_name`` and ``units``; attrs ``regime``,
        ``n`` and ``method``. Below it, where draws were kept (`compare --keep-draws`),
        ``posterior`` (replicate, chain, draw), ``truth``, and ``posterior_pit``, its place
        among the draws (replicate), for `arviz.plot_ecdf_pit`.
        The root's attrs name the design.

    Raises
    ------
    InputError
        When the folder holds no run, no fit is finished, or a file is damaged.
    """
    place = Path(folder)
    store = Store(place)
    design = store.design()
    table, bounds = store.collect(), kept_bounds(design, place)
    groups: dict[str, xr.Dataset] = {}
    for setting in design.settings:
        path = path_of(setting.label)
        if setting.label in bounds:
            theory = bounds[setting.label]
            groups[path] = theory[[name for name in OF_THEORY if name in theory]]
        groups |= {f"{path}/{leaf}": fits for leaf, fits in _leaves(table, design, setting.label)}
    for (label, n), kept in kept_draws(store, design).items():
        leaf = f"{path_of(label)}/n{n}/nuts"
        groups |= {f"{leaf}/{name}": own for name, own in zip(KEPT, kept, strict=True)}
    tree = xr.DataTree.from_dict({path: _text_targets(one) for path, one in groups.items()})
    tree.attrs = {"design": design.name, "hash": design.hash}
    return tree


def path_of(label: str) -> str:
    """The path of a regime in the tree, from its label."""
    head, bracket, tail = label.partition("[")
    return head + bracket + tail.replace("/", ":")


def _leaves(table: xr.Dataset, design: Design, label: str) -> Iterator[tuple[str, xr.Dataset]]:
    here = (table["setting"] == label).to_numpy()
    for method in design.plans:
        own = here & (table["method"] == method).to_numpy()
        for n in np.unique(table["n"].to_numpy()[own]):
            chosen = np.flatnonzero(own & (table["n"] == n).to_numpy())
            fits = table.isel(fit=chosen).swap_dims(fit="replicate")
            fits = fits.drop_vars(("setting", "method", "n"))
            fits.attrs = {"regime": label, "n": int(n), "method": method}
            yield f"n{n}/{method}", fits


def _text_targets(fits: xr.Dataset) -> xr.Dataset:
    """Targets as text, which a tree's groups must share."""
    return fits.assign_coords(target=fits["target"].astype(str)) if "target" in fits else fits


def gathered(
    tree: xr.DataTree,
    variable: str,
    *,
    method: str = "map",
    var_names: Sequence[str] | str | None = None,
    regimes: Sequence[str] | str | None = None,
) -> xr.Dataset:
    """One variable of every fit: a variable a target, over (regime, n, replicate, ...).

    Parameters
    ----------
    tree : DataTree
        As `open_sweep` gives it.
    variable : str
        Such as ``error``.
    method : str
        Of leaves that say of which method they are.
    var_names, regimes : optional
        Which targets and regimes; without, whole parameters and all regimes.

    Raises
    ------
    InputError
        When no leaf has the variable, or a name is unknown.
    """
    parts: dict[tuple[str, int], xr.DataArray] = {}
    for regime, n, fits in _sized(tree, method):
        if variable in fits and "target" in fits[variable].dims:
            parts[regime, n] = fits[variable].reset_coords(drop=True)
    if not parts:
        raise InputError(f"the tree has no {variable!r} of {method}: open a sweep that measured it")
    known = list(dict.fromkeys(regime for regime, _ in parts))
    kept = _chosen("regime", regimes, known)
    stacked = [
        xr.concat(
            [
                part.assign_coords(replicate=np.arange(part.sizes["replicate"]))
                for (own, _), part in sorted(parts.items())
                if own == regime
            ],
            xr.DataArray([n for own, n in sorted(parts) if own == regime], dims="n", name="n"),
            join="outer",
        )
        for regime in kept
    ]
    whole = xr.concat(stacked, xr.DataArray(kept, dims="regime", name="regime"), join="outer")
    names = [str(name) for name in whole["target"].values]
    default = [name for name in names if "[" not in name]
    targets = default if var_names is None else _chosen("target", var_names, names)
    return whole.to_dataset("target")[targets]


def _sized(tree: xr.DataTree, method: str) -> Iterator[tuple[str, int, xr.Dataset]]:
    """Regime, size and fits of the leaves of a method."""
    for node in tree.subtree:
        parts = node.path.strip("/").split("/")
        place = next((i for i, part in enumerate(parts) if _LEAF.fullmatch(part)), None)
        if place is None or not node.has_data or node.attrs.get("method", method) != method:
            continue
        size = int(parts[place][1:])
        yield "/".join(parts[:place]), int(node.attrs.get("n", size)), node.to_dataset()


def _chosen(kind: str, given: Sequence[str] | str | None, known: Sequence[str]) -> list[str]:
    if given is None:
        return list(known)
    names = [given] if isinstance(given, str) else list(given)
    return [choose(kind, name, known) for name in names]


def theory_of(tree: xr.DataTree, name: str, like: xr.Dataset) -> xr.Dataset:
    """What theory says, of the targets and regimes of a Dataset, over (regime, n) or (regime).

    Parameters
    ----------
    tree : DataTree
    name : str
        ``bound``, ``expected``, ``exponent`` or ``lower``; NaN where it is not in the tree.
    like : Dataset
        From `gathered`.
    """
    found: dict[str, Any] = {}
    sizes = like["n"].to_numpy()
    for target in like.data_vars:
        own = str(target)
        rows = [_of_regime(tree, str(at), name, own, sizes) for at in like["regime"].values]
        found[own] = (("regime", "n"), np.array(rows))
    return xr.Dataset(found, coords={"regime": like["regime"], "n": like["n"]})


def not_local(tree: xr.DataTree, like: xr.Dataset) -> xr.Dataset:
    """Sizes at which theory is not local, as spans of log10 n: (regime, span, edge).

    Between sizes the resolution is interpolated on logarithmic scales.

    Parameters
    ----------
    tree : DataTree
        Its regimes' ``resolution`` (n), where it is known.
    like : Dataset
        From `gathered`; each of its targets has the spans of its regime.
    """
    sizes = np.log10(like["n"].to_numpy())
    spans = [_spans(tree, str(at), sizes) for at in like["regime"].values]
    most = max(len(own) for own in spans)
    table = np.full((len(spans), most, 2), np.nan)
    for row, own in zip(table, spans, strict=True):
        row[: len(own)] = np.reshape(own, (-1, 2))
    found = {str(name): (("regime", "span", "edge"), table) for name in like.data_vars}
    return xr.Dataset(found, coords={"regime": like["regime"], "edge": ["low", "high"]})


def _spans(tree: xr.DataTree, regime: str, sizes: Any) -> list[tuple[float, float]]:
    own = tree[regime].to_dataset() if regime in _paths(tree) else xr.Dataset()
    if "resolution" not in own or sizes.min() == sizes.max():
        return []
    known = own["resolution"].dropna("n").sortby("n")
    if not known.size:
        return []
    grid = np.linspace(sizes.min(), sizes.max(), GRID)
    values = np.interp(grid, np.log10(known["n"].to_numpy()), np.log(known.to_numpy()))
    poor = np.concatenate([[False], values < np.log(RESOLVED), [False]])
    steps = np.diff(poor.astype(int))
    low = grid[np.flatnonzero(steps == 1)]
    high = grid[np.minimum(np.flatnonzero(steps == -1), GRID - 1)]
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _of_regime(tree: xr.DataTree, regime: str, name: str, target: str, sizes: Any) -> Any:
    nothing = np.full(len(sizes), np.nan)
    own = tree[regime].to_dataset() if regime in _paths(tree) else xr.Dataset()
    if name not in own or target not in own["target"].values.astype(str):
        return nothing
    values = own[name].sel(target=target)
    if "n" not in values.dims:
        return np.full(len(sizes), float(values))
    return values.reindex(n=sizes).to_numpy()


def _paths(tree: xr.DataTree) -> set[str]:
    return {node.path.strip("/") for node in tree.subtree}
