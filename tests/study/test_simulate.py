"""Draws against the density that they are meant to come from, by quadrature or exact sums."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bayes_cmoe import InputError, simulate, variant_named
from bayes_cmoe.study.simulate import prepare
from tests import reference
from tests.table import CASES, TABLE, Case, parameters

DRAWS = 20_000
DRAWABLE = tuple(case for case in TABLE if case.family != "log_density")


@pytest.fixture(params=parameters(DRAWABLE))
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def _support(case: Case, x: NDArray) -> tuple[NDArray, NDArray]:
    """All labels with weight one, or quadrature nodes over the line."""
    if case.classes:
        return np.arange(case.classes, dtype=float), np.ones(case.classes)
    # Where a Laplace density has its kink; a model without a frozen expert has none.
    kink = case.frozen_columns(x, np.zeros(1)).get("frozen_mean", np.zeros(1))[0]
    center = reference.mean(case.expert, x, case.theta)[0]
    return reference.real_line(np.unique(np.hstack([kink, center, -8.0, -3.0, 0.0, 3.0, 8.0])))


def test_draws_have_the_models_entropy_and_location(case: Case) -> None:
    simulator = case.simulator
    theta = simulator.layout.ravel(case.theta)
    rng = np.random.default_rng(11)
    for row in case.x[:2]:

        def logp(y: NDArray, row: NDArray = row) -> NDArray:
            x = np.tile(row, (len(y), 1))
            return case.reference(case.theta, case.columns(x, y))

        x = np.tile(row, (DRAWS, 1))
        y = simulator.draw(theta, case.columns(x, np.zeros(DRAWS)), rng)
        nodes, weights = _support(case, row[None])
        mass = weights * np.exp(logp(nodes))
        statistics = [logp, np.tanh]
        if case.classes:
            assert set(np.unique(y)) <= set(nodes)
            statistics += [lambda y, k=k: (y == k).astype(float) for k in range(case.classes)]
        for statistic in statistics:
            values = statistic(nodes)
            expected = np.sum(mass * values)
            variance = np.sum(mass * (values - expected) ** 2)
            error = abs(np.mean(statistic(y)) - expected)
            assert error < 5.0 * np.sqrt(variance / DRAWS) + 1e-9


def test_each_row_is_drawn_at_its_own_inputs() -> None:
    """With all weight on a sharp prompt, y is h(x) of its own row to within the noise."""
    case = CASES["softmax/linear/gaussian"]
    simulator = case.simulator
    sharp = case.theta | {"tau": np.asarray(60.0), "nu": np.asarray(1e-12)}
    x = np.random.default_rng(2).standard_normal((500, case.x.shape[1]))
    columns = case.columns(x, np.zeros(500))
    y = simulator.draw(simulator.layout.ravel(sharp), columns, np.random.default_rng(3))
    np.testing.assert_allclose(y, reference.mean("linear", x, sharp), atol=1e-5)


def test_one_simulator_draws_any_number_of_rows() -> None:
    model, simulator = prepare("multinomial_contaminated", "distinguishable")
    regime = variant_named("multinomial_contaminated").regime("distinguishable")
    theta = simulator.layout.ravel(regime.truth(100))
    rng = np.random.default_rng(0)
    for n in (1, 7, 5000):
        x = regime.draw_inputs(rng, n)
        y = simulator.draw(theta, {"x": x, **regime.frozen.columns(x)}, rng)
        assert y.shape == (n,)
        assert set(np.unique(y)) <= {0.0, 1.0, 2.0}
    assert [rv.name for rv in model.observed_RVs] == ["y"]


@pytest.mark.parametrize(
    "variant", ["constant_contaminated", "softmax_contaminated", "multinomial_contaminated"]
)
def test_seed_decides_the_data(variant: str) -> None:
    first = simulate(variant, "merging", 50, seed=4)
    again = simulate(variant, "merging", 50, seed=np.random.SeedSequence(4))
    other = simulate(variant, "merging", 50, seed=5)
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)


def test_other_exponents_change_the_truth_and_nothing_else() -> None:
    near = simulate("constant_contaminated", "merging", 400, seed=1, gamma=0.5)
    far = simulate("constant_contaminated", "merging", 400, seed=1, gamma=0.0)
    np.testing.assert_array_equal(near.x, far.x)
    # At gamma = 0 the prompt's variance is 1 + 2/sqrt(3), at gamma = 1/2 about 1.06.
    assert far.y.var() > near.y.var()


def test_what_cannot_be_simulated_is_said() -> None:
    with pytest.raises(InputError, match="did you mean 'merging'"):
        simulate("softmax_contaminated", "mergin", 10, seed=1)
    with pytest.raises(InputError, match="did you mean 'softmax_contaminated'"):
        simulate("softmax_contaminate", "merging", 10, seed=1)
    with pytest.raises(InputError, match="n >= 1"):
        simulate("softmax_contaminated", "merging", 0, seed=1)
    with pytest.raises(InputError, match="outside the box"):
        simulate("constant_contaminated", "merging", 10, seed=1, gamma=-2.0)
    case = CASES["constant/tanh/log_density"]
    simulator = case.simulator
    with pytest.raises(InputError, match="cannot be drawn from"):
        simulator.draw(
            simulator.layout.ravel(case.theta),
            case.columns(case.x, case.y),
            np.random.default_rng(0),
        )
