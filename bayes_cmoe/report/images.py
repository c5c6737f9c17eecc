"""Figures as bytes of PNG and SVG files, and as images in a page that needs no other file."""

import io
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["Picture", "drawn"]

HEAVY = 300_000
"""Bytes of SVG above which a page shows the PNG: a page of twenty regimes stays below 8 MB."""
DPI = 150


@dataclass(frozen=True)
class Picture:
    """A figure in both formats.

    Parameters
    ----------
    svg, png : bytes
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

    @property
    def source(self) -> str:
        """The lighter format as a ``data:`` address, SVG unless it is heavy."""
        # As an image of its own rather than inline, so that no two figures share an id.
        light = len(self.svg) <= HEAVY
        kind, content = ("svg+xml", self.svg) if light else ("png", self.png)
        return f"data:image/{kind};base64,{b64encode(content).decode()}"


def drawn(figures: Mapping[str, Figure]) -> dict[str, Picture]:
    """Draw figures once, as PNG and SVG; the same figure gives the same bytes.

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
        for kind, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            stream = io.BytesIO()
            # Letters as text, at a third of their weight as outlines.
            with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
                figure.savefig(stream, format=kind, dpi=DPI, metadata=metadata)
            files[kind] = stream.getvalue()
        width, height = (round(96 * inches) for inches in figure.get_size_inches())
        title = figure.get_suptitle() or figure.axes[0].get_title(loc="left")
        pictures[name] = Picture(files["svg"], files["png"], width, height, title)
    return pictures
