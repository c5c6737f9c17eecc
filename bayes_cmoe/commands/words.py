"""What the words of a command line may be: whole numbers, numbers, exponents, names of files.

Each is an annotated type of an option. The parser's own rounds 1.9 to 2 and takes nan, 0x10 and an
empty name of a file; what is used here is what was written, or it is refused.
"""

import re
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.parts.outside import plugins
from bayes_cmoe.sweep.plugins import recall_plugins

__all__ = [
    "Exponent",
    "Number",
    "Place",
    "Rows",
    "Sizes",
    "Whole",
    "check_words",
    "named_numbers",
    "number_of",
    "program",
    "range_of",
    "recall",
    "take_plugin_words",
]

PLUGIN = "--plugin"
MOST_WORDS = 1000
LONGEST_OPTION = 100
"""Letters of an option's name at most, up to its ``=``."""
MOST_ROWS = 10**18
LARGEST_WHOLE = 10**30
"""Beyond it a message could not spell the number out."""
SMALLEST = Fraction(1, 10**100)
"""Of a wanted error."""
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(e[+-]?[0-9]{1,4})?", re.I)
_RATIO = re.compile(r"[+-]?[0-9]{1,9}/[0-9]{1,9}")


def number_of(text: str) -> Fraction | None:
    """A number as it is written, exactly; None when the text is none, or too long for one.

    Examples
    --------
    >>> number_of("1e4"), number_of("-.5"), number_of("1_000"), number_of("nan")
    (Fraction(10000, 1), Fraction(-1, 2), None, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    return Fraction(text)


def named_numbers(option: str, text: str) -> dict[str, float]:
    """Positive numbers by name, as NAME=0.1,NAME=0.2; a comma inside brackets is the name's own.

    Raises
    ------
    InputError
        When an entry has no name or no positive number, or a name comes twice.

    Examples
    --------
    >>> named_numbers("--wanted", "a[x1]=0.1, expert=2e-1")
    {'a[x1]': 0.1, 'expert': 0.2}
    """
    found: dict[str, float] = {}
    for pair in re.split(r",(?![^\[]*\])", text):
        name, _, number = (part.strip() for part in pair.rpartition("="))
        value = number_of(number)
        if not name or value is None or not SMALLEST <= value <= 1 / SMALLEST:
            raise InputError(
                f"{option} {shortened(pair)!r}: write NAME=NUMBER with a positive number, several "
                "separated by commas"
            )
        if name in found:
            raise InputError(f"{option}: {shortened(name)} is given twice: give each once")
        found[name] = float(value)
    return found


def range_of(option: str, text: str) -> tuple[float, float]:
    """Two numbers in order, as 0.1,0.5; one number is both.

    Raises
    ------
    InputError
        When it is something else.

    Examples
    --------
    >>> range_of("--share", "1/4")
    Traceback (most recent call last):
    bayes_cmoe.errors.InputError: --share 1/4: give two numbers in order, such as 0.1,0.5
    >>> range_of("--share", "0.1,0.5"), range_of("--share", ".3")
    ((0.1, 0.5), (0.3, 0.3))
    """
    ends = [number_of(part.strip()) for part in text.split(",")]
    ends = ends * 2 if len(ends) == 1 else ends
    least, most = ends if len(ends) == 2 else (None, None)
    if least is None or most is None or least > most or max(abs(least), abs(most)) > LARGEST_WHOLE:
        raise InputError(f"{option} {shortened(text)}: give two numbers in order, such as 0.1,0.5")
    return float(least), float(most)


def _refused(token: Any, remedy: str) -> InputError:
    """What was written after which option, and the remedy."""
    word = shortened(token.value)
    written = f"{token.keyword} {word or repr(word)}" if token.keyword else repr(word)
    return InputError(f"{written}: {remedy}")


def _whole(kind: Any, tokens: Sequence[Any]) -> int:
    value = number_of(tokens[0].value)
    if value is None or value.denominator != 1 or abs(value) >= LARGEST_WHOLE:
        raise _refused(tokens[0], "give a whole number, such as 1000")
    return int(value)


def _number(kind: Any, tokens: Sequence[Any]) -> float:
    value = number_of(tokens[0].value)
    # What a 64-bit number would turn into infinity or zero is not what was written.
    if value is None or abs(value) > 10**300 or 0 < abs(value) < Fraction(1, 10**300):
        raise _refused(tokens[0], "give a number, such as 0.05")
    return float(value)


def _rows(token: Any) -> float:
    value = number_of(token.value)
    if value is None or value.denominator != 1 or not 1 <= value <= MOST_ROWS:
        raise _refused(token, f"give a whole number of rows, from 1 to {float(MOST_ROWS):g}")
    return float(value)


def _exponent(kind: Any, tokens: Sequence[Any]) -> float:
    text = tokens[0].value
    try:
        value = Fraction(text) if _RATIO.fullmatch(text) else number_of(text)
    except ZeroDivisionError:
        value = None
    if value is None or not 0 <= value <= 1:
        raise _refused(tokens[0], "give an exponent from 0 to 1, such as 1/8 or 0.125")
    return float(value)


def _place(kind: Any, tokens: Sequence[Any]) -> Path:
    name = tokens[0].value
    if not name.strip():
        raise _refused(tokens[0], "an empty name: give the name of a file or a folder")
    if "\0" in name:
        raise _refused(tokens[0], "a name cannot hold a zero byte: give another")
    return Path(name)


Whole = Annotated[int, Parameter(converter=_whole)]
"""A whole number: 1000, 1e3 or 1000.0, and not 1.9."""
Number = Annotated[float, Parameter(converter=_number)]
"""A finite number."""
Rows = Annotated[float, Parameter(converter=lambda kind, tokens: _rows(tokens[0]))]
"""A whole number of rows, which may be as large as theory looks at."""
Sizes = Annotated[list[float], Parameter(converter=lambda kind, tokens: [*map(_rows, tokens)])]
"""Numbers of rows, one for each time that the option is given."""
Exponent = Annotated[float, Parameter(converter=_exponent)]
"""An exponent of a truth path, 0 to 1, as a number or a ratio."""
Place = Annotated[Path, Parameter(converter=_place)]
"""A file or folder."""


def check_words(words: Sequence[str]) -> None:
    """Refuse more words, or longer options, than the parser gets through at once.

    Raises
    ------
    InputError
    """
    if len(words) > MOST_WORDS:
        raise InputError(
            f"{len(words)} words on the command line: give at most {MOST_WORDS}, "
            "and columns separated by commas"
        )
    if words and len(words[0]) > LONGEST_OPTION:
        raise InputError(f"unknown command {shortened(words[0])!r}: --help lists the commands")
    for word in words:
        if word == "--":
            return
        if word.startswith("--") and len(word.partition("=")[0]) > LONGEST_OPTION:
            raise InputError(f"unknown option {shortened(word)!r}: --help lists the options")


def take_plugin_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words without ``--plugin FILE``, wherever that stands, and the files.

    Raises
    ------
    InputError
        When a file's name is missing.

    Examples
    --------
    >>> take_plugin_words(["--plugin", "mine.py", "variants", "--plugin=his.py", "--json"])
    (['variants', '--json'], ['mine.py', 'his.py'])
    """
    end = words.index("--") if "--" in words else len(words)
    left: list[str] = []
    files: list[str] = []
    waiting = iter(words[:end])
    for word in waiting:
        option, given, file = word.partition("=")
        if option != PLUGIN:
            left.append(word)
            continue
        name = file if given else next(waiting, "")
        if not name.strip() or "\0" in name or (not given and name.startswith("-")):
            raise InputError(f"{PLUGIN}: give the name of a Python file")
        files.append(name)
    return [*left, *words[end:]], files


def recall(folder: Path) -> None:
    """Load the plugins that the run in a folder began with, and say which.

    Raises
    ------
    InputError
        When one of them is missing, is another text than it was, or fails.
    """
    for file in recall_plugins(folder):
        print(f"bayes-cmoe: plugin {file}, as when the run began", file=sys.stderr)


def program() -> list[str]:
    """The words with which a command begins that knows all that this process does."""
    return ["bayes-cmoe", *(word for plugin in plugins() for word in (PLUGIN, plugin.file))]
