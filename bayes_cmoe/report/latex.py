"""A comparison's tables as LaTeX, with booktabs and longtable, and its figures to include."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayes_cmoe.report.comparison import LEVEL, Comparison
from bayes_cmoe.report.images import Picture
from bayes_cmoe.report.numbers import fraction

__all__ = ["latex_files", "plain_latex"]

SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "±": r"$\pm$", "−": "$-$", "α": r"$\alpha$", "γ": r"$\gamma$",
}  # fmt: skip
NOTHING = "--"
HEAD = (
    "% Made by bayes-cmoe from the sweep {name}.\n"
    "% Needs \\usepackage{{booktabs, longtable, graphicx, textcomp}} and, with pdflatex,\n"
    "% \\usepackage[T1]{{fontenc}}.\n"
)
Column = tuple[str, str, Callable[[Mapping[Any, Any]], str]]
"""Heading, alignment, and a row's cell."""


def latex_files(comparison: Comparison, pictures: Mapping[str, Picture]) -> dict[str, str]:
    """Tables of rates, errors and coverage, and the figures, as files to ``\\input``.

    Parameters
    ----------
    comparison : Comparison
    pictures : mapping of str to Picture
        Whose PDF files lie in ``figures/``.

    Returns
    -------
    dict of str to str
        ``rates.tex``, ``errors.tex``, ``coverage.tex`` and ``figures.tex``; a table without rows is
        left out.
    """
    percent = f"{LEVEL:.0%}".replace("%", r"\%")
    tables = {
        "rates.tex": (comparison.rates, RATES, f"Slopes of log error on log $n$, {percent} "
                      "intervals, the information bound's slope and the asymptotic exponent."),
        "errors.tex": (comparison.errors, ERRORS, f"Error against $n$, {percent} intervals, and "
                       "the information bound."),
        "coverage.tex": (comparison.pooled, COVERAGE, "Share of central credible intervals that "
                         f"hold the truth, {percent} intervals."),
    }  # fmt: skip
    head = HEAD.format(name=plain_latex(comparison.design.name))
    found = {
        name: head + _longtable(table, columns, caption)
        for name, (table, columns, caption) in tables.items()
        if len(table)
    }
    if pictures:
        found["figures.tex"] = head + "\n".join(map(_figure, pictures, pictures.values()))
    return found


def plain_latex(text: str) -> str:
    """A text in which LaTeX sees no commands.

    Examples
    --------
    >>> print(plain_latex("50 % of a_1 & {b}"))
    50 \\% of a\\_1 \\& \\{b\\}
    """
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def _number(value: float, digits: int = 3) -> str:
    return f"${value:.{digits}f}$" if np.isfinite(value) else NOTHING


def _significant(value: float) -> str:
    if not np.isfinite(value):
        return NOTHING
    mantissa, _, power = f"{value:.2e}".partition("e")
    if -4 <= int(power) < 6:
        return f"${value:#.3g}$".replace(".$", "$")
    return rf"${mantissa} \times 10^{{{int(power)}}}$"


def _between(low: str, high: str) -> str:
    if NOTHING in (low, high):
        return ""
    return f" $[{low.strip('$')}, {high.strip('$')}]$"


def _fraction(value: float) -> str:
    return f"${fraction(value).replace('−', '-')}$" if np.isfinite(value) else NOTHING


def _text(name: str) -> Callable[[Mapping[Any, Any]], str]:
    return lambda row: plain_latex(str(row[name]))


RATES: tuple[Column, ...] = (
    ("regime", "l", _text("regime")),
    ("method", "l", lambda row: str(row["method"]).upper()),
    ("parameter", "l", _text("parameter")),
    ("slope", "l", lambda row: _number(row["slope"])
     + _between(_number(row["low"]), _number(row["high"]))),
    ("bound", "r", lambda row: _number(row["bound_slope"])),
    ("exponent", "r", lambda row: _fraction(row["exponent"])),
    ("efficiency", "r", lambda row: _number(row["efficiency"], 2)),
    ("beside the bound", "l", _text("verdict")),
)  # fmt: skip
ERRORS: tuple[Column, ...] = (
    *RATES[:3],
    ("$n$", "r", lambda row: f"{int(row['n']):,}".replace(",", r"\,")),
    ("error", "l", lambda row: _significant(row["rmse"])
     + _between(_significant(row["low"]), _significant(row["high"]))),
    ("bound", "r", lambda row: _significant(row["bound"])),
    ("fits", "r", lambda row: str(int(row["fits"]))),
)  # fmt: skip
COVERAGE: tuple[Column, ...] = (
    RATES[0],
    ("over", "l", _text("over")),
    ("level", "r", lambda row: f"{100 * row['level']:.0f}\\,\\%"),
    ("covered", "l", lambda row: _number(row["covered"], 2)
     + _between(_number(row["low"], 2), _number(row["high"], 2))),
    ("fits", "r", lambda row: str(int(row["fits"]))),
)  # fmt: skip


def _longtable(table: pd.DataFrame, columns: Sequence[Column], caption: str) -> str:
    heads = " & ".join(name for name, _, _ in columns) + r" \\"
    lines = [
        " & ".join(cell(row) for _, _, cell in columns) + r" \\" for row in table.to_dict("records")
    ]
    sides = "".join(side for _, side, _ in columns)
    return "\n".join(
        [
            rf"\begin{{longtable}}{{{sides}}}", rf"\caption{{{caption}}}\\", r"\toprule", heads,
            r"\midrule", r"\endfirsthead", r"\toprule", heads, r"\midrule", r"\endhead",
            r"\bottomrule", r"\endfoot", *lines, r"\end{longtable}", "",
        ]
    )  # fmt: skip


def _figure(name: str, picture: Picture) -> str:
    return "\n".join(
        [
            r"\begin{figure}", r"\centering", rf"\includegraphics{{figures/{name}.pdf}}",
            rf"\caption{{{plain_latex(picture.title)}.}}", r"\end{figure}", "",
        ]
    )  # fmt: skip
