"""The arguments of a trainable expert's density at the rows of a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bayes_cmoe.compiled.types import Tensor
from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pt
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.frozen import Frozen

__all__ = ["arguments_of", "check_around"]

LEAST = 1e-12
"""Class probabilities of zero become this where logits are taken of them."""


def arguments_of(
    form: Expert,
    family: Family,
    nodes: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    classes: int | None,
) -> list[Tensor]:
    """An expert's function, about the frozen expert's where it says so, and the family's own.

    Parameters
    ----------
    form : Expert
    family : Family
    nodes : mapping of str to tensor
        ``x`` (n, feature) and the frozen expert's columns.
    values : mapping of str to tensor
        The expert's parameters and the family's.
    classes : int, optional
        Of a class response, whose number the graph is to know.
    """
    location = form.mean(nodes["x"], **{name: values[name] for name in form.dims})
    if classes is not None:
        location = pt.specify_shape(location, (None, classes - 1))
    if form.around_frozen and classes is not None:
        # A plain sum asks whether rows are to be repeated, which has no answer in a traced graph.
        added = np.tile(np.eye(classes - 1), (2, 1))
        location = pt.concatenate([location, _frozen_logits(nodes)], axis=1) @ added
    return [
        values[family.own[argument].name] if argument in family.own else location
        for argument in family.arguments
    ]


def _frozen_logits(nodes: Mapping[str, Tensor]) -> Tensor:
    """The frozen expert's logits, shape (n, class - 1)."""
    if "frozen_logits" in nodes:
        return nodes["frozen_logits"]
    logs = pt.log(pt.maximum(nodes["frozen_probs"], LEAST))
    return logs[:, :-1] - logs[:, -1:]


def check_around(form: Expert, family: Family, frozen: Frozen) -> None:
    """Refuse an expert around a frozen one that has no logits.

    Raises
    ------
    InputError
    """
    known = {"probs", "logits"} & set(frozen.family.arguments)
    if form.around_frozen and not (family.response == "class" and known):
        raise InputError(
            f"the {form.name} expert has the frozen expert's logits: choose a variant of classes, "
            "and state f0 by its probabilities"
        )
