"""The built wheel, installed and used from a folder that has nothing of ours."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKED = ("pyproject.toml", "README.md", "LICENSE", "bayes_cmoe", "models")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")

slow = pytest.mark.slow


def test_every_folder_of_the_package_is_packed():
    """The list in pyproject.toml has no wildcard, and a folder that it lacks is lacking."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = (file.parent for file in (ROOT / "bayes_cmoe").rglob("__init__.py"))
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(setup["packages"]) == names | {"bayes_cmoe.models"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of an earlier build gets in."""
    place = tmp_path_factory.mktemp("wheel")
    for name in PACKED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, place / "source" / name, ignore=ignored)
        else:
            (place / "source").mkdir(exist_ok=True)
            shutil.copy(ROOT / name, place / "source" / name)
    subprocess.run(
        [*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", place, place / "source"],
        check=True,
    )
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    folder = wheel.parent / "installed"
    subprocess.run([*PIP, "install", "--no-deps", "--target", folder, wheel], check=True)
    return folder


def run(folder: Path, cwd: Path, program: Path | str, words: str, *more: str) -> str:
    """What a program prints that finds our package in a folder alone."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [program, *words.split(), *more], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@slow
def test_all_is_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in (ROOT / "bayes_cmoe").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert file.relative_to(ROOT).as_posix() in names
    for file in (ROOT / "models").glob("*.py"):
        assert f"bayes_cmoe/models/{file.name}" in names
    assert {"bayes_cmoe/py.typed", "bayes_cmoe/report/explanation.html"} <= names
    (entries,) = (name for name in names if name.endswith("entry_points.txt"))
    assert b"bayes-cmoe = bayes_cmoe.__main__:main" in zipfile.ZipFile(wheel).read(entries)
    assert not [name for name in names if name.startswith(("tests", "analyses", "docs"))]


@slow
def test_it_is_used_from_an_empty_folder(installed, tmp_path):
    code = "import bayes_cmoe, bayes_cmoe.models as own; print(bayes_cmoe.__file__, own.__file__)"
    assert run(installed, tmp_path, sys.executable, "-c", code).split() == [
        str(installed / "bayes_cmoe/__init__.py"),
        str(installed / "bayes_cmoe/models/__init__.py"),
    ]
    script = installed / "bin" / "bayes-cmoe"
    assert "softmax_contaminated" in run(installed, tmp_path, script, "variants")
    drawn = "simulate constant_contaminated --regime merging -n 200 --seed 1 -o d.csv"
    run(installed, tmp_path, script, drawn)
    frozen = "--frozen-family gaussian --frozen-mean frozen_mean --frozen-scale frozen_scale"
    fitted = f"fit constant_contaminated d.csv -y y -x x1 {frozen} -o out"
    assert "lam" in run(installed, tmp_path, script, fitted)
    assert (tmp_path / "out" / "fit.nc").is_file()
