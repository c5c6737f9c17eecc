"""Bayesian contaminated mixtures of experts: models, estimation, and the rates they can reach."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayes_cmoe.errors import InputError
    from bayes_cmoe.estimate.map import fit_map
    from bayes_cmoe.estimate.nested import fit_nested
    from bayes_cmoe.estimate.nuts import fit_nuts
    from bayes_cmoe.estimate.predictive import posterior_predictive, prior_predictive
    from bayes_cmoe.front.advise import advise
    from bayes_cmoe.front.fit import fit
    from bayes_cmoe.front.left_out import leave_one_out
    from bayes_cmoe.front.next_rows import next_rows
    from bayes_cmoe.front.number_of_experts import number_of_experts
    from bayes_cmoe.front.predict import predict
    from bayes_cmoe.parts.data import Data
    from bayes_cmoe.parts.experts import Expert, expert_named, register_expert
    from bayes_cmoe.parts.families import Family, register_family
    from bayes_cmoe.parts.frozen import Frozen, frozen_expert
    from bayes_cmoe.parts.gates import Gate, Share, register_gate
    from bayes_cmoe.parts.low_rank import low_rank_expert
    from bayes_cmoe.parts.outside import load_plugin
    from bayes_cmoe.parts.predictions import (
        frozen_arguments,
        frozen_log_density,
        frozen_predictions,
        frozen_probabilities,
    )
    from bayes_cmoe.parts.prior import Box, Weak
    from bayes_cmoe.parts.rebuilt import with_rows
    from bayes_cmoe.plots.efficiency import plot_efficiency
    from bayes_cmoe.plots.fits import open_sweep
    from bayes_cmoe.plots.ridge import plot_ridge
    from bayes_cmoe.plots.sweeps import plot_contraction, plot_coverage, plot_rates
    from bayes_cmoe.report.explanation_page import explain
    from bayes_cmoe.report.fit_summary import summary
    from bayes_cmoe.study.contaminated import contaminated_variant
    from bayes_cmoe.study.rates import Exponent, Rate
    from bayes_cmoe.study.regime import Path, Regime, along
    from bayes_cmoe.study.simulate import simulate
    from bayes_cmoe.study.variant import Variant, register_variant, variant_named, variants
    from bayes_cmoe.theory.absence import absence_test
    from bayes_cmoe.theory.confidence import intervals

__all__ = [
    "Box",
    "Data",
    "Expert",
    "Exponent",
    "Family",
    "Frozen",
    "Gate",
    "InputError",
    "Path",
    "Rate",
    "Regime",
    "Share",
    "Variant",
    "Weak",
    "absence_test",
    "advise",
    "along",
    "contaminated_variant",
    "expert_named",
    "explain",
    "fit",
    "fit_map",
    "fit_nested",
    "fit_nuts",
    "frozen_arguments",
    "frozen_expert",
    "frozen_log_density",
    "frozen_predictions",
    "frozen_probabilities",
    "intervals",
    "leave_one_out",
    "load_plugin",
    "low_rank_expert",
    "next_rows",
    "number_of_experts",
    "open_sweep",
    "plot_contraction",
    "plot_coverage",
    "plot_efficiency",
    "plot_rates",
    "plot_ridge",
    "posterior_predictive",
    "predict",
    "prior_predictive",
    "register_expert",
    "register_family",
    "register_gate",
    "register_variant",
    "simulate",
    "summary",
    "variant_named",
    "variants",
    "with_rows",
]

_HOMES = {
    "errors": ("InputError",),
    "estimate.map": ("fit_map",),
    "estimate.nested": ("fit_nested",),
    "estimate.nuts": ("fit_nuts",),
    "estimate.predictive": (
        "posterior_predictive",
        "prior_predictive",
    ),
    "front.advise": ("advise",),
    "front.fit": ("fit",),
    "front.left_out": ("leave_one_out",),
    "front.next_rows": ("next_rows",),
    "front.number_of_experts": ("number_of_experts",),
    "front.predict": ("predict",),
    "parts.data": ("Data",),
    "parts.experts": (
        "Expert",
        "expert_named",
        "register_expert",
    ),
    "parts.families": (
        "Family",
        "register_family",
    ),
    "parts.frozen": (
        "Frozen",
        "frozen_expert",
    ),
    "parts.gates": (
        "Gate",
        "Share",
        "register_gate",
    ),
    "parts.low_rank": ("low_rank_expert",),
    "parts.outside": ("load_plugin",),
    "parts.predictions": (
        "frozen_arguments",
        "frozen_log_density",
        "frozen_predictions",
        "frozen_probabilities",
    ),
    "parts.prior": (
        "Box",
        "Weak",
    ),
    "parts.rebuilt": ("with_rows",),
    "plots.efficiency": ("plot_efficiency",),
    "plots.fits": ("open_sweep",),
    "plots.ridge": ("plot_ridge",),
    "plots.sweeps": (
        "plot_contraction",
        "plot_coverage",
        "plot_rates",
    ),
    "report.explanation_page": ("explain",),
    "report.fit_summary": ("summary",),
    "study.contaminated": ("contaminated_variant",),
    "study.rates": (
        "Exponent",
        "Rate",
    ),
    "study.regime": (
        "Path",
        "Regime",
        "along",
    ),
    "study.simulate": ("simulate",),
    "theory.absence": ("absence_test",),
    "theory.confidence": ("intervals",),
    "study.variant": (
        "Variant",
        "register_variant",
        "variant_named",
        "variants",
    ),
}
"""Where each name comes from; its module is loaded when it is first asked for."""


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
