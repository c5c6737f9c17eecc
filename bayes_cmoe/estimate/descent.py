"""From a start to an optimum: bounded quasi-Newton, then Newton steps to full precision."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bayes_cmoe.estimate.basins import NEAR, Basins
from bayes_cmoe.estimate.objective import Derivatives, Objective
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.threads import one_blas_thread

__all__ = ["approach", "descend", "equilibrated", "finish", "polish", "seek"]

SURE = 1e-6
"""Smallest eigenvalue of the information at a start near a maximum, scaled to unit diagonal."""
SLOW = 0.1
"""Share of the last step's promise from which on steps of a part's curvature gain too little."""
LOSS = 1e-7
"""A Newton step that promises less than this in the summed log posterior is the end."""
NEWTON_STEPS = 120
EAGER = 8192
"""Rows up to which a trial's second derivatives are taken with it: a call costs more than they."""
QUASI_NEWTON_STEPS, MEMORY = 200, 40
"""Steps at most, and how many of the last make the curvature: more than a few parameters ask for
where valleys are narrow, as those of atoms that lie close."""


def descend(
    objective: Objective,
    start: NDArray,
    part: Objective | None = None,
    basins: Basins | None = None,
    there: Derivatives | None = None,
) -> Optimum:
    """L-BFGS-B from a start, in coordinates scaled by the curvature there.

    Parameters
    ----------
    objective : Objective
    start : array, shape (parameter,)
        In working coordinates, inside the bounds.
    part : Objective, optional
        On a part of the rows: enough for the scales.
    basins : Basins, optional
        Maxima that are known: one of them is returned as soon as the descent is sure to end there.
    there : Derivatives, optional
        Of the objective, or of the part, at the start, where they are known.
    """
    working, seen = objective.working, objective if part is None else part
    known = Basins(objective) if basins is None else basins
    if known:
        told = there if part is None else None
        slope = objective.value_and_gradient(start)[1] if told is None else told[1]
        if met := known.reached(start, slope):
            return met
    value, gradient, natural = seen.derivatives(start) if there is None else there
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        return Optimum(start, value, np.inf, Status.NON_FINITE, 0)
    diagonal = np.abs(np.diag(seen.hessian(start, gradient, natural)))
    diagonal = np.where(np.isfinite(diagonal), diagonal, 0.0)
    largest = diagonal.max() or 1.0
    scale = 1.0 / np.sqrt(np.where(diagonal > 1e-8 * largest, diagonal, largest))
    slope, met = gradient, None

    def scaled(z: NDArray) -> tuple[float, NDArray]:
        nonlocal slope
        value, slope = objective.value_and_gradient(z * scale)
        return value, slope * scale

    def arrived(z: NDArray) -> None:
        # A step was taken, and what was evaluated last is where it led to.
        nonlocal met
        met = known.reached(z * scale, slope)
        if met:
            raise StopIteration

    with one_blas_thread():
        found = minimize(
            scaled,
            start / scale,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(working.lower / scale, working.upper / scale, strict=True)),
            options={"maxiter": QUASI_NEWTON_STEPS, "maxcor": MEMORY, "ftol": 1e-12, "gtol": 1e-6},
            callback=arrived if known else None,
        )
    if met:
        return met
    w = np.clip(found.x * scale, working.lower, working.upper)
    if not (np.isfinite(found.fun) and np.isfinite(found.jac).all()):
        return Optimum(w, float(found.fun), np.inf, Status.NON_FINITE, int(found.nit))
    gradient = found.jac / scale
    norm = float(np.max(np.abs(gradient), where=_free(objective, w, gradient), initial=0.0))
    return Optimum(w, float(found.fun), norm, Status.STALLED, int(found.nit))


def _free(objective: Objective, w: NDArray, gradient: NDArray) -> NDArray:
    """Entries that no edge holds: inside the bounds, or at one with the descent leading inwards."""
    working = objective.working
    held = ((w <= working.lower) & (gradient > 0)) | ((w >= working.upper) & (gradient < 0))
    return ~held


def approach(
    objective: Objective, start: NDArray, there: Derivatives, part: Objective | None = None
) -> Optimum | None:
    """Newton steps at once, where a start is near a maximum; None where it is not.

    Near is a start at which the information is positive and promises no more than `NEAR`: there
    Newton's steps need fewer passes over the rows than a quasi-Newton method, which learns the
    curvature on its way.

    Parameters
    ----------
    objective, start, there, part
        As for `descend`; with a part the steps are of its curvature, and the last one of all rows'.
    """
    seen = objective if part is None else part
    value, gradient, natural = there
    if not (np.isfinite(value) and np.isfinite(natural).all()):
        return None
    free = _free(seen, start, gradient)
    hessian = seen.hessian(start, gradient, natural)
    scale, eigenvalues, directions = equilibrated(hessian, free)
    slope = directions.T @ (gradient[free] * scale)
    near = eigenvalues.min(initial=1.0) > SURE
    if not (near and seen.rows.n * np.sum(slope**2 / eigenvalues) / 2.0 < NEAR):
        return None
    first = Optimum(start, value, np.inf, Status.STALLED, 0)
    found = polish(objective, first, part, there)
    return found if found.status in (Status.CONVERGED, Status.EDGE) else None


def equilibrated(hessian: NDArray, free: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Scales of the free entries, eigenvalues and directions of the Hessian in these units."""
    # Equilibrated, so that damping means the same in every coordinate.
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian))[free], 1e-300))
    return scale, *np.linalg.eigh(hessian[np.ix_(free, free)] * np.outer(scale, scale))


def polish(
    objective: Objective,
    optimum: Optimum,
    part: Objective | None = None,
    there: Derivatives | None = None,
) -> Optimum:
    """Newton steps, damped and kept within the bounds, until nothing is left to gain.

    L-BFGS-B stops on a relative change of the objective, which at large n leaves an error above
    the statistical one and flattens measured rates. The Newton decrement, summed over the rows,
    measures what is left in units of log-likelihood.

    Parameters
    ----------
    objective : Objective
    optimum : Optimum
        Where to begin.
    part : Objective, optional
        On a part of the rows: steps are of its curvature as long as it says that they gain.
    there : Derivatives, optional
        Of the objective at the beginning, where they are known; with a part they are not used.
    """
    if optimum.status is Status.NON_FINITE:
        return optimum
    working, n = objective.working, objective.rows.n
    w = optimum.w
    if part is None:
        value, gradient, natural = objective.derivatives(w) if there is None else there
    else:
        value, gradient = objective.value_and_gradient(w)
        natural = None
    damping, iterations, status = 0.0, optimum.iterations, Status.STALLED
    last = np.inf
    for _ in range(NEWTON_STEPS):
        if part is not None:
            theta = working.natural(w)
            hessian = part.hessian(w, gradient, part.natural_hessian(theta))
        else:
            if natural is None:
                natural = objective.natural_hessian(working.natural(w))
            hessian = objective.hessian(w, gradient, natural)
        free = _free(objective, w, gradient)
        if not np.isfinite(hessian).all():
            status = Status.NON_FINITE
            break
        scale, eigenvalues, directions = equilibrated(hessian, free)
        slope = directions.T @ (gradient[free] * scale)
        sound = eigenvalues > 1e-13
        done = sound.all() and n * np.sum(slope**2 / eigenvalues) / 2.0 < LOSS
        held = not free.all() and not sound.all() and n * np.sum(slope**2) < LOSS
        promise = np.sum(slope**2 / np.maximum(np.abs(eigenvalues), 1e-13))
        if part is not None and (done or held or promise > SLOW * last):
            # What is left is for all rows to say.
            part = None
            continue
        last = promise
        if done or held:
            status = Status.CONVERGED if free.all() else Status.EDGE
            break
        moved = False
        while damping < 1e12:
            curvature = np.maximum(np.abs(eigenvalues), 1e-13) + damping
            step = np.zeros_like(w)
            step[free] = -scale * (directions @ (slope / curvature))
            trial = np.clip(w + step, working.lower, working.upper)
            if part is None and n <= EAGER:
                trial_value, trial_gradient, trial_natural = objective.derivatives(trial)
            else:
                trial_value, trial_gradient = objective.value_and_gradient(trial)
                trial_natural = None
            # Close to the optimum the value is flat to rounding; a tie counts as progress there.
            if np.isfinite(trial_gradient).all() and trial_value <= value + 4e-16 * abs(value):
                moved = bool(np.any(trial != w))
                w, value, gradient = trial, trial_value, trial_gradient
                natural = trial_natural
                damping = 0.0 if damping < 1e-6 else damping / 10.0
                break
            damping = max(10.0 * damping, 1e-6)
        iterations += 1
        if not moved:
            break
    norm = float(np.max(np.abs(gradient), where=_free(objective, w, gradient), initial=0.0))
    return Optimum(w, value, norm, status, iterations, natural, optimum.origin)


def finish(
    objective: Objective,
    start: NDArray,
    basins: Basins,
    worth: float = np.inf,
    part: Objective | None = None,
    there: Derivatives | None = None,
) -> Optimum:
    """The maximum that a start leads to, to full precision, and known from now on.

    Parameters
    ----------
    objective, start, basins, part, there
        As for `descend`.
    worth : float
        Ends of a greater value are left as they are.
    """
    end = descend(objective, start, part, basins, there)
    if end.status is Status.CONVERGED or not end.value <= worth:
        return end
    end = polish(objective, end)
    basins.add(end)
    return end


def seek(
    objective: Objective, start: NDArray, basins: Basins, part: Objective | None = None
) -> Optimum:
    """The same from a start that may be near a maximum: by Newton's steps alone where it is."""
    there = (objective if part is None else part).derivatives(start)
    near = approach(objective, start, there, part)
    if near is None:
        return finish(objective, start, basins, part=part, there=there)
    basins.add(near)
    return near
