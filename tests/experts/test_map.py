"""Starts of over-specified fits, and maxima that no other way exceeds."""

import numpy as np
import pytest

from bayes_cmoe import fit_map, simulate
from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.clusters import clustered_points
from bayes_cmoe.estimate.gating import gating_of
from bayes_cmoe.estimate.objective import Objective
from bayes_cmoe.estimate.parted import _functions_apart, _gates_apart, parted_points
from bayes_cmoe.estimate.splits import fewer_prompts
from bayes_cmoe.estimate.starts import Starts
from bayes_cmoe.parts.mixture import mixture_of
from tests.experts.em import LEAST, em
from tests.experts.parts import VARIANT, Named, log_density, model, point, table


@pytest.fixture(scope="module")
def starts() -> Starts:
    data = simulate(VARIANT, "exact", 400, seed=1)
    posterior = Posterior(model(data, 2))
    columns = columns_of(posterior.model)
    objective = Objective(posterior, posterior.likelihood.rows(columns))
    return Starts(objective, posterior.lanes, columns, gating_of(posterior, objective.working))


def twin(experts: int, features: int) -> tuple[Named, Named]:
    """Parameters whose first expert stands twice with half its share, also as atoms."""
    truth = point(experts, features)
    scores = {
        "beta": np.vstack([truth["beta"], np.zeros((1, features))]),
        "tau": np.append(truth["tau"], 0.0),
    }
    scores["tau"][0] -= np.log(2.0)
    atoms = scores | {name: truth[name] for name in ("a", "b", "nu")}
    return truth, {name: np.concatenate([v, v[:1]]) for name, v in atoms.items()}


def stuck(atoms: Named) -> Named:
    gate = {name: atoms[name][:-1] - atoms[name][-1:] for name in ("beta", "tau")}
    return gate | {name: atoms[name] for name in ("a", "b", "nu")}


def test_halves_part_along_the_slow_path() -> None:
    """The log-density changes as the fourth power where intercepts part; else as the second."""
    data, mixture = table(1), mixture_of(model(table(1), 3))
    assert mixture is not None
    truth, atoms = twin(2, 1)
    changes = []
    for share in (0.05, 0.1):
        for seed in range(20):
            rng = np.random.default_rng(seed)
            moved = _functions_apart(mixture, atoms, (0, 2), share, data.x, rng)
            if moved["b"][0] != atoms["b"][0]:
                break
        assert moved["nu"][0] == moved["nu"][2] == atoms["nu"][0] * (1 - share**2)
        assert abs(moved["b"][0] - moved["b"][2]) == pytest.approx(
            2 * share * atoms["nu"][0] ** 0.5, rel=1e-12
        )
        found = log_density(stuck(moved), data.x, data.y)
        changes.append(np.abs(found - log_density(truth, data.x, data.y)).max())
    assert changes[1] / changes[0] == pytest.approx(16.0, rel=0.1)


def test_halves_lean_to_either_side_of_a_row() -> None:
    data, mixture = table(2), mixture_of(model(table(2), 3))
    assert mixture is not None
    _, atoms = twin(2, 2)
    moved = _gates_apart(mixture, atoms, (0, 2), 3.0, data.x, np.random.default_rng(1))
    lean = moved["beta"][0] - atoms["beta"][0]
    np.testing.assert_allclose(moved["beta"][2] - atoms["beta"][2], -lean)
    assert np.linalg.norm(lean * data.x.std(axis=0)) == pytest.approx(3.0, rel=1e-12)
    scores = data.x @ moved["beta"].T + moved["tau"]
    # At one row the halves' shares are even, and what they have together is at least as before.
    assert np.abs(scores[:, 0] - scores[:, 2]).min() < 1e-12
    for name in ("a", "b", "nu"):
        np.testing.assert_array_equal(moved[name], atoms[name])


def test_starts_from_clusters_are_near_the_experts(starts: Starts) -> None:
    alone = fewer_prompts(starts.objective.posterior)
    assert alone is not None
    points = clustered_points(starts, alone, np.random.default_rng(0))
    assert len(points) == 16
    named = starts.objective.posterior.layout.unravel(starts.objective.working.natural(points))
    truth = VARIANT.regime("exact").truth(1.0)
    rank = np.argsort(named["b"], axis=1)
    slopes = np.take_along_axis(named["a"][..., 0], rank, axis=1)
    near = np.abs(slopes - truth["a"][:, 0]).max(axis=1) < 1.5
    near &= np.abs(np.take_along_axis(named["b"], rank, axis=1) - truth["b"]).max(axis=1) < 0.5
    assert near.sum() >= 4


def test_parted_points_are_inside_and_different(starts: Starts) -> None:
    alone = fewer_prompts(starts.objective.posterior)
    assert alone is not None
    theta = alone.layout.ravel({"a": [[1.0]], "b": [2.0], "nu": [20.0]})
    points = parted_points(starts, alone.layout, theta, np.random.default_rng(0))
    assert points.shape == (32, 8)
    assert np.isfinite(points).all()
    assert len(np.unique(points.round(6), axis=0)) == 32


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_maximum_is_below_one_expert_less_or_em(seed: int) -> None:
    """Maximum likelihood over the box; EM's answers lie in it."""
    data = simulate(VARIANT, "soft-3", 300, seed=seed)
    box = dict(VARIANT.regime("soft-3").box)
    best = {}
    for experts in (2, 3):
        tree = fit_map(model(data, experts, box))
        best[experts] = tree["optimizer_result"]["loglik"].item()
        assert tree["optimizer_result"]["origin"].item()
    answers = [em(data.x, data.y, 3, seed=start) for start in range(6)]
    inside = [total for theta, total in answers if theta["nu"].min() > LEAST]
    assert best[3] >= best[2]
    assert best[3] >= max(inside) - 1e-5
