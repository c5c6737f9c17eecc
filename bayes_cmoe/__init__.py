"""Bayesian contaminated mixtures of experts: models, estimation, and the rates they can reach."""

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert, expert_named, register_expert
from bayes_cmoe.parts.families import Family, register_family
from bayes_cmoe.parts.frozen import Frozen, frozen_expert
from bayes_cmoe.parts.gates import Gate, Share, register_gate
from bayes_cmoe.parts.outside import load_plugin
from bayes_cmoe.parts.predictions import (
    frozen_arguments,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
)
from bayes_cmoe.study.contaminated import contaminated_variant
from bayes_cmoe.study.rates import Exponent, Rate
from bayes_cmoe.study.regime import Path, Regime, along
from bayes_cmoe.study.simulate import simulate
from bayes_cmoe.study.variant import Variant, register_variant, variant_named, variants

__all__ = [
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
    "along",
    "contaminated_variant",
    "expert_named",
    "frozen_arguments",
    "frozen_expert",
    "frozen_log_density",
    "frozen_predictions",
    "frozen_probabilities",
    "load_plugin",
    "register_expert",
    "register_family",
    "register_gate",
    "register_variant",
    "simulate",
    "variant_named",
    "variants",
]
