"""A folder for what is compiled: where it lies, when there is none, and that it changes no bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bayes_cmoe.sweep.kept import FOLDER, kept_compilations

ROWS = """
from bayes_cmoe.sweep.worker import limit_threads
limit_threads()
from bayes_cmoe.sweep.design import Design, MapPlan, Task
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.worker import run_task
setting = Setting("softmax_contaminated", "merging")
design = Design("one", (setting,), MapPlan((1000,), 3))
table = run_task(design, Task("map", setting, 1000, 0, 3))
for name in ("error", "standard_error", "loglik_gap", "anywhere_gap"):
    print(table[name].to_numpy().tobytes().hex())
"""


def test_folder_in_the_users_cache(tmp_path: Path) -> None:
    settings = kept_compilations({"XDG_CACHE_HOME": str(tmp_path)})
    folder = Path(settings[FOLDER])
    assert folder.is_dir()
    assert folder.parent == tmp_path / "bayes_cmoe"
    assert kept_compilations({"XDG_CACHE_HOME": str(tmp_path)}) == settings


def test_none_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "bayes_cmoe").write_text("no folder")
    assert kept_compilations({"XDG_CACHE_HOME": str(tmp_path)}) == {}


def test_a_folder_of_the_users_own_stays(tmp_path: Path) -> None:
    assert kept_compilations({FOLDER: "mine", "XDG_CACHE_HOME": str(tmp_path)}) == {}
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_kept_executables_give_the_same_bits(tmp_path: Path) -> None:
    def rows(**settings: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != FOLDER}
        done = subprocess.run(
            [sys.executable, "-c", ROWS], env={**environment, **settings}, check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout

    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "bayes_cmoe").write_text("no folder")
    without = rows(XDG_CACHE_HOME=str(tmp_path / "none"))
    cold = rows(XDG_CACHE_HOME=str(tmp_path))
    (folder,) = [each for each in (tmp_path / "bayes_cmoe").iterdir() if each.is_dir()]
    # How many depends on the machine: what compiles in no time is not kept.
    assert any(folder.iterdir())
    assert without == cold == rows(XDG_CACHE_HOME=str(tmp_path))
