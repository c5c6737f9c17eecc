"""What a fit learned, in words: one answer a question, each with the number that it rests on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.chosen import fit_by
from bayes_cmoe.estimate.diagnostics import SamplingWarning
from bayes_cmoe.estimate.nested import fit_nested
from bayes_cmoe.front.answers import Answer, answers_of_one
from bayes_cmoe.front.answers_of_several import answers_of_several
from bayes_cmoe.front.origin import model_of, origin_of
from bayes_cmoe.front.predict import predict
from bayes_cmoe.parts.rebuilt import with_fewer_prompts, with_one_prompt
from bayes_cmoe.quiet import quiet
from bayes_cmoe.theory.absence import absence_test
from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.null_law import NullLaw

__all__ = ["DRAWN", "Explanation", "explanation"]

DRAWN = 99
"""Data sets drawn without a prompt, to say whether there is one."""
MANY = 40
"""Parameters above which draws about Laplace approximations are not tried: the share of them that

counts falls with every parameter, and where none counts they cost more than NUTS."""
DRAWS, TUNE, CHAINS = 500, 300, 4
ABSENCE, LEFT_OUT = "data without a prompt", "rows left out, one at a time"


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
        The posterior that the answers rest on: the fit's own, or where the fit is a point nested
        Laplace's; NUTS' where that does not trust itself, or of more than `MANY` parameters.
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


def explanation(
    tree: xr.DataTree,
    *,
    draws: int = DRAWN,
    seed: int = 0,
    on_stage: Callable[[str], None] = lambda stage: None,
) -> Explanation:
    """What a fit learned, and what it cannot know.

    Parameters
    ----------
    tree : DataTree
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``.
    draws : int
        Data sets drawn from the frozen expert alone, to test whether there is a prompt.
    seed : int
    on_stage : callable
        Told what is being computed, in a few words, before each stage.

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
    on_stage("the posterior")
    posterior = _posterior(tree, model, compiled, seed)
    on_stage("what it says of its rows")
    rows = predict(posterior, seed=seed)
    # It logs where to read about what the answers say.
    with quiet("arviz_stats.psense"):
        sensitivity = az.psense_summary(posterior)
    if origin.prompts > 1:
        less = with_fewer_prompts(model)
        if less is None:
            raise InputError(
                "the prior gives each prompt one of its own, so that none can be left out: fit "
                "with the same for all"
            )
        on_stage("one prompt less")
        fewer = fit_nested(less, seed=seed, log_likelihood=True)
        # Whether there is a first prompt is asked of a model with one.
        on_stage(ABSENCE)
        absence = absence_test(with_one_prompt(less), draws=draws, seed=seed)
        on_stage(LEFT_OUT)
        answers = answers_of_several(
            rows, posterior, fewer, origin.features, model, absence, sensitivity, compiled
        )
        return Explanation(tree, rows, posterior, None, absence, sensitivity, answers)
    on_stage(ABSENCE)
    absence = absence_test(model, draws=draws, seed=seed, posterior=compiled)
    on_stage("what the data tell apart")
    null = _null_law(absence)
    diagnosis = diagnose(model, tree, seed=seed, posterior=compiled, null=null)
    on_stage(LEFT_OUT)
    answers = answers_of_one(
        rows, posterior, origin, model, diagnosis, absence, sensitivity, compiled
    )
    return Explanation(tree, rows, posterior, diagnosis, absence, sensitivity, answers)


def _null_law(absence: xr.Dataset) -> NullLaw | None:
    """The test's ratio beside its law, as a diagnosis takes it; None where it has none."""
    if not np.isfinite(float(absence["ratio_pvalue"])):
        return None
    root, quantile = (float(np.sqrt(absence[own])) for own in ("ratio", "ratio_quantile"))
    return NullLaw(root, quantile, float(absence["ratio_pvalue"]))


def _posterior(tree: xr.DataTree, model: pm.Model, compiled: Posterior, seed: int) -> xr.DataTree:
    """The fit's own draws with what sensitivity asks for, or those of nested Laplace or NUTS."""
    if {"log_likelihood", "log_prior"} <= set(tree.children) and tree["posterior"].sizes[
        "draw"
    ] > 1:
        return tree
    start = tree if "starts" in tree.children else None
    engine = "nuts" if compiled.layout.size > MANY else "nested"
    with warnings.catch_warnings():
        # What it warns of is said on the page.
        warnings.simplefilter("ignore", SamplingWarning)
        found = fit_by(
            engine, model, draws=DRAWS, tune=TUNE, chains=CHAINS, seed=seed, start=start,
            posterior=compiled, checked=False, log_likelihood=True,
        )  # fmt: skip
    found.attrs = {**tree.attrs, **found.attrs}
    return found
