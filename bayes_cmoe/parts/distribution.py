"""Priors from elsewhere: PyMC's distributions, PreliZ's, those of pymc-extras, and their names.

They are known by what they do, so none of these packages is needed but PyMC: ``pm.Beta.dist(2, 8)``
is a random variable, PreliZ's have ``to_pymc``, ``pymc_extras.Prior`` has ``create_variable``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_cmoe.compiled.private import (
    borrowed,
    class_name,
    continuous_distributions,
    depends_on_random,
    is_random,
    support,
    ties_entries,
    written,
)
from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.prior import Box, Weak, check_shape

__all__ = ["Distribution", "distribution_of", "prior_from_text"]

_CALL = re.compile(r"\s*([A-Za-z]\w*)\s*\(([^()]*)\)\s*")
_ARGUMENT = re.compile(r"\s*(?:([A-Za-z]\w*)\s*=)?\s*([^\s=]+)\s*")
IMPROPER = ("Flat", "HalfFlat")
REFUSALS = (ValueError, TypeError, KeyError, NotImplementedError)
"""What a distribution raises of numbers that make no sense."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """A distribution of PyMC's, or of a package that makes one, as the prior of one parameter.

    Parameters
    ----------
    make : callable
        ``make(name)``: the random variable, in a model of its own.
    words : str
        As messages and summaries show it.
    dims : tuple of str
        That it states itself.
    text : str
        From which it can be made again; empty where it cannot.
    """

    make: Callable[[str], Tensor]
    words: str
    dims: tuple[str, ...] = ()
    text: str = ""

    def __str__(self) -> str:
        return self.words

    def __repr__(self) -> str:
        return f"Distribution({self.words})"

    @property
    def rank(self) -> int:
        """Number of axes along which it differs."""
        return len(self.dims) or self._made("its own", {}).ndim

    def variable(self, name: str, dims: tuple[str, ...]) -> Tensor:
        """The random variable of this prior in the model on the stack.

        Raises
        ------
        InputError
            When it is no proper, continuous distribution of single entries with fixed numbers, or
            its shape is not the parameter's.
        """
        coords = pm.modelcontext(None).coords
        if self.dims and self.dims != dims[len(dims) - len(self.dims) :]:
            raise InputError(
                f"the prior of {name}, {self.words}, has dims {self.dims}, the parameter has "
                f"{dims}: give the parameter's, or none"
            )
        made = self._made(name, {dim: coords[dim] for dim in dims})
        self._check_kind(name, made)
        check_shape(name, dims, self._draw(name, made))
        return borrowed(made, name, dims)

    def check_support(self, name: str, own: tuple[float, float], variable: Tensor) -> None:
        """Refuse values at which the parameter has no meaning.

        Parameters
        ----------
        name : str
        own : (lower, upper)
            Of the parameter.
        variable : tensor
            What `variable` returned, in the model on the stack.

        Raises
        ------
        InputError
        """
        lower, upper = (np.asarray(edge) for edge in support(pm.modelcontext(None), variable))
        if np.all(lower >= own[0]) and np.all(upper <= own[1]):
            return
        raise InputError(
            f"the prior of {name}, {self.words}, reaches from {lower.min():g} to {upper.max():g}, "
            f"beyond its support, {own[0]:g} to {own[1]:g}: give one inside, such as "
            f"{_inside(*own)}"
        )

    def _made(self, name: str, coords: Mapping[str, Any]) -> Tensor:
        """The random variable, made in a model of its own that is let go of."""
        with pm.Model(coords=dict(coords), model=None) as alone:
            try:
                made = self.make(name)
            except REFUSALS as error:
                raise InputError(
                    f"the prior of {name}, {self.words}, cannot be made: {_first_line(error)}"
                ) from None
        others = [rv.name for rv in alone.basic_RVs if rv is not made]
        if others or not is_random(made):
            raise InputError(
                f"the prior of {name}, {self.words}, has unknowns or transforms of its own: give "
                "one distribution with numbers"
            )
        return made

    def _check_kind(self, name: str, made: Tensor) -> None:
        problem = ""
        if not str(made.dtype).startswith("float"):
            problem = "is discrete: give a continuous distribution"
        elif class_name(made) in IMPROPER:
            problem = "is improper: give bounds, such as uniform(-10, 10)"
        elif ties_entries(made):
            problem = "ties several entries together: give a distribution of one number"
        elif depends_on_random(made):
            problem = "depends on other random variables: give one distribution with numbers"
        if problem:
            raise InputError(f"the prior of {name}, {self.words}, {problem}")

    def _draw(self, name: str, made: Tensor) -> np.ndarray:
        """A draw, which a distribution with impossible numbers does not give."""
        try:
            drawn = np.asarray(pm.draw(made, random_seed=0, mode="FAST_COMPILE"))
        except REFUSALS as error:
            raise InputError(
                f"the prior of {name}, {self.words}, cannot be drawn from: {_first_line(error)}: "
                "mend its numbers"
            ) from None
        if not np.isfinite(drawn).all():
            raise InputError(f"the prior of {name}, {self.words}, gives no numbers: mend its own")
        return drawn


def _first_line(error: Exception) -> str:
    return shortened(str(error).strip().partition("\n")[0] or type(error).__name__, 120)


def _inside(lower: float, upper: float) -> str:
    """An example of a prior inside a support."""
    if np.isfinite(lower) and np.isfinite(upper):
        return "beta(2, 8)" if (lower, upper) == (0.0, 1.0) else f"uniform({lower:g}, {upper:g})"
    return "normal(0, 1)" if np.isinf(lower) else "lognormal(0, 1)"


def distribution_of(name: str, prior: Any) -> Distribution | None:
    """What has the interface of a distribution, as a prior; None when it has none.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    prior : object
        ``pm.Beta.dist(2, 8)``, ``preliz.Beta(2, 8)``, ``pymc_extras.prior.Prior("Beta", ...)``.

    Raises
    ------
    InputError
        When it is a class, whose numbers are not known.

    Examples
    --------
    >>> import pymc as pm
    >>> distribution_of("lam", pm.Beta.dist(2, 8))
    Distribution(Beta(2, 8))
    """
    if isinstance(prior, type):
        raise InputError(
            f"the prior of {name} is the class {prior.__name__}: give it numbers, such as "
            "pm.Beta.dist(2, 8)"
        )
    if isinstance(prior, Distribution):
        return prior
    if hasattr(prior, "create_variable"):
        dims = getattr(prior, "dims", None) or ()
        named = (dims,) if isinstance(dims, str) else tuple(dims)
        return Distribution(prior.create_variable, _repr(prior), named)
    if hasattr(prior, "to_pymc"):
        return Distribution(prior.to_pymc, _repr(prior))
    if is_random(prior):
        return Distribution(lambda name: prior, written(prior))
    return None


def _repr(prior: Any) -> str:
    return shortened(" ".join(repr(prior).split()), 80)


def prior_from_text(name: str, text: str) -> Box | Weak | Distribution:
    """A prior from its name and numbers, as PyMC has them.

    Parameters
    ----------
    name : str
        Of the parameter, for messages.
    text : str
        A continuous distribution of PyMC's in any case, with numbers in its own order or by its
        own names: ``beta(2, 8)``, ``Gamma(mu=1, sigma=0.5)``.

    Raises
    ------
    InputError
        When it is no such text, or the distribution or an argument is unknown.

    Examples
    --------
    >>> prior_from_text("lam", "beta(2, 8)")
    Weak(kind='beta', alpha=2.0, beta=8.0)
    >>> prior_from_text("nu", "halfnormal(3)")
    Distribution(HalfNormal(sigma=3))
    """
    call = _CALL.fullmatch(text)
    if call is None:
        raise InputError(
            f"the prior of {name} is {shortened(repr(text))}: give a distribution and its numbers, "
            "such as normal(0, 1) or beta(2, 8)"
        )
    known = _distributions()
    kind = known[choose(f"distribution of {name}", call[1].lower(), known)]
    numbers = _arguments(name, kind, call[2])
    given = set(numbers)
    if kind is pm.Uniform and given == {"lower", "upper"}:
        return Box(**numbers)
    if kind is pm.Normal and given == {"mu", "sigma"}:
        return Weak("normal", numbers["mu"], numbers["sigma"])
    if kind is pm.Beta and given == {"alpha", "beta"}:
        return Weak("beta", **numbers)
    words = f"{kind.__name__}({', '.join(f'{key}={own:.4g}' for key, own in numbers.items())})"
    text = f"{kind.__name__}({', '.join(f'{key}={own!r}' for key, own in numbers.items())})"
    # Arrays: PyTensor would take a bare 1.5 for single precision.
    exact = {key: np.asarray(value) for key, value in numbers.items()}
    return Distribution(lambda name: kind.dist(**exact), words, text=text)


def _distributions() -> dict[str, Any]:
    """PyMC's continuous distributions of one number, by their names in small letters."""
    known = continuous_distributions()
    return {name.lower(): kind for name, kind in known.items() if name not in IMPROPER}


def _arguments(name: str, kind: Any, inner: str) -> dict[str, float]:
    own = [
        parameter.name
        for parameter in inspect.signature(kind.dist).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    numbers: dict[str, float] = {}
    for place, argument in enumerate(inner.split(",") if inner.strip() else []):
        match = _ARGUMENT.fullmatch(argument)
        value = None if match is None else _number(match[2])
        if match is None or value is None:
            raise InputError(
                f"the prior of {name}: {shortened(argument.strip())!r} in {kind.__name__}: give a "
                "number"
            )
        if match[1] is None and place >= len(own):
            raise InputError(
                f"the prior of {name}: {kind.__name__} has the numbers {', '.join(own)}: give no "
                "more"
            )
        key = match[1] or own[place]
        choose(f"number of {kind.__name__}, the prior of {name},", key, own)
        if key in numbers:
            raise InputError(f"the prior of {name}: {key} is given twice: leave one out")
        numbers[key] = value
    return numbers


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
