"""Fisher information at truths of a regime, and the bound on the error that follows.

I = E[s s'], s the score of one row at the truth; the bound is `fisher.Information`'s. The
expectation is over nodes that the model itself places (`nodes`), and each number comes with its
Monte-Carlo error.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import BLOCK
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import Function, combination
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.draws import DRAWS
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.scores import scores_of

__all__ = [
    "ACCURACY",
    "check_accuracy",
    "information",
    "information_along",
    "truth_at",
]

ACCURACY = 0.01
"""Largest relative Monte-Carlo error at which a bound is given; the default draws keep to it."""


def truth_at(
    regime: Regime,
    n: float,
    alpha: Fraction | float | None = None,
    gamma: Fraction | float | None = None,
    truth: Mapping[str, ArrayLike] | None = None,
) -> dict[str, NDArray]:
    """The regime's truth at n, with some parameters replaced.

    Raises
    ------
    InputError
        When a replaced parameter is unknown or lies outside the regime's box.
    """
    values = regime.truth(n, alpha, gamma)
    for name, value in (truth or {}).items():
        lower, upper = regime.box[choose("parameter", name, values)]
        given = numbers(f"the truth's {name}", value)
        if given.shape != values[name].shape:
            raise InputError(f"{name} has shape {given.shape}: give {values[name].shape}")
        if not np.all((given >= lower) & (given <= upper)):
            raise InputError(
                f"the truth {name} = {given} lies outside the box [{lower:g}, {upper:g}]: "
                "choose a point inside"
            )
        values[name] = given
    return values


def information_along(
    variant: str | Variant,
    regime: str | Regime,
    truths: Sequence[Mapping[str, ArrayLike]],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> list[Information]:
    """Information at several truths from common random numbers.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
        Gives the experts and the inputs.
    truths : sequence of mappings of str to array
    draws : int
        Rows (x, y) at each truth, at least; see `bayes_cmoe.theory.nodes`.
    seed : int

    Raises
    ------
    InputError
        When a truth is singular (which parameters are not identified), the fit has more experts
        than the truth, or the draws are fewer than the information needs.
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    if setting.over_specified:
        raise InputError(
            f"regime {setting.name!r} has more experts than its truth, which is a set, "
            "and has no information bound: look at its profiles (bayes_cmoe.theory.profiles)"
        )
    engine = scores_of(chosen, setting)
    least = max(16 * BLOCK, 200 * engine.layout.size)
    if draws < least:
        raise InputError(
            f"{draws} draws are too few for {engine.layout.size} parameters: give at least {least}"
        )
    thetas = [engine.layout.ravel(truth) for truth in truths]
    # A truth that does not move is asked for at every size, and found once.
    distinct = {theta.tobytes(): theta for theta in thetas}
    roots, moments, rows = engine.moments(setting, list(distinct.values()), draws, seed)
    found = {
        key: Information(engine.layout, theta, root, blocks, rows)
        for (key, theta), root, blocks in zip(distinct.items(), roots, moments, strict=True)
    }
    for truth, theta in zip(truths, thetas, strict=True):
        if not np.isfinite(found[theta.tobytes()].blocks).all():
            point = ", ".join(f"{name} = {np.asarray(value)}" for name, value in truth.items())
            raise InputError(
                f"the information is not finite at {point}: move the truth inside its range"
            )
    return [found[theta.tobytes()] for theta in thetas]


def check_accuracy(name: str, error: float, draws: int, accuracy: float) -> None:
    """Raise an InputError that says how many draws are needed, when `draws` are too few."""
    if not error <= accuracy:
        needed = draws * (error / accuracy) ** 2 * 1.2
        raise InputError(
            f"{draws} draws give the bound of {name} to {error:.1%} only, {accuracy:.1%} is wanted:"
            f" about {needed:.2g} draws are needed"
        )


def information(
    variant: str | Variant,
    regime: str | Regime,
    *,
    n: float = 1e4,
    alpha: Fraction | float | None = None,
    gamma: Fraction | float | None = None,
    truth: Mapping[str, ArrayLike] | None = None,
    functions: Mapping[str, Function] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    accuracy: float = ACCURACY,
) -> xr.Dataset:
    """Information bound at one truth.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
    n : float
        Sample size: of the bound, and of the truth where it moves.
    alpha, gamma : optional
        Other exponents of the truth path than the regime's own.
    truth : mapping of str to array, optional
        Replaces parameters of the regime's truth.
    functions : mapping of str to callable, optional
        More targets: each takes the named parameters and returns a number or vector, by JAX.
    draws, seed : int
        Of the Monte-Carlo expectation.
    accuracy : float
        Largest relative Monte-Carlo error at which a bound is given.

    Returns
    -------
    xarray.Dataset with ``bound`` and ``bound_se`` (parameter) on the RMSE at n, ``truth`` (entry),
    ``information`` (entry, entry_), and of the information scaled to unit diagonal ``eigenvalue``
    (direction), ``eigenvector`` (direction, entry); attributes ``condition`` and ``hardest`` (the
    combination that is hardest to learn, each entry in units of its error were the others known).

    Raises
    ------
    InputError
        When the truth is outside the box or singular, or the draws are too few.

    Examples
    --------
    >>> found = information("constant_contaminated", "distinguishable", n=1e4)
    >>> bool(found.bound.sel(parameter="lam") < found.bound.sel(parameter="expert"))
    True
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    values = truth_at(setting, n, alpha, gamma, truth)
    (found,) = information_along(chosen, setting, [values], draws=draws, seed=seed)
    layout = found.layout
    targets = scores_of(chosen, setting).targets.jacobians(found.theta, functions)
    bounds, errors = [], []
    for name, jacobian in targets.items():
        deviation, influence = found.deviation(jacobian)
        error = float(influence.std(ddof=1) / len(influence) ** 0.5)
        check_accuracy(name, error, found.rows, accuracy)
        bounds.append(deviation / n**0.5)
        errors.append(error * bounds[-1])
    eigenvalues, eigenvectors = found.spectrum
    labels = list(layout.labels)
    return xr.Dataset(
        {
            "bound": ("parameter", bounds),
            "bound_se": ("parameter", errors),
            "truth": ("entry", found.theta),
            "information": (("entry", "entry_"), found.matrix),
            "eigenvalue": ("direction", eigenvalues),
            "eigenvector": (("direction", "entry"), eigenvectors),
        },
        coords={"parameter": list(targets), "entry": labels, "entry_": labels},
        attrs={
            "variant": chosen.name,
            "regime": setting.name,
            "n": float(n),
            "draws": found.rows,
            "seed": seed,
            "condition": float(eigenvalues[-1] / eigenvalues[0]),
            "hardest": combination(labels, eigenvectors[0]),
        },
    )
