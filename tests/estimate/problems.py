"""Data sets on which maxima of the posterior are known: 400 of all kinds.

Drawn with NumPy and SciPy alone, so that nothing of the package decides what it is judged on; only
`Problem.model` hands the data to the public factories. The named designs are in `designs`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import stats
from scipy.special import log_softmax, softmax

from tests import reference
from tests.estimate.designs import DESIGN_SEEDS, DESIGNS, design
from tests.estimate.problem import Columns, Parameters, Problem

__all__ = ["COUNT", "DESIGNS", "DESIGN_SEEDS", "Problem", "design", "problem"]

COUNT = 400

GROUPS = (
    ("constant_contaminated", "constant"),
    ("softmax_contaminated", "softmax"),
    ("multinomial_contaminated", "softmax"),
    ("multinomial_contaminated", "constant"),
)
ACTIVATIONS = ("linear", "tanh", "sigmoid", "gelu", "relu")
EXPERTS = tuple(f"{name}{bias}" for name in ACTIVATIONS for bias in ("", "-nobias"))
SCALAR_FAMILIES = ("gaussian", "laplace", "student_t", "log_density")
CLASS_FAMILIES = ("categorical", "multinomial_logistic", "log_density")
KINDS = (*3 * ("clear",), *2 * ("vanishing", "merging", "near-merging"), "no-prompt")
"""Of ten problems with the same gate and expert."""


def _arrays(theta: Parameters) -> Parameters:
    return {name: np.asarray(value, dtype=float) for name, value in theta.items()}


@dataclass(frozen=True)
class _Units:
    """x = center + sd * standard units; y = y_unit * standard units."""

    center: float
    sd: float
    y_unit: float

    def expert(self, name: str, eta: Parameters) -> Parameters:
        """Parameters in standard units as ones in these units."""
        a = np.asarray(eta["a"])
        if name.endswith("-nobias"):
            return {"a": self.y_unit * a / np.hypot(self.center, self.sd)}
        shift = a.sum(axis=-1) * self.center / self.sd
        return {
            "a": self.y_unit * a / self.sd,
            "b": np.asarray(self.y_unit * (eta["b"] - shift)),
        }

    def gate(self, score: Parameters) -> Parameters:
        if "lam" in score:
            return score
        beta = np.asarray(score["beta"])
        shift = beta.sum() * self.center / self.sd
        return {"beta": beta / self.sd, "tau": np.asarray(score["tau"] - shift)}


def problem(i: int) -> Problem:
    """Problem i of 400: every gate with every expert ten times, families and kinds spread."""
    rng = np.random.default_rng([20260, i])
    group, place, turn = i % 4, (i // 4) % 10, i // 40
    variant, gate = GROUPS[group]
    expert = EXPERTS[place]
    scalar = variant != "multinomial_contaminated"
    families = SCALAR_FAMILIES if scalar else CLASS_FAMILIES
    family = families[(turn + place) % len(families)]
    kind = KINDS[(turn + 3 * place + group) % len(KINDS)]
    n = int(np.exp(rng.uniform(np.log(100), np.log(20_000))))
    d = int(rng.integers(1, 4))
    classes = None if scalar else int(rng.integers(3, 5))
    bounded = expert.removesuffix("-nobias") in ("tanh", "sigmoid")
    far, large = rng.random() < 0.3, rng.random() < 0.3
    units = _Units(
        center=50.0 if far else 0.0,
        sd=8.0 if far else 1.0,
        # A bounded expert says nothing of responses in the thousands, logits have no units.
        y_unit=1000.0 if large and scalar and not bounded else 1.0,
    )
    z = rng.standard_normal((n, d)) if rng.random() < 0.5 else rng.uniform(-2.0, 2.0, (n, d))
    x = units.center + units.sd * z
    score = _gate(rng, gate, kind, n, d)
    eta0, eta, v0, nu = _experts(rng, expert, kind, n, z, classes)
    theta = {**units.gate(score), **units.expert(expert, eta)}
    # In clear cases f0 has a form of its own; a merging prompt has f0's form.
    own = kind in ("merging", "near-merging")
    form = expert if own else str(rng.choice(("linear", "tanh")))
    bounds = form.removesuffix("-nobias") in ("tanh", "sigmoid")
    known = reference.mean(form, x, _frozen_units(units, bounds).expert(form, eta0))
    known = units.y_unit * known if bounds and scalar else known
    if scalar:
        theta["nu"] = np.asarray(units.y_unit**2 * nu)
        y, frozen = _scalar_rows(rng, family, expert, theta, x, known, units.y_unit * v0**0.5)
    else:
        y, frozen = _class_rows(rng, family, expert, theta, x, known)
    return Problem(
        str(i), variant, gate, expert, family, kind, classes, _arrays(theta), x, y, frozen
    )


def _frozen_units(units: _Units, bounded: bool) -> _Units:
    return _Units(units.center, units.sd, 1.0) if bounded else units


def _gate(rng: Generator, gate: str, kind: str, n: int, d: int) -> Parameters:
    """The gate in standard units: an ordinary share, one that vanishes as n^-alpha, or none."""
    share = n ** -rng.uniform(0.25, 0.5) if kind == "vanishing" else rng.uniform(0.2, 0.6)
    if kind == "no-prompt":
        share = 0.0
    if gate == "constant":
        return {"lam": np.asarray(share)}
    if kind == "no-prompt":
        return {"beta": np.zeros(d), "tau": np.asarray(-30.0)}
    # A level gate is the hard case of a merging prompt: half of these have it.
    level = kind in ("merging", "near-merging") and rng.random() < 0.5
    beta = np.zeros(d) if level else rng.normal(0.0, 0.8, d)
    return {"beta": beta, "tau": np.asarray(np.log(share / (1.0 - share)))}


def _experts(
    rng: Generator, expert: str, kind: str, n: int, z: NDArray, classes: int | None
) -> tuple[Parameters, Parameters, float, float]:
    """Parameters of f0 and of the prompt in standard units, and their variances."""
    front = () if classes is None else (classes - 1,)
    d = z.shape[1]

    def draw() -> Parameters:
        return {"a": rng.normal(0.0, 1.2, (*front, d)), "b": rng.normal(0.0, 0.8, front)}

    v0 = rng.uniform(0.15, 0.6)
    eta0 = draw()
    if kind in ("merging", "near-merging"):
        # As n^-1/8 the limit of what can be learnt; as n^-1/4 nearer than that.
        distance = 2.0 * n ** (-0.125 if kind == "merging" else -0.25)
        sizes = [np.size(eta0["a"]), np.size(eta0["b"]), 1]
        unit = rng.standard_normal(sum(sizes))
        unit *= distance / np.linalg.norm(unit)
        eta = {
            "a": eta0["a"] + unit[: sizes[0]].reshape(np.shape(eta0["a"])),
            "b": eta0["b"] + unit[sizes[0] : -1].reshape(front),
        }
        return eta0, eta, v0, v0 * float(np.exp(unit[-1]))
    candidates = [draw() for _ in range(8)]
    h0 = reference.preactivation(z, eta0)
    apart = [np.mean((reference.mean(expert, z, eta) - h0) ** 2) for eta in candidates]
    # Far enough apart to be told from one another, not the farthest: the third of eight.
    return eta0, candidates[int(np.argsort(apart)[-3])], v0, rng.uniform(0.05, 0.5)


def _move(rng: Generator, theta: Parameters, x: NDArray) -> NDArray:
    """Which rows the prompt made."""
    if "lam" in theta:
        return rng.random(len(x)) < theta["lam"]
    return np.log(rng.random(len(x))) < reference.log_weights(x, theta)[1]


def _scalar_rows(
    rng: Generator,
    family: str,
    expert: str,
    theta: Parameters,
    x: NDArray,
    known: NDArray,
    sd: float,
) -> tuple[NDArray, Columns]:
    """Responses, and f0's columns; sd is the standard deviation of a gaussian f0."""
    n = len(x)
    noise: dict[str, Callable[[], NDArray]] = {
        "gaussian": lambda: rng.normal(0.0, sd, n),
        "laplace": lambda: rng.laplace(0.0, sd / 2**0.5, n),
        "student_t": lambda: 0.8 * sd * rng.standard_t(4.0, n),
        "log_density": lambda: rng.logistic(0.0, 0.55 * sd, n),
    }
    new = rng.normal(reference.mean(expert, x, theta), theta["nu"] ** 0.5)
    y = np.where(_move(rng, theta, x), new, known + noise[family]())
    if family == "log_density":
        return y, {"frozen_logp": stats.logistic.logpdf(y, known, 0.55 * sd)}
    scale = {"gaussian": sd, "laplace": sd / 2**0.5, "student_t": 0.8 * sd}[family]
    columns = {"frozen_mean": known, "frozen_scale": np.full(n, scale)}
    return y, columns | ({"frozen_df": np.full(n, 4.0)} if family == "student_t" else {})


def _class_rows(
    rng: Generator, family: str, expert: str, theta: Parameters, x: NDArray, known: NDArray
) -> tuple[NDArray, Columns]:
    """Labels, and f0's columns; a categorical f0 is its logits' probabilities, made surer."""
    reference_class = np.zeros((len(x), 1))
    logits = np.column_stack([known, reference_class])
    probs = softmax((1.5 if family == "categorical" else 1.0) * logits, axis=1)
    new = softmax(np.column_stack([reference.mean(expert, x, theta), reference_class]), axis=1)
    chosen = np.where(_move(rng, theta, x)[:, None], new, probs)
    y = np.sum(rng.random(len(x))[:, None] > np.cumsum(chosen, axis=1)[:, :-1], axis=1)
    if family == "log_density":
        return y.astype(float), {"frozen_logp": reference.pick(log_softmax(logits, axis=1), y)}
    return y.astype(float), {"frozen_probs": probs}
