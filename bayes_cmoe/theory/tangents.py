"""f0, f and the derivatives of f at sampled points, from the model's row log-density alone.

At the gate level pi(x) = 1/2,

    f0/p = 1 - D/2,   f/p = 1 + D/2,   D = (f - f0)/p,
    df/p = 2 dlog p,  d²f/p = 2 (d²log p + dlog p dlog p').
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.device import jax, jnp
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.private import response_name
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.compiled.types import Array
from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert, expert_named
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import targets_of
from bayes_cmoe.study.variant import Variant
from bayes_cmoe.theory.relations import Term

__all__ = ["Case", "Compiled", "Setting", "Tangents", "setting_of"]
Case = tuple[Frozen, str | Expert, Mapping[str, ArrayLike]]
"""A frozen expert, a trainable expert's form and its parameters (with ``nu`` where it has one)."""


@dataclass(frozen=True, eq=False)
class Setting:
    """A model, and the expert's parameters at which f and its derivatives are taken.

    Parameters
    ----------
    compiled : Compiled
    frozen : Frozen
    expert : Expert
    point : dict of str to array
    inputs : callable
        ``inputs(rng, n)`` draws x, shape (n, features).
    """

    compiled: Compiled
    frozen: Frozen
    expert: Expert
    point: dict[str, NDArray]
    inputs: Callable[[Generator, int], NDArray]


def setting_of(variant: Variant, case: str | Regime | Case, gate: str | None) -> Setting:
    """The setting of a regime, where its prompt merges to, or of a given case.

    Raises
    ------
    InputError
        When the regime or the gate is unknown, or the case lacks parameters.
    """
    if isinstance(case, tuple):
        frozen, form, given = case
        expert = expert_named(form)
        point = {name: np.asarray(value, dtype=float) for name, value in given.items()}
        missing = set(expert.dims) - set(point)
        if missing:
            raise InputError(f"the case lacks the expert's parameters {', '.join(sorted(missing))}")
        with_inputs = [name for name, dims in expert.dims.items() if "feature" in dims]
        features = point[with_inputs[0]].shape[-1] if with_inputs else 1
        first = next(iter(expert.dims))
        classes = None if variant.response != "class" else len(point[first]) + 1
        gates = {known.name: known for known in variant.gates}
        named = variant.gates[0].name if gate is None else gate
        options = variant.options(gates[choose(f"gate of {variant.name}", named, gates)])
        inputs: Callable[[Generator, int], NDArray] = partial(_standard_normal, features)
    else:
        regime = variant.regime(case)
        frozen, expert = regime.frozen, expert_named(regime.expert)
        point = {k: np.asarray(v, dtype=float) for k, v in regime.path.center.items()}
        classes, options = regime.classes, {**variant.options(regime.gate), **regime.options}
        inputs = regime.draw_inputs
    features = inputs(np.random.default_rng(0), 1).shape[1]
    compiled = _compiled(variant, frozen, expert, tuple(options.items()), features, classes)
    return Setting(compiled, frozen, expert, point, inputs)


class Compiled:
    """A model's likelihood, simulator and derivatives of its rows, compiled once.

    Parameters
    ----------
    model : pm.Model
    """

    def __init__(self, model: pm.Model) -> None:
        self.model = model
        self.likelihood, self.simulator = Likelihood(model), Simulator(model)
        self.response = response_name(model)
        self.components = Components(model)
        self.derivatives = jax.jit(self._derivatives, static_argnums=(2,))

    def _derivatives(
        self, theta: jax.Array, columns: list[Array], free: tuple[int, ...]
    ) -> tuple[Array, Array]:
        """Of each row: first and second by the free entries."""
        where = np.array(free)

        def logp(expert: Array) -> Array:
            return self.likelihood.block_logp(theta.at[where].set(expert), columns)

        # Forward mode: a row's derivatives depend on that row alone.
        slope = jax.jacfwd(logp)
        return slope(theta[where]), jax.jacfwd(slope)(theta[where])


@lru_cache(maxsize=32)
def _compiled(
    variant: Variant,
    frozen: Frozen,
    expert: Expert,
    options: tuple[tuple[str, Any], ...],
    features: int,
    classes: int | None,
) -> Compiled:
    data = Data(np.zeros((2, features)), np.zeros(2), classes=classes)
    return Compiled(variant.built(data, frozen, expert=expert, prior="weak", **dict(options)))


def _standard_normal(features: int, rng: Generator, n: int) -> NDArray:
    return rng.standard_normal((n, features))


class Tangents:
    """f0, f and their derivatives over p at sampled points, and the names that go with them.

    Parameters
    ----------
    setting : Setting
    rows : int
        Points (x, y): x from the setting's inputs, y from the model (twice, for `log_prompt`).
    seed : int

    Attributes
    ----------
    varying : bool
        Whether the gate varies with x, so that coefficients are functions of x.
    labels, owner : tuple of str
        Of each of the prompt's entries (expert and variance): how it is printed, whose entry it is.
    inputs : tuple of str
        Names of the inputs as printed.
    blocks : list of list of int
        The expert's entries that enter the same component of h.
    """

    def __init__(self, setting: Setting, rows: int, seed: int) -> None:
        compiled = setting.compiled
        likelihood, layout = compiled.likelihood, compiled.likelihood.layout
        targets = targets_of(compiled.model, layout)
        if targets.mixture.prompts > 1:
            raise InputError(
                f"the test is about one prompt and the model has {targets.mixture.prompts}: give a "
                "variant with one prompt, and one prompt's parameters"
            )
        gate = targets.mixture.gate
        self.varying = any("feature" in dims for dims in gate.dims.values())
        coords = compiled.model.coords
        sizes = dict(zip(layout.names, layout.shapes, strict=True))
        level = {name: np.full(sizes[name], gate.level[name]) for name in gate.dims}
        theta = layout.ravel({**setting.point, **level})
        owner = np.repeat(layout.names, layout.sizes)
        self.free = targets.expert_entries
        self.owner = tuple(owner[self.free])
        size = dict(zip(layout.names, layout.sizes, strict=True))
        self.labels = tuple(
            str(owner[i]) if size[owner[i]] == 1 else layout.labels[i] for i in self.free
        )
        in_h = [j for j, name in enumerate(self.owner) if name in setting.expert.dims]
        self.blocks = _same_logit(in_h, [layout.labels[self.free[j]] for j in in_h], coords)
        self.inputs = tuple(coords["feature"]) if len(coords["feature"]) > 1 else ("x",)

        rng = np.random.default_rng(seed)
        x = setting.inputs(rng, rows)
        known = {"x": x, **setting.frozen.columns(x)}
        self.x = x

        def parts() -> tuple[NDArray, NDArray, NDArray]:
            drawn = known | {compiled.response: compiled.simulator.draw(theta, known, rng)}
            entries = [jnp.asarray(drawn[name], dtype=float) for name in likelihood.columns]
            s, h = compiled.derivatives(theta, entries, tuple(self.free))
            own = compiled.components.at(theta, likelihood.rows(drawn))
            # (f - f0) / p at p = (f0 + f) / 2.
            return 2.0 * np.tanh(0.5 * (own.prompt - own.frozen)), np.asarray(s), np.asarray(h)

        self.first, self.second = parts(), parts()

    def of(self, terms: list[Term]) -> tuple[NDArray, NDArray]:
        """Columns of the terms over p, reduced to (term, term), and norms without cancellation."""
        d, s, h = self.first
        where = {label: i for i, label in enumerate(self.labels)}
        if len(d) < 2 * len(terms):
            raise InputError(
                f"{len(d)} rows cannot tell {len(terms)} functions apart: "
                f"give at least {2 * len(terms)}"
            )
        columns, sizes = [], []
        for term in terms:
            index = [where[label] for label in term.derivative]
            if not index:
                value = 1.0 - d / 2 if term.symbol == "f0" else 1.0 + d / 2
                whole = np.ones_like(d)
            elif len(index) == 1:
                value = whole = 2.0 * s[:, index[0]]
            else:
                i, j = index
                value = 2.0 * (h[:, i, j] + s[:, i] * s[:, j])
                whole = 2.0 * (np.abs(h[:, i, j]) + np.abs(s[:, i] * s[:, j]))
            factor = np.ones(len(d))
            for name in term.monomial:
                factor = factor * self.x[:, self.inputs.index(name)]
            columns.append(value * factor)
            sizes.append(np.linalg.norm(whole * factor))
        # R has the columns' inner products: what follows depends no more on the number of rows.
        scale = np.array([np.linalg.norm(column) or 1.0 for column in columns])
        reduced = np.linalg.qr((np.array(columns) / scale[:, None]).T, mode="r") * scale
        return reduced, np.array(sizes)

    def log_prompt(self, rows: NDArray, which: int) -> tuple[NDArray, NDArray, NDArray]:
        """Gradient, Hessian and (for its size) their products, of log f at chosen rows."""
        d, s, h = (part[rows] for part in (self.first, self.second)[which])
        share = 1.0 + d / 2
        gradient = 2.0 * s / share[:, None]
        products = gradient[:, :, None] * gradient[:, None, :]
        curvature = 2.0 * (h + s[:, :, None] * s[:, None, :]) / share[:, None, None]
        return gradient, curvature - products, np.abs(products) + np.abs(curvature)

    def prompt_rows(self) -> NDArray:
        """Rows where the prompt has a fair share in both responses."""
        return np.flatnonzero((self.first[0] > -1.98) & (self.second[0] > -1.98))


def _same_logit(
    indices: list[int], labels: list[str], coords: Mapping[str, Any]
) -> list[list[int]]:
    """The expert's entries in groups that enter the same component of h."""
    if "free_class" not in coords:
        return [indices]
    classes = [label.split("[")[1].rstrip("]").split(",")[0] for label in labels]
    groups = [[i for i, c in zip(indices, classes, strict=True) if c == k] for k in set(classes)]
    return sorted(groups)
