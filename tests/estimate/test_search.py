"""When a search ends, and what it may say then."""

import numpy as np
import pytest

from bayes_cmoe.estimate.descent import Optimum, Status
from bayes_cmoe.estimate.search import counted

ROWS = 100


def ends(*summed: float) -> list[Optimum]:
    """Optima with these summed objectives."""
    return [Optimum(np.zeros(2), value / ROWS, 0.0, Status.STALLED, 1) for value in summed]


def test_ends_are_ordered_and_counted_as_optima_of_the_summed_log_posterior() -> None:
    found = counted(ends(3.0, 1.0, 1.0 + 5e-3, 7.0, 3.01, np.nan, 1.0 + 1e-6), ROWS)
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
        ([0.0] * 3 + [1.0] * 61, True),  # 2 · 3 / (64 · 63) = .0015
        ([0.0] * 2 + [1.0] * 62, False),  # found twice only, however little is unseen
        ([0.0] * 3 + [*range(1, 30)], False),  # nearly every start another optimum
        ([0.0] * 40 + [*range(1, 57)], True),  # so often that poor optima do not count
        ([0.0] * 39 + [*range(1, 58)], False),
        ([np.nan] * 32, False),
    ],
)
def test_a_search_is_settled_by_hits_and_by_the_unseen_share(summed, settled) -> None:
    assert counted(ends(*summed), ROWS).settled is settled
