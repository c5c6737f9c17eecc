"""What a command loads before it can answer: help, a slip of the pen and a bad table are cheap."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ENGINES = ("pymc", "jax", "pytensor", "arviz", "nutpie", "matplotlib", "pandas", "xarray", "scipy")
PROBE = """
import json, sys
from bayes_cmoe.commands.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
COLUMNS = "-y y -x x1 --frozen-family gaussian --frozen-mean m --frozen-scale s"
TABLES = {"bad.csv": "x1,y,m,s\n1,2,3,1\n2,a,4,1\n", "short.csv": "x1,y,m\n1,2,3\n"}
CHEAP = {
    "help": (0, "--help"),
    "help of a command": (0, "fit --help"),
    "version": (0, "--version"),
    "variants": (0, "variants"),
    "unknown command": (2, "fti"),
    "unknown option": (2, "fit --nope"),
    "unknown variant": (2, "fit softmax d.csv"),
    "variant of theory": (2, "theory softmax"),
    "regime of theory": (2, "theory softmax_contaminated --regime mergin"),
    "regime of plan": (2, "plan softmax_contaminated --regime mergin -n 100"),
    "regime of simulate": (2, "simulate softmax_contaminated --regime mergin -n 9 -o s.csv"),
    "variant of calibrate": (2, "calibrate softmax -o out"),
    "engine of calibrate": (2, "calibrate softmax_contaminated -o out --engine nutz"),
    "prior of calibrate": (2, "calibrate softmax_contaminated -o out --prior missing.json"),
    "preset": (2, "compare quik -o out"),
    "design's regime": (2, "compare wrong.toml -o out"),
    "missing design": (2, "compare missing.toml -o out"),
    "no run to report": (2, "report nowhere"),
    "no run's status": (2, "status nowhere"),
    "missing table": (2, "fit constant_contaminated missing.csv"),
    "table of diagnose": (2, "diagnose constant_contaminated missing.csv"),
    "table of test": (2, "test constant_contaminated missing.csv"),
    "fit of predict": (2, "predict missing.nc d.csv -o p.csv"),
    "table of advise": (2, "advise missing.csv -x p --frozen-probs p,q"),
    "range of advise": (2, "advise d.csv -x p --frozen-probs p,q --share 2,1"),
    "fit of next": (2, "next missing.nc d.csv"),
    "fit of explain": (2, "explain missing.nc -o page"),
    "bad table": (2, "fit constant_contaminated bad.csv"),
    "table without a column": (2, "fit constant_contaminated short.csv"),
}
"""What was asked -> exit status and words; a table's columns are added."""
WRONG = """\
name = "d"
regimes = ["softmax_contaminated/mergin"]
[map]
sizes = [1000]
replications = 2
"""


def words_of(line: str) -> list[str]:
    words = line.split()
    needs_columns = words[0] in ("fit", "diagnose", "test") and len(words) == 3
    return [*words, *COLUMNS.split()] if needs_columns else words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("startup")
    for name, text in {**TABLES, "wrong.toml": WRONG}.items():
        (place / name).write_text(text)
    return place


def python(code: str, *words: str, cwd: Path, **environment: str) -> list:
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("asked", CHEAP)
def test_an_answer_without_a_model_loads_no_engine(folder: Path, asked: str) -> None:
    expected, line = CHEAP[asked]
    code, loaded = python(PROBE, *words_of(line), cwd=folder)
    assert code == expected
    # Arrow itself loads pandas to make numbers of text.
    may = {"pandas"} if asked == "bad table" else set()
    assert not (set(ENGINES) - may) & set(loaded)


def test_the_package_loads_nothing_until_it_is_asked(folder: Path) -> None:
    code = "import sys, json, bayes_cmoe, bayes_cmoe.theory; print(json.dumps([*sys.modules]))"
    loaded = {name.partition(".")[0] for name in python(code, cwd=folder)}
    assert not {*ENGINES, "numpy", "cyclopts"} & loaded


def test_all_that_is_public_is_there() -> None:
    import bayes_cmoe
    import bayes_cmoe.theory

    for package in (bayes_cmoe, bayes_cmoe.theory):
        found = {name: getattr(package, name) for name in package.__all__}
        assert all(found[name].__name__ == name for name in found)
        assert set(package.__all__) <= set(dir(package))
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = package.nothing


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "seconds"),
    [("--help", 1.5), ("fti", 1.5), ("compare quik -o out", 1.5), ("fit nope bad.csv", 1.5),
     ("fit constant_contaminated bad.csv", 3.0)],
)  # fmt: skip
def test_processor_time(folder: Path, line: str, seconds: float) -> None:
    """Bounds are some three times what was measured, so that only another import reaches them."""

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime

    before = used()
    python(PROBE, *words_of(line), cwd=folder)
    assert used() - before < seconds
