"""What a fit learned, in words: one answer a question, each with the number that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import arviz as az
import pandas as pd
import pymc as pm
import xarray as xr

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.nested import fit_nested
from bayes_cmoe.front.answers import Answer, answers_of_one
from bayes_cmoe.front.answers_of_several import answers_of_several
from bayes_cmoe.front.origin import model_of, origin_of
from bayes_cmoe.front.predict import predict
from bayes_cmoe.parts.rebuilt import with_fewer_prompts, with_one_prompt
from bayes_cmoe.theory.absence import absence_test
from bayes_cmoe.theory.diagnosis import diagnose

__all__ = ["DRAWN", "Explanation", "explanation"]

DRAWN = 99
"""Data sets drawn without a prompt, to say whether there is one."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a fit learned.

    Parameters
    ----------
    tree : DataTree
        The fit.
    rows : Dataset
        Its predictions at its own rows; see `bayes_cmoe.predict`.
    posterior : DataTree
        The posterior that the answers rest on: the fit's own, or nested Laplace's where the fit is
        a point.
    diagnosis : Dataset, optional
        Of `bayes_cmoe.theory.diagnose`, which speaks of one prompt; None of several.
    absence : Dataset
        Of `bayes_cmoe.absence_test`, of one prompt against none.
    sensitivity : DataFrame
        Of `az.psense_summary`.
    answers : tuple of Answer
    """

    tree: xr.DataTree
    rows: xr.Dataset
    posterior: xr.DataTree
    diagnosis: xr.Dataset | None
    absence: xr.Dataset
    sensitivity: pd.DataFrame
    answers: tuple[Answer, ...]

    def __repr__(self) -> str:
        first = self.answers[0]
        return f"Explanation({self.rows.sizes['obs']} rows. {first.question} {first.answer})"

    def __str__(self) -> str:
        return "\n\n".join(f"{own.question}\n{own.answer}" for own in self.answers)

    def _repr_html_(self) -> str:
        own = "".join(
            f"<dt><b>{escape(one.question)}</b></dt><dd>{escape(one.answer)}</dd>"
            for one in self.answers
        )
        return f"<dl>{own}</dl>"


def explanation(tree: xr.DataTree, *, draws: int = DRAWN, seed: int = 0) -> Explanation:
    """What a fit learned, and what it cannot know.

    Parameters
    ----------
    tree : DataTree
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``.
    draws : int
        Data sets drawn from the frozen expert alone, to test whether there is a prompt.
    seed : int

    Returns
    -------
    Explanation
        Shows itself in a terminal and in a notebook.

    Raises
    ------
    InputError
        When the fit does not say how it was made, or is not beside a frozen model.
    """
    origin = origin_of(tree)
    if not origin.beside_frozen:
        raise InputError(
            f"{origin.variant} has no frozen model, and explanations are of prompts beside one: "
            "predict says what each expert does"
        )
    model = model_of(tree)
    compiled = Posterior(model)
    posterior = _posterior(tree, model, compiled, seed)
    rows = predict(posterior, seed=seed)
    sensitivity = az.psense_summary(posterior)
    if origin.prompts > 1:
        less = with_fewer_prompts(model)
        if less is None:
            raise InputError(
                "the prior gives each prompt one of its own, so that none can be left out: fit "
                "with the same for all"
            )
        fewer = fit_nested(less, seed=seed, log_likelihood=True)
        # Whether there is a first prompt is asked of a model with one.
        absence = absence_test(with_one_prompt(less), draws=draws, seed=seed)
        answers = answers_of_several(
            rows, posterior, fewer, origin.features, model, absence, sensitivity
        )
        return Explanation(tree, rows, posterior, None, absence, sensitivity, answers)
    diagnosis = diagnose(model, tree, seed=seed, posterior=compiled)
    absence = absence_test(model, draws=draws, seed=seed, posterior=compiled)
    answers = answers_of_one(rows, posterior, origin, model, diagnosis, absence, sensitivity)
    return Explanation(tree, rows, posterior, diagnosis, absence, sensitivity, answers)


def _posterior(tree: xr.DataTree, model: pm.Model, compiled: Posterior, seed: int) -> xr.DataTree:
    """The fit's own draws with what sensitivity asks for, or those of nested Laplace."""
    if {"log_likelihood", "log_prior"} <= set(tree.children) and tree["posterior"].sizes[
        "draw"
    ] > 1:
        return tree
    start = tree if "starts" in tree.children else None
    found = fit_nested(model, seed=seed, log_likelihood=True, start=start, posterior=compiled)
    found.attrs = {**tree.attrs, **found.attrs}
    return found
