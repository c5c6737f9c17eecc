"""Profile and inverted intervals against NumPy and SciPy, and against their own promises."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import binom, chi2, kstest, norm

from bayes_cmoe import Data, InputError, frozen_log_density, frozen_predictions, variant_named
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.theory.confidence import Workshop, intervals
from bayes_cmoe.theory.inversion import FACTORS, Inversion
from bayes_cmoe.theory.lines import line_named, line_names, parameter_of_share
from bayes_cmoe.theory.profile import Curve, Heights, crossings

BOX = {"lam": (0.0, 1.0), "a": (-5.0, 5.0), "b": (-5.0, 5.0), "nu": (0.05, 10.0)}
BOUNDS = [(1e-9, 1 - 1e-9), (-5, 5), (-5, 5), (0.05, 10)]
TRUTH = np.array([0.4, -1.0, 2.0, 0.5])
N = 250


def responses(seed: int):
    """x, the mean x + 0.3 of f0 = N(mean, 1), and y with a prompt of share 0.4 on 2 - x."""
    rng = np.random.default_rng([31, seed])
    x = rng.standard_normal((N, 1))
    mean = x[:, 0] + 0.3
    y = mean + rng.standard_normal(N)
    new = rng.random(N) < TRUTH[0]
    y[new] = 2.0 - x[new, 0] + 0.5**0.5 * rng.standard_normal(int(new.sum()))
    return x, mean, y


def built(x, mean, y):
    frozen = frozen_predictions("gaussian", mean=mean, scale=1.0)
    return variant_named("constant_contaminated").build(
        Data(x, y), frozen=frozen, expert="linear", prior=BOX
    )


class Setting:
    def __init__(self) -> None:
        self.x, self.mean, self.y = responses(1)
        self.model = built(self.x, self.mean, self.y)
        self.workshop = Workshop.of(self.model)
        self.tree = fit_map(self.model, near=self.named(TRUTH), posterior=self.workshop.posterior)
        self.columns = columns_of(self.model)

    @staticmethod
    def named(theta):
        return {"lam": theta[0], "a": [theta[1]], "b": theta[2], "nu": theta[3]}

    def loss(self, theta) -> float:
        lam, slope, bias, nu = theta
        f0 = norm.logpdf(self.y, self.mean, 1.0)
        f = norm.logpdf(self.y, slope * self.x[:, 0] + bias, np.sqrt(nu))
        return -float(np.sum(np.logaddexp(np.log1p(-lam) + f0, np.log(lam) + f)))

    def lowest(self, free, place) -> float:
        """The least loss over the free entries, `place` giving theta from them."""
        bounds = [BOUNDS[i] for i in free]
        found = minimize(
            lambda w: self.loss(place(w)), TRUTH[free], method="L-BFGS-B", bounds=bounds,
            jac="3-point", options={"ftol": 1e-15, "gtol": 1e-8},
        )  # fmt: skip
        return float(found.fun)

    def interval(self, around, profile) -> list[float]:
        """Where 2 (profile - least) crosses the quantile on either side, by SciPy."""
        least = self.lowest([0, 1, 2, 3], lambda w: w)
        low, middle, high = around

        def excess(value: float) -> float:
            return 2.0 * (profile(value) - least) - chi2.ppf(0.9, 1)

        return [brentq(excess, low, middle, xtol=1e-6), brentq(excess, middle, high, xtol=1e-6)]


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting()


def found_by(setting: Setting, name: str):
    return intervals(setting.model, name, tree=setting.tree, workshop=setting.workshop)


def width_of(found) -> float:
    return float(found.upper - found.lower)


def test_the_profile_of_an_entry_is_scipys(setting: Setting) -> None:
    found = found_by(setting, "nu")
    wanted = setting.interval(
        (0.1, float(found.estimate), 3.0),
        lambda nu: setting.lowest([0, 1, 2], lambda w: [*w, nu]),
    )
    # Ends are interpolated between values a few hundredths of the width apart.
    ours = [float(found.lower), float(found.upper)]
    assert ours == pytest.approx(wanted, abs=2e-3 * width_of(found))
    assert found.attrs["pieces"] == 1
    assert not bool(found.open_below) | bool(found.open_above)
    estimate = float(setting.tree["point_estimate"]["nu"])
    assert float(found.estimate) == pytest.approx(estimate, abs=1e-3 * width_of(found))


def test_the_profile_of_a_product_is_scipys(setting: Setting) -> None:
    found = found_by(setting, "lam*b")
    ground = setting.workshop.own_ground
    center = ground.working.natural(ground.center)[2]

    def profile(value: float) -> float:
        return setting.lowest([0, 1, 3], lambda w: [w[0], w[1], center + value / w[0], w[2]])

    wanted = setting.interval((0.2, float(found.estimate), 1.5), profile)
    ours = [float(found.lower), float(found.upper)]
    assert ours == pytest.approx(wanted, abs=2e-3 * width_of(found))


def test_the_nearest_prompt_of_many_draws_is_the_frozen_expert(setting: Setting) -> None:
    ground = setting.workshop.own_ground
    center = ground.working.natural(ground.center)
    # 2^16 rows and more: standard errors 0.004 of slope and intercept, 0.006 of the variance.
    np.testing.assert_allclose(center[1:], [1.0, 0.3, 1.0], atol=0.025)


def test_slopes_along_a_line_are_differences(setting: Setting) -> None:
    ground = setting.workshop.own_ground
    replicas = setting.workshop.replicas
    table = replicas.table(setting.columns, setting.y[None])
    which = np.zeros(1, dtype=int)
    for name, value in (("lam*nu", -0.15), ("lam*a[x1]", -0.7), ("b", 1.5)):
        line = line_named(ground, name)
        values = np.array([value])
        w = np.clip(ground.working.working(TRUTH[None]), *line.bounds(values))
        theta = line.natural(w, values)
        assert line.value(theta)[0] == pytest.approx(value, rel=1e-9)
        gradient = line.gradient(theta, replicas.log_density(theta, which, table)[1], values)[0]
        for j in range(4):
            step = 1e-6 * np.eye(4)[j] * (j != line.entry)
            ends = [
                replicas.log_density(line.natural(w + sign * step, values), which, table)[0][0]
                for sign in (1.0, -1.0)
            ]
            assert (ends[0] - ends[1]) / 2e-6 * (j != line.entry) == pytest.approx(
                gradient[j] * (j != line.entry), rel=1e-5, abs=1e-3
            )


def test_the_share_of_a_softmax_gate_goes_with_its_level() -> None:
    from bayes_cmoe import simulate

    variant = variant_named("softmax_contaminated")
    model = variant.model("distinguishable", simulate(variant, "distinguishable", 300, seed=1))
    workshop = Workshop.of(model)
    truth = variant.regime("distinguishable").truth(300)
    tree = fit_map(model, near=truth, posterior=workshop.posterior)
    level, odds = (
        intervals(model, name, tree=tree, workshop=workshop) for name in ("tau", "exp_tau")
    )
    for end in ("estimate", "lower", "upper"):
        assert float(odds[end]) == pytest.approx(np.exp(float(level[end])), rel=1e-9)
    ground = workshop.own_ground
    assert parameter_of_share(ground, np.array([0.5, 2.0])) == pytest.approx(np.log([0.5, 2.0]))


def test_names(setting: Setting) -> None:
    targets = setting.workshop.own_ground.targets
    assert {"lam", "a[x1]", "b", "nu", "lam*a[x1]", "lam*b", "lam*nu"} <= set(line_names(targets))
    with pytest.raises(InputError, match="did you mean"):
        line_named(setting.workshop.own_ground, "lamb")
    with pytest.raises(InputError, match="an interval needs one number"):
        line_named(setting.workshop.own_ground, "expert")


def test_what_is_refused(setting: Setting) -> None:
    with pytest.raises(InputError, match="a level of"):
        intervals(setting.model, "lam", level=0.3)
    with pytest.raises(InputError, match="30 draws"):
        intervals(setting.model, "lam", draws=30)
    with pytest.raises(InputError, match="profile"):
        intervals(setting.model, "lam", method="wald")
    known = frozen_log_density(norm.logpdf(setting.y, setting.mean, 1.0))
    model = variant_named("constant_contaminated").build(
        Data(setting.x, setting.y), frozen=known, expert="linear", prior=BOX
    )
    with pytest.raises(InputError, match="rows' own only"):
        intervals(model, "lam", method="inverted")
    with pytest.raises(InputError, match="rows' own only"):
        intervals(model, "lam", method="drawn")


def test_crossings_of_a_known_curve() -> None:
    values = np.linspace(-3.0, 5.0, 81)
    curve = Curve(values, -0.5 * (values - 1.0) ** 2, np.zeros((81, 1)), 0.0)
    lower, upper, below, above = crossings(curve, np.full(81, chi2.ppf(0.9, 1)))
    # The root of the ratio is linear here, so interpolation is exact.
    half = norm.ppf(0.95)
    assert (lower, upper) == pytest.approx((1.0 - half, 1.0 + half), abs=1e-12)
    assert not below
    assert not above
    *_, below, above = crossings(curve, np.full(81, 10.0))
    assert not below
    assert not above
    lower, upper, below, above = crossings(curve, np.full(81, 20.0))
    assert (lower, upper, below, above) == (-3.0, 5.0, True, True)


@pytest.fixture(scope="module")
def share_test(setting: Setting) -> Inversion:
    ground = setting.workshop.own_ground
    heights = setting.workshop.heights(ground, setting.columns, TRUTH)
    line = line_named(ground, "lam")
    rng = np.random.default_rng(0)
    return Inversion.of(heights, setting.workshop.simulator, setting.columns, line, 0.9, 95, rng)


def test_the_ratio_of_a_value_is_scipys(setting: Setting, share_test: Inversion) -> None:
    ratio, held = share_test.ratios(setting.y[None], 0.5, TRUTH[None])
    least = setting.lowest([0, 1, 2, 3], lambda w: w)
    wanted = 2.0 * (setting.lowest([1, 2, 3], lambda w: [0.5, *w]) - least)
    # Ascents end where a step promises a thousandth.
    assert ratio[0] == pytest.approx(wanted, abs=0.02)
    assert held[0, 0] == pytest.approx(0.5, abs=1e-8)


def test_identification_left_open(setting: Setting, share_test: Inversion) -> None:
    """The displacement is multiplied until the likelihood falls by the first stage's quantile."""
    _, held = share_test.ratios(setting.y[None], 0.4, TRUTH[None])
    table = share_test.heights.replicas.table(setting.columns, setting.y[None])
    # So high a level that several of the factors lie inside.
    points = replace(share_test, level=1.0 - 1e-6).identifications(0.4, held[0], table)
    ground = setting.workshop.own_ground
    center = ground.working.natural(ground.center)
    cut = chi2.isf(1e-7, 1)

    def drop(factor: float) -> float:
        moved = held[0].copy()
        moved[1:] = center[1:] + factor * (held[0][1:] - center[1:])
        if any(not low <= value <= high for value, (low, high) in zip(moved, BOUNDS, strict=True)):
            return np.inf
        return 2.0 * (setting.loss(moved) - setting.loss(held[0]))

    inside = [f for f in FACTORS if drop(f) <= cut]
    np.testing.assert_allclose(points[0], held[0])
    ends = [factor for factor in (min(inside), max(inside)) if factor != 1.0]
    assert len(ends) == 2
    assert len(inside) > 4
    for point, factor in zip(points[1:], ends, strict=True):
        np.testing.assert_allclose(
            point[1:], center[1:] + factor * (held[0][1:] - center[1:]), rtol=1e-7
        )
        assert point[0] == pytest.approx(0.4, abs=1e-8)


def test_a_drawn_limit_is_the_order_statistic_that_holds_nine_of_ten(
    share_test: Inversion, monkeypatch
) -> None:
    """Of 96 ratios and one more, the 88th is the first that has 88 / 97 > 0.9 at or below it."""
    asked = []

    def drawn(self, theta, value, rng):
        asked.append((theta, value))
        batches = np.random.default_rng(1).permutation(np.arange(1.0, 97.0)).reshape(3, 32)
        # More than is asked for must not count.
        yield from (*batches, np.full(32, 1e6))

    monkeypatch.setattr(Inversion, "drawn", drawn)
    assert share_test.limit_at(TRUTH, np.random.default_rng(0)) == 88.0
    assert replace(share_test, level=0.5).limit_at(TRUTH, np.random.default_rng(0)) == 49.0
    assert replace(share_test, level=0.999).limit_at(TRUTH, np.random.default_rng(0)) == 96.0
    assert all(theta is TRUTH and value == TRUTH[0] for theta, value in asked)


def test_a_drawn_limit_is_the_chi_squares_where_all_is_identified(share_test: Inversion) -> None:
    """Four standard errors of the 0.9 quantile of 96 ratios, from the density there."""
    rng = np.random.default_rng(2)
    exact = chi2.ppf(0.9, 1)
    error = (0.9 * 0.1 / 96) ** 0.5 / chi2.pdf(exact, 1)
    assert share_test.limit_at(TRUTH, rng) == pytest.approx(exact, abs=4.0 * error)


def test_a_drawn_limit_widens_the_profile_and_never_narrows_it(
    setting: Setting, monkeypatch
) -> None:
    common = {"tree": setting.tree, "workshop": setting.workshop}
    wide, plain = (
        intervals(setting.model, "b", level=level, **common) for level in (chi2(1).cdf(6.6), 0.9)
    )
    middle = float(plain["estimate"])
    for low, high in ((6.6, 6.6), (0.5, 0.5), (0.5, 6.6), (6.6, 0.5)):

        def limit_at(self, theta, rng, low=low, high=high):
            # At the ends of the interval by chi-square, with the value there held.
            end = "lower" if theta[2] < middle else "upper"
            assert theta[2] == pytest.approx(float(plain[end]), abs=0.1 * width_of(plain))
            return low if end == "lower" else high

        monkeypatch.setattr(Inversion, "limit_at", limit_at)
        found = intervals(setting.model, "b", method="drawn", **common)
        for end, limit in (("lower", low), ("upper", high)):
            same = wide if limit > 1 else plain
            assert float(found[end]) == pytest.approx(float(same[end]), abs=2e-3 * width_of(plain))


def test_a_false_value_is_refused_and_the_truth_is_not(
    setting: Setting, share_test: Inversion
) -> None:
    assert share_test.alpha == pytest.approx(0.09)
    found = {}
    for value in (0.4, 0.75):
        ratio, held = share_test.ratios(setting.y[None], value, TRUTH[None])
        rng = np.random.default_rng(1)
        found[value] = share_test.pvalue(float(ratio[0]), value, held[0], setting.y, rng)
    assert found[0.4] > share_test.alpha > found[0.75]
    # Far from every draw: the draws end early, and the p-value is never zero.
    assert 0.0 < found[0.75] <= 1 / 33


@pytest.mark.slow
def test_where_all_is_identified_the_inverted_interval_is_the_profiles(setting: Setting) -> None:
    profile, inverted = (
        intervals(setting.model, "lam", tree=setting.tree, workshop=setting.workshop, method=method)
        for method in ("profile", "inverted")
    )
    assert float(inverted.estimate) == float(profile.estimate)
    # Critical values of 128 draws and of the least favourable of three points: wider, if not much.
    for end in ("lower", "upper"):
        shift = float(inverted[end] - profile[end]) / width_of(profile)
        outward = -shift if end == "lower" else shift
        assert -0.1 < outward < 0.35
    assert not bool(inverted.open_below)


def truths_held(regime: str, n: int, count: int) -> tuple[int, list[float]]:
    """How many profile intervals of the share hold the truth, and the ratios there."""
    from bayes_cmoe import simulate

    variant = variant_named("constant_contaminated")
    chosen = variant.regime(regime)
    workshop = Workshop.of(variant.model(regime, simulate(variant, regime, n, seed=10**6)))
    ground = workshop.own_ground
    truth = workshop.posterior.layout.ravel(chosen.truth(n))
    line = line_named(ground, "lam")
    ratios = []
    for seed in range(count):
        data = simulate(variant, regime, n, seed=seed)
        columns = {"x": data.x, **chosen.frozen.columns(data.x), "response": data.y}
        heights: Heights = workshop.heights(ground, columns, truth)
        rng = np.random.default_rng(seed)
        test = Inversion.of(heights, workshop.simulator, columns, line, 0.9, 95, rng)
        ratio, _ = test.ratios(data.y[None], float(truth[0]), truth[None])
        ratios.append(float(ratio[0]))
    return sum(ratio <= chi2.ppf(0.9, 1) for ratio in ratios), ratios


@pytest.mark.slow
def test_the_ratio_is_chi_square_where_prompt_and_frozen_expert_differ() -> None:
    held, ratios = truths_held("distinguishable", 1000, 200)
    assert kstest(ratios, chi2(1).cdf).pvalue > 1e-3
    assert binom.ppf(1e-3, 200, 0.9) <= held <= binom.isf(1e-3, 200, 0.9)


@pytest.mark.slow
def test_the_profile_holds_the_share_while_the_prompt_merges() -> None:
    held, _ = truths_held("merging", 1000, 100)
    assert held >= binom.ppf(1e-3, 100, 0.88)
