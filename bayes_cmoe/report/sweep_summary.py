"""A comparison in a terminal: one table a regime, and what was found."""

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.numbers import fixed, fraction, span

__all__ = ["summary_tables"]

COLUMNS = {
    "method": 6,
    "parameter": 9,
    "slope": 24,
    "bound's": 7,
    "exponent": 8,
    "efficiency": 10,
    "beside the bound": 24,
    "beside the exponent": 24,
}
"""Headings and their least widths, the same for every regime so that the tables line up."""


def summary_tables(comparison: Comparison) -> Iterator[Table]:
    """The rates of each regime as a table for a terminal.

    Parameters
    ----------
    comparison : Comparison

    Yields
    ------
    rich.table.Table
        Titled with the regime: measured slope with its interval, the bound's slope, the asymptotic
        exponent, the efficiency at the largest size, and what the slope says of both.
    """
    for label, own in _by_regime(comparison):
        view = Table(title=label, title_justify="left")
        for heading, width in COLUMNS.items():
            view.add_column(heading, min_width=width)
        for rate in own.to_dict("records"):
            view.add_row(
                rate["method"].upper(),
                rate["parameter"],
                f"{fixed(rate['slope'])} {span(rate['low'], rate['high'])}",
                fixed(rate["bound_slope"]),
                fraction(rate["exponent"]),
                fixed(rate["efficiency"], 2),
                rate["says"],
                rate["exponent_says"],
            )
        yield view


def _by_regime(comparison: Comparison) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rates of each regime that has any, in the design's order."""
    if comparison.rates.empty:
        return
    for label in comparison.regimes:
        own = comparison.rates[comparison.rates["regime"] == label]
        if not own.empty:
            yield label, own
