"""What a result says of itself: long names, units and priors of parameters; ArviZ's own attrs."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Mapping

import pymc as pm
import xarray as xr

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.fixed_prior import priors_of
from bayes_cmoe.parts.mixture import mixture_of

__all__ = ["LIBRARY", "described", "stamped"]

LIBRARY = "bayes_cmoe"
SAMPLED = ("chain", "draw")
OF_PARAMETERS = ("posterior", "prior", "point_estimate", "standard_error", "starts")
"""Groups whose variables are parameters."""


def described(groups: Mapping[str, xr.Dataset], model: pm.Model) -> dict[str, xr.Dataset]:
    """Groups with ``long_name``, ``units`` and ``prior`` as attrs of the parameters in them.

    Parameters
    ----------
    groups : mapping of str to Dataset
    model : pm.Model
        What a model that is not of the suite does not declare is left out.
    """
    own = _attributes(model)
    return {
        group: _with_attrs(dataset, own) if group in OF_PARAMETERS else dataset
        for group, dataset in groups.items()
    }


def _with_attrs(dataset: xr.Dataset, own: Mapping[str, Mapping[str, str]]) -> xr.Dataset:
    return dataset.assign(
        {name: dataset[name].assign_attrs(attrs) for name, attrs in own.items() if name in dataset}
    )


def _attributes(model: pm.Model) -> dict[str, dict[str, str]]:
    mixture = mixture_of(model)
    if mixture is None:
        return {}
    try:
        priors = {name: str(prior) for name, prior in priors_of(model).items()}
    except InputError:
        priors = {}
    found = {
        own.name: {
            "long_name": own.long_name,
            "units": own.units,
            "prior": priors.get(own.name, ""),
        }
        for own in mixture.parameters
    }
    return {name: {key: text for key, text in own.items() if text} for name, own in found.items()}


def stamped(groups: Mapping[str, xr.Dataset], inference_library: str = LIBRARY) -> xr.DataTree:
    """Groups as a tree, each with ArviZ's standard attrs.

    Parameters
    ----------
    groups : mapping of str to Dataset
    inference_library : str
        Distribution that did the inference, such as nutpie.

    References
    ----------
    The InferenceData schema, https://python.arviz.org/projects/base: ``created_at``,
    ``creation_library``, ``inference_library``, and their versions.
    """
    attrs = {
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(),
        "creation_library": LIBRARY,
        "creation_library_version": importlib.metadata.version(LIBRARY),
        "creation_library_language": "Python",
        "inference_library": inference_library,
        "inference_library_version": importlib.metadata.version(inference_library),
    }
    return xr.DataTree.from_dict(
        {
            name: dataset.assign_attrs({**attrs, **_sampled(dataset), **dataset.attrs})
            for name, dataset in groups.items()
        }
    )


def _sampled(dataset: xr.Dataset) -> dict[str, list[str]]:
    return {"sample_dims": list(SAMPLED)} if set(SAMPLED) <= set(dataset.dims) else {}
