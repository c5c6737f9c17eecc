"""`bayes-cmoe calibrate`: whether an engine's posterior is the posterior, by simulation."""

from __future__ import annotations

import json as json_format
from typing import Annotated

from cyclopts import Parameter

from bayes_cmoe.commands.compare import run_design
from bayes_cmoe.commands.priors import read_prior
from bayes_cmoe.commands.report import check_workers
from bayes_cmoe.commands.tabular import check_seed
from bayes_cmoe.commands.words import Place, Whole, recall
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.files.outputs import check_folder_writable
from bayes_cmoe.front.setting import expert_form
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.sweep.design import ENTROPY, CalibratePlan, Design
from bayes_cmoe.sweep.setting import Setting

__all__ = ["calibrate"]


def calibrate(
    variant: str,
    *,
    output: Annotated[Place, Parameter(name=["-o", "--output"])],
    regime: str | None = None,
    kind: str = "prior",
    gate: str | None = None,
    expert: str | None = None,
    bias: bool = True,
    prior: Place | None = None,
    engine: str = "nuts",
    n: Annotated[Whole, Parameter(name="-n")] = 100,
    datasets: Whole = 200,
    ranked: Whole = 99,
    seed: Whole = ENTROPY,
    workers: Whole | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Calibrate an engine on a variant: parameters from a fixed prior, data from the model, a fit.

    Simulation-based calibration: the truth is then one more draw from the posterior, and its rank
    among the engine's draws uniform. A run that stopped is resumed by the same command; status and
    report know its folder.

    Parameters
    ----------
    variant
        Name of the variant; `bayes-cmoe variants` lists them.
    output
        Folder for the fits, the page, figures and tables.
    regime
        The regime whose gate, expert, frozen expert and inputs are used, and about whose truth the
        prior is fixed: the variant's first, or for the kind merging its first that merges.
    kind
        The prior: prior (weak, fixed on a reference table), merging (the prompt about the point
        where it merges, within n^-1/4), vanishing (a share about n^-1/2), no-prompt (one about
        0.1/n).
    gate
        Name of a gate, where the variant leaves a choice; the regime's own when left out.
    expert
        Form of the trainable expert: linear, tanh, sigmoid, gelu, relu, or one of your own; the
        regime's own when left out.
    bias
        Whether the trainable expert has an intercept.
    prior
        A JSON file with a prior of your own instead: an object with an entry for every parameter.
    engine
        nuts, nested, or one of your own.
    n
        Rows of a data set.
    datasets
        Number of data sets.
    ranked
        Draws of a fit among which the truth is ranked.
    seed
        Seed of the random numbers.
    workers
        Processes on this machine; as many as processors when left out.
    json
        Print one JSON object instead of a table.
    """
    from bayes_cmoe.study.simulate import simulate

    check_workers(workers)
    check_seed(seed)
    recall(output)
    chosen = variant_named(variant)
    setting = _regime(chosen, regime, kind)
    form = "" if expert is None and bias else expert_form(expert or setting.expert, bias).name
    plan = CalibratePlan((n,), datasets, engine, ranked, gate or "", form)
    altered = chosen.altered(setting, plan.gate, plan.expert)
    check_folder_writable(output)
    if prior is not None:
        if kind != "prior":
            raise InputError("--prior and --kind exclude each other: leave one out")
        text = json_format.dumps(read_prior(prior))
    else:
        text = _fixed(chosen, setting, kind, seed, plan)
    words = [f"{chosen.name} {setting.name}", gate, form, prior.name if prior else kind, engine]
    name = ", ".join(filter(None, words))
    own = (Setting(chosen.name, setting.name),)
    design = Design(name, own, prior=text, entropy=seed, calibrate=plan)
    if prior is not None:
        # Before anything is written: only a model knows how many entries a parameter has.
        chosen.model(altered, simulate(chosen, setting, 2, seed), json_format.loads(text))
    return run_design(design, output, workers=workers, json=json)


def _regime(variant: Variant, name: str | None, kind: str) -> Regime:
    from bayes_cmoe.study.fixed_prior import KINDS

    choose("kind of prior", kind, KINDS)
    if name is not None:
        return variant.regime(name)
    if not variant.regimes:
        raise InputError(
            f"variant {variant.name!r} has no regime, so there are no inputs to draw and no frozen "
            "expert: give it one"
        )
    known = list(variant.regimes.values())
    merging = [own for own in known if own.path.gamma > 0] if kind == "merging" else []
    return (merging or known)[0]


def _fixed(variant: Variant, regime: Regime, kind: str, seed: int, plan: CalibratePlan) -> str:
    """The prior of a kind, in JSON."""
    from bayes_cmoe.parts.fixed_prior import plain_priors
    from bayes_cmoe.study.fixed_prior import fixed_prior

    (n,) = plan.sizes
    found = fixed_prior(variant, regime, kind, n, seed, plan.gate, plan.expert)
    return json_format.dumps(plain_priors(found))
