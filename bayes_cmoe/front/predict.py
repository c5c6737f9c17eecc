"""What a fit says of new rows: the response, whether a row is the prompt's, and how surprising."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.components import Components, RowParts
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.errors import InputError
from bayes_cmoe.front.at_rows import model_at
from bayes_cmoe.front.conformal import conformal_quantile
from bayes_cmoe.front.origin import Origin, model_of, origin_of
from bayes_cmoe.front.tables import frame_of
from bayes_cmoe.parts.arrays import evenly_spread
from bayes_cmoe.parts.experts import evaluate
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.frozen import NO_FROZEN
from bayes_cmoe.parts.mixture import mixture_of

__all__ = ["as_columns", "predict", "predicted_at"]

BLOCK = 4096
"""Rows of which all draws are in memory at a time."""


def predict(
    tree: xr.DataTree,
    new: Any = None,
    *,
    y: Any = None,
    frozen: Any = None,
    calibrate: Any = None,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Predict new rows by a fit.

    The predictive law of a row is p(y|x) averaged over the posterior; after a point estimate it is
    p(y|x) at the estimate.

    Parameters
    ----------
    tree : DataTree
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``.
    new : table, optional
        As for `bayes_cmoe.fit`; the fit's own rows when left out.
    y : str or array, optional
        The new rows' response, where it is known; a column of the fit's own response's name is
        taken by itself.
    frozen : optional
        The frozen model at the new rows, as for `bayes_cmoe.fit`; may be left out where it was
        stated by columns.
    calibrate : table, optional
        Rows with their response that were not fitted to: intervals and sets are widened or narrowed
        so that they hold a new response with probability `level`, whatever the model, as long as
        these rows and the new ones are exchangeable (split conformal prediction).
    level : float
    draws : int
        Posterior draws at most; as many responses are drawn at each row for the interval.
    seed : int

    Returns
    -------
    xarray.Dataset (obs)
        ``share``, pi(x), with ``share_lower`` and ``share_upper`` where there are draws. Of a
        number or count ``mean``, ``lower`` and ``upper`` (equal-tailed); of a class ``probability``
        (obs, class) and ``label``; the prompt's own expectation is ``prompt_mean`` or
        ``prompt_probability``. Where y is known ``responsibility``, the probability that the
        row is the prompt's, ``log_score``, its log predictive density in nats, and
        ``frozen_log_score``, log f0. With `calibrate` ``conformal_lower`` and ``conformal_upper``,
        or ``conformal_set`` (obs, class).

    Raises
    ------
    InputError
        When the fit does not say how it was made or has no frozen model, a column is missing, the
        frozen model is needed and not given, or `level` is not between 0 and 1.

    References
    ----------
    Romano, Patterson and Candes (2019), Conformalized quantile regression, arXiv:1905.03222;
    Sadinle, Lei and Wasserman (2019), doi:10.1080/01621459.2017.1395341 (sets of classes).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from bayes_cmoe import fit, predict
    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(-2.0, 2.0, 300)
    >>> y = np.where(rng.random(300) < 0.3, 1.0 - x, 2.0 * x) + rng.normal(0.0, 0.3, 300)
    >>> frozen = lambda rows: 2.0 * rows["x1"]
    >>> tree = fit(pd.DataFrame({"x1": x, "y": y}), y="y", frozen=frozen, expert="linear")
    >>> found = predict(tree, {"x1": [-1.0, 1.0]}, frozen=frozen)
    >>> found["mean"].shape
    (2,)
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level {level}: give a number between 0 and 1")
    if draws < 1:
        raise InputError(f"{draws} draws: give one at least")
    origin = origin_of(tree)
    if origin.family == NO_FROZEN.family.name:
        raise InputError(
            f"{origin.variant} has no frozen model to predict beside: use `with_rows` and "
            "`pm.sample_posterior_predictive`"
        )
    model, known = (model_of(tree), True) if new is None else _at_table(origin, new, y, frozen)
    found = predicted_at(tree, model, known, level=level, draws=draws, seed=seed)
    if calibrate is not None:
        rows, has = _at_table(origin, calibrate, None, frozen)
        if not has:
            raise InputError(
                f"the rows to calibrate on lack the response {origin.response!r}: add it"
            )
        held = predicted_at(tree, rows, True, level=level, draws=draws, seed=seed)
        response = columns_of(rows)[response_name(rows)]
        quantile = conformal_quantile(held, response, level)
        found = quantile.applied(found)
    return _labelled(found, origin)


def _at_table(origin: Origin, new: Any, y: Any, frozen: Any) -> tuple[pm.Model, bool]:
    """The model at the rows of a table, and whether their response is known."""
    table = frame_of(new)
    own = y if y is not None else origin.response if origin.response in table.columns else None
    return model_at(origin, table, frozen, own), own is not None


def predicted_at(
    tree: xr.DataTree, model: pm.Model, known: bool, *, level: float, draws: int, seed: int
) -> xr.Dataset:
    """Predictions of a fit at the rows of a model, (obs); see `predict`.

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
    layout, columns = layout_of(model), columns_of(model)
    theta = _thinned(layout.vectors(tree["posterior"].to_dataset()), draws)
    components = Components(model)
    rows = Rows.of(columns, components.columns)
    each = [components.at(one, rows) for one in theta]
    share = np.array([parts.share for parts in each])
    found: dict[str, Any] = {"share": ("obs", share.mean(axis=0))}
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    if len(theta) > 1:
        ends = np.quantile(share, tails, axis=0)
        found |= {"share_lower": ("obs", ends[0]), "share_upper": ("obs", ends[1])}
    if known:
        found |= _scores(each)
    count = len(model.coords["class"]) if "class" in model.coords else None
    if count is not None:
        found |= _probabilities(components, theta, columns, count)
    else:
        found |= _expected(model, theta, columns, share)
        if "frozen_logp" not in columns:
            ends = _ends(model, theta, columns, tails, draws, seed)
            found |= {"lower": ("obs", ends[0]), "upper": ("obs", ends[1])}
    return xr.Dataset(found, {"obs": np.arange(rows.n)}, {"level": level})


def as_columns(found: xr.Dataset) -> dict[str, NDArray]:
    """Predictions as columns of a table; what has an entry a class becomes a column for each."""
    columns: dict[str, NDArray] = {}
    for name, variable in found.data_vars.items():
        if variable.dims == ("obs",):
            columns[str(name)] = variable.to_numpy()
            continue
        for label in found["class"].to_numpy():
            columns[f"{name}_{label}"] = variable.sel({"class": label}).to_numpy()
    return columns


def _thinned(vectors: NDArray, draws: int) -> NDArray:
    flat = vectors.reshape(-1, vectors.shape[-1])
    return flat[evenly_spread(len(flat), draws)]


def _scores(each: list[RowParts]) -> dict[str, Any]:
    responsibility = np.mean([parts.responsibility for parts in each], axis=0)
    density = [parts.log_density for parts in each]
    return {
        "responsibility": ("obs", responsibility),
        "log_score": ("obs", logsumexp(density, axis=0) - np.log(len(each))),
        "frozen_log_score": ("obs", np.asarray(each[0].frozen)),
    }


def _probabilities(
    components: Components, theta: NDArray, columns: dict[str, NDArray], count: int
) -> dict[str, Any]:
    """Class probabilities, (obs, class): the densities of each label in turn."""
    response = response_name(components.model)
    found: dict[str, list[NDArray]] = {"probability": [], "prompt_probability": []}
    for label in range(count):
        labelled = {**columns, response: np.full_like(columns[response], label)}
        rows = Rows.of(labelled, components.columns)
        each = [components.at(one, rows) for one in theta]
        found["probability"].append(np.mean([np.exp(p.log_density) for p in each], axis=0))
        found["prompt_probability"].append(np.mean([np.exp(p.prompt) for p in each], axis=0))
    return {name: (("obs", "class"), np.column_stack(own)) for name, own in found.items()}


def _expected(
    model: pm.Model, theta: NDArray, columns: dict[str, NDArray], share: NDArray
) -> dict[str, Any]:
    """Expected responses: of the prediction, the frozen expert and the prompts together."""
    mixture = mixture_of(model)
    if mixture is None or mixture.prompts > 1:
        return {}
    layout = layout_of(model)
    each = [layout.unravel(one) for one in theta]
    own = [{name: values[name] for name in mixture.expert.dims} for values in each]
    linked = [evaluate(mixture.expert, columns["x"], values) for values in own]
    prompt = np.array([mixture.family.expected(one) for one in linked])
    weight = share.mean(axis=0)
    # Draws that give a row to the prompt say what it expects there.
    there = np.sum(share * prompt, axis=0) / np.where(weight > 0, share.sum(axis=0), 1.0)
    expected = np.where(weight > 0, there, prompt.mean(axis=0))
    found: dict[str, Any] = {"prompt_mean": ("obs", expected)}
    frozen = _frozen_mean(mixture.family, columns)
    if frozen is None:
        return found
    mean = (1.0 - weight) * frozen + np.mean(share * prompt, axis=0)
    return {**found, "frozen_mean": ("obs", frozen), "mean": ("obs", mean)}


def _frozen_mean(family: Family, columns: dict[str, NDArray]) -> NDArray | None:
    """What the frozen expert expects; None where that is not known."""
    if "frozen_mean" in columns:
        return columns["frozen_mean"]
    argument = f"frozen_{family.arguments[0]}"
    if len(family.arguments) == 1 and argument in columns:
        return family.expected(columns[argument])
    return None


def _ends(
    model: pm.Model,
    theta: NDArray,
    columns: dict[str, NDArray],
    tails: list[float],
    draws: int,
    seed: int,
) -> NDArray:
    """Equal-tailed ends of the predictive law, (2, obs), from responses drawn at every draw."""
    simulator, rng = Simulator(model), np.random.default_rng(seed)
    times = -(-draws // len(theta))
    count = len(columns["x"])
    found = []
    for start in range(0, count, BLOCK):
        part = {name: column[start : start + BLOCK] for name, column in columns.items()}
        drawn = [simulator.draw(one, part, rng) for one in theta for _ in range(times)]
        found.append(np.quantile(drawn, tails, axis=0))
    return np.concatenate(found, axis=1)


def _labelled(found: xr.Dataset, origin: Origin) -> xr.Dataset:
    """Classes by their labels, and units and long names."""
    if origin.labels:
        labels = np.array(origin.labels)
        found = found.assign_coords({"class": labels})
        found["label"] = ("obs", labels[found["probability"].to_numpy().argmax(axis=1)])
    for name, words in WORDS.items():
        if name in found:
            found[name].attrs["long_name"] = words
    found.attrs |= {"variant": origin.variant, "response": origin.response}
    return found


WORDS = {
    "share": "prompt's share pi(x)",
    "mean": "expected response",
    "prompt_mean": "expected response of the prompt",
    "frozen_mean": "expected response of the frozen expert",
    "lower": "lower end of the predictive interval",
    "upper": "upper end of the predictive interval",
    "probability": "predictive probability of the class",
    "prompt_probability": "the prompt's probability of the class",
    "label": "most probable class",
    "responsibility": "probability that the row is the prompt's",
    "log_score": "log predictive density (nats)",
    "frozen_log_score": "log f0(y|x) (nats)",
}
