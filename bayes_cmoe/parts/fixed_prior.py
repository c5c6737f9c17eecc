"""The prior of a model as values that another model can be given.

The default prior is scaled on the table at hand, so parameters drawn from it and the data do not
belong together. Where both are drawn, as in simulation-based calibration, a prior is fixed on a
reference table beforehand:

>>> from bayes_cmoe import Data, frozen_predictions, variant_named
>>> variant = variant_named("constant_contaminated")
>>> f0 = frozen_predictions("gaussian", mean=[0.0, 1.0], scale=1.0)
>>> prior = priors_of(variant.build(Data(x=[0.0, 1.0], y=[0.1, 0.9]), frozen=f0))
>>> model = variant.build(Data(x=[0.0, 1.0], y=[5.0, 9.0]), frozen=f0, prior=prior)
>>> priors_of(model) == prior
True

`content_of` has its plain form for JSON, which `build` takes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.distribution import Distribution
from bayes_cmoe.parts.prior import content_of
from bayes_cmoe.parts.priors import OnePrior

__all__ = ["keep_priors", "plain_priors", "priors_of"]

DIGITS = 6
"""Significant digits of a prior that is written down: processors differ in the last ones."""

_PRIORS: WeakKeyDictionary[pm.Model, Mapping[str, OnePrior]] = WeakKeyDictionary()


def keep_priors(model: pm.Model, priors: Mapping[str, OnePrior]) -> None:
    """Note the prior that a model was built with."""
    _PRIORS[model] = priors


def priors_of(model: pm.Model) -> dict[str, OnePrior]:
    """The prior that a model was built with, by parameter.

    Raises
    ------
    InputError
        When the model is not one of the suite's.
    """
    if model not in _PRIORS:
        raise InputError("the model is not one of the suite's: build it by a variant's factory")
    return dict(_PRIORS[model])


def plain_priors(priors: Mapping[str, OnePrior]) -> dict[str, Any]:
    """Priors in their plain form with six significant digits, to be written down.

    Raises
    ------
    InputError
        When one is an object of another package, which has none.

    Examples
    --------
    >>> from bayes_cmoe.parts.prior import Weak
    >>> plain_priors({"tau": Weak("normal", 0.0, 2.0 / 3.0)})
    {'tau': {'kind': 'normal', 'center': 0.0, 'sd': 0.666667}}
    """
    return {name: _plain(name, prior) for name, prior in priors.items()}


def _plain(name: str, prior: OnePrior) -> Any:
    if not isinstance(prior, Distribution):
        return _rounded(content_of(prior))
    if not prior.text:
        raise InputError(
            f"the prior of {name}, {prior.words}, is an object that cannot be written down: give "
            "its name and numbers as a text, such as 'gamma(2, 1)'"
        )
    return prior.text


def _rounded(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(value, str) else _short(np.asarray(value, dtype=float))
        for key, value in content.items()
    }


def _short(values: np.ndarray) -> Any:
    texts = [f"{value:.{DIGITS}g}" for value in values.ravel()]
    return np.array(texts).astype(float).reshape(values.shape).tolist()
