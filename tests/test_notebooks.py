"""The analyses as notebooks: nothing of the script is left in them, and the short ones are run."""

import ast
import base64
import io
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from tests.notebooks import ANALYSES, converted, executed, images, main, texts

SHORT = "your_own_variant"


@pytest.mark.parametrize("path", ANALYSES, ids=lambda path: path.stem)
def test_what_a_notebook_holds(path: Path) -> None:
    notebook = converted(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    source = "\n".join(cell.source for cell in code)
    assert "argparse.ArgumentParser" not in source
    assert 'if __name__ == "__main__":\n    main' not in source
    assert "sys.argv" not in source
    parameters = [cell for cell in code if "parameters" in cell.metadata.get("tags", ())]
    assert len(parameters) == 1
    assert notebook.cells[0].cell_type == "markdown"
    # Steps after the parameters, so that there is something to run.
    assert code.index(parameters[0]) < len(code) - 1
    # A string at the end of a cell would be shown as its result.
    for cell in code:
        plain = "\n".join(line for line in cell.source.split("\n") if line[:1] != "%")
        match ast.parse(plain).body:
            case [*_, ast.Expr(ast.Constant(said))]:
                pytest.fail(f"a cell ends with {said!r}")


def test_no_name_is_unknown_in_a_notebook(tmp_path: Path) -> None:
    """What is a comment in the script is checked as the code that it is in the notebook."""
    for path in ANALYSES:
        nbformat.write(converted(path), tmp_path / f"{path.stem}.ipynb")
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or shutil.which("ruff")
    assert ruff is not None
    found = subprocess.run(
        [ruff, "check", "--isolated", "--select", "F821,F811,E9", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout


def test_a_short_one_runs_and_shows_its_figures(tmp_path: Path) -> None:
    notebook = executed(next(path for path in ANALYSES if path.stem == SHORT), tmp_path)
    for image in images(notebook):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("L"))
        assert min(pixels.shape) > 200
        assert len(np.unique(pixels)) > 50
    assert len(images(notebook)) == 2
    assert "not distinguishable: f0 = f" in "".join(texts(notebook))
    assert "No such comm" not in "".join(texts(notebook))
    tables = [
        output.data["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert any("<caption>Variant</caption>" in table for table in tables)
    assert any("lam ~ Beta(1.5, 1.5)" in table for table in tables)


def test_a_cell_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("# %% [markdown]\n# # Wrong\n\n# %%\n1 / 0\n")
    monkeypatch.setattr("tests.notebooks.ANALYSES", [wrong])
    assert main(["-o", str(tmp_path / "out")]) == 1
    assert "FAILED: ZeroDivisionError" in capsys.readouterr().out
    assert (tmp_path / "out" / "wrong.ipynb").exists()
