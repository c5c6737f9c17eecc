"""What is measured of a fit: the variables of a sweep's table, their dims and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.lazy import xr
from bayes_cmoe.study.concentration import LEVELS
from bayes_cmoe.sweep.design import Task

__all__ = ["COORDINATES", "FAILURES", "VARIABLES", "Variable", "table_of"]

FAILURES = ("stalled", "non-finite", "failed")
"""Status codes of fits that did not reach what they were after."""


@dataclass(frozen=True)
class Variable:
    """A variable of the table: its dims after ``fit``, unit and meaning; text or a number."""

    dims: tuple[str, ...]
    units: str
    long_name: str
    text: bool = False

    @property
    def attributes(self) -> dict[str, str]:
        """What the table says of it; a text has no units."""
        return {"long_name": self.long_name} | ({"units": self.units} if self.units else {})

    def missing(self, shape: tuple[int, ...]) -> NDArray:
        """An array of the shape in which nothing is measured yet."""
        return np.full(shape, "", dtype=object) if self.text else np.full(shape, np.nan)


VARIABLES: Mapping[str, Variable] = {
    "status": Variable(
        (),
        "",
        "local (a maximum near the truth), edge, unidentified, spike, stalled or non-finite (MAP), "
        "sampled (NUTS), weighted (nested Laplace), sampled or doubted by the engine itself "
        "(calibration), failed",
        text=True,
    ),
    "message": Variable((), "", "what went wrong, where something did", text=True),
    "loglik_gap": Variable((), "nat", "log-likelihood at the MAP minus at the truth"),
    "gradient_norm": Variable((), "nat per row", "largest entry of the gradient at the MAP"),
    "iterations": Variable((), "1", "optimiser iterations"),
    "seconds": Variable((), "s", "time of the fit, compilation included where there was one"),
    "anywhere_gap": Variable(
        (),
        "nat",
        "largest log posterior of its rival, and of prior starts where the design asks for them, "
        "minus that from the start at the truth",
    ),
    "error": Variable(("target",), "parameter", "estimate minus truth; a norm for several entries"),
    "standard_error": Variable(("target",), "parameter", "from the Hessian at the MAP"),
    "score": Variable(
        ("target",), "1/parameter", "mean over the rows of the score at the truth, an entry each"
    ),
    "expected_loss": Variable(("target",), "parameter", "posterior mean distance to the truth"),
    "radius": Variable(
        ("target",), "parameter", "radius about the truth that holds 90 % of the posterior"
    ),
    "posterior_sd": Variable(("target",), "parameter", "posterior standard deviation"),
    "covered": Variable(("level", "target"), "1", "1 where the credible interval holds the truth"),
    "pit": Variable(
        ("target",), "1", "share of posterior draws below the truth, ties parted at random"
    ),
    "divergences": Variable((), "1", "divergent transitions"),
    "rhat": Variable((), "1", "worst R-hat"),
    "ess_bulk": Variable((), "1", "least effective draws, bulk"),
    "ess_tail": Variable((), "1", "least effective draws, tails"),
    "khat": Variable((), "1", "Pareto shape of nested Laplace's weights, where it was asked for"),
}
COORDINATES = ("method", "setting", "n", "replicate", "entropy")
"""What names a fit; with the design they are enough to draw it again."""


def table_of(
    task: Task, rows: Mapping[int, Mapping[str, Any]], targets: Sequence[str], entropy: int
) -> xr.Dataset:
    """Rows of a task as a Dataset with the dims fit, target and level, of what was measured.

    Parameters
    ----------
    task : Task
    rows : mapping of int to mapping
        By replicate; the variables that the method measures, by the names of `VARIABLES`.
    targets : sequence of str
    entropy : int
    """
    sizes = {"target": len(targets), "level": len(LEVELS)}
    count = len(rows)
    variables = {}
    known = {name for row in rows.values() for name in row}
    for name, variable in VARIABLES.items():
        if name not in known and not variable.text:
            continue
        filled = variable.missing((count, *(sizes[dim] for dim in variable.dims)))
        for i, row in enumerate(rows.values()):
            if name in row:
                filled[i] = row[name]
        variables[name] = (("fit", *variable.dims), filled, variable.attributes)
    coords = {
        "method": ("fit", np.full(count, task.method, dtype=object)),
        "setting": ("fit", np.full(count, task.setting.label, dtype=object)),
        "n": ("fit", np.full(count, task.n), {"units": "rows"}),
        "replicate": ("fit", np.fromiter(rows, dtype=int, count=count)),
        "entropy": ("fit", np.full(count, entropy, dtype=np.uint64)),
        "target": np.array(targets, dtype=object),
        "level": list(LEVELS),
    }
    return xr.Dataset(variables, coords=coords)
