"""What a fit can tell: the prompt's distance from the frozen expert, and what stays confused."""

import numpy as np
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import CHUNK, blocked_sum, in_parts
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.compiled.replicas import Replicas
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.parts.parameter import Role
from bayes_cmoe.study.targets import EXPERT, combination, targets_of
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.fitted import fitted_moduli
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.null_law import NullLaw, null_law
from bayes_cmoe.theory.scores import Scores, stacked_root
from bayes_cmoe.theory.standing import Evidence, modulus_words, standing_of

__all__ = ["diagnose"]

CONFUSED = 0.95
DRAWS = 2**16


def diagnose(
    model: pm.Model,
    tree: xr.DataTree | None = None,
    *,
    seed: int = 0,
    posterior: Posterior | None = None,
    null: NullLaw | None = None,
) -> xr.Dataset:
    """What the data of a fitted contaminated model can and cannot tell.

    Parameters
    ----------
    model : pm.Model
        A contaminated model with its data.
    tree : xarray.DataTree, optional
        Its MAP estimate; fitted here when left out.
    seed : int
        Of the fit and of all draws.
    posterior : Posterior, optional
        The model compiled already.
    null : NullLaw, optional
        A test of no prompt on these data that was made already.

    Returns
    -------
    xarray.Dataset with ``estimate``, ``stderr`` and ``stderr_doubled`` (entry), the latter expected
    with twice the rows and NaN where the local theory makes no promise; ``correlation`` (entry,
    entry_) of the errors; ``modulus`` and ``modulus_doubled`` (target), where the standing is
    ``unresolved`` and a modulus of continuity can be computed at the estimate, else NaN;
    ``hellinger``, the root of the average squared Hellinger distance between prompt and frozen
    expert over the rows, and ``hellinger_se``; ``distance``, the first in units of the second;
    ``resolution``, the prompt's mean share in units of its standard error; ``frozen_distance``, the
    signed root of twice the gain in log-likelihood over the frozen expert alone, *not* a standard
    normal without a prompt (the best of many spikes reaches 4 then); ``null_statistic`` with its
    own law, ``null_quantile`` and ``null_pvalue``, of
    `bayes_cmoe.theory.null_law` and named by the attribute ``null_test``; ``prompt_rows``, on how
    many rows the prompt rests; ``condition`` of the information scaled to unit diagonal.
    Attributes: ``status`` of the fit, ``standing`` (see
    `bayes_cmoe.theory.standing`), ``confused`` (the pairs that the data do not tell apart),
    ``hardest`` and ``advice``, in words.

    Raises
    ------
    InputError
        When the model is no contaminated mixture or has several prompts, or there are fewer rows
        than parameters.
    """
    layout = layout_of(model)
    measured = targets_of(model, layout)
    if measured.mixture.prompts > 1:
        raise InputError(
            f"diagnose speaks of one prompt and the model has {measured.mixture.prompts}: give a "
            "model with one, or look at the responsibilities of the fit"
        )
    columns = columns_of(model)
    rows = len(columns["x"])
    if rows < layout.size:
        raise InputError(f"{rows} rows for {layout.size} parameters: give more rows")
    compiled = Posterior(model) if posterior is None else posterior
    fitted = fit_map(model, seed=seed, posterior=compiled) if tree is None else tree
    engine, components = Scores(model, compiled.likelihood), Components(model)
    point, search = fitted["point_estimate"], fitted["optimizer_result"]
    theta = layout.ravel({name: np.asarray(point[name]) for name in layout.names})
    drawable = "frozen_logp" not in columns
    parts = components.at(theta)
    found, singular = _observed(engine, theta, columns)
    covariance = np.full((layout.size, layout.size), np.nan)
    if found is not None:
        covariance = found.covariance / rows
    stderr = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(stderr, stderr)
    hellinger, error = np.nan, np.nan
    if drawable:
        hellinger, error = _hellinger(engine, components, theta, columns, covariance, seed)
    log_gain = engine.likelihood.value(theta, components.rows()) - float(np.sum(parts.frozen))

    def frozen(known: Columns, rng: np.random.Generator) -> Columns:
        return {**known, engine.response: engine.simulator.draw(theta, known, rng, 0)}

    if null is None:
        replicas = Replicas(compiled, components)
        null = null_law(replicas, columns, frozen if drawable else None, seed)
    evidence = Evidence(
        status=str(search["status"].item()),
        at_edge=str(search.attrs.get("at_edge", "")),
        singular=singular,
        gain=float(np.sign(log_gain) * np.sqrt(2.0 * abs(log_gain))),
        null=null,
        prompt_rows=float(np.sum(parts.responsibility)),
        prompt_parameters=len(measured.expert_entries),
        has_scale=bool(measured.mixture.names(Role.SCALE)),
        distance=hellinger / error if error > 0 else np.nan,
        resolution=_resolution(components, compiled, theta, covariance),
    )
    standing = standing_of(evidence)
    targets = [measured.share, EXPERT]
    moduli, advice = np.full((2, 2), np.nan), standing.advice
    factor = 0.5**0.5 if standing.name == "local" else np.nan
    if standing.name == "unresolved":
        moduli, words = _instead(compiled, engine, theta, columns, seed)
        advice = f"{advice}; {words}"
    labels = list(layout.labels)
    hardest, condition = "", np.nan
    if found is not None:
        eigenvalues, eigenvectors = found.spectrum
        hardest = combination(labels, eigenvectors[0])
        condition = float(eigenvalues[-1] / eigenvalues[0])
    return xr.Dataset(
        {
            "estimate": ("entry", theta),
            "stderr": ("entry", stderr),
            "stderr_doubled": ("entry", stderr * factor),
            "correlation": (("entry", "entry_"), correlation),
            "modulus": ("target", moduli[:, 0]),
            "modulus_doubled": ("target", moduli[:, 1]),
            "hellinger": hellinger,
            "hellinger_se": error,
            "distance": evidence.distance,
            "resolution": evidence.resolution,
            "frozen_distance": evidence.gain,
            "null_quantile": evidence.null.quantile,
            "null_statistic": evidence.null.statistic,
            "null_pvalue": evidence.null.pvalue,
            "prompt_rows": evidence.prompt_rows,
            "condition": condition,
        },
        coords={"entry": labels, "entry_": labels, "target": targets},
        attrs={
            "n": rows,
            "status": evidence.status,
            "standing": standing.name,
            "confused": _confused(labels, correlation),
            "hardest": hardest,
            "null_test": evidence.null.kind,
            "advice": advice,
        },
    )


def _instead(
    posterior: Posterior, engine: Scores, theta: NDArray, columns: Columns, seed: int
) -> tuple[NDArray, str]:
    """Moduli (target, size) at the rows at hand and at twice as many, and what they say."""
    none = np.full((2, 2), np.nan)
    if "frozen_logp" in columns:
        return none, "nor anything else, because f0 is known at the rows' own responses only"
    if not np.isfinite(posterior.upper - posterior.lower).all():
        return none, "nor anything else under a prior without edges: the flat prior has a modulus"
    rows = len(columns["x"])
    coords = posterior.model.coords
    classes = len(coords["class"]) if "class" in coords else None
    found = fitted_moduli(
        posterior, engine, theta, columns, (rows, 2 * rows), classes=classes, seed=seed
    )
    moduli = np.array(list(found.values()))
    return moduli, modulus_words(found)


def _resolution(
    components: Components, posterior: Posterior, theta: NDArray, covariance: NDArray
) -> float:
    """The mean share over the rows in units of its standard error, by the delta method."""
    gradient = np.zeros(len(theta))
    for i, value in enumerate(theta):
        step = 1e-5 * max(abs(value), 1e-3)
        ends = np.clip([value - step, value + step], posterior.lower[i], posterior.upper[i])
        shares = []
        for end in ends:
            moved = theta.copy()
            moved[i] = end
            shares.append(np.mean(components.at(moved).share))
        gradient[i] = (shares[1] - shares[0]) / (ends[1] - ends[0])
    variance = gradient @ covariance @ gradient
    share = float(np.mean(components.at(theta).share))
    return share / float(np.sqrt(variance)) if variance > 0 else np.nan


def _observed(engine: Scores, theta: NDArray, columns: Columns) -> tuple[Information | None, str]:
    """The information of the rows, or none and why it has no inverse."""
    rows = len(columns["x"])
    parts = (engine.at_rows(theta, piece) for piece in in_parts(columns, CHUNK))
    scores = list(engine.layout.labels)
    root, size = stacked_root(parts, len(scores))
    silent = [label for label, s in zip(scores, size, strict=True) if not (np.isfinite(s) and s)]
    if silent:
        return None, (
            f"at the estimate the data say nothing about {', '.join(silent)}: "
            "the prompt has no share or equals the frozen expert"
        )
    if np.min(np.abs(np.diag(root)) / size) < 1e-13:
        *_, right = np.linalg.svd(root / size)
        return None, (
            "at the estimate the information is singular along "
            f"{combination(scores, right[-1])}: leave a parameter out, or give other inputs"
        )
    return Information(engine.layout, theta, root, np.eye(len(scores))[None], rows), ""


def _hellinger(
    engine: Scores,
    components: Components,
    theta: NDArray,
    columns: Columns,
    covariance: NDArray,
    seed: int,
) -> tuple[float, float]:
    """Root mean squared Hellinger distance of prompt and frozen expert, and its standard error.

    H² = E_f0 (sqrt(f/f0) - 1)² / 2, the error by the delta method.
    """
    rng = np.random.default_rng(seed)
    pick = rng.integers(len(columns["x"]), size=DRAWS)
    known = {name: column[pick] for name, column in columns.items()}
    known[engine.response] = engine.simulator.draw(theta, known, rng, 0)
    rows = engine.likelihood.rows(known)

    def square(at: Array, drawn: list[Array], weights: Array) -> Array:
        parts = components.block(at, drawn)
        # Where the prompt has no density its ratio is zero, and so is its slope.
        has = (weights > 0) & jnp.isfinite(parts.prompt)
        ratio = jnp.where(has, jnp.exp(0.5 * jnp.where(has, parts.prompt - parts.frozen, 0.0)), 0.0)
        return jnp.sum(jnp.where(weights > 0, 0.5 * (ratio - 1.0) ** 2, 0.0))

    # By derivatives, not differences: a prompt of many logits has a hundred entries.
    total = blocked_sum(jax.value_and_grad(square), lambda: None)
    squared, slope = (np.asarray(part) / DRAWS for part in total(theta, rows))
    if not squared > 0:
        return 0.0, 0.0
    here = float(np.sqrt(squared))
    entries = np.isin(np.arange(len(theta)), engine.targets.expert_entries)
    gradient = np.where(entries, slope, 0.0) / (2.0 * here)
    return here, float(np.sqrt(gradient @ covariance @ gradient))


def _confused(labels: list[str], correlation: NDArray) -> list[str]:
    pairs = [
        (abs(correlation[i, j]), f"{labels[i]} and {labels[j]} ({correlation[i, j]:+.3f})")
        for i in range(len(labels))
        for j in range(i)
    ]
    return [words for strength, words in sorted(pairs, reverse=True) if strength > CONFUSED]
