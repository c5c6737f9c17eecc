"""Results as `xarray.DataTree`s that ArviZ reads without conversion."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of

if TYPE_CHECKING:
    from bayes_cmoe.estimate.map import MapEstimate

__all__ = ["data_groups", "map_tree", "parameter_dataset"]


def parameter_dataset(
    layout: Layout, vectors: NDArray, leading: Mapping[str, Any] | None = None
) -> xr.Dataset:
    """One variable a parameter, with its dims and coordinates.

    Parameters
    ----------
    layout : Layout
    vectors : array, shape (..., parameter)
    leading : mapping of str to array, optional
        Names and coordinates of the axes in front.
    """
    front = dict(leading or {})
    values = layout.unravel(vectors)
    variables = {
        name: ((*front, *dims), values[name])
        for name, dims in zip(layout.names, layout.dims, strict=True)
    }
    coords = {name: list(labels) for name, labels in layout.coords.items()}
    return xr.Dataset(variables, coords={**front, **coords})


def data_groups(model: pm.Model) -> dict[str, xr.Dataset]:
    """``observed_data`` and ``constant_data`` of a model."""
    (response,) = model.observed_RVs
    observed = model.rvs_to_values[response].name
    columns = columns_of(model)
    dims = {name: tuple(model.named_vars_to_dims[name]) for name in columns}
    coords = {
        dim: np.asarray(model.coords[dim])
        for dim in {d for group in dims.values() for d in group}
        if model.coords.get(dim) is not None and dim != "obs"
    }
    coords["obs"] = np.arange(len(columns[observed]))
    constant = {name: (dims[name], value) for name, value in columns.items() if name != observed}
    return {
        "observed_data": xr.Dataset(
            {response.name: (("obs",), columns[observed])}, coords={"obs": coords["obs"]}
        ),
        "constant_data": xr.Dataset(constant, coords=coords),
    }


def map_tree(estimate: "MapEstimate", model: pm.Model, layout: Layout, n: int) -> xr.DataTree:
    """A MAP estimate as a DataTree."""
    summary = {
        "status": str(estimate.status),
        "loglik": estimate.loglik,
        "logp": estimate.logp,
        "gradient_norm": estimate.gradient_norm,
        "iterations": estimate.iterations,
        "seconds": estimate.seconds,
        "n": n,
        "prompt_rows": estimate.rows_of_prompt,
        "found": estimate.search.found,
        "distinct": estimate.search.distinct,
        "unseen": estimate.search.unseen,
    }
    at_edge = [label for label, held in zip(layout.labels, estimate.held, strict=True) if held]
    start = {"start": np.arange(len(estimate.starts))}
    starts = parameter_dataset(layout, estimate.starts, start).assign(
        logp=("start", [-end.value * estimate.explored for end in estimate.search.ends]),
        status=("start", [str(end.status) for end in estimate.search.ends]),
    )
    groups = {
        "point_estimate": parameter_dataset(layout, estimate.theta),
        "standard_error": parameter_dataset(layout, estimate.standard_error),
        "optimizer_result": xr.Dataset(summary, attrs={"at_edge": ", ".join(at_edge)}),
        "starts": starts,
        **data_groups(model),
    }
    return xr.DataTree.from_dict(groups)
