"""The rules of a default fit by themselves: which rows, which optima, which words."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from bayes_cmoe import Data, variant_named
from bayes_cmoe.estimate.gating import gating_of
from bayes_cmoe.estimate.map import CONTENDERS, _contenders, fit_map
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.search import counted
from bayes_cmoe.estimate.starts import Starts
from bayes_cmoe.estimate.verdict import verdict
from tests import reference
from tests.estimate.studies import STUDIES

STUDY = STUDIES[2]
"""Softmax gate, Laplace frozen expert, two inputs, 700 rows, six parameters."""


@pytest.fixture(scope="module")
def starts() -> Starts:
    posterior = STUDY.posterior
    regime = variant_named(STUDY.variant).regime(STUDY.regime)
    # Inputs in other units: what is near is near in standard deviations.
    columns = {"x": STUDY.data.x, "response": STUDY.data.y, **regime.frozen.columns(STUDY.data.x)}
    objective = Objective(posterior, posterior.rows())
    scaled = {**columns, "x": columns["x"] * [1.0, 1000.0]}
    return Starts(objective, posterior.lanes, scaled, gating_of(posterior, objective.working))


@pytest.mark.parametrize("way", ["screened", "drawn", "near", "worst", "any"])
def test_a_part_of_the_rows_weighs_as_much_as_all(starts: Starts, way: str) -> None:
    """A start compares log posteriors a row; the prior must not weigh more on a part."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights = starts._part(way, rng)
        assert weights.sum() == pytest.approx(STUDY.n)
        seen = weights > 0
        assert np.ptp(weights[seen]) == pytest.approx(0.0, abs=1e-12)
        # Four rows for each of the six parameters, at least; six tenths of the rows at most.
        assert seen.all() if way in ("screened", "drawn") else 24 <= seen.sum() <= 0.6 * STUDY.n


def test_a_part_near_a_row_is_its_nearest_neighbours(starts: Starts) -> None:
    seen = starts._part("near", np.random.default_rng(1)) > 0
    x = STUDY.data.x / STUDY.data.x.std(axis=0)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    nearest = [set(np.argsort(row)[: seen.sum()]) for row in apart]
    assert set(np.flatnonzero(seen)) in nearest


def test_the_worst_rows_are_those_that_the_frozen_expert_explains_worst(starts: Starts) -> None:
    seen = starts._part("worst", np.random.default_rng(2)) > 0
    columns = {**starts.columns, "response": STUDY.data.y}
    frozen = reference.frozen_log_density(STUDY.family, columns)
    assert frozen[seen].max() <= frozen[~seen].min() + 1e-6


def test_the_explored_rows_are_spread_over_data_that_come_in_an_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = STUDIES[0]
    order = np.argsort(study.data.x[:, 0])
    data = Data(study.data.x[order], study.data.y[order])
    seen = []

    class Recording(Starts):
        def __init__(self, objective, lanes, columns, gating) -> None:
            seen.append(columns["x"][:, 0])
            super().__init__(objective, lanes, columns, gating)

    monkeypatch.setattr("bayes_cmoe.estimate.map.Starts", Recording)
    monkeypatch.setattr("bayes_cmoe.estimate.map.EXPLORE", 100)
    model = variant_named(study.variant).model(study.regime, data)
    fit_map(model, starts=4, posterior=study.posterior)
    assert 50 <= len(seen[0]) <= 100
    assert ks_2samp(seen[0], data.x[:, 0]).statistic < 1.0 / len(seen[0]) + 1e-12


def optima(table: np.ndarray) -> tuple[SimpleNamespace, list[Optimum]]:
    """Optima whose rows' log-densities are the lines of a table, and what evaluates them."""
    rows = SimpleNamespace(n=table.shape[1])
    likelihood = SimpleNamespace(logp=lambda w, rows: table[int(w[0])])
    exploration = SimpleNamespace(
        posterior=SimpleNamespace(likelihood=likelihood),
        working=SimpleNamespace(natural=lambda w: w),
        rows=rows,
    )
    ends = [
        Optimum(np.array([float(i)]), -line.mean(), 0.0, Status.STALLED, 1)
        for i, line in enumerate(table)
    ]
    return exploration, ends


def behind(best: np.ndarray, errors: float, seed: int) -> np.ndarray:
    """Rows' log-densities so many standard errors behind the best ones, by a paired t."""
    noise = np.random.default_rng(seed).standard_normal(len(best))
    noise = (noise - noise.mean()) / noise.std()
    return best + noise - errors / len(best) ** 0.5


def test_optima_within_four_standard_errors_on_the_part_are_tried_on_all_rows() -> None:
    best = np.random.default_rng(0).standard_normal(400)
    table = np.array([best, *(behind(best, e, 1) for e in (0.5, 1.0, 2.0, 3.9, 4.1, 6.0))])
    exploration, ends = optima(table)
    kept = _contenders(exploration, counted(ends, 400))
    assert [int(end.w[0]) for end in kept] == [0, 1, 2, 3, 4]


def test_the_same_optimum_is_tried_once_and_no_more_than_a_few_are() -> None:
    best = np.random.default_rng(0).standard_normal(400)
    exploration, ends = optima(np.array([best, best - 1e-7, behind(best, 1.0, 2)]))
    assert [int(end.w[0]) for end in _contenders(exploration, counted(ends, 400))] == [0, 2]
    many = np.array([best, *(behind(best, 1.0 + 0.1 * i, i) for i in range(20))])
    exploration, ends = optima(many)
    assert len(_contenders(exploration, counted(ends, 400))) == CONTENDERS == 8


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "converged"),
        ({"found": [0.0]}, "local"),
        ({"found": [0.0, *[5.0] * 31]}, "unconfirmed"),
        # Three rows are the prompt's three parameters: a handful is up to two rows for each.
        ({"resting": 5.9}, "spike"),
        ({"resting": 6.1}, "converged"),
        ({"widths": 1.01}, "unidentified"),
        ({"widths": 0.99}, "converged"),
        ({"widths": np.nan}, "unidentified"),
        ({"status": Status.EDGE}, "edge"),
        ({"status": Status.STALLED, "resting": 1.0}, "stalled"),
        ({"status": Status.EDGE, "resting": 1.0}, "spike"),
    ],
)
def test_a_status_by_itself(starts: Starts, change: dict, status: str) -> None:
    own: dict[str, Any] = {"resting": 300.0, "widths": 0.1, "status": Status.CONVERGED}
    own |= {"found": [0.0] * 32} | change
    posterior = STUDY.posterior
    ends = [Optimum(np.zeros(6), v / 700, 0.0, Status.STALLED, 1) for v in own["found"]]
    best = Optimum(np.zeros(6), 0.0, 0.0, own["status"], 1)
    # One entry's standard error against its box.
    errors = 0.1 * (posterior.upper - posterior.lower)
    errors[2] = own["widths"] * (posterior.upper - posterior.lower)[2]
    found = verdict(starts.objective, best, counted(ends, 700), errors, own["resting"])
    assert found.value == status
