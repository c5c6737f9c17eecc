"""Recorded log-densities and gradients: a change of a density must be meant."""

import json
from typing import Any

import numpy as np
import pytest

from bayes_cmoe import variants
from tests.record import FOLDER, recorded_cases
from tests.table import CASES

RECORDS: dict[str, dict[str, Any]] = {
    name: record
    for file in sorted(FOLDER.glob("*.json"))
    for name, record in json.loads(file.read_text(encoding="utf-8")).items()
}


def test_every_variant_is_recorded() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(variants())
    wanted = {case.name for variant in variants() for case in recorded_cases(variant)}
    assert set(RECORDS) == wanted


@pytest.mark.parametrize("name", RECORDS)
def test_density_and_gradient_are_as_recorded(name: str) -> None:
    record, likelihood = RECORDS[name], CASES[name].likelihood
    theta = likelihood.layout.ravel(record["theta"])
    rows = likelihood.rows(record["columns"])
    value, gradient = likelihood.value_and_gradient(theta, rows)
    assert list(likelihood.layout.labels) == record["labels"]
    np.testing.assert_allclose(likelihood.logp(theta, rows), record["rows"], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(value, record["value"], rtol=1e-12)
    np.testing.assert_allclose(gradient, record["gradient"], rtol=1e-11, atol=1e-12)
