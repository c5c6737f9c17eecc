"""`bayes-cmoe diagnose`: what the data of a fit can and cannot tell."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns
from bayes_cmoe.commands.inputs import read_setting
from bayes_cmoe.commands.priors import chosen_prior, prior_named
from bayes_cmoe.commands.tabular import check_seed, plain_table, print_result, record_of
from bayes_cmoe.commands.words import Number, Place, Whole
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.front.setting import Setting
from bayes_cmoe.lazy import xr
from bayes_cmoe.parts.priors import Prior

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
    prior: Annotated[list[str] | None, Parameter(negative=())] = None,
    intervals: str | None = None,
    level: Number = 0.9,
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
        flat (default), weak, or for single parameters beside weak, as often as needed, as in `fit`:
        'name=normal(0, 1)', a JSON file, or JSON text.
    intervals
        profile, drawn or inverted: intervals that hold where standard errors do not, for each
        parameter, the share, and its products with the displacements from the frozen expert, which
        the data identify always. Drawn takes its critical values from data drawn at the ends,
        seconds to minutes for each; inverted from all that the data leave open, minutes for each.
    level
        Of the intervals.
    seed
        Seed of the random numbers.
    json
        Print one JSON object instead of a table.
    """
    check_seed(seed)
    given = chosen_prior(prior or ["flat"])
    if intervals is not None:
        choose("intervals", intervals, ("profile", "drawn", "inverted"))
    if not 0.5 <= level <= 0.999:
        raise InputError(f"--level {level:g}: give a number from 0.5 to 0.999")
    setting = read_setting(variant, data, y, x, frozen, expert, bias, gate)
    with contextlib.redirect_stdout(sys.stderr):
        found, ends = _diagnosed(setting, given, seed, intervals, level)
    if json:
        about = {"variant": setting.variant.name, "prior": prior_named(given)}
        record: dict[str, Any] = {**about, **record_of(found)}
        if intervals is not None:
            record["intervals"] = {"method": intervals, "level": level, **ends}
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
    views = [view]
    if intervals is not None:
        views.append(plain_table("parameter", "estimate", f"{intervals} interval, {level:.3g}"))
        for name, end in ends.items():
            edge = " (the range ends there)" if end["open_below"] or end["open_above"] else ""
            views[-1].add_row(
                name,
                f"{end['estimate']:.4g}",
                f"{end['lower']:.4g} to {end['upper']:.4g}{edge}",
            )
    confused = "; ".join(found.attrs["confused"]) or "none"
    print_result(
        f"{setting.variant.name}, {setting.parts.expert.name} prompt, n = {found.attrs['n']}",
        *views,
        note=f"Hellinger distance from the frozen expert: {float(found.hellinger):.4g} ± "
        f"{float(found.hellinger_se):.2g}; root of twice the gain in "
        f"log-likelihood over it: {float(found.frozen_distance):.2f}, not to be read in normal "
        "standard deviations\n"
        f"{found.attrs['null_test']} test of no prompt: "
        f"{float(found.null_statistic):.2f}, without one 95 % stay below "
        f"{float(found.null_quantile):.2f}; p = {float(found.null_pvalue):.2g}\n"
        f"condition number: {float(found.condition):.3g}; not told apart: {confused}\n"
        f"hardest combination: {found.attrs['hardest']}\n{found.attrs['advice']}",
    )
    return 0


def _diagnosed(
    setting: Setting, prior: Prior, seed: int, intervals: str | None, level: float
) -> tuple[xr.Dataset, dict[str, dict[str, Any]]]:
    """The diagnosis, and for each target its interval, if any are asked for."""
    from bayes_cmoe.theory.diagnosis import diagnose as diagnosis_of

    model = setting.model(prior)
    if intervals is None:
        return diagnosis_of(model, seed=seed), {}
    from bayes_cmoe.estimate.map import fit_map
    from bayes_cmoe.theory.confidence import Workshop
    from bayes_cmoe.theory.confidence import intervals as intervals_of
    from bayes_cmoe.theory.lines import line_names

    workshop = Workshop.of(model)
    tree = fit_map(model, seed=seed, posterior=workshop.posterior)
    ends = {}
    for name in line_names(workshop.own_ground.targets):
        found = intervals_of(
            model, name, method=intervals, level=level, tree=tree, seed=seed, workshop=workshop
        )
        numbers = {part: float(found[part]) for part in ("estimate", "lower", "upper")}
        ends[name] = numbers | {part: bool(found[part]) for part in ("open_below", "open_above")}
    return diagnosis_of(model, tree, seed=seed), ends
