"""What a model has of the data: `pm.Data` with dims, after checks that the parts go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.arrays import check_rows, check_same_rows
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.predictions import check_log_probabilities

__all__ = ["check_response", "data_nodes"]

WORDS = {"number": "numbers", "class": "class labels", "count": "counts"}
"""Kinds of response as messages call them."""
CLASS_AXIS = {"(k)": ("class",), "(j)": ("free_class",)}
"""Core dimensions of an argument that has one entry a class -> its dim."""


def data_nodes(data: Data, frozen: Frozen, response: str) -> dict[str, Tensor]:
    """Put all that comes from the data into the model on the stack, as `pm.Data` with dims.

    Parameters
    ----------
    data : Data
    frozen : Frozen
    response : {"number", "class", "count"}
        What the trainable expert predicts.

    Returns
    -------
    dict of str to tensor
        ``x`` (obs, feature), ``response`` (obs) and the frozen expert's columns.

    Raises
    ------
    InputError
        When the frozen expert predicts another kind of response, other classes or other rows, or a
        class label's log-probability is positive.
    """
    check_same_rows({"the data": data.labels, "the frozen columns": frozen.labels})
    columns = frozen.columns(data.x)
    family = frozen.family
    _check_frozen(data, family, columns, response)
    model = pm.modelcontext(None)
    model.add_coord("obs", np.arange(data.n))
    model.add_coord("feature", data.features)
    if data.classes is not None:
        model.add_coord("class", np.arange(data.classes))
        model.add_coord("free_class", np.arange(data.classes - 1))
    axes = {
        f"frozen_{argument}": CLASS_AXIS.get(core, ())
        for argument, core in zip(family.arguments, family.signature, strict=True)
    }
    dims = {"x": ("obs", "feature"), "response": ("obs",)}
    dims |= {name: ("obs", *axis) for name, axis in axes.items()}
    # Only the number of rows may change: with the other lengths known, JAX can trace the graph.
    return {
        name: pm.Data(name, column, dims=dims[name], shape=(None, *column.shape[1:]))
        for name, column in {"x": data.x, "response": data.y, **columns}.items()
    }


def check_response(data: Data, family: Family) -> None:
    """Refuse a response that is not of the trainable family's kind.

    Raises
    ------
    InputError
    """
    if family.response == "class" and data.classes is None:
        raise InputError(f"a {family.name} prompt needs class labels: give Data(..., classes=K)")
    if family.response != "class" and data.classes is not None:
        raise InputError(
            f"a {family.name} prompt does not go with class labels: choose a variant for them"
        )
    if family.response == "count":
        whole = (data.y >= 0) & (data.y == np.floor(data.y))
        check_rows("y", whole, "no count", "give whole numbers from 0, or another variant")


def _check_frozen(data: Data, family: Family, columns: dict[str, NDArray], response: str) -> None:
    """Refuse a density beside a probability; a given log-density may be either."""
    if family.response == "any":
        if response != "number" and "frozen_logp" in columns:
            check_log_probabilities(columns["frozen_logp"])
        return
    if family.response != response:
        known, needed = WORDS[family.response], WORDS[response]
        raise InputError(
            f"the frozen {family.name} expert predicts {known} and the response holds {needed}: "
            f"give a frozen expert for {needed}"
        )
    if data.classes is not None:
        (column,), (core,) = columns.values(), family.signature
        count = column.shape[1] + (core == "(j)")
        if count != data.classes:
            raise InputError(
                f"the frozen expert has {count} classes and the response {data.classes}: "
                "give one probability (or logit) for each class"
            )
