"""A frozen model of any kind as the frozen expert of a table's rows.

It may be a fitted regressor or classifier of scikit-learn's manner (``predict``, or
``predict_proba`` and ``classes_``), any function of the inputs, columns of the table, or a `Frozen`
of one's own. How it was stated is kept as plain values, so that it can be stated at new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.front.scale import error_scale
from bayes_cmoe.front.tables import column_of, frame_of
from bayes_cmoe.lazy import pd
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.predictions import (
    frozen_arguments,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
)

__all__ = ["MODEL", "Stated", "columns_named", "state"]

MODEL = "model"
"""In place of columns' names: f0 comes of a model, which is to be given again at new rows."""
LEAST = 1e-12
"""Class probabilities of zero become this: a prompt may teach what a model rules out."""

Spec = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Stated:
    """A frozen expert at the rows of a table.

    Parameters
    ----------
    frozen : Frozen
    spec : dict
        How it was stated, in plain values: names of columns and numbers, or `MODEL`.
    labels : tuple, optional
        A classifier's class labels, in the order of its probabilities; None where only their order
        is known.
    response : {"number", "class", "count", "any"}
        What it predicts.
    """

    frozen: Frozen
    spec: Spec
    response: str
    labels: tuple[Any, ...] | None = None


def columns_named(frozen: Any) -> list[str]:
    """The names of columns that a statement by columns holds."""
    if not isinstance(frozen, Mapping):
        return []
    named = [frozen.get(key) for key in ("mean", "scale", "df", "logp")]
    named += [*frozen.get("arguments", {}).values()]
    probs = frozen.get("probs", ())
    named += list(probs.values()) if isinstance(probs, Mapping) else list(probs)
    return [name for name in named if isinstance(name, str)]


def state(
    frozen: Any,
    table: pd.DataFrame,
    inputs: pd.DataFrame,
    response: Any = None,
    *,
    held_out: Any = None,
    known: Mapping[str, Any] | None = None,
) -> Stated:
    """State a frozen model at the rows of a table.

    Parameters
    ----------
    frozen : Frozen, mapping, fitted model, or callable
        A mapping names columns: ``{"family": "gaussian", "mean": "f0", "scale": 0.3}`` (``df`` of a
        student_t), ``{"probs": {label: column}}`` or ``{"probs": [column, ...]}``,
        ``{"logp": column}``, ``{"family": "poisson", "arguments": {"log_rate": column}}``. A
        callable gets the inputs as a DataFrame and returns what such a mapping holds, with arrays
        in place of names, or the mean alone.
    table, inputs : DataFrame
        A model that knows the names of its own features takes them from the table, else the inputs.
    response : array, shape (n,), optional
        Numbers, where the scale of a model's residuals is to be found.
    held_out : (table, response), optional
        Rows of the frozen model's own task that it was not fitted to, to find that scale on.
    known : mapping, optional
        The statement at other rows: its scale is taken.

    Returns
    -------
    Stated

    Raises
    ------
    InputError
        When it is none of these, or does not fit the table.
    """
    if isinstance(frozen, Frozen):
        kind = frozen.family.response
        return Stated(frozen, {"by": MODEL}, kind)
    if isinstance(frozen, Mapping):
        return _by_columns(frozen, table)
    if hasattr(frozen, "predict_proba"):
        probs = np.asarray(frozen.predict_proba(_features(frozen, table, inputs)), dtype=float)
        return _by_probabilities(probs, tuple(frozen.classes_), {"by": MODEL})
    if hasattr(frozen, "predict"):

        def predicted(rows: pd.DataFrame) -> Any:
            return frozen.predict(_features(frozen, rows, inputs))

        return _by_means(predicted(table), predicted, len(table), response, held_out, known)
    if not callable(frozen):
        raise InputError(
            f"frozen is a {type(frozen).__name__}: give a fitted model with predict or "
            "predict_proba, a function of the inputs, or a mapping that names columns"
        )
    found = frozen(inputs)
    if not isinstance(found, Mapping):
        array = np.asarray(found)
        if array.ndim == 2:
            return _by_probabilities(array.astype(float), None, {"by": MODEL})
        names = list(inputs.columns)

        def again(rows: pd.DataFrame) -> Any:
            return frozen(rows[names])

        return _by_means(array, again, len(table), response, held_out, known)
    stated = _by_columns(found, table)
    return Stated(stated.frozen, {"by": MODEL}, stated.response, stated.labels)


def _features(model: Any, table: pd.DataFrame, inputs: pd.DataFrame) -> Any:
    """What a fitted model takes: the features that it names, or the inputs in their order."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return table[list(inputs.columns)].to_numpy()
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise InputError(
            f"the frozen model was fitted to a column {missing[0]!r}, which the table lacks: add it"
        )
    return table[list(names)]


def _by_means(
    found: Any,
    predicted: Callable[[pd.DataFrame], Any],
    count: int,
    response: Any,
    held_out: Any,
    known: Any,
) -> Stated:
    """Of the means found at the rows; `predicted` gives them at held-out rows."""
    mean = _one_a_row(found, count)
    if known is not None and "scale" in known:
        scale, whence = float(known["scale"]), known.get("scale_from", "")
    elif held_out is not None:
        rows = frame_of(held_out[0])
        _, y = column_of(rows, "the held-out response", held_out[1])
        errors = numbers("the held-out response", y) - _one_a_row(predicted(rows), len(rows))
        scale, whence = float(np.sqrt(np.mean(errors**2))), f"{len(rows)} held-out rows"
    elif response is not None:
        errors = numbers("y", response) - mean
        scale, background = error_scale(errors)
        whence = f"its errors at these rows, {background:.0%} of them taken for new"
    else:
        raise InputError("the frozen model's scale is not known: give held-out rows")
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(
            f"the frozen model's residuals have the scale {scale:g}: give held-out rows that it "
            "was not fitted to"
        )
    spec = {"by": MODEL, "family": "gaussian", "scale": scale, "scale_from": whence}
    return Stated(frozen_predictions("gaussian", mean, scale), spec, "number")


def _one_a_row(values: Any, rows: int) -> NDArray:
    mean = np.asarray(values, dtype=float)
    mean = mean[:, 0] if mean.ndim == 2 and mean.shape[1] == 1 else mean
    if mean.shape != (rows,):
        raise InputError(
            f"the frozen model's predictions have shape {mean.shape} and the table {rows} rows: "
            "one prediction a row is needed"
        )
    if not np.isfinite(mean).all():
        row = int(np.argmin(np.isfinite(mean)))
        raise InputError(
            f"the frozen model's prediction of row {row} (counting from 0) is {mean[row]:g}: leave "
            "the row out, or mend its inputs"
        )
    return mean


def _by_probabilities(probs: NDArray, labels: tuple[Any, ...] | None, spec: Spec) -> Stated:
    raised = np.maximum(probs, LEAST) if (probs >= 0).all() else probs
    plain = None if labels is None else tuple(map(_plain, labels))
    total = raised.sum(axis=1, keepdims=True)
    near = np.abs(total - 1.0) <= 2 * LEAST * raised.shape[1]
    return Stated(
        frozen_probabilities(np.where(near, raised / total, raised)), spec, "class", plain
    )


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _by_columns(given: Mapping[str, Any], table: pd.DataFrame) -> Stated:
    """Of names of columns, or of arrays in their place."""
    spec = {"by": "columns", **given}

    def taken(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in table.columns:
            raise InputError(f"frozen: the table has no column {value!r}: add it")
        return table[value]

    if "probs" in given:
        return _by_named_probabilities(given["probs"], taken, spec)
    if "logp" in given:
        return Stated(frozen_log_density(taken(given["logp"])), spec, "any")
    if "arguments" in given:
        family = given.get("family", "")
        arguments = {name: taken(value) for name, value in given["arguments"].items()}
        stated = frozen_arguments(family, **arguments)
        return Stated(stated, spec, stated.family.response)
    missing = [key for key in ("family", "mean", "scale") if key not in given]
    if missing:
        raise InputError(
            f"frozen lacks {missing[0]!r}: state it by family, mean and scale, by probs, by logp, "
            "or by family and arguments"
        )
    found = {key: taken(given[key]) for key in ("mean", "scale", "df") if key in given}
    return Stated(frozen_predictions(given["family"], **found), spec, "number")


def _by_named_probabilities(given: Any, taken: Any, spec: Spec) -> Stated:
    if isinstance(given, Mapping):
        columns = [np.asarray(taken(value), dtype=float) for value in given.values()]
        return _by_probabilities(np.column_stack(columns), tuple(given), spec)
    if isinstance(given, list | tuple):
        columns = [np.asarray(taken(value), dtype=float) for value in given]
        return _by_probabilities(np.column_stack(columns), None, spec)
    return _by_probabilities(np.asarray(given, dtype=float), None, spec)
