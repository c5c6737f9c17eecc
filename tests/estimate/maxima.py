"""Reference maxima of the posterior: `python -m tests.estimate.maxima [first last]`.

An exhaustive search that shares no code with the package's: up to 500 starts a problem and prior,
compiled Newton steps, SciPy's L-BFGS-B to finish. Writes tests/recorded/maxima.csv, the cheapest
problems first; rows that exist are kept, so that it may be stopped at any moment. Where a fit of
the package found more, `tests.estimate.renew` raised the row.
"""

import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.estimate.problems import COUNT, DESIGN_SEEDS, DESIGNS, Problem, design, problem
from tests.estimate.search import maximum

__all__ = ["FIELDS", "FILE", "cost", "every_problem", "named", "recorded"]

FILE = Path(__file__).parents[1] / "recorded" / "maxima.csv"
FIELDS = (
    "name", "variant", "gate", "expert", "family", "kind", "n", "weak_logp", "weak_hits",
    "weak_starts", "flat_loglik", "flat_hits", "flat_starts", "seconds",
)  # fmt: skip


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


def cost(given: Problem) -> float:
    """What a search or a fit takes, in units of its own: rows times parameters."""
    return min(given.n, 3000) * sum(value.size for value in given.truth.values())


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
    missing.sort(key=cost)
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
