"""Figures as bytes of PNG and SVG files, and as images in a page that needs no other file."""

import io
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["Picture", "drawn"]

HEAVY = 300_000
"""Bytes of SVG above which a page shows the PNG: a page of twenty regimes stays below 8 MB."""
DPI = 150
FORMATS: dict[str, dict[str, None]] = {
    "svg": {"Date": None}, "png": {"Software": None}, "pdf": {"CreationDate": None},
}  # fmt: skip
"""With what would differ from one time to the next."""
OPTIONS: Any = {"svg.fonttype": "none", "pdf.fonttype": 42}
"""Letters as text, at a third of their weight as outlines; and as fonts that journals accept."""


@dataclass(frozen=True)
class Picture:
    """A figure in both formats.

    Parameters
    ----------
    svg, png, pdf : bytes
        The last is empty unless it was asked for.
    width, height : int
        CSS pixels.
    title : str
        The figure's own title, or its first panel's.
    """

    svg: bytes
    png: bytes
    width: int
    height: int
    title: str
    pdf: bytes = b""

    @property
    def source(self) -> str:
        """The lighter format as a ``data:`` address, SVG unless it is heavy."""
        # As an image of its own rather than inline, so that no two figures share an id.
        light = len(self.svg) <= HEAVY
        kind, content = ("svg+xml", self.svg) if light else ("png", self.png)
        return f"data:image/{kind};base64,{b64encode(content).decode()}"


def drawn(figures: Mapping[str, Figure], *, pdf: bool = False) -> dict[str, Picture]:
    """Draw figures once, as PNG and SVG, and PDF if asked; the same figure gives the same bytes.

    Examples
    --------
    >>> figure = Figure(figsize=(2, 1))
    >>> axes = figure.subplots()
    >>> picture = drawn({"empty": figure})["empty"]
    >>> picture.width, picture.source[:19]
    (192, 'data:image/svg+xml;')
    """
    pictures = {}
    for name, figure in figures.items():
        files = {}
        for kind, metadata in FORMATS.items():
            if kind == "pdf" and not pdf:
                continue
            stream = io.BytesIO()
            with mpl.rc_context({**OPTIONS, "svg.hashsalt": name}):
                figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
            files[kind] = stream.getvalue()
            # Laid out once: every format has the same places, and half of the time is layout.
            figure.set_layout_engine("none")
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        title = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
        both = files["svg"], files["png"]
        pictures[name] = Picture(*both, width, height, title, files.get("pdf", b""))
    return pictures
