"""The largest energy from many starts side by side: Levenberg and Marquardt's steps in its metric.

Steps end at the edges of a box, whose touched sides the next step leaves out. For the
log-likelihood the metric is the empirical Fisher information, which is there at any point
and positive semi-definite, singular maxima included (Berndt, Hall, Hall and Hausman 1974).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.energy import Energies, Field
from bayes_cmoe.parts.mixture import mixture_of
from bayes_cmoe.parts.prior import Box
from bayes_cmoe.parts.priors import priors_for
from bayes_cmoe.parts.rebuilt import data_of

__all__ = ["flat_box", "highest"]

STEPS = 200
STILL = 20
"""Steps without a gain of ENOUGH in any lane after which the search ends."""
ENOUGH = 1e-7
EASIER, HARDER = 0.2, 5.0
RANGE = (1e-10, 1e12)


def highest(
    field: Callable[[NDArray], Field], starts: NDArray, lower: NDArray, upper: NDArray
) -> tuple[NDArray, float]:
    """The point of the largest energy found, and the energy there.

    Parameters
    ----------
    field : callable
        Points, (point, parameter), to the `Field` there.
    starts : array, shape (point, parameter)
        Unconstrained scale.
    lower, upper : array, shape (parameter,)
        A box; a mixture's likelihood has no largest value outside of one.

    References
    ----------
    Marquardt (1963), doi:10.1137/0111030.
    """
    u = np.clip(starts, lower, upper)
    here = field(u)
    damping, still = np.full(len(u), 1e-2), 0
    for _ in range(STEPS):
        held = ((u <= lower) & (here.slope < 0)) | ((u >= upper) & (here.slope > 0))
        free = np.where(held, 0.0, 1.0)
        metric = here.metric * free[:, :, None] * free[:, None, :]
        scale = np.einsum("pii->pi", metric)
        # A parameter that nothing depends on keeps its place.
        scale = np.maximum(scale, 1e-8 * np.max(scale, axis=1, keepdims=True) + 1e-300)
        curved = metric + damping[:, None, None] * np.eye(u.shape[1]) * scale[:, :, None]
        step = np.linalg.solve(curved, (here.slope * free)[..., None])[..., 0]
        proposed = np.clip(u + step, lower, upper)
        there = field(proposed)
        with np.errstate(invalid="ignore"):
            gain = there.energy - here.energy
        better = gain > 0
        still = 0 if np.any(gain > ENOUGH) else still + 1
        u, here = np.where(better[:, None], proposed, u), here.where(better, there)
        damping = np.clip(damping * np.where(better, EASIER, HARDER), *RANGE)
        if still == STILL:
            break
    best = int(np.argmax(here.energy))
    return u[best], float(here.energy[best])


def flat_box(energies: Energies) -> tuple[NDArray, NDArray]:
    """The flat prior's box of a model of the suite, on the unconstrained scale; two (parameter,).

    Of the data that the model was built with.
    """
    posterior = energies.posterior
    mixture, layout = mixture_of(posterior.model), posterior.layout
    assert mixture is not None
    boxes = priors_for("flat", mixture.parameters, mixture.reference(data_of(posterior.model)))
    shapes = dict(zip(layout.names, layout.shapes, strict=True))
    ends = []
    for side in ("lower", "upper"):
        named = {}
        for name, box in boxes.items():
            assert isinstance(box, Box)
            named[name] = np.broadcast_to(getattr(box, side), shapes[name])
        ends.append(layout.ravel(named))
    lower, upper = energies.unconstrained(np.array(ends))
    return lower, upper
