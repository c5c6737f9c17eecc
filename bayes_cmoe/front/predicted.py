"""Predictions of a fit at the rows of a model, as arrays; see `bayes_cmoe.predict`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayes_cmoe.compiled.blocks import Rows, in_parts
from bayes_cmoe.compiled.components import Components, RowParts
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.estimate.draws import thinned_draws
from bayes_cmoe.parts.experts import evaluate
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.mixture import Mixture, mixture_of

__all__ = ["as_columns", "predicted_at"]

CELLS = 2**23
"""Rows times draws of which the parts are in memory at a time: 64 bytes each, or more."""
BLOCK = 4096
"""Rows of which all responses that are drawn are in memory at a time."""


def predicted_at(
    tree: xr.DataTree, model: pm.Model, known: bool, *, level: float, draws: int, seed: int
) -> xr.Dataset:
    """Predictions of a fit at the rows of a model, (obs); see `bayes_cmoe.predict`.

    Parameters
    ----------
    tree : DataTree
    model : pm.Model
        Of the same parts as the fit's.
    known : bool
        Whether its response is one, and no placeholder.
    level : float
    draws, seed : int
    """
    theta, columns = thinned_draws(layout_of(model), tree, draws), columns_of(model)
    components, rng = Components(model), np.random.default_rng(seed)
    drawable = "class" not in model.coords and "frozen_logp" not in columns
    simulator = Simulator(model) if drawable else None
    tails, size = [(1.0 - level) / 2.0, (1.0 + level) / 2.0], max(1, CELLS // len(theta))
    parts = []
    for part in in_parts(columns, size):
        found = _of_rows(components, theta, part, known, tails)
        if simulator is not None:
            ends = _ends(simulator, theta, part, tails, draws, rng)
            found |= {"lower": ("obs", ends[0]), "upper": ("obs", ends[1])}
        parts.append(xr.Dataset(found))
    coords: dict[str, Any] = {"obs": np.arange(len(columns["x"]))}
    if _several(components):
        coords["component"] = components.names
    return xr.concat(parts, "obs").assign_coords(coords).assign_attrs(level=level)


def _several(components: Components) -> bool:
    """Whether there is more to say than of one prompt beside a frozen expert."""
    return components.count > 2 or not components.frozen


def _of_rows(
    components: Components,
    theta: NDArray,
    columns: dict[str, NDArray],
    known: bool,
    tails: list[float],
) -> dict[str, Any]:
    """What is said of some rows by all draws together."""
    model, rows = components.model, Rows.of(columns, components.columns)
    each = [components.at(one, rows) for one in theta]
    found: dict[str, Any] = {}
    if components.frozen:
        found |= _with_ends("share", ("obs",), np.array([parts.share for parts in each]), tails)
    if _several(components):
        shares = np.array([parts.shares for parts in each])
        found |= _with_ends("shares", ("obs", "component"), shares, tails)
    if known:
        found |= _scores(each, frozen=components.frozen, several=_several(components))
    if "class" in model.coords:
        return found | _probabilities(components, theta, columns, len(model.coords["class"]))
    return found | _expected(model, components.layout, theta, columns, each)


def as_columns(found: xr.Dataset) -> dict[str, NDArray]:
    """Predictions as columns of a table: one for each class or component where there are several.

    Examples
    --------
    >>> shares = ("obs", "component"), [[0.2, 0.8]]
    >>> list(as_columns(xr.Dataset({"shares": shares}, {"component": ["frozen", "prompt 0"]})))
    ['shares_frozen', 'shares_prompt 0']
    """
    columns: dict[str, NDArray] = {}
    for name, variable in found.data_vars.items():
        if variable.dims == ("obs",):
            columns[str(name)] = variable.to_numpy()
            continue
        _, dim = variable.dims
        for label in found[dim].to_numpy():
            columns[f"{name}_{label}"] = variable.sel({dim: label}).to_numpy()
    return columns


def _with_ends(
    name: str, dims: tuple[str, ...], drawn: NDArray, tails: list[float]
) -> dict[str, Any]:
    """The mean over draws, and an interval's ends where there are several."""
    found = {name: (dims, drawn.mean(axis=0))}
    if len(drawn) > 1:
        low, high = np.quantile(drawn, tails, axis=0)
        found |= {f"{name}_lower": (dims, low), f"{name}_upper": (dims, high)}
    return found


def _scores(each: list[RowParts], *, frozen: bool, several: bool) -> dict[str, Any]:
    density = [np.asarray(parts.log_density) for parts in each]
    found: dict[str, Any] = {
        "log_score": ("obs", logsumexp(density, axis=0) - np.log(len(each))),
    }
    if frozen:
        found["responsibility"] = ("obs", np.mean([p.responsibility for p in each], axis=0))
        found["frozen_log_score"] = ("obs", np.asarray(each[0].frozen))
    if several:
        own = np.mean([parts.responsibilities for parts in each], axis=0)
        found["responsibilities"] = (("obs", "component"), own)
    return found


def _probabilities(
    components: Components, theta: NDArray, columns: dict[str, NDArray], count: int
) -> dict[str, Any]:
    """Class probabilities, (obs, class): the densities of each label in turn."""
    response = response_name(components.model)
    found: dict[str, list[NDArray]] = {"probability": []}
    if components.frozen:
        found["prompt_probability"] = []
    for label in range(count):
        labelled = {**columns, response: np.full_like(columns[response], label)}
        rows = Rows.of(labelled, components.columns)
        each = [components.at(one, rows) for one in theta]
        found["probability"].append(np.mean([np.exp(p.log_density) for p in each], axis=0))
        if components.frozen:
            found["prompt_probability"].append(np.mean([np.exp(p.prompt) for p in each], axis=0))
    return {name: (("obs", "class"), np.column_stack(own)) for name, own in found.items()}


def _expected(
    model: pm.Model,
    layout: Layout,
    theta: NDArray,
    columns: dict[str, NDArray],
    each: list[RowParts],
) -> dict[str, Any]:
    """Expected responses: of the prediction, and of each kind of expert."""
    mixture = mixture_of(model)
    if mixture is None:
        return {}
    shares = np.array([parts.shares for parts in each])
    # Of the trainable experts, (draw, obs, expert).
    share = shares[..., 1:] if mixture.frozen else shares
    values = (layout.unravel(one) for one in theta)
    means = np.array([_means(mixture, columns["x"], own) for own in values])
    together = np.sum(share * means, axis=-1).mean(axis=0)
    found: dict[str, Any] = {}
    own_mean = _where_it_is(share, means, axis=0)
    if not mixture.frozen:
        return {"means": (("obs", "component"), own_mean), "mean": ("obs", together)}
    found["prompt_mean"] = ("obs", _where_it_is(share, means, axis=(0, 2)))
    frozen = _frozen_mean(mixture.family, columns)
    if frozen is not None:
        mean = shares[..., 0].mean(axis=0) * frozen + together
        found |= {"frozen_mean": ("obs", frozen), "mean": ("obs", mean)}
    if mixture.prompts > 1:
        first = np.full(len(own_mean), np.nan) if frozen is None else frozen
        found["means"] = (("obs", "component"), np.column_stack([first, own_mean]))
    return found


def _means(mixture: Mixture, x: NDArray, values: dict[str, NDArray]) -> NDArray:
    """What each trainable expert expects at the rows, (obs, expert)."""
    names = mixture.expert.dims
    if mixture.sizes:
        experts = [{name: values[name][j] for name in names} for j in range(mixture.prompts)]
    else:
        experts = [{name: values[name] for name in names}]
    found = [mixture.family.expected(evaluate(mixture.expert, x, own)) for own in experts]
    return np.stack(found, axis=-1)


def _where_it_is(share: NDArray, mean: NDArray, axis: int | tuple[int, ...]) -> NDArray:
    """A mean over draws, or draws and experts, that counts each by its share in the row.

    Draws that give a row to an expert say what it expects there; all count alike without any.
    """
    total = share.sum(axis=axis)
    own = np.sum(share * mean, axis=axis) / np.where(total > 0, total, 1.0)
    found: NDArray = np.where(total > 0, own, mean.mean(axis=axis))
    return found


def _frozen_mean(family: Family, columns: dict[str, NDArray]) -> NDArray | None:
    """What the frozen expert expects; None where that is not known."""
    if "frozen_mean" in columns:
        return columns["frozen_mean"]
    argument = f"frozen_{family.arguments[0]}"
    if len(family.arguments) == 1 and argument in columns:
        return family.expected(columns[argument])
    return None


def _ends(
    simulator: Simulator,
    theta: NDArray,
    columns: dict[str, NDArray],
    tails: list[float],
    draws: int,
    rng: Generator,
) -> NDArray:
    """Equal-tailed ends of the predictive law, (2, obs), from responses drawn at every draw."""
    times, found = -(-draws // len(theta)), []
    for part in in_parts(columns, BLOCK):
        drawn = [simulator.draw(one, part, rng) for one in theta for _ in range(times)]
        found.append(np.quantile(drawn, tails, axis=0))
    return np.concatenate(found, axis=1)
