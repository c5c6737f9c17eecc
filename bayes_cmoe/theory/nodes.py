"""Nodes over (x, y) for the information's expectation: quasi-random inputs, stratified responses.

    I = E_X int s s' p dy = E_X E_q[s s' p/q]

Where a prompt merges, what decides the bound is p times a polynomial of y, of degree four to eight:
it lives in the tails, of which draws from p see few. So y comes from a defensive mixture q of one
heavy-tailed density for each component, placed by a few draws of that component from the model
itself, at the points of a lattice on its quantiles. The lattice is shifted at random, which keeps
the sum unbiased wherever q lies; for counts the points are rounded, and q is what rounds to them;
class responses are summed over all classes. Inputs x ~ N(0, I) are scrambled Sobol points. What
scatter is left is seen between independent replicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats.qmc import Sobol

from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.study.regime import Regime

__all__ = ["PROPOSAL", "REPLICATES", "Columns", "Inputs", "Nodes", "inputs_of", "nodes_at"]

Columns = dict[str, NDArray]

REPLICATES = 32
"""Independent replicates, whose scatter is the Monte-Carlo error."""
PER_COMPONENT = 8
"""Lattice points in y for each component."""
PLACING = 8
"""Draws of a component at an input that say where it lies."""
NARROWEST = 0.5
"""Scale of a component of counts at least: a few draws of it may well be the same."""
PROPOSAL = "log_proposal"


@dataclass(frozen=True, eq=False)
class Inputs:
    """The inputs of one replicate, the same for every truth.

    Parameters
    ----------
    columns : dict of str to array
        ``x`` and the frozen expert's columns, n rows.
    shift : array, shape (n,)
        Of the lattice in y, uniform on [0, 1).
    seed : SeedSequence
        Of the draws that place the proposal.
    """

    columns: Columns
    shift: NDArray
    seed: SeedSequence


@dataclass(frozen=True, eq=False)
class Nodes:
    """Rows with the log-density of the proposal, and the weight of one row in the mean.

    Parameters
    ----------
    columns : dict of str to array
        The model's columns and ``log_proposal``.
    weight : float
        The expectation is `weight` times the sum over the rows of (p/q) times the integrand.
    """

    columns: Columns
    weight: float


def inputs_of(regime: Regime, rows: int, seed: SeedSequence, components: int = 2) -> Inputs:
    """Inputs of one replicate, a power of two of them, for at least `rows` rows in all."""
    per_input = components * PER_COMPONENT if regime.classes is None else regime.classes
    power = max(int(np.ceil(np.log2(rows / per_input))), 0)
    own, placing = seed.spawn(2)
    rng = np.random.default_rng(own)
    dimension = regime.features if regime.inputs is None else 0
    points = Sobol(dimension + 1, rng=rng).random_base2(power)
    if regime.inputs is None:
        # The outermost points of the unit interval may be its very ends.
        x = ndtri(0.5 + (1.0 - 1e-10) * (points[:, :dimension] - 0.5))
    else:
        x = regime.inputs(rng, 2**power)
    return Inputs({"x": x, **regime.frozen.columns(x)}, points[:, -1], placing)


def nodes_at(
    simulator: Simulator,
    response: str,
    theta: NDArray,
    inputs: Inputs,
    classes: int | None,
    counts: bool = False,
) -> Nodes:
    """The nodes of one replicate at one truth.

    Parameters
    ----------
    simulator : Simulator
    response : str
        Name of the response's column.
    theta : array, shape (parameter,)
    inputs : Inputs
    classes : int, optional
        Number of classes of a class response.
    counts : bool
        Whether responses are whole numbers from 0.
    """
    count = len(inputs.shift)
    if classes is not None:
        columns = {name: np.repeat(column, classes, 0) for name, column in inputs.columns.items()}
        columns[response] = np.tile(np.arange(classes, dtype=float), count)
        return Nodes({**columns, PROPOSAL: np.zeros(count * classes)}, 1.0 / count)
    center, scale = simulator.placed(
        theta, inputs.columns, np.random.default_rng(inputs.seed), PLACING
    )
    if counts:
        scale = np.maximum(scale, NARROWEST)
    lattice = (np.arange(PER_COMPONENT)[:, None] + inputs.shift) / PER_COMPONENT
    y = center[:, None] + scale[:, None] * _quantile(lattice)
    y = y.reshape(-1, count)
    if counts:
        y = np.maximum(np.round(y), 0.0)
        edges = np.where(y > 0, y - 0.5, -np.inf), y + 0.5
        density = sum(
            _mass(*((edge - middle) / width for edge in edges))
            for middle, width in zip(center, scale, strict=True)
        )
    else:
        density = sum(
            _density((y - middle) / width) / width
            for middle, width in zip(center, scale, strict=True)
        )
    columns = {
        name: np.tile(column, (len(y), *[1] * (column.ndim - 1)))
        for name, column in inputs.columns.items()
    }
    columns[response] = y.ravel()
    columns[PROPOSAL] = np.log(density / len(center)).ravel()
    return Nodes(columns, 1.0 / y.size)


def _quantile(u: NDArray) -> NDArray:
    """Of Student's t with two degrees of freedom."""
    return (2.0 * u - 1.0) / np.sqrt(2.0 * u * (1.0 - u))


def _density(t: NDArray) -> NDArray:
    return (2.0 + t**2) ** -1.5


def _mass(lower: NDArray, upper: NDArray) -> NDArray:
    """Between two points, taken in the tail where both lie, so that no digits are lost."""
    left = lower + upper < 0.0
    near, far = np.where(left, -upper, lower), np.where(left, -lower, upper)
    return _above(near) - _above(far)


def _above(t: NDArray) -> NDArray:
    root = np.sqrt(2.0 + t**2)
    tail = 1.0 / (root * (root + np.abs(t)))
    return np.where(t >= 0.0, tail, 1.0 - tail)
