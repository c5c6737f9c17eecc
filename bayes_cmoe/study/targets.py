"""Targets: what an error or a bound is stated for; one home for losses, theory, sweeps and reports.

An entry of theta, a vector parameter as a whole (Euclidean norm), the share that vanishes where it
is no parameter itself (exp tau), and ``expert``, the joint norm of the trainable experts'
parameters. Everything works along axes: parameters last, any number of draws in front.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.mixture import Mixture, mixture_of

__all__ = ["EXPERT", "Function", "Targets", "combination", "targets_of"]

Function = Callable[[dict[str, Any]], Any]
EXPERT = "expert"
"""The joint norm of the trainable experts' parameters."""


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of a model.

    Parameters
    ----------
    layout : Layout
    mixture : Mixture

    Examples
    --------
    >>> from bayes_cmoe.parts.experts import EXPERTS
    >>> from bayes_cmoe.parts.families import gaussian
    >>> from bayes_cmoe.parts.gates import constant
    >>> layout = Layout(("lam", "a"), ((), (2,)), ((), ("feature",)), {"feature": ("x1", "x2")})
    >>> targets = Targets(layout, Mixture(constant, EXPERTS["linear-nobias"], gaussian))
    >>> targets.components
    {'lam': (0,), 'a[x1]': (1,), 'a[x2]': (2,), 'a': (1, 2), 'expert': (1, 2)}
    >>> targets.distances([0.0, -3.0, 4.0])
    array([ 0., -3.,  4.,  5.,  5.])
    """

    layout: Layout
    mixture: Mixture

    @cached_property
    def components(self) -> dict[str, tuple[int, ...]]:
        """For each target its entries in the measured vector: theta, then the share's values."""
        layout, share = self.layout, self.mixture.gate.share
        found: dict[str, tuple[int, ...]] = {label: (i,) for i, label in enumerate(layout.labels)}
        spans = {name: tuple(range(part.start, part.stop)) for name, part in layout.slices.items()}
        found |= {name: spans[name] for name in layout.names if name not in found}
        if self._measures_share:
            count = len(spans[share.parameter])
            if count > 1:
                found |= {f"{share.name}[{j}]": (layout.size + j,) for j in range(count)}
            found[share.name] = tuple(range(layout.size, layout.size + count))
        expert = tuple(i for name in self.expert_names for i in spans[name])
        return found | ({EXPERT: expert} if expert else {})

    @property
    def _measures_share(self) -> bool:
        """Whether the share is measured behind theta: it is no parameter, and there is a gate."""
        share = self.mixture.gate.share
        return not share.is_parameter and share.parameter in self.layout.names

    @cached_property
    def expert_names(self) -> tuple[str, ...]:
        """The parameters of the trainable experts."""
        return tuple(name for name in self.layout.names if name in self.mixture.prompt_names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self.components)

    @property
    def share(self) -> str:
        """The target that says how large the prompt's share is."""
        return self.mixture.gate.share.name

    @cached_property
    def expert_entries(self) -> NDArray:
        """Which entries of theta are the trainable experts'; shape (entry,), indices."""
        return np.array(self.components.get(EXPERT, ()), dtype=int)

    @cached_property
    def gate_entries(self) -> NDArray:
        """Which entries of theta are the gate's; shape (entry,), indices."""
        return np.setdiff1d(np.arange(self.layout.size), self.expert_entries)

    def share_of(self, theta: NDArray) -> float:
        """The share at one theta, summed over prompts."""
        share = self.mixture.gate.share
        return float(np.sum(share.value(np.asarray(theta)[self.layout.slices[share.parameter]])))

    @property
    def share_names(self) -> tuple[str, ...]:
        """The targets that say how large each prompt's share is, one number each."""
        place = self.layout.slices[self.mixture.gate.share.parameter]
        count = place.stop - place.start
        return (self.share,) if count == 1 else tuple(f"{self.share}[{j}]" for j in range(count))

    def shares_of(self, theta: NDArray) -> NDArray:
        """Each prompt's share at one theta, shape (prompt,)."""
        share = self.mixture.gate.share
        place = self.layout.slices[share.parameter]
        return np.asarray(share.value(np.asarray(theta, dtype=float)[place]))

    def with_gate(self, theta: NDArray, values: Mapping[str, float]) -> NDArray:
        """theta, shape (..., parameter), with the gate's parameters at given values."""
        moved = np.array(theta, dtype=float)
        for name in self.mixture.gate_names:
            moved[..., self.layout.slices[name]] = values[name]
        return moved

    @property
    def wholes(self) -> tuple[str, ...]:
        """Targets that are no entries of a vector: what a bound is shown for."""
        share = self.mixture.gate.share
        shown = [*self.layout.names, *((share.name,) if self._measures_share else ()), EXPERT]
        return tuple(name for name in shown if name in self.components)

    @property
    def is_scalar(self) -> NDArray:
        """Which targets are one number, so that they have a sign and an interval; (target,)"""
        return np.array([len(entries) == 1 for entries in self.components.values()])

    def differences(self, theta: ArrayLike, truth: ArrayLike) -> NDArray:
        """Measured vector at theta minus that at the truth.

        Parameters
        ----------
        theta : array, shape (..., parameter)
        truth : array, shape (parameter,)

        Returns
        -------
        array, shape (..., measured)
        """
        here, there = np.asarray(theta, dtype=float), np.asarray(truth, dtype=float)
        shift, share = here - there, self.mixture.gate.share
        if not self._measures_share:
            return shift
        place = self.layout.slices[share.parameter]
        return np.concatenate(
            [shift, share.value(here[..., place]) - share.value(there[place])], axis=-1
        )

    def distances(self, shift: ArrayLike) -> NDArray:
        """Error of every target: with its sign for one number, the Euclidean norm for several.

        Parameters
        ----------
        shift : array, shape (..., measured)
            From `differences`.

        Returns
        -------
        array, shape (..., target)
        """
        table = np.asarray(shift, dtype=float)
        columns = [
            table[..., entries[0]]
            if len(entries) == 1
            else np.sqrt(np.sum(table[..., list(entries)] ** 2, axis=-1))
            for entries in self.components.values()
        ]
        return np.stack(columns, axis=-1)

    def measured(self, theta: Any) -> Any:
        """The measured vector of one theta; traceable by JAX."""
        share = self.mixture.gate.share
        if not self._measures_share:
            return theta
        return jnp.concatenate([theta, share.value(theta[self.layout.slices[share.parameter]])])

    def function(self, wanted: str | Function) -> Callable[[Any], Any]:
        """theta -> the vector of a target's entries; traceable by JAX.

        Parameters
        ----------
        wanted : str or callable
            A target's name, or a JAX function of the named parameters.

        Raises
        ------
        InputError
            When the name is unknown; the message gives the nearest.
        """
        if not isinstance(wanted, str):
            given = wanted

            def of_parameters(theta: Any) -> Any:
                named = dict(zip(self.layout.names, self.layout.split(theta), strict=True))
                return jnp.ravel(jnp.asarray(given(named)))

            return of_parameters
        entries = np.array(self.components[choose("parameter", wanted, self.components)])

        def of_entries(theta: Any) -> Any:
            return self.measured(theta)[entries]

        return of_entries

    @cached_property
    def _slopes(self) -> Callable[[Any], Any]:
        return jax.jit(jax.jacobian(self.measured))

    def slopes(self, theta: NDArray) -> NDArray:
        """Derivative of the measured vector at theta, shape (measured, parameter)."""
        return np.asarray(self._slopes(jnp.asarray(theta)))

    def jacobian(self, wanted: str | Function, theta: NDArray) -> NDArray:
        """Derivative of a target at theta, shape (component, parameter).

        Raises
        ------
        InputError
            When the name is unknown.
        """
        if not isinstance(wanted, str):
            return np.asarray(jax.jacobian(self.function(wanted))(jnp.asarray(theta)))
        entries = self.components[choose("parameter", wanted, self.components)]
        return self.slopes(theta)[list(entries)]

    def jacobians(
        self, theta: NDArray, functions: Mapping[str, Function] | None = None
    ) -> dict[str, NDArray]:
        """Derivatives of all that a bound is shown for: name -> D, shape (component, parameter)."""
        wanted: dict[str, str | Function] = {name: name for name in self.wholes}
        return {
            name: self.jacobian(target, theta)
            for name, target in (wanted | dict(functions or {})).items()
        }


def targets_of(model: pm.Model, layout: Layout) -> Targets:
    """The targets of a model of the suite.

    Raises
    ------
    InputError
        When the model is not one: nothing says what its parameters are for.
    """
    mixture = mixture_of(model)
    if mixture is None:
        raise InputError("the model is not a mixture of the suite: build it by a variant's factory")
    return Targets(layout, mixture)


def combination(labels: Sequence[str], weights: NDArray, least: float = 0.15) -> str:
    """A linear combination in words; entries below `least` of the largest are left out.

    Examples
    --------
    >>> combination(["lam", "b", "nu"], np.array([0.8, -0.6, 0.01]))
    '0.80 lam - 0.60 b'
    """
    order = [i for i in np.argsort(-np.abs(weights)) if abs(weights[i]) > least * max(abs(weights))]
    words = [f"{'-' if weights[i] < 0 else '+'} {abs(weights[i]):.2f} {labels[i]}" for i in order]
    return " ".join(words).removeprefix("+ ").replace("- ", "-", 1 if weights[order[0]] < 0 else 0)
