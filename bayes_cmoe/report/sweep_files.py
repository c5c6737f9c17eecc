"""The files of a sweep's report: the page, the figures, and the tables as CSV and netCDF."""

import json
from pathlib import Path, PurePosixPath

import pandas as pd

from bayes_cmoe.files.cells import plain_cell
from bayes_cmoe.files.outputs import whole_folder
from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.images import drawn
from bayes_cmoe.report.sweep_figures import sweep_figures
from bayes_cmoe.report.sweep_page import sweep_page
from bayes_cmoe.report.sweep_parts import failed_fits

__all__ = ["COLUMNS", "plain_table", "write_report"]

COLUMNS = {
    "rates": (
        "regime", "method", "parameter", "slope", "low", "high", "bound_slope", "exponent",
        "efficiency", "verdict",
    ),
    "errors": (
        "regime", "method", "parameter", "n", "rmse", "low", "high", "bound", "fits", "failures",
    ),
}  # fmt: skip
"""The first columns of the two main tables; what else there is follows."""
INDEX = "report.json"
"""Names of the report's files, so that the next report can take their place."""


def _ordered(name: str, table: pd.DataFrame) -> pd.DataFrame:
    first = list(COLUMNS.get(name, ()))
    if not len(table.columns):
        return pd.DataFrame(columns=first)
    return table[[*first, *(column for column in table.columns if column not in first)]]


def plain_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose texts no spreadsheet takes for formulas; its numbers are as they are."""
    texts = table.select_dtypes(exclude="number")
    plain = texts.map(lambda cell: plain_cell(cell) if isinstance(cell, str) else cell)
    return table.assign(**plain).rename(columns=lambda name: plain_cell(str(name)))


def write_report(comparison: Comparison, folder: Path) -> None:
    """Write a comparison's page, figures and tables; the whole of them replaces the old report.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
        Gets ``report.html``; ``rates.csv``, ``errors.csv`` and the other tables; ``table.nc``, all
        fits; ``figures/*.png`` and ``figures/*.svg``; ``report.json``, the names of all these.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    pictures = drawn(sweep_figures(comparison))
    page = sweep_page(comparison, pictures)
    tables = {
        "rates": comparison.rates,
        "errors": comparison.errors,
        "coverage": comparison.coverage,
        "pooled_coverage": comparison.pooled,
        "spread": comparison.spread,
        "sampling": comparison.sampling,
        "agreement": comparison.agreement,
        "statuses": comparison.statuses,
        "failures": failed_fits(comparison.design, comparison.table),
    }
    with whole_folder(folder, _former(folder)) as place:
        (place / "report.html").write_text(page, encoding="utf-8")
        for name, table in tables.items():
            whole = _ordered(name, table)
            if len(whole.columns):
                plain_table(whole).to_csv(place / f"{name}.csv", index=False)
        # Through memory: a full disk is then an error of one write, and never half an HDF5 file.
        fits = bytes(comparison.table.to_netcdf(engine="h5netcdf"))
        (place / "table.nc").write_bytes(fits)
        (place / "figures").mkdir()
        for name, picture in pictures.items():
            (place / "figures" / f"{name}.svg").write_bytes(picture.svg)
            (place / "figures" / f"{name}.png").write_bytes(picture.png)
        files = sorted(
            file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()
        )
        (place / INDEX).write_text(json.dumps([*files, INDEX], indent=1), encoding="utf-8")


def _former(folder: Path) -> list[str]:
    """Names of the files of the report that is there."""
    try:
        names = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    # A list that was edited must not reach other places.
    return [
        name
        for name in (names if isinstance(names, list) else ())
        if isinstance(name, str)
        and PurePosixPath(name).parts in ((name,), ("figures", PurePosixPath(name).name))
        and PurePosixPath(name).suffix in (".html", ".csv", ".nc", ".json", ".svg", ".png")
    ]
