"""One call from a table and a frozen model to a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.files.columns import Table, check_not_constant, check_row_count
from bayes_cmoe.front.estimated import METHODS, estimated
from bayes_cmoe.front.frozen_models import Stated, columns_named, state
from bayes_cmoe.front.origin import with_origin
from bayes_cmoe.front.setting import Parts, Setting, parts_of
from bayes_cmoe.front.tables import column_of, frame_of, inputs_of
from bayes_cmoe.lazy import pd, xr
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["check_inputs_vary", "coded", "fit", "usual_variant"]

USUAL = {"number": "softmax_contaminated", "class": "multinomial_contaminated"}
"""The variant for each kind of response, where none is asked for."""


def fit(
    data: Any,
    *,
    y: Any,
    x: str | Sequence[str] | None = None,
    frozen: Any,
    variant: str | Variant | None = None,
    expert: str | Expert | None = None,
    bias: bool = True,
    gate: str | Gate | None = None,
    prompts: int | None = None,
    prior: Prior = "weak",
    method: str = "map",
    held_out: Any = None,
    seed: int = 0,
    **counts: Any,
) -> xr.DataTree:
    """Fit an adapter beside a frozen model.

    Parameters
    ----------
    data : DataFrame of pandas or polars, xarray.Dataset, mapping of columns, or array
        The new task's rows.
    y : str or array, shape (n,)
        The response, or its column: numbers, or class labels of any kind.
    x : str or sequence of str, optional
        The prompt's inputs; all other columns when left out.
    frozen : fitted model, callable, mapping, or Frozen
        A regressor or classifier with ``predict`` or ``predict_proba``, a function of the inputs,
        or names of columns; see `bayes_cmoe.front.frozen_models.state`.
    variant : str or Variant, optional
        softmax_contaminated for numbers and multinomial_contaminated for classes when left out.
    expert : str or Expert, optional
        Form of the prompt; the variant's own when left out.
    bias : bool
        False picks the form without an intercept.
    gate : str or Gate, optional
    prompts : int, optional
    prior : {"weak", "flat"} or mapping
    method : {"map", "nuts", "nested"}
        Point estimate, or the posterior by one of two engines; where nested Laplace is not to be
        trusted NUTS takes its place, and ``tree.attrs["engine"]`` says so.
    held_out : (table, response), optional
        Rows of the frozen regressor's own task that it was not fitted to: its residuals' standard
        deviation there is f0's. Without them it is found at the new rows, beside a uniform
        background of what is new (`bayes_cmoe.front.scale`); ``attrs["frozen_scale"]`` says which.
    seed : int
    **counts
        ``starts``, ``draws``, ``tune``, ``chains``, ``log_likelihood``: of
        `bayes_cmoe.front.estimated.estimated`.

    Returns
    -------
    xarray.DataTree
        Of `fit_map`, `fit_nuts` or `fit_nested`, with how it was made: `predict` takes it.

    Raises
    ------
    InputError
        When a column is missing, a value is no number, a label unknown to the frozen classifier, or
        the parts do not go together.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from bayes_cmoe import fit
    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(-2.0, 2.0, 300)
    >>> new = rng.random(300) < 0.3
    >>> y = np.where(new, 1.0 - x, 2.0 * x) + rng.normal(0.0, 0.3, 300)
    >>> table = pd.DataFrame({"dose": x, "effect": y})
    >>> tree = fit(table, y="effect", frozen=lambda rows: 2.0 * rows["dose"], expert="linear")
    >>> round(float(tree["point_estimate"]["a"][0]), 1)
    -1.0
    """
    choose("method", method, METHODS)
    table = frame_of(data)
    name, entries = column_of(table, "y", y)
    # What a caller gives as an array may be in the table as well.
    inputs = inputs_of(table, x, [name, *columns_named(frozen)])
    if name in inputs.columns:
        raise InputError(f"column {name!r} is both response and input: take it out of x")
    scalar = numbers("y", entries) if _is_number(entries) else None
    stated = state(frozen, table, inputs, scalar, held_out=held_out)
    chosen = variant_named(usual_variant(stated) if variant is None else variant)
    codes, labels = coded(entries, stated.labels) if chosen.response == "class" else (scalar, ())
    if codes is None:
        raise InputError(
            f"the response {name!r} holds no numbers and {chosen.name} predicts a "
            f"{chosen.response}: choose a variant for classes, or state f0 by probabilities"
        )
    parts = parts_of(chosen, expert, bias, gate, prompts)
    rows = Data(inputs, codes, tuple(map(str, inputs.columns)), len(labels) or None)
    _check_enough(rows, parts)
    setting = Setting(parts, rows, stated.frozen)
    model = setting.model(prior)
    tree = estimated(setting, model, prior, method=method, seed=seed, **counts)
    if "scale_from" in stated.spec:
        tree.attrs["frozen_scale"] = f"{stated.spec['scale']:.4g}, of {stated.spec['scale_from']}"
    return with_origin(tree, setting, model, name, stated.spec, labels)


def _is_number(entries: Any) -> bool:
    kinds = pd.api.types
    return kinds.is_numeric_dtype(entries) and not kinds.is_bool_dtype(entries)


def _check_enough(rows: Data, parts: Parts) -> None:
    """Refuse fewer rows than unknowns, and inputs that tell rows apart in nothing."""
    check_row_count(_inputs(rows), parts.parameters(rows.x.shape[1], rows.classes))
    check_inputs_vary(rows)


def check_inputs_vary(rows: Data) -> None:
    """Refuse an input that is the same in all rows.

    Raises
    ------
    InputError
    """
    table = _inputs(rows)
    for name in rows.features:
        check_not_constant(table, name)


def _inputs(rows: Data) -> Table:
    return Table("the table", dict(zip(rows.features, rows.x.T, strict=True)))


def usual_variant(stated: Stated) -> str:
    """The variant for what a frozen expert predicts, where none is asked for.

    Raises
    ------
    InputError
        When it predicts neither numbers nor classes.
    """
    kind = "number" if stated.response == "any" else stated.response
    if kind not in USUAL:
        raise InputError(f"the frozen model predicts a {kind}: name a variant for it")
    return USUAL[kind]


def coded(entries: Any, labels: tuple[Any, ...] | None) -> tuple[NDArray, tuple[Any, ...]]:
    """Class labels as codes 0, 1, ... in the order of the frozen expert's probabilities.

    Parameters
    ----------
    entries : array, shape (n,)
        Labels of any kind.
    labels : tuple, optional
        The frozen classifier's; those seen, sorted, where its probabilities have no names.

    Raises
    ------
    InputError
        When an entry is none of them.

    Examples
    --------
    >>> coded(["cat", "dog", "cat"], ("dog", "cat"))[0]
    array([1., 0., 1.])
    """
    given = entries.tolist() if hasattr(entries, "tolist") else list(entries)
    known = tuple(sorted(set(given))) if labels is None else labels
    places = {label: place for place, label in enumerate(known)}
    unknown = [entry for entry in given if entry not in places]
    if unknown:
        raise InputError(
            f"y holds the label {unknown[0]!r}, which the frozen model does not know: it knows "
            f"{', '.join(map(str, known[:20]))}"
        )
    return np.array([float(places[entry]) for entry in given]), known
