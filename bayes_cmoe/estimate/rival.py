"""A rival to a fit from one start: the best of a few other starts, so that a near one is not alone.

A start at the truth need not lead to the maximum: in merging regimes the likelihood has others, on
the other side of the frozen expert or where the prompt takes another part of the rows. Points from
the prior, half of them with the gate level, go downhill side by side on a few rows; the best goes
on, on all rows where these are few and on ever larger parts of them where a pass is dear, as long
as it is another maximum than the fit's there, and hardly a worse one.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import PART, Rows
from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.compiled.lanes import LANES
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.estimate.basins import Basins
from bayes_cmoe.estimate.descent import seek
from bayes_cmoe.estimate.flock import descend_traced
from bayes_cmoe.estimate.gating import gating_of
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum
from bayes_cmoe.estimate.search import SAME
from bayes_cmoe.estimate.starts import Starts

__all__ = ["rival"]

Function = Callable[[Array], tuple[Array, Array]]

SEEN = PART
"""Rows, evenly spaced, on which the starts go downhill side by side."""
DOWNHILL = 8
"""Evaluations of them there."""
DEAR = 16_384
"""Rows above which the best goes on on a part of them first, of about a quarter of so many, then on
four times as many, and so on."""
BEHIND = 2.0
"""How far it may lie behind on a part, in nats: what is better on all rows need not be so on each
part of them."""


def rival(
    posterior: Posterior,
    columns: Mapping[str, NDArray],
    rows: Rows,
    theta: NDArray,
    seed: int,
) -> tuple[NDArray, float]:
    """Where the best of a few other starts ends, and its log posterior less that at a fit.

    Parameters
    ----------
    posterior : Posterior
    columns : mapping of str to array
    rows : Rows
        The columns, laid out.
    theta : array, shape (parameter,)
        The fit, natural scale.
    seed : int

    Returns
    -------
    theta : array, shape (parameter,)
        The fit itself where no other maximum as good was met.
    gain : float
        In nats; zero there.
    """
    objective = Objective(posterior, rows)
    begun = _best_start(posterior, columns, objective, seed)
    working = objective.working
    fitted = working.working(theta)
    stride = 4 * rows.n // DEAR if rows.n > DEAR else 1
    while stride > 1:
        few = {name: column[::stride] for name, column in columns.items()}
        part = Objective(posterior, posterior.likelihood.rows(few))
        # The fit's own maximum on the part is higher than the fit is there.
        own, end = _both(part, fitted, begun)
        behind = (end.cost - own.cost) * part.rows.n
        if not behind <= BEHIND or abs(behind) <= SAME:
            return theta, 0.0
        begun = end.w
        stride //= 4
    _, end = _both(objective, fitted, begun)
    gain = (objective.value_and_gradient(fitted)[0] - end.cost) * rows.n
    if not np.isfinite(gain) or abs(gain) <= SAME:
        return theta, 0.0
    return working.natural(end.w), float(gain)


def _both(objective: Objective, fitted: NDArray, begun: NDArray) -> tuple[Optimum, Optimum]:
    """Where the fit leads and where the other start does: often to the same maximum."""
    basins = Basins(objective)
    return seek(objective, fitted, basins), seek(objective, begun, basins)


def _best_start(
    posterior: Posterior, columns: Mapping[str, NDArray], objective: Objective, seed: int
) -> NDArray:
    """The lowest of some points that went downhill on a few rows, shape (parameter,), in w."""
    working = objective.working
    stride = -(-objective.rows.n // SEEN)
    few = {name: column[::stride] for name, column in columns.items()}
    seen = Objective(posterior, posterior.likelihood.rows(few))
    gating = gating_of(posterior, working)
    starts = Starts(seen, posterior.exploring(few), few, gating)
    points = starts.draw(np.random.default_rng(seed), LANES)
    if gating is not None:
        points[::2] = gating.levelled(points[::2])
    inverse = starts.inverse_hessian(points[:1])
    bounds = (working.lower, working.upper)
    frame = (points, bounds, inverse, working.logged, float(seen.rows.n))
    w, value = starts.lanes.within(_downhill, frame, seen.rows)
    best: NDArray = w[int(np.argmin(np.where(np.isfinite(value), value, np.inf)))]
    return np.clip(best, *bounds)  # in single precision an edge may be rounded outwards


def _downhill(
    function: Function,
    points: Array,
    bounds: tuple[Array, Array],
    inverse: Array,
    logged: Array,
    rows: Array,
) -> tuple[Array, Array]:
    """A few steps of all points, as a program of JAX; `function` is of theta and sums the rows."""

    def objective(w: Array) -> tuple[Array, Array]:
        theta = jnp.where(logged, jnp.exp(jnp.where(logged, w, 0.0)), w)
        value, gradient = function(theta)
        return -value / rows, -gradient * jnp.where(logged, theta, 1.0) / rows

    return descend_traced(objective, points, bounds, inverse, DOWNHILL)
