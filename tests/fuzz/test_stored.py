"""Any design, and a sweep's folder with any damage, before compare, report and status."""

import json
import math
import shutil
import tempfile
import tomllib
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import bayes_cmoe.report.sweep_files as sweep_files
import bayes_cmoe.sweep.run as sweep_run
from bayes_cmoe.commands.cli import main
from tests.fuzz.answers import answer, many, taken

pytestmark = pytest.mark.slow

DESIGN = """name = "small"
prior = "flat"
entropy = 5
regimes = ["constant_contaminated/distinguishable", "constant_contaminated/merging[gamma=1/8]"]

[map]
sizes = [300, 1000]
replications = 2
starts = 1

[nuts]
sizes = [300]
replications = 1
"""
any_value = st.one_of(
    st.sampled_from(
        [
            "0", "-1", "1.5", "1e3", "3", "2000", "1e400", "nan", "inf", "true", '""', '"x"', "[]",
            "{}", "[[]]", "[300, 300]", "[1000, 300]", "[300.0]", '["a"]', "1979-05-27", "9" * 5000,
            '"weak"', '"=1+1"', '"\\u0000"', '"a\\nb"', "0x10", "1_000", "'''", "[" * 2000,
            '["constant_contaminated/merging[gamma=1/0]"]', '["constant_contaminated/merging[]"]',
            '["constant_contaminated/merging[gamma=99]"]', '["a/b"]', '["constant_contaminated"]',
            '["constant_contaminated/merging", "constant_contaminated/merging"]', "[1]",
        ]
    ),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=10).map(json.dumps),
)  # fmt: skip


def spelled(label):
    """A regime's label apart: its name, and its exponents as Python's fractions."""
    name, _, marks = label.rstrip("]").partition("[")
    pairs = (mark.split("=") for mark in marks.split(",") if mark)
    return name, {power.strip(): Fraction(value.strip()) for power, value in pairs}


@many(300)
@given(data=st.data())
def test_any_design(data):
    lines = DESIGN.splitlines()
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(lines) - 1))
        action = data.draw(st.sampled_from(["value", "key", "drop", "twice", "text"]))
        key, _, value = lines[place].partition(" = ")
        if action == "value":
            lines[place] = f"{key} = {data.draw(any_value)}"
        elif action == "key":
            lines[place] = f"{data.draw(st.text('abn.[]"= ', max_size=12))} = {value or 1}"
        elif action == "twice":
            lines.insert(place, lines[place])
        elif action == "text":
            lines[place] = data.draw(st.text(max_size=20))
        elif len(lines) > 1:
            del lines[place]
    text = "\n".join(lines)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "d.toml"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        with taken(sweep_run, "run_sweep") as found:
            ended = answer(["compare", str(file), "-o", f"{folder}/run"])
        assert (ended.code == 130) == bool(found)
    if found:
        content = found[0][0][0].content()
        for key, value in tomllib.loads(text).items():
            own = content[key]
            if isinstance(value, dict):
                own = {name: own[name] for name in value}
            if key == "regimes":
                assert list(map(spelled, value)) == list(map(spelled, own))
            else:
                assert own == value
                assert type(own) is type(value)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A finished run of two regimes, with its report, and its fits."""
    place = tmp_path_factory.mktemp("sweep")
    file = place / "small.toml"
    file.write_text(DESIGN.split("[nuts]")[0])
    folder = place / "run"
    assert main(["compare", str(file), "-o", str(folder), "--workers", "1"]) == 0
    with xr.open_dataset(folder / "table.nc", engine="h5netcdf") as table:
        return folder, fits_of(table.load())


def fits_of(table):
    """The errors of each fit by what identifies it."""
    names = [str(name) for name in table["target"].to_numpy()]
    return {
        (str(one["setting"].item()), int(one["n"].item()), int(one["replicate"].item())): dict(
            zip(names, one["error"].to_numpy().tolist(), strict=True)
        )
        for one in (table.isel(fit=i) for i in range(table.sizes["fit"]))
    }


def assert_among(found, whole):
    """No number of a fit is another than the run measured."""
    for key, errors in found.items():
        for name, error in errors.items():
            assert error == whole[key][name] or math.isnan(error), (key, name)


@many(200)
@given(data=st.data())
def test_any_damage_of_a_run(sweep, data):
    sweep_folder, whole = sweep
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(sweep_folder, Path(place) / "run"))
        files = sorted(
            file.relative_to(folder)
            for file in folder.rglob("*")
            if file.is_file() and file.suffix not in (".png", ".svg", ".html", ".csv")
        )
        file = folder / data.draw(st.sampled_from(files))
        action = data.draw(
            st.sampled_from(["bytes", "bytes", "bytes", "cut", "empty", "gone", "swap"])
        )
        content = bytearray(file.read_bytes())
        if action == "bytes":
            for _ in range(data.draw(st.integers(1, 4))):
                at = data.draw(st.integers(0, max(len(content) - 1, 0)))
                content[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
            file.write_bytes(content)
        elif action == "cut":
            file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        elif action == "empty":
            file.write_bytes(b"")
        elif action == "gone":
            file.unlink()
        else:
            file.write_bytes((folder / data.draw(st.sampled_from(files))).read_bytes())
        command = data.draw(st.sampled_from(["status", "status", "report", "compare"]))
        if command == "status":
            ended = answer(["status", str(folder), "--json"])
            if ended.code == 0:
                record = json.loads(ended.out)
                assert 0 <= record["failed"] <= record["finished"] <= record["fits"]
        elif command == "report":
            made = []
            with patch.object(
                sweep_files, "write_report", lambda given, *_, **__: made.append(given)
            ):
                answer(["report", str(folder), "--workers", "1"])
            for comparison in made:
                assert_among(fits_of(comparison.table), whole)
        else:
            with taken(sweep_run, "run_sweep"):
                answer(["compare", str(folder / "design.toml"), "-o", str(folder)])
