"""The columns of a table that a saved fit needs, to be asked about new rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.tables import read_table

if TYPE_CHECKING:
    from bayes_cmoe.front.origin import Origin

__all__ = ["new_rows"]


def new_rows(
    file: Path, origin: Origin, instead: str, others: Sequence[str] = ()
) -> dict[str, Any]:
    """The fit's inputs, the frozen expert's columns, and others of a table.

    Parameters
    ----------
    file : Path
    origin : Origin
    instead : str
        What to do in Python where the frozen model is no columns.
    others : sequence of str

    Raises
    ------
    InputError
    """
    from bayes_cmoe.front.frozen_models import MODEL, columns_named

    if origin.frozen.get("by") == MODEL:
        raise InputError(f"the fit's frozen expert was a model in memory: {instead}")
    names = [*origin.features, *columns_named(origin.frozen), *others]
    return dict(read_table(file, names).columns)
