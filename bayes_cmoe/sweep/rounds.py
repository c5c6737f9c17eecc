"""Which fits a run still needs: all of its design's, or rounds of them until its rates are decided.

A design with ``until`` adds replications in rounds: 20, then as many again, 40 more, and so on up
to the plans' numbers. What is decided after a round depends on that and the earlier rounds alone,
all of them complete, so that workers, order and interruptions leave no trace.
"""

from collections.abc import Mapping, Set

import numpy as np
import xarray as xr

from bayes_cmoe.sweep.cells import MEASURES, Cell, cells_of, measured_of, targets_of
from bayes_cmoe.sweep.chunks import joined
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.rows import VARIABLES
from bayes_cmoe.sweep.store import Store

__all__ = ["half_width", "pending"]


def pending(
    design: Design, store: Store, finished: Set[Task], bounds: Mapping[str, xr.Dataset]
) -> list[Task]:
    """The tasks that are needed next; none when the run is at its end.

    Parameters
    ----------
    design : Design
    store : Store
        Of the run.
    finished : set of Task
    bounds : mapping of str to xarray.Dataset
        By setting; a setting without bounds is never decided. Not looked at without ``until``.
    """
    decided: set[tuple[str, str]] = set()
    for number in range(1, design.rounds + 1):
        own = [
            task
            for task in design.round(number)
            if (task.method, task.setting.label) not in decided
        ]
        waiting = [task for task in own if task not in finished]
        if waiting:
            return waiting
        if number < design.rounds:
            decided |= _decided(design, store, number, bounds, decided)
    return []


def _decided(
    design: Design,
    store: Store,
    rounds: int,
    bounds: Mapping[str, xr.Dataset],
    before: Set[tuple[str, str]],
) -> set[tuple[str, str]]:
    """Methods and settings whose rates are decided by so many rounds."""
    known = [
        task
        for number in range(1, rounds + 1)
        for task in design.round(number)
        if task.setting.label in bounds and (task.method, task.setting.label) not in before
    ]
    if not known:
        return set()
    chunks = [store.chunk(design, task).arrays for task in known]
    table = joined(chunks, VARIABLES)
    labels = {task.setting.label for task in known}
    theory = {label: own for label, own in bounds.items() if label in labels}
    return {
        (cell.method, cell.regime)
        for cell in cells_of(table, design, theory)
        if half_width(cell) <= (design.until or 0.0)
    }


def half_width(cell: Cell) -> float:
    """The widest half of an interval of a regime's slope differences; infinite where one has none.

    From the bound's slope, or from the exponent where there is no bound.
    """
    if len(cell.n) < 2:
        return np.inf
    _, _, limit = MEASURES[cell.method]
    widths = []
    for target in targets_of(cell):
        measured = measured_of(cell, target)
        if measured is None:
            continue
        bound = cell.theoretical(limit, target)
        found = measured.difference(bound, False) if np.isfinite(bound).all() else measured.slope
        widths.append(float(found.half))
    return float(np.max(np.nan_to_num(widths or [np.inf], nan=np.inf)))
