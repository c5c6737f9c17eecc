"""What slopes decide, from intervals that are known."""

import numpy as np
import pytest
from scipy import stats

from bayes_cmoe.errors import InputError
from bayes_cmoe.sweep.measured import Measured
from bayes_cmoe.sweep.verdicts import Verdict, power, verdict

N = np.array([1e2, 1e4])


def measured(slope, spread, replications=50, seed=1):
    rng = np.random.default_rng(seed)
    noise = np.exp(spread * rng.standard_normal((2, replications)))
    return Measured(N, N[:, None] ** slope * noise)


def test_words_follow_the_interval():
    own = measured(-0.5, 0.1)
    found = own.difference(N**-0.5)
    low, high = float(found.low), float(found.high)
    wider, narrower = max(-low, high) * 1.001, max(-low, high) * 0.999
    assert verdict(own, N**-0.5, margin=wider).word == "agrees"
    assert verdict(own, N**-0.5, margin=narrower).word == "undecided"
    far = own.difference(N**-0.3)
    assert float(far.high) < 0.0
    assert verdict(own, N**-0.3, margin=-float(far.high) * 0.999).word == "differs"
    assert verdict(own, N**-0.3, margin=-float(far.high) * 1.001).word == "undecided"
    above = own.difference(N**-0.7)
    assert verdict(own, N**-0.7, margin=float(above.low) * 0.999).word == "differs"
    assert verdict(own, N**-0.7, margin=float(above.low) * 1.001).word == "undecided"


def test_a_bound_has_an_error_and_an_exponent_none():
    own = measured(-0.5, 0.1)
    loose = Measured(N, own.errors, slack=np.array([0.05, 0.05]), limits=N**-0.5)
    alone, beside = verdict(loose, N**-0.5), verdict(loose, N**-0.5, known=False)
    assert beside.half > alone.half == pytest.approx(verdict(own, N**-0.5).half)


@pytest.mark.parametrize("apart", [0.0, 0.08])
def test_as_many_data_sets_as_it_says_decide(apart):
    """Of first runs that are undecided, most are decided by the number of data sets they name."""
    decided = []
    for seed in range(150):
        first = verdict(measured(-0.5, 0.3, 40, [seed, 1]), N ** (-0.5 - apart))
        if first.word != "undecided":
            continue
        assert first.needed >= 40
        if first.needed > 20_000:  # where the first run found itself at the margin
            continue
        again = measured(-0.5, 0.3, int(np.ceil(first.needed)), [seed, 2])
        decided.append(verdict(again, N ** (-0.5 - apart)).word != "undecided")
    assert len(decided) > 50
    assert np.mean(decided) > 0.7


def test_a_proved_difference_that_does_not_matter_is_printed():
    assert str(Verdict("agrees", -0.012, -0.016, -0.008)) == "agrees, -0.012 +- 0.004 off"
    assert str(Verdict("agrees", -0.012, -0.030, 0.006)) == "agrees"
    assert str(Verdict("differs", 0.1, 0.06, 0.14)) == "differs by +0.100 +- 0.040"
    assert str(Verdict("undecided", 0.04, 0.0, 0.08, 123.0)) == (
        "undecided: about 130 data sets would decide"
    )
    assert str(Verdict("undecided", 0.05, 0.0, 0.1, np.inf)) == "undecided"


def test_where_nothing_can_be_said():
    own = measured(-0.5, 0.1)
    assert verdict(own, None).word == "no theory"
    assert verdict(own, np.array([1.0, np.nan])).word == "no theory"
    own.errors[0, 1:] = np.nan
    assert verdict(Measured(N, own.errors), N**-0.5).word == "too few fits"
    with pytest.raises(InputError, match="positive difference of slopes"):
        verdict(own, N**-0.5, margin=0.0)


def test_power_is_that_of_the_normal_test():
    """At a half-width of 1.96 sd a difference of 1.96 sd is seen half of the time, and a bit."""
    seen = stats.norm.sf(0.0) + stats.norm.cdf(-2 * 1.959964)
    assert power(0.125) == pytest.approx(seen, abs=1e-6)
    assert power(0.125 / 2.0) == pytest.approx(stats.norm.cdf(1.959964), abs=1e-4)
    assert power(1e3) == pytest.approx(0.05, abs=1e-4)
    assert power(0.0) == 1.0
    assert np.isnan(power(np.nan))


def test_what_is_proved():
    assert Verdict("differs", 0.1, 0.06, 0.14).is_proved
    assert not Verdict("undecided", 0.1, -0.06, 0.26).is_proved
