"""How public values show themselves: one line in a terminal, a small table in a notebook."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from bayes_cmoe.errors import shortened

__all__ = ["Shown", "html_table"]

LONGEST = 60


class Shown(ABC):
    """Gives a class its one-line repr and its HTML table, from what `shown` says of it."""

    __slots__ = ()

    @abstractmethod
    def shown(self) -> Mapping[str, Any]:
        """What there is to see, by name, the most telling first."""

    def __repr__(self) -> str:
        inner = ", ".join(
            f"{name}={_quoted(shortened(_plain(value), LONGEST))}"
            for name, value in self.shown().items()
        )
        return f"{type(self).__name__}({inner})"

    def _repr_html_(self) -> str:
        rows = [(name, _plain(value)) for name, value in self.shown().items()]
        return html_table(type(self).__name__, ("", ""), rows)


def _quoted(text: str) -> str:
    """A text with commas in quotes, so that it is seen where it ends."""
    return repr(text) if ", " in text and not text.startswith("(") else text


def _plain(value: Any) -> str:
    """A value in a line: arrays by their shape when they are long."""
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"array{value.shape}"
    if isinstance(value, np.ndarray):
        return " ".join(str(value.tolist()).split())
    if isinstance(value, tuple | list):
        return str(value[0]) if len(value) == 1 else f"({', '.join(map(str, value))})"
    return " ".join(str(value).split())


def html_table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small HTML table that keeps to a notebook's own style.

    Examples
    --------
    >>> html_table("T", ("", ""), [("n", "3")])
    '<table><caption>T</caption><tr><th>n</th><td>3</td></tr></table>'
    """
    head = "".join(f"<th>{escape(text)}</th>" for text in heads) if any(heads) else ""
    cells = [
        f"<th>{escape(first)}</th>{''.join(f'<td>{escape(text)}</td>' for text in others)}"
        for first, *others in rows
    ]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    top = f"<tr>{head}</tr>" if head else ""
    return f"<table><caption>{escape(title)}</caption>{top}{body}</table>"
