"""Directives that ask the package about its variants, so that no page states a number by hand.

``variant-list`` is the table of all; of one, ``variant-docstring`` gives its file's own words,
``variant-regimes`` where it is studied, ``variant-rates`` which exponents are published and
computed, and ``variant-relations`` what the distinguishability test finds.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from fractions import Fraction
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from bayes_cmoe import Regime, variant_named, variants
from bayes_cmoe.theory.distinguishability import distinguishability
from bayes_cmoe.theory.report import theory, theory_rows

__all__ = ["setup"]

SIZES = (1e3, 1e4, 1e5, 1e6)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: str = "") -> list[str]:
    """A list table of Markdown cells, which hold links and signs that a pipe table may not."""
    lines = ["::::{list-table}", ":header-rows: 1"]
    lines += [f":class: {classes}"] if classes else []
    lines.append("")
    for row in (head, *rows):
        lines += [f"{'* -' if place == 0 else '  -'} {cell}" for place, cell in enumerate(row)]
    return [*lines, "::::", ""]


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return ""
    exact = Fraction(value).limit_denominator(96)
    if exact.denominator > 1 and abs(float(exact) - value) < 1e-12:
        return f"{exact.numerator}/{exact.denominator}".replace("-", "−")
    return f"{value:.{digits}f}".replace("-", "−")


def _path(regime: Regime) -> str:
    """How the truth moves."""
    moves = []
    if regime.path.alpha:
        moves.append(f"share n^−{regime.path.alpha}")
    if regime.path.gamma:
        moves.append(f"distance n^−{regime.path.gamma}")
    return ", ".join(moves) or "stays"


class _Said(SphinxDirective, ABC):
    """A directive that says something in Markdown."""

    @abstractmethod
    def lines(self) -> list[str]:
        """What it says."""

    def run(self) -> list[nodes.Node]:
        """The nodes of what it says."""
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


class VariantList(_Said):
    """The variants with their gates and sources, each linked to its page."""

    def lines(self) -> list[str]:
        """One row a variant."""
        rows = [
            [
                f"[`{own.name}`](/models/{own.name}.md)",
                own.title,
                own.response,
                ", ".join(gate.name for gate in own.gates),
                str(len(own.regimes)),
                own.source,
            ]
            for own in variants().values()
        ]
        return _table(("variant", "what", "response", "gates", "regimes", "source"), rows)


class VariantRegimes(_Said):
    """The regimes of a variant."""

    required_arguments = 1

    def lines(self) -> list[str]:
        """One row a regime."""
        rows = [
            [
                f"`{own.name}`",
                own.summary,
                own.gate.name,
                own.expert,
                _path(own),
            ]
            for own in variant_named(self.arguments[0]).regimes.values()
        ]
        return _table(("regime", "what", "gate", "expert", "truth as n grows"), rows, "regimes")


class VariantDocstring(_Said):
    """What the variant's file says of it: its density as plain text, and words."""

    required_arguments = 1

    def lines(self) -> list[str]:
        """The docstring as Markdown, in which an indented formula is code already."""
        module = import_module(f"bayes_cmoe.models.{self.arguments[0]}")
        self.env.note_dependency(str(module.__file__))
        said = str(module.__doc__).replace("*", r"\*").replace("_", r"\_").splitlines()
        return [line.replace("\\", "") if line.startswith("    ") else line for line in said]


class VariantRelations(_Said):
    """What the distinguishability test finds in regimes of a variant: name and order a line."""

    required_arguments = 1
    has_content = True

    def lines(self) -> list[str]:
        """One row a test."""
        variant = variant_named(self.arguments[0])
        rows = []
        for line in self.content:
            name, order = line.split()
            regime = variant.regime(name)
            found = distinguishability(variant, regime, order=int(order))
            what = f"{regime.frozen.shown()['expert']}; prompt {regime.expert}"
            rows.append([f"`{name}`", what, order, f"`{found}`"])
        return _table(("regime", "frozen expert and prompt", "order", "found"), rows)


class VariantRates(_Said):
    """Published exponents beside those of the information bound, computed here."""

    required_arguments = 1

    def lines(self) -> list[str]:
        """A heading and a table for each regime."""
        name = self.arguments[0]
        rows = theory_rows(theory(name, n=SIZES))
        lines: list[str] = []
        for regime in dict.fromkeys(row["regime"] for row in rows):
            own = [row for row in rows if row["regime"] == regime]
            lines += [f"### {regime}", ""]
            boundary = next((row["boundary"] for row in own if row["boundary"]), "")
            lines += [f"Can be learnt while {boundary}.".replace("*", r"\*"), ""] * bool(boundary)
            lines += [*self._sources(own), ""]
            lines += _table(
                (
                    "parameter",
                    "published",
                    "lower bound",
                    "computed slope",
                    "±",
                    "bound, n = 10³",
                    "n = 10⁶",
                ),
                [self._row(row) for row in own],
                "rates",
            )
        return lines

    @staticmethod
    def _sources(rows: Sequence[dict[str, Any]]) -> list[str]:
        """Where the rates of a regime come from, and when they hold."""
        said: dict[str, list[str]] = {}
        for row in rows:
            if row["source"]:
                words = [row["mark"], row["source"], row["condition"]]
                said.setdefault("; ".join(w for w in words if w), []).append(row["parameter"])
        return [
            f"- {words} ({', '.join(names)})".replace("*", r"\*") for words, names in said.items()
        ]

    @staticmethod
    def _row(row: dict[str, Any]) -> list[str]:
        return [
            f"`{row['parameter']}`",
            *(_number(row[name]) for name in ("exponent", "lower")),
            *("" if row[name] is None else f"{row[name]:.3f}".replace("-", "−")
              for name in ("slope", "slope_se")),
            *("" if row["bound"][place] is None else f"{row['bound'][place]:.3g}"
              for place in (0, -1)),
        ]  # fmt: skip


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("variant-list", VariantList)
    app.add_directive("variant-regimes", VariantRegimes)
    app.add_directive("variant-docstring", VariantDocstring)
    app.add_directive("variant-relations", VariantRelations)
    app.add_directive("variant-rates", VariantRates)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
