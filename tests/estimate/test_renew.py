"""The record is raised where a fit found more, and nowhere else."""

import csv
from pathlib import Path

import pytest

from tests.estimate import maxima, renew, shortfalls
from tests.estimate.maxima import recorded
from tests.estimate.shortfalls import fitted


def test_only_rows_that_a_fit_exceeds_are_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {row["name"]: row for row in recorded() if row["name"] in ("80", "372")}
    low = whole["80"] | {"weak_logp": repr(float(whole["80"]["weak_logp"]) - 1.0)}
    record, fits = tmp_path / "maxima.csv", tmp_path / "fits.csv"
    for file, rows in (
        (record, [low, whole["372"]]),
        (fits, [fitted(maxima.named(name), "weak", uncompiled=True) for name in ("80", "372")]),
    ):
        with file.open("w", encoding="utf-8", newline="") as opened:
            table = csv.DictWriter(opened, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    monkeypatch.setattr(maxima, "FILE", record)
    monkeypatch.setattr(renew, "FILE", record)
    renew.main("weak", fits)
    raised = {row["name"]: row for row in recorded()}
    assert raised["372"] == whole["372"]
    assert float(raised["80"]["weak_logp"]) == pytest.approx(
        float(whole["80"]["weak_logp"]), abs=1e-6
    )
    assert raised["80"]["weak_hits"] == "0"
    assert raised["80"]["flat_loglik"] == whole["80"]["flat_loglik"]
    assert len(shortfalls.off(shortfalls.gaps(shortfalls.stored(fits), "weak"))) == 0
