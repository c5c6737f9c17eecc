"""What a fit learned, in words: one answer a question, each with the number that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.estimate.nested import fit_nested
from bayes_cmoe.front.origin import Origin, model_of, origin_of
from bayes_cmoe.front.predict import predict
from bayes_cmoe.theory.absence import TIED, absence_test
from bayes_cmoe.theory.diagnosis import diagnose

__all__ = ["DRAWN", "Answer", "Explanation", "explanation", "telling"]

DRAWN = 99
"""Data sets drawn without a prompt, to say whether there is one."""
LEVEL = 0.05
SENSITIVE = 0.05
"""Power-scaling index from which on a posterior moves with its prior (arXiv:2107.14054)."""
TENTH = 0.1
CONSTANT = 1e-9
"""Range of the shares below which a gate says of every row the same."""


@dataclass(frozen=True)
class Answer:
    """A question and what the fit says to it."""

    question: str
    answer: str


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
    diagnosis : Dataset
        Of `bayes_cmoe.theory.diagnose`.
    absence : Dataset
        Of `bayes_cmoe.absence_test`.
    sensitivity : DataFrame
        Of `az.psense_summary`.
    answers : tuple of Answer
    """

    tree: xr.DataTree
    rows: xr.Dataset
    posterior: xr.DataTree
    diagnosis: xr.Dataset
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
        Of `bayes_cmoe.fit` or ``bayes-cmoe fit -o``, with one prompt.
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
        When the fit does not say how it was made, or has several prompts.
    """
    origin = origin_of(tree)
    if origin.prompts > 1:
        raise InputError(
            f"the fit has {origin.prompts} prompts and explanations are of one: look at the "
            "responsibilities that predict gives, or fit one prompt"
        )
    model = model_of(tree)
    compiled = Posterior(model)
    posterior = _posterior(tree, model, compiled, seed)
    rows = predict(posterior, seed=seed)
    diagnosis = diagnose(model, tree, seed=seed, posterior=compiled)
    absence = absence_test(model, draws=draws, seed=seed, posterior=compiled)
    sensitivity = az.psense_summary(posterior)
    answers = (
        Answer("Is there anything new at all?", _presence(absence)),
        Answer("How much of the data is new, and where?", _share(rows, posterior, origin)),
        Answer("What does the prompt do that the frozen model does not?", _difference(rows, model)),
        Answer("Does it predict better than the frozen model?", _gain(posterior, rows)),
        Answer("How sure is that, and what cannot be told apart?", _certainty(diagnosis)),
        Answer("How many rows would halve the error?", _needed(diagnosis)),
        Answer("Does the prior matter?", _prior(sensitivity)),
    )
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


def _presence(absence: xr.Dataset) -> str:
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
    share = rows["share"].to_numpy()
    if np.ptp(share) < CONSTANT:
        return f"{said} The gate is constant: it says of every row the same."
    place = telling(x, share)[0]
    order = np.argsort(x[:, place])
    few = max(1, int(TENTH * n))
    ends = share[order[:few]].mean(), share[order[-few:]].mean()
    word = "rises" if ends[1] > ends[0] else "falls"
    return (
        f"{said} It {word} with {origin.features[place]}: {ends[0]:.2f} in the tenth of the rows "
        f"where that is least, {ends[1]:.2f} where it is most."
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


def _difference(rows: xr.Dataset, model: pm.Model) -> str:
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
    mean = float(np.sum(weight * apart) / total)
    own = apart[weight > 0.5] if (weight > 0.5).any() else apart
    low, high = np.quantile(own, [0.05, 0.95])
    word = "more" if mean > 0 else "less"
    return (
        f"On its rows it expects {abs(mean):.3g} {word} than the frozen model on average, from "
        f"{low:+.3g} to {high:+.3g} (90 % of the rows that are more likely its own)."
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


def _gain(posterior: xr.DataTree, rows: xr.Dataset) -> str:
    loo = az.loo(posterior, pointwise=True)
    each = loo.elpd_i.to_numpy().ravel() - rows["frozen_log_score"].to_numpy()
    n, total = len(each), float(each.sum())
    error = float(np.sqrt(n) * each.std(ddof=1)) if n > 1 else np.nan
    bad = float(loo.pareto_k.max())
    word = "better" if total > 0 else "worse"
    sure = "" if abs(total) > 2 * error else ", which is within its error"
    doubt = f" (not to be relied on: a Pareto k of {bad:.2f})" if bad > loo.good_k else ""
    return (
        f"Leaving out one row at a time, it predicts {abs(total):.1f} nats {word} in all than the "
        f"frozen model alone, standard error {error:.1f}{sure}{doubt}."
    )


def _certainty(diagnosis: xr.Dataset) -> str:
    confused = diagnosis.attrs["confused"]
    said = f"{diagnosis.attrs['advice'][:1].upper()}{diagnosis.attrs['advice'][1:]}."
    if len(confused):
        return f"{said} The data hardly tell apart {'; '.join(confused)}."
    return said


def _needed(diagnosis: xr.Dataset) -> str:
    if diagnosis.attrs["standing"] != "local":
        return (
            "No promise can be made: theory is local only where the prompt is well resolved, and "
            f"here it is not ({diagnosis.attrs['standing']})."
        )
    return f"{4 * int(diagnosis.attrs['n'])}, four times as many: the errors fall as n^-1/2 here."


def _prior(sensitivity: pd.DataFrame) -> str:
    moved = sensitivity[sensitivity["prior"].astype(float) > SENSITIVE]
    if moved.empty:
        return (
            "Hardly: a prior half or twice as strong moves no parameter noticeably (power scaling, "
            f"every index below {SENSITIVE})."
        )
    listed = ", ".join(f"{name} ({float(row['prior']):.2f})" for name, row in moved.iterrows())
    return (
        f"Yes, for {listed}: a prior a little stronger or weaker moves the posterior (power "
        f"scaling, index above {SENSITIVE}). State a prior that you mean, or take more rows."
    )
