"""An expert on few directions of many inputs: linear in their leading principal components."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.parameter import intercept, location

__all__ = ["low_rank_expert", "rank_explaining"]


def low_rank_expert(x: ArrayLike, rank: int) -> Expert:
    """The expert h(x; a, b) = a'z + b on the `rank` leading principal components z of the inputs.

    The components are those of the inputs divided by their standard deviations, each brought to
    mean zero and standard deviation one on `x`, and then fixed: a matrix A of low rank in h = Ax is
    known up to a turn of its factors only, and here one factor is given by the inputs, as where an
    adapter is trained on features. Of a class response every logit has its own a and b.

    Parameters
    ----------
    x : array, shape (n, feature)
        Inputs that say what the components are.
    rank : int

    Returns
    -------
    Expert
        Named ``low-rank-2`` and so on; parameters ``a`` (component,) and ``b``.

    Raises
    ------
    InputError
        When the inputs vary along fewer directions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> expert = low_rank_expert(rng.normal(size=(100, 5)), 2)
    >>> expert.name, expert.dims
    ('low-rank-2', {'a': ('component',), 'b': ()})
    """
    table = numbers("x", x)
    center, varying, sizes, directions = _components(table)
    available = int(np.sum(sizes > 1e-10 * max(float(sizes[0]), 1e-300)))
    if not 1 <= rank <= available:
        raise InputError(
            f"rank {rank}: the inputs vary along {available} directions: give 1 to {available}"
        )
    scale = np.sqrt(len(table)) / sizes[:rank]
    projection = (directions[:rank] / varying).T * scale
    # The sign of a principal component is nobody's choice: its largest entry is positive.
    largest = projection[np.argmax(np.abs(projection), axis=0), np.arange(rank)]
    parameters = (location("a", ("component",)), intercept("b"))
    mean = partial(_on_components, center, projection * np.sign(largest))
    return Expert(f"low-rank-{rank}", parameters, mean, sizes={"component": rank})


def rank_explaining(x: ArrayLike, share: float) -> int:
    """How many principal components explain this share of the standardised inputs' variance.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(100, 1))
    >>> rank_explaining(np.hstack([z, 2.0 * z, -z]), 0.9)
    1
    """
    *_, sizes, _ = _components(numbers("x", x))
    explained = np.cumsum(sizes**2) / np.sum(sizes**2)
    return int(np.searchsorted(explained, share)) + 1


def _components(table: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Means, standard deviations (infinite of constants), singular values, and directions."""
    center, spread = table.mean(axis=0), table.std(axis=0)
    varying = np.where(spread > 0, spread, np.inf)
    _, sizes, directions = np.linalg.svd((table - center) / varying, full_matrices=False)
    return center, varying, sizes, directions


def _on_components(center: NDArray, projection: NDArray, x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return ((x - center) @ projection) @ a.T + b
