"""What a fit says of new rows: the response, whether a row is the prompt's, and how surprising."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.errors import InputError
from bayes_cmoe.front.at_rows import model_at
from bayes_cmoe.front.conformal import conformal_quantile
from bayes_cmoe.front.origin import Origin, model_of, origin_of
from bayes_cmoe.front.predicted import predicted_at
from bayes_cmoe.front.tables import frame_of

__all__ = ["predict"]


def predict(
    tree: xr.DataTree,
    new: Any = None,
    *,
    y: Any = None,
    frozen: Any = None,
    calibrate: Any = None,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Predict new rows by a fit.

    The predictive law of a row is p(y|x) averaged over the posterior; after a point estimate it is
    p(y|x) at the estimate.

    Parameters
    ----------
    tree : DataTree
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``.
    new : table, optional
        As for `bayes_cmoe.fit`; the fit's own rows when left out.
    y : str or array, optional
        The new rows' response, where it is known; a column of the fit's own response's name is
        taken by itself.
    frozen : optional
        The frozen model at the new rows, as for `bayes_cmoe.fit`; may be left out where it was
        stated by columns.
    calibrate : table, optional
        Rows with their response that were not fitted to: intervals and sets are widened or narrowed
        so that they hold a new response with probability `level`, whatever the model, as long as
        these rows and the new ones are exchangeable (split conformal prediction).
    level : float
    draws : int
        Posterior draws at most; as many responses are drawn at each row for the interval.
    seed : int

    Returns
    -------
    xarray.Dataset (obs)
        ``share``, pi(x), with ``share_lower`` and ``share_upper`` where there are draws. Of a
        number or count ``mean``, ``lower`` and ``upper`` (equal-tailed); of a class ``probability``
        (obs, class) and ``label``; the prompt's own expectation is ``prompt_mean`` or
        ``prompt_probability``. Where y is known ``responsibility``, the probability that the
        row is the prompt's, ``log_score``, its log predictive density in nats, and
        ``frozen_log_score``, log f0. With `calibrate` ``conformal_lower`` and ``conformal_upper``,
        or ``conformal_set`` (obs, class).

        With several prompts also ``shares``, ``means`` and ``responsibilities`` (obs, component)
        of each; without a frozen expert these of the experts in place of the prompt's. After
        draws of a posterior they are of each expert by its place: where experts are hardly told
        apart they are mixed.

    Raises
    ------
    InputError
        When the fit does not say how it was made or is of a single expert, a column is missing, the
        frozen model is needed and not given, or `level` is not between 0 and 1.

    References
    ----------
    Romano, Patterson and Candes (2019), Conformalized quantile regression, arXiv:1905.03222;
    Sadinle, Lei and Wasserman (2019), doi:10.1080/01621459.2017.1395341 (sets of classes).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from bayes_cmoe import fit, predict
    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(-2.0, 2.0, 300)
    >>> y = np.where(rng.random(300) < 0.3, 1.0 - x, 2.0 * x) + rng.normal(0.0, 0.3, 300)
    >>> frozen = lambda rows: 2.0 * rows["x1"]
    >>> tree = fit(pd.DataFrame({"x1": x, "y": y}), y="y", frozen=frozen, expert="linear")
    >>> found = predict(tree, {"x1": [-1.0, 1.0]}, frozen=frozen)
    >>> found["mean"].shape
    (2,)
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level {level}: give a number between 0 and 1")
    if draws < 1:
        raise InputError(f"{draws} draws: give one at least")
    origin = origin_of(tree)
    if not origin.beside_frozen and origin.prompts == 1:
        raise InputError(
            "the fit is of one expert, which has every row: use `posterior_predictive`, or fit two"
        )
    model, known = (model_of(tree), True) if new is None else _at_table(origin, new, y, frozen)
    found = predicted_at(tree, model, known, level=level, draws=draws, seed=seed)
    if calibrate is not None:
        rows, has = _at_table(origin, calibrate, None, frozen)
        if not has:
            raise InputError(
                f"the rows to calibrate on lack the response {origin.response!r}: add it"
            )
        held = predicted_at(tree, rows, True, level=level, draws=draws, seed=seed)
        response = columns_of(rows)[response_name(rows)]
        quantile = conformal_quantile(held, response, level)
        found = quantile.applied(found)
    return _labelled(found, origin)


def _at_table(origin: Origin, new: Any, y: Any, frozen: Any) -> tuple[pm.Model, bool]:
    """The model at the rows of a table, and whether their response is known."""
    table = frame_of(new)
    own = y if y is not None else origin.response if origin.response in table.columns else None
    return model_at(origin, table, frozen, own), own is not None


def _labelled(found: xr.Dataset, origin: Origin) -> xr.Dataset:
    """Classes by their labels, and units and long names."""
    if origin.labels:
        labels = np.array(origin.labels)
        found = found.assign_coords({"class": labels})
        found["label"] = ("obs", labels[found["probability"].to_numpy().argmax(axis=1)])
    for name, words in WORDS.items():
        if name in found:
            found[name].attrs["long_name"] = words
    found.attrs |= {"variant": origin.variant, "response": origin.response}
    return found


WORDS = {
    "share": "prompt's share pi(x)",
    "shares": "share of the component",
    "means": "expected response of the component",
    "responsibilities": "probability that the row is the component's",
    "mean": "expected response",
    "prompt_mean": "expected response of the prompt",
    "frozen_mean": "expected response of the frozen expert",
    "lower": "lower end of the predictive interval",
    "upper": "upper end of the predictive interval",
    "probability": "predictive probability of the class",
    "prompt_probability": "the prompt's probability of the class",
    "label": "most probable class",
    "responsibility": "probability that the row is the prompt's",
    "log_score": "log predictive density (nats)",
    "frozen_log_score": "log f0(y|x) (nats)",
}
