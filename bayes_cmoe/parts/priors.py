"""Priors for the unknown G = (gate; eta; nu): a flat one on a compact box, a weak proper one.

Under the flat prior the posterior mode is the maximum-likelihood estimate over the box, which is
the setting of the theory. The prior is O(1) and the likelihood O(n): the choice fades as the data
grow, except along directions in which the prompt merges with the frozen expert or vanishes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.parts.arrays import numbers
from bayes_cmoe.parts.parameter import Parameter, Reference
from bayes_cmoe.parts.prior import Box, Weak, prior_of, spread_out

__all__ = ["Box", "Prior", "Weak", "checked_prior", "priors_for"]

WIDTH = 10.0
"""Half-width of the flat box, in standard deviations of the weak prior."""
NARROWEST, BROADEST = 1e-4, 1e2
"""Edges of the flat box of a variance, as shares of the variance of y. The likelihood has no upper
bound as the variance of a prompt on a handful of rows shrinks, so the lower one matters: at a
hundredth of the standard deviation of y such spikes lose against real prompts of tens of rows."""
KINDS = {
    (-np.inf, np.inf): ("normal", "lognormal", "beta"),
    (0.0, np.inf): ("lognormal", "beta"),
    (0.0, 1.0): ("beta",),
}
"""The weak priors that stay inside a support."""

Prior = str | Mapping[str, Box | Weak | tuple[float, float] | Mapping[str, Any]]
"""A name, or a value for some parameters: a `Box`, a `Weak`, bounds, or any of these as JSON."""


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
) -> dict[str, Box | Weak]:
    """A prior for each unknown.

    Parameters
    ----------
    prior : {"flat", "weak"} or mapping of str to Box, Weak, (lower, upper) or mapping
        ``"flat"``: uniform on a box of 10 weak standard deviations on either side, a variance
        between 1e-4 and 100 times that of y, a share in (0, 1). ``"weak"``: weakly informative on
        the reference's scale. A mapping replaces the weak prior of the parameters that it names;
        its values may be in their plain form, see `bayes_cmoe.parts.prior.content_of`.
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
    for name in prior:
        choose("parameter", name, declared)
    return {**weak, **{name: checked_prior(declared[name], value) for name, value in prior.items()}}


def checked_prior(parameter: Parameter, prior: Any) -> Box | Weak:
    """One parameter's prior, of a kind there is and inside the parameter's support.

    Parameters
    ----------
    parameter : Parameter
    prior : Box, Weak, (lower, upper), or mapping with the plain form of one

    Raises
    ------
    InputError
        When it is of no known kind, reversed, not bounded, or leaves the support.
    """
    name, (lowest, highest) = parameter.name, parameter.support
    if isinstance(prior, Mapping):
        prior = prior_of(name, prior)
    if isinstance(prior, Weak):
        choose(f"weak prior of {name}", prior.kind, KINDS[parameter.support])
        center, sd = numbers(f"the center of {name}", prior.center), numbers("sd", prior.sd)
        if not (np.isfinite(center).all() and np.isfinite(sd).all() and (sd > 0).all()):
            raise InputError(f"the prior of {name}: give a finite center and a positive sd")
        if prior.kind == "lognormal" and not (center > 0).all():
            raise InputError(f"the log-normal prior of {name}: give a positive center")
        return prior
    if isinstance(prior, tuple) and len(prior) == 2:
        bounds = [numbers(f"the box of {name}", bound) for bound in prior]
        prior = Box(spread_out(bounds[0]), spread_out(bounds[1]))
    if not isinstance(prior, Box):
        raise InputError(
            f"the prior of {name} is {shortened(repr(prior))}: give (lower, upper), a Box or a Weak"
        )
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
