"""Default fits against the reference maxima, and the reference itself against SciPy."""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from bayes_cmoe.compiled.posterior import Posterior
from tests import reference
from tests.estimate.derivatives import derivatives
from tests.estimate.designs import DESIGNS, design
from tests.estimate.judged import Judged, judged
from tests.estimate.maxima import every_problem, named, recorded
from tests.estimate.problems import COUNT, EXPERTS, GROUPS, Problem, problem
from tests.estimate.search import SAME, maximum
from tests.estimate.shortfalls import fitted, gaps, off
from tests.estimate.uncompiled import estimate

# Three of each variant and gate, all kinds, far-off units among them; chosen before any was fitted.
SMALL = ("80", "372", "56", "325", "305", "397", "250", "378", "86", "243", "219", "307")
NARROW = ("264", "228", "88")
SHORT = {"32", "166", "193", "386"}
"""By 2.07, 1.88, 1.08 and .07 nats under the weak prior; the first is called a spike."""
UNDER = {"weak": SMALL, "flat": SMALL[::3]}
"""Under the weak prior, the default, all; under the flat one, one of each variant and gate."""
PARTS = 10

# Each gate with a scalar and a class response meets every activation, with and without bias.
FORMS = tuple(str(i) for i in range(2 * len(GROUPS) * len(EXPERTS)) if problem(i).n < 1500)


def _point(target: Judged, rng: np.random.Generator) -> NDArray:
    """A point inside the bounds, within a weak standard deviation of the weak prior's centre."""
    w = rng.uniform(-1.0, 1.0, target.size)
    return np.clip(w, target.lower + 0.1, target.upper - 0.1)


def _named_parameters(given: Problem, theta: NDArray) -> dict[str, NDArray]:
    sizes = [value.size for value in given.truth.values()]
    parts = np.split(theta, np.cumsum(sizes)[:-1])
    return {
        name: part.reshape(value.shape)
        for (name, value), part in zip(given.truth.items(), parts, strict=True)
    }


def _by_scipy(given: Problem, parameters: dict[str, NDArray], prior: str) -> float:
    """The judged density from SciPy's distributions alone."""
    family = "categorical" if "frozen_probs" in given.frozen else given.family
    columns = {"x": given.x, "response": given.y, **given.frozen}
    total = reference.contaminated(given.expert, family, parameters, columns).sum()
    if prior == "flat":
        return float(total)
    m, s = given.x.mean(axis=0), given.x.std(axis=0)
    reach = np.sqrt(1.0 + np.sum(m**2 / s**2))
    unit = given.classes is not None or given.expert.startswith(("tanh", "sigmoid"))
    center, spread = (0.0, 1.0) if unit else (given.y.mean(), given.y.std())
    terms = {
        "lam": lambda v: stats.beta.logpdf(v, 1.5, 1.5),
        "beta": lambda v: stats.norm.logpdf(v, 0.0, 2.5 / s),
        "tau": lambda v: stats.norm.logpdf(v, 0.0, 2.5 * reach),
        "a": lambda v: stats.norm.logpdf(v, 0.0, 2.5 * spread / s),
        "b": lambda v: stats.norm.logpdf(v, center, 2.5 * spread * reach),
        "nu": lambda v: stats.lognorm.logpdf(v, 1.5, scale=given.y.var() / 2.0),
    }
    return float(total + sum(np.sum(terms[name](value)) for name, value in parameters.items()))


def test_every_kind_of_problem_appears_often() -> None:
    problems = [problem(i) for i in range(COUNT)]
    groups = Counter((p.variant, p.gate, p.expert) for p in problems)
    assert set(groups.values()) == {10}
    assert len(groups) == len(GROUPS) * len(EXPERTS)
    families = Counter((p.variant, p.gate, p.family) for p in problems)
    assert min(families.values()) >= 24
    kinds = Counter((p.variant, p.gate, p.kind) for p in problems)
    assert min(kinds.values()) >= 10
    sizes = np.array([p.n for p in problems])
    share, _ = np.histogram(np.log(sizes), np.log([100.0, 376.0, 1414.0, 5318.0, 20000.0]))
    assert share.sum() == COUNT
    assert share.min() > 75
    assert sum(p.x.mean() > 25.0 for p in problems) > 80
    assert sum(p.classes is None and p.y.std() > 100.0 for p in problems) > 20


def test_problems_are_drawn_the_same_twice() -> None:
    for make in (lambda: problem(17), lambda: design("merging", 3)):
        first, second = make(), make()
        np.testing.assert_array_equal(first.x, second.x)
        np.testing.assert_array_equal(first.y, second.y)
    assert design("merging", 3).y[0] != design("merging", 4).y[0]


@pytest.mark.parametrize("name", [f"{name}/0" for name in DESIGNS])
def test_a_design_is_likelier_at_its_truth_than_without_a_prompt(name: str) -> None:
    given = named(name)
    without = {**given.truth}
    without |= {"lam": np.array(1e-9)} if "lam" in without else {"tau": np.array(-30.0)}
    assert _by_scipy(given, given.truth, "flat") > _by_scipy(given, without, "flat")


@pytest.mark.parametrize("prior", ["weak", "flat"])
@pytest.mark.parametrize("name", FORMS)
def test_judged_density_is_scipys_and_has_its_derivatives(name: str, prior: str) -> None:
    given = named(name)
    target = judged(given, prior)
    w = _point(target, np.random.default_rng(int(name)))
    value, gradient, hessian = target.with_hessian(w)
    parameters = _named_parameters(given, target.theta(w))
    assert -value == pytest.approx(_by_scipy(given, parameters, prior), rel=1e-12)
    np.testing.assert_allclose(target.w(target.theta(w)), w, rtol=0, atol=1e-9)
    assert target.value(w) == value
    np.testing.assert_allclose(target.value_and_gradient(w)[1], gradient, rtol=1e-12)
    # Central differences: error h² f'''/6 + eps |f| / h. A kink of a relu would show as more.
    step = 1e-6
    moves = step * np.eye(target.size)
    slopes = [(target.value(w + move) - target.value(w - move)) / (2 * step) for move in moves]
    tolerance = 1e-6 * (np.abs(gradient).max() + np.abs(hessian).max())
    np.testing.assert_allclose(gradient, slopes, rtol=0, atol=tolerance)
    bends = [
        (target.value_and_gradient(w + move)[1] - target.value_and_gradient(w - move)[1])
        / (2 * step)
        for move in moves
    ]
    if "relu" not in given.expert:
        np.testing.assert_allclose(hessian, bends, rtol=0, atol=1e-5 * np.abs(hessian).max())
    np.testing.assert_allclose(hessian, hessian.T, rtol=0, atol=1e-13 * np.abs(hessian).max())


@pytest.mark.parametrize("name", ["56", "305", "250", "linear-student/0"])
def test_judged_density_is_the_packages(name: str) -> None:
    given = named(name)
    for prior in ("weak", "flat"):
        target = judged(given, prior)
        posterior = Posterior(given.model(prior))
        theta = target.theta(_point(target, np.random.default_rng(5)))
        value = posterior.likelihood.value(theta, posterior.rows())
        value += float(posterior.log_prior(theta)) if prior == "weak" else 0.0
        assert value == pytest.approx(-target.value(target.w(theta)), rel=1e-9)
        if prior == "flat":
            edges = np.column_stack([target.theta(target.lower), target.theta(target.upper)])
            if target.scalar:
                assert edges[-1] == pytest.approx(given.y.var() * np.array([1e-4, 100.0]))
            found = np.column_stack([posterior.lower, posterior.upper])
            np.testing.assert_allclose(edges, found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["394", "315", "74"])
def test_compiled_derivatives_are_those_by_hand(name: str) -> None:
    """Rounding differs within what XLA fuses: a maximum's derivative, by comparison, was 0/0."""
    target = judged(named(name), "flat")
    posterior = Posterior(named(name).model("flat"))
    rows, rng = posterior.rows(), np.random.default_rng(6)
    for theta in (target.theta(_point(target, rng)) for _ in range(8)):
        value, gradient, hessian = derivatives(theta, target.rows, target.form, 2)
        found, slope = posterior.likelihood.value_and_gradient(theta, rows)
        assert found == pytest.approx(value, rel=1e-11)
        np.testing.assert_allclose(slope, gradient, rtol=1e-8, atol=1e-8 * np.abs(gradient).max())
        bend = posterior.likelihood.hessian(theta, rows)
        np.testing.assert_allclose(bend, hessian, rtol=1e-8, atol=1e-8 * np.abs(hessian).max())


def test_a_part_of_the_rows_counts_as_its_weights_say() -> None:
    target = judged(named("80"), "flat")
    w = _point(target, np.random.default_rng(1))
    rows = np.arange(0, target.n, 2)
    twice = target.part(np.repeat(rows, 2), np.ones(2 * len(rows)))
    weighted = target.part(rows, np.full(len(rows), 2.0))
    assert weighted.value(w) == pytest.approx(twice.value(w), rel=1e-13)


@pytest.mark.parametrize("name", ["80", "397"])
def test_recorded_maxima_are_found_again(name: str) -> None:
    (row,) = [row for row in recorded() if row["name"] == name]
    for prior, column in (("weak", "weak_logp"), ("flat", "flat_loglik")):
        found = maximum(named(name), prior)
        target = judged(named(name), prior)
        assert found.value == pytest.approx(float(row[column]), abs=1e-4)
        assert -target.value(target.w(found.theta)) == pytest.approx(found.value, abs=1e-7)
        assert 0 < found.hits <= found.starts


def test_the_record_holds_each_problem_once() -> None:
    names = [row["name"] for row in recorded()]
    assert len(set(names)) == len(names)
    assert set(names) <= set(every_problem())
    assert set(SMALL) <= set(names)


@pytest.mark.parametrize("prior", ["weak", pytest.param("flat", marks=pytest.mark.slow)])
def test_default_fits_of_small_problems_reach_the_maximum(prior: str) -> None:
    names = UNDER[prior]
    table = gaps([fitted(named(name), prior) for name in names], prior)
    print(off(table).to_string(index=False))
    assert len(table) == len(names)
    assert not (table["gap"] < -SAME).any(), "a fit found more than the reference"
    if prior == "weak":
        assert (table["gap"] <= SAME).mean() >= 0.99
        # Under the flat prior spikes are many, and rounding decides which of them is found.
        by_hand = gaps([fitted(named(name), prior, uncompiled=True) for name in SMALL], prior)
        np.testing.assert_allclose(by_hand["value"], table["value"], rtol=0, atol=SAME)


@pytest.mark.parametrize("name", NARROW)
def test_default_fits_reach_maxima_in_narrow_basins(name: str) -> None:
    """A few rows more or less: no start and no hop by standard errors was seen to find these.

    One seed may miss them (of eight seeds 1, 0 and 5 did), and rounding decides which.
    """
    (row,) = [row for row in recorded() if row["name"] == name]
    found = max(estimate(named(name), "weak", seed=seed).logp for seed in range(3))
    assert abs(float(row["weak_logp"]) - found) <= SAME


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["weak", "flat"])
@pytest.mark.parametrize("part", range(PARTS))
def test_default_fits_reach_the_maximum(part: int, prior: str) -> None:
    """All but the four of the 560 that are known to stay below.

    By hand: models would be compiled for hours, and those of the small problems are, above. Under
    the flat prior, which is not the default, every fourth problem.
    """
    names = [row["name"] for row in recorded()[part::PARTS]][:: 1 if prior == "weak" else 4]
    table = gaps([fitted(named(name), prior, uncompiled=True) for name in names], prior)
    print(off(table).to_string(index=False))
    assert not (table["gap"] < -SAME).any(), "a fit found more than the reference"
    if prior == "weak":
        assert set(off(table)["name"].astype(str)) <= SHORT
