"""Priors for the unknown G = (gate; eta; nu): a flat one on a compact box, a weak proper one.

Under the flat prior the posterior mode is the maximum-likelihood estimate over the box, which is
the setting of the theory. The prior is O(1) and the likelihood O(n): the choice fades as the data
grow, except along directions in which the prompt merges with the frozen expert or vanishes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.distribution import Distribution, distribution_of, prior_from_text
from bayes_cmoe.parts.parameter import Parameter, Reference
from bayes_cmoe.parts.prior import KINDS, Box, Weak, prior_of, spread_out

__all__ = ["Box", "OnePrior", "Prior", "Weak", "checked_prior", "priors_for", "variable_of"]

WIDTH = 10.0
"""Half-width of the flat box, in standard deviations of the weak prior."""
NARROWEST, BROADEST = 1e-4, 1e2
"""Edges of the flat box of a variance, as shares of the variance of y. The likelihood has no upper
bound as the variance of a prompt on a handful of rows shrinks, so the lower one matters: at a
hundredth of the standard deviation of y such spikes lose against real prompts of tens of rows."""
WEAK = ("normal", "lognormal", "beta")

OnePrior = Box | Weak | Distribution
Prior = str | Mapping[str, Any]
"""A name, or a value for some parameters; see `checked_prior` for what it may be."""


def _flat(weak: Weak) -> Box:
    center, half = np.asarray(weak.center), WIDTH * np.asarray(weak.sd)
    if weak.kind == "beta":
        return Box(0.0, 1.0)
    if weak.kind == "lognormal":
        # A weak prior's centre is half the variance of y.
        lower, upper = 2.0 * NARROWEST * center, 2.0 * BROADEST * center
        return Box(float(lower), float(upper), start=float(center))
    return Box(spread_out(center - half), spread_out(center + half))


def priors_for(
    prior: Prior, parameters: Sequence[Parameter], reference: Reference
) -> dict[str, OnePrior]:
    """A prior for each unknown.

    Parameters
    ----------
    prior : {"flat", "weak"} or mapping of str to a prior
        ``"flat"``: uniform on a box of 10 weak standard deviations on either side, a variance
        between 1e-4 and 100 times that of y, a share in (0, 1). ``"weak"``: weakly informative on
        the reference's scale. A mapping replaces the weak prior of the parameters that it names;
        `checked_prior` says what a value may be.
    parameters : sequence of Parameter
    reference : Reference

    Raises
    ------
    InputError
        When the name is unknown, a mapping names an unknown parameter, or a prior is of no known
        kind, reversed, not bounded, or leaves the parameter's support.

    Examples
    --------
    >>> from bayes_cmoe.parts.data import Data
    >>> from bayes_cmoe.parts.parameter import share
    >>> reference = Reference.of(Data(x=[0.0, 1.0, 2.0], y=[1.0, 1.5, 1.9]), unit=True)
    >>> priors_for({"lam": (0.0, 0.5)}, [share("lam")], reference)["lam"]
    Box(lower=0.0, upper=0.5, start=None)
    """
    declared = {parameter.name: parameter for parameter in parameters}
    weak = {name: parameter.weak(reference) for name, parameter in declared.items()}
    if isinstance(prior, str):
        chosen = choose("prior", prior, ("flat", "weak"))
        return {name: _flat(own) if chosen == "flat" else own for name, own in weak.items()}
    if not isinstance(prior, Mapping):
        raise InputError(
            f"the prior is {shortened(repr(prior))}: give 'weak', 'flat', or a prior for each "
            "parameter by its name, such as {'"
            f"{next(iter(declared), 'name')}': Box(0.1, 0.9)}}"
        )
    for name in prior:
        choose("parameter", name, declared)
    return {**weak, **{name: checked_prior(declared[name], value) for name, value in prior.items()}}


def checked_prior(parameter: Parameter, prior: Any) -> OnePrior:
    """One parameter's prior, of a kind there is and inside the parameter's support.

    Parameters
    ----------
    parameter : Parameter
    prior : object
        A `Box`, a `Weak`, (lower, upper); a text such as ``"beta(2, 8)"``, see
        `bayes_cmoe.parts.distribution.prior_from_text`; a mapping with the plain form of one, see
        `bayes_cmoe.parts.prior.content_of`; or a distribution of PyMC (``pm.Beta.dist(2, 8)``),
        PreliZ or pymc-extras, whose support and shape are checked in the model.

    Raises
    ------
    InputError
        When it is of no known kind, reversed, not bounded, or leaves the support.
    """
    name = parameter.name
    if isinstance(prior, str):
        prior = prior_from_text(name, prior)
    elif isinstance(prior, Mapping):
        prior = prior_of(name, prior)
    if isinstance(prior, Weak):
        return _checked_weak(parameter, prior)
    if isinstance(prior, tuple) and len(prior) == 2:
        bounds = [numbers(f"the box of {name}", bound) for bound in prior]
        prior = Box(spread_out(bounds[0]), spread_out(bounds[1]))
    if isinstance(prior, Box):
        return _checked_box(parameter, prior)
    distribution = distribution_of(name, prior)
    if distribution is None:
        raise InputError(
            f"the prior of {name} is {shortened(repr(prior))}: give (lower, upper), a Box, a Weak, "
            "a text such as 'normal(0, 1)', or a distribution such as pm.Beta.dist(2, 8)"
        )
    return distribution


def _checked_weak(parameter: Parameter, prior: Weak) -> Weak:
    name, (lowest, highest) = parameter.name, parameter.support
    inside = [
        kind
        for kind in WEAK
        if Weak(kind).support[0] >= lowest and Weak(kind).support[1] <= highest
    ]
    choose(f"weak prior of {name}", prior.kind, inside)
    own = {key: numbers(f"{key} of {name}", getattr(prior, key)) for key in KINDS[prior.kind]}
    first, last = own.values()
    if not (np.isfinite(first).all() and np.isfinite(last).all() and (last > 0).all()):
        raise InputError(f"the prior of {name}: give a finite {' and a positive '.join(own)}")
    if prior.kind != "normal" and not (first > 0).all():
        raise InputError(f"the {prior.kind} prior of {name}: give a positive {next(iter(own))}")
    return prior


def _checked_box(parameter: Parameter, prior: Box) -> Box:
    name, (lowest, highest) = parameter.name, parameter.support
    lower, upper = (numbers(f"the box of {name}", bound) for bound in (prior.lower, prior.upper))
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        raise InputError(f"the box of {name} is not bounded: give two finite numbers")
    if not np.all(lower < upper):
        raise InputError(f"the box of {name} is empty: its lower bound must be below its upper")
    if not (np.all(lower >= lowest) and np.all(upper <= highest)):
        raise InputError(
            f"the box of {name}, {spread_out(lower)} to {spread_out(upper)}, leaves its support, "
            f"{lowest:g} to {highest:g}: give bounds inside"
        )
    if prior.start is not None and not np.all((lower <= prior.start) & (prior.start <= upper)):
        raise InputError(f"the box of {name} does not hold its start: give a start inside")
    return prior


def variable_of(parameter: Parameter, prior: OnePrior) -> Tensor:
    """The parameter's random variable in the model on the stack.

    Raises
    ------
    InputError
        When the prior's numbers or shape do not fit, or it leaves the parameter's support.
    """
    variable = prior.variable(parameter.name, parameter.dims)
    if isinstance(prior, Distribution):
        prior.check_support(parameter.name, parameter.support, variable)
    return variable
