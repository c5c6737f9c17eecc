"""Results of the theory commands as tables for people and as plain values for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import xr

__all__ = [
    "check_data_sets",
    "check_draws",
    "check_seed",
    "plain_table",
    "print_result",
    "record_of",
]


MOST_DRAWS = 10**8
"""Minutes of work."""
FEWEST_DATA_SETS, MOST_DATA_SETS = 39, 10**5
"""Of two p-values the smaller is doubled, and that of 39 is 0.025 at least."""


def check_draws(draws: int) -> None:
    """Refuse a number of draws that would take hours, or none."""
    if not 1 <= draws <= MOST_DRAWS:
        raise InputError(f"--draws {draws}: give a number from 1 to {MOST_DRAWS}")


def check_data_sets(draws: int) -> None:
    """Refuse a number of data sets drawn without a prompt that says nothing, or takes hours."""
    if not FEWEST_DATA_SETS <= draws <= MOST_DATA_SETS:
        raise InputError(
            f"--draws {draws}: give a number from {FEWEST_DATA_SETS} to {MOST_DATA_SETS}"
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that not every generator takes."""
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed {seed}: give a whole number from 0 to {2**63 - 1}")


def record_of(found: xr.Dataset) -> dict[str, Any]:
    """A dataset as plain values: one object for each variable, keyed by its labels."""

    def number(value: Any) -> float | None:
        return float(value) if np.isfinite(value) else None

    record = dict(found.attrs)
    for name, variable in found.data_vars.items():
        if variable.ndim == 0:
            record[str(name)] = number(variable)
        elif variable.ndim == 1:
            labels = variable.coords[variable.dims[0]].values
            record[str(name)] = {
                str(label): number(value)
                for label, value in zip(labels, variable.values, strict=True)
            }
    return record


def plain_table(*columns: str) -> Table:
    """An empty table with these headings."""
    table = Table()
    for column in columns:
        table.add_column(column)
    return table


def print_result(title: str, *tables: Table, note: str) -> None:
    """Print a title, tables and what is to be said about it."""
    console = Console(markup=False, highlight=False, emoji=False)
    console.print(title)
    for table in tables:
        console.print(table)
    console.print(note)
