"""What the figures share with arviz-plots' own: a collection of panels, visuals, aesthetics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr
from arviz_base import rcParams
from arviz_base.labels import BaseLabeller
from arviz_plots import PlotCollection
from arviz_plots.plot_collection import backend_from_object, process_facet_dims
from arviz_plots.visuals import labelled_title, labelled_x, labelled_y
from numpy.typing import NDArray

from bayes_cmoe.errors import choose

__all__ = ["Layers", "band", "points", "shade", "statistic_of"]

PANEL = (3.6, 3.0)
"""Inches of a panel."""
DOTS = 100
"""To an inch, on a screen."""
AROUND = {"plotly": (1.6, 1.8)}
"""Inches beside and above all panels that a backend takes for itself."""
WORDS = ("title", "xlabel", "ylabel", "regimes")
"""Visuals that are the same for all of a panel."""


class Layers:
    """A collection of panels to which visuals are added, each with the user's settings.

    Parameters
    ----------
    data : Dataset
        Says what panels there are: by variable, and by the dims in `facets`.
    facets : sequence of str
        Dims that have a panel of their own, unless ``cols`` says otherwise.
    known : sequence of str
        Names of the visuals.
    visuals, aes_by_visuals : mapping or None
        As in arviz-plots: arguments of a visual, or False to leave it out; which aesthetics it
        follows.
    backend, plot_collection, labeller, pc_kwargs
        As in arviz-plots.
    margin : float
        Inches beside each panel for what stands there.

    Raises
    ------
    InputError
        When a visual is unknown.
    """

    def __init__(
        self,
        data: xr.Dataset,
        facets: tuple[str, ...],
        known: tuple[str, ...],
        *,
        visuals: Mapping[str, Any] | None,
        aes_by_visuals: Mapping[str, Any] | None,
        backend: str | None,
        plot_collection: PlotCollection | None,
        labeller: BaseLabeller | None,
        pc_kwargs: Mapping[str, Any],
        margin: float = 0.0,
    ) -> None:
        self.visuals, self.aes = dict(visuals or {}), dict(aes_by_visuals or {})
        for name in (*self.visuals, *self.aes):
            choose("visual", name, known)
        self.labeller = BaseLabeller() if labeller is None else labeller
        if plot_collection is None:
            chosen = backend or rcParams["plot.backend"]
            plot_collection = PlotCollection.wrap(
                data, backend=chosen, **_laid_out(data, facets, chosen, dict(pc_kwargs), margin)
            )
        self.collection = plot_collection

    def add(self, visual: Any, name: str, data: xr.Dataset | None = None, **defaults: Any) -> None:
        """Draw a visual in every panel, unless it is turned off."""
        given = self.visuals.get(name, {})
        if given is False:
            return
        own = {**defaults, **({} if given is True else given)}
        usual = () if name in WORDS else self.collection.aes_set
        follows = set(self.aes.get(name, usual))
        for aesthetic in follows:
            own.pop(aesthetic, None)
        ignored = set(self.collection.aes_set) - follows
        self.collection.map(visual, name, data=data, ignore_aes=ignored, **own)

    def words(self, x: str, y: str) -> None:
        """Title of each panel, and names of its axes."""
        self.add(labelled_title, "title", subset_info=True, labeller=self.labeller)
        self.add(labelled_x, "xlabel", text=x)
        self.add(labelled_y, "ylabel", text=y)


def _laid_out(
    data: xr.Dataset, facets: tuple[str, ...], backend: str, own: dict[str, Any], margin: float
) -> dict[str, Any]:
    """The panels' arrangement: a parameter a line where regimes have panels of their own."""
    shared = {"sharex": True, "sharey": bool(facets)}
    own["figure_kwargs"] = {**shared, **own.get("figure_kwargs", {})}
    own.setdefault("cols", ["__variable__", *facets])
    across = [data.sizes[dim] for dim in facets if dim in data.sizes]
    if across and own["cols"] == ["__variable__", *facets]:
        own.setdefault("col_wrap", across[0] if len(data.data_vars) > 1 else 4)
    own.setdefault("col_wrap", 4)
    count = process_facet_dims(data, own["cols"])[0]
    columns = min(int(own["col_wrap"]), int(count))
    paper = backend == "matplotlib"
    scale, units = (1, "inches") if paper else (DOTS, "dots")
    beside, above = AROUND.get(backend, (0.0, 0.0))
    across_all, down = (PANEL[0] + margin) * columns, PANEL[1] * -(-int(count) // columns)
    size = (scale * (across_all + beside), scale * (down + above))
    if "figsize" not in own["figure_kwargs"]:
        own["figure_kwargs"] |= {"figsize": size, "figsize_units": units}
    if paper:
        own["figure_kwargs"].setdefault("layout", "constrained")
    return own


def statistic_of(name: str, stats: Mapping[str, Any] | None, usual: Any) -> Any:
    """What a user says of a figure's one statistic.

    Raises
    ------
    InputError
        When something is said of another.
    """
    given = stats or {}
    for key in given:
        choose("statistic of the figure", key, (name,))
    return given.get(name, usual)


def _across(x: NDArray, like: xr.Dataset) -> xr.Dataset:
    """The sizes' places, in the form of values over them."""
    return xr.full_like(like, 0.0) + xr.DataArray(x, dims="n", coords={"n": like["n"]})


def points(x: NDArray, values: xr.Dataset) -> xr.Dataset:
    """Values over sizes as arviz-plots' line and scatter take them, by ``plot_axis``."""
    # What is nowhere known is then not drawn at all, and stands in no legend.
    across = _across(x, values).where(values.notnull())
    axis = xr.DataArray(["x", "y"], dims="plot_axis", name="plot_axis")
    return xr.concat([across, values], axis)


def band(x: NDArray, low: xr.Dataset, high: xr.Dataset) -> xr.Dataset:
    """Intervals over sizes as arviz-plots' vertical lines take them, by ``plot_axis``."""
    axis = xr.DataArray(["x", "y_bottom", "y_top"], dims="plot_axis", name="plot_axis")
    return xr.concat([_across(x, low), low, high], axis).where(high.notnull())


def shade(da: xr.DataArray, target: Any, **others: Any) -> Any:
    """Vertical spans, (span, edge); the last of them is what the figure keeps."""
    drawn = None
    for low, high in da.dropna("span").transpose("span", "edge").to_numpy():
        drawn = backend_from_object(target).vspan(low, high, target, **others)
    return drawn
