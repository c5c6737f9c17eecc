"""Separated text (CSV, TSV) -> the columns asked for, as numbers or, failing that, as bytes."""

import codecs
import csv
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from bayes_cmoe.errors import InputError, shortened

__all__ = ["DELIMITERS", "check_names", "header_of", "no_rows", "text_columns"]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
BLOCK = 2**20
"""Bytes that are parsed at once; a row must fit."""
HINTED = 1000
"""Columns at most among which a similar name is looked for."""
SHOWN = 12
"""Columns at most that a message names."""


def check_names(source: str, header: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse names that a header lacks or has twice.

    Raises
    ------
    InputError
    """
    counts = Counter(header)
    for name in wanted:
        said = repr(shortened(name))
        if counts[name] > 1:
            raise InputError(
                f"{source}: column {said} is there {counts[name]} times: rename all but one"
            )
        if counts[name] == 0:
            near = get_close_matches(shortened(name), header[:HINTED], n=1, cutoff=0.5)
            hint = f"did you mean {shortened(near[0])!r}? " if near else ""
            shown = ", ".join(repr(shortened(known)) for known in header[:SHOWN])
            more = f" and {len(header) - SHOWN} more" if len(header) > SHOWN else ""
            raise InputError(f"{source}: no column {said}: {hint}its columns are {shown}{more}")


def _delimiter(source: str, header: Sequence[str], kind: str) -> str:
    """What separates the columns: the ending says it, but for a .csv with semicolons."""
    delimiter = DELIMITERS[kind]
    spelled = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
    found = [mark for mark in spelled if len(header) == 1 and mark in header[0]]
    # As spreadsheets save a .csv where people write 1,5; such an entry is refused by its name.
    if found == [";"] and delimiter == ",":
        return ";"
    if found:
        remedy = (
            "give it the ending .tsv"
            if found[0] == "\t"
            else f"save it separated by {spelled[delimiter]}"
        )
        raise InputError(
            f"{source}: one column only, {shortened(header[0])!r}: it looks separated by "
            f"{spelled[found[0]]}, not {spelled[delimiter]}: {remedy}"
        )
    return delimiter


def _check_text(file: Path, source: str) -> None:
    with file.open("rb") as stream:
        beginning = stream.read(65536)
    if not beginning.strip():
        raise InputError(f"{source}: empty file: give a header and rows")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        readable = False
    else:
        readable = b"\0" not in beginning
    if not readable:
        raise InputError(f"{source}: not UTF-8 text: save it as CSV in UTF-8")


def _first_row(file: Path, delimiter: str) -> list[str]:
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        return next((row for row in csv.reader(stream, delimiter=delimiter) if row), [])


def header_of(file: Path, source: str, kind: str) -> tuple[list[str], str]:
    """The columns' names as they are in the file, and what separates them.

    Parameters
    ----------
    file : Path
    source : str
        What messages call it.
    kind : {".csv", ".tsv"}

    Raises
    ------
    InputError
        When the file is empty, no text, or has no header that can be read.
    """
    _check_text(file, source)
    try:
        header = _first_row(file, DELIMITERS[kind])
        delimiter = _delimiter(source, header, kind)
        return (header if delimiter == DELIMITERS[kind] else _first_row(file, delimiter)), delimiter
    except csv.Error as error:
        raise InputError(f"{source}: the header cannot be read ({error}): mend it") from None


def text_columns(
    file: Path, source: str, wanted: Sequence[str], kind: str
) -> dict[str, pa.ChunkedArray]:
    """The columns of these names, as numbers; as bytes where some entry is no number.

    Raises
    ------
    InputError
        When the file is no table, or a column is missing or there twice.
    """
    header, delimiter = header_of(file, source, kind)
    names = [name.strip() for name in header]
    check_names(source, names, wanted)
    inside = {name: header[names.index(name)] for name in wanted}
    given = list(inside.values())
    # Rows may be longer than their header, which must fit into a block as well.
    block = max(BLOCK, min(64 * len(header) + 4 * sum(map(len, header)), 2**30))
    try:
        table = _parse_text(file, source, delimiter, given, pa.float64(), block)
    except pa.ArrowException:
        # Some entry is no number: read the same as bytes, to find and name it.
        try:
            table = _parse_text(file, source, delimiter, given, pa.binary(), block)
        except pa.ArrowException as error:
            reason = shortened(str(error).splitlines()[0], 200)
            raise InputError(f"{source}: not a well-formed table: {reason}: mend it") from None
    return {name: table.column(inside[name]) for name in wanted}


def _parse_text(
    file: Path, source: str, delimiter: str, names: list[str], kind: pa.DataType, block: int
) -> pa.Table:
    uneven: list[pa.csv.InvalidRow] = []

    def refuse(row: pa.csv.InvalidRow) -> str:
        uneven.append(row)
        return "error"

    try:
        return pa.csv.read_csv(
            file,
            # One thread, because only then are the rows numbered.
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=block),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=pa.csv.ConvertOptions(
                include_columns=names,
                column_types=dict.fromkeys(names, kind),
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if uneven:
            row = uneven[0]
            raise InputError(
                f"{source}: row {row.number - 1} has {row.actual_columns} entries and the header "
                f"{row.expected_columns}: mend the row, or quote entries that hold the delimiter"
            ) from None
        if "Empty CSV file" in str(error):
            raise no_rows(source) from None
        raise


def no_rows(source: str) -> InputError:
    """What is said of a table without rows."""
    return InputError(f"{source}: has a header and no rows: give at least one row of data")
