"""`bayes-cmoe fit`: a variant fitted to a table by MAP or NUTS.

The estimators and the figures are imported where they are used: they take seconds to load, and bad
input should not wait for them.
"""

from __future__ import annotations

import contextlib
import json as json_format
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from bayes_cmoe.commands.frozen_columns import NOT_STATED, FrozenColumns
from bayes_cmoe.commands.inputs import read_setting
from bayes_cmoe.commands.priors import chosen_prior
from bayes_cmoe.commands.tabular import check_seed
from bayes_cmoe.commands.words import Place, Whole
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.files.outputs import check_folder_writable, whole_folder
from bayes_cmoe.files.tables import column_names
from bayes_cmoe.lazy import xr
from bayes_cmoe.parts.frozen import NO_FROZEN

__all__ = ["fit"]

NOT_CONVERGED = 3
PIPE_WIDTH = 160
UNMIXED = "the chains do not agree: give more --tune and --draws, or use --prior weak"
FILES = ("fit.nc", "estimates.png", "fit.png", "posterior.png")
"""Of a fit; a new one in the same folder takes the place of all of them."""
COUNTS = {"starts": (1, 4096), "draws": (4, 10**6), "tune": (1, 10**6), "chains": (1, 1000)}
"""What each count may be; R-hat needs four draws."""


def fit(
    variant: str,
    data: Place,
    *,
    y: Annotated[str, Parameter(name=["-y", "--response"])],
    x: Annotated[list[str], Parameter(name=["-x", "--features"], negative=())],
    expert: str | None = None,
    bias: bool = True,
    frozen: FrozenColumns = NOT_STATED,
    gate: str | None = None,
    prompts: Whole | None = None,
    experts: Whole | None = None,
    prior: Annotated[list[str] | None, Parameter(negative=())] = None,
    method: str = "map",
    seed: Whole = 0,
    starts: Whole = 256,
    draws: Whole = 1000,
    tune: Whole = 300,
    chains: Whole = 4,
    json: Annotated[bool, Parameter(negative=())] = False,
    log_likelihood: Annotated[bool, Parameter(negative=())] = False,
    output: Annotated[Place | None, Parameter(name=["-o", "--output"])] = None,
) -> int:
    """Fit a variant to a table by MAP or NUTS.

    Exit status 3 says that the fit did not converge.

    Parameters
    ----------
    variant
        Name of the variant; `bayes-cmoe variants` lists them.
    data
        The table: .csv, .tsv or .parquet.
    y
        Column of the response: numbers, or class labels 0..K-1.
    x
        Columns of the inputs, separated by commas.
    expert
        Form of the trainable expert: linear, tanh, sigmoid, gelu, relu, or one of your own.
    bias
        Whether the trainable expert has an intercept.
    gate
        Name of a gate, where the variant leaves a choice; `bayes-cmoe variants` lists them.
    prompts
        Number of prompts, where the variant takes several.
    experts
        Number of experts, where the variant has no frozen one.
    prior
        weak (default; proper, on the scale of the data), flat (uniform on a wide box, so that map
        is maximum likelihood), or for single parameters beside weak, as often as needed:
        'name=normal(0, 1)' with any continuous distribution of PyMC's and its numbers, a JSON file,
        or JSON text.
    method
        map, nuts, or nested (nested Laplace with importance sampling: faster, gives the evidence;
        nuts takes its place where its weights are not to be trusted).
    seed
        Seed of the random numbers.
    starts
        Starts of the optimiser at most; it takes as many rounds of 32 as it needs.
    draws
        Kept draws of each chain (nuts, nested).
    tune
        Warm-up draws of each chain (nuts).
    chains
        Number of chains (nuts, nested).
    json
        Print one JSON object instead of a table.
    log_likelihood
        Keep the log-likelihood of each row at each draw with the fit, for az.loo and az.compare.
    output
        Folder for the results (fit.nc, which `predict` and `explain` take) and figures (PNG).
    """
    choose("method", method, ("map", "nuts", "nested"))
    given = chosen_prior(prior or ())
    counts = {"starts": starts, "draws": draws, "tune": tune, "chains": chains}
    for name, count in counts.items():
        fewest, most = COUNTS[name]
        if not fewest <= count <= most:
            raise InputError(f"--{name} {count}: give a number from {fewest} to {most}")
    check_seed(seed)
    setting = read_setting(variant, data, y, x, frozen, expert, bias, gate, prompts, experts)
    if output is not None:
        check_folder_writable(output)
    # Whatever a library prints while it works belongs to the reader, not to the JSON.
    with contextlib.redirect_stdout(sys.stderr):
        from bayes_cmoe.front.estimated import estimated
        from bayes_cmoe.front.origin import with_origin

        model = setting.model(given)
        tree = estimated(
            setting, model, given, method=method, seed=seed, log_likelihood=log_likelihood, **counts
        )
    # Which constants are columns is for the table to say.
    header = column_names(data) if frozen.constants else ()
    tree = with_origin(tree, setting, model, y, frozen.spec(header))
    from bayes_cmoe.estimate.optimum import Status
    from bayes_cmoe.estimate.verdict import REMEDIES
    from bayes_cmoe.report.fit_summary import fit_record

    record = fit_record(tree)
    if output is not None:
        _save(tree, output)
    if json:
        print(json_format.dumps(record, allow_nan=False))
    else:
        _show(tree, record)
    status = record["status"]
    if status == "converged":
        return 0
    if status == "edge":
        at_edge = tree["optimizer_result"].attrs["at_edge"]
        print(f"bayes-cmoe: warning: edge in {at_edge}: {REMEDIES[Status.EDGE]}", file=sys.stderr)
        return 0
    remedy = UNMIXED if status == "unmixed" else REMEDIES[Status(status)]
    print(f"bayes-cmoe: not converged ({status}): {remedy}", file=sys.stderr)
    return NOT_CONVERGED


def _prompts(tree: xr.DataTree) -> str:
    """What is trained, in words."""
    if tree.attrs["frozen"] == NO_FROZEN.description:
        experts = f"{tree.attrs['expert']} expert{'s' if tree.attrs['prompts'] > 1 else ''}"
        return f"{tree.attrs['prompts']} {experts}, in the order of their functions' parameters"
    if tree.attrs["prompts"] == 1:
        return f"{tree.attrs['expert']} prompt"
    return f"{tree.attrs['prompts']} {tree.attrs['expert']} prompts, the largest share first"


def _save(tree: xr.DataTree, output: Path) -> None:
    from bayes_cmoe.report.fit_figures import fit_figures

    with whole_folder(output, FILES) as staging:
        tree.to_netcdf(staging / "fit.nc", engine="h5netcdf")
        figures = fit_figures(tree)
        for name, figure in figures.items():
            figure.savefig(staging / f"{name}.png", dpi=150)
    names = ", ".join(["fit.nc", *(f"{name}.png" for name in figures)])
    print(f"wrote {names} to {output}", file=sys.stderr)


def _show(tree: xr.DataTree, record: dict[str, Any]) -> None:
    from bayes_cmoe.report.fit_summary import fit_table, priors_shown

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        # A file or a pipe has no width to keep to.
        console.width = PIPE_WIDTH
    console.print(
        f"{record['variant']}, {_prompts(tree)}, {tree.attrs['gate']} gate, "
        f"{tree.attrs['prior']} prior, n = {record['n']}"
    )
    console.print(fit_table(tree))
    shown = [f"{name} ~ {prior}" for name, prior in priors_shown(tree).items() if prior]
    console.print(f"prior: {', '.join(shown)}")
    loglik = "not finite" if record["loglik"] is None else f"{record['loglik']:.3f}"
    console.print(
        f"{record['method']}: {record['status']}, log-likelihood at the MAP {loglik}, "
        f"{record['seconds']:.1f} s"
    )
    if "summary" in tree.attrs:
        console.print(tree.attrs["summary"])
