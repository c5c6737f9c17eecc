"""How far the package's default fits stay below the reference maxima, and where they exceed them.

    python -m tests.estimate.shortfalls weak|flat [--uncompiled] FILE [name ...]

fits the problems named (all that there are, the cheapest first, when none is) and appends each fit
to FILE at once, so that it may be stopped at any moment and goes on where it was. Then it prints
the fits in FILE that are further than 1e-3 nats from the reference maximum, on either side. A
positive gap is a shortfall of the package; a negative one, a reference that was not the maximum.
With --uncompiled the density is the one by hand of `tests.estimate.uncompiled`, which is quicker.
"""

import csv
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd
from scipy import stats

from bayes_cmoe.estimate.map import fit_map
from tests.estimate.maxima import cost, every_problem, named, recorded
from tests.estimate.problem import Problem
from tests.estimate.search import SAME
from tests.estimate.uncompiled import estimate

__all__ = ["COLUMN", "fitted", "gaps", "off", "stored"]

COLUMN = {"weak": "weak_logp", "flat": "flat_loglik"}
FOUND = {"weak": "logp", "flat": "loglik"}
FIELDS = (
    "name", "gate", "expert", "family", "kind", "n", "value", "status", "found", "distinct",
    "unseen", "seconds",
)  # fmt: skip


def fitted(given: Problem, prior: str, uncompiled: bool = False) -> dict[str, object]:
    """What the package finds at its defaults: FIELDS, value the log posterior or log-likelihood."""
    begun = time.process_time()
    fit: dict[str, object] = {name: getattr(given, name) for name in FIELDS[:6]}
    if uncompiled:
        by_hand = estimate(given, prior)
        fit |= {"value": getattr(by_hand, FOUND[prior]), "status": str(by_hand.status)}
        fit |= {name: getattr(by_hand.search, name) for name in FIELDS[8:11]}
    else:
        result = fit_map(given.model(prior))["optimizer_result"]
        fit |= {"value": result[FOUND[prior]].item()}
        fit |= {name: result[name].item() for name in FIELDS[7:11]}
    return fit | {"seconds": round(time.process_time() - begun, 2)}


def gaps(fits: Iterable[dict[str, object]], prior: str) -> pd.DataFrame:
    """Fits of recorded problems, with ``reference`` and ``gap`` = reference - value."""
    table = pd.DataFrame(fits)
    reference = {row["name"]: float(row[COLUMN[prior]]) for row in recorded()}
    table["reference"] = table["name"].map(reference)
    table["gap"] = table["reference"] - table["value"]
    return table


def off(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not within 1e-3 nats of the reference, shortfalls first."""
    # Not `> SAME`: a fit that ended nowhere has a gap that is not a number.
    return table[~(table["gap"].abs() <= SAME)].sort_values("gap", ascending=False)


def stored(file: Path) -> list[dict[str, object]]:
    """The fits in a file."""
    if not file.exists():
        return []
    return pd.read_csv(file, dtype={"name": str}).to_dict("records")  # type: ignore[return-value]


def _missing(file: Path, names: Sequence[str]) -> Iterator[Problem]:
    done = {row["name"] for row in stored(file)}
    problems = [named(name) for name in names or every_problem() if name not in done]
    # Those that were named are fitted in the order given.
    yield from problems if names else sorted(problems, key=cost)


def main(prior: str, file: Path, names: Sequence[str], uncompiled: bool) -> None:
    """Fit what is missing, then print the fits and references that differ."""
    for given in _missing(file, names):
        fit = fitted(given, prior, uncompiled)
        new = not file.exists()
        with file.open("a", encoding="utf-8", newline="") as opened:
            table = csv.DictWriter(opened, FIELDS, lineterminator="\n")
            if new:
                table.writeheader()
            table.writerow(fit)
    known = gaps(stored(file), prior).dropna(subset="reference")
    below = int((~(known["gap"] <= SAME)).sum())
    interval = stats.binomtest(below, len(known)).proportion_ci(method="exact")
    print(off(known).drop(columns=["unseen", "seconds"]).to_string(index=False))
    print(f"{prior}: {len(known)} fits, {int((known['gap'] < -SAME).sum())} above the reference")
    print(f"{below} below it, 95 % interval of the share {interval.low:.4f} to {interval.high:.4f}")


if __name__ == "__main__":
    given, uncompiled = sys.argv[1:], "--uncompiled" in sys.argv
    prior, path, *names = [word for word in given if word != "--uncompiled"]
    main(prior, Path(path), names, uncompiled)
