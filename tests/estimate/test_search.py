"""When a search ends, and what it may say then."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bayes_cmoe.estimate import hops, search
from bayes_cmoe.estimate.basins import Basins
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.search import counted

ROWS = 100
OBJECTIVE: Any = SimpleNamespace(rows=SimpleNamespace(n=ROWS))


def ends(*summed: float) -> list[Optimum]:
    """Optima with these summed objectives."""
    return [Optimum(np.zeros(2), value / ROWS, 0.0, Status.STALLED, 1) for value in summed]


def test_ends_are_ordered_and_counted_as_optima_of_the_summed_log_posterior() -> None:
    found = counted(ends(3.0, 1.0, 1.0 + 5e-3, 5.0, 9.0, 3.01, np.nan, 1.0 + 1e-6), ROWS)
    assert [end.value * ROWS for end in found.ends[:3]] == pytest.approx([1.0, 1.0, 1.005])
    assert np.isnan(found.ends[-1].value)
    assert (found.found, found.distinct) == (3, 3)


def test_unseen_share_is_the_posterior_mean_of_boender_and_rinnooy_kan() -> None:
    # N = 10 starts, W = 3 optima: W (W + 1) / (N (N - 1)) = 12 / 90.
    found = counted(ends(*[0.0] * 6, *[1.0] * 3, 2.0), ROWS)
    assert found.unseen == pytest.approx(12 / 90)
    assert counted(ends(0.0), ROWS).unseen == 1.0


@pytest.mark.parametrize(
    ("summed", "settled"),
    [
        ([0.0] * 32, True),
        ([0.0] * 2 + [1.0] * 30, False),  # found twice only
        ([0.0] * 3 + [1.0] * 29, False),  # 2 · 3 / (32 · 31) = .006 unseen
        ([0.0] * 3 + [1.0] * 45, False),  # 2 · 3 / (48 · 47) = .0027
        ([0.0] * 3 + [1.0] * 49, True),  # 2 · 3 / (52 · 51) = .0023
        ([0.0] * 2 + [1.0] * 62, False),  # found twice only, however little is unseen
        ([0.0] * 3 + [*np.linspace(0.1, 4.9, 29)], False),  # nearly every start another optimum
        ([0.0] * 40 + [*np.linspace(0.1, 4.9, 56)], True),  # so often that poor optima do not count
        ([0.0] * 39 + [*np.linspace(0.1, 4.9, 57)], False),
        ([np.nan] * 32, False),
    ],
)
def test_a_search_is_settled_by_hits_and_by_the_unseen_share(summed, settled) -> None:
    assert counted(ends(*summed), ROWS).settled is settled


@pytest.mark.parametrize(
    ("found", "others", "confirmed"),
    [
        (1, [1.0], False),  # once only
        (2, [1.0] * 30, True),  # .0625 of the starts, and 2 · 3 / (32 · 31) unseen
        (4, [*np.linspace(0.1, 4.9, 60)] * 5, False),  # .013, and 61 · 62 / (304 · 303) = .041
        (4, [*np.linspace(0.1, 4.9, 20)] * 15, True),  # .013, and 21 · 22 / (304 · 303) = .005
        (40, [*np.linspace(0.1, 4.9, 60)], True),  # often
    ],
)
def test_a_best_optimum_rarer_than_the_unseen_ones_is_not_confirmed(found, others, confirmed):
    """Rivals number 60 where the best of many was found four times: a better one was missed."""
    assert counted(ends(*[0.0] * found, *others), ROWS).confirmed is confirmed


def test_no_number_comes_last_whatever_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted by their values, ends that are no numbers would hide all that follow them."""
    nan, poor, good = ends(np.nan, 2.0, 1.0)
    assert min([nan, poor, good], key=lambda end: end.cost) is good
    monkeypatch.setattr(hops, "hop", lambda *_: [nan, poor, good])
    lanes: Any = None
    for begun in (nan, good):
        assert hops.sharpened(OBJECTIVE, lanes, {}, begun, 0) is good


def test_a_hop_back_to_its_base_is_no_other_start_that_found_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts: Any = SimpleNamespace(objective=OBJECTIVE)
    begun = counted(ends(0.0, 1.0, 2.0), ROWS)
    landings = iter([ends(0.0, 1.0, 0.0, 2.0, 0.0)] + [ends(0.0, 1.0, 2.0)] * 11)
    monkeypatch.setattr(search, "hop", lambda *_, **__: next(landings))
    found = search._hopped(starts, begun, np.random.default_rng(0), Basins(OBJECTIVE))
    # From bases 0, 1, 2, 0, 1: two hops changed places, to 2 from 0 and to 0 from 2, one from 1.
    assert (found.found, len(found.ends)) == (3, 6)
    assert len(list(landings)) == 12 - 4, "four idle rounds, as the search had not settled"


def test_a_settled_search_hops_once_more_after_each_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: Any = SimpleNamespace(objective=OBJECTIVE)
    begun = counted(ends(*[0.0] * 40), ROWS)
    rounds = [ends(-1.0, *[0.0] * 31), ends(*[-1.0] * 32), ends(*[-1.0] * 32)]
    landings = iter(rounds)
    monkeypatch.setattr(search, "hop", lambda *_, **__: next(landings))
    found = search._hopped(starts, begun, np.random.default_rng(0), Basins(OBJECTIVE))
    # The second round finds the new best again from the other base, in every other hop.
    assert (found.ends[0].cost * ROWS, found.found) == (pytest.approx(-1.0), 1 + 16)
    assert len(list(landings)) == 1
