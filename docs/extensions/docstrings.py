"""Docstrings as they are written: formulas stand indented, papers are named by their number.

An indented block before the first section of a docstring is a formula, which keeps its lines; and
``arXiv:2410.12258`` or ``doi:10.1214/aos/1176348114`` is a link to the bibliography, on any page.
"""

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform

import bayes_cmoe

__all__ = ["PAPER", "anchor", "setup"]

PAPER = re.compile(r"(?:arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,9}/[^\s;,)\]'\"]*[^\s;,.:)\]'\"])")
"""How a paper is named."""
BIBLIOGRAPHY = "bibliography"


def anchor(paper: str) -> str:
    """The place of a paper in the bibliography.

    Examples
    --------
    >>> anchor("doi:10.1214/23-BA1404")
    'doi-10-1214-23-ba1404'
    """
    return re.sub(r"[^a-z0-9]+", "-", paper.lower())


def _formulas(lines: list[str]) -> Iterator[str]:
    """The lines, each indented block above the first section literal and all else plain words."""
    free, inside = True, False
    for number, line in enumerate(lines):
        if _underlined(lines, number):
            free = False
        indented = line.startswith("    ")
        begins = free and indented and not inside and number > 0 and not lines[number - 1].strip()
        if begins:
            yield from (".. code-block:: none", "")
        if line.strip():
            inside = indented and (inside or begins)
        yield line if inside or line.lstrip().startswith((">>>", "...")) else _plain(line)


def _underlined(lines: list[str], number: int) -> bool:
    """Whether a line is a section's heading."""
    below = lines[number + 1] if number + 1 < len(lines) else ""
    return len(below) > 2 and set(below) in ({"-"}, {"="})


def _plain(line: str) -> str:
    """A line in which |x|, ``entry_`` and `Name`s are no signs of reStructuredText's.

    Examples
    --------
    >>> print(_plain("|x| over (entry, entry_) in `Data`s, ``|x|``"))
    \\|x| over (entry, entry\\_) in `Data`\\ s, ``|x|``
    """
    parts = line.split("``")
    for place in range(0, len(parts), 2):
        part = re.sub(r"(?<![\w|])\|(?=\S)", r"\\|", parts[place])
        part = re.sub(r"(?<=\w)_(?!\w)", r"\\_", part)
        parts[place] = re.sub(r"(`[^`]+`)(?=\w)", r"\1\\ ", part)
    return "``".join(parts)


def _rubrics(lines: list[str]) -> Iterator[str]:
    """A module's sections as rubrics: its page has sections of its own."""
    for number, line in enumerate(lines):
        if _underlined(lines, number):
            yield from (f".. rubric:: {line}", "")
        elif not (number and _underlined(lines, number - 1)):
            yield line


def _mend(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    own = list(_formulas(lines))
    lines[:] = _rubrics(own) if what == "module" else own


class Papers(SphinxTransform):
    """Make each paper that is named in a text a link to its entry in the bibliography."""

    default_priority = 400

    def apply(self, **kwargs: Any) -> None:
        """Replace the text nodes that name papers."""
        if self.env.docname == BIBLIOGRAPHY:
            return
        for text in list(self.document.findall(nodes.Text)):
            above = text.parent
            if isinstance(above, nodes.literal | nodes.reference | nodes.FixedTextElement):
                continue
            if any(isinstance(own, nodes.title | nodes.raw) for own in _above(text)):
                continue
            if PAPER.search(text.astext()):
                above.replace(text, list(self._linked(text.astext())))

    def _linked(self, text: str) -> Iterator[nodes.Node]:
        end = 0
        for found in PAPER.finditer(text):
            yield nodes.Text(text[end : found.start()])
            link = pending_xref(
                "",
                nodes.inline("", found[0]),
                refdomain="std",
                reftype="ref",
                reftarget=anchor(found[0]),
                refexplicit=True,
                refwarn=True,
                refdoc=self.env.docname,
            )
            yield link
            end = found.end()
        yield nodes.Text(text[end:])


def _above(node: nodes.Node) -> Iterator[nodes.Node]:
    while node.parent is not None:
        node = node.parent
        yield node


def _public(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Node
) -> nodes.Node | None:
    """A name of ours without its module: `fit_map` is bayes_cmoe.fit_map."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    objects = env.domains.python_domain.objects
    known = [f"bayes_cmoe.{target}"] if target in bayes_cmoe.__all__ else []
    known += [name for name in objects if name.endswith(f".{target}")]
    name = next((own for own in known if own in objects), None)
    # One of several is no answer, unless it is the public one.
    if name is None or (not name.startswith(f"bayes_cmoe.{target}") and len(known) > 1):
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", name, node, shown
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the handlers."""
    # Ahead of numpydoc, which reads the sections.
    app.connect("autodoc-process-docstring", _mend, priority=100)
    app.connect("missing-reference", _public)
    app.add_transform(Papers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
