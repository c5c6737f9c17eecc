"""Known maxima: which descents are sure to end there, on functions whose maxima are seen."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate import descent
from bayes_cmoe.estimate.basins import Basins
from bayes_cmoe.estimate.descent import descend, finish, seek
from bayes_cmoe.estimate.map import find_map
from bayes_cmoe.estimate.optimum import Optimum, Status
from bayes_cmoe.estimate.parted import cell_starts
from bayes_cmoe.parts.mixture import mixture_of

ROWS = 50
HESSIAN = np.array([[4.0, 1.5], [1.5, 1.0]])
PLACE = np.array([0.3, -0.2])


class Wells:
    """(u² - 1)² + (u - v)²/2 for w = (u, v), tilted: minima near (-1, -1) and (1, 1)."""

    def __init__(self) -> None:
        self.rows = SimpleNamespace(n=ROWS)
        far = np.full(2, 10.0)
        self.working = SimpleNamespace(lower=-far, upper=far, natural=lambda w: w)
        self.evaluations = 0

    def value_and_gradient(self, w: NDArray) -> tuple[float, NDArray]:
        self.evaluations += 1
        u, v = w
        value = (u**2 - 1) ** 2 + (u - v) ** 2 / 2 + 0.1 * u
        return float(value), np.array([4 * u * (u**2 - 1) + (u - v) + 0.1, v - u])

    def natural_hessian(self, w: NDArray) -> NDArray:
        """Of the summed log posterior, as in an objective."""
        return -ROWS * np.array([[12 * w[0] ** 2 - 3, -1.0], [-1.0, 1.0]])

    def derivatives(self, w: NDArray) -> tuple[float, NDArray, NDArray]:
        return *self.value_and_gradient(w), self.natural_hessian(w)

    def hessian(self, w: NDArray, gradient: NDArray, natural: NDArray) -> NDArray:
        return -natural / ROWS


def quadratic(hessian: NDArray = HESSIAN) -> Any:
    """An objective with the minimum at PLACE, where its Hessian is the one given."""
    return SimpleNamespace(
        rows=SimpleNamespace(n=ROWS),
        working=SimpleNamespace(natural=lambda w: w),
        natural_hessian=lambda w: -ROWS * hessian,
        hessian=lambda w, gradient, natural: -natural / ROWS,
    )


def known(objective: Any, status: Status = Status.CONVERGED) -> tuple[Basins, Optimum]:
    basins = Basins(objective)
    optimum = Optimum(PLACE, 1.0, 0.0, status, 3)
    basins.add(optimum)
    return basins, optimum


def nats_away(nats: float, direction: NDArray) -> NDArray:
    """A point from which a quadratic of Hessian HESSIAN falls by so many nats to its minimum."""
    return PLACE + direction * np.sqrt(2 * nats / ROWS / (direction @ HESSIAN @ direction))


@pytest.mark.parametrize(("nats", "met"), [(1e-6, True), (29.9, True), (30.1, False)])
def test_a_maximum_is_reached_from_thirty_nats_below(nats: float, met: bool) -> None:
    basins, optimum = known(quadratic())
    for direction in np.random.default_rng(1).standard_normal((20, 2)):
        w = nats_away(nats, direction)
        assert (basins.reached(w, HESSIAN @ (w - PLACE)) is optimum) is met


@pytest.mark.parametrize(("share", "met"), [(0.29, True), (0.31, False), (1.0, False)])
def test_a_newton_step_must_lead_there(share: float, met: bool) -> None:
    """It may miss by three tenths of the way, in standard errors; a gradient of zero misses all."""
    basins, optimum = known(quadratic())
    rng = np.random.default_rng(2)
    for direction, other in rng.standard_normal((20, 2, 2)):
        w = nats_away(5.0, direction)
        missed = share * nats_away(5.0, other) + (1 - share) * PLACE - PLACE
        gradient = HESSIAN @ (w - PLACE + missed)
        assert (basins.reached(w, gradient) is optimum) is met
    assert basins.reached(nats_away(5.0, direction), np.zeros(2)) is None
    assert basins.reached(w, np.array([np.nan, 0.0])) is None


def test_only_maxima_with_room_and_information_are_kept() -> None:
    assert len(known(quadratic())[0]) == 1
    for status in (Status.EDGE, Status.STALLED, Status.NON_FINITE):
        assert len(known(quadratic(), status)[0]) == 0
    assert len(known(quadratic(np.diag([1.0, -1e-3])))[0]) == 0


def test_descents_end_where_they_would_without_what_is_known() -> None:
    """From either side of the saddle, with one well known, both or none."""
    wells: Any = Wells()
    rng = np.random.default_rng(3)
    for start in rng.uniform(-2.0, 2.0, (60, 2)):
        alone = finish(wells, start, Basins(wells))
        for places in ([-1.0], [1.0], [-1.0, 1.0]):
            basins = Basins(wells)
            for place in places:
                finish(wells, np.full(2, place), basins)
            assert len(basins) == len(places)
            end = finish(wells, start, basins)
            np.testing.assert_allclose(end.w, alone.w, atol=1e-6)
            assert len(basins) == len({*places, np.sign(alone.w[0])})


def test_a_known_maximum_saves_most_of_the_way() -> None:
    wells: Any = Wells()
    basins = Basins(wells)
    maximum = finish(wells, np.array([1.2, 0.8]), basins)
    begun = wells.evaluations
    descend(wells, np.array([1.9, -1.5]))
    alone = wells.evaluations - begun
    assert descend(wells, np.array([1.9, -1.5]), basins=basins) is maximum
    assert wells.evaluations - begun - alone < 0.7 * alone
    begun = wells.evaluations
    assert descend(wells, maximum.w + 1e-3, basins=basins) is maximum
    assert wells.evaluations - begun == 1, "one look at the start is enough"


def test_poor_ends_are_left_as_they_are() -> None:
    wells: Any = Wells()
    start, basins = np.array([1.2, 0.8]), Basins(wells)
    poor = finish(wells, start, basins, worth=-1.0)
    assert (poor.status, len(basins)) == (Status.STALLED, 0)
    assert finish(wells, start, basins, worth=0.5).status is Status.CONVERGED


def test_a_start_near_a_maximum_takes_newton_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    wells: Any = Wells()
    with monkeypatch.context() as patched:
        patched.setattr(descent, "descend", None)
        basins = Basins(wells)
        near = seek(wells, np.array([0.95, 0.9]), basins)
    assert (near.status, len(basins)) == (Status.CONVERGED, 1)
    assert seek(wells, np.array([1.9, -1.5]), basins) is near, "and it is known from then on"
    assert seek(wells, np.array([-1.9, 1.5]), basins).w[0] < 0
    assert len(basins) == 2


def test_of_several_starts_the_highest_finished_end_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four experts on two, and quasi-Newton ends far from the maxima that they lead to.

    The one that looks best there leads to a maximum 1.8, 2.0 and 4.1 nats below another's.
    """
    monkeypatch.setattr(descent, "QUASI_NEWTON_STEPS", 20)
    variant = variant_named("softmax_gaussian_moe")
    regime = variant.regime("tilt-4")
    posterior, lacking = None, []
    for seed in (1, 2, 10):
        model = variant.model(regime, simulate(variant, regime, 500, seed=seed))
        posterior = Posterior(model) if posterior is None else posterior
        rows, layout = posterior.likelihood.rows(columns_of(model)), posterior.layout
        mixture = mixture_of(model)
        assert mixture is not None
        starts = cell_starts(mixture, layout, layout.ravel(regime.truth(500)), regime.copies)
        alone = [find_map(posterior, rows, start).logp for start in starts]
        assert np.ptp(alone) > 0.1
        lacking.append(max(alone) - find_map(posterior, rows, starts).logp)
    assert max(lacking) < 1e-4
