"""The files of a sweep's report: the page, the figures, and the tables as CSV and netCDF."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import pandas as pd
import xarray as xr

from bayes_cmoe.files.cells import plain_cell
from bayes_cmoe.files.outputs import whole_folder
from bayes_cmoe.report.comparison import Comparison
from bayes_cmoe.report.images import Picture, drawn
from bayes_cmoe.report.latex import latex_files
from bayes_cmoe.report.sweep_figures import sweep_figures
from bayes_cmoe.report.sweep_page import sweep_page
from bayes_cmoe.report.sweep_parts import failed_fits

__all__ = ["COLUMNS", "plain_table", "write_files", "write_report"]

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
SUFFIXES = (".html", ".csv", ".nc", ".json", ".svg", ".png", ".pdf", ".tex")
"""Of a report's files."""
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


def write_report(comparison: Comparison, folder: Path, *, latex: bool = False) -> None:
    """Write a comparison's page, figures and tables; the whole of them replaces the old report.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
        Gets ``report.html``; ``rates.csv``, ``errors.csv`` and the other tables; ``table.nc``, all
        fits; ``figures/*.png`` and ``figures/*.svg``; ``report.json``, the names of all these.
    latex : bool
        Whether to write the tables as ``*.tex`` and the figures as PDF, too.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    pictures = drawn(sweep_figures(comparison), pdf=latex)
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
    ordered = {name: _ordered(name, table) for name, table in tables.items()}
    texts = latex_files(comparison, pictures) if latex else {}
    write_files(folder, page, ordered, comparison.table, pictures, texts)


def write_files(
    folder: Path,
    page: str,
    tables: Mapping[str, pd.DataFrame],
    fits: xr.Dataset,
    pictures: Mapping[str, Picture],
    texts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a report's files; the whole of them replaces the old report.

    Parameters
    ----------
    folder : Path
    page : str
        ``report.html``.
    tables : mapping of str to DataFrame
        By name; one without columns is left out.
    fits : xarray.Dataset
        ``table.nc``.
    pictures : mapping of str to Picture
    texts : mapping of str to str
        What else there is, by file name.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    with whole_folder(folder, _former(folder)) as place:
        (place / "report.html").write_text(page, encoding="utf-8")
        for name, whole in tables.items():
            if len(whole.columns):
                plain_table(whole).to_csv(place / f"{name}.csv", index=False)
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
        # Through memory: a full disk is then an error of one write, and never half an HDF5 file.
        (place / "table.nc").write_bytes(bytes(fits.to_netcdf(engine="h5netcdf")))
        (place / "figures").mkdir()
        for name, picture in pictures.items():
            (place / "figures" / f"{name}.svg").write_bytes(picture.svg)
            (place / "figures" / f"{name}.png").write_bytes(picture.png)
            if picture.pdf:
                (place / "figures" / f"{name}.pdf").write_bytes(picture.pdf)
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
        and PurePosixPath(name).suffix in SUFFIXES
    ]
