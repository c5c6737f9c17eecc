"""A mixture of experts as a PyMC model: every variant is this, with its parts.

Beside a frozen expert, p(y|x) = pi_0(x) f0(y|x) + sum_j pi_j(x) f(y | h(x; eta_j), nu_j), with
j = 1..k prompts; without one, p(y|x) = sum_j pi_j(x) f(y | h(x; eta_j), nu_j).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.compiled.weighted import mixture_name
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm, pt
from bayes_cmoe.parts.arguments import arguments_of, check_around
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert, expert_named
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.fixed_prior import keep_priors
from bayes_cmoe.parts.frozen import NO_FROZEN, Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.parameter import Parameter, Reference, Role
from bayes_cmoe.parts.priors import Prior, priors_for, variable_of
from bayes_cmoe.parts.rebuilt import Recipe, keep_recipe
from bayes_cmoe.parts.response import Component, mixture_response
from bayes_cmoe.parts.rows import check_response, data_nodes

__all__ = ["Mixture", "contaminated_model", "experts_model", "mixture_of"]


@dataclass(frozen=True, eq=False)
class Mixture:
    """What a model is made of beside its frozen expert, where it has one: its gate says so.

    Parameters
    ----------
    gate : Gate
    expert : Expert
        Form of the trainable experts.
    family : Family
        Their density.
    prompts : int
        How many trainable experts there are.
    """

    gate: Gate
    expert: Expert
    family: Family
    prompts: int = 1

    @property
    def frozen(self) -> bool:
        """Whether one component is a frozen expert."""
        return self.gate.frozen

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Lengths of the dims that stand in front of the parameters of several experts."""
        if not self.frozen:
            return {"free_expert": self.prompts - 1, "expert": self.prompts}
        return {"prompt": self.prompts} if self.prompts > 1 else {}

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All unknowns with their dims, in the order gate, expert, family."""
        classes = ("free_class",) if self.family.response == "class" else ()
        several = tuple(self.sizes)
        # A single expert without a frozen one beside it has all rows, so there is no gate.
        gate = self.gate.parameters if self.frozen or self.prompts > 1 else ()
        own = (
            *(parameter.within(*several[:1]) for parameter in gate),
            *(parameter.within(*several[-1:], *classes) for parameter in self.expert.declared),
            *(parameter.within(*several[-1:]) for parameter in self.family.own.values()),
        )
        unit = "1" if self.unit else "unit of y"
        return tuple(parameter.measured(unit) for parameter in own)

    @property
    def unit(self) -> bool:
        """Whether the expert's function has a scale of its own, or that of the response."""
        return self.expert.bounded or self.family.unit

    def names(self, *roles: Role) -> tuple[str, ...]:
        """Names of the parameters that have one of these roles."""
        return tuple(parameter.name for parameter in self.parameters if parameter.role in roles)

    @property
    def gate_names(self) -> tuple[str, ...]:
        """The gate's parameters."""
        return self.names(Role.GATE)

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """The parameters of the trainable experts."""
        return self.names(Role.LOCATION, Role.SCALE)

    def reference(self, data: Data) -> Reference:
        """What weak priors are scaled by."""
        return Reference.of(data, unit=self.unit)

    def atoms(self, named: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Values that change places with the experts, the experts' axis behind those in front."""
        own = {name: named[name] for name in self.gate_names}
        return {**named, **(self.gate.atoms(own) if own else {})}

    def stuck(self, atoms: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """The parameters again, from such values."""
        own = {name: atoms[name] for name in self.gate.dims if name in atoms}
        return {**atoms, **(self.gate.stuck(own) if own else {})}


_MIXTURES: WeakKeyDictionary[pm.Model, Mixture] = WeakKeyDictionary()


def mixture_of(model: pm.Model) -> Mixture | None:
    """What a model was built from; None when it is not one of the suite's."""
    return _MIXTURES.get(model)


def contaminated_model(
    data: Data,
    *,
    frozen: Frozen,
    gate: Gate,
    expert: str | Expert,
    prior: Prior,
    prompt: Family,
    prompts: int = 1,
) -> pm.Model:
    """The PyMC model of a contaminated mixture of experts with these parts.

    Parameters
    ----------
    data : Data
    frozen : Frozen
        The pre-trained expert.
    gate : Gate
    expert : str or Expert
        Form of the trainable experts' mean, logits or log rate h(x; eta).
    prior : {"flat", "weak"} or mapping
        See `bayes_cmoe.parts.priors.priors_for`.
    prompt : Family
        The trainable experts' density: `gaussian`, which adds the variance ``nu``,
        `multinomial_logistic`, `poisson`, or another whose arguments are a function h and
        parameters of its own.
    prompts : int
        How many trainable experts; with several their parameters have the dim ``prompt`` in front.

    Returns
    -------
    pm.Model with the gate's and the experts' parameters and the observed ``y`` (obs,).

    Raises
    ------
    InputError
        When the expert or the prior is unknown, the response is not of the prompt's kind, the gate
        weighs one prompt only or no frozen expert, or the frozen columns do not fit the data.
    """
    if not gate.frozen:
        raise InputError(f"the {gate.name} gate weighs no frozen expert: choose another gate")
    mixture = Mixture(gate, expert_named(expert), prompt, prompts)
    return _model(data, frozen=frozen, prior=prior, prompts=prompts, mixture=mixture)


def experts_model(
    data: Data, *, gate: Gate, expert: str | Expert, prior: Prior, family: Family, experts: int
) -> pm.Model:
    """The PyMC model of a mixture of trainable experts only.

    Parameters
    ----------
    data : Data
    gate : Gate
        One that weighs trainable experts only; the last one is its reference.
    expert : str or Expert
        Form of every expert's function h(x; eta).
    prior : {"flat", "weak"} or mapping
        See `bayes_cmoe.parts.priors.priors_for`; a gate's parameters that a single expert lacks are
        passed over.
    family : Family
        The experts' density.
    experts : int
        How many there are; one has no gate.

    Returns
    -------
    pm.Model with the gate's parameters (free_expert, ...), the experts' (expert, ...) and the
    observed ``y`` (obs,).

    Raises
    ------
    InputError
        When the expert or the prior is unknown, there is no whole number of experts, the response
        is not of the family's kind, or the gate weighs a frozen expert.
    """
    if gate.frozen:
        raise InputError(f"the {gate.name} gate weighs a frozen expert: choose another gate")
    mixture = Mixture(gate, expert_named(expert), family, experts)
    return _model(data, frozen=NO_FROZEN, prior=prior, prompts=experts, mixture=mixture)


def _model(data: Data, *, frozen: Frozen, prior: Prior, prompts: int, mixture: Mixture) -> pm.Model:
    """The model with these parts and so many trainable experts; what a `Recipe` repeats."""
    _check_parts(mixture, prompts)
    gate, form, family = mixture.gate, mixture.expert, mixture.family
    check_around(form, family, frozen)
    mixture = Mixture(gate, form, family, prompts)
    check_response(data, family)
    needed = prior
    if isinstance(prior, Mapping):
        absent = set(gate.dims) - set(mixture.gate_names)
        needed = {name: value for name, value in prior.items() if name not in absent}
    priors = priors_for(needed, mixture.parameters, mixture.reference(data))
    with pm.Model() as model:
        nodes = data_nodes(data, frozen, family.response)
        for dim, size in {**form.sizes, **mixture.sizes}.items():
            model.add_coord(dim, np.arange(size))
        unknown = {own.name: variable_of(own, priors[own.name]) for own in mixture.parameters}
        values = _sized(model, mixture, unknown) if mixture.sizes else unknown
        x, gate_values = nodes["x"], {name: values[name] for name in mixture.gate_names}
        experts = (
            [_entry(mixture, values, j) for j in range(prompts)] if mixture.sizes else [values]
        )
        components = [
            Component(family, arguments_of(form, family, nodes, own, data.classes))
            for own in experts
        ]
        if mixture.frozen:
            known = [nodes[f"frozen_{argument}"] for argument in frozen.family.arguments]
            components = [Component(frozen.family, known), *components]
        log_weights = gate.log_weights(x, **gate_values) if gate_values else (pt.zeros(()),)
        name = mixture_name(prompts, frozen=mixture.frozen)
        mixture_response(name, nodes["response"], log_weights, components)
    _MIXTURES[model] = mixture
    keep_priors(model, priors)
    alike = all(priors[own.name].rank < len(own.dims) for own in mixture.parameters)
    build = partial(_model, mixture=mixture)
    keep_recipe(model, Recipe(build, data, frozen, prior, prompts, alike))
    return model


def _sized(model: pm.Model, mixture: Mixture, unknown: dict[str, Tensor]) -> dict[str, Tensor]:
    """The unknowns with lengths that the graph knows, so that they can be taken apart by expert."""
    return {
        parameter.name: pt.specify_shape(
            unknown[parameter.name], tuple(len(model.coords[dim]) for dim in parameter.dims)
        )
        for parameter in mixture.parameters
    }


def _entry(mixture: Mixture, values: dict[str, Tensor], expert: int) -> dict[str, Tensor]:
    """One trainable expert's parameters."""
    return {name: values[name][expert] for name in mixture.prompt_names}


def _check_parts(mixture: Mixture, prompts: int) -> None:
    family, what = mixture.family, "prompts" if mixture.frozen else "experts"
    if not family.trainable:
        raise InputError(
            f"a {family.name} expert cannot be trained: choose a family whose arguments are a "
            "function of x and parameters of its own"
        )
    if prompts < 1 or prompts != int(prompts):
        raise InputError(f"{prompts} {what} make no sense: give a whole number from 1")
    if prompts > 1 and not mixture.gate.several:
        raise InputError(
            f"the {mixture.gate.name} gate weighs one prompt only: choose another gate"
        )
