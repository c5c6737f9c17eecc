"""Starts from the rows that a shut-out prompt explains worst: that is where the prompt must be."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.estimate.descent import descend
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.parts.gates import GATES

__all__ = ["focused_points"]

SHARES = (0.05, 0.15, 0.4)
"""Shares of the rows looked at; a rare prompt needs a small one, a frequent prompt a large one."""
ROWS_PER_PARAMETER = 4
_LEVEL = {name: value for gate in GATES.values() for name, value in gate.level.items()}
_SHUT = {name: value for gate in GATES.values() for name, value in gate.shut.items()}


def focused_points(
    objective: Objective, columns: Mapping[str, NDArray], candidates: NDArray
) -> NDArray:
    """One start for each share of the worst-explained rows, shape (start, parameter), in w.

    With the gate shut the model's density is f0's, and ranks the rows by how badly the frozen
    expert explains them. The model is fitted to the worst of them alone, from the candidate that
    suits them best; what it finds for the prompt is kept, the gate is set level.

    Parameters
    ----------
    objective : Objective
        On all rows.
    columns : mapping of str to array
        The same rows.
    candidates : array, shape (candidate, parameter)
        In working coordinates.
    """
    posterior = objective.posterior
    names = [label.split("[")[0] for label in posterior.layout.labels]
    shut = _with_gate(objective, candidates[0], names, _SHUT)
    logp = posterior.likelihood.logp(objective.working.natural(shut), objective.rows)
    worst_first = np.argsort(logp, kind="stable")
    starts = []
    for share in SHARES:
        chosen = worst_first[: max(round(share * len(logp)), ROWS_PER_PARAMETER * len(names))]
        rows = posterior.likelihood.rows({name: column[chosen] for name, column in columns.items()})
        part = Objective(posterior, rows)
        levelled = np.array([_with_gate(objective, w, names, _LEVEL) for w in candidates])
        values = [part.value_and_gradient(w)[0] for w in levelled]
        start = levelled[int(np.nanargmin(values))]
        starts.append(_with_gate(objective, descend(part, start).w, names, _LEVEL))
    return np.array(starts)


def _with_gate(
    objective: Objective, w: NDArray, names: list[str], gate: Mapping[str, float]
) -> NDArray:
    theta = objective.working.natural(w)
    return objective.working.working(
        np.array([gate.get(name, value) for name, value in zip(names, theta, strict=True)])
    )
