"""An explanation as one page in words, with its figures and the predictions at its rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from bayes_cmoe.files.cells import plain_cell
from bayes_cmoe.files.outputs import whole_folder
from bayes_cmoe.front.explanation import DRAWN, Explanation, explanation
from bayes_cmoe.front.origin import origin_of
from bayes_cmoe.front.predicted import as_columns
from bayes_cmoe.report.explanation_figures import explanation_figures
from bayes_cmoe.report.images import drawn
from bayes_cmoe.report.page_templates import page_templates
from bayes_cmoe.report.parameter_grids import grid_of, is_grid
from bayes_cmoe.report.sweep_parts import environment

__all__ = ["explain", "write_explanation"]

NAMES = (*(f"feature-{number}" for number in range(1, 5)), "estimates")
HEADS = ("mean", "sd", "5 %", "95 %")
FILES = (
    "explanation.html",
    "answers.json",
    "rows.csv",
    "parameters.csv",
    *(f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")),
)
"""Of an explanation; a new one in the same folder takes the place of all of them."""


def explain(
    tree: xr.DataTree,
    folder: str | Path | None = None,
    *,
    draws: int = DRAWN,
    seed: int = 0,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Explanation:
    """Say what a fit learned, and write it as a page where a folder is given.

    Parameters
    ----------
    tree : DataTree
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``.
    folder : str or Path, optional
        Gets ``explanation.html``, ``answers.json``, ``rows.csv``, ``parameters.csv`` and
        the figures.
    draws : int
        Data sets drawn from the frozen expert alone, to test whether there is a prompt.
    seed : int
    on_stage : callable
        Told what is being computed, in a few words, before each stage.

    Returns
    -------
    Explanation
        Shows itself in a terminal and in a notebook.

    Raises
    ------
    InputError
        When the fit does not say how it was made, is not beside a frozen model, or the folder
        cannot be written to.
    """
    found = explanation(tree, draws=draws, seed=seed, on_stage=on_stage)
    if folder is not None:
        on_stage("the page")
        write_explanation(found, Path(folder))
    return found


def write_explanation(found: Explanation, folder: Path) -> None:
    """Write an explanation; the whole of it replaces the one before.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    pictures = drawn(explanation_figures(found.posterior, found.rows))
    origin = origin_of(found.tree)
    point = found.tree["point_estimate"].to_dataset()
    names = [str(name) for name in point.data_vars]
    grids = [grid_of(found.posterior, name) for name in names if is_grid(point[name])]
    listed = [name for name in names if not is_grid(point[name])]
    table = az.summary(
        found.posterior, var_names=names, kind="stats", ci_kind="eti", ci_prob=0.9, round_to="none"
    )
    page = (
        page_templates()
        .get_template("explanation.html")
        .render(
            origin=origin,
            found=found,
            pictures=pictures,
            heads=HEADS,
            parameters=[
                (str(name), list(row))
                for name, row in table.iterrows()
                if str(name).partition("[")[0] in listed
            ],
            grids=grids,
            outside=_outside(point, table),
            engine=str(found.posterior.attrs.get("engine", "nested")),
            drawn_as=str(found.posterior.attrs.get("summary", "")),
            scale=found.tree.attrs.get("frozen_scale", ""),
            n=found.rows.sizes["obs"],
            environment=environment(),
        )
    )
    answers = [{"question": own.question, "answer": own.answer} for own in found.answers]
    with whole_folder(folder, FILES) as place:
        (place / "explanation.html").write_text(page, encoding="utf-8")
        (place / "answers.json").write_text(json.dumps(answers, indent=1), encoding="utf-8")
        rows_table(found.rows).to_csv(place / "rows.csv", index=False)
        table.rename_axis("parameter").to_csv(place / "parameters.csv")
        for name, picture in pictures.items():
            (place / f"{name}.svg").write_bytes(picture.svg)
            (place / f"{name}.png").write_bytes(picture.png)


def _outside(point: xr.Dataset, table: pd.DataFrame) -> list[str]:
    """Entries whose point estimate is not within the posterior's 90 % interval."""
    values = np.concatenate([np.ravel(variable) for variable in point.data_vars.values()])
    low, high = (table.iloc[:, place].to_numpy(dtype=float) for place in (-2, -1))
    away = (values < low) | (values > high)
    return [str(name) for name, far in zip(table.index, away, strict=True) if far]


def rows_table(rows: xr.Dataset) -> pd.DataFrame:
    """The predictions, a row each; a class has a column for each of its probabilities."""
    table = pd.DataFrame(as_columns(rows))
    if "label" in table:
        table["label"] = [plain_cell(str(label)) for label in table["label"]]
    return table
