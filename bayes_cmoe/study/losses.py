"""Distances from an estimate, or from every posterior draw, to the truth.

Everything works along axes: parameters last, any number of draws in front. A target is what an
error is stated for: an entry of theta, a vector parameter as a whole (Euclidean norm), exp tau, the
joint norm of the expert's parameters, and the variant's own loss, whose terms are weighted so that
each falls as n^-1/2 on the regime's path.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.errors import InputError
from bayes_cmoe.study.regime import Rate

__all__ = [
    "Components",
    "components_of",
    "differences",
    "distances",
    "is_scalar",
    "merging_distance",
    "prompt_share",
    "published_loss",
]

Components = dict[str, tuple[int, ...]]
"""For each target the entries of the difference vector that it is made of."""


def components_of(layout: Layout, expert: Sequence[str]) -> Components:
    """What each target is made of: entries, vector parameters, ``exp_tau``, ``expert``.

    Parameters
    ----------
    layout : Layout
    expert : sequence of str
        The expert's parameters; their joint norm is the target ``expert``.

    Returns
    -------
    dict of str to tuple of int
        Indices into the last axis of `differences`: the entries of theta, then exp tau where the
        gate has a tau.

    Examples
    --------
    >>> layout = Layout(("lam", "a"), ((), (2,)), ((), ("feature",)), {"feature": ("x1", "x2")})
    >>> components_of(layout, ["a"])
    {'lam': (0,), 'a[x1]': (1,), 'a[x2]': (2,), 'a': (1, 2), 'expert': (1, 2)}
    """
    found: Components = {label: (i,) for i, label in enumerate(layout.labels)}
    spans = {name: tuple(range(part.start, part.stop)) for name, part in layout.slices.items()}
    found |= {name: spans[name] for name in layout.names if name not in found}
    if "tau" in layout.names:
        found["exp_tau"] = (layout.size,)
    if expert:
        found["expert"] = tuple(i for name in expert for i in spans[name])
    return found


def differences(layout: Layout, theta: ArrayLike, truth: ArrayLike) -> NDArray:
    """theta - theta*, then exp tau - exp tau* where there is a tau.

    Parameters
    ----------
    layout : Layout
    theta : array, shape (..., parameter)
    truth : array, shape (parameter,)

    Returns
    -------
    array, shape (..., parameter) or (..., parameter + 1)
    """
    here, there = np.asarray(theta, dtype=float), np.asarray(truth, dtype=float)
    shift = here - there
    if "tau" not in layout.names:
        return shift
    tau = layout.slices["tau"]
    return np.concatenate([shift, np.exp(here[..., tau]) - np.exp(there[tau])], axis=-1)


def is_scalar(components: Components) -> NDArray:
    """Which targets are one number, so that they have a sign and an interval; (target,)"""
    return np.array([len(entries) == 1 for entries in components.values()])


def distances(components: Components, shift: ArrayLike) -> NDArray:
    """Error of every target: with its sign for one number, the Euclidean norm for several.

    Parameters
    ----------
    components : Components
    shift : array, shape (..., component)
        From `differences`.

    Returns
    -------
    array, shape (..., target)

    Examples
    --------
    >>> distances({"b": (0,), "expert": (0, 1)}, [-3.0, 4.0])
    array([-3.,  5.])
    """
    table = np.asarray(shift, dtype=float)
    columns = [
        table[..., entries[0]]
        if len(entries) == 1
        else np.sqrt(np.sum(table[..., list(entries)] ** 2, axis=-1))
        for entries in components.values()
    ]
    return np.stack(columns, axis=-1)


def prompt_share(truth: Mapping[str, NDArray]) -> float:
    """lambda*, or exp tau* where the gate depends on x: the scale on which the prompt vanishes."""
    return float(truth["lam"]) if "lam" in truth else float(np.exp(truth["tau"]))


def merging_distance(truth: Mapping[str, NDArray], center: Mapping[str, ArrayLike]) -> float:
    """‖Delta*‖, the distance of the expert's true parameters from where they merge to."""
    squares = [np.sum((truth[name] - np.asarray(place)) ** 2) for name, place in center.items()]
    return float(np.sqrt(np.sum(squares)))


def published_loss(
    errors: Mapping[str, ArrayLike], rates: Sequence[Rate], share: float, distance: float
) -> NDArray:
    """The variant's loss: one term for each published rate, weighted so that it is n^-1/2.

        loss = sum over rates of (share^A distance^G |error|)^(1 / 2c)

    for a published error n^(-c + A alpha + G gamma) at share ~ n^-alpha, distance ~ n^-gamma. For
    the constant gate and a strongly identifiable expert this is
    ‖Delta*‖² |lam - lam*| + lam* ‖Delta*‖ ‖(eta, nu) - (eta*, nu*)‖; a rate that is the square root
    of another (the linear expert's intercept, c = 1/4) enters squared.

    Parameters
    ----------
    errors : mapping of str to array, shape (...)
        Error of each target.
    rates : sequence of Rate
        The regime's published rates.
    share : float
        lambda*, or exp tau*.
    distance : float
        ‖Delta*‖.

    Returns
    -------
    array, shape (...); NaN when nothing is published for the regime.

    Raises
    ------
    InputError
        When a rate names a target that has no error.

    References
    ----------
    Yan et al. (2024), arXiv:2410.12258; (2025), arXiv:2505.18455.

    Examples
    --------
    >>> from bayes_cmoe.study.variant import variant_named
    >>> rates = variant_named("constant_contaminated").regime("merging").published
    >>> loss = published_loss({"lam": -0.1, "expert": 0.2}, rates, share=0.5, distance=2.0)
    >>> round(float(loss), 12)
    0.6
    """
    if not rates:
        return np.full(np.shape(next(iter(errors.values()))), np.nan)
    total: NDArray = np.zeros(())
    for rate in rates:
        if rate.parameter not in errors:
            raise InputError(
                f"a rate is published for {rate.parameter!r}, which is no target here: "
                f"name one of {', '.join(errors)}"
            )
        upper = rate.upper
        weight = share ** float(upper.alpha) * distance ** float(upper.gamma)
        power = -0.5 / float(upper.constant)
        total = total + (weight * np.abs(np.asarray(errors[rate.parameter]))) ** power
    return total
