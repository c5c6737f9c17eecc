"""Bayesian contaminated mixtures of experts: models, estimation, and the rates they can reach."""

from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert, expert_named, register_expert
from bayes_cmoe.parts.frozen import Frozen, frozen_expert
from bayes_cmoe.parts.predictions import (
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
)
from bayes_cmoe.study.rates import Rate
from bayes_cmoe.study.regime import Path, Regime
from bayes_cmoe.study.simulate import simulate
from bayes_cmoe.study.variant import Variant, register_variant, variant_named, variants

__all__ = [
    "Data",
    "Expert",
    "Frozen",
    "InputError",
    "Path",
    "Rate",
    "Regime",
    "Variant",
    "expert_named",
    "frozen_expert",
    "frozen_log_density",
    "frozen_predictions",
    "frozen_probabilities",
    "register_expert",
    "register_variant",
    "simulate",
    "variant_named",
    "variants",
]
