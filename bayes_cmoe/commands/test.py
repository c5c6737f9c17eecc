"""`bayes-cmoe test`: is there a prompt at all?"""

# A command, no test of pytest's.
# ruff: noqa: PT028

from __future__ import annotations

import contextlib
import json as json_format
import sys
from typing import Annotated

from cyclopts import Parameter

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns
from bayes_cmoe.commands.inputs import read_setting
from bayes_cmoe.commands.priors import chosen_prior
from bayes_cmoe.commands.tabular import (
    check_data_sets,
    check_seed,
    plain_table,
    print_result,
    record_of,
)
from bayes_cmoe.commands.words import Place, Whole
from bayes_cmoe.front.setting import Setting, prior_named
from bayes_cmoe.lazy import xr
from bayes_cmoe.parts.priors import Prior

__all__ = ["test"]


def test(
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
    draws: Whole = 199,
    bayes_factor: Annotated[bool, Parameter(negative=())] = False,
    seed: Whole = 0,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Test whether there is a prompt at all, beside the frozen expert.

    The likelihood ratio and the score of a share at zero, each beside its law without a prompt:
    found by the same search in data drawn from the frozen expert at the same inputs.

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
        the range in which prompts are looked for.
    draws
        Data sets drawn from the frozen expert.
    bayes_factor
        Give the Bayes factor of a prompt under the prior that is named, too: it depends on the
        prior's width, and weak is the one to take.
    seed
        Seed of the random numbers.
    json
        Print one JSON object instead of a table.
    """
    check_seed(seed)
    given = chosen_prior(prior or ["flat"])
    check_data_sets(draws)
    setting = read_setting(variant, data, y, x, frozen, expert, bias, gate, prompts=1)
    with contextlib.redirect_stdout(sys.stderr):
        found = _tested(setting, given, draws, seed, bayes_factor)
    if json:
        numbers = found.drop_vars(["drawn_ratio", "drawn_score"])
        about = {"variant": setting.variant.name, "prior": prior_named(given)}
        record = {**about, **record_of(numbers)}
        print(json_format.dumps(record, allow_nan=False))
        return 0
    view = plain_table("statistic", "value", "95 % without a prompt", "p-value", "95 % interval")
    for name, words in (("ratio", "likelihood ratio"), ("score", "score of a share at zero")):
        ends = [float(found[f"{name}_pvalue_{end}"]) for end in ("lower", "upper")]
        view.add_row(
            words,
            f"{float(found[name]):.4g}",
            f"{float(found[f'{name}_quantile']):.4g}",
            f"{float(found[f'{name}_pvalue']):.3g}",
            f"{ends[0]:.2g} to {ends[1]:.2g}",
        )
    how = (
        f"{found.attrs['draws']} data sets drawn from the frozen expert"
        if found.attrs["law"] == "drawn"
        else "f0 is known at the rows' own responses only, so that the ratio has no law here and "
        "the score's is that of a Gaussian process"
    )
    print_result(
        f"{setting.variant.name}, {setting.parts.expert.name} prompt, n = {found.attrs['n']}",
        view,
        note=f"{how}\n{found.attrs['advice']}{_factor_words(found, prior_named(given))}",
    )
    return 0


def _tested(
    setting: Setting, prior: Prior, draws: int, seed: int, bayes_factor: bool
) -> xr.Dataset:
    from bayes_cmoe.theory.absence import absence_test

    model = setting.model(prior)
    if not bayes_factor:
        return absence_test(model, draws=draws, seed=seed)
    from bayes_cmoe.estimate.nested import fit_nested

    tree = fit_nested(model, seed=seed)
    found = absence_test(
        model, draws=draws, seed=seed, log_evidence=float(tree.attrs["log_evidence"])
    )
    return found.assign_attrs(evidence_trusted=bool(tree.attrs["trusted"]))


def _factor_words(found: xr.Dataset, prior: str) -> str:
    """The Bayes factor, if it was asked for."""
    if "log_bayes_factor" not in found:
        return ""
    doubt = "" if found.attrs["evidence_trusted"] else ", by an evidence that is not to be trusted"
    return (
        f"\nlog Bayes factor of a prompt, {prior} prior: {float(found.log_bayes_factor):.2f}, so "
        f"that one in two beforehand is {float(found.probability):.3g} now{doubt}"
    )
