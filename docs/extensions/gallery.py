"""The gallery: executed notebooks taken from out/notebooks, and a card for each.

They are copied beside the pages, since Sphinx reads nothing outside its own folder. Which they are,
in which order and under which heading is said on the gallery's page.
"""

import base64
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

__all__ = ["setup"]

ROOT = Path(__file__).parents[2]
EXECUTED = ROOT / "out" / "notebooks"
NOTEBOOKS = "gallery/notebooks"
logger = logging.getLogger(__name__)


def _copy(app: Sphinx, config: Config) -> None:
    """Bring the notebooks of the analyses, those alone, and only where they changed."""
    folder = Path(app.srcdir) / NOTEBOOKS
    folder.mkdir(exist_ok=True)
    wanted = {
        path.stem for path in (ROOT / "analyses").glob("*.py") if not path.stem.startswith("bench")
    }
    for old in folder.iterdir():
        if old.stem not in wanted:
            old.unlink()
    for name in sorted(wanted):
        source, place = EXECUTED / f"{name}.ipynb", folder / f"{name}.ipynb"
        if not source.exists():
            raise ExtensionError(f"{source} is missing: make docs executes it first")
        text = source.read_text(encoding="utf-8")
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.write_text(text, encoding="utf-8")


def _picture(notebook: Any) -> str:
    """The first figure that a notebook shows, as PNG in base 64; empty where it shows none."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                return str(output.data["image/png"])
    return ""


def _failed(notebook: Any) -> bool:
    return any(
        output.output_type == "error"
        for cell in notebook.cells
        for output in cell.get("outputs", ())
    )


class Gallery(SphinxDirective):
    """Cards of the notebooks named in its content, a name a line."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """A grid of cards: title, first figure."""
        lines = ["::::{grid} 1 2 2 3", ":gutter: 3", ""]
        for name in self.content:
            path = Path(self.env.srcdir) / NOTEBOOKS / f"{name}.ipynb"
            self.env.note_dependency(str(path))
            notebook = nbformat.read(path, as_version=4)
            if _failed(notebook):
                logger.warning("%s failed when it was executed", name, location=self.get_location())
            title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
            lines += [f":::{{grid-item-card}} {title}", f":link: notebooks/{name}"]
            lines += [":link-type: doc", ":class-card: gallery-card"]
            picture = _picture(notebook)
            if picture:
                png = path.with_suffix(".png")
                png.write_bytes(base64.b64decode(picture))
                lines += [f":img-top: notebooks/{png.name}", f":img-alt: a figure of {name}"]
            lines += [":::", ""]
        lines.append("::::")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the copying and the directive."""
    app.connect("config-inited", _copy)
    app.add_directive("gallery", Gallery)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
