"""The table: every variant with every gate, expert and kind of frozen expert, as small cases."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pymc as pm
import pytest
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import logistic

from bayes_cmoe import (
    Data,
    Frozen,
    frozen_expert,
    frozen_log_density,
    frozen_predictions,
    frozen_probabilities,
    variant_named,
)
from bayes_cmoe.compiled.likelihood import Likelihood
from bayes_cmoe.compiled.simulator import Simulator
from bayes_cmoe.parts.frozen import NO_FROZEN
from tests import reference

Columns = dict[str, NDArray]

ACTIVATIONS = ("linear", "tanh", "sigmoid", "gelu", "relu")
EXPERTS = tuple(f"{name}{bias}" for name in ACTIVATIONS for bias in ("", "-nobias"))
SCALAR_FROZEN = ("gaussian", "laplace", "student_t", "log_density")
CLASS_FROZEN = ("multinomial_logistic", "categorical", "log_density")
GATES = {
    "constant_contaminated": ("constant",),
    "softmax_contaminated": ("softmax",),
    "multinomial_contaminated": ("softmax", "constant"),
    "softmax_several_prompts": ("softmax",),
    "softmax_gaussian_moe": ("softmax-full",),
}
SEVERAL = {"softmax_several_prompts": 2, "softmax_gaussian_moe": 2}
"""Trainable experts of a variant that has more than one."""
FEW_EXPERTS = {
    "softmax_several_prompts": ("tanh", "linear-nobias"),
    "softmax_gaussian_moe": ("tanh", "linear-nobias"),
}
"""Experts of a variant whose parts are another's, all of whose experts are in the table."""
ROWS = 12


@dataclass(frozen=True, eq=False)
class Case:
    """A model of the table with its data and a parameter point.

    The frozen expert's columns are stated here as functions of the rows, independently of
    `bayes_cmoe.parts.frozen`; `given` hands them to the package the way a user would.
    """

    variant: str
    gate: str
    expert: str
    family: str
    theta: Columns
    x: NDArray
    y: NDArray
    classes: int | None
    frozen_columns: Callable[[NDArray, NDArray], Columns]
    given: Callable[[Columns], Frozen]

    @property
    def name(self) -> str:
        gate = f"-{self.gate}" if len(GATES[self.variant]) > 1 else ""
        return f"{self.variant.removesuffix('_contaminated')}{gate}/{self.expert}/{self.family}"

    @property
    def data(self) -> Data:
        return Data(self.x, self.y, classes=self.classes)

    def columns(self, x: NDArray, y: NDArray) -> Columns:
        """The columns of any rows."""
        return {"x": x, "response": y, **self.frozen_columns(x, y)}

    def model(self, prior: Any = "weak") -> pm.Model:
        options: dict[str, Any] = {"gate": self.gate} if self.classes else {}
        if self.family != "none":
            options["frozen"] = self.given(self.columns(self.x, self.y))
        return variant_named(self.variant).build(
            self.data,
            expert=self.expert,
            prior=prior,
            **options,
        )

    def reference(self, theta: Columns, columns: Columns) -> NDArray:
        return reference.contaminated(self.expert, self.family, theta, columns)

    @cached_property
    def likelihood(self) -> Likelihood:
        return Likelihood(self.model())

    @cached_property
    def simulator(self) -> Simulator:
        return Simulator(self.model())

    @property
    def vector(self) -> NDArray:
        return self.likelihood.layout.ravel(self.theta)

    def log_density(self, x: NDArray, y: NDArray) -> NDArray:
        """The package's log p(y|x) at any rows."""
        return self.likelihood.logp(self.vector, self.likelihood.rows(self.columns(x, y)))


def _scalar_frozen(
    family: str, eta: Columns
) -> tuple[Callable[[NDArray, NDArray], Columns], Callable[[Columns], Frozen]]:
    """A gaussian from an expert, a laplace and a student_t from predictions, an unknown density."""

    def location(x: NDArray) -> NDArray:
        return reference.mean("tanh", x, eta)

    if family == "none":
        return lambda x, y: {}, lambda columns: NO_FROZEN
    if family == "gaussian":
        given = frozen_expert("gaussian", "tanh", eta, scale=0.8)
        return (
            lambda x, y: {"frozen_mean": location(x), "frozen_scale": np.full(len(x), 0.8)},
            lambda columns: given,
        )
    if family == "log_density":
        return (
            lambda x, y: {"frozen_logp": logistic.logpdf(y, location(x), 0.6)},
            lambda columns: frozen_log_density(columns["frozen_logp"]),
        )

    def columns_of_predictions(x: NDArray, y: NDArray) -> Columns:
        predictions = {"frozen_mean": location(x), "frozen_scale": 0.5 + 0.2 * np.cos(x[:, 0])}
        return predictions | ({"frozen_df": 3.0 + x[:, 0] ** 2} if family == "student_t" else {})

    return columns_of_predictions, lambda columns: frozen_predictions(
        family, columns["frozen_mean"], columns["frozen_scale"], columns.get("frozen_df")
    )


def _class_frozen(
    family: str, eta: Columns
) -> tuple[Callable[[NDArray, NDArray], Columns], Callable[[Columns], Frozen]]:
    def logits(x: NDArray) -> NDArray:
        return reference.mean("linear", x, eta)

    if family == "multinomial_logistic":
        given = frozen_expert("multinomial_logistic", "linear", eta)
        return lambda x, y: {"frozen_logits": logits(x)}, lambda columns: given
    if family == "categorical":
        return (
            lambda x, y: {
                "frozen_probs": softmax(np.column_stack([logits(x), np.cos(x[:, 0])]), axis=1)
            },
            lambda columns: frozen_probabilities(columns["frozen_probs"]),
        )
    return (
        lambda x, y: {"frozen_logp": reference.multinomial(2.0 * logits(x), y)},
        lambda columns: frozen_log_density(columns["frozen_logp"]),
    )


def _case(variant: str, gate: str, expert: str, family: str) -> Case:
    """Numbers drawn from a seed of the case's own; 1 to 3 features, 2 to 4 classes."""
    place = EXPERTS.index(expert)
    rng = np.random.default_rng([place, sum(map(ord, variant + gate + family))])
    features = 1 + place % 3
    scalar = variant != "multinomial_contaminated"
    classes = None if scalar else 2 + (place + len(family)) % 3
    front = () if classes is None else (classes - 1,)
    many = (SEVERAL[variant],) if variant in SEVERAL else ()
    free = tuple(count - 1 for count in many) if family == "none" else many
    x = rng.standard_normal((ROWS, features))
    theta = (
        {"lam": rng.uniform(0.2, 0.8, many)}
        if gate == "constant"
        else {"beta": rng.uniform(-1.0, 1.0, (*free, features)), "tau": rng.uniform(-1, 1, free)}
    )
    theta["a"] = rng.uniform(-1.5, 1.5, (*many, *front, features))
    if not expert.endswith("-nobias"):
        theta["b"] = rng.uniform(-1.0, 1.0, (*many, *front))
    if scalar:
        theta["nu"] = rng.uniform(0.3, 1.5, many)
    eta = {"a": rng.uniform(-1.5, 1.5, (*front, features)), "b": rng.uniform(-1.0, 1.0, front)}
    frozen = _scalar_frozen(family, eta) if scalar else _class_frozen(family, eta)
    y = rng.normal(0.0, 1.5, ROWS) if scalar else np.arange(ROWS) % classes
    point = {name: np.asarray(value, dtype=float) for name, value in theta.items()}
    return Case(
        variant, gate, expert, family, point, x, np.asarray(y, dtype=float), classes, *frozen
    )


def _families(variant: str) -> tuple[str, ...]:
    if variant == "softmax_gaussian_moe":
        return ("none",)
    return CLASS_FROZEN if variant == "multinomial_contaminated" else SCALAR_FROZEN


TABLE = tuple(
    _case(variant, gate, expert, family)
    for variant, gates in GATES.items()
    for gate in gates
    for expert in FEW_EXPERTS.get(variant, EXPERTS)
    for family in _families(variant)
)
"""The full product."""
CASES = {case.name: case for case in TABLE}


def _covers(case: Case) -> bool:
    """Whether the case is one of those that cover every pair with the gate.

    A density adds log f0 + log (1 - pi) and log f + log pi: the frozen expert's columns never meet
    the prompt's function. So each gate meets every expert, with the frozen families in turn, and
    every frozen family, with tanh.
    """
    families = _families(case.variant)
    turn = families[EXPERTS.index(case.expert) % len(families)]
    return case.expert == "tanh" or case.family == turn


COVER = tuple(case for case in TABLE if _covers(case))


def parameters(cases: tuple[Case, ...]) -> list[Any]:
    """Cases to parametrise a test by, those beyond the cover marked slow."""
    marks = {case: () if case in COVER else (pytest.mark.slow,) for case in cases}
    return [pytest.param(case, id=case.name, marks=marks[case]) for case in cases]


REPRESENTATIVES = tuple(
    CASES[name]
    for name in (
        "constant/tanh/laplace",
        "softmax/gelu-nobias/student_t",
        "multinomial-softmax/linear/categorical",
    )
)
"""One case of each variant, for what is slow to compile."""
