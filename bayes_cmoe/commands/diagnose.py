"""`bayes-cmoe diagnose`: what the data of a fit can and cannot tell."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from typing import Annotated

from cyclopts import Parameter

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns
from bayes_cmoe.commands.inputs import Setting, read_setting
from bayes_cmoe.commands.tabular import check_seed, plain_table, print_result, record_of
from bayes_cmoe.commands.words import Place, Whole
from bayes_cmoe.lazy import xr

__all__ = ["diagnose"]


def diagnose(
    variant: str,
    data: Place,
    *,
    y: Annotated[str, Parameter(name=["-y", "--response"])],
    x: Annotated[list[str], Parameter(name=["-x", "--features"], negative=())],
    expert: str | None = None,
    bias: bool = True,
    frozen: FrozenColumns = NOT_STATED,
    gate: str | None = None,
    prior: str = "flat",
    seed: Whole = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Say what a table can tell: distance from the frozen expert, confusions, gain from more rows.

    Parameters
    ----------
    variant
        Name of the variant.
    data
        The table: .csv, .tsv or .parquet.
    y
        Column of the response.
    x
        Columns of the inputs, separated by commas.
    expert
        Form of the trainable expert.
    bias
        Whether the trainable expert has an intercept.
    gate
        Name of a gate, where the variant leaves a choice; `bayes-cmoe variants` lists them.
    prior
        flat or weak.
    seed
        Seed of the random numbers.
    json
        Print one JSON object instead of a table.
    """
    check_seed(seed)
    setting = read_setting(variant, data, y, x, frozen, expert, bias, gate)
    with contextlib.redirect_stdout(sys.stderr):
        found = _diagnosed(setting, prior, seed)
    if json:
        record = {"variant": setting.variant.name, **record_of(found)}
        print(json_format.dumps(record, allow_nan=False))
        return 0
    local = found.attrs["standing"] == "local"
    view = plain_table(
        "parameter", "estimate", "standard error", *(["with twice the rows"] if local else [])
    )
    for label in found.entry.values:
        own = found.sel(entry=label)
        values = (own.estimate, own.stderr, own.stderr_doubled)[: 3 if local else 2]
        view.add_row(str(label), *(f"{float(value):.4g}" for value in values))
    confused = "; ".join(found.attrs["confused"]) or "none"
    print_result(
        f"{setting.variant.name}, {setting.expert.name} prompt, n = {found.attrs['n']}",
        view,
        note=f"Hellinger distance from the frozen expert: {float(found.hellinger):.4g} ± "
        f"{float(found.hellinger_se):.2g}; root of twice the gain in "
        f"log-likelihood over it: {float(found.frozen_distance):.2f}, not to be read in normal "
        "standard deviations\n"
        f"score test of no prompt: {float(found.null_statistic):.2f}, without one 95 % stay below "
        f"{float(found.null_quantile):.2f}; p = {float(found.null_pvalue):.2g}\n"
        f"condition number: {float(found.condition):.3g}; not told apart: {confused}\n"
        f"hardest combination: {found.attrs['hardest']}\n{found.attrs['advice']}",
    )
    return 0


def _diagnosed(setting: Setting, prior: str, seed: int) -> xr.Dataset:
    from bayes_cmoe.theory.diagnosis import diagnose as diagnosis_of

    return diagnosis_of(setting.model(prior), seed=seed)
