"""Reference maxima of the posterior: `python -m tests.estimate.maxima [first last]`.

An exhaustive search that shares no code with the package's: up to 500 starts a problem and prior,
compiled Newton steps, SciPy's L-BFGS-B to finish. Writes tests/recorded/maxima.csv, the cheapest
problems first; rows that exist are kept, so that it may be stopped at any moment.
"""

import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import minimize

from tests.estimate.derivatives import CODES
from tests.estimate.judged import Judged, judged
from tests.estimate.problems import COUNT, DESIGN_SEEDS, DESIGNS, Problem, design, problem
from tests.estimate.scattered import scattered_starts

__all__ = ["FILE", "Maximum", "every_problem", "maximum", "named"]

FILE = Path(__file__).parents[1] / "recorded" / "maxima.csv"
FIELDS = (
    "name", "variant", "gate", "expert", "family", "kind", "n", "weak_logp", "weak_hits",
    "weak_starts", "flat_loglik", "flat_hits", "flat_starts", "seconds",
)  # fmt: skip

STARTS = 500
ENOUGH_STARTS, ENOUGH_HITS = 200, 30
"""So many starts are enough when so many of them found the best."""
BATCH = 50
EXPLORE = 800
"""Above this many rows the starts are compared on a weighted part of them."""
SAME = 1e-3
DISTINCT = 30
"""How many distinct ends of starts are taken up on all rows."""
POLISHED = 5
FINISHED = 1e-7
KINKS_MATTER = 3000
"""Up to so many rows: what the kink of one row's relu can hide falls as 1/n."""


@dataclass(frozen=True, eq=False)
class Maximum:
    """The largest log density found.

    Parameters
    ----------
    value : float
        Log posterior density, or log-likelihood under the flat prior.
    theta : array, shape (parameter,)
        Natural scale.
    hits : int
        How many starts ended within 1e-3 of where the best came from, on the rows explored.
    starts : int
    """

    value: float
    theta: NDArray
    hits: int
    starts: int


def maximum(given: Problem, prior: str, extra: NDArray | None = None) -> Maximum:
    """Search for the maximum of a problem's log density under "weak" or "flat".

    Parameters
    ----------
    given : Problem
    prior : {"weak", "flat"}
    extra : array, shape (start, parameter), optional
        Further starts, natural scale.
    """
    target = judged(given, prior)
    rng = np.random.default_rng([20261, target.n, *map(ord, given.name + prior)])
    few = _explored(target, rng)
    starts = scattered_starts(given, target, few, rng, STARTS)
    if extra is not None:
        starts = np.concatenate([[target.w(theta) for theta in extra], starts])
    ends, values = _descend_all(few, starts)
    kept = _distinct(ends, values)
    coarse = [_on_all_rows(target, few, ends[i]) for i in kept]
    order = np.argsort([value for _, value in coarse])[:POLISHED]
    fine = [target.descend(coarse[i][0], 60, 1e-8) for i in order]
    best = int(np.argmin([value for _, value in fine]))
    w, value = _polish(target, *fine[best], rng)
    # Ends that stopped a little apart may still lead to the one maximum.
    leading = [i for i, end in zip(order, fine, strict=True) if end[1] < fine[best][1] + SAME]
    origins = values[[kept[i] for i in leading]]
    hits = int(np.sum(np.abs(values[:, None] - origins).min(axis=1, initial=np.inf) < SAME))
    return Maximum(-value, target.theta(w), hits, len(values))


def _explored(target: Judged, rng: Generator) -> Judged:
    """A part of the rows: all that f0 explains worst, and the others by lot with more weight."""
    if target.n <= EXPLORE:
        return target
    order = np.argsort(target.rows[2])
    worst, others = order[: EXPLORE // 4], order[EXPLORE // 4 :]
    drawn = rng.choice(others, EXPLORE - len(worst), replace=False)
    weight = np.r_[np.ones(len(worst)), np.full(len(drawn), len(others) / len(drawn))]
    return target.part(np.concatenate([worst, drawn]), weight)


def _descend_all(few: Judged, starts: NDArray) -> tuple[NDArray, NDArray]:
    """Where the starts end, in batches until the best was found often enough."""
    ends: list[NDArray] = []
    values: list[float] = []
    for batch in np.array_split(starts, -(-len(starts) // BATCH)):
        for start in batch:
            w, value = few.descend(start, 60, 1e-5)
            ends.append(w)
            values.append(value if np.isfinite(value) else np.inf)
        hits = np.sum(np.array(values) < min(values) + SAME)
        if len(values) >= ENOUGH_STARTS and hits >= ENOUGH_HITS:
            break
    return np.array(ends), np.array(values)


def _distinct(ends: NDArray, values: NDArray) -> list[int]:
    """The best ends of different height, best first."""
    kept: list[int] = []
    for i in np.argsort(values):
        if len(kept) == DISTINCT or not np.isfinite(values[i]):
            break
        if not kept or values[i] > values[kept[-1]] + SAME:
            kept.append(int(i))
    return kept


def _on_all_rows(target: Judged, few: Judged, w: NDArray) -> tuple[NDArray, float]:
    return (w, target.value(w)) if few is target else target.descend(w, 6, 1e-5)


def _polish(target: Judged, w: NDArray, value: float, rng: Generator) -> tuple[NDArray, float]:
    """L-BFGS-B and Newton steps in turn until neither gains."""
    bounds = list(zip(target.lower, target.upper, strict=True))
    gained = np.inf
    while gained > FINISHED:
        found = minimize(
            target.value_and_gradient, w, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"ftol": 1e-15, "gtol": 1e-8, "maxiter": 100, "maxcor": 20},
        )  # fmt: skip
        other, there = target.descend(np.asarray(found.x), 60, 1e-9)
        gained = value - there
        if gained > 0.0:
            w, value = other, there
    kinked = target.form[1] == CODES["relu"] and target.n <= KINKS_MATTER
    return _jolted(target, w, value, rng) if kinked else (w, value)


def _jolted(target: Judged, w: NDArray, value: float, rng: Generator) -> tuple[NDArray, float]:
    """Newton steps from near by until 30 jolts in turn gain nothing: maxima may lie on a kink."""
    idle = 0
    while idle < 30:
        size = 10.0 ** rng.uniform(-5.0, -1.0)
        near = np.clip(w + size * rng.standard_normal(len(w)), target.lower, target.upper)
        other, there = target.descend(near, 20, 1e-9)
        idle = 0 if there < value - 1e-5 else idle + 1
        if there < value:
            w, value = other, there
    return w, value


def named(name: str) -> Problem:
    """A problem by its number, or a design by name/seed."""
    if "/" not in name:
        return problem(int(name))
    kind, seed = name.split("/")
    return design(kind, int(seed))


def every_problem() -> Iterator[str]:
    """Names of the 400 problems and the 160 designs."""
    yield from map(str, range(COUNT))
    yield from (f"{name}/{seed}" for name in DESIGNS for seed in range(DESIGN_SEEDS))


def measured(given: Problem) -> dict[str, object]:
    """A row of the record."""
    begun = time.perf_counter()
    weak = maximum(given, "weak")
    flat = maximum(given, "flat", extra=weak.theta[None])
    return {
        "name": given.name,
        "variant": given.variant,
        "gate": given.gate,
        "expert": given.expert,
        "family": given.family,
        "kind": given.kind,
        "n": given.n,
        "weak_logp": repr(float(weak.value)),
        "weak_hits": weak.hits,
        "weak_starts": weak.starts,
        "flat_loglik": repr(float(flat.value)),
        "flat_hits": flat.hits,
        "flat_starts": flat.starts,
        "seconds": f"{time.perf_counter() - begun:.1f}",
    }


def recorded() -> list[dict[str, str]]:
    """The rows that exist."""
    if not FILE.exists():
        return []
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(first: int = 0, last: int | None = None) -> None:
    """Append the rows that are missing of every_problem()[first:last], the cheapest first."""
    done = {row["name"] for row in recorded()}
    missing = [named(name) for name in list(every_problem())[first:last] if name not in done]
    missing.sort(key=lambda given: min(given.n, 3000) * sum(v.size for v in given.truth.values()))
    new = not FILE.exists()
    with FILE.open("a", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            table.writeheader()
        for given in missing:
            table.writerow(measured(given))
            file.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
