"""Priors concentrated where inference is hard, as the regime's own numbers put them."""

import numpy as np
import pymc as pm
import pytest

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.errors import InputError
from bayes_cmoe.parts.prior import Box, Weak
from bayes_cmoe.study.fixed_prior import KINDS, fixed_prior


def prior(variant, regime, kind, n=100):
    own = variant_named(variant)
    return fixed_prior(own, own.regime(regime), kind, n, 1)


def test_the_merging_prior_is_about_the_frozen_expert_at_n_to_the_minus_quarter():
    found = prior("constant_contaminated", "merging", "merging", n=10_000)
    # delta = 2 at n^-1/4 = 0.1
    assert found["a"] == Weak("normal", (1.0,), pytest.approx(0.2))
    assert found["b"] == Weak("normal", 0.3, pytest.approx(0.2))
    assert found["nu"] == Weak("lognormal", 1.0, pytest.approx(0.2))
    assert found["lam"] == Weak("beta")


def test_a_share_vanishes_as_one_over_root_n():
    found = prior("constant_contaminated", "merging", "vanishing", n=10_000)
    # Uniform, with mean lam* n^-1/2 = 0.5 / 100.
    assert found["lam"] == Box(0.0, pytest.approx(0.01))
    assert isinstance(found["a"], Weak)
    assert found["a"].sd[0] > 2.0
    soft = prior("softmax_contaminated", "distinguishable", "vanishing", n=10_000)
    assert soft["tau"] == Weak("normal", pytest.approx(0.5 - np.log(100.0)), 0.5)
    assert soft["beta"] == Weak("normal", 0.0, 0.5)


def test_no_prompt_means_a_tenth_of_a_row():
    found = prior("constant_contaminated", "merging", "no-prompt", n=1000)
    assert found["lam"].upper == pytest.approx(2 * 0.5 * 0.1 / 1000)
    soft = prior("softmax_contaminated", "merging", "no-prompt", n=1000)
    assert soft["tau"].center == pytest.approx(np.log(0.1 / 1000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "variant", ["constant_contaminated", "multinomial_contaminated", "softmax_several_prompts"]
)
def test_every_kind_is_a_prior_of_every_variant(variant, kind):
    own = variant_named(variant)
    data = simulate(own, "merging", 20, seed=1)
    model = own.model("merging", data, prior(variant, "merging", kind))
    for rv in model.free_RVs:
        assert np.isfinite(pm.draw(rv, random_seed=1, mode="FAST_COMPILE")).all()


def test_a_share_of_one_row_is_a_number():
    assert prior("constant_contaminated", "merging", "no-prompt", n=1)["lam"].upper > 0.0


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="unknown kind of prior 'merged': did you mean 'merging'"):
        prior("constant_contaminated", "merging", "merged")
