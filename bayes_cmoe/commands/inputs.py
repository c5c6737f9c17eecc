"""From the words of a command line to a variant, its parts and the data, all checked."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from bayes_cmoe.commands.frozen_columns import FrozenColumns, split_names
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.columns import check_class_labels, check_not_constant, check_row_count
from bayes_cmoe.files.tables import column_names, read_table
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import EXPERTS, Expert, expert_named
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["Setting", "expert_form", "read_setting"]

MOST_PROMPTS = 8


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
        options = self.variant.options(self.gate)
        if _prompts_by_default(self.variant) is not None:
            options["prompts"] = self.prompts
        return self.variant.build(
            self.data, frozen=self.frozen, expert=self.expert, prior=prior, **options
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


def _prompts_by_default(variant: Variant) -> int | None:
    """How many prompts the variant's factory takes when nothing is said; None when it has one."""
    option = inspect.signature(variant.build).parameters.get("prompts")
    return None if option is None else int(option.default)


def _chosen_prompts(variant: Variant, count: int | None) -> int:
    default = _prompts_by_default(variant)
    if count is None:
        return default or 1
    if default is None and count != 1:
        raise InputError(
            f"--prompts {count}: {variant.name} has one prompt: choose another variant"
        )
    if not 1 <= count <= MOST_PROMPTS:
        raise InputError(f"--prompts {count}: give a number from 1 to {MOST_PROMPTS}")
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
    prompts : int, optional
        How many; the variant's own default when left out.

    Raises
    ------
    InputError
        When a name is unknown, the options do not go together, or the table will not do.
    """
    chosen = variant_named(variant)
    form = _chosen_expert(chosen, expert, bias)
    weights, count = _chosen_gate(chosen, gate), _chosen_prompts(chosen, prompts)
    frozen.check(chosen.response)
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
    sizes = {
        "feature": len(inputs),
        "free_class": (classes or 1) - 1,
        "prompt": count,
        **form.sizes,
    }
    unknown = Mixture(weights, form, chosen.family, count).parameters
    check_row_count(table, sum(prod(sizes[dim] for dim in own.dims) for own in unknown))
    for name in inputs:
        check_not_constant(table, name)
    known_expert = frozen.read(table, chosen.response)
    rows = Data(table.matrix(inputs), table.columns[response], inputs, classes)
    return Setting(chosen, rows, known_expert, form, weights, count)
