"""PyMC's names of arguments."""

import numpy as np
import pytest

from bayes_cmoe import InputError, simulate
from bayes_cmoe.parts.pymc_names import takes_pymc_names


@takes_pymc_names
def drawn(n: int, *, seed: int = 0, progress: bool = True) -> tuple[int, int, bool]:
    return n, seed, progress


@takes_pymc_names
def quiet(*, seed: int = 0) -> int:
    return seed


def test_both_names_are_the_same_argument():
    theirs = drawn(2, random_seed=7, progressbar=False)  # type: ignore[call-arg]
    assert theirs == (2, 7, False) == drawn(n=2, seed=7, progress=False)
    assert quiet(random_seed=np.int64(3), progressbar=True) == 3  # type: ignore[call-arg]


def test_what_pymc_takes_for_a_seed():
    seeds = [quiet(random_seed=None) for _ in range(3)]  # type: ignore[call-arg]
    assert len(set(seeds)) == 3
    first, second = (quiet(random_seed=[1, 2]) for _ in range(2))  # type: ignore[call-arg]
    assert first == second != quiet(random_seed=[2, 1])  # type: ignore[call-arg]
    generator = np.random.default_rng(4)
    once = [quiet(random_seed=generator), quiet(random_seed=generator)]  # type: ignore[call-arg]
    assert once[0] != once[1]
    assert once[0] == quiet(random_seed=np.random.default_rng(4))  # type: ignore[call-arg]


@pytest.mark.parametrize("seed", ["1", 1.5, True, -1, [0.5]])
def test_a_seed_that_is_none(seed):
    with pytest.raises(InputError, match="random_seed is"):
        quiet(random_seed=seed)  # type: ignore[call-arg]


def test_both_at_once_are_refused():
    with pytest.raises(InputError, match="seed and random_seed are the same"):
        quiet(seed=1, random_seed=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="randomseed"):
        quiet(randomseed=1)  # type: ignore[call-arg]


def test_simulating_by_either_name():
    first = simulate("constant_contaminated", "distinguishable", 20, seed=5)
    second = simulate("constant_contaminated", "distinguishable", 20, random_seed=5)  # type: ignore[call-arg]
    np.testing.assert_array_equal(first.y, second.y)
