"""A regime: a named truth that may move with n, and the rates that are published for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate, Share
from bayes_cmoe.shown import Shown
from bayes_cmoe.study.rates import Rate

__all__ = ["Loss", "Path", "Regime", "Shift", "Truth", "along"]

Truth = dict[str, NDArray]
Loss = Callable[[Mapping[str, NDArray], Truth], NDArray]
"""Of named parameters, any axes in front, from the parameters of the truth's own experts."""
Shift = Callable[[float], Mapping[str, NDArray]]


def along(**direction: ArrayLike) -> Shift:
    """A shift by delta along a fixed direction.

    Examples
    --------
    >>> along(a=[1.0, 0.0], nu=2.0)(0.5)
    {'a': array([0.5, 0. ]), 'nu': array(1.)}
    """
    steps = {name: np.asarray(step, dtype=float) for name, step in direction.items()}
    return lambda delta: {name: np.asarray(delta * step) for name, step in steps.items()}


@dataclass(frozen=True, eq=False)
class Path:
    """A truth that may move with n: the gate vanishes as n^-alpha, the prompt merges as n^-gamma.

    The gate's share is multiplied by n^-alpha, and the expert's parameters are
    ``center + shift(delta0 n^-gamma)``.

    Parameters
    ----------
    gate : mapping of str to array
        Gate parameters at alpha = 0.
    center : mapping of str to array
        Where the expert's parameters merge to; for a Gaussian frozen expert of the same form its
        own (eta0, nu0). Of several prompts each has its own, with the prompts' axis in front.
    shift : callable
        ``shift(delta)`` gives the shift of each expert parameter at distance delta.
    delta : float
        Distance at gamma = 0.
    alpha, gamma : Fraction
        The regime's own exponents.
    """

    gate: Mapping[str, ArrayLike]
    center: Mapping[str, ArrayLike]
    shift: Shift
    delta: float = 1.0
    alpha: Fraction = Fraction(0)
    gamma: Fraction = Fraction(0)

    def at(
        self,
        n: float,
        share: Share,
        alpha: Fraction | float | None = None,
        gamma: Fraction | float | None = None,
    ) -> Truth:
        """The truth at sample size n, with the regime's own exponents unless others are given."""
        alpha = float(self.alpha if alpha is None else alpha)
        gamma = float(self.gamma if gamma is None else gamma)
        truth = {name: np.asarray(value, dtype=float) for name, value in self.gate.items()}
        truth[share.parameter] = share.vanish(truth[share.parameter], n, alpha)
        shift = self.shift(self.delta * n**-gamma)
        center = {name: np.asarray(value, dtype=float) for name, value in self.center.items()}
        return truth | {name: value + shift.get(name, 0.0) for name, value in center.items()}


@dataclass(frozen=True, eq=False, repr=False)
class Regime(Shown):
    """A named setting in which a variant is studied.

    Parameters
    ----------
    name, summary : str
    path : Path
        The truth as a function of n.
    gate : Gate
    expert : str
        The trainable expert's form.
    frozen : Frozen
        The frozen expert, known at any x.
    features : int
        Dimension of x; x ~ N(0, I) unless `inputs` says otherwise.
    box : mapping of str to (lower, upper)
        The compact set over which the flat prior is uniform.
    options : mapping
        What else the variant's factory takes beside the gate, such as the number of prompts.
    classes : int, optional
        Number of classes of a class response.
    published : tuple of Rate
    inputs : callable, optional
        ``inputs(rng, n)`` draws x, shape (n, features).
    copies : tuple of int
        Of a fit with more experts than the truth has: which of the truth's experts each of the
        fit's stands for. The path is then that of the truth's own experts, and what `truth` gives
        is one of the many parameters with its density, each share split evenly.
    loss : callable, optional
        ``loss(named, truth)``, a `Loss`; where there is none the published rates make one.
    further : mapping of str to callable
        More of them by name, beside a loss, which a sweep measures too.
    """

    name: str
    summary: str
    path: Path
    gate: Gate
    expert: str
    frozen: Frozen
    features: int
    box: Mapping[str, tuple[float, float]]
    options: Mapping[str, Any] = MappingProxyType({})
    classes: int | None = None
    published: tuple[Rate, ...] = ()
    inputs: Callable[[Generator, int], NDArray] | None = None
    copies: tuple[int, ...] = ()
    loss: Loss | None = None
    further: Mapping[str, Loss] = MappingProxyType({})

    def shown(self) -> dict[str, Any]:
        """What it is, and how its truth moves with n."""
        return {
            "name": self.name,
            "summary": self.summary,
            "alpha": self.path.alpha,
            "gamma": self.path.gamma,
            "gate": self.gate.name,
            "expert": self.expert,
            "frozen": self.frozen.description,
            "features": self.features,
        }

    def truth(
        self, n: float, alpha: Fraction | float | None = None, gamma: Fraction | float | None = None
    ) -> Truth:
        """The true parameters at sample size n.

        Parameters
        ----------
        n : float
            Sample size; any size, since theory looks at n = 10^12 as well.
        alpha, gamma : optional
            Other exponents than the regime's own.

        Raises
        ------
        InputError
            When n < 1, or the truth lies outside the regime's box.
        """
        if not n >= 1:
            raise InputError(f"a sample size of {n} makes no sense: give n >= 1")
        try:
            truth = self._copied(self.path.at(n, self.gate.share, alpha, gamma))
        except OverflowError:
            raise InputError(
                f"regime {self.name!r} at n = {n:g} with exponents alpha = {alpha}, "
                f"gamma = {gamma}: the truth is too large for a number: choose other exponents"
            ) from None
        for name, value in truth.items():
            lower, upper = self.box[name]
            if not (np.all(value >= lower) and np.all(value <= upper)):
                raise InputError(
                    f"regime {self.name!r} at n = {n:g}: the true {name} = {value} lies outside "
                    f"the box [{lower:g}, {upper:g}]: choose a larger n or other exponents"
                )
        return truth

    def measure(
        self, n: float, alpha: Fraction | float | None = None, gamma: Fraction | float | None = None
    ) -> Truth:
        """The true parameters of the truth's own experts, also where the fit has more of them."""
        return self.path.at(n, self.gate.share, alpha, gamma)

    def own_experts(self, truth: Truth) -> Truth:
        """The truth's own experts again, from what `truth` gives for as many as the fit has."""
        if not self.copies:
            return truth
        gate, share, index = self.gate, self.gate.share, np.array(self.copies)
        atoms = {**truth, **gate.atoms({name: truth[name] for name in gate.dims})}
        counts = np.bincount(index)
        first = np.array([int(np.argmax(index == own)) for own in range(len(counts))])
        atoms = {name: np.asarray(value)[first] for name, value in atoms.items()}
        whole = share.vanish(atoms[share.parameter], 1.0 / counts, 1.0)
        atoms[share.parameter] = whole
        return {**atoms, **gate.stuck({name: atoms[name] for name in gate.dims})}

    @property
    def over_specified(self) -> bool:
        """Whether the fit has more experts than the truth."""
        return len(self.copies) > len(set(self.copies))

    def _copied(self, truth: Truth) -> Truth:
        """A truth with as many experts as the fit, of the same density."""
        if not self.copies:
            return truth
        gate, share, index = self.gate, self.gate.share, np.array(self.copies)
        atoms = {**truth, **gate.atoms({name: truth[name] for name in gate.dims})}
        atoms = {name: np.asarray(value)[index] for name, value in atoms.items()}
        counts = np.bincount(index)[index].astype(float)
        atoms[share.parameter] = share.vanish(atoms[share.parameter], counts, 1.0)
        return {**atoms, **gate.stuck({name: atoms[name] for name in gate.dims})}

    def share(self, truth: Mapping[str, ArrayLike]) -> float:
        """The share at a truth: the scale on which the prompt vanishes; summed over prompts."""
        share = self.gate.share
        return float(np.sum(share.value(np.asarray(truth[share.parameter], dtype=float))))

    @property
    def prompts(self) -> int:
        """How many trainable experts there are: prompts beside a frozen one, or all of them."""
        return int(self.options.get("prompts" if self.gate.frozen else "experts", 1))

    def draw_inputs(self, rng: Generator, n: int) -> NDArray:
        """Inputs x, shape (n, features)."""
        if self.inputs is not None:
            return self.inputs(rng, n)
        return rng.standard_normal((n, self.features))

    def exponents(
        self, alpha: Fraction | None = None, gamma: Fraction | None = None
    ) -> dict[str, Fraction]:
        """Published exponent of each parameter on the path."""
        alpha = self.path.alpha if alpha is None else alpha
        gamma = self.path.gamma if gamma is None else gamma
        return {rate.parameter: rate.upper.at(alpha, gamma) for rate in self.published}
