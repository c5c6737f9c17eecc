"""How far share and function may move within what n rows tell apart, about a truth of a form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.device import jnp
from bayes_cmoe.theory.fitted import inner_box, moduli_about
from bayes_cmoe.theory.forms import Form
from bayes_cmoe.theory.functional import Functional

__all__ = ["form_moduli"]


def form_moduli(form: Form, theta: NDArray, n: float, seed: int = 0) -> NDArray | None:
    """The modulus of the mean share and of the function; None where theta is outside the box.

    That of the function is a root mean square over the prompt's own rows at theta, in standard
    deviations of f0. As `bayes_cmoe.theory.fitted.fitted_moduli`, for what can be compared between
    forms.

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
    lower, upper = inner_box(form.posterior)
    if not np.all((theta > lower) & (theta < upper)):
        return None
    root = jnp.sqrt(jnp.asarray(form.function_slopes(theta)[1]))
    whole = form.function.function
    function = Functional(form.function.name, lambda point: root * whole(point))
    found = moduli_about(
        form.posterior, form.engine, theta, form.used, (form.mean_share, function), (n,),
        classes=form.classes, seed=seed,
    )  # fmt: skip
    return found[:, 0]
