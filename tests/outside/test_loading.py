"""How plugin files and entry points are found, and what is said when they fail."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from bayes_cmoe import InputError, expert_named, load_plugin, variant_named, variants
from bayes_cmoe.commands.cli import main
from bayes_cmoe.parts import outside
from bayes_cmoe.parts.experts import EXPERTS
from bayes_cmoe.sweep.design import Design, MapPlan
from bayes_cmoe.sweep.processes import over_processes
from bayes_cmoe.sweep.provenance import truth_of
from bayes_cmoe.sweep.run import run_sweep
from bayes_cmoe.sweep.setting import Setting
from tests.outside.conftest import HERE, nothing_left

SINE = """
import pytensor.tensor as pt
from bayes_cmoe import Expert, register_expert
register_expert(Expert("sine", {"a": ("feature",)}, lambda x, a: pt.sin(x @ a.T), True))
"""
FAILING = {
    "missing": (None, "cannot be read: No such file"),
    "raises": (SINE + "\n\ndef f():\n    return {}['no']\n\n\nf()\n", ", line 8: KeyError: 'no'"),
    "syntax": ("x = 1\ny = (\n", ", line 2: SyntaxError: "),
    "taken": (SINE.replace('"sine"', '"tanh"'), ", line 4: an expert named 'tanh' exists already"),
    "exits": ("raise SystemExit(0)\n", ", line 1: SystemExit: 0"),
    "imports": ("import no_such_thing\n", ", line 1: ModuleNotFoundError: "),
    "bytes": (b"\xff\xfe", "no Python file"),
}


def written(folder, text, name="mine.py"):
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("way", ["option", "environment"])
def test_a_failing_file_is_one_line(case, way, unloaded, tmp_path, capsys, monkeypatch):
    text, expected = FAILING[case]
    file = tmp_path / "mine.py" if text is None else written(tmp_path, text)
    words = ["variants"]
    if way == "option":
        words = ["--plugin", str(file), *words]
    else:
        monkeypatch.setenv(outside.ENVIRONMENT, str(file))
    known = set(EXPERTS)
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"plugin {file}" in line
    assert expected in line
    # Nothing half-loaded is left, so that the mended file can be loaded.
    assert set(EXPERTS) == known
    assert not outside.plugins()
    written(tmp_path, SINE)
    load_plugin(file)
    assert expert_named("sine").name == "sine"


@pytest.mark.parametrize("words", [["--plugin"], ["variants", "--plugin", "--json"], ["--plugin="]])
def test_an_option_without_a_file(words, capsys):
    assert main(words) == 2
    assert "--plugin: give the name of a Python file" in capsys.readouterr().err


def test_a_file_is_found_before_and_after_the_command(unloaded, capsys):
    first, second = unloaded / "counts.py", unloaded / "hidden_layer.py"
    assert main(["--plugin", str(first), "variants", f"--plugin={second}", "--json"]) == 0
    assert '"counts"' in (out := capsys.readouterr().out)
    assert '"hidden_layer"' in out
    assert os.environ[outside.ENVIRONMENT].split(os.pathsep) == [str(first), str(second)]


def test_the_environment_names_files(unloaded, monkeypatch):
    monkeypatch.setenv(outside.ENVIRONMENT, str(unloaded / "counts.py"))
    assert variant_named("counts").response == "count"


def test_a_file_is_loaded_once(unloaded):
    module = load_plugin(unloaded / "counts.py")
    assert load_plugin(str(unloaded / "counts.py")) is module
    assert module.VARIANT is variants()["counts"]
    assert len(outside.plugins()) == 1


def test_two_variants_of_one_name(unloaded, tmp_path):
    load_plugin(unloaded / "counts.py")
    text = (unloaded / "counts.py").read_text(encoding="utf-8")
    load_plugin(written(tmp_path, text.replace("VARIANT =", "OTHER =")))
    with pytest.raises(InputError, match=r"second.py.*: a variant named 'counts' exists already"):
        load_plugin(written(tmp_path, text, "second.py"))
    shipped = text.replace('"counts"', '"softmax_contaminated"')
    with pytest.raises(InputError, match="'softmax_contaminated' exists already"):
        load_plugin(written(tmp_path, shipped, "third.py"))
    assert variant_named("softmax_contaminated").source.startswith("arXiv")


def entry(monkeypatch, tmp_path, text, module):
    written(tmp_path, text, f"{module}.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = EntryPoint("mine", module, outside.GROUP)
    monkeypatch.setattr(outside, "_FOUND", [(own,)])
    monkeypatch.setattr(outside, "_ENTRIES", set())


def test_entry_points_are_imported_when_an_unknown_name_is_looked_up(
    unloaded, tmp_path, monkeypatch
):
    text = (unloaded / "counts.py").read_text(encoding="utf-8")
    entry(monkeypatch, tmp_path, text, "counts_by_entry_point")
    assert expert_named("tanh").name == "tanh"
    assert "counts_by_entry_point" not in sys.modules
    assert variant_named("counts").build.__module__ == "counts_by_entry_point"


def test_a_failing_entry_point_is_one_line(unloaded, tmp_path, monkeypatch, capsys):
    entry(monkeypatch, tmp_path, "x = 1\nx.y\n", "fails_by_entry_point")
    assert main(["variants"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "entry point mine = fails_by_entry_point of group bayes_cmoe, line 2: Attri" in line


def fingerprint(file):
    load_plugin(file)
    setting = Setting("counts", "far")
    return truth_of(Design("one", (setting,), MapPlan((1000,), 1)), setting)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""Counts', '"""Numbers', True),
        ("prompt with eight times", "prompt with nine times", False),
        ("along(a=[-0.6]", "along(a=[-0.7]", False),
    ],
)
def test_a_fingerprint_covers_the_plugin(old, new, same, tmp_path):
    """Comments and docstrings do not count; statements do, whatever they are about."""
    text = (HERE / "counts.py").read_text(encoding="utf-8")
    assert old in text
    with nothing_left():
        first = fingerprint(HERE / "counts.py")
    with nothing_left():
        assert (fingerprint(written(tmp_path, text.replace(old, new))) == first) is same


def test_a_fingerprint_covers_the_plugin_of_a_part(tmp_path):
    """A gate from one file in a variant from another: the gate's code counts as well."""
    text = (HERE / "sigmoid_gate.py").read_text(encoding="utf-8")
    gate, _, rest = text.partition("CENTER = ")
    variant = (
        "from bayes_cmoe import Path, Regime, along, contaminated_variant, frozen_expert\n"
        "from bayes_cmoe.parts.gates import gate_named\n"
        "GATE = gate_named('lam-sigmoid')\nCENTER = " + rest
    )
    setting = Setting("sigmoid_gate", "far")
    found = []
    for own in (gate, gate.replace("pt.log1p(-lam)", "pt.log1p(-1.0 * lam)")):
        with nothing_left():
            load_plugin(written(tmp_path, own, "gate.py"))
            load_plugin(written(tmp_path, variant, "variant.py"))
            one = Design("one", (setting,), MapPlan((1000,), 1))
            found.append(truth_of(one, setting))
    assert found[0] != found[1]


def test_a_worker_with_another_text_says_so(unloaded):
    load_plugin(unloaded / "counts.py")
    (own,) = outside.plugins()
    outside.take_plugins([own])
    with pytest.raises(InputError, match="start the workers anew"):
        outside.take_plugins([outside.Plugin(own.file, own.source + "\n")])


def known_there(name):
    return variant_named(name).title


def test_a_new_process_knows_what_this_one_has_loaded(unloaded, tmp_path):
    text = (unloaded / "counts.py").read_text(encoding="utf-8")
    file = written(tmp_path, text)
    load_plugin(file)
    # The workers are given the text: what is on the disk by then does not matter.
    file.unlink()
    os.environ.pop(outside.ENVIRONMENT)
    with over_processes(2, known_there, [("counts",), ("counts",)]) as results:
        assert set(results) == {"Contaminated mixture of Poisson experts"}


def test_a_command_without_the_file_names_the_remedy(unloaded):
    with pytest.raises(InputError, match="--plugin"):
        variant_named("counts")


@pytest.mark.slow
def test_a_sweep_over_processes_is_the_same_as_in_this_one(unloaded, tmp_path):
    load_plugin(unloaded / "counts.py")
    design = Design("two", (Setting("counts", "far"),), map=MapPlan((300, 20_000), 4))
    here = run_sweep(design, tmp_path / "one", workers=1)
    there = run_sweep(design, tmp_path / "two", workers=2)
    assert there.drop_vars("seconds").identical(here.drop_vars("seconds"))


@pytest.mark.slow
def test_a_dask_worker_is_given_the_plugin(unloaded, tmp_path):
    from distributed import LocalCluster

    load_plugin(unloaded / "counts.py")
    # Workers of a cluster were started without our environment.
    named = os.environ.pop(outside.ENVIRONMENT)
    design = Design("two", (Setting("counts", "far"),), map=MapPlan((300,), 4))
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        os.environ[outside.ENVIRONMENT] = named
        there = run_sweep(design, tmp_path / "dask", cluster=cluster.scheduler_address)
    here = run_sweep(design, tmp_path / "here", workers=1)
    assert there.drop_vars("seconds").identical(here.drop_vars("seconds"))


def test_the_shipped_variants_load_no_plugin(unloaded):
    """Their models are imported although a plugin that is named would fail."""
    code = "import bayes_cmoe.models.constant_contaminated as m; print(m.VARIANT.name)"
    environment = {**os.environ, outside.ENVIRONMENT: "/no/such/plugin.py"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "constant_contaminated\n"
