"""What is said of words that make no command: one line with the command as it should be written."""

from cyclopts import App, Argument, CycloptsError
from cyclopts.exceptions import MissingArgumentError, UnusedCliTokensError

from bayes_cmoe.errors import InputError

__all__ = ["complaint"]


def complaint(error: CycloptsError) -> str:
    """What is wrong with the words of a command line, and what to write instead.

    Parameters
    ----------
    error : CycloptsError
        Of the parser. What a converter of ours says of a word is said as it is.
    """
    error.verbose = False
    if isinstance(error.__cause__, InputError):
        return str(error.__cause__)
    if error.app is None or not error.command_chain:
        return str(error)
    command = " ".join(error.command_chain)
    if type(error) is MissingArgumentError and error.argument is not None:
        wrong = f"{_shown(error.argument)} is missing"
    elif isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        wrong = f"{error.unused_tokens[0]!r} is one word too many"
    else:
        return str(error)
    return f"{command}: {wrong}: write bayes-cmoe {command} {_usage(error.app)}"


def _usage(app: App) -> str:
    """What a command cannot do without, in the order in which it is written."""
    return " ".join(_shown(own) for own in app.assemble_argument_collection() if own.required)


def _shown(argument: Argument) -> str:
    """An argument's name in capitals, behind that of its option if it has one."""
    value = argument.names[-1].lstrip("-").upper()
    return value if argument.index is not None else f"{argument.name} {value}"
