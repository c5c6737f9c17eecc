"""From the words of a command line to a variant, its parts and the data, all checked."""

import inspect
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bayes_cmoe.commands.words import number_of
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.columns import (
    LARGEST,
    Table,
    check_class_labels,
    check_log_probabilities,
    check_not_constant,
    check_positive,
    check_probabilities,
    check_row_count,
)
from bayes_cmoe.files.tables import column_names, read_table
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import EXPERTS, Expert, expert_named
from bayes_cmoe.parts.families import FAMILIES
from bayes_cmoe.parts.frozen import SCALED, Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.predictions import (
    frozen_arguments,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
)
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["FrozenColumns", "Setting", "read_setting", "split_arguments"]

WAYS = {
    "number": "--frozen-family, --frozen-mean and --frozen-scale",
    "class": "--frozen-probs",
    "count": "--frozen-family and --frozen-arguments",
}
"""How the command line states a frozen expert of each kind of response."""
LARGEST_DF = 1e6
MOST_PROMPTS = 8


@dataclass(frozen=True)
class FrozenColumns:
    """What the options ``--frozen-...`` say: a family's name and names of columns.

    In place of a column, scale and df may be a number: where no column is named so, it holds in
    every row.
    """

    family: str | None = None
    mean: str | None = None
    scale: str | None = None
    df: str | None = None
    probs: str | None = None
    logp: str | None = None
    arguments: tuple[str, ...] = ()

    def check(self, response: str) -> None:
        """Refuse a choice that does not state one frozen expert for the kind of response.

        Raises
        ------
        InputError
        """
        way = f"{WAYS[response]}, or --frozen-logp"
        if self.arguments and self.logp is None and self.probs is None and self.family is not None:
            self._check_arguments(response)
            return
        predictions = (self.family, self.mean, self.scale, self.df)
        ways = sum([predictions != (None,) * 4, self.probs is not None, self.logp is not None])
        wrong = {
            "number": self.probs is not None,
            "class": predictions != (None,) * 4,
            "count": self.logp is None,
        }
        if ways != 1 or wrong[response] or self.arguments:
            raise InputError(f"the response is a {response}: state the frozen expert by {way}")
        if self.probs is not None and len(self.names) < 2:
            raise InputError(
                f"--frozen-probs {shortened(self.probs)}: give a column for each of at least two "
                "classes"
            )
        if self.logp is not None or self.probs is not None:
            return
        needed = {"family": self.family, "mean": self.mean, "scale": self.scale}
        for name, value in needed.items():
            if value is None:
                raise InputError(f"--frozen-{name} is missing: state the frozen expert by {way}")
        choose("frozen family", str(self.family), SCALED)
        if (self.family == "student_t") != (self.df is not None):
            raise InputError(
                f"--frozen-df does not go with {self.family}: leave it out"
                if self.df is not None
                else "--frozen-df is missing: a student_t needs its degrees of freedom"
            )

    def _check_arguments(self, response: str) -> None:
        """Refuse arguments that are not the family's, and a family of another response."""
        family = FAMILIES[choose("frozen family", str(self.family), FAMILIES)]
        if family.response != response:
            raise InputError(
                f"--frozen-family {self.family} predicts a {family.response} and the response is a "
                f"{response}: state the frozen expert by {WAYS[response]}"
            )
        given = {pair.partition("=")[0] for pair in self.arguments}
        if given != set(family.arguments) or not all("=" in pair for pair in self.arguments):
            needed = ",".join(f"{argument}=COLUMN" for argument in family.arguments)
            raise InputError(f"--frozen-arguments of a {family.name}: write {needed}")

    @property
    def named_arguments(self) -> dict[str, str]:
        """The family's arguments and their columns, as ``--frozen-arguments`` has them."""
        return {pair.partition("=")[0]: pair.partition("=")[2] for pair in self.arguments}

    @property
    def names(self) -> list[str]:
        """The columns that the frozen expert needs."""
        if self.arguments:
            return list(self.named_arguments.values())
        if self.probs is not None:
            return split_names("--frozen-probs", [self.probs])
        return [name for name in (self.mean, self.scale, self.df, self.logp) if name is not None]

    @property
    def constants(self) -> list[str]:
        """What may be a number in place of a column."""
        given = (name for name in (self.scale, self.df) if name is not None)
        return [name for name in given if number_of(name) is not None]

    def needed(self, header: Collection[str]) -> list[str]:
        """The columns to be read of a table that has these."""
        constants = [name for name in self.constants if name not in header and name != self.mean]
        return [name for name in self.names if name not in constants]

    def read(self, table: Table, response: str) -> Frozen:
        """The frozen expert of a table, its columns checked."""
        if self.arguments:
            columns = {name: table.columns[own] for name, own in self.named_arguments.items()}
            return frozen_arguments(str(self.family), **columns)
        if self.logp is not None:
            if response != "number":
                check_log_probabilities(table, self.logp)
            return frozen_log_density(table.columns[self.logp])
        if self.probs is not None:
            check_probabilities(table, self.names)
            return frozen_probabilities(table.matrix(self.names))
        mean, scale = table.columns[str(self.mean)], _positive(table, "scale", str(self.scale))
        df = None if self.df is None else _positive(table, "df", self.df, LARGEST_DF)
        return frozen_predictions(str(self.family), mean, scale, df)


def _positive(table: Table, option: str, name: str, upper: float = LARGEST) -> NDArray | float:
    """A column of positive numbers, or the positive number that stands in its place."""
    if name in table.columns:
        check_positive(table, name, upper)
        return table.columns[name]
    value = float(number_of(name) or 0)
    if not 1 / LARGEST <= value <= upper:
        raise InputError(
            f"--frozen-{option} {shortened(name)}: give a number from {1 / LARGEST:g} to "
            f"{upper:g}, or a column"
        )
    return value


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


def split_arguments(words: Sequence[str] | None) -> tuple[str, ...]:
    """What ``--frozen-arguments`` says, one ``argument=column`` each."""
    return tuple(split_names("--frozen-arguments", words)) if words else ()


def split_names(option: str, words: Sequence[str]) -> list[str]:
    """Column names from comma-separated words.

    Raises
    ------
    InputError
        When there is none, an empty one, or one twice.

    Examples
    --------
    >>> split_names("-x", ["x1,x2", "age"])
    ['x1', 'x2', 'age']
    """
    names = [name.strip() for word in words for name in word.split(",")]
    if not names or "" in names:
        raise InputError(f"{option}: an empty name: give column names separated by commas")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{option}: column {shortened(name)!r} is named twice: name it once")
    return names


def _chosen_expert(variant: Variant, name: str | None, bias: bool) -> Expert:
    if name is None:
        name = inspect.signature(variant.build).parameters["expert"].default
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
