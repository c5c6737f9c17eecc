"""Merging atoms: what the density takes two of them for, and how many are left of draws."""

from dataclasses import replace

import numpy as np
import pytest
from bayes_cmoe.models.softmax_gaussian_moe import LOSSES

from bayes_cmoe import InputError
from bayes_cmoe.study.dendrogram import dendrogram, left_after_merging
from bayes_cmoe.study.voronoi import Atoms
from tests.experts.parts import Named, log_density, point

SHAPES = {"beta": (1, 1), "tau": (1,), "a": (2, 1), "b": (2,), "nu": (2,)}


def test_atoms_and_back() -> None:
    theta = point(3, 2)
    shapes = {name: np.shape(value) for name, value in theta.items()}
    again = LOSSES.named(LOSSES.atoms(theta), shapes)
    assert set(again) == set(theta)
    for name, value in theta.items():
        assert again[name] == pytest.approx(value, rel=1e-12)


def split(s: float) -> Named:
    """Two experts, the first of them in two with shares .3 and .7 of it, about its mean."""
    away = s * np.array([0.7, -0.3])
    return {
        "beta": np.array([[0.8], [0.8]]) + away[:, None],
        "tau": 0.4 + np.log([0.3, 0.7]),
        "a": np.array([[-1.0 + 0.5 * away[0]], [-1.0 + 0.5 * away[1]], [1.0]]),
        "b": np.array([0.5 - away[0], 0.5 - away[1], -1.0]),
        "nu": np.array([0.5 + 0.2 * away[0], 0.5 + 0.2 * away[1], 0.9]),
    }


def test_a_merged_atom_keeps_the_moments() -> None:
    """Merged, the two are what they were split from but for second moments of (beta, b)."""
    level = dendrogram(LOSSES.atoms(split(0.1)), LOSSES)[1]
    found = LOSSES.named(level.atoms, SHAPES)
    variance = 0.3 * 0.07**2 + 0.7 * 0.03**2
    assert found["beta"][0, 0] == pytest.approx(0.8, rel=1e-12)
    assert found["tau"][0] == pytest.approx(0.4, rel=1e-12)
    assert found["b"] == pytest.approx([0.5, -1.0], rel=1e-12)
    # beta and b part in opposite directions: their second moment is less than zero.
    assert found["a"][:, 0] == pytest.approx([-1.0 - variance, 1.0], rel=1e-12)
    assert found["nu"] == pytest.approx([0.5 + variance, 0.9], rel=1e-12)


def test_what_is_added_brings_the_density_nearer() -> None:
    """The slopes take the mixed moment of beta and b, the variance that of b, and nothing else."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (400, 1)), rng.normal(0.0, 1.5, 400)
    theta = split(0.2)
    theta["a"][:2] = -1.0
    theta["nu"][:2] = 0.5
    density = np.exp(log_density(theta, x, y))
    level = dendrogram(LOSSES.atoms(theta), LOSSES)[1]
    merged = LOSSES.named(level.atoms, SHAPES)
    plain = {**merged, "a": np.array([[-1.0], [1.0]]), "nu": np.array([0.5, 0.9])}
    left, right = (np.abs(np.exp(log_density(t, x, y)) - density).mean() for t in (merged, plain))
    # What is left is beta's own second moment.
    assert left < 0.45 * right
    scores = {"a": -1.0, "nu": -1.0}
    for name in scores:
        worse = {**merged, name: plain[name]}
        assert np.abs(np.exp(log_density(worse, x, y)) - density).mean() > 1.2 * left


def test_heights_and_the_order_of_merging() -> None:
    atoms = Atoms(
        np.array([0.5, 0.3, 0.2]),
        np.array([[0.0], [1.0], [0.1]]),
        np.array([[0.0], [2.0], [0.4]]),
        np.array([[0.0, 1.0], [1.0, 1.0], [0.2, 1.1]]),
    )
    levels = dendrogram(atoms, LOSSES)
    assert [len(level.atoms.weight) for level in levels] == [3, 2, 1]
    numerator = 0.4**2 + (0.1**2 + 0.2**2 + 0.1**2) ** 0.5
    assert levels[0].height == pytest.approx(numerator / (1 / 0.5 + 1 / 0.2), rel=1e-12)
    assert levels[1].atoms.weight == pytest.approx([0.7, 0.3])
    assert np.isnan(levels[2].height)
    # A light atom is near everything.
    light = atoms._replace(
        weight=np.array([0.5, 0.4999, 0.0001]), gate=np.add(atoms.gate, [[0], [0], [9]])
    )
    assert dendrogram(light, LOSSES)[0].height < 0.002
    order = [2, 0, 1]
    shuffled = dendrogram(Atoms(*(part[order] for part in atoms)), LOSSES)
    assert [level.height for level in shuffled[:2]] == pytest.approx(
        [level.height for level in levels[:2]], rel=1e-12
    )


def test_what_is_left_of_draws() -> None:
    def draw(weight: list[float], gate: list[float]) -> Atoms:
        one = np.array(gate)[:, None]
        return Atoms(np.array(weight), one, np.zeros_like(one), np.zeros((len(one), 2)))

    draws = [
        draw([0.5, 0.3, 0.2], [0.0, 0.0, 5.0]),  # two the same
        draw([0.5, 0.3, 0.2], [0.0, 2.0, 5.0]),  # all apart
        draw([0.5, 0.499, 0.001], [0.0, 2.0, 5.0]),  # one too light
        draw([0.5, 0.45, 0.05], [0.0, 2.0, 2.4]),  # apart, yet too light for how near it is
        draw([0.6, 0.2, 0.2], [0.0, 0.15, 0.05]),  # all one
    ]
    atoms = Atoms(*(np.array(part) for part in zip(*draws, strict=True)))
    for seed in range(5):
        left = left_after_merging(atoms, 0.2, np.random.default_rng(seed))
        assert left.tolist() == [2, 3, 2, 2, 1]
    # A smaller reach tells more of them apart.
    near = left_after_merging(atoms, 0.04, np.random.default_rng(0))
    assert near.tolist() == [2, 3, 2, 3, 2]


def test_a_model_that_does_not_say_how_its_atoms_merge() -> None:
    with pytest.raises(InputError, match="between"):
        dendrogram(LOSSES.atoms(point(2, 1)), replace(LOSSES, between=None))
