"""What a fit with several prompts learned, in words.

The theory of one prompt (`bayes_cmoe.theory.diagnose`) does not speak of several: what is sure is
read off the posterior's draws.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import layout_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.draws import thinned_draws
from bayes_cmoe.front.answers import (
    Answer,
    apart_in_words,
    difference,
    presence,
    prior_matters,
    share_in_words,
    titled,
)
from bayes_cmoe.front.gained import better, doubt, gain, left_out
from bayes_cmoe.theory.standing import LOCAL_SHARE

__all__ = ["answers_of_several"]

DRAWS = 400
"""Of the posterior, to find what is told apart."""
CONFUSED = 0.95
"""Correlation from which on two entries are hardly told apart."""


def answers_of_several(
    rows: xr.Dataset,
    posterior: xr.DataTree,
    fewer: xr.DataTree,
    features: tuple[str, ...],
    model: pm.Model,
    absence: xr.Dataset,
    sensitivity: pd.DataFrame,
    compiled: Posterior,
) -> tuple[Answer, ...]:
    """The answers to the same questions, each prompt's by itself.

    Parameters
    ----------
    rows, posterior, model, absence, sensitivity
        As `bayes_cmoe.front.explanation.Explanation` holds them; `absence` is of a single prompt.
    fewer : DataTree
        A posterior with one prompt less.
    features : tuple of str
    compiled : Posterior
        The model, compiled.
    """
    layout = layout_of(model)
    drawn = thinned_draws(layout, posterior, DRAWS)
    resolution = _resolution(model, drawn)
    n, x = rows.sizes["obs"], posterior["constant_data"]["x"].to_numpy()
    return (
        Answer("Is there anything new at all?", presence(absence)),
        Answer("Are all prompts needed?", _needed_prompts(posterior, fewer)),
        Answer("How much of the data is new, and where?", _shares(rows, x, features)),
        Answer("What do the prompts do that the frozen model does not?", _differences(rows, model)),
        Answer("Do they predict better than the frozen model?", gain(posterior, rows, compiled)),
        Answer(
            "How sure is that, and what cannot be told apart?",
            _certainty(resolution, drawn, list(layout.labels)),
        ),
        Answer("How many rows would halve the error?", _needed_rows(resolution, n)),
        Answer("Does the prior matter?", prior_matters(sensitivity)),
    )


def _resolution(model: pm.Model, drawn: NDArray) -> NDArray:
    """Each prompt's mean share in units of its posterior spread, shape (prompt,)."""
    components = Components(model)
    rows = components.rows()
    shares = np.array([components.at(one, rows).shares[:, 1:].mean(axis=0) for one in drawn])
    spread = shares.std(axis=0)
    found: NDArray = shares.mean(axis=0) / np.where(spread > 0, spread, np.inf)
    return found


def _needed_prompts(posterior: xr.DataTree, fewer: xr.DataTree) -> str:
    (each, khat), (other, khat_of_fewer) = left_out(posterior), left_out(fewer)
    gained = each - other
    error = float(np.sqrt(len(gained)) * gained.std(ddof=1))
    said = "Yes" if gained.sum() > 2 * error else "Not by these data"
    found = f"{better(gained, 'with one prompt less')}{doubt(khat or khat_of_fewer)}"
    return f"{said}. Leaving out one row at a time, prediction is {found}."


def _shares(rows: xr.Dataset, x: NDArray, features: tuple[str, ...]) -> str:
    n, own = rows.sizes["obs"], float(rows["responsibility"].mean())
    said = [f"About {own:.0%} of the {n} rows, {own * n:.0f}, are the prompts' together."]
    for name in rows["component"].to_numpy()[1:]:
        part = rows.sel(component=name)
        mean = float(part["responsibilities"].mean())
        low, high = (float(part[f"shares_{end}"].mean()) for end in ("lower", "upper"))
        where = share_in_words(x, part["shares"].to_numpy(), features)
        said.append(
            f"{titled(name)} has {mean:.0%}; its share is {float(part['shares'].mean()):.2f} on "
            f"average (90 % interval of a row's share: {low:.2f} to {high:.2f} on average). {where}"
        )
    return " ".join(said)


def _differences(rows: xr.Dataset, model: pm.Model) -> str:
    if "frozen_mean" not in rows:
        return difference(rows, model)
    said = []
    for name in rows["component"].to_numpy()[1:]:
        part = rows.sel(component=name)
        weight = part["responsibilities"].to_numpy()
        if not weight.sum() > 0:
            said.append(f"{titled(name)} has no row.")
            continue
        apart = (part["means"] - part["frozen_mean"]).to_numpy()
        said.append(f"On its rows {name} expects {apart_in_words(apart, weight)}.")
    return " ".join(said)


def _certainty(resolution: NDArray, drawn: NDArray, labels: list[str]) -> str:
    times = ", ".join(f"of prompt {j} {value:.1f}" for j, value in enumerate(resolution))
    said = f"The mean share in units of its posterior spread is {times}."
    weak = [f"prompt {j}" for j, value in enumerate(resolution) if value < LOCAL_SHARE]
    if weak:
        said += f" Below {LOCAL_SHARE:g} a prompt may be nothing: {', '.join(weak)}."
    confused = _confused(drawn, labels)
    if confused:
        said += f" The data hardly tell apart {'; '.join(confused)}."
    return said


def _confused(drawn: NDArray, labels: list[str]) -> list[str]:
    """Pairs of entries that the posterior moves together."""
    moving = np.flatnonzero(drawn.std(axis=0) > 0)
    correlation = np.atleast_2d(np.corrcoef(drawn[:, moving], rowvar=False))
    return [
        f"{labels[moving[i]]} and {labels[moving[j]]}"
        for i, j in zip(*np.nonzero(np.triu(np.abs(correlation) > CONFUSED, 1)), strict=True)
    ]


def _needed_rows(resolution: NDArray, n: int) -> str:
    if np.all(resolution >= LOCAL_SHARE):
        return f"{4 * n}, four times as many: the errors fall as n^-1/2 where all are resolved."
    return (
        "No promise can be made: theory is local only where every prompt is well resolved, and "
        "here one is not."
    )
