"""Which rows next: what the response of each candidate would add to what a fit knows.

A fit knows its parameters with covariance V, the inverse of minus the Hessian of the log posterior.
One more row at x adds I(x), its expected information. The variance of a target psi, with derivative
D, is then tr D (V^-1 + I(x))^-1 D', which is less than tr D V D' by tr D V I(x) V D' to first
order. A batch is chosen one row after the other, each given those before, so that it is not the
same row many times over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.shown import Shown
from bayes_cmoe.study.targets import Targets, combination
from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.expected import check_drawable, row_information
from bayes_cmoe.theory.functions import (
    FUNCTION,
    SHARE,
    check_errors,
    expert_function,
    function_slopes,
    mean_share,
)
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores

__all__ = ["NextRows", "next_rows_of", "ranked"]

MOST = 1000
"""Rows of a batch."""


class NextRows(Shown, xr.Dataset):
    """What `bayes_cmoe.next_rows` returns: an xarray.Dataset that shows which rows to ask for."""

    __slots__ = ()

    def shown(self) -> dict[str, Any]:
        """The target, the best rows, and its standard error before and after them."""
        after = self["standard_error"].to_numpy()
        own = self.attrs
        rows = shortened(", ".join(str(row) for row in self["chosen"].to_numpy()), 50)
        return {
            "parameter": own["parameter"],
            "candidates": self.sizes["obs"],
            "next": f"rows {rows}",
            "standard_error": f"{own['standard_error']:.4g} to {after[-1]:.4g}",
        }


def next_rows_of(
    model: pm.Model,
    tree: xr.DataTree,
    candidates: Columns,
    *,
    parameter: str | None = None,
    wanted: Mapping[str, float] | None = None,
    rows: int = 10,
    seed: int = 0,
) -> NextRows:
    """Candidates ranked by what their responses would add to a fit.

    Parameters
    ----------
    model : pm.Model
        A contaminated model with the data that the fit is of.
    tree : DataTree
        The fit.
    candidates : dict of str to array
        ``x`` and the frozen expert's columns, n rows.
    parameter, wanted, rows, seed
        As of `bayes_cmoe.next_rows`.

    Returns
    -------
    NextRows

    Raises
    ------
    InputError
        When the fit promises nothing (its prompt is a spike, merged, empty or at an edge), the
        target is unknown, or f0 cannot be drawn from.
    """
    if not 1 <= rows <= MOST:
        raise InputError(f"{rows} rows: give a number from 1 to {MOST}")
    check_drawable(candidates)
    posterior = Posterior(model)
    engine = Scores(model, posterior.likelihood)
    point = tree["point_estimate"]
    theta = engine.layout.ravel({name: np.asarray(point[name]) for name in engine.layout.names})
    _check_named([*engine.targets.components, SHARE, FUNCTION], parameter, wanted)
    standing = diagnose(model, tree, seed=seed, posterior=posterior)
    if standing.attrs["standing"] != "local":
        raise InputError(
            f"no row can be said to be the best next one: the fit is not resolved, and what one "
            f"more row adds is known about a resolved one only: {standing.attrs['advice']}"
        )
    columns = columns_of(model)
    covariance = _covariance(posterior, columns, theta)
    names = [parameter or FUNCTION] if wanted is None else list(wanted)
    components = Components(model)
    jacobians = {n: _jacobian(engine.targets, components, columns, n, theta) for n in names}
    name = _binding(jacobians, covariance, wanted)
    jacobian = jacobians[name]
    classes = len(model.coords["class"]) if "class" in model.coords else None
    information = row_information(engine, theta, candidates, classes)
    found = ranked(covariance, information, jacobian, rows)
    scale = 1.0 / np.sqrt(np.diag(covariance))
    left, *_ = np.linalg.svd((covariance @ jacobian.T) * scale[:, None])
    direction = left[:, 0] * np.sign(left[np.argmax(np.abs(left[:, 0])), 0])
    found.attrs |= {
        "parameter": name,
        "binding": combination(list(engine.layout.labels), direction),
        "standing": standing.attrs["standing"],
        "seed": seed,
    }
    return found


def ranked(covariance: NDArray, information: NDArray, jacobian: NDArray, rows: int) -> NextRows:
    """Candidates ranked for one target, and a batch of them chosen greedily.

    Parameters
    ----------
    covariance : array, shape (parameter, parameter)
        V.
    information : array, shape (n, parameter, parameter)
        I(x) of each candidate.
    jacobian : array, shape (component, parameter)
        D, the target's derivative.
    rows : int
        Size of the batch; all candidates where these are fewer.

    Returns
    -------
    NextRows over ``obs``: ``gain``, tr D V D' - tr D (V^-1 + I)^-1 D'; ``first_order``,
    tr D V I V D'; ``rank`` by the gain from 1; ``batch``, the place in the batch from 1, or 0. Over
    ``place``: ``chosen``, the candidate; and ``standard_error`` of the target with that many.
    Attributes ``variance`` and ``standard_error`` of the target as the fit has them.

    Examples
    --------
    >>> twice = np.array([[[3.0]], [[8.0]]])
    >>> found = ranked(np.eye(1), twice, np.eye(1), rows=2)
    >>> found["gain"].values.round(3), found["chosen"].values
    (array([0.75 , 0.889]), array([1, 0]))
    """
    root = np.linalg.cholesky(covariance)
    moved = jacobian @ root
    # In coordinates in which the fit's covariance is one: L' I L.
    white = root.T @ information @ root
    first = np.einsum("kp,npq,kq->n", moved, white, moved, optimize=True)
    before = float(np.sum(moved**2))
    gain = _gains(moved, white)
    order = np.argsort(-gain, kind="stable")
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(1, len(order) + 1)
    batch, after = np.zeros(len(order), dtype=int), []
    chosen: list[int] = []
    variance, current = before, gain
    free = np.ones(len(order), dtype=bool)
    for place in range(1, min(rows, len(order)) + 1):
        best = int(np.argmax(np.where(free, current, -np.inf)))
        chosen.append(best)
        batch[best], free[best] = place, False
        variance -= float(current[best])
        after.append(max(variance, 0.0) ** 0.5)
        factor = np.linalg.cholesky(np.eye(len(root)) + white[best])
        inverse = np.linalg.inv(factor)
        moved, white = moved @ inverse.T, inverse @ white @ inverse.T
        current = _gains(moved, white)
    return NextRows(
        {
            "gain": ("obs", gain),
            "first_order": ("obs", first),
            "rank": ("obs", rank),
            "batch": ("obs", batch),
            "chosen": ("place", chosen),
            "standard_error": ("place", after),
        },
        coords={"obs": np.arange(len(order)), "place": np.arange(1, len(chosen) + 1)},
        attrs={"variance": before, "standard_error": before**0.5},
    )


def _gains(moved: NDArray, white: NDArray) -> NDArray:
    """tr G A (1 + A)^-1 G' for each A: what is lost of tr G G', without a difference; (n,)"""
    right = np.linalg.solve(np.eye(white.shape[-1]) + white, white @ moved.T)
    return np.einsum("kp,npk->n", moved, right)


def _covariance(posterior: Posterior, columns: Columns, theta: NDArray) -> NDArray:
    """The inverse of minus the Hessian of the log posterior at theta."""
    likelihood = posterior.likelihood
    prior = np.asarray(posterior.prior_derivatives(theta)[2])
    curvature = -(likelihood.hessian(theta, likelihood.rows(columns)) + prior)
    size = np.sqrt(np.abs(np.diag(curvature)))
    scaled = curvature / np.outer(size, size)
    if not (np.isfinite(scaled).all() and np.linalg.eigvalsh(scaled)[0] > 0):
        raise InputError(
            "the fit's log posterior has no maximum at the estimate, so it has no standard errors: "
            "fit again with more starts, or under a weak prior"
        )
    inverse = np.linalg.inv(scaled)
    found: NDArray = 0.5 * (inverse + inverse.T) / np.outer(size, size)
    return found


def _check_named(
    known: list[str], parameter: str | None, wanted: Mapping[str, float] | None
) -> None:
    if parameter is not None and wanted is not None:
        raise InputError("a target and wanted errors are given: give one of them")
    if wanted is not None and not wanted:
        raise InputError("no wanted error is given: name at least one target")
    for name in [parameter] if parameter is not None else list(wanted or {}):
        choose("parameter", name, known)
    check_errors(wanted or {})


def _jacobian(
    targets: Targets, components: Components, columns: Columns, name: str, theta: NDArray
) -> NDArray:
    """The derivative of a target at the fit's own rows, shape (component, parameter)."""
    if name not in (SHARE, FUNCTION) or name in targets.components:
        return targets.jacobian(name, theta)
    if name == SHARE:
        return mean_share(components, columns).jacobian(theta)
    function = expert_function(targets.layout, targets.mixture.expert, columns["x"])
    return function_slopes(function, components, columns, theta)[0]


def _binding(
    jacobians: Mapping[str, NDArray], covariance: NDArray, wanted: Mapping[str, float] | None
) -> str:
    """The target whose standard error is the most of what is wished."""
    wishes = dict.fromkeys(jacobians, 1.0) if wanted is None else wanted

    def ratio(name: str) -> float:
        own = jacobians[name]
        return float(np.sqrt(np.trace(own @ covariance @ own.T))) / wishes[name]

    return max(jacobians, key=ratio)
