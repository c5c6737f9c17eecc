"""Cells of text that no spreadsheet takes for a formula."""

from bayes_cmoe.errors import InputError, shortened

__all__ = ["check_cell", "plain_cell"]

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a formula begins with."""


def plain_cell(text: str) -> str:
    """The text, with an apostrophe before it where it looks like a formula.

    Examples
    --------
    >>> plain_cell("=1+1"), plain_cell("a[x1]")
    ("'=1+1", 'a[x1]')
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def check_cell(name: str) -> None:
    """Refuse a column's name that looks like a formula.

    Raises
    ------
    InputError
    """
    if plain_cell(name) != name:
        raise InputError(
            f"column {shortened(name)!r} begins as a formula does: give it a name that begins with "
            "a letter"
        )
