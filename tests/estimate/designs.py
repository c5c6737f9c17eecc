"""Four named designs on which optimisers were seen to fail, forty seeds each."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tests import reference
from tests.estimate.problem import Columns, Problem

DESIGNS = ("tanh-laplace", "linear-student", "merging", "softmax-merging")
DESIGN_SEEDS = 40


def design(name: str, seed: int) -> Problem:
    """One of the named designs.

    "tanh-laplace": tanh prompt apart from a Laplace f0. "linear-student": two groups of rows off a
    Student-t f0 of similar size, so two good modes. "merging": prompt of a Gaussian f0's own form
    at distance n^-1/8 in 500 rows, which invites variance spikes. "softmax-merging": level softmax
    gate in two features.
    """
    rng = np.random.default_rng([20260, 1000 + DESIGNS.index(name), seed])
    make = {
        "tanh-laplace": _tanh_laplace,
        "linear-student": _linear_student,
        "merging": _merging,
        "softmax-merging": _softmax_merging,
    }[name]
    variant, expert, family, kind, theta, x, y, frozen = make(rng, seed)
    gate = "constant" if "lam" in theta else "softmax"
    parameters = {key: np.asarray(value, dtype=float) for key, value in theta.items()}
    return Problem(
        f"{name}/{seed}", variant, gate, expert, family, kind, None, parameters, x, y, frozen
    )


Made = tuple[str, str, str, str, dict[str, Any], NDArray, NDArray, Columns]


def _tanh_laplace(rng: Generator, seed: int) -> Made:
    theta = {
        "lam": rng.uniform(0.25, 0.45),
        "a": np.array([rng.uniform(1.1, 1.7)]),
        "b": rng.uniform(-0.7, -0.2),
        "nu": rng.uniform(0.15, 0.3),
    }
    x = rng.uniform(-2.0, 2.0, (2000, 1))
    known = 0.6 * x[:, 0] + 0.1
    new = rng.normal(reference.mean("tanh", x, theta), theta["nu"] ** 0.5)
    y = np.where(rng.random(2000) < theta["lam"], new, rng.laplace(known, 0.4))
    frozen = {"frozen_mean": known, "frozen_scale": np.full(2000, 0.4)}
    return "constant_contaminated", "tanh", "laplace", "clear", theta, x, y, frozen


def _linear_student(rng: Generator, seed: int) -> Made:
    n, x = 400, rng.uniform(-2.0, 2.0, (400, 1))
    known = 0.5 * x[:, 0]
    group = rng.choice(3, n, p=(0.7, 0.16, 0.14))
    first = {"a": np.array([rng.uniform(-2.0, -1.0)]), "b": rng.uniform(2.0, 3.0)}
    second = {"a": np.array([rng.uniform(1.0, 2.0)]), "b": rng.uniform(-3.0, -2.0)}
    lines = [reference.mean("linear", x, eta) for eta in (first, second)]
    base = known + 0.4 * rng.standard_t(4.0, n)
    noisy = [line + rng.normal(0.0, 0.35, n) for line in lines]
    y = np.choose(group, [base, *noisy])
    frozen = {
        "frozen_mean": known, "frozen_scale": np.full(n, 0.4), "frozen_df": np.full(n, 4.0),
    }  # fmt: skip
    theta = {"lam": 0.16, **first, "nu": 0.35**2}
    return "constant_contaminated", "linear", "student_t", "clear", theta, x, y, frozen


def _merging(rng: Generator, seed: int) -> Made:
    n, expert = 500, ("linear", "tanh")[seed % 2]
    x = rng.standard_normal((n, 1))
    eta0 = {"a": np.array([1.0]), "b": 0.3}
    step = 2.0 * n**-0.125 * rng.choice((-1.0, 1.0), 2) / 3**0.5
    theta = {"lam": 0.3, "a": eta0["a"] + step[0], "b": 0.3 + step[1], "nu": 1.0 + abs(step[0])}
    known = reference.mean(expert, x, eta0)
    new = rng.normal(reference.mean(expert, x, theta), theta["nu"] ** 0.5)
    y = np.where(rng.random(n) < theta["lam"], new, rng.normal(known, 1.0))
    frozen = {"frozen_mean": known, "frozen_scale": np.ones(n)}
    return "constant_contaminated", expert, "gaussian", "merging", theta, x, y, frozen


def _softmax_merging(rng: Generator, seed: int) -> Made:
    n = 1000
    x, step = rng.standard_normal((n, 2)), 2.0 * n**-0.125 / 3**0.5
    eta0 = {"a": np.array([1.0, 0.5])}
    theta = {"beta": np.zeros(2), "tau": 0.0, "a": eta0["a"] + step, "nu": 1.0 + step}
    known = reference.mean("tanh-nobias", x, eta0)
    new = rng.normal(reference.mean("tanh-nobias", x, theta), theta["nu"] ** 0.5)
    y = np.where(rng.random(n) < 0.5, new, rng.normal(known, 1.0))
    frozen = {"frozen_mean": known, "frozen_scale": np.ones(n)}
    return "softmax_contaminated", "tanh-nobias", "gaussian", "merging", theta, x, y, frozen
