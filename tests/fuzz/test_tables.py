"""Any table before any fit: its numbers are used as they stand, or it is refused."""

import csv
import io
import math
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bayes_cmoe.commands.diagnose as diagnose_command
import bayes_cmoe.front.estimated as engine
from tests.fuzz.answers import answer, many, taken

pytestmark = pytest.mark.slow

NAMES = ("x", "y", "m", "s", "k", "p", "q", "l")
SCALAR = "-y y -x x --expert linear --frozen-mean m --frozen-family laplace"
WAYS = {
    "scale": ("constant_contaminated", f"{SCALAR} --frozen-scale s", "xyms"),
    "constant": ("constant_contaminated", f"{SCALAR} --frozen-scale 8", "xym"),
    "logp": ("multinomial_contaminated", "-y k -x x --gate constant --frozen-logp l", "xkl"),
    "probs": ("multinomial_contaminated", "-y k -x x --gate constant --frozen-probs p,q", "xkpq"),
}
"""Ways to state the frozen expert: variant, options, and the columns that they use."""
USED = {"x": "x", "y": "y", "k": "y", "m": "frozen_mean", "s": "frozen_scale", "l": "frozen_logp"}
odd_cells = st.sampled_from(
    [
        "", " ", "NA", "nan", "inf", "1e999", "1e101", "abc", "True", "1,5", "1;5", "1_000", "0x1",
        "'1", '"1"', '"', '"1\n2"', "１", "1e5", " 2 ", "+3", "-0", "1e-320", "1e-400", "=1+1",
        "9007199254740993", "0.1000000000000000055511151231257827", "\0", "\ufeff", "é", "1 2",
        ".5", "5.", "- 1", "1e", "--1", "#1", "\t1", "1\r",
    ]
)  # fmt: skip
any_cell = st.one_of(
    odd_cells, st.floats(-1e3, 1e3).map(repr), st.integers(-3, 3).map(str), st.text(max_size=4)
)


def good_rows():
    rng = np.random.default_rng(8)
    n = 12
    x = rng.normal(size=n).round(3)
    values = {
        "x": x, "y": (x + rng.normal(size=n)).round(3), "m": x, "s": np.ones(n),
        "k": np.arange(n) % 2, "p": np.full(n, 0.25), "q": np.full(n, 0.75), "l": np.full(n, -1.5),
    }  # fmt: skip
    return [[repr(value) for value in row] for row in np.column_stack([*values.values()]).tolist()]


def reach(file, way, command="fit"):
    """What reaches the fit of a file."""
    variant, options, _ = WAYS[way]
    owner = {"fit": (engine, "estimated"), "diagnose": (diagnose_command, "_diagnosed")}
    with taken(*owner[command]) as found:
        given_back = answer([command, variant, str(file), *options.split()])
    assert (given_back.code == 130) == bool(found)
    return found[0][0][0] if found else None


def used_column(setting, name):
    return setting.data.x[:, 0] if name == "x" else (
        setting.data.y if USED[name] == "y" else
        setting.frozen.columns(setting.data.x)[USED[name]]
    )  # fmt: skip


def assert_used(setting, way, columns):
    """Every column as Python's own float reads it."""
    for name in WAYS[way][2]:
        if name in ("p", "q"):
            probs = setting.frozen.columns(setting.data.x)["frozen_probs"]
            own = np.column_stack([columns["p"], columns["q"]])
            np.testing.assert_allclose(probs, own, atol=2e-6)
        else:
            np.testing.assert_array_equal(used_column(setting, name), columns[name])


def as_python_reads(text, delimiter):
    """Columns of numbers by the csv module and float; None where a cell is no finite number."""
    header, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    columns = {}
    for j, name in enumerate(header):
        try:
            values = [float(row[j]) for row in rows]
        except (ValueError, IndexError):
            values = [math.nan]
        columns[name.strip().removeprefix("\ufeff")] = values
    return columns


@many(400)
@given(
    way=st.sampled_from(sorted(WAYS)),
    ending=st.sampled_from([".csv", ".tsv"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    changes=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 7), any_cell), max_size=3),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoted=st.booleans(),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_any_text(way, ending, delimiter, changes, newline, quoted, mark):
    rows = [list(NAMES), *good_rows()]
    for row, column, cell in changes:
        rows[row][column] = cell
    stream = io.StringIO()
    if quoted:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=newline)
        writer.writerows(rows)
    else:
        stream.write(newline.join(delimiter.join(row) for row in rows) + newline)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"t{ending}"
        file.write_bytes((mark + stream.getvalue()).encode("utf-8", "surrogatepass"))
        setting = reach(file, way)
        assert [one.name for one in Path(folder).iterdir()] == [file.name]
    if setting is not None:
        assert_used(setting, way, as_python_reads(stream.getvalue(), delimiter))


def plain_text():
    return "\n".join(",".join(row) for row in [list(NAMES), *good_rows()]).encode() + b"\n"


def arrow_table():
    values = np.array(good_rows(), dtype=float)
    return pa.table({name: values[:, j] for j, name in enumerate(NAMES)})


def parquet_content():
    stream = io.BytesIO()
    pa.parquet.write_table(arrow_table(), stream)
    return stream.getvalue()


@many(250)
@given(
    content=st.sampled_from([("t.csv", plain_text()), ("t.parquet", parquet_content())]),
    command=st.sampled_from(["fit", "diagnose"]),
    flips=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), min_size=1, max_size=3),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_any_bytes(content, command, flips, cut):
    name, whole = content
    changed = bytearray(whole)
    for place, inserted in flips:
        at = int(place * len(changed))
        changed[at : at + len(inserted)] = inserted
    if cut is not None:
        del changed[int(cut * len(changed)) :]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(changed)
        setting = reach(file, "scale", command)
    if setting is not None and command == "fit":
        for column in ("x", "y", "m", "s"):
            assert np.isfinite(used_column(setting, column)).all()


arrow_columns = st.one_of(
    st.lists(st.floats(-1e3, 1e3), min_size=12, max_size=12).map(pa.array),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=12, max_size=12)
    .map(lambda values: pa.array(values, pa.float32())),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=12, max_size=12)
    .map(lambda values: pa.array(values, pa.int64())),
    st.lists(st.integers(0, 2**64 - 1), min_size=12, max_size=12)
    .map(lambda values: pa.array(values, pa.uint64())),
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=12, max_size=12)
    .map(lambda values: pa.array(values, pa.int8())),
    st.lists(st.decimals(-99, 99, places=2), min_size=12, max_size=12)
    .map(lambda values: pa.array(values, pa.decimal128(9, 2))),
    st.lists(st.booleans(), min_size=12, max_size=12).map(pa.array),
    st.lists(st.text(max_size=3), min_size=12, max_size=12).map(pa.array),
    st.lists(st.datetimes(), min_size=12, max_size=12).map(pa.array),
    st.lists(st.lists(st.integers(0, 3)), min_size=12, max_size=12)
    .map(lambda values: pa.array(values, pa.list_(pa.int64()))),
    st.just(pa.nulls(12)),
    st.just(pa.array(["1", "2"] * 6).dictionary_encode()),
    st.just(pa.array([1, 2] * 6).dictionary_encode()),
    st.just(pa.array([0.5] * 12, pa.float16())),
)  # fmt: skip


@many(150)
@given(
    column=st.sampled_from(NAMES), values=arrow_columns, way=st.sampled_from(sorted(WAYS)),
)  # fmt: skip
def test_any_parquet_column(column, values, way):
    table = arrow_table()
    table = table.set_column(table.column_names.index(column), column, values)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.parquet"
        pa.parquet.write_table(table, file)
        setting = reach(file, way)
    if setting is not None and column in WAYS[way][2]:
        given_values = table.column(column).to_pylist()
        assert all(isinstance(value, bool | str) is False for value in given_values)
        if column not in ("p", "q"):
            for used, value in zip(used_column(setting, column), given_values, strict=True):
                assert used == value or float(value) == used
                assert not isinstance(value, int) or int(used) == value
