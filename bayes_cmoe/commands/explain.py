"""`bayes-cmoe explain`: what a saved fit learned, on one page."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from bayes_cmoe.commands.tabular import check_data_sets, check_seed
from bayes_cmoe.commands.words import Place, Whole
from bayes_cmoe.files.outputs import check_folder_writable

__all__ = ["explain"]


def explain(
    fit: Place,
    *,
    output: Annotated[Place, Parameter(name=["-o", "--output"])],
    draws: Whole = 99,
    seed: Whole = 0,
) -> int:
    """Say in words and figures what a saved fit learned, and what it cannot know.

    Whether there is anything new at all, how much and where, what the prompt does that the frozen
    model does not, whether it predicts better, how sure that is, how many rows would halve the
    error, and whether the prior matters.

    Parameters
    ----------
    fit
        A fit.nc of `bayes-cmoe fit -o`, or its folder.
    output
        Folder for the page (explanation.html), its figures, and a table of the rows.
    draws
        Data sets drawn from the frozen expert alone, to test whether there is a prompt.
    seed
        Seed of the random numbers.
    """
    check_seed(seed)
    check_data_sets(draws)
    check_folder_writable(output)
    from bayes_cmoe.front.saved import read_fit

    tree = read_fit(fit)
    from bayes_cmoe.report.explanation_page import explain as explained

    # Whatever a library prints while it works is not the result.
    said = Console(stderr=True)
    with contextlib.redirect_stdout(sys.stderr), said.status("reading") as shown:
        found = explained(tree, output, draws=draws, seed=seed, on_stage=shown.update)
    print(found)
    print(f"\nwrote {output / 'explanation.html'}", file=sys.stderr)
    return 0
