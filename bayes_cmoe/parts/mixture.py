"""The contaminated mixture as a PyMC model: every contaminated variant is this, with its parts.

p(y|x) = pi_0(x) f0(y|x) + sum_j pi_j(x) f(y | h(x; eta_j), nu_j),   j = 1..k prompts
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.compiled.private import quiet_in_numba
from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.compiled.weighted import mixture_name
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm, pt
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert, expert_named
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.fixed_prior import keep_priors
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.parameter import Parameter, Reference, Role
from bayes_cmoe.parts.priors import Prior, priors_for, variable_of
from bayes_cmoe.parts.rebuilt import Recipe, keep_recipe
from bayes_cmoe.parts.rows import check_response, data_nodes

__all__ = [
    "Mixture",
    "contaminated_model",
    "contaminated_response",
    "mixture_of",
]


@dataclass(frozen=True, eq=False)
class Mixture:
    """What a model is made of beside its frozen expert.

    Parameters
    ----------
    gate : Gate
    expert : Expert
        Form of the trainable experts.
    family : Family
        Their density.
    prompts : int
        How many there are.
    """

    gate: Gate
    expert: Expert
    family: Family
    prompts: int = 1

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """All unknowns with their dims, in the order gate, expert, family."""
        classes = ("free_class",) if self.family.response == "class" else ()
        own = (
            *self.gate.parameters,
            *(parameter.within(*classes) for parameter in self.expert.declared),
            *self.family.own.values(),
        )
        several = ("prompt",) if self.prompts > 1 else ()
        unit = "1" if self.unit else "unit of y"
        return tuple(parameter.within(*several).measured(unit) for parameter in own)

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


_MIXTURES: WeakKeyDictionary[pm.Model, Mixture] = WeakKeyDictionary()


def mixture_of(model: pm.Model) -> Mixture | None:
    """What a model was built from; None when it is not one of the suite's."""
    return _MIXTURES.get(model)


def contaminated_response(
    nodes: dict[str, Tensor],
    log_weights: Sequence[Tensor],
    frozen: Family,
    prompt: Family,
    prompts: Sequence[Sequence[Tensor]],
) -> Tensor:
    """The observed response ``y`` of a contaminated mixture of experts.

    Parameters
    ----------
    nodes : dict of str to tensor
        What `data_nodes` returned.
    log_weights : sequence of tensors, each of shape () or (n,)
        log pi_0(x), log pi_1(x), ..., from a gate.
    frozen, prompt : Family
        Densities of the frozen and of the trainable experts.
    prompts : sequence of sequences of tensors
        Each trainable expert's arguments at the rows of the data.

    Returns
    -------
    The random variable ``y``, shape (n,): `pm.CustomDist` with its log-density and its sampler.
    """
    count, width = len(prompts), len(prompt.arguments)
    frozen_arguments = [nodes[f"frozen_{argument}"] for argument in frozen.arguments]
    first = 1 + count
    starts = [first + j * width for j in range(count)]
    split = first + count * width
    signature = (*["()"] * first, *prompt.signature * count, *frozen.signature)
    core_dimensions = [int(core != "()") for core in signature]

    def logp(value: Tensor, *arguments: Tensor) -> Tensor:
        parts = [arguments[0] + frozen.logp(value, *arguments[split:])]
        for weight, start in zip(arguments[1:first], starts, strict=True):
            parts.append(weight + prompt.logp(value, *arguments[start : start + width]))
        return reduce(pt.logaddexp, parts)

    def random(*arguments: NDArray, rng: Generator, size: tuple[int, ...] | None = None) -> NDArray:
        if size is not None:
            arguments = tuple(
                np.broadcast_to(argument, (*size, *argument.shape[argument.ndim - core :]))
                for argument, core in zip(arguments, core_dimensions, strict=True)
            )
        drawn = frozen.random(rng, *arguments[split:])
        new = [prompt.random(rng, *arguments[start : start + width]) for start in starts]
        place = np.log(rng.random(np.shape(drawn)))
        # The last prompt has the lowest part of the unit interval, the frozen expert what is left.
        below: Any = -np.inf
        for weight, own in zip(arguments[count:0:-1], new[::-1], strict=True):
            above = np.logaddexp(below, weight)
            drawn = np.where((place >= below) & (place < above), own, drawn)
            below = above
        return drawn

    quiet_in_numba(mixture_name(count))
    return pm.CustomDist(
        "y",
        *log_weights,
        *(argument for arguments in prompts for argument in arguments),
        *frozen_arguments,
        logp=logp,
        random=random,
        signature=f"{','.join(signature)}->()",
        observed=nodes["response"],
        dims="obs",
        class_name=mixture_name(count),
    )


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
        weighs one prompt only, or the frozen columns do not fit the data.
    """
    form = expert_named(expert)
    _check_parts(gate, prompt, prompts)
    check_response(data, prompt)
    mixture = Mixture(gate, form, prompt, prompts)
    priors = priors_for(prior, mixture.parameters, mixture.reference(data))
    with pm.Model() as model:
        nodes = data_nodes(data, frozen, prompt.response)
        for dim, size in form.sizes.items():
            model.add_coord(dim, np.arange(size))
        if prompts > 1:
            model.add_coord("prompt", np.arange(prompts))
        unknown = {own.name: variable_of(own, priors[own.name]) for own in mixture.parameters}
        values = unknown if prompts == 1 else _sized(model, mixture, unknown)
        x, gate_values = nodes["x"], {name: values[name] for name in gate.dims}
        experts = [values] if prompts == 1 else [_entry(values, j) for j in range(prompts)]
        arguments = [_arguments(data, form, prompt, x, own) for own in experts]
        log_weights = gate.log_weights(x, **gate_values)
        contaminated_response(nodes, log_weights, frozen.family, prompt, arguments)
    _MIXTURES[model] = mixture
    keep_priors(model, priors)
    build = partial(contaminated_model, gate=gate, expert=form, prompt=prompt)
    alike = all(priors[own.name].rank < len(own.dims) for own in mixture.parameters)
    keep_recipe(model, Recipe(build, data, frozen, prior, prompts, alike))
    return model


def _sized(model: pm.Model, mixture: Mixture, unknown: dict[str, Tensor]) -> dict[str, Tensor]:
    """The unknowns with lengths that the graph knows, so that they can be taken apart by prompt."""
    return {
        parameter.name: pt.specify_shape(
            unknown[parameter.name], tuple(len(model.coords[dim]) for dim in parameter.dims)
        )
        for parameter in mixture.parameters
    }


def _entry(values: dict[str, Tensor], prompt: int) -> dict[str, Tensor]:
    return {name: value[prompt] for name, value in values.items()}


def _arguments(
    data: Data, form: Expert, prompt: Family, x: Tensor, values: dict[str, Tensor]
) -> list[Tensor]:
    """A trainable expert's arguments: its function, and parameters of the family's own."""
    location = form.mean(x, **{name: values[name] for name in form.dims})
    if data.classes is not None:
        location = pt.specify_shape(location, (None, data.classes - 1))
    return [
        values[prompt.own[argument].name] if argument in prompt.own else location
        for argument in prompt.arguments
    ]


def _check_parts(gate: Gate, prompt: Family, prompts: int) -> None:
    if not prompt.trainable:
        raise InputError(
            f"a {prompt.name} expert cannot be trained: choose a family whose arguments are a "
            "function of x and parameters of its own"
        )
    if prompts < 1 or prompts != int(prompts):
        raise InputError(f"{prompts} prompts make no sense: give a whole number from 1")
    if prompts > 1 and not gate.several:
        raise InputError(f"the {gate.name} gate weighs one prompt only: choose another gate")
