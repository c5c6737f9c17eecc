"""A fit's model at the rows of another table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.front.fit import coded
from bayes_cmoe.front.frozen_models import MODEL, state
from bayes_cmoe.front.origin import Origin
from bayes_cmoe.front.tables import column_of, inputs_of
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.data import Data

__all__ = ["model_at"]


def model_at(origin: Origin, table: pd.DataFrame, frozen: Any = None, y: Any = None) -> pm.Model:
    """The model of a fit with the rows of a table in place of its own.

    Parameters
    ----------
    origin : Origin
        How the fit was made.
    table : DataFrame
        With the fit's inputs, and the frozen expert's columns where `frozen` is left out.
    frozen : optional
        The frozen model, as for `bayes_cmoe.fit`.
    y : str or array, optional
        The response; zeros stand in its place when left out.

    Raises
    ------
    InputError
        When a column is missing, a label unknown, or the frozen model is needed and not given.
    """
    if frozen is None and origin.frozen.get("by") == MODEL:
        raise InputError("the fit's frozen expert was a model: give it again as frozen=")
    inputs = inputs_of(table, list(origin.features), ())
    stated = state(origin.frozen if frozen is None else frozen, table, inputs, known=origin.frozen)
    codes = np.zeros(len(table)) if y is None else _codes(table, y, origin)
    data = Data(inputs, codes, origin.features, origin.classes)
    return origin.built(data, stated.frozen)


def _codes(table: pd.DataFrame, y: Any, origin: Origin) -> NDArray:
    _, entries = column_of(table, "y", y)
    return coded(entries, origin.labels)[0] if origin.labels else numbers("y", entries)
