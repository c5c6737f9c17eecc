"""The contaminated mixture as a PyMC model: every contaminated variant is this, with its parts.

p(y|x) = (1 - pi(x)) f0(y|x) + pi(x) f(y | h(x; eta), nu)
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.arrays import check_same_rows
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert, expert_named
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.frozen import Frozen, check_log_probabilities
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.priors import Prior, free_parameters, priors_for

__all__ = ["contaminated_model", "contaminated_response", "data_nodes", "gate_of"]

Tensor = Any

_GATES: WeakKeyDictionary[pm.Model, Gate] = WeakKeyDictionary()


def gate_of(model: pm.Model) -> Gate | None:
    """The gate that a model was built with; None when it is not one of the suite's."""
    return _GATES.get(model)


def data_nodes(data: Data, frozen: Frozen) -> dict[str, Tensor]:
    """Put all that comes from the data into the model on the stack, as `pm.Data` with dims.

    Returns
    -------
    dict of str to tensor
        ``x`` (obs, feature), ``response`` (obs) and the frozen expert's columns.

    Raises
    ------
    InputError
        When the frozen expert predicts another kind of response, other classes or other rows, or a
        class label's log-probability is positive.
    """
    check_same_rows({"the data": data.labels, "the frozen columns": frozen.labels})
    frozen_columns = frozen.columns(data.x)
    _check_response(data, frozen.family, frozen_columns)
    model = pm.modelcontext(None)
    model.add_coord("obs", np.arange(data.n))
    model.add_coord("feature", data.features)
    if data.classes is not None:
        model.add_coord("class", np.arange(data.classes))
        model.add_coord("free_class", np.arange(data.classes - 1))
    columns = {"x": data.x, "response": data.y, **frozen_columns}
    # Only the number of rows may change: with the other lengths known, JAX can trace the graph.
    return {
        name: pm.Data(name, column, dims=_dims(name), shape=(None, *column.shape[1:]))
        for name, column in columns.items()
    }


def _check_response(data: Data, family: Family, columns: dict[str, NDArray]) -> None:
    """Refuse a density beside a probability; a given log-density may be either."""
    if "logp" in family.arguments:
        if data.classes is not None:
            check_log_probabilities(columns["frozen_logp"])
        return
    of_classes = "mean" not in family.arguments
    if of_classes != (data.classes is not None):
        kinds = ("class labels", "numbers") if of_classes else ("numbers", "class labels")
        raise InputError(
            f"the frozen {family.name} expert predicts {kinds[0]} and the response holds "
            f"{kinds[1]}: give a frozen expert for {kinds[1]}"
        )
    if of_classes:
        (name,) = columns
        count = columns[name].shape[1] + (name == "frozen_logits")
        if count != data.classes:
            raise InputError(
                f"the frozen expert has {count} classes and the response {data.classes}: "
                "give one probability (or logit) for each class"
            )


def _dims(column: str) -> tuple[str, ...]:
    second = {"x": "feature", "frozen_probs": "class", "frozen_logits": "free_class"}
    return ("obs", second[column]) if column in second else ("obs",)


def contaminated_response(
    nodes: dict[str, Tensor],
    log_weights: tuple[Tensor, Tensor],
    frozen: Family,
    prompt: Family,
    prompt_arguments: Sequence[Tensor],
) -> Tensor:
    """The observed response ``y`` of a contaminated mixture of experts.

    Parameters
    ----------
    nodes : dict of str to tensor
        What `data_nodes` returned.
    log_weights : pair of tensors, shape () or (n,)
        log (1 - pi(x)) and log pi(x), from a gate.
    frozen, prompt : Family
        Densities of the frozen and of the trainable expert.
    prompt_arguments : sequence of tensors
        The trainable expert's arguments at the rows of the data.

    Returns
    -------
    The random variable ``y``, shape (n,): `pm.CustomDist` with its log-density and its sampler.
    """
    frozen_arguments = [nodes[f"frozen_{argument}"] for argument in frozen.arguments]
    split = 2 + len(prompt_arguments)
    signature = ("()", "()", *prompt.signature, *frozen.signature)
    core_dimensions = [int(core != "()") for core in signature]

    def logp(value: Tensor, *arguments: Tensor) -> Tensor:
        log_frozen, log_prompt = arguments[:2]
        return pt.logaddexp(
            log_frozen + frozen.logp(value, *arguments[split:]),
            log_prompt + prompt.logp(value, *arguments[2:split]),
        )

    def random(*arguments: NDArray, rng: Generator, size: tuple[int, ...] | None = None) -> NDArray:
        if size is not None:
            arguments = tuple(
                np.broadcast_to(argument, (*size, *argument.shape[argument.ndim - core :]))
                for argument, core in zip(arguments, core_dimensions, strict=True)
            )
        known = frozen.random(rng, *arguments[split:])
        new = prompt.random(rng, *arguments[2:split])
        return np.where(np.log(rng.random(np.shape(known))) < arguments[1], new, known)

    return pm.CustomDist(
        "y",
        *log_weights,
        *prompt_arguments,
        *frozen_arguments,
        logp=logp,
        random=random,
        signature=f"{','.join(signature)}->()",
        observed=nodes["response"],
        dims="obs",
        class_name="ContaminatedMixture",
    )


def contaminated_model(
    data: Data, *, frozen: Frozen, gate: Gate, expert: str | Expert, prior: Prior, prompt: Family
) -> pm.Model:
    """The PyMC model of a contaminated mixture of experts with these parts.

    Parameters
    ----------
    data : Data
    frozen : Frozen
        The pre-trained expert.
    gate : Gate
    expert : str or Expert
        Form of the trainable expert's mean or logits h(x; eta).
    prior : {"flat", "weak"} or mapping
        See `bayes_cmoe.parts.priors.priors_for`.
    prompt : Family
        The trainable expert's density: `gaussian`, which adds the variance ``nu``, or
        `multinomial_logistic`.

    Returns
    -------
    pm.Model with the gate's and the expert's parameters and the observed ``y`` (obs,).

    Raises
    ------
    InputError
        When the expert or the prior is unknown, the response is not of the prompt's kind, or the
        frozen columns do not fit the data.
    """
    form = expert_named(expert)
    scalar = data.classes is None
    if scalar != ("variance" in prompt.arguments):
        raise InputError(
            f"a {prompt.name} prompt does not go with a response of "
            f"{'numbers' if scalar else 'class labels'}: choose a variant for that response"
        )
    priors = priors_for(prior, data, gate, form)
    with pm.Model() as model:
        nodes = data_nodes(data, frozen)
        unknown = {
            name: priors[name].variable(name, dims)
            for name, dims in free_parameters(gate, form, scalar=scalar).items()
        }
        location = form.mean(nodes["x"], **{name: unknown[name] for name in form.dims})
        if data.classes is not None:
            location = pt.specify_shape(location, (None, data.classes - 1))
        arguments = [location, unknown["nu"]] if scalar else [location]
        log_weights = gate.log_weights(nodes["x"], **{name: unknown[name] for name in gate.dims})
        contaminated_response(nodes, log_weights, frozen.family, prompt, arguments)
    _GATES[model] = gate
    return model
