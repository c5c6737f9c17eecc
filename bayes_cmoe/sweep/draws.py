"""Posterior draws that a sweep keeps, thinned, with the fits that they come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.lazy import xr
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.plans import NutsPlan
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store

__all__ = ["kept_draws", "posterior_of", "thinned", "with_draws"]

NAMES = ("draws", "entry", "entry_dims")
"""What a chunk has beside its fits where its design keeps draws."""
FRONT = ("replicate", "chain", "draw")


def thinned(draws: NDArray, plan: NutsPlan) -> NDArray:
    """The draws that a plan keeps: at even distances, each chain's first and last among them.

    Some are taken twice where there are fewer: an engine may give less than it was asked for.

    Parameters
    ----------
    draws : array, shape (chain, draw, entry)
    plan : NutsPlan

    Examples
    --------
    >>> plan = NutsPlan((100,), 1, draws=10, chains=1, keep_draws=5)
    >>> thinned(np.arange(9.0).reshape(1, 9, 1), plan)[0, :, 0]
    array([0., 2., 4., 6., 8.])
    """
    places = np.linspace(0, draws.shape[1] - 1, plan.keep_draws // plan.chains)
    places = places.round().astype(int)
    return draws[:, places]


def with_draws(
    table: xr.Dataset, rows: Mapping[int, Mapping[str, Any]], layout: Layout, plan: NutsPlan | None
) -> xr.Dataset:
    """A task's table with its fits' ``draws`` (fit, chain, draw, entry); NaN where a fit failed.

    As it is where the plan keeps none.

    Parameters
    ----------
    table : Dataset
        From `bayes_cmoe.sweep.rows.table_of`.
    rows : mapping of int to mapping
        By replicate; ``draws`` as `thinned` gives them.
    layout : Layout
        Of the entries.
    plan : NutsPlan, optional
    """
    if plan is None or not plan.keep_draws:
        return table
    shape = (plan.chains, plan.keep_draws // plan.chains, layout.size)
    kept = np.stack([row.get("draws", np.full(shape, np.nan)) for row in rows.values()])
    dims = [",".join(own) for own, size in zip(layout.dims, layout.sizes, strict=True)
            for _ in range(size)]  # fmt: skip
    return table.assign(draws=(("fit", "chain", "draw", "entry"), kept)).assign_coords(
        entry=np.array(layout.labels, dtype=object),
        entry_dims=("entry", np.array(dims, dtype=object)),
    )


def kept_draws(
    store: Store, design: Design
) -> dict[tuple[str, int], tuple[xr.Dataset, xr.Dataset, xr.Dataset]]:
    """Posteriors, truths and PIT of the finished fits, by regime and size.

    Parameters
    ----------
    store : Store
    design : Design
        That of the store.

    Returns
    -------
    dict of (label, n) to three Datasets, empty where the design keeps no draws
        The posterior by (replicate, chain, draw), with the model's dims; the truth; and its place
        among each fit's draws, (draws below it + 1/2) / (draws + 1), by replicate.

    Raises
    ------
    InputError
        When a chunk is damaged or foreign.
    """
    if design.nuts is None or not design.nuts.keep_draws:
        return {}
    chunks: dict[tuple[Setting, int], list[Mapping[str, NDArray]]] = {}
    for task, chunk in store.finished(design, (*NAMES, "replicate", "status")).items():
        if task.method == "nuts":
            chunks.setdefault((task.setting, task.n), []).append(chunk.arrays)
    return {
        (setting.label, n): _groups(setting, n, posterior_of(own))
        for (setting, n), own in chunks.items()
    }


def _groups(
    setting: Setting, n: int, posterior: xr.Dataset
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    regime = setting.study
    values = regime.truth(n, setting.alpha, setting.gamma)
    dims = {str(name): own.dims[len(FRONT) :] for name, own in posterior.data_vars.items()}
    coords = {dim: posterior[dim] for own in dims.values() for dim in own}
    truth = xr.Dataset({name: (own, values[name]) for name, own in dims.items()}, coords)
    count = posterior.sizes["chain"] * posterior.sizes["draw"]
    # In the middle of its gap: a place at 0 or 1 would be impossible under uniformity.
    places = ((posterior < truth).sum(["chain", "draw"]) + 0.5) / (count + 1)
    return posterior, truth, places.where(posterior.notnull().all(["chain", "draw"]))


def posterior_of(chunks: Iterable[Mapping[str, NDArray]]) -> xr.Dataset:
    """Draws of chunks as a variable a parameter, (replicate, chain, draw, ...), by replicate.

    Parameters
    ----------
    chunks : iterable of mapping of str to array
        ``draws``, ``entry``, ``entry_dims`` and ``replicate``, as chunks have them.
    """
    parts = list(chunks)
    replicates = np.concatenate([part["replicate"] for part in parts])
    order = np.argsort(replicates)
    table = np.concatenate([part["draws"] for part in parts])[order]
    found: dict[str, Any] = {}
    counts = zip(FRONT[1:], table.shape[1:3], strict=True)
    coords: dict[str, Any] = {"replicate": replicates[order]}
    coords |= {dim: np.arange(count) for dim, count in counts}
    for name, places, dims, marks in _parameters(parts[0]["entry"], parts[0]["entry_dims"]):
        shape = (*table.shape[:3], *(len(own) for own in marks))
        found[name] = ((*FRONT, *dims), table[..., places].reshape(shape))
        coords |= dict(zip(dims, marks, strict=True))
    return xr.Dataset(found, coords)


def _parameters(
    entries: NDArray, dims: NDArray
) -> Iterator[tuple[str, list[int], list[str], list[list[str]]]]:
    """Name, places, dims and coordinates of each parameter, from its entries' labels."""
    names = [str(label).partition("[")[0] for label in entries]
    for name in dict.fromkeys(names):
        places = [i for i, own in enumerate(names) if own == name]
        own = str(dims[places[0]]).split(",") if dims[places[0]] else []
        inside = [str(entries[i])[len(name) + 1 : -1] for i in places]
        marks = [text.split(",", len(own) - 1) for text in inside if own]
        yield name, places, own, [list(dict.fromkeys(one)) for one in zip(*marks, strict=True)]
