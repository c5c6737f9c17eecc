"""How far share and function may move within what n rows tell apart, about a truth of a form."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.theory.ball import Ball, farthest
from bayes_cmoe.theory.fitted import DRAWS, MARGIN, RADIUS
from bayes_cmoe.theory.forms import Form
from bayes_cmoe.theory.functional import Functional
from bayes_cmoe.theory.hellinger import Hellinger
from bayes_cmoe.theory.nodes import Columns

__all__ = ["form_moduli"]


def form_moduli(form: Form, theta: NDArray, n: float, seed: int = 0) -> NDArray | None:
    """The modulus of the mean share and of the function; None where theta is outside the box.

    w = sup |psi - psi(theta)| within Hellinger distance 8^-1/2 n^-1/2, that of the function as root
    mean square over the prompt's own rows at theta, in standard deviations of f0. As
    `bayes_cmoe.theory.fitted.fitted_moduli`, for what can be compared between forms.

    Parameters
    ----------
    form : Form
    theta : array, shape (parameter,)
    n : float
    seed : int

    Returns
    -------
    array, shape (2,)
    """
    posterior, engine = form.posterior, form.engine
    margin = MARGIN * (posterior.upper - posterior.lower)
    lower, upper = posterior.lower + margin, posterior.upper - margin
    if not np.all((theta > lower) & (theta < upper)):
        return None
    known = {name: column for name, column in form.used.items() if name != engine.response}

    def inputs(rng: Generator, count: int) -> Columns:
        pick = rng.integers(len(known["x"]), size=count)
        return {name: column[pick] for name, column in known.items()}

    root = jnp.sqrt(jnp.asarray(form.function_slopes(theta)[1]))
    whole = form.function.function
    function = Functional(form.function.name, lambda point: root * whole(point))
    free = form.targets.expert_entries
    shut, alone = theta.copy(), theta.copy()
    place = engine.layout.slices[form.targets.mixture.gate.share.parameter]
    shut[place], alone[place] = lower[place], upper[place]
    far = [(shut, free[:0]), (alone, free)]
    hellinger = Hellinger(engine, inputs, form.classes)
    return np.array(
        [
            max(
                point.change
                for point in farthest(
                    Ball(hellinger, functional, theta, lower, upper, RADIUS / n**0.5),
                    far,
                    DRAWS,
                    seed,
                )
            )
            for functional in (form.mean_share, function)
        ]
    )
