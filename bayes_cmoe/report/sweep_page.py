"""The page of a sweep: one HTML file that holds everything and asks for nothing."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

from bayes_cmoe.report import numbers
from bayes_cmoe.report.comparison import LEVEL, RESOLVED, SAME, Comparison
from bayes_cmoe.report.finding import finding
from bayes_cmoe.report.images import Picture
from bayes_cmoe.report.page_templates import page_templates
from bayes_cmoe.report.posterior_tables import UNMIXED
from bayes_cmoe.report.sweep_figures import picture_name
from bayes_cmoe.report.sweep_parts import (
    KINDS,
    PLACES,
    environment,
    failed_fits,
    kind_of,
    leading,
    progress,
    regimes,
    status_table,
)
from bayes_cmoe.report.sweep_trees import by_variant, parameters_of
from bayes_cmoe.study.concentration import LEVELS
from bayes_cmoe.study.losses import LOSS
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.presets import toml_of
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.sweep.verdicts import WORDS

__all__ = ["sweep_page"]

NO_THEORY = WORDS[-1]
MARKS = dict(zip(WORDS, ("●", "✕", "◐", "○", "–"), strict=True))
"""Verdicts by sign, so that colour is not needed to tell them apart."""
SHOWN_FAILURES = 300
"""Rows of failed fits on the page; all are in failures.csv."""


def sweep_page(comparison: Comparison, pictures: Mapping[str, Picture]) -> str:
    """The report page.

    Parameters
    ----------
    comparison : Comparison
    pictures : mapping of str to Picture
        From `bayes_cmoe.report.images.drawn`, by the names of `bayes_cmoe.report.sweep_figures`.

    Returns
    -------
    str
        An HTML document without scripts or references to other files.
    """
    templates = page_templates()
    templates.filters["powers"] = _powers
    return templates.get_template("sweep.html").render(_content(comparison, pictures))


def _content(comparison: Comparison, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    design, table = comparison.design, comparison.table
    known, failed = regimes(design), failed_fits(design, table)
    codes, statuses = status_table(design, comparison.statuses)
    steps = progress(design, table, comparison.waiting)
    sizes = {method: plan.sizes for method, plan in design.plans.items()}
    return {
        "design": design,
        "toml": toml_of(design),
        "progress": steps,
        "finished": sum(step["finished"] for step in steps),
        "regimes": known,
        "kinds": [kind for kind in KINDS if any(own["kind"] == kind for own in known)],
        "variants": [_variant(comparison, name, known) for name in _variants(known)],
        "finding": finding(comparison),
        "verdicts": _verdicts(comparison),
        "marks": MARKS,
        "sizes": sizes,
        "pictures": pictures,
        "lead": _lead(comparison, pictures),
        "coverages": [name for name in pictures if name.startswith("coverage-")],
        "errors": _by_regime(comparison.errors),
        "sampling": _records(comparison.sampling),
        "agreement": _records(comparison.agreement),
        "pooled": _pooled(comparison),
        "spread": _by_regime(comparison.spread),
        "edges": _edges(comparison),
        "codes": codes,
        "statuses": statuses,
        "failed": _records(failed.head(SHOWN_FAILURES)),
        "failures": len(failed),
        "environment": environment(),
        "levels": LEVELS,
        "level": LEVEL,
        "resolved": RESOLVED,
        "same": SAME,
        "unmixed": UNMIXED,
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _by_regime(table: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _records(table):
        found.setdefault(row["regime"], []).append(row)
    return found


def _variants(known: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(own["variant"] for own in known))


def _variant(comparison: Comparison, name: str, known: list[dict[str, Any]]) -> dict[str, Any]:
    """A variant's regimes, distinguishable first, and their rates beside each other."""
    own = sorted(
        (regime for regime in known if regime["variant"] == name),
        key=lambda regime: KINDS.index(regime["kind"]),
    )
    rates = _by_regime(comparison.rates)
    theory = {regime["label"]: comparison.bounds[regime["label"]] for regime in own}
    sources: list[str] = []
    rows: dict[str, list[dict[str, Any]]] = {}
    for regime in own:
        label = regime["label"]
        rows[label] = []
        for rate in rates.get(label, []):
            told = theory[label].sel(target=rate["parameter"])
            source = str(told["source"].item())
            if source and source not in sources:
                sources.append(source)
            formula = str(told["formula"].item())
            mark = sources.index(source) + 1 if source else 0
            greek = {"formula": _greek(formula), "moves": "alpha" in formula or "gamma" in formula}
            lower = _lower(rate["exponent_lower"]) if source else ""
            rows[label].append({**rate, **greek, **_beside(rate), "source": mark, "lower": lower})
    methods = [method for method in comparison.design.plans if _has(rows, method)]
    return {
        "name": name,
        "title": variant_named(name).title,
        "paper": variant_named(name).source,
        "regimes": own,
        "rates": rows,
        "sources": sources,
        "reasons": {
            label: found.attrs["reason"] for label, found in theory.items() if found.attrs["reason"]
        },
        "glances": [_glance(rows, method) for method in methods],
        **_panels(comparison, own),
    }


def _panels(comparison: Comparison, own: list[dict[str, Any]]) -> dict[str, Any]:
    """Names of a variant's pictures: of each parameter's errors, and of the efficiencies."""
    settings = [Setting.parse(regime["label"]) for regime in own]
    drawn = [parameters_of(setting, comparison.bounds[setting.label]) for setting in settings]
    known = dict.fromkeys(name for own in drawn for name in own)
    return {
        "panels": {
            name: [picture_name("errors", setting, name) for setting in settings] for name in known
        },
        "efficiencies": [picture_name("efficiency", setting) for setting in settings],
    }


def _has(rows: dict[str, list[dict[str, Any]]], method: str) -> bool:
    return any(rate["method"] == method for own in rows.values() for rate in own)


def _glance(rows: dict[str, list[dict[str, Any]]], method: str) -> dict[str, Any]:
    """A method's rates with the regimes side by side."""
    chosen = {
        label: {rate["parameter"]: rate for rate in own if rate["method"] == method}
        for label, own in rows.items()
    }
    parameters = list(dict.fromkeys(name for own in chosen.values() for name in own))
    return {
        "method": method,
        "lines": [(name, [own.get(name) for own in chosen.values()]) for name in parameters],
    }


def _beside(rate: dict[str, Any]) -> dict[str, Any]:
    """What a rate is set beside at a glance: the bound, or else the modulus and the exponent."""
    if rate["verdict"] != NO_THEORY:
        return {"word": rate["verdict"], "words": rate["says"], "beside": rate["bound_slope"]}
    return {
        "word": rate["exponent_verdict"],
        "words": rate["exponent_says"],
        "beside": rate["modulus_slope"],
    }


def _lower(exponent: float) -> str:
    """What is known of the minimax lower bound."""
    return (
        f"lower bound {numbers.fraction(exponent)}" if np.isfinite(exponent) else "no lower bound"
    )


def _greek(formula: str) -> str:
    return formula.replace("alpha", "α").replace("gamma", "γ").replace("-", "−")


def _powers(text: str) -> Markup:
    """Text with its powers raised: n^-1/8."""
    raised = re.sub(
        r"\^(-?)([\d/]+(?:\.\d+)?)", lambda found: _raised(*found.groups()), str(escape(text))
    )
    return Markup(raised)


def _raised(sign: str, digits: str) -> str:
    return f"<sup>{'−' if sign else ''}{digits}</sup>"


def _verdicts(comparison: Comparison) -> list[dict[str, Any]]:
    """How many rates of each method say what of bound and exponent."""
    rates = comparison.rates
    if rates.empty:
        return []
    columns = {
        "the bound, all sizes": "verdict",
        "the bound, local sizes": "local_verdict",
        "the exponent, all sizes": "exponent_verdict",
        "the exponent, local sizes": "local_exponent_verdict",
    }
    said = {
        (method, range_): rates.loc[(rates["method"] == method) & (rates[column] != ""), column]
        for method in comparison.design.plans
        for range_, column in columns.items()
    }
    words = [word for word in WORDS if any((own == word).any() for own in said.values())]
    return [
        {
            "method": method,
            "range": range_,
            "rates": len(own),
            "counts": {word: int((own == word).sum()) for word in words},
        }
        for (method, range_), own in said.items()
        if len(own)
    ]


def _lead(comparison: Comparison, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """The figure at the top: of share or loss, where it is learned fast beside where it is not.

    Of the first variant that has both, or else of the first regimes of each kind there is.
    """
    variants = list(by_variant(comparison).values())
    groups = [*variants, [setting for settings in variants for setting in settings]]
    pairs = [_first_of_each(settings) for settings in groups]
    chosen = next((pair for pair in pairs if len(pair) > 1), pairs[-1])
    led = [leading(setting, comparison.bounds[setting.label]) for setting in chosen]
    names = [picture_name("errors", *own) for own in zip(chosen, led, strict=True)]
    here, there = PLACES[LOSS in led]
    return {
        "names": [name for name in names if name in pictures],
        "parameter": " and ".join(dict.fromkeys(led)),
        "alone": LOSS in led,
        "places": f"{here}, and {there}" if len(chosen) > 1 else "",
    }


def _first_of_each(settings: list[Setting]) -> list[Setting]:
    """The first distinguishable setting and the first that is not, or whatever is first."""
    first = {kind_of(setting): setting for setting in reversed(settings)}
    return [first[kind] for kind in KINDS[:2] if kind in first] or settings[:1]


def _pooled(comparison: Comparison) -> list[dict[str, Any]]:
    """Coverage over all entries, a row a regime and range of sizes."""
    if comparison.pooled.empty:
        return []
    return [
        {
            "regime": label,
            "over": over,
            "fits": int(rows["fits"].max()),
            "levels": {row["level"]: row for row in rows.to_dict("records")},
        }
        for (label, over), rows in comparison.pooled.groupby(["regime", "over"], sort=False)
    ]


def _edges(comparison: Comparison) -> list[dict[str, Any]]:
    """The share of MAP fits that end at the edge of the box, by regime and size, where any does."""
    if comparison.errors.empty:
        return []
    own = comparison.errors[comparison.errors["method"] == "map"]
    shares = own.groupby(["regime", "n"], sort=False)["edge"].first().unstack("n")
    return [
        {"regime": label, "shares": shares.loc[label].to_dict()}
        for label in comparison.regimes
        if label in shares.index and (shares.loc[label] > 0).any()
    ]
