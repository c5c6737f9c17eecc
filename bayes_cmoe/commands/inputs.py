"""From the words of a command line to a variant, its parts and the data, all checked."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns, split_names
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.columns import check_class_labels, check_not_constant, check_row_count
from bayes_cmoe.files.tables import column_names, read_table
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import EXPERTS, Expert, expert_named
from bayes_cmoe.parts.frozen import NO_FROZEN, Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["Setting", "expert_form", "read_setting"]

MOST_EXPERTS = 8


@dataclass(frozen=True, eq=False)
class Setting:
    """A variant with its parts and data, ready to be built."""

    variant: Variant
    data: Data
    frozen: Frozen
    expert: Expert
    gate: Gate
    prompts: int = 1

    def model(self, prior: Prior) -> Any:
        """The PyMC model under a prior."""
        options, counted = self.variant.options(self.gate), _counted(self.variant)
        if _by_default(self.variant, counted) is not None:
            options[counted] = self.prompts
        return self.variant.built(
            self.data, self.frozen, expert=self.expert, prior=prior, **options
        )


def _chosen_expert(variant: Variant, name: str | None, bias: bool) -> Expert:
    if name is None:
        name = inspect.signature(variant.build).parameters["expert"].default
    return expert_form(name, bias)


def expert_form(name: str, bias: bool) -> Expert:
    """The expert of that name, in its form without bias where none is wanted.

    Raises
    ------
    InputError
        When there is no such expert, or it has no such form.
    """
    form = expert_named(name)
    name = form.name
    if bias or name.endswith("-nobias"):
        return form
    if f"{name}-nobias" not in EXPERTS:
        raise InputError(f"expert {name!r} has no form without bias: leave --no-bias out")
    return expert_named(f"{name}-nobias")


def _chosen_gate(variant: Variant, name: str | None) -> Gate:
    gates = {gate.name: gate for gate in variant.gates}
    if name is None:
        return variant.gates[0]
    return gates[choose(f"gate of {variant.name}", name, gates)]


def _counted(variant: Variant) -> str:
    """What its trainable experts are called, where it has several."""
    return "prompts" if variant.frozen else "experts"


def _by_default(variant: Variant, counted: str) -> int | None:
    """How many the variant's factory takes when nothing is said; None when it has one."""
    option = inspect.signature(variant.build).parameters.get(counted)
    return None if option is None else int(option.default)


def _chosen_count(variant: Variant, prompts: int | None, experts: int | None) -> int:
    """How many trainable experts, as ``--prompts`` or ``--experts`` say it."""
    counted = _counted(variant)
    count, other = (prompts, experts) if counted == "prompts" else (experts, prompts)
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


def read_setting(
    variant: str,
    data: Path,
    response: str,
    features: Sequence[str],
    frozen: FrozenColumns,
    expert: str | None = None,
    bias: bool = True,
    gate: str | None = None,
    prompts: int | None = None,
    experts: int | None = None,
) -> Setting:
    """Choose the parts, read the table and check it against them.

    Parameters
    ----------
    variant, expert, gate : str
        Names; the variant's own default expert and gate when left out.
    data : Path
        The table's file.
    response : str
        Column of the response.
    features : sequence of str
        Columns of the inputs, one or several separated by commas in each entry.
    frozen : FrozenColumns
    bias : bool
        False picks the expert's form without bias.
    prompts, experts : int, optional
        How many, beside a frozen expert or without one; the variant's own default when left out.

    Raises
    ------
    InputError
        When a name is unknown, the options do not go together, or the table will not do.
    """
    chosen = variant_named(variant)
    form = _chosen_expert(chosen, expert, bias)
    weights, count = _chosen_gate(chosen, gate), _chosen_count(chosen, prompts, experts)
    if chosen.frozen:
        frozen.check(chosen.response)
    elif frozen != NOT_STATED:
        raise InputError(f"{chosen.name} has no frozen expert: leave the options --frozen-... out")
    inputs = split_names("-x", features)
    if response in inputs:
        raise InputError(
            f"column {shortened(response)!r} is both response and feature: take it out of -x"
        )
    header = column_names(data) if frozen.constants else ()
    table = read_table(data, [response, *inputs, *frozen.needed(header)])
    classes = None
    if chosen.response != "class":
        check_not_constant(table, response)
    else:
        known = len(frozen.names) if frozen.probs is not None else None
        classes = check_class_labels(table, response, known)
    mixture = Mixture(weights, form, chosen.family, count)
    sizes = {
        "feature": len(inputs),
        "free_class": (classes or 1) - 1,
        **form.sizes,
        **mixture.sizes,
    }
    unknown = mixture.parameters
    check_row_count(table, sum(prod(sizes[dim] for dim in own.dims) for own in unknown))
    for name in inputs:
        check_not_constant(table, name)
    known_expert = frozen.read(table, chosen.response) if chosen.frozen else NO_FROZEN
    rows = Data(table.matrix(inputs), table.columns[response], inputs, classes)
    return Setting(chosen, rows, known_expert, form, weights, count)
