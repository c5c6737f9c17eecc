"""What ``--prior`` may be: a name, a prior for a parameter, or JSON in a file or as it stands."""

from __future__ import annotations

import json as json_format
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.regular import regular_content
from bayes_cmoe.parts.priors import Prior

__all__ = ["chosen_prior", "prior_named", "read_prior"]

NAMES = ("flat", "weak")
LARGEST_PRIOR = 2**20
"""Bytes of a prior's file."""
_ONE = re.compile(r"\s*([^\s={}]+)\s*=(.*\))\s*")


def chosen_prior(words: Sequence[str]) -> Prior:
    """The prior that words ask for.

    Parameters
    ----------
    words : sequence of str
        Any number of ``name=distribution(numbers)``, or of JSON objects with a prior for each
        parameter, in a file or as they stand; or ``weak`` or ``flat`` alone, which ``weak`` may
        stand beside the others.

    Raises
    ------
    InputError
        When a word is none of these, a parameter is named twice, or flat is not alone. Whether the
        parameters and distributions exist is for the model to say.

    Examples
    --------
    >>> chosen_prior(["lam=beta(2, 8)", '{"b": {"kind": "normal", "center": 0, "sd": 1}}'])
    {'lam': 'beta(2, 8)', 'b': {'kind': 'normal', 'center': 0, 'sd': 1}}
    >>> chosen_prior(["flat"])
    'flat'
    """
    own: dict[str, Any] = {}
    names: set[str] = set()
    for word in words:
        one = _ONE.fullmatch(word)
        if one is not None and not word.lstrip().startswith("{"):
            given = {one[1]: one[2].strip()}
        elif word.lstrip().startswith("{"):
            given = _content("--prior", "JSON", word)
        elif word.endswith(".json") or os.path.isfile(word):
            given = read_prior(Path(word))
        else:
            if "=" in word:
                raise InputError(
                    f"--prior {shortened(word)}: give a parameter and its distribution, such as "
                    "'name=normal(0, 1)'"
                )
            names.add(choose("prior", word, NAMES))
            continue
        for name in given:
            if name in own:
                raise InputError(f"--prior {shortened(name)}: given twice: leave one out")
        own |= given
    if "flat" in names and (own or len(names) > 1):
        raise InputError(
            "--prior flat stands alone: leave it out, and give the others a box each, such as "
            "'name=uniform(-10, 10)'"
        )
    if own:
        return own
    return names.pop() if names else "weak"


def prior_named(prior: Prior) -> str:
    """What a record says of a prior.

    Examples
    --------
    >>> prior_named("flat"), prior_named({"lam": "beta(2, 8)"})
    ('flat', 'weak and lam given')
    """
    return prior if isinstance(prior, str) else f"weak and {', '.join(prior)} given"


def read_prior(file: Path) -> dict[str, Any]:
    """The priors by parameter in a JSON file.

    Raises
    ------
    InputError
        When it cannot be read or holds something else.
    """
    try:
        text = regular_content(file, LARGEST_PRIOR)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{file}: cannot be read: {reason or error}: check its name") from None
    return _content(str(file), "a JSON file", text)


def _content(source: str, kind: str, text: str | bytes) -> dict[str, Any]:
    try:
        content: Any = json_format.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: not {kind}: {error}: mend it") from None
    if not isinstance(content, dict) or not content:
        raise InputError(f"{source}: not a JSON object of priors by parameter: mend it")
    return content
