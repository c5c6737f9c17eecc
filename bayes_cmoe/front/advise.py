"""Which adapter form to train beside a frozen model, and on how many rows: before any label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bayes_cmoe.errors import InputError
from bayes_cmoe.front.fit import check_inputs_vary, usual_variant
from bayes_cmoe.front.frozen_models import columns_named, state
from bayes_cmoe.front.setting import expert_form, parts_of
from bayes_cmoe.front.tables import frame_of, inputs_of
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.low_rank import low_rank_expert, rank_explaining
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.advice import Advice, advice
from bayes_cmoe.theory.forms import form_of
from bayes_cmoe.theory.functions import FUNCTION
from bayes_cmoe.theory.plausible import Beliefs

__all__ = ["advise", "advise_at", "expert_forms"]

USUAL_FORMS = ("linear", "tanh")
LOW_RANK = "low-rank-"
EXPLAINED = 0.9
"""Of the inputs' variance by the components of the low-rank form that is looked at by itself."""


def advise(
    data: Any,
    *,
    x: str | Sequence[str] | None = None,
    frozen: Any,
    variant: str | Variant | None = None,
    experts: Sequence[str | Expert] | None = None,
    gate: str | Gate | None = None,
    error: float | Mapping[str, float] = 0.1,
    share: tuple[float, float] = (0.1, 0.5),
    shift: tuple[float, float] = (0.5, 2.0),
    spread: tuple[float, float] = (0.5, 1.5),
    steepness: tuple[float, float] = (0.0, 1.0),
    truths: int = 24,
    truth: Mapping[str, ArrayLike] | None = None,
    held_out: Any = None,
    seed: int = 0,
) -> Advice:
    """How many rows each form of the prompt would need, from x and f0 alone.

        n = tr D I^-1 D' / error²,   I = mean over the rows of E[s s' | x]

    the information bound, which maximum likelihood attains where the prompt is resolved. It depends
    on the truth, which nobody knows before the labels: truths are drawn from what is believed of
    them, the same share, shift, spread and steepness for every form, and the answer is a median and
    a worst over these draws, not a promise for one of them.

    Parameters
    ----------
    data : table
        The new task's inputs, as for `bayes_cmoe.fit`; a response in it is an input unless `x`
        leaves it out.
    x : str or sequence of str, optional
        The prompt's inputs; all columns that do not state f0 when left out.
    frozen : optional
        As for `bayes_cmoe.fit`; the scale of a regressor needs `held_out`.
    variant : str or Variant, optional
        softmax_contaminated or multinomial_contaminated when left out, by what f0 predicts.
    experts : sequence of str or Expert, optional
        The forms: names such as linear, tanh, linear-nobias, ``low-rank-2`` (linear in two
        principal components, see `bayes_cmoe.low_rank_expert`), or experts of one's own. When left
        out linear, tanh, and low-rank with as many components as explain nine tenths of the
        variance of more than two inputs.
    gate : str or Gate, optional
        The variant's own when left out.
    error : float or mapping of str to float
        Wanted root mean squared error. A number is of ``function``, the prompt's function over its
        own rows (weights pi(x)), in standard deviations of f0, for classes in logits: this can be
        compared between forms. A mapping names targets: ``function``, ``share``, the mean of pi(x),
        a parameter, ``expert``; each in its own units.
    share, shift, spread, steepness : (least, most)
        What is believed of the truth; see `bayes_cmoe.theory.plausible.Beliefs`.
    truths : int
        Drawn.
    truth : mapping of str to array, optional
        The truth itself, in place of any drawn: `bayes_cmoe.theory.plan` at that truth.
    held_out : (table, response), optional
        Rows of a frozen regressor's own task, to find its scale on.
    seed : int

    Returns
    -------
    Advice, an xarray.Dataset
        ``rows`` (form, wanted, truth), NaN where a form has no such truth; ``needed`` (form,
        quantile), for all wanted errors at the median truth, at nine in ten and at the worst one;
        ``resolved`` (form, truth), the rows from which the bound is a
        promise, because the share is five times its bound; ``deviation`` (form, truth, target), the
        bound on each target's error times sqrt(n); ``theta`` (form, truth, entry), the truths;
        ``distance`` (form), the Hellinger distance between f0 and the form's point nearest to it,
        and ``homogeneous``, whether the form holds f0; ``standing`` (local, unresolved, out of
        reach) and ``advice`` in words; ``modulus`` of share and expert where there is no promise.

    Raises
    ------
    InputError
        When a column is missing, a form or target unknown, a range makes no sense, or f0 is known
        by its log-densities only.

    References
    ----------
    arXiv:2410.12258, 2505.18455, 2602.00939 (homogeneous and heterogeneous experts, and what
    merging costs).

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_cmoe import advise
    >>> x = np.random.default_rng(0).uniform(-2.0, 2.0, 200)
    >>> found = advise(
    ...     {"dose": x, "f0": np.sin(x)},
    ...     x="dose",
    ...     frozen={"family": "gaussian", "mean": "f0", "scale": 0.5},
    ...     experts=["linear"],
    ...     truths=4,
    ... )
    >>> found.forms, bool(found["homogeneous"][0]), bool((found["rows"] > 0).all())
    (['linear'], False, True)
    """
    table = frame_of(data)
    inputs = inputs_of(table, x, columns_named(frozen))
    stated = state(frozen, table, inputs, held_out=held_out)
    chosen = variant_named(usual_variant(stated) if variant is None else variant)
    probs = stated.frozen.columns(np.zeros((len(table), 0))).get("frozen_probs")
    classes = None if probs is None else probs.shape[1]
    rows = Data(inputs, np.zeros(len(table)), tuple(map(str, inputs.columns)), classes)
    check_inputs_vary(rows)
    return advise_at(
        rows,
        stated.frozen,
        chosen,
        experts=experts,
        gate=gate,
        error=error if isinstance(error, Mapping) else {FUNCTION: float(error)},
        beliefs=Beliefs(share, shift, spread, steepness),
        truths=truths,
        truth=truth,
        seed=seed,
    )


def advise_at(
    rows: Data,
    frozen: Frozen,
    variant: Variant,
    *,
    experts: Sequence[str | Expert] | None,
    gate: str | Gate | None,
    error: Mapping[str, float],
    beliefs: Beliefs,
    truths: int,
    truth: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
) -> Advice:
    """The same of rows whose response is not looked at, beside f0 known there; see `advise`."""
    if not variant.frozen:
        raise InputError(
            f"{variant.name} has no frozen expert, and advice is about a prompt beside one: choose "
            "a contaminated variant"
        )
    if (variant.response == "class") != (rows.classes is not None):
        raise InputError(
            f"{variant.name} predicts a {variant.response} and f0 does not: choose another variant"
        )
    forms = expert_forms(experts, rows)
    chosen = parts_of(variant, gate=gate).gate
    compiled = [
        form_of(variant, form, chosen, (rows.x, rows.features), frozen, rows.classes, seed)
        for form in forms
    ]
    return advice(compiled, error=error, beliefs=beliefs, truths=truths, truth=truth, seed=seed)


def expert_forms(names: Sequence[str | Expert] | None, rows: Data) -> list[Expert]:
    """The forms of these names, ``low-rank-2`` and its like on the components of the inputs.

    Raises
    ------
    InputError
        When a name is unknown or comes twice, or the inputs vary along fewer directions.
    """
    found = [_form(own, rows) for own in (_usual(rows) if names is None else names)]
    if not found:
        raise InputError("no expert form is named: give one at least, such as linear")
    twice = [own.name for i, own in enumerate(found) if own.name in [o.name for o in found[:i]]]
    if twice:
        raise InputError(f"the expert form {twice[0]!r} is named twice: name each once")
    return found


def _usual(rows: Data) -> list[str]:
    features = rows.x.shape[1]
    if features < 3:
        return list(USUAL_FORMS)
    rank = rank_explaining(rows.x, EXPLAINED)
    return [*USUAL_FORMS, *([f"{LOW_RANK}{rank}"] if rank < features else [])]


def _form(name: str | Expert, rows: Data) -> Expert:
    if isinstance(name, str) and name.startswith(LOW_RANK):
        rank = name.removeprefix(LOW_RANK)
        if not (rank.isascii() and rank.isdigit() and len(rank) < 5):
            raise InputError(f"the expert form {name!r}: write {LOW_RANK}2 for two components")
        return low_rank_expert(rows.x, int(rank))
    return expert_form(name, True)
