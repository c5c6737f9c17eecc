"""The modulus of continuity about a fitted model, its inputs drawn from the rows at hand."""

from collections.abc import Sequence

from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.study.targets import EXPERT
from bayes_cmoe.theory.ball import Ball, farthest
from bayes_cmoe.theory.functional import functional_named
from bayes_cmoe.theory.hellinger import Hellinger
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores

__all__ = ["fitted_moduli"]

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

    w = sup |psi - psi(theta)| within Hellinger distance 8^-1/2 n^-1/2 of the fitted density. The
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
    sizes : sequence of int
    classes : int, optional
        Number of classes of a class response.
    seed : int

    Returns
    -------
    dict of the target's name to its modulus at each size.
    """
    targets = engine.targets
    known = {name: column for name, column in columns.items() if name != engine.response}

    def inputs(rng: Generator, count: int) -> Columns:
        pick = rng.integers(len(known["x"]), size=count)
        return {name: column[pick] for name, column in known.items()}

    hellinger = Hellinger(engine, inputs, classes)
    margin = MARGIN * (posterior.upper - posterior.lower)
    lower, upper = posterior.lower + margin, posterior.upper - margin
    free = targets.expert_entries
    shut, alone = theta.copy(), theta.copy()
    share = engine.layout.slices[targets.mixture.gate.share.parameter]
    shut[share], alone[share] = lower[share], upper[share]
    far = [(shut, free[:0]), (alone, free)]
    found: dict[str, list[float]] = {}
    for name in (targets.share, EXPERT):
        functional = functional_named(targets, name)
        found[name] = [
            max(
                point.change
                for point in farthest(
                    Ball(hellinger, functional, theta, lower, upper, RADIUS / size**0.5),
                    far,
                    DRAWS,
                    seed,
                )
            )
            for size in sizes
        ]
    return found
