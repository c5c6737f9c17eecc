"""What README and docs/ show: commands that are accepted, code that is found, links that lead."""

import re
import runpy
import shlex
import warnings
from pathlib import Path

import jupytext
import pytest
from PIL import Image

from bayes_cmoe import variants
from bayes_cmoe.commands.cli import app, main
from bayes_cmoe.commands.words import take_plugin_words
from tests.notebooks import ANALYSES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAPER = re.compile(r"(?:arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,9}/[^\s;,)\]'\"]*[^\s;,.:)\]'\"])")
SOURCES = [
    file for room in ("bayes_cmoe", "models", "analyses") for file in (ROOT / room).rglob("*.py")
]


def blocks(page: Path, kind: str) -> list[str]:
    """The fenced blocks of a page in a language."""
    return re.findall(rf"(?ms)^```{re.escape(kind)}\n(.*?)^```$", page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[list[str]]:
    """The words of each command that a page shows."""
    lines = "\n".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ ")]


SHOWN = [(page, words) for page in PAGES for words in commands(page)]


def test_pages_show_commands():
    assert {words[0] for _, words in SHOWN} == {"bayes-cmoe", "make", "pip", "python"}
    shown = {words[1] for _, words in SHOWN if words[0] == "bayes-cmoe"}
    assert shown >= {"fit", "predict", "explain", "theory", "plan", "diagnose", "compare", "test"}


@pytest.mark.parametrize(
    ("page", "words"), SHOWN, ids=[f"{page.stem}-{' '.join(words)[:50]}" for page, words in SHOWN]
)
def test_a_shown_command_is_one(page, words):
    match words:
        case ["bayes-cmoe", *rest]:
            own, plugins = take_plugin_words(rest)
            assert all((ROOT / file).is_file() for file in plugins)
            command, bound, _ = app.parse_args(own, exit_on_error=False, print_error=False)
            assert callable(command)
            assert bound.args or bound.kwargs or own == ["variants"]
        case ["make", target]:
            assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text())
        case ["python", script, *options]:
            source = (ROOT / script).read_text(encoding="utf-8")
            assert all(f'add_argument("{option}"' in source for option in options)
        case ["pip", "install", "-c", "constraints.txt", "-e", what]:
            extra = what.removeprefix(".[").removesuffix("]")
            assert re.search(rf"(?m)^{extra} = \[", (ROOT / "pyproject.toml").read_text())
        case _:
            pytest.fail(f"{page}: no rule for {words}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_is_python_and_its_imports_are_there(page):
    for code in (*blocks(page, "python"), *blocks(page, "{code-cell} python")):
        plain = re.sub(r"(?m)^:.*\n", "", code)
        compile(plain, str(page), "exec")
        for line in re.findall(r"(?ms)^(?:from|import) bayes_cmoe\b.*?(?:\)$|[^(,]$)", plain):
            exec(line, {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_to_files_lead_somewhere(page):
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("#"):
            continue
        if target.startswith("notebooks/") or "/notebooks/" in target:
            assert Path(target).stem in {path.stem for path in ANALYSES}, target
            continue
        base = ROOT / "docs" if target.startswith("/") else page.parent
        assert (base / target.lstrip("/")).is_file(), f"{page}: {target}"


def test_the_readme_is_short_and_begins_with_a_picture():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) < 150
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", "\n".join(lines[:12]))
    assert (ROOT / picture).stat().st_size < 150_000
    with Image.open(ROOT / picture) as image:
        assert min(image.size) > 400


def test_every_command_variant_and_analysis_has_its_place():
    readme = (ROOT / "README.md").read_text()
    table = readme.split("## Commands")[1].split("\n\n")[1]
    cells = "".join(line.split("|")[1] for line in table.splitlines())
    named = set(re.findall(r"`([a-z]+)`", cells)) - {"bayes-cmoe"}
    assert named == {name for name in app if not name.startswith("-")}
    index = (ROOT / "docs/models/index.md").read_text()
    for name in variants():
        page = (ROOT / f"docs/models/{name}.md").read_text()
        assert f"```{{variant-rates}} {name}\n" in page
        assert f"```{{variant-regimes}} {name}\n" in page
        assert f"\n{name}\n" in index
    gallery = (ROOT / "docs/gallery/index.md").read_text()
    for path in ANALYSES:
        assert f"\nnotebooks/{path.stem}\n" in gallery
        assert f"\n{path.stem}\n" in gallery


def anchor(paper: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", paper.lower())


def test_the_bibliography_has_what_is_named_and_nothing_else():
    named = {
        paper
        for file in (*SOURCES, *PAGES, *(ROOT / "tests").rglob("*.py"))
        if file.name != "bibliography.md"
        for paper in PAPER.findall(file.read_text(encoding="utf-8"))
    }
    text = (ROOT / "docs/bibliography.md").read_text(encoding="utf-8")
    anchors = re.findall(r"(?m)^\(([^)]+)\)=$", text)
    assert len(anchors) == len(set(anchors))
    assert set(anchors) == {anchor(paper) for paper in named}
    listed = set(PAPER.findall(text))
    assert {anchor(paper) for paper in listed} == set(anchors)
    for paper in listed:
        kind, number = paper.split(":", 1)
        where = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}[kind]
        assert f"[{paper}]({where}{number})" in text.replace("\n", " ").replace("] (", "](")


@pytest.mark.slow
def test_the_quick_start_runs(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    cells = jupytext.read(ROOT / "docs/quickstart.md", fmt="md:myst").cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert len(code) == 7
    (tmp_path / "quickstart.py").write_text("\n\n".join(code))
    with warnings.catch_warnings():
        # Where PSIS-LOO fails the page is by refits, and nothing is left to warn of.
        warnings.simplefilter("error", UserWarning)
        found = runpy.run_path(str(tmp_path / "quickstart.py"))["found"]
    # What the text says of it: the fit is worth more than the frozen model alone.
    assert float((found["log_score"] - found["frozen_log_score"]).mean()) > 1.0
    capfd.readouterr()


@pytest.mark.slow
def test_the_readmes_commands_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    shown = [words for words in commands(ROOT / "README.md") if words[0] == "bayes-cmoe"]
    for _, *words in shown:
        assert main(words) == 0, words
    said = capfd.readouterr().out
    assert "5000 rows predicted: predicted.csv" in said
    assert (tmp_path / "out/explained/explanation.html").is_file()
