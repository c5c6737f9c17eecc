"""Figures of a sweep in arviz-plots' manner: contraction, rates, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from arviz_base.labels import BaseLabeller
from arviz_plots import PlotCollection
from arviz_plots.plot_collection import backend_from_object
from arviz_plots.visuals import ci_line_y, hline, line_xy, scatter_xy

from bayes_cmoe.errors import choose
from bayes_cmoe.plots.averages import PARTS, averaged, measured_slopes, proportions
from bayes_cmoe.plots.fits import gathered, not_local, theory_of
from bayes_cmoe.plots.layers import Layers, band, points, shade, statistic_of
from bayes_cmoe.sweep.cells import MEASURES
from bayes_cmoe.sweep.measured import slope_of

__all__ = ["averages_drawn", "plot_contraction", "plot_coverage", "plot_rates"]

MEASURED = {"map": "RMSE", "nuts": "posterior expected loss"}
CONTRACTION = (
    "error", "interval", "line", "bound", "exponent", "modulus", "local", "title", "xlabel",
    "ylabel",
)  # fmt: skip
"""Visuals of `plot_contraction`."""
LETTER = 0.07
"""Inches of a letter of a regime's name."""
Names = Sequence[str] | str | None


def plot_contraction(
    tree: xr.DataTree,
    *,
    var_names: Names = None,
    regimes: Names = None,
    method: str = "map",
    backend: str | None = None,
    plot_collection: PlotCollection | None = None,
    labeller: BaseLabeller | None = None,
    aes_by_visuals: Mapping[str, Any] | None = None,
    visuals: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Error against the number of rows, a panel for each parameter and regime.

    Both axes are base-ten logarithms, so that a rate is a straight line with its exponent as slope.

    Parameters
    ----------
    tree : DataTree
        From `open_sweep`, or of its form.
    var_names, regimes : str or sequence of str, optional
        Targets and regimes; whole parameters and all regimes by default.
    method : {"map", "nuts"}
        ``map``: root mean square error; ``nuts``: mean posterior expected loss.
    backend : {"matplotlib", "plotly", "bokeh"}, optional
    plot_collection, labeller, aes_by_visuals, **pc_kwargs
        As in arviz-plots: with ``cols=["__variable__"], aes={"color": ["regime"]}`` regimes share a
        panel.
    visuals : mapping of str to mapping or bool, optional
        ``error`` (scatter), ``interval``, ``line``, ``bound`` (the information bound; of NUTS its
        expected loss), ``exponent`` (the published one, through the last error), ``modulus`` (of
        the MAP, where it leaves the bound), ``local`` (shade where theory is not), ``title``,
        ``xlabel``, ``ylabel``.
    stats : mapping, optional
        ``error``: arguments of `bayes_cmoe.plots.averages.averaged` (statistic, level), or a
        Dataset in its place.

    Raises
    ------
    InputError
        When the tree has no such errors, or a name is unknown.
    """
    variable, statistic, limit = MEASURES[choose("method", method, MEASURES)]
    fits = gathered(tree, variable, method=method, var_names=var_names, regimes=regimes)
    found = averages_drawn(
        "error", stats, lambda **own: averaged(fits, **{"statistic": statistic} | own)
    )
    sizes = np.log10(fits["n"].to_numpy())
    layers = Layers(
        fits, ("regime",), CONTRACTION, visuals=visuals, aes_by_visuals=aes_by_visuals,
        backend=backend, plot_collection=plot_collection, labeller=labeller, pc_kwargs=pc_kwargs,
    )  # fmt: skip
    value, low, high = (_log10(found.sel(part=part, drop=True)) for part in PARTS)
    layers.add(shade, "local", not_local(tree, fits), color="gray", alpha=0.1)
    layers.add(ci_line_y, "interval", band(sizes, low, high), color="gray")
    layers.add(line_xy, "line", points(sizes, value), color="black")
    layers.add(scatter_xy, "error", points(sizes, value), color="black")
    bound = _log10(theory_of(tree, limit, fits))
    layers.add(line_xy, "bound", points(sizes, bound), color="C0", linestyle="C1")
    if method == "map":
        modulus = _log10(theory_of(tree, "modulus", fits))
        # Where it is the bound at all sizes it is not drawn again.
        apart = points(sizes, modulus.where(~(abs(modulus - bound).max("n") == 0.0)))
        layers.add(line_xy, "modulus", apart, color="C0", linestyle="C3")
    published = _through_the_last(theory_of(tree, "exponent", fits), value, sizes)
    layers.add(line_xy, "exponent", points(sizes, published), color="gray", linestyle="C2")
    layers.words("log10 rows", f"log10 {MEASURED[method]}")
    return layers.collection


def plot_rates(
    tree: xr.DataTree,
    *,
    var_names: Names = None,
    regimes: Names = None,
    method: str = "map",
    backend: str | None = None,
    plot_collection: PlotCollection | None = None,
    labeller: BaseLabeller | None = None,
    aes_by_visuals: Mapping[str, Any] | None = None,
    visuals: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """Measured exponents with their intervals, the bound's and the published ones beside them.

    A panel for each parameter, a line for each regime; slopes of log error on log n over all sizes,
    those of the bound over the same.

    Parameters
    ----------
    tree, var_names, regimes, method, backend, plot_collection, labeller, aes_by_visuals, pc_kwargs
        As for `plot_contraction`.
    visuals : mapping of str to mapping or bool, optional
        ``slope``, ``interval``, ``bound``, ``exponent``, ``regimes`` (their names), ``title``,
        ``xlabel``, ``ylabel``.
    stats : mapping, optional
        ``slope``: arguments of `bayes_cmoe.plots.averages.measured_slopes`, or a Dataset.
    """
    variable, statistic, limit = MEASURES[choose("method", method, MEASURES)]
    fits = gathered(tree, variable, method=method, var_names=var_names, regimes=regimes)
    found = averages_drawn(
        "slope", stats, lambda **own: measured_slopes(fits, **{"statistic": statistic} | own)
    )
    known = ("slope", "interval", "bound", "exponent", "regimes", "title", "xlabel", "ylabel")
    names = [str(name) for name in fits["regime"].values]
    layers = Layers(
        fits, (), known, margin=LETTER * max(map(len, names)), visuals=visuals,
        aes_by_visuals=aes_by_visuals, backend=backend, plot_collection=plot_collection,
        labeller=labeller, pc_kwargs=pc_kwargs,
    )  # fmt: skip
    height = np.arange(len(names), 0, -1, dtype=float)
    value, low, high = (found.sel(part=part, drop=True) for part in PARTS)
    layers.add(line_xy, "interval", _bars(low, high, height), color="gray")
    slopes = _slopes_of_theory(theory_of(tree, limit, fits), fits)
    layers.add(scatter_xy, "bound", _beside(slopes, height), color="C0", marker="C1")
    published = theory_of(tree, "exponent", fits).isel(n=0, drop=True)
    layers.add(scatter_xy, "exponent", _beside(published, height), color="gray", marker="C2")
    layers.add(scatter_xy, "slope", _beside(value, height), color="black")
    layers.add(_names_of_lines, "regimes", ticks=height.tolist(), labels=names)
    layers.words("exponent of n", "")
    return layers.collection


def plot_coverage(
    tree: xr.DataTree,
    *,
    level: float = 0.9,
    var_names: Names = None,
    regimes: Names = None,
    backend: str | None = None,
    plot_collection: PlotCollection | None = None,
    labeller: BaseLabeller | None = None,
    aes_by_visuals: Mapping[str, Any] | None = None,
    visuals: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
    **pc_kwargs: Any,
) -> PlotCollection:
    """How often credible intervals hold the truth, against the number of rows.

    Parameters
    ----------
    tree, var_names, regimes, backend, plot_collection, labeller, aes_by_visuals, pc_kwargs
        As for `plot_contraction`.
    level : float
        Of the credible intervals, one of those that the sweep has.
    visuals : mapping of str to mapping or bool, optional
        ``coverage``, ``interval``, ``level`` (the nominal one), ``title``, ``xlabel``, ``ylabel``.
    stats : mapping, optional
        ``coverage``: arguments of `bayes_cmoe.plots.averages.proportions`, or a Dataset.
    """
    fits = gathered(tree, "covered", method="nuts", var_names=var_names, regimes=regimes)
    levels = {f"{float(own):g}": float(own) for own in fits["level"].values}
    fits = fits.sel(level=levels[choose("level", f"{level:g}", levels)], drop=True)
    # A norm of several entries has no interval of its own.
    fits = fits[[name for name, held in fits.data_vars.items() if held.notnull().any()]]
    found = averages_drawn("coverage", stats, lambda **own: proportions(fits, **own))
    sizes = np.log10(fits["n"].to_numpy())
    known = ("coverage", "interval", "level", "title", "xlabel", "ylabel")
    layers = Layers(
        fits, ("regime",), known, visuals=visuals, aes_by_visuals=aes_by_visuals, backend=backend,
        plot_collection=plot_collection, labeller=labeller, pc_kwargs=pc_kwargs,
    )  # fmt: skip
    value, low, high = (found.sel(part=part, drop=True) for part in PARTS)
    nominal = xr.full_like(value.isel(n=0, drop=True), level)
    layers.add(ci_line_y, "interval", band(sizes, low, high), color="C0")
    # Plotly draws no line across a panel that is empty yet.
    layers.add(hline, "level", nominal, color="gray", linestyle="C2")
    layers.add(scatter_xy, "coverage", points(sizes, value), color="black")
    layers.words("log10 rows", f"coverage of {level:.0%} intervals")
    return layers.collection


def _log10(values: xr.Dataset) -> xr.Dataset:
    return values.map(np.log10)


def averages_drawn(name: str, stats: Mapping[str, Any] | None, compute: Any) -> xr.Dataset:
    """What a figure draws: the reader's own Dataset, or computed with the reader's arguments."""
    own = statistic_of(name, stats, {})
    return own if isinstance(own, xr.Dataset) else compute(**own)


def _through_the_last(exponent: xr.Dataset, value: xr.Dataset, sizes: np.ndarray) -> xr.Dataset:
    """The published rate as a line through the error at the largest size that there is."""
    found = {}
    for name, rows in value.data_vars.items():
        table = rows.transpose("regime", "n").to_numpy()
        lines = np.full_like(table, np.nan)
        for line, row, rate in zip(lines, table, exponent[name].to_numpy(), strict=True):
            seen = np.flatnonzero(np.isfinite(row))
            if len(seen):
                line[seen] = row[seen[-1]] + rate[seen] * (sizes[seen] - sizes[seen[-1]])
        found[name] = (("regime", "n"), lines)
    return xr.Dataset(found, coords={"regime": value["regime"], "n": value["n"]})


def _slopes_of_theory(bound: xr.Dataset, fits: xr.Dataset) -> xr.Dataset:
    """The bound's slope over the sizes at which there are fits."""
    sizes = fits["n"].to_numpy()
    found = {}
    for name, values in bound.data_vars.items():
        seen = fits[name].notnull().any("replicate").transpose("regime", "n").to_numpy()
        rows = zip(values.to_numpy(), seen, strict=True)
        found[name] = (
            "regime",
            [slope_of(sizes[own], row[own]) if own.sum() > 1 else np.nan for row, own in rows],
        )
    return xr.Dataset(found, coords={"regime": bound["regime"]})


def _beside(values: xr.Dataset, height: np.ndarray) -> xr.Dataset:
    """Values of the regimes at their lines' heights, by ``plot_axis``; regimes are no facets."""
    own = values.rename(regime="line").drop_vars("line")
    up = xr.full_like(own, 0.0) + xr.DataArray(height, dims="line")
    return xr.concat([own, up], xr.DataArray(["x", "y"], dims="plot_axis", name="plot_axis"))


def _bars(low: xr.Dataset, high: xr.Dataset, height: np.ndarray) -> xr.Dataset:
    """Horizontal intervals in one line with gaps."""
    gap = xr.full_like(low, np.nan)
    ends = [_beside(part, height) for part in (low, high, gap)]
    joined = xr.concat(ends, "end").stack(place=("line", "end")).reset_index("place", drop=True)
    return joined.transpose("plot_axis", "place")


def _names_of_lines(
    da: Any, target: Any, *, ticks: list[float], labels: list[str], **others: Any
) -> None:
    backend_from_object(target).yticks(ticks, labels, target, **others)
