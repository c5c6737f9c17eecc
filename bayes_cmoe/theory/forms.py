"""An expert form beside a frozen expert at the rows of a table: no response is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.compiled.blocks import Rows
from bayes_cmoe.compiled.components import Components
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.arrays import evenly_spread
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.parameter import Role
from bayes_cmoe.parts.prior import Weak
from bayes_cmoe.study.targets import Targets
from bayes_cmoe.study.variant import Variant
from bayes_cmoe.theory.expected import check_drawable, response_nodes, weighted_scores
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.functional import Functional
from bayes_cmoe.theory.functions import (
    FUNCTION,
    SHARE,
    expert_function,
    function_slopes,
    mean_share,
)
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores, stacked_root

__all__ = ["Form", "form_of"]

MOST_ROWS = 512
"""Rows that the information is a mean over."""
FEW_ROWS = 96
"""Rows on which f0's spread is found, and the point of a form that is nearest to f0."""
PANELS = 8
SINGULAR = 1e-12
"""Diagonal of the information's triangular factor, beside its column, that leaves no digits."""


@dataclass(frozen=True, eq=False)
class Form:
    """An expert form, compiled, at the rows of a table.

    Parameters
    ----------
    posterior : Posterior
        Of the model under the flat prior.
    engine : Scores
    columns : dict of str to array
        ``x``, the frozen expert's columns, and responses drawn from f0, which say how wide the flat
        prior's box is and nothing else.
    expert : Expert
    classes : int, optional
    weak : dict of str to Weak
        The weak prior of each of the expert's and the family's parameters.
    """

    posterior: Posterior
    engine: Scores
    columns: Columns
    expert: Expert
    classes: int | None
    weak: dict[str, Weak]

    @property
    def targets(self) -> Targets:
        """What a bound is stated for."""
        return self.engine.targets

    @cached_property
    def components(self) -> Components:
        """The densities and the gate, row by row."""
        return Components(self.posterior.model)

    @cached_property
    def used(self) -> Columns:
        """The rows that expectations over the inputs are taken at."""
        return self.some(MOST_ROWS)

    @cached_property
    def _rows(self) -> Rows:
        return Rows.of(self.used, self.components.columns)

    def share(self, theta: NDArray) -> NDArray:
        """pi(x) at the rows used, shape (n,)."""
        return np.asarray(self.components.at(theta, self._rows).share)

    @cached_property
    def mean_share(self) -> Functional:
        """theta -> the mean share over the rows used."""
        return mean_share(self.components, self.used)

    @cached_property
    def function(self) -> Functional:
        """theta -> h(x; eta) over `scale` at the rows used, every class's in turn."""
        return expert_function(self.engine.layout, self.expert, self.used["x"], self.scale)

    def function_slopes(self, theta: NDArray) -> tuple[NDArray, NDArray]:
        """The function's derivative over the prompt's own rows, and the weights of these."""
        return function_slopes(self.function, self.components, self.used, theta)

    @cached_property
    def units(self) -> NDArray:
        """The weak prior's spread of each entry of theta, one of the gate's; (parameter,)"""
        one = dict.fromkeys(self.targets.mixture.gate_names, np.ones(()))
        return self._filled({name: np.asarray(own.sd) for name, own in self.weak.items()} | one)

    @cached_property
    def level(self) -> NDArray:
        """The middle of the weak priors, and an even gate; shape (parameter,)"""
        middle = {name: np.asarray(own.center) for name, own in self.weak.items()}
        return self._filled(middle | dict(self.targets.mixture.gate.level))

    @cached_property
    def positive(self) -> NDArray:
        """Which entries of theta have a scale of their own, as variances have; (parameter,)"""
        scaled = [name for name, own in self.weak.items() if own.kind == "lognormal"]
        names = self.engine.layout.names
        return self._filled({name: float(name in scaled) for name in names}) > 0

    def _filled(self, values: Mapping[str, NDArray | float]) -> NDArray:
        layout = self.engine.layout
        return layout.ravel(
            {
                name: np.broadcast_to(values[name], shape)
                for name, shape in zip(layout.names, layout.shapes, strict=True)
            }
        )

    def some(self, most: int) -> Columns:
        """At most so many of the rows, evenly spread over the table."""
        kept = evenly_spread(len(self.columns["x"]), most)
        return {name: column[kept] for name, column in self.columns.items()}

    def nodes(self, theta: NDArray) -> tuple[Columns, NDArray]:
        """Nodes over (x, y) at few of the rows, and their weights in a mean over these rows."""
        columns = self.some(FEW_ROWS)
        laid, log_weight = response_nodes(self.engine, theta, columns, self.classes, panels=PANELS)
        return laid, np.exp(log_weight) / len(columns["x"])

    def variance(self, theta: NDArray, component: int) -> float:
        """The mean over few rows of the variance of f0 (0) or of the prompt (1)."""
        laid, weight = self.nodes(theta)
        parts = self.components.at(theta, Rows.of(laid, self.components.columns))
        log_density = (parts.frozen, parts.prompt)[component]
        count = min(FEW_ROWS, len(self.columns["x"]))
        mass = (weight * np.exp(np.asarray(log_density))).reshape(count, -1) * count
        y = laid[self.engine.response].reshape(count, -1)
        middle = np.sum(mass * y, axis=1, keepdims=True)
        return float(np.mean(np.sum(mass * (y - middle) ** 2, axis=1)))

    @cached_property
    def scale(self) -> float:
        """The standard deviation of f0, or one where h has a unit of its own (logits)."""
        if self.targets.mixture.family.unit:
            return 1.0
        return self.variance(self.level, 0) ** 0.5

    def information(self, theta: NDArray) -> Information | None:
        """The expected information of a row at theta; None where it is singular."""
        columns, size = self.used, self.engine.layout.size

        def parts() -> Iterator[NDArray]:
            for part in weighted_scores(self.engine, theta, columns, self.classes, panels=PANELS):
                # What follows takes a mean over nodes, and their sum is wanted.
                yield part.reshape(-1, size) * part.shape[1] ** 0.5

        root, lengths = stacked_root(parts(), size)
        if not (np.isfinite(root).all() and np.all(lengths > 0)):
            return None
        if np.min(np.abs(np.diag(root)) / lengths) < SINGULAR:
            return None
        rows = len(columns["x"])
        return Information(self.engine.layout, theta, root, np.eye(size)[None], rows)

    def deviations(self, theta: NDArray) -> dict[str, float]:
        """The bound on every target's error from one row; infinite where theta is singular.

        That of the function is sqrt(E |dh|²) / scale, with rows weighted by pi(x).
        """
        jacobians = self.targets.jacobians(theta)
        jacobians[SHARE] = self.mean_share.jacobian(theta)
        jacobians[FUNCTION], _ = self.function_slopes(theta)
        found = self.information(theta)
        if found is None:
            return dict.fromkeys(jacobians, np.inf)
        return {name: found.deviation(jacobian)[0] for name, jacobian in jacobians.items()}

    @property
    def known(self) -> list[str]:
        """The names of the targets."""
        return [*self.targets.wholes, SHARE, FUNCTION]


def form_of(
    variant: Variant,
    expert: Expert,
    gate: Gate,
    inputs: tuple[NDArray, tuple[str, ...]],
    frozen: Frozen,
    classes: int | None = None,
    seed: int = 0,
) -> Form:
    """An expert form beside a frozen expert at the rows of a table, compiled.

    Parameters
    ----------
    variant : Variant
    expert : Expert
    gate : Gate
    inputs : (x, names)
        x of shape (n, feature), and the names of the features.
    frozen : Frozen
        Known at these rows.
    classes : int, optional
    seed : int
        Of the responses drawn from f0.

    Raises
    ------
    InputError
        When f0 cannot be drawn from, or does not go with the variant.
    """
    x, features = inputs
    known = frozen.columns(x)
    check_drawable(known)
    arguments = [known[f"frozen_{argument}"] for argument in frozen.family.arguments]
    y = frozen.family.random(np.random.default_rng([1410, seed]), *arguments)
    data = Data(x, np.asarray(y, dtype=float), features, classes)
    model = variant.built(data, frozen, expert=expert, prior="flat", **variant.options(gate))
    posterior = Posterior(model)
    engine = Scores(model, posterior.likelihood)
    mixture = engine.targets.mixture
    weak = {
        own.name: own.weak(mixture.reference(data))
        for own in mixture.parameters
        if own.role in (Role.LOCATION, Role.SCALE)
    }
    odd = [name for name, own in weak.items() if np.isfinite(own.support[1])]
    if odd:
        raise InputError(
            f"the expert {expert.name!r} has the share {odd[0]}, and shifts are of numbers without "
            "ends or with one: leave this expert out"
        )
    return Form(posterior, engine, columns_of(model), expert, classes, weak)
