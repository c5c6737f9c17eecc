"""The modulus of continuity about a fitted model, its inputs drawn from the rows at hand."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.study.targets import EXPERT
from bayes_cmoe.theory.ball import Ball, farthest
from bayes_cmoe.theory.functional import Functional, functional_named
from bayes_cmoe.theory.hellinger import Hellinger
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores

__all__ = ["fitted_moduli", "inner_box", "moduli_about"]

DRAWS = 2**12
MARGIN = 1e-10
RADIUS = 8**-0.5
"""Times n^-1/2: where the theory is local the modulus is then the information bound."""


def fitted_moduli(
    posterior: Posterior,
    engine: Scores,
    theta: NDArray,
    columns: Columns,
    sizes: Sequence[int],
    *,
    classes: int | None,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Modulus of the share and of the expert about theta, at each size.

    Parameters
    ----------
    posterior : Posterior
    engine : Scores
    theta : array, shape (parameter,)
    columns : dict of str to array
        The rows; inputs are drawn from them with replacement.
    sizes : sequence of int
    classes : int, optional
        Number of classes of a class response.
    seed : int

    Returns
    -------
    dict of the target's name to its modulus at each size.
    """
    names = (engine.targets.share, EXPERT)
    functionals = [functional_named(engine.targets, name) for name in names]
    found = moduli_about(
        posterior, engine, theta, columns, functionals, sizes, classes=classes, seed=seed
    )
    return dict(zip(names, found.tolist(), strict=True))


def moduli_about(
    posterior: Posterior,
    engine: Scores,
    theta: NDArray,
    columns: Columns,
    functionals: Sequence[Functional],
    sizes: Sequence[float],
    *,
    classes: int | None,
    seed: int = 0,
) -> NDArray:
    """Modulus of functionals about theta, at each size.

    w = sup |psi - psi(theta)| within Hellinger distance 8^-1/2 n^-1/2 of the density at theta. The
    search starts from the Fisher ellipsoid, and from no prompt and the prompt alone where these are
    so close.

    Parameters
    ----------
    posterior : Posterior
        Its support is the box, which must be finite.
    engine : Scores
    theta : array, shape (parameter,)
    columns : dict of str to array
        The rows; inputs are drawn from them with replacement.
    functionals : sequence of Functional
    sizes : sequence of float
    classes : int, optional
        Number of classes of a class response.
    seed : int

    Returns
    -------
    array, shape (functional, size)
    """
    mixture = engine.targets.mixture
    known = {name: column for name, column in columns.items() if name != engine.response}

    def inputs(rng: Generator, count: int) -> Columns:
        pick = rng.integers(len(known["x"]), size=count)
        return {name: column[pick] for name, column in known.items()}

    hellinger = Hellinger(engine, inputs, classes)
    lower, upper = inner_box(posterior)
    free = engine.targets.expert_entries
    shut, alone = theta.copy(), theta.copy()
    share = engine.layout.slices[mixture.gate.share.parameter]
    shut[share], alone[share] = lower[share], upper[share]
    far = [(shut, free[:0]), (alone, free)]

    def modulus(functional: Functional, size: float) -> float:
        ball = Ball(hellinger, functional, theta, lower, upper, RADIUS / size**0.5)
        return max(point.change for point in farthest(ball, far, DRAWS, seed))

    return np.array([[modulus(own, size) for size in sizes] for own in functionals])


def inner_box(posterior: Posterior) -> tuple[NDArray, NDArray]:
    """The box that a search keeps to, a hair inside the support."""
    margin = MARGIN * (posterior.upper - posterior.lower)
    return posterior.lower + margin, posterior.upper - margin
