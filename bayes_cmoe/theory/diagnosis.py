"""What a fit can tell: the prompt's distance from the frozen expert, and what stays confused."""

from collections.abc import Iterator

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import CHUNK
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.study.targets import combination
from bayes_cmoe.theory.information import Information
from bayes_cmoe.theory.scores import Columns, Scores, stacked_root

__all__ = ["diagnose"]

RESOLVED = 4.0
"""Standard errors of distance from which on the local theory, n^-1/2, is a fair description."""
CONFUSED = 0.95
DRAWS = 2**16
ALL, NONE = 1.0 - 2.0**-53, 2.0**-1000


def diagnose(model: pm.Model, tree: xr.DataTree | None = None, *, seed: int = 0) -> xr.Dataset:
    """What the data of a fitted contaminated model can and cannot tell.

    Parameters
    ----------
    model : pm.Model
        A contaminated model with its data.
    tree : xarray.DataTree, optional
        Its MAP estimate; fitted here when left out.
    seed : int
        Of the fit and of the draws for the Hellinger distance.

    Returns
    -------
    xarray.Dataset with ``estimate``, ``stderr`` and ``stderr_doubled`` (entry), the latter expected
    with twice the rows; ``correlation`` (entry, entry_) of the errors; ``hellinger``, the root of
    the average squared Hellinger distance between prompt and frozen expert over the rows, and
    ``hellinger_se``; ``distance``, the first in units of the second; ``frozen_distance``, the
    signed root of twice the gain in log-likelihood over the frozen expert alone; ``condition`` of
    the information scaled to unit diagonal. Attributes: ``status`` of the fit, ``confused`` (the
    pairs that the data do not tell apart), ``hardest`` and ``advice``, in words.

    Raises
    ------
    InputError
        When the model has no gate parameter ``lam`` or ``tau``, there are fewer rows than
        parameters, or the estimate has no prompt left (its share is zero).
    """
    layout = layout_of(model)
    if not {"lam", "tau"} & set(layout.names):
        raise InputError("the model has no gate (lam or tau): only contaminated models have a f0")
    columns = columns_of(model)
    rows = len(columns["x"])
    if rows < layout.size:
        raise InputError(f"{rows} rows for {layout.size} parameters: give more rows")
    posterior = Posterior(model)
    fitted = fit_map(model, seed=seed, posterior=posterior) if tree is None else tree
    engine = Scores(model, posterior.likelihood)
    point = fitted["point_estimate"]
    theta = layout.ravel({name: np.asarray(point[name]) for name in layout.names})
    found = _observed(engine, theta, columns)
    covariance = found.covariance / rows
    stderr = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(stderr, stderr)
    hellinger, error = _hellinger(engine, theta, columns, covariance, seed)
    gain = _gain_over_frozen(engine, theta, columns)
    distance = hellinger / error if error > 0 else np.nan
    judged = distance if np.isfinite(distance) else gain
    eigenvalues, eigenvectors = found.spectrum
    labels = list(layout.labels)
    status = str(fitted["optimizer_result"]["status"].item())
    at_edge = str(fitted["optimizer_result"].attrs.get("at_edge", ""))
    factor = 2.0**-0.5 if judged >= RESOLVED and status == "converged" else 2.0**-0.25
    return xr.Dataset(
        {
            "estimate": ("entry", theta),
            "stderr": ("entry", stderr),
            "stderr_doubled": ("entry", stderr * factor),
            "correlation": (("entry", "entry_"), correlation),
            "hellinger": hellinger,
            "hellinger_se": error,
            "distance": distance,
            "frozen_distance": gain,
            "condition": float(eigenvalues[-1] / eigenvalues[0]),
        },
        coords={"entry": labels, "entry_": labels},
        attrs={
            "n": rows,
            "status": status,
            "confused": _confused(labels, correlation),
            "hardest": combination(labels, eigenvectors[0]),
            "advice": _advice(judged, factor, status, at_edge),
        },
    )


def _observed(engine: Scores, theta: NDArray, columns: Columns) -> Information:
    rows = len(columns["x"])

    def parts() -> Iterator[NDArray]:
        for start in range(0, rows, CHUNK):
            piece = {name: column[start : start + CHUNK] for name, column in columns.items()}
            yield engine.at_rows(theta, piece)

    scores = list(engine.layout.labels)
    root, size = stacked_root(parts(), len(scores))
    silent = [label for label, s in zip(scores, size, strict=True) if not (np.isfinite(s) and s)]
    if silent:
        raise InputError(
            f"at the estimate the data say nothing about {', '.join(silent)}: "
            "the prompt has no share or equals the frozen expert; the frozen expert alone will do"
        )
    if np.min(np.abs(np.diag(root)) / size) < 1e-13:
        *_, right = np.linalg.svd(root / size)
        raise InputError(
            "at the estimate the information is singular along "
            f"{combination(scores, right[-1])}: leave a parameter out, or give other inputs"
        )
    return Information(engine.layout, theta, root, np.eye(len(scores))[None], rows)


def _with_share(layout: Layout, theta: NDArray, share: float) -> NDArray:
    """theta with the prompt's share near zero (NONE) or near one (ALL) at every x."""
    moved = theta.copy()
    if "lam" in layout.names:
        moved[layout.slices["lam"]] = share
    else:
        moved[layout.slices["beta"]] = 0.0
        moved[layout.slices["tau"]] = np.log(share) - np.log1p(-share)
    return moved


def _gain_over_frozen(engine: Scores, theta: NDArray, columns: Columns) -> float:
    rows = engine.likelihood.rows(columns)
    alone = engine.likelihood.value(_with_share(engine.layout, theta, NONE), rows)
    gain = engine.likelihood.value(theta, rows) - alone
    return float(np.sign(gain) * np.sqrt(2.0 * abs(gain)))


def _hellinger(
    engine: Scores, theta: NDArray, columns: Columns, covariance: NDArray, seed: int
) -> tuple[float, float]:
    """Root mean squared Hellinger distance of prompt and frozen expert, and its standard error.

    H² = E_f0 (sqrt(f/f0) - 1)² / 2, the error by the delta method; NaN when f0 cannot be drawn.
    """
    if "frozen_logp" in columns:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    pick = rng.integers(len(columns["x"]), size=DRAWS)
    known = {name: column[pick] for name, column in columns.items()}
    frozen, prompt = (_with_share(engine.layout, theta, share) for share in (NONE, ALL))
    known[engine.response] = engine.simulator.draw(frozen, known, rng)
    rows = engine.likelihood.rows(known)
    ratio = np.exp(
        0.5 * (engine.likelihood.logp(prompt, rows) - engine.likelihood.logp(frozen, rows))
    )
    squared = 0.5 * np.mean((ratio - 1.0) ** 2)
    scores = engine.likelihood.scores(prompt, rows)
    for name in ("lam", "beta", "tau"):
        if name in engine.layout.names:
            scores[:, engine.layout.slices[name]] = 0.0
    slope = 0.5 * np.mean(((ratio - 1.0) * ratio)[:, None] * scores, axis=0)
    distance = float(np.sqrt(squared))
    if not distance > 0:
        return 0.0, 0.0
    gradient = slope / (2.0 * distance)
    return distance, float(np.sqrt(gradient @ covariance @ gradient))


def _confused(labels: list[str], correlation: NDArray) -> list[str]:
    pairs = [
        (abs(correlation[i, j]), f"{labels[i]} and {labels[j]} ({correlation[i, j]:+.3f})")
        for i in range(len(labels))
        for j in range(i)
    ]
    return [words for strength, words in sorted(pairs, reverse=True) if strength > CONFUSED]


def _advice(distance: float, factor: float, status: str, at_edge: str) -> str:
    if at_edge:
        return (
            f"the estimate lies at the edge of the box in {at_edge}: the data do not bound it, and "
            "standard errors are not to be trusted: use a weak prior, fewer parameters or more rows"
        )
    if status != "converged":
        return (
            f"the fit's status is {status!r}, so standard errors are not to be trusted: "
            "use a weak prior, fewer parameters or more rows"
        )
    if distance >= RESOLVED:
        return (
            f"the prompt is {distance:.1f} standard errors from the frozen expert: twice the rows "
            f"make every error about {factor:.2f} times as large (n^-1/2)"
        )
    return (
        f"the prompt is only {distance:.1f} standard errors from the frozen expert: it is not "
        "resolved, standard errors are not to be trusted, and twice the rows may do no better than "
        f"{factor:.2f} times the error (n^-1/4)"
    )
