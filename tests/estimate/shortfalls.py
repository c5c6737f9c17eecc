"""How far the package's default fits stay below the reference maxima, and where they exceed them.

    python -m tests.estimate.shortfalls [weak|flat] [first last]

prints the table of problems whose fit is further than 1e-3 nats from the record, on either side. A
positive gap is a shortfall of the package; a negative one, a reference that was not the maximum.
"""

import sys
import time
from collections.abc import Iterable, Sequence

import pandas as pd

from bayes_cmoe.estimate.map import fit_map
from tests.estimate.maxima import named, recorded
from tests.estimate.problem import Problem
from tests.estimate.search import SAME

__all__ = ["fitted", "gaps", "off"]

COLUMN = {"weak": "weak_logp", "flat": "flat_loglik"}
FOUND = {"weak": "logp", "flat": "loglik"}


def fitted(given: Problem, prior: str) -> tuple[float, str]:
    """What the package finds at its defaults: log posterior or log-likelihood, and the status."""
    model = given.model(prior)
    result = fit_map(model)["optimizer_result"]
    return result[FOUND[prior]].item(), result["status"].item()


def gaps(rows: Iterable[dict[str, str]], prior: str) -> pd.DataFrame:
    """Fit the recorded problems and compare.

    Parameters
    ----------
    rows : iterable of dict
        Of the record, see `recorded`.
    prior : {"weak", "flat"}

    Returns
    -------
    DataFrame, one row a problem: name, gate, expert, family, kind, n, found, reference,
    gap = reference - found, status, seconds.
    """
    lines = []
    for row in rows:
        begun = time.perf_counter()
        found, status = fitted(named(row["name"]), prior)
        reference = float(row[COLUMN[prior]])
        lines.append(
            {name: row[name] for name in ("name", "gate", "expert", "family", "kind")}
            | {
                "n": int(row["n"]),
                "found": found,
                "reference": reference,
                "gap": reference - found,
                "status": status,
                "seconds": time.perf_counter() - begun,
            }
        )
    return pd.DataFrame(lines)


def off(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are not within 1e-3 nats of the reference, shortfalls first."""
    # Not `> SAME`: a fit that ended nowhere has a gap that is not a number.
    return table[~(table["gap"].abs() <= SAME)].sort_values("gap", ascending=False)


def main(arguments: Sequence[str]) -> None:
    """Print the problems whose fits and records differ."""
    prior = arguments[0] if arguments else "weak"
    first, last = (int(arguments[1]), int(arguments[2])) if len(arguments) > 2 else (0, None)
    table = gaps(recorded()[first:last], prior)
    below = int((~(table["gap"] <= SAME)).sum())
    above = int((table["gap"] < -SAME).sum())
    print(off(table).to_string(index=False))
    print(f"{prior}: {len(table)} fits, {below} below the reference, {above} above it")


if __name__ == "__main__":
    main(sys.argv[1:])
