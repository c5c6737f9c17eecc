"""A user's table (CSV, TSV or Parquet) -> validated arrays.

Only the columns that are asked for are read, as 64-bit numbers; every check names the file, the
column and the row. Rows are counted from 1, the header and blank lines left out.
"""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.columns import LARGEST, Table, check_rows

__all__ = [
    "check_ending",
    "read_table",
    "write_table",
]

DELIMITERS = {".csv": ",", ".tsv": "\t"}
KNOWN = ".csv, .tsv or .parquet"


def read_table(path: str | Path, names: Sequence[str]) -> Table:
    """Read the named columns of a .csv, .tsv or .parquet file.

    Parameters
    ----------
    path : str or Path
    names : sequence of str
        The columns wanted; a name may come twice.

    Raises
    ------
    InputError
        When the file is missing, empty or not of its kind; when a column is missing or there
        twice; when an entry is missing, text, not finite or above 1e100 in magnitude.
    """
    file, source = Path(path), str(path)
    kind = check_ending(path)
    wanted = list(dict.fromkeys(names))
    try:
        if not file.exists():
            raise InputError(f"{source}: no such file: check the name and the folder")
        if not file.is_file():
            raise InputError(f"{source}: not a file: give the name of a {KNOWN} file")
        if kind == ".parquet":
            columns = _parquet_columns(file, source, wanted)
        else:
            columns = _text_columns(file, source, wanted, DELIMITERS[kind])
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from None
    if len(columns[wanted[0]]) == 0:
        raise _no_rows(source)
    return Table(source, {name: _numbers(source, name, columns[name]) for name in wanted})


def check_ending(path: str | Path) -> str:
    """The ending of a table's name, in lower case.

    Raises
    ------
    InputError
        When it is none of .csv, .tsv, .parquet.
    """
    kind = Path(path).suffix.lower()
    if kind not in (*DELIMITERS, ".parquet"):
        raise InputError(f"{path}: the name must end in {KNOWN}, which says its format")
    return kind


def _check_names(source: str, header: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        count = header.count(name)
        if count > 1:
            raise InputError(
                f"{source}: column {name!r} is there {count} times: rename all but one"
            )
        if count == 0:
            near = get_close_matches(name, header, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            shown = ", ".join(repr(known) for known in header[:12])
            more = f" and {len(header) - 12} more" if len(header) > 12 else ""
            raise InputError(f"{source}: no column {name!r}: {hint}its columns are {shown}{more}")


def _check_delimiter(source: str, header: Sequence[str], delimiter: str) -> None:
    spelled = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
    found = [mark for mark in spelled if len(header) == 1 and mark in header[0]]
    if found:
        remedy = (
            "give it the ending .tsv"
            if found[0] == "\t"
            else f"save it separated by {spelled[delimiter]}"
        )
        raise InputError(
            f"{source}: one column only, {header[0][:60]!r}: it looks separated by "
            f"{spelled[found[0]]}, not {spelled[delimiter]}: {remedy}"
        )


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


def _header(file: Path, delimiter: str) -> list[str]:
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        return next((row for row in csv.reader(stream, delimiter=delimiter) if row), [])


def _text_columns(
    file: Path, source: str, wanted: Sequence[str], delimiter: str
) -> dict[str, pa.ChunkedArray]:
    _check_text(file, source)
    try:
        header = _header(file, delimiter)
    except csv.Error as error:
        raise InputError(f"{source}: the header cannot be read ({error}): mend it") from None
    _check_delimiter(source, header, delimiter)
    names = [name.strip() for name in header]
    _check_names(source, names, wanted)
    inside = {name: header[names.index(name)] for name in wanted}
    try:
        table = _parse_text(file, source, delimiter, list(inside.values()), pa.float64())
    except pa.ArrowException:
        # Some entry is no number: read the same as bytes, to find and name it.
        try:
            table = _parse_text(file, source, delimiter, list(inside.values()), pa.binary())
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{source}: not a well-formed table: {reason}: mend it") from None
    return {name: table.column(inside[name]) for name in wanted}


def _parse_text(
    file: Path, source: str, delimiter: str, names: list[str], kind: pa.DataType
) -> pa.Table:
    uneven: list[pa.csv.InvalidRow] = []

    def refuse(row: pa.csv.InvalidRow) -> str:
        uneven.append(row)
        return "error"

    try:
        return pa.csv.read_csv(
            file,
            # One thread, because only then are the rows numbered.
            read_options=pa.csv.ReadOptions(use_threads=False),
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
            raise _no_rows(source) from None
        raise


def _no_rows(source: str) -> InputError:
    return InputError(f"{source}: has a header and no rows: give at least one row of data")


def _parquet_columns(file: Path, source: str, wanted: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    try:
        with pa.parquet.ParquetFile(file) as parquet:
            header = list(parquet.schema_arrow.names)
            _check_names(source, header, wanted)
            table = parquet.read(columns=list(wanted))
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{source}: not a Parquet file ({reason}): save it again") from None
    return {name: table.column(name) for name in wanted}


def _numbers(source: str, name: str, column: pa.ChunkedArray) -> NDArray:
    where = f"{source}: column {name!r}"
    kind = column.type
    if pa.types.is_binary(kind):
        values = _numbers_of_text(where, column)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy()
    else:
        raise InputError(f"{where} holds {kind}, not numbers: convert it, or choose another column")
    check_rows(where, ~np.isnan(values), values, "is missing", "remove or impute the row")
    check_rows(where, np.isfinite(values), values, "is infinite", "remove or mend the row")
    check_rows(
        where,
        np.abs(values) <= LARGEST,
        values,
        f"is {{value:g}}, above {LARGEST:g} in magnitude",
        "use other units",
    )
    return values


def _numbers_of_text(where: str, column: pa.ChunkedArray) -> NDArray:
    values = np.full(len(column), np.nan)
    for row, entry in enumerate(column.to_pylist()):
        if entry is None or not entry.strip():
            continue
        try:
            values[row] = pa.scalar(entry.decode().strip()).cast(pa.float64()).as_py()
        except (pa.ArrowInvalid, UnicodeDecodeError):
            text = entry[:40].decode(errors="backslashreplace")
            raise InputError(
                f"{where} is {text!r} in row {row + 1}, not a number: remove or mend the row"
            ) from None
    return values


def write_table(columns: Mapping[str, NDArray], path: str | Path) -> None:
    """Write columns to a .csv, .tsv or .parquet file, numbers in full precision.

    Parameters
    ----------
    columns : mapping of str to array, shape (n,)
    path : str or Path

    Raises
    ------
    InputError
        When the ending is another.
    """
    file, kind = Path(path), check_ending(path)
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    if kind == ".parquet":
        pa.parquet.write_table(table, file)
        return
    delimiter = DELIMITERS[kind]
    header = io.StringIO()
    csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(columns)
    with file.open("wb") as stream:
        stream.write(header.getvalue().encode())
        options = pa.csv.WriteOptions(include_header=False, delimiter=delimiter)
        pa.csv.write_csv(table, stream, options)
