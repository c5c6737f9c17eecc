"""Convert the analyses to notebooks and execute each in a kernel of its own: `make notebooks`.

    python -m tests.notebooks [-o FOLDER] [NAME ...]      # default out/notebooks, and all

A cell tagged ``active-ipynb`` is a comment in the script and code in the notebook, one tagged
``active-py`` the other way round (jupytext's tags): the functions are shared, the steps differ.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

__all__ = ["ANALYSES", "converted", "executed", "images", "main", "texts"]

ANALYSES = sorted(
    path
    for path in (Path(__file__).parents[1] / "analyses").glob("*.py")
    if not path.stem.startswith("bench")
)
"""All but the benchmarks, which measure and show nothing."""
LONGEST = 600
"""Seconds a cell may take on a busy machine."""


def converted(path: Path) -> Any:
    """An analysis as a notebook, without what only the script needs."""
    notebook = jupytext.read(path, fmt="py:percent")
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type != "raw"]
    return notebook


def executed(path: Path, folder: Path) -> Any:
    """The notebook of an analysis, run in a kernel of its own and written to a folder.

    The kernel works in an empty folder that goes with it, so that no run finds what one before
    left.

    Raises
    ------
    CellExecutionError
        When a cell raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notebook = converted(path)
    with TemporaryDirectory() as place:
        where = {"metadata": {"path": place}}
        client = NotebookClient(notebook, timeout=LONGEST, kernel_name="python3", resources=where)
        try:
            client.execute()
        finally:
            nbformat.write(notebook, folder / f"{path.stem}.ipynb")
    return notebook


def _outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def images(notebook: Any) -> list[str]:
    """The figures that an executed notebook shows, as PNG in base 64."""
    return [
        output.data["image/png"]
        for output in _outputs(notebook)
        if "image/png" in output.get("data", {})
    ]


def texts(notebook: Any) -> list[str]:
    """What an executed notebook prints, output by output."""
    return [output.text for output in _outputs(notebook) if output.output_type == "stream"]


def _processor() -> float:
    """Seconds of processor time of the kernels that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(words: Sequence[str] | None = None) -> int:
    reader = argparse.ArgumentParser(description="Run the analyses as notebooks.")
    reader.add_argument("names", nargs="*", metavar="NAME", help="analyses; all when left out")
    reader.add_argument("-o", "--output", type=Path, default=Path("out/notebooks"))
    given = reader.parse_args(words)
    known = {path.stem: path for path in ANALYSES}
    unknown = set(given.names) - set(known)
    if unknown:
        reader.error(f"no such analysis: {', '.join(sorted(unknown))}")
    failed = 0
    for name in given.names or known:
        begun, before = time.perf_counter(), _processor()
        try:
            notebook = executed(known[name], given.output.resolve())
            result = f"{len(images(notebook))} figures"
        except CellExecutionError as error:
            failed += 1
            result = f"FAILED: {error.ename}: {error.evalue}"
        seconds = f"{time.perf_counter() - begun:.0f} s, {_processor() - before:.0f} s of processor"
        print(f"{name}: {result}, {seconds}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
