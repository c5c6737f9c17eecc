"""The one exception a user is meant to see, and the nearest-name hint."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InputError", "choose"]


class InputError(ValueError):
    """Something in the input is wrong; the message names the problem and the remedy in one line."""


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
    near = get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown {kind} {name!r}: {hint}known: {', '.join(known)}")
