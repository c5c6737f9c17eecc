"""Losses between mixing measures: modulo order, translation and tilt, against plain loops."""

import numpy as np
import pytest
from bayes_cmoe.models.softmax_gaussian_moe import LOSSES
from scipy.optimize import minimize_scalar

from bayes_cmoe.theory.polynomial import split_order
from tests.experts.parts import VARIANT, Named, in_order, log_density, orders, point

LINE = VARIANT.regime("exact").measure(1)
RNG = np.random.default_rng(5)


def copied(truth: Named, index: list[int], shares: list[float]) -> Named:
    """Atoms of a truth several times over, each with its part of the share."""
    tau = np.append(truth["tau"], 0.0)[index] + np.log(shares)
    beta = np.vstack([truth["beta"], np.zeros_like(truth["beta"][:1])])[index]
    gate = {"tau": tau[:-1] - tau[-1], "beta": beta[:-1] - beta[-1:]}
    return gate | {name: truth[name][index] for name in ("a", "b", "nu")}


def scores(theta: Named) -> tuple[np.ndarray, np.ndarray]:
    """Weights e^tau over their sum, and slopes, the last expert's zero."""
    weight = np.exp(np.append(theta["tau"], 0.0))
    return weight / weight.sum(), np.vstack([theta["beta"], np.zeros_like(theta["beta"][:1])])


@pytest.mark.parametrize(("experts", "features"), [(2, 1), (3, 2)])
def test_a_truth_in_any_order_is_at_no_distance(experts: int, features: int) -> None:
    truth = point(experts, features)
    for order in orders(experts):
        moved = in_order(truth, order)
        assert LOSSES.exact(moved, truth) < 1e-12
        assert LOSSES.tilt_free(moved, truth) < 1e-7  # the root of what is rounded
        twice = copied(moved, [0, *range(experts)], [0.3, 0.7, *[1.0] * (experts - 1)])
        assert LOSSES.over_specified(twice, truth) < 1e-12
        assert LOSSES.tilt_free(twice, truth) < 1e-7


def cells_at(fit: Named, truth: Named, shift: np.ndarray) -> list[int]:
    (_, here), (_, there) = scores(fit), scores(truth)
    found = []
    for i in range(len(here)):
        square = [
            np.sum((here[i] - shift - there[j]) ** 2)
            + np.sum((fit["a"][i] - truth["a"][j]) ** 2)
            + (fit["b"][i] - truth["b"][j]) ** 2
            + (fit["nu"][i] - truth["nu"][j]) ** 2
            for j in range(len(there))
        ]
        found.append(int(np.argmin(square)))
    return found


def brute(fit: Named, truth: Named, slow: dict[int, float], fast: dict[int, float]) -> float:
    """The loss by loops over atoms, scalar searches from a grid, and a fine grid of factors."""
    (weight, here), (own, there) = scores(fit), scores(truth)
    best = np.inf
    for i in range(len(here)):
        for j in range(len(there)):
            cells = cells_at(fit, truth, here[i] - there[j])
            count = [cells.count(cell) for cell in cells]
            total = 0.0
            for k, cell in enumerate(cells):
                p, q = slow[count[k]], fast[count[k]]
                total += weight[k] * abs(fit["b"][k] - truth["b"][cell]) ** p
                total += weight[k] * np.sum(np.abs(fit["a"][k] - truth["a"][cell]) ** q)
                total += weight[k] * abs(fit["nu"][k] - truth["nu"][cell]) ** q
            for d in range(here.shape[1]):

                def away(t: float, d: int = d, cells=cells, count=count) -> float:
                    return sum(
                        weight[k] * abs(here[k, d] - there[cell, d] - t) ** slow[count[k]]
                        for k, cell in enumerate(cells)
                    )

                gaps = np.array([here[k, d] - there[cell, d] for k, cell in enumerate(cells)])
                edges = (gaps.min() - 1e-9, gaps.max() + 1e-9)
                search = minimize_scalar(away, bounds=edges, method="bounded")
                total += min([search.fun, *(away(gap) for gap in gaps)])
            mass = np.array(
                [
                    sum(w for w, c in zip(weight, cells, strict=True) if c == cell)
                    for cell in range(len(own))
                ]
            )
            factors = np.linspace(0.0, 3.0 * np.max(mass / own), 20001)
            sums = np.abs(mass[:, None] - factors * own[:, None]).sum(axis=0)
            best = min(best, total + sums.min())
    return best


ONE = dict.fromkeys(range(1, 4), 1.0)


@pytest.mark.parametrize("features", [1, 2])
def test_losses_are_those_of_plain_loops(features: int) -> None:
    truth = point(2, features, seed=3)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        same = {k: v + 0.2 * rng.normal(size=v.shape) for k, v in truth.items()}
        more = copied(truth, [0, 1, 1], [1.0, 0.4, 0.6])
        more = {k: v + 0.2 * rng.normal(size=v.shape) for k, v in more.items()}
        for theta in (same, more):
            theta["nu"] = np.abs(theta["nu"])
        # The grid of factors is coarse to 2e-4 of a sum of 1; a bounded search stops at 1e-5.
        assert LOSSES.exact(same, truth) == pytest.approx(brute(same, truth, ONE, ONE), abs=5e-4)
        slow, fast = {1: 1.0, 2: 4.0, 3: 6.0}, {1: 1.0, 2: 2.0, 3: 3.0}
        expected = brute(more, truth, slow, fast)
        assert LOSSES.over_specified(more, truth) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("name", "power"), [("b", 4.0), ("a", 2.0), ("nu", 2.0), ("beta", 4.0)])
def test_a_split_in_a_cell_counts_with_its_power(name: str, power: float) -> None:
    """An even split by s on either side: sum of shares times s^power."""
    found = []
    for size in (0.05, 0.1):
        fit = copied(LINE, [0, 0, 1], [0.5, 0.5, 1.0])
        sign = np.array([1.0, -1.0])
        step = size * (sign[:, None] if name in ("a", "beta") else sign)
        fit[name] = fit[name].copy()
        fit[name][:2] += step
        found.append(float(LOSSES.over_specified(fit, LINE)))
        share = np.exp(8.0) / (1.0 + np.exp(8.0))
        assert found[-1] == pytest.approx(share * size**power, rel=1e-9)
        assert LOSSES.spreads(fit, LINE)[name] == pytest.approx(size, rel=1e-9)
        others = {k: v for k, v in LOSSES.spreads(fit, LINE).items() if k != name}
        assert max(others.values()) < 1e-12


def test_masses_are_of_whole_cells() -> None:
    """Halves of one expert count together: masses .6 and .4 beside .5 and .5, by any factor."""
    truth = point(2, 1, seed=5)
    truth["tau"] = np.zeros(1)
    fit = copied(truth, [0, 0, 1], [0.3, 0.3, 0.4])
    # The least of |.6 - c / 2| + |.4 - c / 2| over c.
    assert LOSSES.masses(fit, truth) == pytest.approx(0.2, rel=1e-9)
    assert LOSSES.masses(copied(truth, [0, 0, 1], [0.2, 0.3, 0.5]), truth) < 1e-12


@pytest.mark.parametrize("offset", [0.5, 3.0, 10.0])
def test_a_common_offset_of_all_gates_is_no_difference_but_in_d2(offset: float) -> None:
    fit = copied(LINE, [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5])
    whole = np.vstack([fit["beta"], [[0.0]]]) + offset * np.array([[1.0], [-1.0]] * 2)
    fit["beta"] = whole[:-1] - whole[-1:]
    x, y = RNG.uniform(0, 1, (200, 1)), RNG.uniform(-8, 18, 200)
    np.testing.assert_allclose(log_density(fit, x, y), log_density(LINE, x, y), rtol=1e-10)
    assert LOSSES.over_specified(fit, LINE) > 0.01
    assert LOSSES.tilt_free(fit, LINE) < 1e-7
    # A tilt of one cell alone is seen by both.
    fit["beta"][2] += 2.0
    assert LOSSES.tilt_free(fit, LINE) > 1e-3


def test_the_kernel_distance_is_that_of_weighted_points() -> None:
    """‖nu_j - R‖² by the double sum over all pairs of points, the common measure written out."""
    truth = point(2, 2, seed=8)
    fit = copied(truth, [0, 0, 1], [0.3, 0.7, 1.0])
    fit["beta"] = fit["beta"] + RNG.normal(size=(2, 2))
    fit["tau"] = fit["tau"] + np.array([0.2, -0.4])
    (weight, here), (own, there) = scores(fit), scores(truth)
    at = [here[0] - there[0], here[1] - there[0], here[2] - there[1]]
    measures = np.array(
        [[weight[0] / own[0], weight[1] / own[0], 0.0], [0.0, 0.0, weight[2] / own[1]]]
    )
    common = own @ measures
    total = 0.0
    for j in range(2):
        left = measures[j] - common
        total += own[j] * sum(
            left[p] * left[q] * np.exp(-0.5 * np.sum((at[p] - at[q]) ** 2))
            for p in range(3)
            for q in range(3)
        )
    assert LOSSES.tilt_free(fit, truth) == pytest.approx(np.sqrt(total), rel=1e-9)


def test_many_draws_are_measured_side_by_side() -> None:
    truth, size = point(3, 2), (2, 5)
    draws = {k: v + 0.3 * RNG.normal(size=(*size, *v.shape)) for k, v in truth.items()}
    draws["nu"] = np.abs(draws["nu"])
    for loss in (LOSSES.exact, LOSSES.over_specified, LOSSES.tilt_free):
        found = loss(draws, truth)
        assert found.shape == size
        alone = [
            [loss({k: v[i, j] for k, v in draws.items()}, truth) for j in range(5)]
            for i in range(2)
        ]
        np.testing.assert_allclose(found, alone, rtol=1e-12)


def test_a_fit_does_not_change_with_its_reference() -> None:
    truth = point(3, 2)
    fit = {k: v + 0.2 * np.abs(RNG.normal(size=v.shape)) for k, v in point(3, 2).items()}
    for loss in (LOSSES.exact, LOSSES.tilt_free):
        found = [loss(in_order(fit, order), truth) for order in orders(3)]
        np.testing.assert_allclose(found, found[0], rtol=1e-10)


@pytest.mark.parametrize("atoms", [2, 3, 4, 5])
def test_the_powers_are_twice_and_once_the_atoms_of_a_cell(atoms: int) -> None:
    """One of them off by s: its share times s^r(m) along b, s^(r(m)/2) along nu."""
    shares = np.full(atoms, 1.0 / atoms)
    for name, power in (("b", split_order(atoms)), ("nu", split_order(atoms) / 2)):
        fit = copied(LINE, [*[0] * atoms, 1], [*shares, 1.0])
        fit[name] = fit[name] + 0.1 * np.eye(atoms + 1)[0]
        share = np.exp(8.0) / (1.0 + np.exp(8.0)) / atoms
        assert LOSSES.over_specified(fit, LINE) == pytest.approx(share * 0.1**power, rel=1e-9)
