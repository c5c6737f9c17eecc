"""What a fit with one prompt learned, in words: each answer with the number that it rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.front.gained import gain
from bayes_cmoe.front.origin import Origin
from bayes_cmoe.theory.absence import TIED

__all__ = [
    "Answer",
    "answers_of_one",
    "apart_in_words",
    "difference",
    "presence",
    "prior_matters",
    "share_in_words",
    "telling",
    "titled",
]

LEVEL = 0.05
SENSITIVE = 0.05
"""Power-scaling index from which on a posterior moves with its prior (arXiv:2107.14054)."""
TENTH = 0.1
FEW = 4
"""Entries or pairs that are named; of more it is said how many."""
STANDINGS = {
    "spike": "too few rows for its parameters", "empty": "no prompt shows",
    "edge": "an estimate at the edge of its box",
    "unresolved": "too near the frozen model, or its share too near zero",
}  # fmt: skip
CONSTANT = 1e-9
"""Range of the shares below which a gate says of every row the same."""


@dataclass(frozen=True)
class Answer:
    """A question and what the fit says to it."""

    question: str
    answer: str


def answers_of_one(
    rows: xr.Dataset,
    posterior: xr.DataTree,
    origin: Origin,
    model: pm.Model,
    diagnosis: xr.Dataset,
    absence: xr.Dataset,
    sensitivity: pd.DataFrame,
    compiled: Posterior,
) -> tuple[Answer, ...]:
    """The answers, from what `bayes_cmoe.front.explanation.Explanation` holds."""
    return (
        Answer("Is there anything new at all?", presence(absence)),
        Answer("How much of the data is new, and where?", _share(rows, posterior, origin)),
        Answer("What does the prompt do that the frozen model does not?", difference(rows, model)),
        Answer("Does it predict better than the frozen model?", gain(posterior, rows, compiled)),
        Answer("How sure is that, and what cannot be told apart?", _certainty(diagnosis)),
        Answer("How many rows would halve the error?", _needed(diagnosis)),
        Answer("Does the prior matter?", prior_matters(sensitivity)),
    )


def presence(absence: xr.Dataset) -> str:
    """Whether there is a prompt at all, by the test of `bayes_cmoe.absence_test`."""
    ratio, pvalue = float(absence["ratio"]), float(absence["ratio_pvalue"])
    if not np.isfinite(pvalue):
        pvalue = float(absence["score_pvalue"])
        return (
            "f0 is known at these responses only, so that nothing can be drawn from it: the score "
            f"of a share at zero has the p-value {pvalue:.2g}."
        )
    drawn = absence.attrs["draws"]
    said = (
        f"The likelihood ratio of no prompt is {ratio:.1f}; in {drawn} data sets drawn from the "
        f"frozen model alone at these inputs it was so large in a share of {pvalue:.2g}."
    )
    if pvalue <= LEVEL and absence.attrs["tied"] > TIED:
        return (
            f"Yes, or the responses were rounded: {absence.attrs['tied']:.0%} of them are tied. "
            f"{said} Add to each a number by chance, up to half a step of their grid, and fit "
            "again."
        )
    if pvalue <= LEVEL:
        return f"Yes. {said}"
    return f"Not by these data. {said} What follows describes what may be noise."


def _share(rows: xr.Dataset, posterior: xr.DataTree, origin: Origin) -> str:
    n, own = rows.sizes["obs"], float(rows["responsibility"].mean())
    mean = float(rows["share"].mean())
    low, high = (float(rows[f"share_{end}"].mean()) for end in ("lower", "upper"))
    said = (
        f"About {own:.0%} of the {n} rows, {own * n:.0f}, are the prompt's. Its share is "
        f"{mean:.2f} on average (90 % interval of a row's share: {low:.2f} to {high:.2f} on "
        "average)."
    )
    x = posterior["constant_data"]["x"].to_numpy()
    return f"{said} {share_in_words(x, rows['share'].to_numpy(), origin.features)}"


def share_in_words(x: NDArray, share: NDArray, features: tuple[str, ...]) -> str:
    """Where a share is large, by the feature that it follows most."""
    if np.ptp(share) < CONSTANT:
        return "The gate is constant: it says of every row the same."
    place = telling(x, share)[0]
    order = np.argsort(x[:, place])
    few = max(1, int(TENTH * len(share)))
    ends = share[order[:few]].mean(), share[order[-few:]].mean()
    word = "rises" if ends[1] > ends[0] else "falls"
    return (
        f"It {word} with {features[place]}: {ends[0]:.2f} in the tenth of the rows where that is "
        f"least, {ends[1]:.2f} where it is most."
    )


def telling(x: NDArray, share: NDArray) -> list[int]:
    """Features by how closely the prompt's share follows them, the closest first.

    Parameters
    ----------
    x : array, shape (n, feature)
    share : array, shape (n,)
    """
    if np.ptp(share) < CONSTANT:
        return list(range(x.shape[1]))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [abs(np.corrcoef(column, share)[0, 1]) for column in x.T]
    return [int(place) for place in np.argsort(-np.nan_to_num(found), kind="stable")]


def difference(rows: xr.Dataset, model: pm.Model) -> str:
    """What the prompt expects beside the frozen model."""
    weight = rows["responsibility"].to_numpy()
    total = weight.sum()
    if not total > 0:
        return "Nothing that can be seen: no row is the prompt's."
    if "prompt_probability" in rows:
        return _class_difference(rows, model, weight / total)
    if "frozen_mean" not in rows:
        return (
            "f0 is known by its log-densities only, so what it expects is not known. The prompt "
            f"expects {float(np.sum(weight * rows['prompt_mean']) / total):.3g} on average on its "
            "rows."
        )
    apart = (rows["prompt_mean"] - rows["frozen_mean"]).to_numpy()
    return f"On its rows it expects {apart_in_words(apart, weight)}."


def apart_in_words(apart: NDArray, weight: NDArray) -> str:
    """How far an expectation is from the frozen model's, at rows with these weights."""
    mean = float(np.sum(weight * apart) / weight.sum())
    own = apart[weight > 0.5] if (weight > 0.5).any() else apart
    low, high = np.quantile(own, [0.05, 0.95])
    word = "more" if mean > 0 else "less"
    return (
        f"{abs(mean):.3g} {word} than the frozen model on average, from {low:+.3g} to {high:+.3g} "
        "(90 % of the rows that are more likely its own)"
    )


def _class_difference(rows: xr.Dataset, model: pm.Model, weight: NDArray) -> str:
    frozen = model["frozen_probs"].get_value() if "frozen_probs" in model.named_vars else None
    labels = rows["class"].to_numpy()
    own = weight @ rows["prompt_probability"].to_numpy()
    if frozen is None:
        best = int(np.argmax(own))
        return f"On its rows it expects {labels[best]} most, with probability {own[best]:.2f}."
    change = own - weight @ frozen
    most, least = int(np.argmax(change)), int(np.argmin(change))
    return (
        f"On its rows it expects {labels[most]} more often, {own[most]:.2f} in place of "
        f"{own[most] - change[most]:.2f}, and {labels[least]} less, {own[least]:.2f} in place of "
        f"{own[least] - change[least]:.2f}."
    )


def _certainty(diagnosis: xr.Dataset) -> str:
    confused = diagnosis.attrs["confused"]
    said = f"{titled(diagnosis.attrs['advice'])}."
    if not len(confused):
        return said
    more = f"; and {len(confused) - FEW} more pairs" if len(confused) > FEW + 1 else ""
    named = confused[:FEW] if more else confused
    return f"{said} The data hardly tell apart {'; '.join(named)}{more}."


def titled(words: str) -> str:
    """Words with a capital in front."""
    return f"{words[:1].upper()}{words[1:]}"


def _needed(diagnosis: xr.Dataset) -> str:
    standing = str(diagnosis.attrs["standing"])
    if standing != "local":
        return (
            "No promise can be made: theory is local only where the prompt is well resolved, and "
            f"here it is not ({STANDINGS.get(standing, standing)})."
        )
    return f"{4 * int(diagnosis.attrs['n'])}, four times as many: the errors fall as n^-1/2 here."


def prior_matters(sensitivity: pd.DataFrame) -> str:
    """Whether the prior moves the posterior, by power scaling."""
    moved = sensitivity[sensitivity["prior"].astype(float) > SENSITIVE]
    if moved.empty:
        return (
            "Hardly: a prior half or twice as strong moves no parameter noticeably (power scaling, "
            f"every index below {SENSITIVE})."
        )
    return (
        f"Yes, for {_moved(sensitivity, moved)}: a prior a little stronger or weaker moves the "
        f"posterior (power scaling, index above {SENSITIVE}). State a prior that you mean, or take "
        "more rows."
    )


def _moved(sensitivity: pd.DataFrame, moved: pd.DataFrame) -> str:
    """The entries that move with their index; of a parameter of many how many, and the largest."""
    owner = sensitivity.index.to_series().map(lambda name: str(name).partition("[")[0])
    said = []
    for name, own in moved.groupby(owner[moved.index], sort=False):
        index = own["prior"].astype(float)
        if len(own) <= FEW:
            said += [f"{entry} ({value:.2f})" for entry, value in index.items()]
        else:
            every = int((owner == name).sum())
            count = "all" if len(own) == every else f"{len(own)} of the"
            said.append(f"{count} {every} entries of {name} (up to {index.max():.2f})")
    return ", ".join(said)
