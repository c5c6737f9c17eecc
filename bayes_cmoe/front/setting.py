"""A variant with its parts and data, chosen by name."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from math import prod
from typing import Any

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import EXPERTS, Expert, expert_named
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate, gate_named
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.variant import Variant

__all__ = ["Parts", "Setting", "expert_form", "parts_of", "prior_named"]

MOST_EXPERTS = 8


@dataclass(frozen=True)
class Parts:
    """What a model is made of beside its data and its frozen expert."""

    variant: Variant
    expert: Expert
    gate: Gate
    prompts: int = 1

    @property
    def mixture(self) -> Mixture:
        """The declarations of all unknowns."""
        return Mixture(self.gate, self.expert, self.variant.family, self.prompts)

    def parameters(self, features: int, classes: int | None) -> int:
        """How many numbers are unknown, with so many inputs and classes."""
        sizes = {"feature": features, "free_class": (classes or 1) - 1}
        known = {**sizes, **self.expert.sizes, **self.mixture.sizes}
        return sum(prod(known[dim] for dim in own.dims) for own in self.mixture.parameters)


@dataclass(frozen=True, eq=False)
class Setting:
    """A variant with its parts and data, ready to be built."""

    parts: Parts
    data: Data
    frozen: Frozen

    @property
    def variant(self) -> Variant:
        """The variant."""
        return self.parts.variant

    def model(self, prior: Prior) -> Any:
        """The PyMC model under a prior."""
        parts = self.parts
        options, counted = parts.variant.options(parts.gate), _counted(parts.variant)
        if _by_default(parts.variant, counted) is not None:
            options[counted] = parts.prompts
        return parts.variant.built(
            self.data, self.frozen, expert=parts.expert, prior=prior, **options
        )


def parts_of(
    variant: Variant,
    expert: str | Expert | None = None,
    bias: bool = True,
    gate: str | Gate | None = None,
    prompts: int | None = None,
    experts: int | None = None,
) -> Parts:
    """Choose the parts of a model.

    Parameters
    ----------
    variant : Variant
    expert, gate : str, optional
        The variant's own defaults when left out.
    bias : bool
        False picks the expert's form without bias.
    prompts, experts : int, optional
        How many, beside a frozen expert or without one; the variant's own default when left out.

    Raises
    ------
    InputError
        When a name is unknown, or the parts do not go together.
    """
    form = inspect.signature(variant.build).parameters["expert"].default
    chosen = expert_form(form if expert is None else expert, bias)
    return Parts(variant, chosen, _gate(variant, gate), _count(variant, prompts, experts))


def expert_form(name: str | Expert, bias: bool) -> Expert:
    """The expert of that name, in its form without bias where none is wanted.

    Raises
    ------
    InputError
        When there is no such expert, or it has no such form.
    """
    form = expert_named(name)
    if bias or form.name.endswith("-nobias"):
        return form
    if f"{form.name}-nobias" not in EXPERTS:
        raise InputError(f"expert {form.name!r} has no form without bias: leave --no-bias out")
    return expert_named(f"{form.name}-nobias")


def _gate(variant: Variant, gate: str | Gate | None) -> Gate:
    gates = {own.name: own for own in variant.gates}
    if gate is None:
        return variant.gates[0]
    if isinstance(gate, Gate):
        return gate_named(gate)
    return gates[choose(f"gate of {variant.name}", gate, gates)]


def _counted(variant: Variant) -> str:
    """What its trainable experts are called, where it has several."""
    return "prompts" if variant.frozen else "experts"


def _by_default(variant: Variant, counted: str) -> int | None:
    """How many the variant's factory takes when nothing is said; None when it has one."""
    option = inspect.signature(variant.build).parameters.get(counted)
    return None if option is None else int(option.default)


def _count(variant: Variant, prompts: int | None, experts: int | None) -> int:
    """How many trainable experts, as ``--prompts`` or ``--experts`` say it."""
    counted = _counted(variant)
    count, other = (prompts, experts) if variant.frozen else (experts, prompts)
    if other is not None:
        has = "a frozen expert and prompts" if variant.frozen else "trainable experts only"
        raise InputError(
            f"--{'experts' if variant.frozen else 'prompts'} {other}: {variant.name} has {has}: "
            f"give --{counted}"
        )
    default = _by_default(variant, counted)
    if count is None:
        return default or 1
    if default is None and count != 1:
        raise InputError(
            f"--prompts {count}: {variant.name} has one prompt: choose another variant"
        )
    if not 1 <= count <= MOST_EXPERTS:
        raise InputError(f"--{counted} {count}: give a number from 1 to {MOST_EXPERTS}")
    return count


def prior_named(prior: Prior) -> str:
    """What a record says of a prior.

    Examples
    --------
    >>> prior_named("flat"), prior_named({"lam": "beta(2, 8)"})
    ('flat', 'weak and lam given')
    """
    return prior if isinstance(prior, str) else f"weak and {', '.join(prior)} given"
