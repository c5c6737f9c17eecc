"""Expected information of single rows, I(x) = E[s s' | x], by quadrature over the response.

    I(x) = int s s' p(y|x) dy = sum_k w_k p(y_k) s(y_k) s(y_k)'

Numbers are integrated over by Gauss' rule on panels that are narrow about each component and wide
far off (a draw of nodes, as in `bayes_cmoe.theory.nodes`, would do for the mean over many rows, and
not for one); classes and counts are summed over. What is returned are scores times the root of
their weight: their squares are the information, and their triangular factor keeps the digits that
squares would lose.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import in_parts
from bayes_cmoe.errors import InputError
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores

__all__ = ["check_drawable", "response_nodes", "row_information", "weighted_scores"]

PANELS = 16
"""Panels on either side of each component of a number."""
ORDER = 4
"""Points of a panel."""
FARTHEST = 60.0
"""Standard deviations of a component to the last edge."""
PLACING = 32
"""Draws of a component at an input that say where it lies."""
AT_A_TIME = 2**16
"""Nodes in memory."""
WIDEST = 2**13
"""Counts that are summed over at most."""
REACH = 12.0
"""Standard deviations of a count that the sum goes to on either side."""


def check_drawable(columns: Columns) -> None:
    """Refuse a frozen expert that is known at its own responses only.

    Raises
    ------
    InputError
    """
    if "frozen_logp" in columns:
        raise InputError(
            "f0 is known by its log-densities at given responses only, and what another response "
            "would tell needs its law: state f0 by its predictions or probabilities"
        )


def weighted_scores(
    engine: Scores,
    theta: NDArray,
    columns: Columns,
    classes: int | None,
    *,
    panels: int = PANELS,
) -> Iterator[NDArray]:
    """Scores at each row's nodes times the root of the node's weight, some rows at a time.

    Parameters
    ----------
    engine : Scores
    theta : array, shape (parameter,)
    columns : dict of str to array
        ``x`` and the frozen expert's columns, n rows; a response in it is not looked at.
    classes : int, optional
        Number of classes of a class response.
    panels : int
        Panels on either side of each component of a number.

    Yields
    ------
    array, shape (some rows, node, parameter)
        The sum over the nodes of its squares is the row's expected information.

    Raises
    ------
    InputError
        When the frozen expert is known at its own responses only, or counts are too large.
    """
    check_drawable(columns)
    known = {name: column for name, column in columns.items() if name != engine.response}
    nodes = classes or 2 * panels * ORDER * engine.simulator.components
    each = max(1, AT_A_TIME // nodes)
    for part in in_parts(known, each):
        tiled, log_weight = response_nodes(engine, theta, part, classes, panels=panels)
        count = len(part["x"])
        laid = engine.likelihood.rows(tiled)
        logp = engine.likelihood.logp(theta, laid) + log_weight
        scores = engine.likelihood.scores(theta, laid)
        # Far out the density is zero and the score need not be finite.
        root = np.exp(0.5 * logp)[:, None]
        yield np.where(root > 0, scores * root, 0.0).reshape(count, -1, scores.shape[1])


def row_information(
    engine: Scores, theta: NDArray, columns: Columns, classes: int | None
) -> NDArray:
    """Expected information of each row, shape (n, parameter, parameter).

    Rows that are equal are computed once, and in an order of their own, so that equal rows tell
    exactly the same, and permuted rows permute what they tell.

    Parameters
    ----------
    engine, theta, columns, classes
        As of `weighted_scores`.
    """
    check_drawable(columns)
    known = {name: column for name, column in columns.items() if name != engine.response}
    rows = len(known["x"])
    flat = np.column_stack([np.reshape(column, (rows, -1)) for column in known.values()])
    _, first, place = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    distinct = {name: column[first] for name, column in known.items()}
    found = [
        np.einsum("rki,rkj->rij", part, part)
        for part in weighted_scores(engine, theta, distinct, classes)
    ]
    return np.concatenate(found)[np.ravel(place)]


def response_nodes(
    engine: Scores,
    theta: NDArray,
    columns: Columns,
    classes: int | None,
    *,
    panels: int = PANELS,
) -> tuple[Columns, NDArray]:
    """The nodes of all rows, one row's after the other, and the logarithms of their weights.

    Parameters
    ----------
    engine, theta, columns, classes, panels
        As of `weighted_scores`.

    Returns
    -------
    columns : dict of str to array
        Of the rows, each as often as it has nodes, with the response.
    log_weight : array, shape (rows times nodes,)
        int g(y) dy at a row is the sum of exp(log_weight) g over its nodes.
    """
    known = {name: column for name, column in columns.items() if name != engine.response}
    y, log_weight = _nodes(engine, theta, known, classes, panels)
    tiled = {name: np.repeat(column, y.shape[1], axis=0) for name, column in known.items()}
    return {**tiled, engine.response: y.ravel()}, log_weight.ravel()


def _nodes(
    engine: Scores, theta: NDArray, columns: Columns, classes: int | None, panels: int
) -> tuple[NDArray, NDArray]:
    """Responses at each row and the logarithms of their weights, (rows, node)."""
    rows = len(columns["x"])
    if classes is not None:
        y = np.tile(np.arange(classes, dtype=float), (rows, 1))
        return y, np.zeros_like(y)
    # The same draws at every call: where a row's nodes lie is no matter of chance.
    rng = np.random.default_rng(0)
    center, scale = engine.simulator.placed(theta, columns, rng, PLACING)
    if engine.targets.mixture.family.response == "count":
        return _counts(center, scale)
    # What lies between the edges of one component's panels may be another component whole: so the
    # edges of all of them are one set.
    each = center[:, :, None] + scale[:, :, None] * _edges(panels)
    edges = np.sort(each.swapaxes(0, 1).reshape(rows, -1), axis=1)
    half, middle = 0.5 * np.diff(edges), 0.5 * (edges[:, 1:] + edges[:, :-1])
    points, weights = np.polynomial.legendre.leggauss(ORDER)
    y = middle[:, :, None] + half[:, :, None] * points
    with np.errstate(divide="ignore"):
        log_weight = np.log(half)[:, :, None] + np.log(weights)
    return y.reshape(rows, -1), log_weight.reshape(rows, -1)


def _edges(panels: int) -> NDArray:
    """Edges of panels on either side of zero, in standard deviations: close there, wide far off."""
    return FARTHEST * np.sinh(6.0 * np.linspace(-1.0, 1.0, 2 * panels + 1)) / np.sinh(6.0)


def _counts(center: NDArray, scale: NDArray) -> tuple[NDArray, NDArray]:
    """Every count that any component may well give."""
    width = np.maximum(scale, np.sqrt(center + 1.0)) * REACH + REACH
    low = np.floor(np.maximum((center - width).min(axis=0), 0.0))
    high = np.ceil((center + width).max(axis=0))
    span = int(np.max(high - low)) + 1
    if span > WIDEST:
        raise InputError(
            f"the response may be any of {span} counts at a row, and {WIDEST} are summed over at "
            "most: count in larger units"
        )
    y = low[:, None] + np.arange(span)
    return y, np.zeros_like(y)
