"""Record every variant's log-density and gradient at one point: `python -m tests.record`.

The records notice change, they prove nothing: what is right is settled against SciPy elsewhere.
Write them anew only when a density is meant to have changed, and say so in the commit.
"""

import json
from pathlib import Path
from typing import Any

from bayes_cmoe import variants
from tests.table import TABLE, Case

FOLDER = Path(__file__).parent / "recorded"


def recorded_cases(variant: str) -> list[Case]:
    """The variant's cases with a tanh expert: every gate, every kind of frozen expert."""
    return [case for case in TABLE if case.variant == variant and case.expert == "tanh"]


def measured(case: Case) -> dict[str, Any]:
    """The point, the data, and what the compiled likelihood says there."""
    columns = case.columns(case.x, case.y)
    rows = case.likelihood.rows(columns)
    value, gradient = case.likelihood.value_and_gradient(case.vector, rows)
    return {
        "theta": {name: entry.tolist() for name, entry in case.theta.items()},
        "columns": {name: column.tolist() for name, column in columns.items()},
        "rows": case.likelihood.logp(case.vector, rows).tolist(),
        "value": value,
        "labels": list(case.likelihood.layout.labels),
        "gradient": gradient.tolist(),
    }


def main() -> None:
    """Write one file for each variant."""
    FOLDER.mkdir(exist_ok=True)
    for variant in variants():
        records = {case.name: measured(case) for case in recorded_cases(variant)}
        text = json.dumps(records, indent=1)
        (FOLDER / f"{variant}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
