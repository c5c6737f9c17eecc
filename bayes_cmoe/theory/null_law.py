"""What tells a prompt from none on the data at hand, beside its law when there is no prompt.

With pi = 0 the trainable expert's parameters are lost, and twice the gain in log-likelihood over
the frozen expert tends not to a chi-square but to

    sup_theta max(0, Z(theta))²,   Z Gaussian with the correlation of
    g(theta) = s(x) (f(y | h(x; eta), nu) / f0(y|x) - 1),

the score of a share at zero. Where f0 can be drawn from, the ratio is drawn itself: the response
from f0 at the inputs at hand, the search the same as on the data. Where it cannot (f0 known at the
rows' own responses only), and on many rows, Z is drawn from the correlation of g over the rows at
hand, on a cover of the prompts, and the data are judged by their score.

References
----------
Dacunha-Castelle and Gassiat (1999), Testing the order of a model using locally conic
parametrization, doi:10.1214/aos/1017938921.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import in_parts
from bayes_cmoe.compiled.replicas import Replicas
from bayes_cmoe.theory.absence_search import Search
from bayes_cmoe.theory.cover import ground_of
from bayes_cmoe.theory.nodes import Columns

__all__ = ["LEVEL", "NullLaw", "exceedance", "null_law", "process_law", "suprema"]

LEVEL = 0.05
EXACT = 2**12
"""Up to this many rows responses are drawn; above, the Gaussian process is."""
DRAWS = 99
PROCESS_DRAWS = 999
RATIO, SCORE = "likelihood ratio", "score"
CHUNK = 2**13


@dataclass(frozen=True, eq=False)
class NullLaw:
    """A statistic of a prompt beside its law without one.

    Parameters
    ----------
    statistic : float
        The root of the likelihood ratio, or max(0, max S) over a cover of the prompts, with S the
        score of `bayes_cmoe.compiled.replicas`.
    quantile : float
        The statistic exceeds it with probability `LEVEL` when there is no prompt.
    pvalue : float
        Probability of as large a statistic when there is no prompt.
    kind : str
        Which it is, in words.
    """

    statistic: float
    quantile: float
    pvalue: float
    kind: str = RATIO


def null_law(
    replicas: Replicas,
    columns: Columns,
    frozen: Callable[[Columns, Generator], Columns] | None = None,
    seed: int = 0,
) -> NullLaw:
    """The test of no prompt on the data at hand: quick, for `diagnose`.

    `bayes_cmoe.theory.absence.absence_test` draws more, and the prior's range anew.

    Parameters
    ----------
    replicas : Replicas
        Their prior is the range in which prompts are looked for.
    columns : dict of str to array
        The rows.
    frozen : callable, optional
        ``frozen(columns, rng)`` gives the columns with the response drawn from f0.
    seed : int
        Of the cover and the draws.
    """
    ground_rng, cover_rng, rng = np.random.default_rng(seed).spawn(3)
    known = columns if frozen is None else frozen(columns, ground_rng)
    ground = ground_of(replicas.posterior, replicas, known, ground_rng)
    search = Search.of(replicas, ground, columns, cover_rng)
    response = np.asarray(columns[replicas.response], dtype=float)
    if frozen is None or len(response) > EXACT:
        kind, (statistic, drawn) = SCORE, process_law(search, rng)
    else:
        null = [frozen(columns, rng)[replicas.response] for _ in range(DRAWS)]
        roots = np.sqrt(search(np.array([response, *null])).ratio)
        kind, statistic, drawn = RATIO, float(roots[0]), roots[1:]
    quantile = float(np.quantile(drawn, 1.0 - LEVEL))
    return NullLaw(statistic, quantile, exceedance(drawn, statistic), kind)


def exceedance(drawn: NDArray, value: float) -> float:
    """(1 + #{drawn >= value}) / (1 + draws): a p-value that is never zero.

    Examples
    --------
    >>> exceedance(np.array([1.0, 2.0, 3.0]), 2.0)
    0.75
    """
    return (1 + int(np.sum(drawn >= value))) / (1 + len(drawn))


def process_law(search: Search, rng: Generator) -> tuple[float, NDArray]:
    """max(0, max S) over the cover, and draws of it from the correlation of the scores.

    The draws are those of Gaussian multipliers of the rows' own scores, centred:
    sum_i xi_i (g_i - mean g) / sqrt(sum_i (g_i - mean g)²).

    Parameters
    ----------
    search : Search
        Its columns have the response.
    rng : numpy.random.Generator

    Returns
    -------
    statistic : float
    drawn : array, shape (draw,)
    """
    replicas, thetas = search.replicas, search.ground.working.natural(search.points)
    n = len(search.columns[replicas.response])
    total, square = np.zeros(len(thetas)), np.zeros((len(thetas), len(thetas)))
    for part in in_parts(search.columns, CHUNK):
        response = np.asarray(part[replicas.response], dtype=float)[None]
        scores = replicas.row_scores(thetas, replicas.table(part, response))
        total += scores.sum(axis=1)
        square += scores @ scores.T
    size = np.sqrt(np.diag(square))
    covariance = square - np.outer(total, total) / n
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    used = np.isfinite(spread) & (spread > 1e-8 * np.where(np.isfinite(size), size, 0.0))
    if not used.any():
        return 0.0, np.zeros(PROCESS_DRAWS)
    correlation = covariance[np.ix_(used, used)] / np.outer(spread[used], spread[used])
    return float(np.max(total[used] / size[used], initial=0.0)), suprema(correlation, rng)


def suprema(correlation: NDArray, rng: Generator) -> NDArray:
    """Draws of max(0, max_j Z_j), Z normal with a correlation (point, point); shape (draw,)."""
    eigenvalues, directions = np.linalg.eigh(correlation)
    root = directions * np.sqrt(np.maximum(eigenvalues, 0.0))
    drawn = rng.standard_normal((PROCESS_DRAWS, len(root))) @ root.T
    return drawn.max(axis=1, initial=0.0)
