"""Modulus of continuity: how far a parameter can move within a Hellinger ball of radius c/sqrt(n).

    w(eps) = sup { |psi(theta) - psi(theta*)| : H(p_theta, p_theta*) <= eps, theta in the box }

Two densities so close cannot be told apart from n rows, so no estimator has an error of smaller
order at both (Donoho and Liu 1991, doi:10.1214/aos/1176348114). For small eps it is the
information bound, w = sqrt(8) eps sqrt(psi' I^-1 psi); unlike that, it holds when the prompt is
lost in the noise as well, where it levels off at the edge of the box.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.errors import InputError
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import Function
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.ball import Ball, farthest
from bayes_cmoe.theory.functional import functional_named
from bayes_cmoe.theory.hellinger import Hellinger
from bayes_cmoe.theory.information import information_along
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import scores_of

__all__ = ["modulus"]

DRAWS = 2**14
MARGIN = 1e-10


def modulus(
    variant: str | Variant,
    regime: str | Regime,
    parameter: str | Function,
    n: ArrayLike,
    *,
    c: float = 8**-0.5,
    alpha: float | None = None,
    gamma: float | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """Modulus of continuity of one parameter, at each size along the regime's truth path.

    Maximised by SLSQP in coordinates whitened by the Fisher information: from the Fisher ellipsoid
    at a radius where it fits, on both sides, then in growing radii up to eps; and from the points
    without a prompt, with a merged one and with the prompt alone, where these lie within eps. The
    draws are renewed at the points found until their distance stands on draws that the search has
    not seen. A search finds a lower bound on the supremum; in the local regime it is reached.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
    parameter : str or callable
        A parameter (a vector as a whole, by the norm of its change), one entry such as ``a[x1]``,
        the share (``exp_tau``), ``expert`` (joint norm), or a JAX function of the named parameters.
    n : float or array, shape (n,)
    c : float
        eps = c / sqrt(n); at 8^-1/2 a number's ``linear`` is its information bound.
    alpha, gamma : float, optional
        Other exponents of the truth path than the regime's own.
    draws : int
        Inputs x for the search; four times as many certify its result.
    seed : int

    Returns
    -------
    xr.Dataset over ``n``: ``modulus``; ``change`` (side, n), what the search found on either side
    (from either start, for a vector); ``linear``, the information bound's sqrt(8) eps times the
    deviation in the worst direction; ``radius`` (eps); ``hellinger`` and ``hellinger_se``, the
    distance of the returned point on fresh draws with its Monte-Carlo error; ``saturated``, whether
    an entry of that point lies at the edge of the box; ``theta`` and ``truth`` (n, entry).

    Raises
    ------
    InputError
        When the parameter is unknown, c or the draws are too small, or the truth is outside the box
        or singular.

    Examples
    --------
    >>> w = modulus("constant_contaminated", "distinguishable", "lam", 1e6)
    >>> bool(abs(w["modulus"] / w["linear"] - 1.0).item() < 0.1)
    True
    """
    if not c > 0:
        raise InputError(f"a radius of c = {c:g} over sqrt(n) makes no sense: give c > 0")
    if draws < 1024:
        raise InputError(f"{draws} draws are too few to measure a distance: give at least 1024")
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    sizes = np.atleast_1d(np.asarray(n, dtype=float))
    truths = [setting.truth(size, alpha, gamma) for size in sizes]
    engine = scores_of(chosen, setting)
    layout = engine.layout
    free = engine.targets.expert_entries
    functional = functional_named(engine.targets, parameter)

    def inputs(rng: Generator, count: int) -> Columns:
        x = setting.draw_inputs(rng, count)
        return {"x": x, **setting.frozen.columns(x)}

    hellinger = Hellinger(engine, inputs, setting.classes)
    bounds = information_along(chosen, setting, truths, draws=max(4 * draws, 2**16), seed=seed)
    lower, upper = _box(layout, setting)
    found, linear = [], []
    for size, truth, bound in zip(sizes, truths, bounds, strict=True):
        eps = c / size**0.5
        jacobian = functional.jacobian(bound.theta)
        spread = jacobian @ bound.covariance @ jacobian.T
        flat = not np.isfinite(spread).all()
        linear.append(np.nan if flat else eps * (8.0 * np.linalg.norm(spread, 2)) ** 0.5)
        ball = Ball(hellinger, functional, bound.theta, lower, upper, eps)
        none, merged, alone = (layout.ravel(point) for point in _far(setting, truth))
        far = [(none, free[:0]), (merged, free[:0]), (alone, free)]
        found.append(farthest(ball, far, draws, seed))
    edge = 1e-6 * (upper - lower)
    best = [max(sides, key=lambda point: point.change) for sides in found]
    at_edge = [
        bool(np.any((point.theta < lower + edge) | (point.theta > upper - edge))) for point in best
    ]
    return xr.Dataset(
        {
            "modulus": ("n", [point.change for point in best]),
            "change": (("side", "n"), np.array([[p.change for p in s] for s in found]).T),
            "linear": ("n", linear),
            "radius": ("n", c / sizes**0.5),
            "hellinger": ("n", [point.distance for point in best]),
            "hellinger_se": ("n", [point.error for point in best]),
            "saturated": ("n", at_edge),
            "theta": (("n", "entry"), np.array([point.theta for point in best])),
            "truth": (("n", "entry"), np.array([bound.theta for bound in bounds])),
        },
        coords={"n": sizes, "side": ["below", "above"], "entry": list(layout.labels)},
        attrs={
            "variant": chosen.name,
            "regime": setting.name,
            "parameter": functional.name,
            "c": float(c),
            "draws": draws,
            "seed": seed,
        },
    )


def _box(layout: Layout, regime: Regime) -> tuple[NDArray, NDArray]:
    """The box, less a margin: where the share is 0 or 1 the score has no value."""
    shapes = dict(zip(layout.names, layout.shapes, strict=True))
    lower, upper = (
        layout.ravel({name: np.full(shape, regime.box[name][i]) for name, shape in shapes.items()})
        for i in (0, 1)
    )
    margin = MARGIN * (upper - lower)
    return lower + margin, upper - margin


def _far(regime: Regime, truth: Mapping[str, NDArray]) -> list[dict[str, NDArray]]:
    """No prompt, a merged prompt, the prompt alone: far points whose density may be close."""
    share = regime.gate.share.parameter
    least, most = (np.full_like(truth[share], edge) for edge in regime.box[share])
    center = {name: np.asarray(value, dtype=float) for name, value in regime.path.center.items()}
    return [{**truth, share: least}, {**truth, **center}, {**truth, share: most}]
