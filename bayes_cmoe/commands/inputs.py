"""From the words of a command line to a variant, its parts and the data, all checked."""

from collections.abc import Sequence
from pathlib import Path

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns, split_names
from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.files.columns import check_class_labels, check_not_constant, check_row_count
from bayes_cmoe.files.tables import column_names, read_table
from bayes_cmoe.front.setting import Setting, parts_of
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.frozen import NO_FROZEN
from bayes_cmoe.study.variant import variant_named

__all__ = ["read_setting"]


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
    parts = parts_of(chosen, expert, bias, gate, prompts, experts)
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
    check_row_count(table, parts.parameters(len(inputs), classes))
    for name in inputs:
        check_not_constant(table, name)
    known_expert = frozen.read(table, chosen.response) if chosen.frozen else NO_FROZEN
    rows = Data(table.matrix(inputs), table.columns[response], inputs, classes)
    return Setting(parts, rows, known_expert)
