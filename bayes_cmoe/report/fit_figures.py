"""The figures of a fit: the data with both experts and the gate, the estimates, the posterior."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from bayes_cmoe.parts.experts import evaluate, expert_named
from bayes_cmoe.parts.families import family_named
from bayes_cmoe.parts.gates import gate_named
from bayes_cmoe.report.expert_figures import data_with_experts, shares_at
from bayes_cmoe.report.fit_summary import INTERVAL, intervals_of, is_sampled, labelled
from bayes_cmoe.report.parameter_grids import draw_grid, grid_of, is_grid

__all__ = ["estimates_figure", "fit_figures"]

MOST_MARGINALS = 24
MOST_POINTS = 5000


def fit_figures(tree: xr.DataTree) -> dict[str, Figure]:
    """The figures of a fit by name.

    Parameters
    ----------
    tree : DataTree
        As for `fit_record`; its attrs also name the ``expert`` and the ``gate``.

    Returns
    -------
    dict of str to Figure
        ``fit`` (one feature and a scalar response only), ``estimates``, and for NUTS
        ``posterior``.
    """
    figures = {"estimates": estimates_figure(tree)}
    one_feature = tree["constant_data"].sizes["feature"] == 1
    dims = set(tree["point_estimate"].dims)
    if one_feature and "expert" in dims and "free_class" not in dims:
        figures["fit"] = data_with_experts(tree)
    elif one_feature and not {"free_class", "prompt"} & dims:
        figures["fit"] = _data_with_lines(tree)
    if is_sampled(tree):
        figures["posterior"] = _marginals(tree)
    return figures


def _data_with_lines(tree: xr.DataTree) -> Figure:
    data, point = tree["constant_data"].to_dataset(), tree["point_estimate"].to_dataset()
    x, y = data["x"].to_numpy()[:, 0], tree["observed_data"]["y"].to_numpy()
    shown = slice(None, None, -(-len(x) // MOST_POINTS))
    grid = np.linspace(x.min(), x.max(), 400)
    expert, gate = expert_named(tree.attrs["expert"]), gate_named(tree.attrs["gate"])
    values = {name: point[name].to_numpy() for name in expert.dims}
    family = family_named(tree.attrs["family"])
    prompt = family.expected(evaluate(expert, grid[:, None], values))
    share = shares_at(tree, grid[:, None])[1]

    figure = Figure(figsize=(7, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot(x[shown], y[shown], ".", color="0.6", markersize=3, label="data", zorder=1)
    if "frozen_mean" in data:
        order = np.argsort(x)
        mean = data["frozen_mean"].to_numpy()[order]
        above.plot(x[order], mean, "--", color="black", label="frozen expert's mean")
    above.plot(grid, prompt, color="tab:blue", linewidth=2, label="prompt's mean (MAP)")
    if "variance" in family.own:
        spread = np.sqrt(point[family.own["variance"].name].item())
        band = (prompt - spread, prompt + spread)
        above.fill_between(grid, *band, color="tab:blue", alpha=0.2, label="± 1 sd, prompt")
    above.set_ylabel("y (units of the data)")
    above.legend(fontsize="small")
    below.plot(grid, share, color="tab:blue")
    below.set_ylim(-0.02, 1.02)
    below.set_ylabel(f"prompt's share\n({gate.name} gate)")
    below.set_xlabel(f"{data['feature'].values[0]} (units of the data)", parse_math=False)
    figure.suptitle(f"{tree.attrs['variant']}: {expert.name} prompt, n = {len(x)}")
    return figure


def estimates_figure(tree: xr.DataTree, width: float = 7.0) -> Figure:
    """Estimates with their intervals; one panel a parameter, because their units differ.

    A parameter of very many entries is a grid of colours.

    Parameters
    ----------
    tree : DataTree
    width : float
        Inches.
    """
    point = tree["point_estimate"].to_dataset()
    rows = {str(name): labelled(variable) for name, variable in point.data_vars.items()}
    grids = {name: grid_of(tree, name) for name in rows if is_grid(point[name])}
    # A grid has its rows, and below it the labels of its columns.
    heights = [len(grids[name].rows) + 3 if name in grids else len(rows[name]) + 1 for name in rows]
    figure = Figure(figsize=(width, 1.2 + 0.3 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
    sampled = is_sampled(tree)
    for panel, (name, entries) in zip(panels, rows.items(), strict=True):
        if name in grids:
            draw_grid(panel, grids[name])
            continue
        places = np.arange(len(entries))[::-1]
        low, high = map(np.ravel, intervals_of(tree, name))
        panel.hlines(places, low, high, color="tab:blue")
        panel.plot([value for _, value in entries], places, "o", color="black", markersize=4)
        panel.set_yticks(places, [label for label, _ in entries], parse_math=False)
        panel.set_ylim(-0.7, len(entries) - 0.3)
        panel.margins(x=0.1)
    lines = [panel for panel, name in zip(panels, rows, strict=True) if name not in grids]
    if lines:
        lines[-1].set_xlabel("parameter, natural scale")
    kind = "90% equal-tailed posterior interval" if sampled else "90% interval (± 1.645 se)"
    line = " " if width > 5 else "\n"
    figure.suptitle(f"{tree.attrs['variant']}:{line}MAP (dot) and {kind}", fontsize="medium")
    return figure


def _marginals(tree: xr.DataTree) -> Figure:
    posterior, point = tree["posterior"].to_dataset(), tree["point_estimate"].to_dataset()
    entries, modes = [], []
    for name, variable in point.data_vars.items():
        draws = posterior[name].to_numpy().reshape(-1, variable.size).T
        entries += [(label, own) for (label, _), own in zip(labelled(variable), draws, strict=True)]
        modes += [value for _, value in labelled(variable)]
    count = min(len(entries), MOST_MARGINALS)
    columns = min(3, count)
    lines = -(-count // columns)
    figure = Figure(figsize=(3 * columns, 2.1 * lines + 0.5), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, (label, draws), mode in zip(panels, entries, modes, strict=False):
        low, high = np.quantile(draws, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
        panel.hist(draws, bins=40, density=True, color="0.75")
        panel.axvspan(low, high, color="tab:blue", alpha=0.15, label="90% interval")
        panel.axvline(mode, color="black", linestyle="--", label="MAP")
        panel.set_xlabel(label, parse_math=False)
        panel.set_ylabel("density")
    for panel in panels[count:]:
        panel.set_axis_off()
    panels[0].legend(fontsize="x-small")
    part = "" if count == len(entries) else f" (first {count} of {len(entries)})"
    figure.suptitle(f"{tree.attrs['variant']}: posterior marginals{part}")
    return figure
