"""What the values of a design may be."""

import json
from collections.abc import Sequence
from typing import Any

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.parameter import Parameter
from bayes_cmoe.parts.priors import checked_prior

__all__ = [
    "MARGIN", "check_counts", "check_name", "check_prior", "check_sizes", "check_slopes",
    "check_values", "shown",
]  # fmt: skip

MOST = 1_000_000
"""Of anything that is counted but rows; more is a slip of the pen that would fill the memory."""
ROWS = 2**32 - 1
"""Rows at most: a data set's random numbers are keyed by them."""
LEAST = {"starts": 0, "keep_draws": 0, "draws": 10, "ranked": 9}
"""Where one is not the least; R-hat and ESS of fewer draws are no numbers."""
MARGIN = 0.05
"""Difference of slopes that a design cares about, unless it says otherwise."""
LONGEST = 100
"""Letters of a name at most."""


def shown(value: Any) -> str:
    """A value in a message; Python spells out no whole number of many thousand digits."""
    return repr(value) if type(value) is not int or abs(value) < 2**64 else "a huge number"


def check_name(name: Any) -> None:
    """Refuse what is no line of text; it is a heading of the report."""
    text = isinstance(name, str) and name.isprintable() and name.strip()
    if not text or len(name) > LONGEST:
        raise InputError(f"the design's name is not a line of 1 to {LONGEST} letters: mend it")


def check_prior(prior: Any) -> None:
    """Refuse a prior that is neither a name nor a JSON object of values by parameter."""
    text = prior if isinstance(prior, str) else shown(prior)
    if not text.lstrip().startswith("{"):
        choose("prior", text, ("flat", "weak"))
        return
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"prior: not a JSON object: {error}: mend it") from None


def check_values(prior: str, parameters: Sequence[Parameter], *, whole: bool) -> None:
    """Refuse a prior in JSON that does not fit a regime's parameters.

    Parameters
    ----------
    prior : str
    parameters : sequence of Parameter
    whole : bool
        Whether it is to name all of them: what it does not name follows the data.
    """
    content, declared = json.loads(prior), {own.name: own for own in parameters}
    for name, value in content.items():
        checked_prior(declared[choose("parameter of the prior", name, declared)], value)
    lacking = [name for name in declared if name not in content]
    if whole and lacking:
        raise InputError(
            f"the prior lacks {', '.join(lacking)}: what it does not name would be scaled on each "
            "data set, and nothing could be calibrated: name all parameters"
        )


def check_counts(where: str, **counts: Any) -> None:
    """Refuse counts that are no whole numbers or out of reach."""
    for name, value in counts.items():
        least = LEAST.get(name, 1)
        most = ROWS if name == "starts_up_to" else MOST
        if type(value) is not int or not least <= value <= most:
            raise InputError(
                f"{where}: {name} = {shown(value)}: give a whole number from {least} to {most}"
            )


def check_sizes(where: str, sizes: tuple[Any, ...]) -> None:
    """Refuse sizes that are no growing whole numbers of rows."""
    whole = all(type(n) is int and 1 <= n <= ROWS for n in sizes)
    if not sizes or not whole or list(sizes) != sorted(set(sizes)):
        raise InputError(
            f"{where}: sizes = [{', '.join(map(shown, sizes))}]: give growing whole numbers of "
            f"rows, up to {ROWS}"
        )


def check_slopes(margin: Any, until: Any) -> None:
    """Refuse a margin or half-width that is no positive difference of slopes."""
    for name, value in (("margin", margin), ("until", until)):
        if name == "until" and value is None:
            continue
        if type(value) not in (int, float) or not 0.0 < value < 10.0:
            raise InputError(f"{name} = {shown(value)}: give a difference of slopes, such as 0.05")
