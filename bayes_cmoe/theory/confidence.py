"""Intervals for one number that hold where standard errors do not."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pymc as pm
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import chi2

from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.replicas import Replicas
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.parts.mixture import mixture_of
from bayes_cmoe.theory.cover import Ground, ground_of, inverse_information
from bayes_cmoe.theory.interval import ConfidenceInterval
from bayes_cmoe.theory.inversion import Inversion, drawn_limits
from bayes_cmoe.theory.lines import Line, line_named
from bayes_cmoe.theory.profile import Curve, Heights, crossings, profile_curve

__all__ = ["METHODS", "Workshop", "intervals"]

METHODS = ("profile", "drawn", "inverted")
OPTIMA = 6
"""Optima of the fit, the best first, from which a profile is ascended."""
APART = 0.02
"""Optima closer than this in the log posterior density are one."""
NEAREST_ROWS = 2**16
"""Rows drawn from the frozen expert, at least, from which its nearest prompt is found."""
GROUND_SEED = 20
FEWEST, MOST = 31, 10**5
HALVINGS = 7
WIDEST = 3.0
"""Test inversion looks as far as the likelihood ratio of this times the chi-square limit."""
SURE = 0.4
"""And takes values below this times the limit as not refused."""
STEP = 1e-5


@dataclass(frozen=True, eq=False)
class Workshop:
    """A contaminated model compiled for intervals; other data of the same form may be given.

    Parameters
    ----------
    model : pm.Model
    posterior : Posterior
    replicas : Replicas
    simulator : Simulator
    """

    model: pm.Model
    posterior: Posterior
    replicas: Replicas
    simulator: Simulator

    @classmethod
    def of(cls, model: pm.Model, posterior: Posterior | None = None) -> "Workshop":
        """Compile a model.

        Raises
        ------
        InputError
            When it is no contaminated mixture of the suite, or has several prompts.
        """
        mixture = mixture_of(model)
        if mixture is None:
            raise InputError(
                "intervals need a contaminated mixture: build it by a variant's factory"
            )
        if mixture.prompts > 1:
            raise InputError(
                f"intervals speak of one prompt and the model has {mixture.prompts}: give a model "
                "with one"
            )
        compiled = Posterior(model) if posterior is None else posterior
        replicas = Replicas(compiled, Components(model))
        return cls(model, compiled, replicas, Simulator(model))

    def ground(self, columns: Mapping[str, NDArray], rng: Generator) -> Ground:
        """The ground, its nearest prompt from many rows drawn from the frozen expert."""
        known = dict(columns)
        if "frozen_logp" not in known:
            times = -(-NEAREST_ROWS // len(known["x"]))
            known = {name: np.concatenate([column] * times) for name, column in known.items()}
            some = np.ones(self.posterior.layout.size)
            known[self.replicas.response] = self.simulator.draw(some, known, rng, component=0)
        return ground_of(self.posterior, self.replicas, known, rng)

    @cached_property
    def own_ground(self) -> Ground:
        """The ground of the model's own rows, found once for all targets."""
        return self.ground(columns_of(self.model), np.random.default_rng(GROUND_SEED))

    def heights(self, ground: Ground, columns: Mapping[str, NDArray], theta: NDArray) -> Heights:
        """Maxima, with the curvature at a point to begin with."""
        w = ground.working.working(theta)
        inverse = inverse_information(ground, self.replicas, columns, w)
        return Heights(self.replicas, ground, inverse)


def intervals(
    model: pm.Model,
    name: str,
    *,
    method: str = "profile",
    level: float = 0.9,
    tree: xr.DataTree | None = None,
    draws: int = 127,
    seed: int = 0,
    workshop: Workshop | None = None,
) -> ConfidenceInterval:
    """A confidence interval for one number of a contaminated model.

    Parameters
    ----------
    model : pm.Model
        With its data. Under the flat prior the intervals are those of the likelihood.
    name : str
        A parameter or an entry of one (``nu``, ``a[x1]``), the share, or the product of the share
        with an entry's displacement from the frozen expert, which is identified always
        (``lam*a[x1]``).
    method : {"profile", "drawn", "inverted"}
        ``profile``: all values whose likelihood ratio is below the chi-square quantile.
        ``drawn``: below the quantile that the ratio has in responses drawn at the ends of that
        interval, where that is larger: with few rows from the prompt the ratio is wider than
        chi-square.
        ``inverted``: all values that a test does not refuse whose critical value is drawn from the
        model, at the least favourable identification that the data leave open.
    level : float
        Of the interval.
    tree : xarray.DataTree, optional
        The model's MAP estimate; fitted here when left out.
    draws : int
        Responses at each point of a test (drawn, inverted), in whole batches of 32.
    seed : int
    workshop : Workshop, optional
        This model compiled already.

    Returns
    -------
    ConfidenceInterval, an xarray.Dataset with ``estimate``, ``lower``, ``upper``; ``open_below``
    and ``open_above``, whether the interval ends with the parameter's range; ``profile`` (value),
    the likelihood ratio of each value looked at. Attributes ``name``, ``method``, ``level``,
    ``limits``, the ratio's critical values below and above the estimate (profile, drawn),
    ``pieces``, of how many pieces the set consists whose hull the interval is (profile, drawn).

    Raises
    ------
    InputError
        When the name, the method or the level will not do, the model is no contaminated mixture
        with one prompt, or f0 is known at the rows' own responses only (drawn, inverted).

    References
    ----------
    Andrews and Cheng (2012), Estimation and inference with weak, semi-strong, and strong
    identification, doi:10.3982/ECTA9456; Lee and Young (2005), Parametric bootstrapping with
    nuisance parameters, doi:10.1016/j.spl.2004.10.026.

    Examples
    --------
    >>> from bayes_cmoe import simulate, variant_named
    >>> variant = variant_named("constant_contaminated")
    >>> data = simulate(variant, "distinguishable", 500, seed=1)
    >>> found = intervals(variant.model("distinguishable", data), "lam")
    >>> bool(found.lower < found.estimate < found.upper)
    True
    """
    choose("method", method, METHODS)
    if not 0.5 <= level < 1.0:
        raise InputError(f"a level of {level} makes no sense here: give one from 0.5 to below 1")
    if not FEWEST <= draws <= MOST:
        raise InputError(f"{draws} draws for a test: give a number from {FEWEST} to {MOST}")
    columns = columns_of(model)
    if method != "profile" and "frozen_logp" in columns:
        raise InputError(
            f"the method {method!r} draws responses and f0 is known at the rows' own only: state "
            "the frozen expert by its predictions, or use method 'profile'"
        )
    own = Workshop.of(model) if workshop is None else workshop
    ground = own.own_ground
    line = line_named(ground, name)
    fitted = fit_map(model, seed=seed, posterior=own.posterior) if tree is None else tree
    optima = _optima(own, fitted)
    heights = own.heights(ground, columns, optima[0])
    limit = float(chi2.ppf(level, 1))
    spread = _spread(heights, line, optima[0], len(columns["x"]))
    rng = np.random.default_rng(seed)
    test = partial(Inversion.of, heights, own.simulator, columns, line, level, draws, rng)
    curve = profile_curve(heights, columns, line, optima, spread, limit)
    limits = (limit, limit)
    if method == "drawn":
        limits = drawn_limits(test(), curve, limit, rng)
        if max(limits) > limit:
            curve = profile_curve(heights, columns, line, optima, spread, max(limits))
    best = curve.values[int(np.argmin(curve.drop))]
    allowed = np.where(curve.values < best, *limits)
    lower, upper, below, above = crossings(curve, allowed)
    if method == "inverted":
        lower, upper, below, above = _inverted(test(), curve, limit, rng)
    inside = curve.drop <= allowed
    estimate, lower, upper = (float(end) for end in line.shown(np.array([best, lower, upper])))
    return ConfidenceInterval(
        {
            "estimate": estimate,
            "lower": lower,
            "upper": upper,
            "open_below": below,
            "open_above": above,
            "profile": ("value", curve.drop),
        },
        coords={"value": line.shown(curve.values)},
        attrs={
            "name": name,
            "method": method,
            "level": level,
            "limits": limits,
            "pieces": int(inside[0]) + int(np.sum(inside[1:] & ~inside[:-1])),
        },
    )


def _optima(workshop: Workshop, tree: xr.DataTree) -> NDArray:
    """The estimate and the best other ends of its search, shape (optimum, parameter)."""
    layout, point = workshop.posterior.layout, tree["point_estimate"]
    best = layout.vectors(point)
    if "starts" not in tree.children:
        return best[None]
    ends = tree["starts"].to_dataset()
    points = layout.vectors(ends)
    kept, last = [best], np.inf
    for place, logp in enumerate(np.asarray(ends["logp"])):
        if len(kept) <= OPTIMA and np.isfinite(logp) and last - logp > APART:
            kept.append(points[place])
            last = logp
    return np.array(kept)


def _spread(heights: Heights, line: Line, theta: NDArray, n: int) -> float:
    """About the standard error of the target, by the delta method."""
    working = heights.ground.working
    w = working.working(theta)
    step = STEP * np.maximum(np.abs(w), 1.0)
    ahead, behind = (line.value(working.natural(w + sign * np.diag(step))) for sign in (1.0, -1.0))
    gradient = (ahead - behind) / (2.0 * step)
    found = float(np.sqrt(gradient @ heights.inverse @ gradient / n))
    lower, upper = line.range()
    return float(np.clip(found, 1e-6 * (upper - lower), 0.1 * (upper - lower)))


def _inverted(
    test: Inversion, curve: Curve, limit: float, rng: Generator
) -> tuple[float, float, bool, bool]:
    """Ends of the values that the test does not refuse, by halving on either side."""
    columns, response = test.columns, test.heights.replicas.response
    own = np.asarray(columns[response], dtype=float)
    best = int(np.argmin(curve.drop))

    def refused(place: float) -> bool:
        value = float(place)
        near = int(np.argmin(np.abs(curve.values - value)))
        starts = curve.theta[[near, best]]
        ratio, held = test.ratios(own[None], value, starts)
        observed = max(float(ratio[0]), 0.0)
        return test.pvalue(observed, value, held[0], own, rng) <= test.alpha

    ends, opened = [], []
    for side in (-1, 1):
        order = np.arange(best, len(curve.values)) if side > 0 else np.arange(best, -1, -1)
        sure = [i for i in order if curve.drop[i] <= SURE * limit]
        far = [
            i
            for i in order
            if curve.drop[i] > WIDEST * limit and abs(i - best) > abs(sure[-1] - best)
        ]
        kept, left = (
            float(curve.values[sure[-1]]),
            float(curve.values[far[0] if far else order[-1]]),
        )
        opened.append(not far and not refused(left))
        if opened[-1]:
            ends.append(left)
            continue
        for _ in range(HALVINGS):
            middle = 0.5 * (kept + left)
            kept, left = (kept, middle) if refused(middle) else (middle, left)
        ends.append(0.5 * (kept + left))
    return ends[0], ends[1], opened[0], opened[1]
