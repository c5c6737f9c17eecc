"""The same model again: with other rows, another response, or a prompt less.

A model notes how it was built, since PyMC's own way to new rows, `pm.set_data`, changes the model
in place and asks for the frozen expert's columns and new coordinates one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import is_loaded, pd, pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.fixed_prior import priors_of
from bayes_cmoe.parts.frozen import Frozen

__all__ = [
    "Recipe",
    "data_of",
    "keep_recipe",
    "with_fewer_prompts",
    "with_one_prompt",
    "with_response",
    "with_rows",
]


@dataclass(frozen=True, eq=False)
class Recipe:
    """How a model was built.

    Parameters
    ----------
    build : callable
        ``build(data, frozen=, prior=, prompts=)``: the model with these.
    data : Data
    frozen : Frozen
    prior : {"flat", "weak"} or mapping
    prompts : int
    alike : bool
        Whether every prompt has the same prior.
    """

    build: Callable[..., Any]
    data: Data
    frozen: Frozen
    prior: Any
    prompts: int
    alike: bool


_RECIPES: WeakKeyDictionary[pm.Model, Recipe] = WeakKeyDictionary()


def keep_recipe(model: pm.Model, recipe: Recipe) -> None:
    """Note how a model was built."""
    _RECIPES[model] = recipe


def data_of(model: pm.Model) -> Data:
    """The data that a model of the suite was built with."""
    return _RECIPES[model].data


def with_fewer_prompts(model: pm.Model) -> pm.Model | None:
    """The same model with one prompt less, on the rows that it was built with.

    None when it has one prompt, is not one of the suite's, or gives each prompt a prior of its own.
    """
    own = _RECIPES.get(model)
    if own is None or own.prompts == 1 or not own.alike:
        return None
    return own.build(own.data, frozen=own.frozen, prior=own.prior, prompts=own.prompts - 1)


def with_one_prompt(model: pm.Model) -> pm.Model:
    """The same model with as few prompts as `with_fewer_prompts` leaves, itself at most."""
    while (fewer := with_fewer_prompts(model)) is not None:
        model = fewer
    return model


def with_response(model: pm.Model, response: NDArray) -> pm.Model | None:
    """The same model of another response, shape (n,), by which the prior is scaled too.

    None when the model is not one of the suite's.
    """
    own = _RECIPES.get(model)
    if own is None:
        return None
    data = Data(own.data.x, response, own.data.features, own.data.classes)
    return own.build(data, frozen=own.frozen, prior=own.prior, prompts=own.prompts)


def with_rows(
    model: pm.Model, new: Data | ArrayLike | pd.DataFrame, *, frozen: Frozen | None = None
) -> pm.Model:
    """The same model at new rows, with the prior that it has, as a model of its own.

    Draws of one are draws of the other: ``pm.sample_posterior_predictive(tree, model=new_model,
    predictions=True)`` predicts there.

    Parameters
    ----------
    model : pm.Model
        One of the suite's; it stays as it is.
    new : Data, or array or DataFrame of shape (n, feature)
        New inputs; those of a DataFrame with the features' names are taken by name. With `Data` a
        new response too, so that the density there can be computed; else the response is a
        placeholder.
    frozen : Frozen, optional
        The frozen expert at the new rows; may be left out where it is known at any x.

    Raises
    ------
    InputError
        When the model is not one of the suite's, the features differ, or the frozen expert's
        columns are those of other rows.

    Examples
    --------
    >>> from bayes_cmoe import frozen_expert, variant_named
    >>> f0 = frozen_expert("gaussian", "linear", {"a": [1.0], "b": 0.0}, scale=1.0)
    >>> data = Data([0.0, 1.0], [0.1, 0.9])
    >>> model = variant_named("constant_contaminated").build(data, frozen=f0)
    >>> with_rows(model, [2.0, 3.0, 4.0])["frozen_mean"].get_value()
    array([2., 3., 4.])
    """
    if model not in _RECIPES:
        raise InputError("the model is not one of the suite's: build it by a variant's factory")
    own = _RECIPES[model]
    data = new if isinstance(new, Data) else _placeholder(own.data, new)
    if data.x.shape[1] != own.data.x.shape[1]:
        raise InputError(
            f"the new rows have {data.x.shape[1]} inputs, the model has "
            f"{', '.join(own.data.features)}: give one column for each"
        )
    named = Data(data.x, data.y, own.data.features, own.data.classes)
    return own.build(
        named, frozen=frozen or own.frozen, prior=priors_of(model), prompts=own.prompts
    )


def _placeholder(data: Data, new: Any) -> Data:
    """New inputs with a response of zeros, which is a number, a count and a class."""
    if is_loaded("pandas") and isinstance(new, pd.DataFrame):
        missing = [name for name in data.features if name not in new.columns]
        if not missing:
            new = new[list(data.features)]
        elif any(name in new.columns for name in data.features):
            raise InputError(f"the new rows lack the column {missing[0]!r}: add it")
    x = new if np.ndim(new) else [new]
    return Data(x, np.zeros(len(x)), classes=data.classes)
