"""Which fits a run still needs: all of its design's, or rounds of them until its rates are decided.

A design with ``until`` adds replications in rounds: 20 of every size, then as many again, 40 more,
and so on up to the plans' numbers, each size by itself: next are the sizes that narrow the
intervals most for their price. Rates that no number up to the ceiling could decide get no more.
What is asked for after a round depends on that and the earlier rounds alone, all of them complete,
so that workers, order and interruptions leave no trace.
"""

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.sweep.cells import MEASURES, Cell, cells_of, measured_of, targets_of
from bayes_cmoe.sweep.chunks import joined
from bayes_cmoe.sweep.design import Design, Task
from bayes_cmoe.sweep.measured import Spread
from bayes_cmoe.sweep.rows import VARIABLES
from bayes_cmoe.sweep.store import Store

__all__ = ["pending", "raised", "spreads_of"]

FIXED_ROWS = {"map": 5_000, "nuts": 20_000}
"""Rows that the part of a fit's time is worth which does not grow with its rows."""
HOPE = 1.25
"""Times ``until``: an interval that would stay wider at the ceiling is given up. What few
replications say of the ceiling is itself uncertain."""
NEAR = 1.05
"""Times the half-width at the ceiling: with less, the ceiling would be paid for nothing."""

Place = tuple[str, str, int]
"""Method, setting's label and size."""


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
        By setting; a setting without bounds is never decided, and gets all there can be. Not looked
        at without ``until``.
    """
    rounds = [list(design.round(number)) for number in range(1, design.rounds + 1)]
    own = list(rounds[0])
    levels = dict.fromkeys(map(_place, own), 1)
    changed = set(map(_group, own))
    while True:
        waiting = [task for task in own if task not in finished]
        if waiting:
            return waiting
        # What a size is raised for are the fits of its own setting and method: others stand.
        news = [task for task in own if _group(task) in changed]
        more = set(_wanted(design, store, news, levels, bounds))
        added = [
            task
            for number, tasks in enumerate(rounds, 1)
            for task in tasks
            if _place(task) in more and number == levels[_place(task)] + 1
        ]
        if not added:
            return []
        levels |= {place: levels[place] + 1 for place in map(_place, added)}
        changed = set(map(_group, added))
        own += added


def _place(task: Task) -> Place:
    return task.method, task.setting.label, task.n


def _group(task: Task) -> tuple[str, str]:
    return task.method, task.setting.label


def _wanted(
    design: Design,
    store: Store,
    own: Sequence[Task],
    levels: Mapping[Place, int],
    bounds: Mapping[str, xr.Dataset],
) -> Iterator[Place]:
    """The sizes of these tasks that are to have one round more."""
    if design.rounds == 1:
        return
    yield from (_place(task) for task in own if task.setting.label not in bounds)
    known = [task for task in own if task.setting.label in bounds]
    if not known:
        return
    table = joined([store.chunk(design, task).arrays for task in known], VARIABLES)
    labels = {task.setting.label for task in known}
    theory = {label: own for label, own in bounds.items() if label in labels}
    for cell in cells_of(table, design, theory):
        places = [(cell.method, cell.regime, int(n)) for n in cell.n]
        most = design.replications(cell.method)
        counts = np.array([design.replications(cell.method, levels[place]) for place in places])
        price = cell.n + FIXED_ROWS[cell.method]
        chosen = raised(spreads_of(cell), counts, most, price, design.until or 0.0)
        yield from (place for place, is_in in zip(places, chosen, strict=True) if is_in)


def spreads_of(cell: Cell) -> list[Spread]:
    """What makes the intervals of a regime's slope differences wide, a target each.

    From the bound's slope, or from the exponent where there is no bound; none where a regime has no
    slopes.
    """
    if len(cell.n) < 2:
        return []
    _, _, limit = MEASURES[cell.method]
    found = []
    for target in targets_of(cell):
        measured = measured_of(cell, target)
        if measured is not None and measured.enough:
            known = not np.isfinite(cell.theoretical(limit, target)).all()
            found.append(measured.spread(known))
    return found


def raised(
    spreads: Sequence[Spread], counts: NDArray, most: int, price: NDArray, until: float
) -> NDArray:
    """Which sizes are to have twice the replications: the cheapest way to narrow all intervals.

    Doublings are planned one after the other, each where the widest interval's variance falls most
    for its price, until all intervals are narrow; the sizes that occur in the plan are raised.

    Parameters
    ----------
    spreads : sequence of Spread
        Of every target.
    counts : array, shape (size,)
        Replications so far.
    most : int
        The most there can be.
    price : array, shape (size,)
        Of one replication.
    until : float
        Half-width that is narrow.

    Returns
    -------
    array of bool, shape (size,)

    Examples
    --------
    >>> spread = Spread(np.array([4e-4, 1e-4]), 0.0, 2.0)  # a half-width of 0.045
    >>> raised([spread], np.array([20, 20]), 80, np.array([1.0, 100.0]), 0.03).tolist()
    [True, False]
    """
    ceiling = most / counts
    ends = [(own, float(own.half(ceiling))) for own in spreads]
    aims = [(own, max(until, NEAR * end)) for own, end in ends if end <= HOPE * until]
    factors = np.ones(len(counts))
    while True:
        excess, worst = max(
            ((float(own.half(factors)) / aim, own) for own, aim in aims),
            key=lambda pair: pair[0],
            default=(0.0, None),
        )
        free = factors < ceiling
        if worst is None or excess <= 1.0 or not free.any():
            return factors > 1.0
        doubled = np.minimum(2.0 * factors, ceiling)
        gain = worst.parts * (1.0 / factors - 1.0 / doubled)
        cost = counts * price * (doubled - factors)
        rate = np.where(free, gain / np.where(free, cost, 1.0), -1.0)
        best = int(np.argmax(rate))
        factors[best] = doubled[best]
