"""Is there a prompt at all: the tests, their level, and what they say."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, norm

from bayes_cmoe import Data, InputError, frozen_log_density, frozen_predictions, variant_named
from bayes_cmoe.theory.absence import AbsenceTest, absence_test, bayes_factor
from bayes_cmoe.theory.null_law import exceedance, process_law

N = 40
BOX = {"lam": (0.0, 1.0), "a": (-5.0, 5.0), "b": (-5.0, 5.0), "nu": (0.05, 10.0)}


def table(n: int, seed: int, share: float = 0.0):
    """x, the frozen mean x + 0.3, and y, a share of it about 2 - x with variance 0.5."""
    rng = np.random.default_rng([21, seed])
    x = rng.standard_normal((n, 1))
    mean = x[:, 0] + 0.3
    y = mean + rng.standard_normal(n)
    new = rng.random(n) < share
    y[new] = 2.0 - x[new, 0] + 0.5**0.5 * rng.standard_normal(int(new.sum()))
    return x, mean, y


def linear(x, mean, y, prior=None):
    frozen = frozen_predictions("gaussian", mean=mean, scale=1.0)
    variant = variant_named("constant_contaminated")
    return variant.build(
        Data(x, y), frozen=frozen, expert="linear", prior=BOX if prior is None else prior
    )


@pytest.fixture(scope="module")
def few() -> AbsenceTest:
    return AbsenceTest(linear(*table(N, 0)), seed=1)


def scipy_ratio(x, mean, y) -> float:
    """2 (max log-likelihood - log f0), by SciPy from several starts."""
    f0 = norm.logpdf(y, mean, 1.0)

    def loss(theta):
        lam, slope, bias, nu = theta
        f = norm.logpdf(y, slope * x[:, 0] + bias, np.sqrt(nu))
        return -np.sum(np.logaddexp(np.log1p(-lam) + f0, np.log(lam) + f) - f0)

    bounds = [(1e-9, 1 - 1e-9), (-5, 5), (-5, 5), (0.05, 10)]
    starts = [(0.3, -1.0, 2.0, 0.5), (0.5, 1.0, 0.3, 2.0), (0.3, 0.0, 0.0, 0.5)]
    found = [
        minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14})
        for start in starts
    ]
    return -2.0 * min(one.fun for one in found)


def test_the_ratio_is_scipys_where_there_is_a_prompt() -> None:
    x, mean, y = table(300, 2, share=0.4)
    found = absence_test(linear(x, mean, y), draws=39, seed=3)
    assert float(found.ratio) == pytest.approx(scipy_ratio(x, mean, y), abs=0.05)
    assert float(found.log_null) == pytest.approx(norm.logpdf(y, mean, 1.0).sum(), rel=1e-12)
    # The least that a p-value of 39 draws can be; the smaller of two is doubled.
    assert float(found.ratio_pvalue) == float(found.score_pvalue) == 0.025
    assert float(found.ratio_pvalue_lower) == 0.0
    assert float(found.ratio_pvalue_upper) == pytest.approx(1.0 - 0.025 ** (1 / 39))
    assert found.attrs["draws"] == found.sizes["draw"] == 39
    assert found.attrs["advice"].endswith("with probability 0.05")
    assert np.quantile(found.drawn_ratio, 0.95) == pytest.approx(float(found.ratio_quantile))
    estimate = dict(zip(found.entry.values, found.estimate.values, strict=True))
    assert abs(estimate["lam"] - 0.4) < 0.15
    assert abs(estimate["b"] - 2.0) < 0.5


def test_a_response_is_treated_the_same_wherever_it_stands(few) -> None:
    """So that data and draws are exchangeable without a prompt, and p-values exact."""
    responses = np.array([few.draw() for _ in range(70)])
    found = few.search(responses)
    order = np.random.default_rng(0).permutation(70)
    moved = few.search(responses[order])
    np.testing.assert_allclose(moved.ratio, found.ratio[order], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(moved.score, found.score[order], rtol=1e-6, atol=1e-6)
    alone = few.search(responses[67:68])
    assert alone.ratio[0] == pytest.approx(found.ratio[67], rel=1e-6, abs=1e-6)
    assert (found.ratio >= 0).all()
    assert (found.score >= 0).all()


def test_p_values_without_a_prompt_are_uniform(few) -> None:
    """80 data sets of 19 draws each: one in 20 has the least p-value."""
    found = few.search(np.array([few.draw() for _ in range(80 * 20)]))
    for statistic in (found.ratio, found.score):
        tables = statistic.reshape(80, 20)
        pvalues = np.array([exceedance(own[1:], own[0]) for own in tables])
        for level in (0.05, 0.25, 0.5, 0.75):
            below = int(np.sum(pvalues <= level + 1e-9))
            # Two times four checks at 1e-4 each.
            assert binom.ppf(5e-5, 80, level) <= below <= binom.isf(5e-5, 80, level)


def test_the_search_does_not_look_at_the_response() -> None:
    """A flat box is scaled by the response; the test's is by one that it draws itself."""
    x, mean, y = table(N, 4)
    first = AbsenceTest(linear(x, mean, y, prior="flat"), seed=5)
    second = AbsenceTest(linear(x, mean, 3.0 * y - 1.0, prior="flat"), seed=5)
    np.testing.assert_array_equal(first.search.points, second.search.points)
    np.testing.assert_array_equal(first.search.ground.bounds, second.search.ground.bounds)
    assert not np.array_equal(first.response, second.response)


def test_the_nearest_prompt_is_the_frozen_expert_itself(few) -> None:
    ground = few.search.ground
    center = ground.working.natural(ground.center)
    # Of 40 rows drawn once: sd 1/sqrt(40) = 0.16 each.
    assert center == pytest.approx([0.5, 1.0, 0.3, 1.0], abs=0.65)


def test_log_densities_alone_are_judged_by_the_process() -> None:
    x, mean, y = table(400, 6, share=0.4)
    variant = variant_named("constant_contaminated")
    frozen = frozen_log_density(norm.logpdf(y, mean, 1.0))
    model = variant.build(Data(x, y), frozen=frozen, expert="linear", prior=BOX)
    found = absence_test(model, draws=39, seed=7)
    assert found.attrs["law"] == "process"
    assert np.isnan(found.ratio_pvalue)
    assert float(found.score_pvalue) < 0.01
    assert "there is a prompt" in found.attrs["advice"]


@pytest.mark.slow
def test_the_process_has_its_level() -> None:
    rejected, test = 0, None
    for seed in range(200):
        x, mean, y = table(300, 100 + seed)
        logp = norm.logpdf(y, mean, 1.0)
        if test is None:
            model = variant_named("constant_contaminated").build(
                Data(x, y), frozen=frozen_log_density(logp), expert="linear", prior=BOX
            )
            test = AbsenceTest(model)
        columns = {"x": x, "response": y, "frozen_logp": logp}
        statistic, drawn = process_law(
            replace(test.search, columns=columns), np.random.default_rng(seed)
        )
        rejected += exceedance(drawn, statistic) <= 0.05
    # Self-normalised scores of narrow prompts are smaller than Gaussian ones: below the level.
    assert rejected <= binom.isf(1e-3, 200, 0.05)


def test_bayes_factors() -> None:
    found = bayes_factor(-98.0, -100.0)
    assert found["log_bayes_factor"] == 2.0
    assert found["probability"] == pytest.approx(np.exp(2.0) / (1.0 + np.exp(2.0)))
    assert bayes_factor(-1e5, 0.0)["probability"] == pytest.approx(0.0, abs=1e-300)


def test_what_is_refused() -> None:
    x, mean, y = table(N, 0)
    with pytest.raises(InputError, match="38 draws"):
        absence_test(linear(x, mean, y), draws=38)
    several = variant_named("softmax_several_prompts").build(
        Data(x, y), frozen=frozen_predictions("gaussian", mean=mean, scale=1.0), prompts=2
    )
    with pytest.raises(InputError, match="asks for the first and the model has 2"):
        absence_test(several)


def test_without_a_prompt_none_is_claimed() -> None:
    found = absence_test(linear(*table(N, 0)), draws=39, seed=1)
    assert min(float(found.ratio_pvalue), float(found.score_pvalue)) > 0.025
    assert found.attrs["advice"].startswith("no prompt shows")


def test_rounding_that_may_pass_for_a_prompt_is_named() -> None:
    """Responses of f0 alone on a coarse grid: a narrow prompt sits on one of its values."""
    x, mean, y = table(N, 0)
    grid = 2.0 * np.round(y / 2.0)
    found = absence_test(linear(x, mean, grid), draws=39, seed=1)
    values, counts = np.unique(grid, return_counts=True)
    alone = len(values[counts == 1])
    assert found.attrs["tied"] == pytest.approx(1.0 - alone / N)
    assert float(found.ratio_pvalue) == 0.025
    assert found.attrs["advice"].startswith("there is a prompt, or rounding")
    untied = absence_test(linear(*table(N, 0)), draws=39, seed=1)
    assert untied.attrs["tied"] == 0.0
