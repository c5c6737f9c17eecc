"""A fit as plain values: for JSON, and as a table for the terminal."""

from html import escape
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from bayes_cmoe.shown import html_table

__all__ = [
    "fit_record", "fit_table", "intervals_of", "is_sampled", "labelled", "priors_shown", "summary",
]  # fmt: skip

INTERVAL = 0.9
INTERVAL_NAME = "90% equal-tailed"
Z90 = 1.6448536269514722
UNMIXED_RHAT = 1.1
"""Above this R-hat the chains disagree so far that the draws are no posterior."""
FEWEST_EFFECTIVE = 20
"""Below this many effective draws a 90% interval has less than one draw beyond either end."""


def labelled(variable: xr.DataArray) -> list[tuple[str, float]]:
    """Every entry of a parameter with its readable name, such as ``a[x1]``.

    Examples
    --------
    >>> a = xr.DataArray([1.0, 2.0], dims="feature", coords={"feature": ["x1", "x2"]}, name="a")
    >>> labelled(a)
    [('a[x1]', 1.0), ('a[x2]', 2.0)]
    """
    entries = []
    for index in np.ndindex(*variable.shape):
        marks = [str(variable[d].values[i]) for d, i in zip(variable.dims, index, strict=True)]
        label = f"{variable.name}[{','.join(marks)}]" if marks else str(variable.name)
        entries.append((label, float(variable.values[index])))
    return entries


def is_sampled(tree: xr.DataTree) -> bool:
    """Whether a fit has draws; a MAP fit's ``posterior`` is its one point."""
    return "sample_stats" in tree.children


def intervals_of(tree: xr.DataTree, name: str) -> tuple[NDArray, NDArray]:
    """Ends of a parameter's 90 % intervals, of its shape: of draws, or by standard errors."""
    point = tree["point_estimate"].to_dataset()[name]
    if is_sampled(tree):
        edges = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
        draws = tree["posterior"].to_dataset()[name].transpose("chain", "draw", *point.dims)
        low, high = draws.quantile(edges, ("chain", "draw")).to_numpy()
        return low, high
    half = Z90 * tree["standard_error"].to_dataset()[name].to_numpy()
    return point.to_numpy() - half, point.to_numpy() + half


def priors_shown(tree: xr.DataTree) -> dict[str, str]:
    """Each parameter's prior in words, such as ``Beta(1.5, 1.5)``."""
    return {
        str(name): variable.attrs.get("prior", "")
        for name, variable in tree["point_estimate"].to_dataset().data_vars.items()
    }


def fit_record(tree: xr.DataTree) -> dict[str, Any]:
    """A fit's figures as numbers, strings and nested lists; what is not finite is None.

    Parameters
    ----------
    tree : DataTree
        Of `fit_map`, or of `fit_nuts` with the group ``standard_error`` of the MAP fit; its attrs
        name the ``variant`` and the ``method`` and give the ``seconds``.

    Returns
    -------
    dict with variant, n, method, status, loglik, logp, estimate, stderr, priors (in words, by
    parameter), seconds; of draws also
    posterior (mean, sd, interval as [lower, upper], rhat, ess_bulk of each parameter), interval
    (which one), divergences, log_evidence (None where it is not to be trusted) and disagreements
    (of the two engines).
    """
    result = tree["optimizer_result"].to_dataset()
    record = {
        "variant": tree.attrs["variant"],
        "n": int(result["n"]),
        "method": tree.attrs["method"],
        "status": str(result["status"].item()),
        "loglik": _plain(result["loglik"]),
        "logp": _plain(result["logp"]),
        "estimate": _plain_each(tree["point_estimate"].to_dataset()),
        "stderr": _plain_each(tree["standard_error"].to_dataset()),
        "priors": priors_shown(tree),
        "seconds": float(tree.attrs["seconds"]),
    }
    if not is_sampled(tree):
        return record
    posterior = _posterior_figures(tree["posterior"].to_dataset())
    finished = record["status"] in ("converged", "edge")
    if finished and not all(_mixed(figures, tree) for figures in posterior.values()):
        record["status"] = "unmixed"
    plain = {
        name: {figure: _plain(values) for figure, values in figures.items()}
        for name, figures in posterior.items()
    }
    stats = tree["sample_stats"]
    evidence = tree.attrs.get("log_evidence", float("nan"))
    return record | {
        "posterior": plain,
        "interval": INTERVAL_NAME,
        "divergences": int(stats["diverging"].sum()) if "diverging" in stats else 0,
        "log_evidence": float(evidence) if np.isfinite(evidence) else None,
        "disagreements": tree.attrs.get("disagreements", ""),
    }


def _posterior_figures(posterior: xr.Dataset) -> dict[str, dict[str, xr.DataArray]]:
    import arviz as az  # takes a second to load, and only sampling needs it

    draws = ("chain", "draw")
    edges = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
    several = posterior.sizes["chain"] > 1
    ess = az.ess(posterior)
    rhat = az.rhat(posterior) if several else xr.full_like(ess, np.nan)
    return {
        str(name): {
            "mean": variable.mean(draws),
            "sd": variable.std(draws, ddof=1),
            "interval": variable.quantile(edges, draws),
            "rhat": rhat[name],
            "ess_bulk": ess[name],
        }
        for name, variable in posterior.data_vars.items()
    }


def _mixed(figures: dict[str, xr.DataArray], tree: xr.DataTree) -> bool:
    one_chain = tree["posterior"].sizes["chain"] == 1
    agree = one_chain or bool((figures["rhat"] <= UNMIXED_RHAT).all())
    return agree and bool((figures["ess_bulk"] >= FEWEST_EFFECTIVE).all())


def _plain_each(group: xr.Dataset) -> dict[str, Any]:
    return {str(name): _plain(variable) for name, variable in group.data_vars.items()}


def _plain(values: xr.DataArray) -> Any:
    numbers = np.array(values, dtype=float)
    objects = numbers.astype(object)
    objects[~np.isfinite(numbers)] = None
    return objects.tolist()


def _short(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def fit_table(tree: xr.DataTree) -> Table:
    """Every parameter of a fit in a row."""
    heads, rows = _cells(tree)
    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def _cells(tree: xr.DataTree) -> tuple[list[str], list[list[str]]]:
    estimate = tree["point_estimate"].to_dataset()
    errors = tree["standard_error"].to_dataset() if "standard_error" in tree.children else None
    heads = ["parameter", "MAP", *([] if errors is None else ["se"])]
    sampled = is_sampled(tree)
    if sampled:
        heads += ["mean", "sd", "5%", "95%", "R-hat", "ESS"]
        figures = _posterior_figures(tree["posterior"].to_dataset())
    rows = []
    for name in estimate.data_vars:
        columns = [] if errors is None else [labelled(errors[name])]
        if sampled:
            own = figures[str(name)]
            columns += [labelled(own["mean"]), labelled(own["sd"])]
            columns += [labelled(own["interval"].isel(quantile=i)) for i in (0, 1)]
            columns += [labelled(own["rhat"]), labelled(own["ess_bulk"])]
        for place, (label, value) in enumerate(labelled(estimate[name])):
            others = [_short(column[place][1]) for column in columns]
            if sampled:
                others[-1] = f"{float(others[-1]):.0f}"
            rows.append([label, _short(value), *others])
    return heads, rows


class Summary:
    """A fit's parameters, intervals, diagnostics and verdict; a table in a notebook.

    Parameters
    ----------
    tree : DataTree
        Of `fit_map`, `fit_nuts` or `fit_nested`.
    """

    def __init__(self, tree: xr.DataTree) -> None:
        self.heads, self.rows = _cells(tree)
        result = tree["optimizer_result"].to_dataset()
        self.status = str(result["status"].item())
        engine = tree.attrs.get("summary", "")
        shown = [f"{name} ~ {prior}" for name, prior in priors_shown(tree).items() if prior]
        self.lines = [
            f"n = {int(result['n'])}, log-likelihood at the MAP {float(result['loglik']):.3f}, "
            f"MAP {self.status}",
            *([str(engine)] if engine else []),
            *([f"prior: {', '.join(shown)}"] if shown else []),
        ]

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        table = [
            " ".join(
                text.ljust(width) if place == 0 else text.rjust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (self.heads, *self.rows)
        ]
        return "\n".join([*table, *self.lines])

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.lines)
        return html_table("Fit", self.heads, self.rows) + lines


def summary(tree: xr.DataTree) -> Summary:
    """A fit at a glance: a text in a terminal, a table in a notebook.

    Examples
    --------
    >>> from bayes_cmoe import fit_map, simulate, summary, variant_named
    >>> variant = variant_named("constant_contaminated")
    >>> regime = variant.regime("distinguishable")
    >>> model = variant.model(regime, simulate(variant, regime, 500, seed=1))
    >>> summary(fit_map(model, near=regime.truth(500))).status
    'local'
    """
    return Summary(tree)
