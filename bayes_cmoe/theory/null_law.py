"""The law of the likelihood ratio when there is no prompt, by its score process.

With pi = 0 the expert's parameters are lost, and twice the gain in log-likelihood over the frozen
expert tends not to a chi-square but to

    sup_theta max(0, Z(theta))²,   Z Gaussian with the correlation of
    g(theta) = pi(x) (f(y | h(x; eta), nu) / f0(y|x) - 1),

the score of a share at zero, whose scale cancels. Points that cover the prior stand for all theta:
a prompt between them can be missed, not invented. A narrow prompt's score is far from Gaussian at
sizes that people have, so the process is not drawn as a Gaussian one but summed over n rows of a
pool drawn from f0 at the inputs at hand; the data's own supremum is judged by the same sums.

References
----------
Dacunha-Castelle and Gassiat (1999), Testing the order of a model using locally conic
parametrization, doi:10.1214/aos/1017938921.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pymc as pm
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats.qmc import Sobol

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.coordinates import working_coordinates
from bayes_cmoe.study.targets import targets_of
from bayes_cmoe.theory.nodes import Columns

__all__ = ["LEVEL", "NullLaw", "null_law"]

LEVEL = 0.05
POINTS = 128
SCALES = (1.0, 0.3, 0.1, 0.03)
"""The cover of the prior, shrunk towards its middle: a wide box is mostly empty."""
LARGEST = 2**17
"""Above this many rows an evenly spaced part of them is looked at."""
POOL = 2**13
DRAWS = 999
STEEPEST = 150.0


@dataclass(frozen=True, eq=False)
class NullLaw:
    """The supremum of the data's scores beside its law without a prompt.

    Parameters
    ----------
    statistic : float
        max(0, max_j t_j), t_j the mean of g(theta_j) over the rows in its standard errors.
    quantile : float
        The statistic exceeds it with probability `LEVEL` when there is no prompt. The root of twice
        a fitted gain in log-likelihood exceeds it more often: a search over the whole box also
        finds spikes between the points.
    pvalue : float
        Probability of as large a statistic when there is no prompt.
    """

    statistic: float
    quantile: float
    pvalue: float


def null_law(
    posterior: Posterior,
    components: Components,
    columns: Columns,
    frozen: Callable[[Columns, Generator], Columns] | None = None,
    seed: int = 0,
) -> NullLaw:
    """The null law of the likelihood ratio on the data at hand.

    Parameters
    ----------
    posterior : Posterior
        Gives the range of the parameters.
    components : Components
        Of the same model.
    columns : dict of str to array
        The rows.
    frozen : callable, optional
        ``frozen(columns, rng)`` gives the columns with the response drawn from f0. Without it the
        pool is the rows themselves, centred.
    seed : int
        Of the cover, the pool and the sums.
    """
    rng = np.random.default_rng(seed)
    count = len(columns["x"])
    own = {name: column[:: -(-count // LARGEST)] for name, column in columns.items()}
    pick = rng.integers(count, size=POOL)
    pool = {name: column[pick] for name, column in columns.items()}
    rows = posterior.likelihood.rows(own)
    drawn = posterior.likelihood.rows(pool if frozen is None else frozen(pool, rng))
    points = _cover(posterior, seed)
    table = np.array([_score(components, theta, drawn) for theta in points]).T
    size = np.sqrt(np.mean(table**2, axis=0))
    used = np.isfinite(size) & (size > 0)
    table, size = table[:, used] / size[used], size[used]
    scored = [_score(components, theta, rows) for theta in points[used]]
    mean = np.array([score.mean() for score in scored]) / size
    square = np.array([np.mean(score**2) for score in scored]) / size**2
    statistic = float(_supremum(mean, square, rows.n))
    suprema = _suprema(table, rows.n, rng)
    exceeding = int(np.sum(suprema >= statistic))
    return NullLaw(
        statistic, float(np.quantile(suprema, 1.0 - LEVEL)), (1 + exceeding) / (1 + DRAWS)
    )


def _score(components: Components, theta: NDArray, rows: Rows) -> NDArray:
    """g at the rows, up to its scale."""
    parts = components.at(theta, rows)
    share = np.asarray(parts.share)
    share = share / max(float(np.max(share)), 1e-300)
    return share * np.expm1(np.minimum(parts.prompt - parts.frozen, STEEPEST))


def _supremum(mean: NDArray, square: NDArray, n: int | NDArray) -> NDArray:
    """max(0, max_j t_j) over the last axis, from means of g and g² in units of the pool's g².

    Rows that happen to lack what makes g vary would divide by nearly nothing, so the scale is the
    pool's and the rows' own together.
    """
    t = mean * np.sqrt(n) / np.sqrt(0.5 * (1.0 + square))
    return np.max(t, axis=-1, initial=0.0)


def _suprema(table: NDArray, n: int, rng: Generator) -> NDArray:
    """The same over sums of n rows of a table (row, point) with unit squares; shape (DRAWS,)."""
    counts = rng.poisson(n / len(table), size=(DRAWS, len(table))).astype(float)
    total = counts.sum(axis=1, keepdims=True)
    mean = counts @ (table - table.mean(axis=0)) / total
    return _supremum(mean, counts @ table**2 / total, total)


def _cover(posterior: Posterior, seed: int) -> NDArray:
    """Points over the prior's range at several scales, shape (POINTS, parameter)."""
    layout: Layout = posterior.layout
    working = working_coordinates(posterior.lower, posterior.upper)
    drawn = pm.draw(
        [posterior.model[name] for name in layout.names], draws=POINTS, random_seed=seed
    )
    flat = np.concatenate([np.reshape(part, (POINTS, -1)) for part in drawn], axis=1)
    points = np.array([working.working(theta) for theta in flat])
    boxed = np.isfinite(working.lower) & np.isfinite(working.upper)
    unit = Sobol(layout.size, rng=np.random.default_rng(seed)).random(POINTS)[:, boxed]
    lower, upper = working.lower[boxed], working.upper[boxed]
    middle = np.median(points, axis=0)
    points[:, boxed] = lower + unit * (upper - lower)
    middle[boxed] = 0.5 * (lower + upper)
    given = np.isfinite(posterior.initial)
    middle[given] = working.working(np.where(given, posterior.initial, 1.0))[given]
    scale = np.resize(SCALES, POINTS)[:, None]
    thetas = np.array([working.natural(w) for w in middle + scale * (points - middle)])
    # Near no share only the gate's shape in x matters, exp(beta'x) of a softmax gate.
    gate = targets_of(posterior.model, layout).mixture.gate
    for parameter in gate.parameters:
        if parameter.name == gate.share.parameter and np.isinf(parameter.support[0]):
            thetas[:, layout.slices[parameter.name]] = gate.shut[parameter.name]
    return thetas
