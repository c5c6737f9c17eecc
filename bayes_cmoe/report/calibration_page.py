"""The page of a calibration, its JSON and its table for a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from bayes_cmoe.report.calibration import BAND, FEWEST, LEVEL, Calibration
from bayes_cmoe.report.calibration_figures import calibration_figures
from bayes_cmoe.report.images import Picture, drawn
from bayes_cmoe.report.numbers import significant
from bayes_cmoe.report.page_templates import page_templates
from bayes_cmoe.report.sweep_files import write_files
from bayes_cmoe.report.sweep_parts import environment
from bayes_cmoe.sweep.presets import toml_of

__all__ = [
    "calibration_page",
    "calibration_record",
    "calibration_table",
    "verdict_of",
    "write_calibration",
]

SHOWN_DOUBTS = 300


def write_calibration(found: Calibration, folder: Path) -> None:
    """Write a calibration's page, figures and tables; the whole of them replaces the old report.

    Parameters
    ----------
    found : Calibration
    folder : Path
        Gets ``report.html``, ``calibration.csv``, ``calibration.json``, ``counts.csv``,
        ``doubts.csv``, ``table.nc`` and ``figures/``.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    pictures = drawn(calibration_figures(found))
    write_files(
        folder,
        calibration_page(found, pictures),
        {"calibration": found.quantities, "counts": found.counts, "doubts": found.doubts},
        found.table,
        pictures,
        {"calibration.json": json.dumps(calibration_record(found), indent=1, allow_nan=False)},
    )


def verdict_of(found: Calibration) -> str:
    """What the page says in one line."""
    finished, planned = found.table.sizes["fit"], found.design.fits
    trusted = int(found.counts["trusted"].sum())
    doubted, failed = (int(found.counts[name].sum()) for name in ("doubted", "failed"))
    counts = f"{finished} of {planned} fits: {trusted} trusted, {doubted} doubted by the engine"
    counts += f", {failed} failed" if failed else ""
    if found.quantities.empty or found.quantities["p"].isna().all():
        return f"too few fits to say anything; {counts}"
    if len(found.rejected):
        names = found.rejected["quantity"].unique()
        return f"not calibrated in {', '.join(names)}; {counts}"
    return f"calibrated, as far as this many data sets can tell; {counts}"


def calibration_record(found: Calibration) -> dict[str, Any]:
    """The calibration as plain values, ready for JSON; what is not known is null."""
    design = found.design
    return {
        "design": design.name,
        "hash": design.hash,
        "engine": design.calibrate.engine if design.calibrate else None,
        "prior": json.loads(design.prior) if design.prior != "flat" else "flat",
        "verdict": verdict_of(found),
        "rejected": _plain(found.rejected),
        "level": LEVEL,
        "band": BAND,
        "counts": _plain(found.counts),
        "quantities": _plain(found.quantities),
    }


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): _value(value) for key, value in row.items()} for row in table.to_dict("records")
    ]


def _value(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def calibration_table(found: Calibration) -> Table:
    """The quantities with their p-values, for a terminal."""
    view = Table()
    for column in ("regime", "n", "quantity", "fits", "p", "beyond band", "trusted", "p", ""):
        view.add_column(column, justify="left" if column in ("regime", "quantity") else "right")
    for row in found.quantities.to_dict("records"):
        rejected = row["rejected"] or row["trusted_rejected"]
        view.add_row(
            row["regime"], str(row["n"]), row["quantity"], str(row["fits"]), significant(row["p"]),
            "yes" if row["beyond"] else "", str(row["trusted"]), significant(row["trusted_p"]),
            "not calibrated" if rejected else "",
        )  # fmt: skip
    return view


def calibration_page(found: Calibration, pictures: Mapping[str, Picture]) -> str:
    """The page: an HTML document without scripts or references to other files.

    Parameters
    ----------
    found : Calibration
    pictures : mapping of str to Picture
        From `calibration_figures`, drawn.
    """
    design, plan = found.design, found.design.calibrate
    regimes = [
        {
            "label": setting.label,
            "summary": regime.summary,
            "expert": regime.expert,
            "gate": regime.gate.name,
            "frozen": regime.frozen.description,
        }
        for setting in design.settings
        for regime in [design.regime(setting)]
    ]
    prior = json.loads(design.prior) if design.prior != "flat" else {}
    return (
        page_templates()
        .get_template("calibration.html")
        .render(
            design=design,
            plan=plan,
            regimes=regimes,
            prior={name: _spelled(value) for name, value in prior.items()},
            verdict=verdict_of(found),
            quantities=found.quantities.to_dict("records"),
            counts=found.counts.to_dict("records"),
            doubts=found.doubts.head(SHOWN_DOUBTS).to_dict("records"),
            doubt_count=len(found.doubts),
            finished=found.table.sizes["fit"],
            total=design.fits,
            pictures=pictures,
            toml=toml_of(design),
            environment=environment(),
            level=LEVEL,
            band=BAND,
            fewest=FEWEST,
        )
    )


def _spelled(content: Mapping[str, Any]) -> str:
    values = ", ".join(f"{key} {value}" for key, value in content.items() if key != "kind")
    return f"{content['kind']} {values}".strip()
