"""How a fit was made, kept with the fit: so that the model can be built again, and at new rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.front.frozen_models import MODEL
from bayes_cmoe.front.setting import Setting, parts_of
from bayes_cmoe.lazy import pm, xr
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.families import FAMILIES
from bayes_cmoe.parts.fixed_prior import plain_priors, priors_of
from bayes_cmoe.parts.frozen import FROZEN_FAMILIES, NO_FROZEN, Frozen
from bayes_cmoe.study.variant import variant_named

__all__ = ["Origin", "model_of", "origin_of", "with_origin"]

KEY = "origin"
"""The attribute of a tree that holds it, as JSON."""


@dataclass(frozen=True)
class Origin:
    """How a fit was made, in plain values.

    Parameters
    ----------
    variant, expert, gate : str
    prompts : int
    features : tuple of str
        Names of the inputs.
    response : str
        Name of the response.
    labels : tuple
        Class labels in the order of the codes 0, 1, ...; empty for numbers.
    family : str
        The frozen expert's.
    frozen : dict
        How it was stated; see `bayes_cmoe.front.frozen_models`.
    prior : dict
        By parameter, in plain form; empty where it has none.
    """

    variant: str
    expert: str
    gate: str
    prompts: int
    features: tuple[str, ...]
    response: str
    labels: tuple[Any, ...]
    family: str
    frozen: Mapping[str, Any]
    prior: Mapping[str, Any]

    @property
    def beside_frozen(self) -> bool:
        """Whether there is a frozen expert, and prompts beside it."""
        return self.family != NO_FROZEN.family.name

    @property
    def classes(self) -> int | None:
        """Number of classes; None for a number or a count."""
        return len(self.labels) or None

    def built(self, data: Data, frozen: Frozen) -> pm.Model:
        """The model at some rows, with the prior that the fit had."""
        variant = variant_named(self.variant)
        count = {"prompts" if variant.frozen else "experts": self.prompts}
        parts = parts_of(variant, self.expert, True, self.gate, **count)
        return Setting(parts, data, frozen).model(dict(self.prior))


def with_origin(
    tree: xr.DataTree,
    setting: Setting,
    model: pm.Model,
    response: str,
    frozen: Mapping[str, Any],
    labels: tuple[Any, ...] = (),
) -> xr.DataTree:
    """The tree with how it was made as an attribute; `model` is the setting's."""
    try:
        prior = plain_priors(priors_of(model))
    except InputError:
        # An object of another package cannot be written down, and predictions do not need it.
        prior = {}
    codes = tuple(range(setting.data.classes)) if setting.data.classes and not labels else labels
    origin = Origin(
        setting.variant.name,
        setting.parts.expert.name,
        setting.parts.gate.name,
        setting.parts.prompts,
        tuple(setting.data.features),
        response,
        codes,
        setting.frozen.family.name,
        _plain(frozen),
        prior,
    )
    tree.attrs[KEY] = json.dumps(asdict(origin))
    return tree


def _plain(frozen: Mapping[str, Any]) -> Mapping[str, Any]:
    """The statement, or that of a model where it holds arrays."""
    try:
        json.dumps(frozen)
    except TypeError:
        return {"by": MODEL}
    return frozen


def origin_of(tree: xr.DataTree) -> Origin:
    """How a fit was made.

    Raises
    ------
    InputError
        When the tree does not say.
    """
    if KEY not in tree.attrs:
        raise InputError(
            "the fit does not say how it was made: fit by bayes_cmoe.fit or bayes-cmoe fit"
        )
    content = json.loads(tree.attrs[KEY])
    features, labels = tuple(content.pop("features")), tuple(content.pop("labels"))
    return Origin(**content, features=features, labels=labels)


def model_of(tree: xr.DataTree) -> pm.Model:
    """The model that a fit is of, at its own rows, which the tree holds.

    Raises
    ------
    InputError
        When the tree does not say how it was made.
    """
    origin, given = origin_of(tree), tree["constant_data"].to_dataset()
    columns = {
        str(name): given[name].to_numpy() for name in given if str(name).startswith("frozen_")
    }
    (observed,) = tree["observed_data"].data_vars.values()
    data = Data(given["x"].to_numpy(), observed.to_numpy(), origin.features, origin.classes)
    return origin.built(data, _at_rows(origin.family, columns))


def _at_rows(family: str, columns: dict[str, NDArray]) -> Frozen:
    if family == NO_FROZEN.family.name:
        return NO_FROZEN
    known = {**FAMILIES, **FROZEN_FAMILIES}
    if family not in known:
        raise InputError(f"the frozen expert's family {family!r} is not known: load its plugin")
    fixed = {name: np.asarray(column, dtype=float) for name, column in columns.items()}
    return Frozen(known[family], lambda x: fixed, f"{family} predictions")
