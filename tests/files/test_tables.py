"""Reading a user's table: exact on good ones, one clear sentence on bad ones."""

import os
import time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.cells import plain_cell
from bayes_cmoe.files.columns import (
    LARGEST,
    Table,
    check_class_labels,
    check_not_constant,
    check_positive,
    check_probabilities,
    check_row_count,
)
from bayes_cmoe.files.regular import regular_content
from bayes_cmoe.files.tables import column_names, read_table, write_table

ENDINGS = (".csv", ".tsv", ".parquet")
finite = st.floats(-LARGEST, LARGEST, allow_nan=False)
few = settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def text_file(folder, text, name="t.csv"):
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def complaint(file, *names):
    with pytest.raises(InputError) as caught:
        read_table(file, names)
    message = str(caught.value)
    assert "\n" not in message
    assert file.name in message
    return message


@few
@given(
    rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=20),
    ending=st.sampled_from(ENDINGS),
)
def test_numbers_survive_writing_and_reading_exactly(tmp_path, rows, ending):
    u, v = (np.array(column) for column in zip(*rows, strict=True))
    file = tmp_path / f"t{ending}"
    write_table({"u": u, "v": v}, file)
    table = read_table(file, ["v", "u", "v"])
    np.testing.assert_array_equal(table.columns["u"], u)
    np.testing.assert_array_equal(table.matrix(["v", "u"]), np.column_stack([v, u]))
    assert table.n == len(rows)


@few
@given(
    n=st.integers(1, 12),
    where=st.integers(0, 11),
    column=st.sampled_from(["u", "v"]),
    bad=st.sampled_from(
        [
            ("abc", "'abc'"), ("", "missing"), ("NA", "missing"), ("nan", "missing"),
            (" ", "missing"), ("inf", "infinite"), ("-Infinity", "infinite"), ("1e999", "infinite"),
            ("1e200", "1e+200"), ("True", "'True'"), ("1_000", "'1_000'"), ("0x10", "'0x10'"),
            ('"1,5"', "'1,5'"), ("1+2j", "'1+2j'"), ("é", "'é'"),
        ]
    ),
)  # fmt: skip
def test_a_bad_entry_is_named_with_column_and_row(tmp_path, n, where, column, bad):
    entry, said = bad
    rows = [{"u": "1.5", "v": "-2"} for _ in range(n)]
    rows[where % n][column] = entry
    text = "u,v\n" + "".join(f"{row['u']},{row['v']}\n" for row in rows)
    message = complaint(text_file(tmp_path, text), "u", "v")
    assert f"column {column!r}" in message
    assert f"row {where % n + 1}:" in message or f"row {where % n + 1}," in message
    assert said in message


@few
@given(noise=st.one_of(st.binary(max_size=300), st.text("u,v;\n\r\t \"'0159.e-", max_size=120)))
def test_any_file_at_all_is_read_or_refused(tmp_path, noise):
    for name in ("t.csv", "t.tsv", "t.parquet"):
        content = noise if isinstance(noise, bytes) else b"u,v\n" + noise.encode()
        file = text_file(tmp_path, content, name)
        try:
            table = read_table(file, ["u", "v"])
        except InputError:
            complaint(file, "u", "v")
        else:
            assert np.isfinite(table.matrix(["u", "v"])).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty file"),
        ("\n\n  \n", "empty file"),
        ("u,v", "no rows"),
        ("u,v\n\n", "no rows"),
        ("u;v\n1;2\n3,5;4\n", "column 'u' is '3,5' in row 2, not a number: write decimal points"),
        ("u|v\n1|2\n", "separated by bars"),
        ("u\tv\n1\t2\n", ".tsv"),
        ("u,w\n1,2\n", "no column 'v'"),
        ("u,vv\n1,2\n", "did you mean 'vv'"),
        ("u,v,v\n1,2,3\n", "2 times"),
        ("u,v\n1,2\n3\n", "row 2 has 1 entries and the header 2"),
        ("u,v\n1,2\n\n3,4,5\n", "row 2 has 3 entries"),
        ("u,v\n1,5,2,5\n", "row 1 has 4 entries"),
        ("u,v\n1,2\n".encode("utf-16"), "not UTF-8"),
        ("u,v,größe\n1,2,3\n".encode("latin-1"), "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "not UTF-8"),
    ],
)
def test_a_bad_file_is_explained(tmp_path, text, words):
    assert words in complaint(text_file(tmp_path, text), "u", "v")


def test_a_tsv_with_commas_and_a_missing_or_foreign_file_are_explained(tmp_path):
    assert "separated by commas" in complaint(text_file(tmp_path, "u,v\n1,2\n", "t.tsv"), "u")
    assert "no such file" in complaint(tmp_path / "none.csv", "u")
    assert "not a Parquet file" in complaint(text_file(tmp_path, "u,v\n1,2\n", "t.parquet"), "u")
    assert "must end in" in complaint(text_file(tmp_path, "u,v\n1,2\n", "t.xlsx"), "u")
    (tmp_path / "folder.csv").mkdir()
    assert "not a file" in complaint(tmp_path / "folder.csv", "u")


def test_what_spreadsheets_write_is_read(tmp_path):
    text = '\ufeff u , "name" ,v\r\n 1 ,"a, ""b""\nc",2\r\n\r\n3,d, 4 \r\n'
    table = read_table(text_file(tmp_path, text), ["u", "v"])
    np.testing.assert_array_equal(table.matrix(["u", "v"]), [[1, 2], [3, 4]])


def test_parquet_columns_must_be_numbers(tmp_path):
    file = tmp_path / "t.parquet"
    columns = {"s": ["1", "2"], "b": [True, False], "i": pa.array([1, None], pa.int32())}
    pa.parquet.write_table(pa.table(columns), file)
    assert "holds string" in complaint(file, "s")
    assert "holds bool" in complaint(file, "b")
    assert "column 'i' is missing in row 2" in complaint(file, "i")
    assert "no column 'q'" in complaint(file, "q")


def test_columns_that_are_not_asked_for_may_hold_anything(tmp_path):
    table = read_table(text_file(tmp_path, "u,w,w\n1,abc,\n2,inf,x\n"), ["u"])
    np.testing.assert_array_equal(table.columns["u"], [1, 2])


def columns(**given):
    return Table("t.csv", {name: np.array(values, dtype=float) for name, values in given.items()})


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (lambda: check_positive(columns(s=[1, 0, 2]), "s"), "is 0, not positive in row 2"),
        (lambda: check_positive(columns(s=[1, 2, -3]), "s"), "row 3"),
        (lambda: check_positive(columns(s=[1e-200]), "s"), "outside 1e-100"),
        (lambda: check_positive(columns(s=[1, 1e9]), "s", 1e6), "outside 1e-100 to 1e+06 in row 2"),
        (lambda: check_not_constant(columns(u=[2, 2, 2]), "u"), "column 'u' is constant (2)"),
        (lambda: check_not_constant(columns(u=[0, 0]), "u"), "constant"),
        (lambda: check_probabilities(columns(p=[0.5, 1.2], q=[0.5, -0.2]), ["p", "q"]), "row 2"),
        (lambda: check_probabilities(columns(p=[0.5, 0.3], q=[0.5, 0.6]), ["p", "q"]), "to 0.9"),
        (lambda: check_class_labels(columns(k=[0, 1, 1.5]), "k"), "1.5, not a class"),
        (lambda: check_class_labels(columns(k=[0, -1]), "k"), "-1, not a class label, in row 2"),
        (lambda: check_class_labels(columns(k=[0, 1, 3]), "k", 3), "3, not in 0..2, in row 3"),
        (lambda: check_class_labels(columns(k=[0, 1]), "k", 3), "never has class 2 of 0..2"),
        (lambda: check_class_labels(columns(k=[0, 1e9]), "k"), "never has class 1"),
        (lambda: check_class_labels(columns(k=[1, 2]), "k"), "never has class 0 of 0..2"),
        (lambda: check_class_labels(columns(k=[0, 0]), "k"), "one class only"),
        (lambda: check_row_count(columns(u=[1, 2]), 3), "2 rows for 3 parameters"),
    ],
)
def test_a_column_that_will_not_do_is_explained(check, words):
    with pytest.raises(InputError) as caught:
        check()
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.csv: ")


def test_columns_that_will_do_pass():
    table = columns(s=[1e-9, 5], u=[1, 1 + 1e-9], p=[0, 0.25], q=[1, 0.75], k=[1, 0])
    check_positive(table, "s")
    check_not_constant(table, "u")
    check_probabilities(table, ["p", "q"])
    check_row_count(table, 2)
    assert check_class_labels(table, "k") == check_class_labels(table, "k", 2) == 2


@few
@given(rows=st.lists(st.tuples(finite, finite), min_size=1, max_size=9))
def test_semicolons_hold_the_same_numbers(tmp_path, rows):
    lines = [f"{u!r};{v!r}" for u, v in rows]
    table = read_table(text_file(tmp_path, "u ;v\n" + "\n".join(lines)), ["u", "v"])
    np.testing.assert_array_equal(table.matrix(["u", "v"]), np.array(rows))


def test_decimal_commas_are_refused_by_name(tmp_path):
    message = complaint(text_file(tmp_path, "u;v\n1,0;2\n1,5;3\n"), "v", "u")
    assert "column 'u' is '1,0' in row 1, not a number: write decimal points, not commas" in message
    other = complaint(text_file(tmp_path, "u;v\n1,000,000;2\n"), "u")
    assert "remove or mend the row" in other


@pytest.mark.parametrize("whole", [2**53 + 1, -(2**53) - 1, 2**62 + 1])
def test_whole_numbers_that_would_be_rounded_are_refused(tmp_path, whole):
    file = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"u": [1, whole], "v": [2**53, 2**60]}), file)
    assert "in row 2: use another unit" in complaint(file, "u")
    np.testing.assert_array_equal(read_table(file, ["v"]).columns["v"], [2.0**53, 2.0**60])


def test_decimals_become_the_nearest_number(tmp_path):
    entries = ["98.99", "-0.07", "0.29", None]
    decimals = [None if entry is None else Decimal(entry) for entry in entries]
    file = tmp_path / "t.parquet"
    values = pa.array(decimals, pa.decimal128(9, 2))
    pa.parquet.write_table(pa.table({"u": values[:3]}), file)
    np.testing.assert_array_equal(read_table(file, ["u"]).columns["u"], [98.99, -0.07, 0.29])
    pa.parquet.write_table(pa.table({"u": values}), file)
    assert "column 'u' is missing in row 4" in complaint(file, "u")


def test_names_of_all_columns(tmp_path):
    assert column_names(text_file(tmp_path, "u, v\n1,2\n")) == ["u", "v"]
    assert column_names(text_file(tmp_path, "u; v\n1;2\n")) == ["u", "v"]
    pa.parquet.write_table(pa.table({"u": [1], "8": [2]}), tmp_path / "t.parquet")
    assert column_names(tmp_path / "t.parquet") == ["u", "8"]
    for name, text in (("t.parquet", "u"), ("t.csv", ""), ("t.tsv", "u,v\n")):
        with pytest.raises(InputError, match=name):
            column_names(text_file(tmp_path, text, name))


@pytest.mark.parametrize("ending", ENDINGS)
def test_pipes_and_devices_are_not_waited_for(tmp_path, ending):
    pipe, zero = tmp_path / f"pipe{ending}", tmp_path / f"zero{ending}"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    for file in (pipe, zero):
        assert "not a file" in complaint(file, "u")
        with pytest.raises(InputError, match="not a file"):
            column_names(file)


def test_a_table_of_a_million_columns_is_answered_soon_and_shortly(tmp_path):
    names = [f"c{i}" for i in range(10**6)]
    file = text_file(tmp_path, f"{','.join(names)}\n{','.join(['1'] * 10**6)}\n")
    begun = time.perf_counter()
    assert len(complaint(file, "q7")) < 400
    assert time.perf_counter() - begun < 10.0
    np.testing.assert_array_equal(read_table(file, ["c999999"]).columns["c999999"], [1.0])
    long = text_file(tmp_path, f"{'u' * 50_000},{'v' * 50_000}\n1,2\n")
    assert len(complaint(long, "w" * 50_000)) < 500


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a", "\ta"])
def test_no_formula_is_written(tmp_path, name):
    with pytest.raises(InputError, match="begins as a formula does"):
        write_table({name: np.zeros(1)}, tmp_path / "t.csv")
    assert plain_cell(name) == f"'{name}"
    assert not list(tmp_path.iterdir())
    for harmless in ("", "a", "a=1", "x-1", "1", " =", "'"):
        assert plain_cell(harmless) == harmless


def test_regular_content(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"abc")
    assert regular_content(file, 3) == b"abc"
    with pytest.raises(InputError, match="3 bytes: give a file of at most 2"):
        regular_content(file, 2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError):
        regular_content(tmp_path, 3)
    for wrong in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="not a file"):
            regular_content(wrong, 10)
    with pytest.raises(FileNotFoundError):
        regular_content(tmp_path / "none", 3)
