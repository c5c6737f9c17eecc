"""Figure of how near estimates and posteriors come to the information bound."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from arviz_base.labels import BaseLabeller
from arviz_plots import PlotCollection
from arviz_plots.visuals import ci_line_y, hline, line_xy, scatter_xy

from bayes_cmoe.errors import choose
from bayes_cmoe.plots.averages import PARTS, averaged
from bayes_cmoe.plots.fits import gathered, not_local, theory_of
from bayes_cmoe.plots.layers import Layers, band, points, shade
from bayes_cmoe.plots.sweeps import Names, averages_drawn

__all__ = ["plot_efficiency"]

VARIABLES = {"map": "error", "nuts": "posterior_sd"}
WORDS = {"map": "bound / RMSE", "nuts": "posterior sd / bound"}
KNOWN = ("efficiency", "interval", "line", "one", "local", "title", "xlabel", "ylabel")


def plot_efficiency(
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
    """Information bound over error, or posterior spread over bound, against the number of rows.

    One where estimates are efficient, and where a posterior is as wide as the bound (Bernstein and
    von Mises).

    Parameters
    ----------
    tree, var_names, regimes, backend, plot_collection, labeller, aes_by_visuals, pc_kwargs
        As for `bayes_cmoe.plot_contraction`.
    method : {"map", "nuts"}
        ``map``: bound over root mean square error; ``nuts``: mean posterior standard deviation over
        bound.
    visuals : mapping of str to mapping or bool, optional
        ``efficiency`` (scatter), ``interval``, ``line``, ``one``, ``local`` (shade where theory is
        not), ``title``, ``xlabel``, ``ylabel``.
    stats : mapping, optional
        ``efficiency``: arguments of `bayes_cmoe.plots.averages.averaged`, or a Dataset of ratios
        in its place.

    Raises
    ------
    InputError
        When the tree has no such fits, or a name is unknown.
    """
    variable = VARIABLES[choose("method", method, VARIABLES)]
    fits = gathered(tree, variable, method=method, var_names=var_names, regimes=regimes)
    fits = fits[[name for name, own in fits.data_vars.items() if own.notnull().any()]]
    bound = theory_of(tree, "bound", fits)

    def ratios(**own: Any) -> xr.Dataset:
        if method == "nuts":
            return averaged(fits, **{"statistic": "mean"} | own) / bound
        # The largest error has the least efficiency.
        turned = dict(zip(PARTS, ("value", "high", "low"), strict=True))
        ratio = bound / averaged(fits, **own)
        return ratio.assign_coords(part=[turned[str(part)] for part in ratio["part"].values])

    found = averages_drawn("efficiency", stats, ratios)
    sizes = np.log10(fits["n"].to_numpy())
    layers = Layers(
        fits, ("regime",), KNOWN, visuals=visuals, aes_by_visuals=aes_by_visuals, backend=backend,
        plot_collection=plot_collection, labeller=labeller, pc_kwargs=pc_kwargs,
    )  # fmt: skip
    value, low, high = (found.sel(part=part, drop=True) for part in PARTS)
    layers.add(shade, "local", not_local(tree, fits), color="gray", alpha=0.1)
    layers.add(ci_line_y, "interval", band(sizes, low, high), color="gray")
    # Plotly draws no line across a panel that is empty yet.
    one = xr.full_like(value.isel(n=0, drop=True), 1.0)
    layers.add(hline, "one", one, color="C0", linestyle="C1")
    layers.add(line_xy, "line", points(sizes, value), color="black")
    layers.add(scatter_xy, "efficiency", points(sizes, value), color="black")
    layers.words("log10 rows", WORDS[method])
    return layers.collection
