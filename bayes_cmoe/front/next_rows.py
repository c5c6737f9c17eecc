"""Which rows of a table to ask a response for, given a fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.errors import InputError
from bayes_cmoe.front.at_rows import model_at
from bayes_cmoe.front.origin import model_of, origin_of
from bayes_cmoe.front.tables import frame_of
from bayes_cmoe.parts.frozen import NO_FROZEN
from bayes_cmoe.theory.next_rows import NextRows, next_rows_of

__all__ = ["next_rows"]


def next_rows(
    tree: xr.DataTree,
    candidates: Any,
    *,
    parameter: str | None = None,
    wanted: Mapping[str, float] | None = None,
    rows: int = 10,
    frozen: Any = None,
    seed: int = 0,
) -> NextRows:
    """Which rows to ask a response for next.

        gain(x) = tr D V D' - tr D (V^-1 + I(x))^-1 D'

    V is the covariance of the fit's parameters (the inverse of minus the Hessian of the log
    posterior), D the target's derivative, I(x) = E[s s' | x] the expected information of a row at x
    under the fit: by how much the target's variance falls when the response at x is known. To first
    order that is tr D V I(x) V D'.

    Parameters
    ----------
    tree : DataTree
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``, with one prompt.
    candidates : table
        Inputs without a response, as for `bayes_cmoe.fit`.
    parameter : str, optional
        What is to be known better: ``function``, the prompt's function over its own rows (weights
        pi(x) at the fit's rows), in units of y; ``share``, the mean of pi(x); a parameter, one
        entry such as ``a[x1]``, or ``expert``, all of the prompt's parameters together. The
        function when left out.
    wanted : mapping of str to float, optional
        Wanted standard errors, in place of `parameter`: the target whose standard error is the most
        of its wish is the one that counts.
    rows : int
        Size of the batch, in which each row is chosen given those before it; 1000 at most.
    frozen : optional
        The frozen model at the candidates, where it was not stated by columns.
    seed : int
        Of the fit's diagnosis.

    Returns
    -------
    NextRows, an xarray.Dataset
        Over ``obs``, in the order of the candidates: ``gain`` and ``first_order`` (squared units of
        the target), ``rank`` from 1, ``batch`` (place in the batch from 1; 0 outside). Over
        ``place``: ``chosen`` (candidate, counted from 0) and the target's ``standard_error`` with
        the batch so far. Attributes ``parameter``, ``standard_error`` without them, ``binding``
        (the direction along which the target is hardest to learn, in words).

    Raises
    ------
    InputError
        When the fit is not resolved (a spike, merged, empty, at an edge), so that no row can be
        promised to help; when a column is missing, a target unknown, or f0 known by its
        log-densities only.

    References
    ----------
    Chaloner and Verdinelli (1995), doi:10.1214/ss/1177009939 (Bayesian A- and c-optimality).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from bayes_cmoe import fit, next_rows
    >>> rng = np.random.default_rng(1)
    >>> x = rng.uniform(-2.0, 2.0, 400)
    >>> y = np.where(rng.random(400) < 0.4, 1.0 - x, 2.0 * x) + rng.normal(0.0, 0.3, 400)
    >>> frozen = lambda rows: 2.0 * rows["dose"]
    >>> table = pd.DataFrame({"dose": x, "effect": y})
    >>> tree = fit(table, y="effect", frozen=frozen, expert="linear")
    >>> found = next_rows(tree, {"dose": [0.3, 5.0]}, parameter="a", rows=1, frozen=frozen)
    >>> found["chosen"].values, found["rank"].values
    (array([1]), array([2, 1]))
    """
    origin = origin_of(tree)
    if origin.family == NO_FROZEN.family.name:
        raise InputError(
            f"{origin.variant} has no frozen model, and next rows are of a prompt beside one: fit "
            "a contaminated variant"
        )
    columns = columns_of(model_at(origin, frame_of(candidates), frozen))
    return next_rows_of(
        model_of(tree), tree, columns, parameter=parameter, wanted=wanted, rows=rows, seed=seed
    )
