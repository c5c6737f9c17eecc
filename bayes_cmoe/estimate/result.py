"""Results as `xarray.DataTree`s that ArviZ reads without conversion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.estimate.attributes import described, stamped
from bayes_cmoe.estimate.optimum import Status
from bayes_cmoe.estimate.search import Search

__all__ = ["MapEstimate", "data_groups", "map_tree", "parameter_dataset"]


@dataclass(frozen=True, eq=False)
class MapEstimate:
    """A MAP estimate as numbers.

    Parameters
    ----------
    theta : array, shape (parameter,)
        Natural scale.
    status : Status
    loglik : float
        Summed natural log-likelihood at theta.
    logp : float
        loglik plus the log prior density of theta.
    gradient_norm : float
        Largest entry of the gradient a row, in working coordinates.
    iterations : int
        Of the start that won, Newton steps included.
    standard_error : array, shape (parameter,)
        From the inverse of minus the Hessian; NaN where an edge holds the parameter, and
        everywhere when the Hessian is not negative definite.
    held : array of bool, shape (parameter,)
        Which parameters lie at an edge of the box.
    rows_of_prompt : float
        Sum of the rows' responsibilities: on how many rows the prompt rests; NaN where the model's
        gate is not known.
    search : Search
        Where each start ended, on the rows that the starts were compared on.
    starts : array, shape (start, parameter)
        The same on the natural scale.
    explored : int
        How many rows these are.
    seconds : float
    origin : str
        What kind of start led to it: a ``draw`` from the prior, a ``split`` of a fit with one
        prompt less, its ``slow path``, ``clusters`` of rows, a ``hop`` from another optimum, the
        fit with ``one less`` itself, or the one ``given``.
    """

    theta: NDArray
    status: Status
    loglik: float
    logp: float
    gradient_norm: float
    iterations: int
    standard_error: NDArray
    held: NDArray
    rows_of_prompt: float
    search: Search
    starts: NDArray
    explored: int
    seconds: float
    origin: str = ""


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
    observed = response_name(model)
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


def map_tree(estimate: MapEstimate, model: pm.Model, layout: Layout, n: int) -> xr.DataTree:
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
        "origin": estimate.origin,
    }
    at_edge = [label for label, held in zip(layout.labels, estimate.held, strict=True) if held]
    start = {"start": np.arange(len(estimate.starts))}
    starts = parameter_dataset(layout, estimate.starts, start).assign(
        logp=("start", [-end.value * estimate.explored for end in estimate.search.ends]),
        status=("start", [str(end.status) for end in estimate.search.ends]),
        origin=("start", [end.origin for end in estimate.search.ends]),
    )
    one = {"chain": np.arange(1), "draw": np.arange(1)}
    groups = {
        # As PyMC's users expect of a MAP: one draw, which `az.summary` takes.
        "posterior": parameter_dataset(layout, estimate.theta[None, None], one),
        "point_estimate": parameter_dataset(layout, estimate.theta),
        "standard_error": parameter_dataset(layout, estimate.standard_error),
        "optimizer_result": xr.Dataset(summary, attrs={"at_edge": ", ".join(at_edge)}),
        "starts": starts,
        **data_groups(model),
    }
    return stamped(described(groups, model))
