"""Starts from a fit with one prompt less: the same density, and never below it."""

import numpy as np
import pytest

from bayes_cmoe import Data, frozen_predictions, variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate import map as map_module
from bayes_cmoe.estimate.map import fit_map
from bayes_cmoe.estimate.splits import doubled, fewer_prompts
from bayes_cmoe.parts.gates import Gate, constant, softmax
from bayes_cmoe.parts.mixture import mixture_of
from tests import reference
from tests.parts.test_several_prompts import log_density, model_of, own_shape, parts_of, point

ROWS = 80


@pytest.mark.parametrize("prompts", [2, 3])
@pytest.mark.parametrize("kind", ["gaussian", "class"])
@pytest.mark.parametrize("gate", [softmax, constant], ids=lambda gate: gate.name)
def test_a_prompt_counted_twice_leaves_the_density(gate: Gate, kind: str, prompts: int) -> None:
    model, columns = model_of(gate, kind, prompts), parts_of(kind)[2]
    posterior = Posterior(model)
    fewer = fewer_prompts(posterior)
    theta = point(gate, kind, prompts - 1)
    vector = fewer.layout.ravel(own_shape(theta, prompts - 1))
    expected = log_density(kind, theta, columns)
    rows = posterior.rows()
    for j in range(prompts - 1):
        twin = doubled(mixture_of(model), posterior.layout, fewer.layout, vector, j)
        np.testing.assert_allclose(posterior.likelihood.logp(twin, rows), expected, rtol=1e-11)
        a = posterior.layout.unravel(twin)["a"]
        np.testing.assert_array_equal(a[-1], a[j])


def data_of(seed: int) -> tuple[Data, np.ndarray]:
    """Random data: a frozen line at zero and none to two groups of rows beside it."""
    rng = np.random.default_rng([seed, 77])
    x = rng.standard_normal((ROWS, 1))
    y = rng.standard_normal(ROWS)
    for _ in range(seed % 3):
        own = rng.random(ROWS) < rng.uniform(0.1, 0.4)
        line = rng.normal(0.0, 3.0) + rng.normal(0.0, 2.0) * x[:, 0]
        y = np.where(own, line + rng.uniform(0.3, 1.0) * rng.standard_normal(ROWS), y)
    return Data(x, y), np.zeros(ROWS)


BOX = {
    "beta": (-10.0, 10.0),
    "tau": (-30.0, 30.0),
    "a": (-10.0, 10.0),
    "b": (-10.0, 10.0),
    "nu": (0.05, 20.0),
}
STARTS = 32


@pytest.fixture(scope="module")
def compiled() -> dict[int, Posterior]:
    variant = variant_named("softmax_several_prompts")
    data, mean = data_of(0)
    frozen = frozen_predictions("gaussian", mean=mean, scale=1.0)
    return {
        k: Posterior(variant.build(data, frozen=frozen, expert="linear", prior=BOX, prompts=k))
        for k in (1, 2)
    }


def fits(compiled: dict[int, Posterior], seed: int) -> tuple[float, float, float]:
    """Log-likelihoods of one and of two prompts; and the former's, embedded, by SciPy."""
    variant = variant_named("softmax_several_prompts")
    data, mean = data_of(seed)
    frozen = frozen_predictions("gaussian", mean=mean, scale=1.0)
    found = {}
    for k, posterior in compiled.items():
        model = variant.build(data, frozen=frozen, expert="linear", prior=BOX, prompts=k)
        found[k] = fit_map(model, starts=STARTS, seed=seed, posterior=posterior)
    one = {k: v.to_numpy() for k, v in found[1]["point_estimate"].data_vars.items()}
    two = {name: np.stack([value, value]) for name, value in one.items()}
    two["tau"] = two["tau"] - np.log(2.0)
    columns = {"x": data.x, "response": data.y, "frozen_mean": mean, "frozen_scale": np.ones(ROWS)}
    embedded = float(reference.contaminated("linear", "gaussian", two, columns).sum())
    values = [found[k]["optimizer_result"]["loglik"].item() for k in (1, 2)]
    return values[0], values[1], embedded


def check_never_below(compiled: dict[int, Posterior], seeds: range) -> list[float]:
    gains = []
    for seed in seeds:
        one, two, embedded = fits(compiled, seed)
        assert embedded == pytest.approx(one, abs=1e-8)
        assert two >= embedded - 1e-7, seed
        gains.append(two - embedded)
    return gains


def test_two_prompts_are_never_below_one(compiled) -> None:
    (gain,) = check_never_below(compiled, range(2, 3))
    assert gain > 1.0


@pytest.mark.slow
def test_two_prompts_are_never_below_one_on_many_data_sets(compiled) -> None:
    gains = check_never_below(compiled, range(20))
    assert max(gains) > 10.0


def test_the_smaller_fit_is_reached_where_the_search_finds_nothing(compiled, monkeypatch) -> None:
    """A search that ends nowhere leaves the floor: the smaller fit with a prompt counted twice."""
    real = map_module.search

    def hopeless(starts, most, seed, known=()):
        found = real(starts, most, seed)
        if mixture_of(starts.objective.posterior.model).prompts == 1:
            return found
        return map_module.counted(found.ends[-1:], starts.objective.rows.n)

    monkeypatch.setattr(map_module, "search", hopeless)
    monkeypatch.setattr(map_module, "sharpened", lambda *arguments: arguments[3])
    _, two, embedded = fits(compiled, 1)
    assert two >= embedded - 1e-7
