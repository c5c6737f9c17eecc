"""Data from a model: the model's own sampler, at parameters set to the truth."""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import pymc as pm
from numpy.random import Generator, SeedSequence
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.blocks import BLOCK, Rows, blocked_map
from bayes_cmoe.compiled.graphs import row_function
from bayes_cmoe.compiled.layout import Layout
from bayes_cmoe.compiled.likelihood import columns_of, layout_of
from bayes_cmoe.parts.data import Data
from bayes_cmoe.study.variant import Regime, Variant, variant_named

__all__ = ["Simulator", "simulate"]


class Simulator:
    """Draws responses from a model at any parameters and rows; compiled once.

    Parameters
    ----------
    model : pm.Model
        A model whose observed variable has a `random` method, as all of the suite's have.
    """

    def __init__(self, model: pm.Model) -> None:
        self.layout: Layout = layout_of(model)
        (response,) = model.observed_RVs
        op = response.owner.op
        self._draw: Callable[..., NDArray] = op.rng_fn
        self._inputs = tuple(
            name for name in columns_of(model) if name != model.rvs_to_values[response].name
        )
        arguments = op.dist_params(response.owner)
        row_arguments = row_function(model, self._inputs, arguments)
        cores: tuple[int, ...] = op.ndims_params

        def block(theta: Any, columns: list[Any]) -> tuple[Any, ...]:
            found = row_arguments(*self.layout.split(theta), *columns)
            return tuple(
                jnp.broadcast_to(value, (BLOCK, *value.shape[value.ndim - core :]))
                for value, core in zip(found, cores, strict=True)
            )

        self._arguments = blocked_map(block)

    def draw(self, theta: ArrayLike, columns: Mapping[str, NDArray], rng: Generator) -> NDArray:
        """Responses y, shape (n,).

        Parameters
        ----------
        theta : array, shape (parameter,)
            The truth, on the natural scale.
        columns : mapping of str to array
            The rows' inputs and the frozen expert's columns; a response in it is not looked at.
        rng : numpy.random.Generator
        """
        rows = Rows.of(columns, self._inputs)
        arguments = self._arguments(np.asarray(theta, dtype=float), rows)
        return np.asarray(self._draw(rng, *arguments, None), dtype=float)


def prepare(variant: str | Variant, regime: str | Regime) -> tuple[pm.Model, Simulator]:
    """A regime's model, to be given any data, and its simulator."""
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    x = setting.draw_inputs(np.random.default_rng(0), 2)
    model = chosen.model(setting, Data(x, np.zeros(2), classes=setting.classes))
    return model, Simulator(model)


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
    _, simulator = prepare(chosen, setting)
    columns = {"x": x, **setting.frozen.columns(x)}
    y = simulator.draw(simulator.layout.ravel(truth), columns, rng)
    return Data(x, y, classes=setting.classes)
