"""A user's table (CSV, TSV or Parquet) -> validated arrays.

Only the columns that are asked for are read, as 64-bit numbers; every check names the file, the
column and the row. Rows are counted from 1, the header and blank lines left out.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.files.cells import check_cell
from bayes_cmoe.files.columns import LARGEST, Table, check_rows
from bayes_cmoe.files.text import DELIMITERS, check_names, header_of, no_rows, text_columns

__all__ = [
    "check_ending",
    "column_names",
    "read_table",
    "write_table",
]

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
    with _readable(file, source):
        if kind == ".parquet":
            columns = _parquet_columns(file, source, wanted)
        else:
            columns = text_columns(file, source, wanted, kind)
    if len(columns[wanted[0]]) == 0:
        raise no_rows(source)
    return Table(source, {name: _numbers(source, name, columns[name]) for name in wanted})


def column_names(path: str | Path) -> list[str]:
    """The names of all columns of a table's file.

    Raises
    ------
    InputError
        When the file is missing, empty or not of its kind.
    """
    file, source = Path(path), str(path)
    kind = check_ending(path)
    with _readable(file, source):
        if kind != ".parquet":
            header, _ = header_of(file, source, kind)
            return [name.strip() for name in header]
        with _parquet(file, source) as parquet:
            return list(parquet.schema_arrow.names)


@contextmanager
def _readable(file: Path, source: str) -> Iterator[None]:
    try:
        if not file.exists():
            raise InputError(f"{source}: no such file: check the name and the folder")
        # A device or a pipe may have no end.
        if not file.is_file():
            raise InputError(f"{source}: not a file: give the name of a {KNOWN} file")
        yield
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from None


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


@contextmanager
def _parquet(file: Path, source: str) -> Iterator[Any]:
    try:
        with pa.parquet.ParquetFile(file) as parquet:
            yield parquet
    except pa.ArrowException as error:
        reason = shortened((str(error).splitlines() or ["no reason given"])[0], 200)
        raise InputError(f"{source}: not a Parquet file ({reason}): save it again") from None


def _parquet_columns(file: Path, source: str, wanted: Sequence[str]) -> dict[str, pa.ChunkedArray]:
    with _parquet(file, source) as parquet:
        check_names(source, list(parquet.schema_arrow.names), wanted)
        table = parquet.read(columns=list(wanted))
    return {name: table.column(name) for name in wanted}


def _numbers(source: str, name: str, column: pa.ChunkedArray) -> NDArray:
    where = f"{source}: column {name!r}"
    kind = column.type
    if pa.types.is_binary(kind):
        values = _numbers_of_text(where, column)
    elif pa.types.is_decimal(kind):
        # Python rounds a decimal to the nearest 64-bit float, Arrow to one beside it.
        entries = column.to_pylist()
        values = np.array([np.nan if entry is None else float(entry) for entry in entries])
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy()
        if pa.types.is_integer(kind):
            _check_exact(where, column, values)
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


def _check_exact(where: str, column: pa.ChunkedArray, values: NDArray) -> None:
    """Refuse whole numbers that lie between two 64-bit floats."""
    beyond = np.flatnonzero(np.abs(values) >= 2.0**53)
    given = column.take(pa.array(beyond)).to_pylist()
    good = np.ones(len(values), dtype=bool)
    good[beyond] = [value == int(values[row]) for row, value in zip(beyond, given, strict=True)]
    problem = "is {value:.0f} once rounded to a 64-bit float, and another number as given,"
    check_rows(where, good, values, problem, "use another unit or origin")


def _numbers_of_text(where: str, column: pa.ChunkedArray) -> NDArray:
    values = np.full(len(column), np.nan)
    for row, entry in enumerate(column.to_pylist()):
        if entry is None or not entry.strip():
            continue
        try:
            values[row] = pa.scalar(entry.decode().strip()).cast(pa.float64()).as_py()
        except (pa.ArrowInvalid, UnicodeDecodeError):
            text = entry[:40].decode(errors="backslashreplace")
            comma = re.fullmatch(r"\s*[+-]?[0-9]*,[0-9]+\s*", text)
            remedy = "write decimal points, not commas" if comma else "remove or mend the row"
            raise InputError(
                f"{where} is {text!r} in row {row + 1}, not a number: {remedy}"
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
        When the ending is another, or a column's name would be a formula in a spreadsheet.
    """
    file, kind = Path(path), check_ending(path)
    for name in columns if kind != ".parquet" else ():
        check_cell(name)
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
