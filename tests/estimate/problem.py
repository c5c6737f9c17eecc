"""One data set on which a maximum of the posterior is known."""

from dataclasses import dataclass, field
from typing import Any

import pymc as pm
from numpy.typing import NDArray

from bayes_cmoe import (
    Data,
    Frozen,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
    variant_named,
)

Columns = dict[str, NDArray]
Parameters = dict[str, NDArray]


@dataclass(frozen=True, eq=False)
class Problem:
    """One data set, with all that its frozen expert says of it and what it was drawn from.

    `frozen` holds the columns that a user would give; `family` is the density of f0. A
    multinomial_logistic f0 is stated by its probabilities, so it differs from a categorical one
    only in its form. `truth` is on the natural scale of the data's units; where there is no prompt
    its gate is shut and its expert is what the prompt would have been.
    """

    name: str
    variant: str
    gate: str
    expert: str
    family: str
    kind: str
    classes: int | None
    truth: Parameters = field(repr=False)
    x: NDArray = field(repr=False)
    y: NDArray = field(repr=False)
    frozen: Columns = field(repr=False)

    @property
    def n(self) -> int:
        return len(self.y)

    @property
    def data(self) -> Data:
        return Data(self.x, self.y, classes=self.classes)

    @property
    def frozen_expert(self) -> Frozen:
        """f0 as a user gives it: probabilities, log-densities or predictions."""
        columns = self.frozen
        if "frozen_probs" in columns:
            return frozen_probabilities(columns["frozen_probs"])
        if "frozen_logp" in columns:
            return frozen_log_density(columns["frozen_logp"])
        return frozen_predictions(
            self.family,
            columns["frozen_mean"],
            columns["frozen_scale"],
            columns.get("frozen_df"),
        )

    def model(self, prior: Any = "weak") -> pm.Model:
        """The package's model of it."""
        options = {"gate": self.gate} if self.classes else {}
        return variant_named(self.variant).build(
            self.data, frozen=self.frozen_expert, expert=self.expert, prior=prior, **options
        )
