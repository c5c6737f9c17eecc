"""A run remembers its plugins: they are loaded again by themselves, or named when they changed."""

import hashlib
import json
import shutil

import pytest

from bayes_cmoe import InputError, load_plugin
from bayes_cmoe.commands.cli import main
from bayes_cmoe.parts import outside
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.plugins import RECORD, recall_plugins
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.store import Store
from tests.outside.conftest import HERE, nothing_left

TEXT = (HERE / "counts.py").read_text(encoding="utf-8")
CHANGED = TEXT.replace("along(a=[-0.6]", "along(a=[-0.7]")
DESIGN = """
name = "outside"
regimes = ["counts/far"]

[map]
sizes = [300, 400]
replications = 1
"""


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(TEXT, encoding="utf-8")
    return file


@pytest.fixture
def begun(plugin, tmp_path):
    """The folder of a run that has begun with the plugin; nothing of it is loaded any more."""
    folder = tmp_path / "run"
    with nothing_left():
        load_plugin(plugin)
        design = Design("one", (Setting("counts", "far"),), map=MapPlan((300,), 1))
        with Store(folder).opened(design):
            pass
    with nothing_left():
        yield folder


def status(folder, *words):
    return main([*words, "status", str(folder)])


def test_the_record_is_the_file_and_its_digest(plugin, begun):
    expected = hashlib.sha256(plugin.read_bytes()).hexdigest()
    assert json.loads((begun / RECORD).read_text()) == {str(plugin): expected}


def test_a_command_loads_what_the_run_began_with_and_says_so(plugin, begun, capsys):
    assert status(begun) == 0
    said = capsys.readouterr()
    assert said.err == f"bayes-cmoe: plugin {plugin}, as when the run began\n"
    assert "0 of 1 fits" in said.out
    # What is to be typed next names it.
    assert f"--plugin {plugin} compare" in said.out
    # The next command of this process has it, and processes started from here will.
    assert recall_plugins(begun) == []
    assert outside._environment() == [str(plugin)]


@pytest.mark.parametrize("command", ["status", "report", "compare"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "which is not there: put it back, or name a copy of it with --plugin"),
        (CHANGED, "began with another text of the plugin"),
        # What would not be noticed in the numbers is not run unseen either.
        (TEXT + "\nopen('seen', 'w')\n", "began with another text of the plugin"),
    ],
    ids=["missing", "changed", "harmful"],
)
def test_another_file_is_named_and_not_loaded(
    command, text, expected, plugin, begun, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    plugin.unlink() if text is None else plugin.write_text(text, encoding="utf-8")
    words = {"compare": ["compare", str(begun / "design.toml"), "-o", str(begun)]}
    assert main(words.get(command, [command, str(begun)])) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bayes-cmoe: error: {begun}: ")
    assert expected in line
    assert str(plugin) in line
    assert not outside.plugins()
    assert not (tmp_path / "seen").exists()


def test_a_copy_elsewhere_will_do(plugin, begun, tmp_path, capsys):
    copy = shutil.move(plugin, tmp_path / "copy.py")
    assert status(begun, "--plugin", str(copy)) == 0
    assert capsys.readouterr().err == ""
    assert [own.file for own in outside.plugins()] == [str(copy)]


def test_a_file_that_is_named_by_hand_is_taken_as_it_is(plugin, begun, capsys):
    plugin.write_text(CHANGED, encoding="utf-8")
    assert status(begun, "--plugin", str(plugin)) == 0
    assert capsys.readouterr().err == ""
    assert outside.plugins()[0].source == CHANGED


@pytest.mark.parametrize("text", ["", "[1]", '{"a.py": 1}', "[" * 100_000])
def test_a_damaged_record_is_one_line(text, begun, capsys):
    (begun / RECORD).write_text(text)
    assert status(begun) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{begun / RECORD}: not as it was written" in line
    assert not outside.plugins()


def test_a_run_without_plugins_has_no_record(unloaded, tmp_path):
    setting = Setting("constant_contaminated", "merging")
    with Store(tmp_path).opened(Design("one", (setting,), map=MapPlan((300,), 1))):
        pass
    assert not (tmp_path / RECORD).exists()
    assert recall_plugins(tmp_path) == []
    assert recall_plugins(tmp_path / "nowhere") == []


def test_a_run_that_ended_before_its_design_was_written_is_gone_on_with(begun, tmp_path, capsys):
    (begun / "design.toml").unlink()
    wrong = tmp_path / "design.toml"
    wrong.write_text(DESIGN.replace("counts/far", "counts/nowhere"), encoding="utf-8")
    # The plugin is there by then: what is wrong is the regime, and the folder is not refused.
    assert main(["compare", str(wrong), "-o", str(begun)]) == 2
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(InputError, match="holds no sweep"):
        Store(begun).design()


def test_a_run_is_gone_on_with_and_reported_without_naming_the_plugin(plugin, tmp_path):
    folder = tmp_path / "run"
    with nothing_left():
        load_plugin(plugin)
        design = Design("one", (Setting("counts", "far"),), map=MapPlan((300, 400), 1))
        run_sweep(design, folder, workers=1)
    gone = next((folder / "chunks").iterdir())
    gone.unlink()
    with nothing_left():
        words = ["compare", str(folder / "design.toml"), "-o", str(folder), "--workers", "1"]
        assert main(words) == 0
    assert gone.exists()
    assert "counts/far" in (folder / "report.html").read_text(encoding="utf-8")
