"""The directive ``room``: every public name of a room of the package, module by module."""

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAliasType

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import bayes_cmoe

__all__ = ["setup"]


def _homes(module: ModuleType, names: list[str]) -> tuple[list[str], list[str]]:
    """Of a module's names those that are shown at the top, and those that are shown elsewhere."""
    top = [
        own
        for own in names
        if own in bayes_cmoe.__all__ and getattr(module, own) is getattr(bayes_cmoe, own)
    ]
    elsewhere = [
        own
        for own in names
        # An alias of types says nothing to a reader, and is not evaluated without its imports.
        if isinstance(getattr(module, own), TypeAliasType)
        or (
            callable(getattr(module, own))
            and getattr(getattr(module, own), "__module__", module.__name__) != module.__name__
        )
    ]
    return top, [own for own in elsewhere if own not in top]


class Room(SphinxDirective):
    """``{room} theory``: a section for each module of bayes_cmoe.theory that has public names."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """Sections with what their modules say and have."""
        package = f"bayes_cmoe.{self.arguments[0]}"
        lines: list[str] = []
        for info in sorted(pkgutil.iter_modules(import_module(package).__path__)):
            name = f"{package}.{info.name}"
            module = import_module(name)
            names = list(getattr(module, "__all__", ()))
            if not names:
                continue
            top, elsewhere = _homes(module, names)
            if elsewhere == names:
                continue
            lines += [f"## {info.name}", "", "```{eval-rst}", f".. automodule:: {name}"]
            lines += ["   :members:", "   :member-order: bysource"]
            if top or elsewhere:
                lines.append(f"   :exclude-members: {', '.join([*top, *elsewhere])}")
            lines.append("")
            if top:
                said = ", ".join(f":obj:`bayes_cmoe.{own}`" for own in top)
                lines += [f"Public as {said}.", ""]
            lines += ["```", ""]
            self.env.note_dependency(str(module.__file__))
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("room", Room)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
