"""Data from a variant: the model's own sampler, at parameters set to a regime's truth."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.random import Generator, SeedSequence

from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.pymc_names import takes_pymc_names
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named

__all__ = ["prepare", "simulate"]


def prepare(variant: str | Variant, regime: str | Regime) -> tuple[pm.Model, Simulator]:
    """A regime's model, to be given any data, and its simulator."""
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    x = setting.draw_inputs(np.random.default_rng(0), 2)
    model = chosen.model(setting, Data(x, np.zeros(2), classes=setting.classes))
    return model, Simulator(model)


@lru_cache(maxsize=8)
def _simulator(variant: Variant, regime: Regime) -> Simulator:
    """Compiled once for data of any size, at any truth."""
    return prepare(variant, regime)[1]


@takes_pymc_names
def simulate(
    variant: str | Variant,
    regime: str | Regime,
    n: int,
    seed: int | SeedSequence | Generator,
    *,
    alpha: float | None = None,
    gamma: float | None = None,
) -> Data:
    """Data of n rows from a variant at a regime's truth.

    Parameters
    ----------
    variant, regime : str
    n : int
    seed : int, SeedSequence or Generator
    alpha, gamma : float, optional
        Other exponents of the truth path than the regime's own.

    Returns
    -------
    Data

    Raises
    ------
    InputError
        When the variant or regime is unknown, or the truth lies outside the regime's box.

    Examples
    --------
    >>> data = simulate("softmax_contaminated", "distinguishable", 100, seed=1)
    >>> data.x.shape, data.y.shape
    ((100, 2), (100,))
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    truth = setting.truth(n, alpha, gamma)
    rng = np.random.default_rng(seed)
    x = setting.draw_inputs(rng, n)
    simulator = _simulator(chosen, setting)
    columns = {"x": x, **setting.frozen.columns(x)}
    y = simulator.draw(simulator.layout.ravel(truth), columns, rng)
    return Data(x, y, classes=setting.classes)
