"""Learning coefficients against those that are known."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from bayes_cmoe import InputError, variant_named
from bayes_cmoe.theory.learning import _distance_row, learning_coefficient, population_draws

MOE = variant_named("softmax_gaussian_moe")
OVERLAPPING = MOE.regime("soft-3")
BOX = {
    "beta": (-4.0, 4.0),
    "tau": (-2.0, 2.0),
    "a": (-3.0, 3.0),
    "b": (-3.0, 3.0),
    "nu": (0.1, 4.0),
}
"""So narrow that no expert can vanish."""


def test_a_node_counts_by_its_part_of_the_distance() -> None:
    """-w (sqrt p - sqrt q)² / 2; its slope in log p by differences, the curvature where p is q."""
    weight, truth = np.array([0.5, 2.0, 1.0]), np.array([-1.0, 0.3, -2.0])
    logp = truth + np.array([1e-9, 0.7, -3.0])
    value, slope, bend = (np.asarray(own) for own in _distance_row(logp, (weight, truth)))
    expected = -0.5 * weight * (np.exp(logp / 2) - np.exp(truth / 2)) ** 2
    np.testing.assert_allclose(value[1:], expected[1:], rtol=1e-12)
    assert value[0] == pytest.approx(-0.125 * 0.5 * np.exp(-1.0) * 1e-18, rel=1e-6)
    ends = [np.asarray(_distance_row(logp + s, (weight, truth))[0]) for s in (1e-5, -1e-5)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(bend[0], 0.25 * 0.5 * np.exp(-1.0), rtol=1e-6)


def moe(copies: tuple[int, ...]):
    options = MappingProxyType({"experts": len(copies)})
    return replace(OVERLAPPING, name="overlapping", copies=copies, options=options)


def check(found, expected: float, within: float) -> None:
    """The expected value lies in the interval, widened by what is left of 1 / log m."""
    last = found.isel(m=-1)
    assert last["upper"].item() - last["lower"].item() < 2 * within
    assert last["lower"].item() - 0.1 < expected < last["upper"].item() + 0.1


def test_a_regular_model_has_half_its_parameters() -> None:
    found = learning_coefficient(
        "constant_contaminated", "distinguishable", precisions=[1e3, 3e4, 1e5], particles=192
    )
    assert found.attrs["parameters"] == 4
    check(found, 2.0, 0.25)
    # The volume falls with that power.
    steps = np.diff(found.log_volume.values) / np.diff(np.log(found.m.values))
    assert -steps[-1] == pytest.approx(2.0, abs=0.2)


def test_the_interval_is_students_over_the_runs() -> None:
    asked = {"precisions": [10.0], "particles": 32, "runs": 3, "nodes": 2**8, "seed": 3}
    found = learning_coefficient("constant_contaminated", "distinguishable", **asked).isel(m=0)
    draws = population_draws("constant_contaminated", "distinguishable", **asked).isel(m=0)
    values = 10.0 * draws["squared"].to_numpy().mean(axis=1)
    assert values.shape == (3,)
    # Student's quantile of two degrees of freedom is 4.302653.
    half = 4.302653 * values.std(ddof=1) / 3**0.5
    assert found["coefficient"].item() == pytest.approx(values.mean(), rel=1e-12)
    assert found["upper"].item() - values.mean() == pytest.approx(half, rel=1e-6)
    assert values.mean() - found["lower"].item() == pytest.approx(half, rel=1e-6)


def test_without_a_prompt_it_is_one_half() -> None:
    """The share alone is seen, and it lies at an end of its range."""
    regime = variant_named("constant_contaminated").regime("distinguishable")
    found = learning_coefficient(
        "constant_contaminated",
        regime,
        truth={**regime.truth(1.0), "lam": 0.0},
        precisions=[1e5],
    )
    check(found, 0.5, 0.12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("copies", "expected"),
    [((0, 1), 4.0), ((1, 1, 0), 5.0)],
    ids=["as many experts", "one more: a quarter for each of four differences"],
)
def test_experts(copies: tuple[int, ...], expected: float) -> None:
    found = learning_coefficient(MOE, moe(copies), prior=BOX, precisions=[1e4, 1e5], nodes=512)
    check(found, expected, 0.6)


def test_what_is_asked_has_to_make_sense() -> None:
    with pytest.raises(InputError, match="positive"):
        learning_coefficient(MOE, "exact", precisions=[0.0, 1.0])
    with pytest.raises(InputError, match="two at least"):
        learning_coefficient(MOE, "exact", runs=1)
    with pytest.raises(InputError, match="5 particles for 8 parameters"):
        learning_coefficient(MOE, "exact", particles=5)
