"""The one exception a user is meant to see, and the nearest-name hint."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "choose", "shortened"]


class InputError(ValueError):
    """Something in the input is wrong; the message names the problem and the remedy in one line."""


def shortened(text: object, longest: int = 60) -> str:
    """A text for a message: its beginning and its end, where it is too long for a line.

    Examples
    --------
    >>> shortened("abcdefghij", 7)
    'ab...ij'
    """
    line = str(text)
    if len(line) <= longest:
        return line
    end = (longest - 3) // 2
    return f"{line[: longest - 3 - end]}...{line[-end:]}"


def choose(kind: str, name: str, known: Iterable[str]) -> str:
    """Return `name` if it is one of `known`.

    Raises
    ------
    InputError
        When it is not; the message gives the nearest known name and the whole list.

    Examples
    --------
    >>> choose("expert", "tanh", ["linear", "tanh"])
    'tanh'
    """
    known = sorted(known)
    if name in known:
        return name
    name = shortened(name)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown {kind} {name!r}: {hint}known: {', '.join(known)}")
