"""A frozen expert, as the options ``--frozen-...`` of the commands that read a table state it."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter
from numpy.typing import NDArray

from bayes_cmoe.commands.words import number_of
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.columns import (
    LARGEST,
    Table,
    check_log_probabilities,
    check_positive,
    check_probabilities,
)
from bayes_cmoe.parts.families import FAMILIES
from bayes_cmoe.parts.frozen import SCALED, Frozen
from bayes_cmoe.parts.predictions import (
    frozen_arguments,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
)

__all__ = ["NOT_STATED", "FrozenColumns", "split_names"]

WAYS = {
    "number": "--frozen-family, --frozen-mean and --frozen-scale",
    "class": "--frozen-probs",
    "count": "--frozen-family and --frozen-arguments",
}
"""How the command line states a frozen expert of each kind of response."""
LARGEST_DF = 1e6


def split_names(option: str, words: Sequence[str]) -> list[str]:
    """Column names from comma-separated words.

    Raises
    ------
    InputError
        When there is none, an empty one, or one twice.

    Examples
    --------
    >>> split_names("-x", ["x1,x2", "age"])
    ['x1', 'x2', 'age']
    """
    names = [name.strip() for word in words for name in word.split(",")]
    if not names or "" in names:
        raise InputError(f"{option}: an empty name: give column names separated by commas")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{option}: column {shortened(name)!r} is named twice: name it once")
    return names


_FROZEN = Parameter(name_transform=lambda name: f"frozen-{name}")
_Column = Annotated[str | None, _FROZEN]


def _split(kind: Any, tokens: Sequence[Any]) -> tuple[str, ...]:
    return tuple(split_names("--frozen-arguments", [token.value for token in tokens]))


@Parameter(name="*")
@dataclass(frozen=True)
class FrozenColumns:
    """What the options ``--frozen-...`` say: a family's name and names of columns.

    Parameters
    ----------
    family
        Density of the frozen expert: gaussian, laplace, student_t, or another with its arguments.
    mean
        Column of the frozen expert's predictions.
    scale
        Column of their standard deviation (gaussian) or scale (laplace, student_t), or a number.
    df
        Column of degrees of freedom (student_t), or a number.
    probs
        Columns of the frozen expert's class probabilities, in the order of the labels.
    logp
        Column of log f0(y|x), the frozen expert's log-density at the response.
    arguments
        Columns of the arguments of another family, such as log_rate=COLUMN of a poisson, separated
        by commas.
    """

    family: _Column = None
    mean: _Column = None
    scale: _Column = None
    df: _Column = None
    probs: _Column = None
    logp: _Column = None
    arguments: Annotated[
        tuple[str, ...],
        _FROZEN,
        Parameter(negative=(), show_default=False, converter=_split),
    ] = ()

    def check(self, response: str) -> None:
        """Refuse a choice that does not state one frozen expert for the kind of response.

        Raises
        ------
        InputError
        """
        way = f"{WAYS[response]}, or --frozen-logp"
        if self.arguments and self.logp is None and self.probs is None and self.family is not None:
            self._check_arguments(response)
            return
        predictions = (self.family, self.mean, self.scale, self.df)
        ways = sum([predictions != (None,) * 4, self.probs is not None, self.logp is not None])
        wrong = {
            "number": self.probs is not None,
            "class": predictions != (None,) * 4,
            "count": self.logp is None,
        }
        if ways != 1 or wrong[response] or self.arguments:
            raise InputError(f"the response is a {response}: state the frozen expert by {way}")
        if self.probs is not None and len(self.names) < 2:
            raise InputError(
                f"--frozen-probs {shortened(self.probs)}: give a column for each of at least two "
                "classes"
            )
        if self.logp is not None or self.probs is not None:
            return
        needed = {"family": self.family, "mean": self.mean, "scale": self.scale}
        for name, value in needed.items():
            if value is None:
                raise InputError(f"--frozen-{name} is missing: state the frozen expert by {way}")
        choose("frozen family", str(self.family), SCALED)
        if (self.family == "student_t") != (self.df is not None):
            raise InputError(
                f"--frozen-df does not go with {self.family}: leave it out"
                if self.df is not None
                else "--frozen-df is missing: a student_t needs its degrees of freedom"
            )

    def _check_arguments(self, response: str) -> None:
        """Refuse arguments that are not the family's, and a family of another response."""
        family = FAMILIES[choose("frozen family", str(self.family), FAMILIES)]
        if family.response != response:
            raise InputError(
                f"--frozen-family {self.family} predicts a {family.response} and the response is a "
                f"{response}: state the frozen expert by {WAYS[response]}"
            )
        given = {pair.partition("=")[0] for pair in self.arguments}
        if given != set(family.arguments) or not all("=" in pair for pair in self.arguments):
            needed = ",".join(f"{argument}=COLUMN" for argument in family.arguments)
            raise InputError(f"--frozen-arguments of a {family.name}: write {needed}")

    @property
    def named_arguments(self) -> dict[str, str]:
        """The family's arguments and their columns, as ``--frozen-arguments`` has them."""
        return {pair.partition("=")[0]: pair.partition("=")[2] for pair in self.arguments}

    @property
    def names(self) -> list[str]:
        """The columns that the frozen expert needs."""
        if self.arguments:
            return list(self.named_arguments.values())
        if self.probs is not None:
            return split_names("--frozen-probs", [self.probs])
        return [name for name in (self.mean, self.scale, self.df, self.logp) if name is not None]

    @property
    def constants(self) -> list[str]:
        """What may be a number in place of a column."""
        given = (name for name in (self.scale, self.df) if name is not None)
        return [name for name in given if number_of(name) is not None]

    def needed(self, header: Collection[str]) -> list[str]:
        """The columns to be read of a table that has these."""
        constants = [name for name in self.constants if name not in header and name != self.mean]
        return [name for name in self.names if name not in constants]

    def spec(self, header: Collection[str]) -> dict[str, Any]:
        """The statement in plain values, to be kept with a fit of a table that has these columns.

        See `bayes_cmoe.front.frozen_models`.
        """
        if self.arguments:
            own: dict[str, Any] = {"family": self.family, "arguments": self.named_arguments}
        elif self.logp is not None:
            own = {"logp": self.logp}
        elif self.probs is not None:
            own = {"probs": self.names}
        else:
            own = {"family": self.family, "mean": self.mean}
            for name, value in (("scale", self.scale), ("df", self.df)):
                number = None if value is None or value in header else number_of(value)
                if value is not None:
                    own[name] = value if number is None else float(number)
        return {"by": "columns", **own}

    def read(self, table: Table, response: str) -> Frozen:
        """The frozen expert of a table, its columns checked."""
        if self.arguments:
            columns = {name: table.columns[own] for name, own in self.named_arguments.items()}
            return frozen_arguments(str(self.family), **columns)
        if self.logp is not None:
            if response != "number":
                check_log_probabilities(table, self.logp)
            return frozen_log_density(table.columns[self.logp])
        if self.probs is not None:
            check_probabilities(table, self.names)
            return frozen_probabilities(table.matrix(self.names))
        mean, scale = table.columns[str(self.mean)], _positive(table, "scale", str(self.scale))
        df = None if self.df is None else _positive(table, "df", self.df, LARGEST_DF)
        return frozen_predictions(str(self.family), mean, scale, df)


def _positive(table: Table, option: str, name: str, upper: float = LARGEST) -> NDArray | float:
    """A column of positive numbers, or the positive number that stands in its place."""
    if name in table.columns:
        check_positive(table, name, upper)
        return table.columns[name]
    value = float(number_of(name) or 0)
    if not 1 / LARGEST <= value <= upper:
        raise InputError(
            f"--frozen-{option} {shortened(name)}: give a number from {1 / LARGEST:g} to "
            f"{upper:g}, or a column"
        )
    return value


NOT_STATED = FrozenColumns()
"""As long as no option is given."""
