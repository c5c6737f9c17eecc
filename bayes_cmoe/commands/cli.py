"""The command line: what the commands are, and how errors end.

Exit status: 0 done, 1 a worker of a sweep died, 2 bad input (one line on stderr), 3 a fit that did
not converge, 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP.
"""

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from types import FrameType
from typing import TextIO

from cyclopts import App, CycloptsError

from bayes_cmoe.commands.complaints import complaint
from bayes_cmoe.commands.words import check_words, take_plugin_words
from bayes_cmoe.errors import InputError, shortened
from bayes_cmoe.parts.outside import load_plugin

__all__ = ["app", "main"]

BAD_INPUT = 2
SIGNALLED = 128
"""Is added to a signal's number."""
PIPE_CLOSED = 141
LONGEST = 2000
"""Letters of a message at most."""

app = App(
    name="bayes-cmoe",
    help="Bayesian contaminated mixtures of experts: data, fits, and the rates they can reach. "
    "Before or after any command, --plugin FILE adds the variants, gates, experts and families of "
    "a Python file of your own.",
    suppress_keyboard_interrupt=False,
)
# Named, not imported: a command's modules are loaded when it runs.
for _name, _help in (
    ("variants", "List the variants with their gates, experts and regimes."),
    ("simulate", "Draw data from a variant at a regime's truth and write them to a file."),
    ("fit", "Fit a variant to a table by MAP or NUTS."),
    ("predict", "Predict new rows by a saved fit."),
    ("advise", "Say how many rows each form of the prompt would need, before any label."),
    ("next", "Say which rows of a table to ask a response for next, given a saved fit."),
    ("explain", "Say in words and figures what a saved fit learned, on one page."),
    ("theory", "Show published exponents against the information bound and its slope."),
    ("plan", "Say how many rows a wanted error needs, or what error a number of rows gives."),
    ("diagnose", "Say what a table can tell, and which parameters it cannot tell apart."),
    ("calibrate", "Say whether an engine's posterior is the posterior, by simulation."),
    ("test", "Test whether there is a prompt at all, beside the frozen expert."),
    ("compare", "Run a sweep of regimes, set it beside the theory, and write the report."),
    ("report", "Rebuild the report of a sweep from its finished fits."),
    ("status", "Say how far a sweep is."),
):
    app.command(f"bayes_cmoe.commands.{_name}:{_name}", name=_name, help=_help)


def _one_line(kind: str, message: object) -> str:
    """One line, however much the message quotes; its end holds the remedy."""
    return f"bayes-cmoe: {kind}: {shortened(' '.join(str(message).split()), LONGEST)}"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(_one_line("warning", message), file=sys.stderr)


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does; yields the list of those that came."""
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        # The end itself is not to be interrupted.
        if len(came) == 1:
            raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            # What is ignored stays so: that is how nohup keeps a run alive.
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; those of the process when left out.

    Returns
    -------
    int
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        # A terminal without our letters, or a file name that is no text, is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings(), _signals() as came:
        warnings.showwarning = _show_warning
        try:
            check_words(words)
            own, files = take_plugin_words(words)
            for file in files:
                load_plugin(file)
            code = app(own, exit_on_error=False, print_error=False, result_action="return_value")
            if sys.stdout is not None:
                sys.stdout.flush()
        except CycloptsError as error:
            print(_one_line("error", complaint(error)), file=sys.stderr)
            return BAD_INPUT
        except InputError as error:
            print(_one_line("error", error), file=sys.stderr)
            return BAD_INPUT
        except MemoryError:
            print(_one_line("error", "out of memory: use fewer rows or draws"), file=sys.stderr)
            return BAD_INPUT
        except KeyboardInterrupt as error:
            print(_one_line("error", str(error) or "interrupted"), file=sys.stderr)
            return SIGNALLED + (came or [signal.SIGINT])[0]
        except SystemExit as end:
            # Rich ends so when the pipe is closed; a dead worker's status is not what was meant.
            if not isinstance(end.__context__, BrokenPipeError):
                raise
            return PIPE_CLOSED
        except OSError as error:
            # What Python would still flush at its end goes nowhere.
            with contextlib.suppress(OSError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                return PIPE_CLOSED
            print(_one_line("error", f"cannot write the output: {error}"), file=sys.stderr)
            return BAD_INPUT
    return code if isinstance(code, int) else 0
