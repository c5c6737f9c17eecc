"""Raise the record where a fit found more: `python -m tests.estimate.renew weak|flat FILE`.

FILE is of `tests.estimate.shortfalls`. The fit's point is finished by Newton steps on the density
by hand, which decides what its value is; hits of 0 say that no start of the reference led there.
"""

import csv
import sys
from pathlib import Path

from tests.estimate.judged import judged
from tests.estimate.maxima import FIELDS, FILE, named, recorded
from tests.estimate.search import SAME
from tests.estimate.shortfalls import COLUMN, gaps, stored
from tests.estimate.uncompiled import estimate


def main(prior: str, file: Path) -> None:
    """Rewrite the rows of the record that the fits in a file exceed."""
    table = gaps(stored(file), prior)
    higher = {}
    for name in table.loc[table["gap"] < -SAME, "name"]:
        target = judged(named(name), prior)
        theta = estimate(named(name), prior).theta
        _, value = target.descend(target.w(theta), 60, 1e-9)
        higher[name] = -min(value, target.value(target.w(theta)))
    rows = recorded()
    for row in rows:
        value = higher.get(row["name"], float("-inf"))
        if value > float(row[COLUMN[prior]]) + SAME:
            print(row["name"], row[COLUMN[prior]], "->", value)
            row |= {COLUMN[prior]: repr(float(value)), f"{prior}_hits": "0"}
    with FILE.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
