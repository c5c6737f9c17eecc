"""Criteria for the number of experts, against regression by closed forms and quadrature."""

from importlib import import_module
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, optimize, stats

from bayes_cmoe import Data, InputError, simulate, variant_named
from bayes_cmoe.front.number_of_experts import CRITERIA, number_of_experts
from tests.experts.parts import log_density

# Its function has the module's name in the package.
experts = import_module("bayes_cmoe.front.number_of_experts")
MOE = variant_named("softmax_gaussian_moe")
ROWS = 80


@pytest.fixture(scope="module")
def data() -> Data:
    """Two crossing lines, in units that are not the data's own."""
    own = simulate(MOE, "soft-3", ROWS, seed=4)
    return Data(3.0 * own.x + 7.0, 50.0 * own.y - 20.0)


@pytest.fixture(scope="module")
def found(data: Data) -> xr.Dataset:
    return number_of_experts(data, 2, particles=256, seed=1)


@pytest.fixture(scope="module")
def own(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Inputs with a column of ones, and responses, in units of their spreads."""
    x = (data.x[:, 0] - data.x.mean()) / data.x.std()
    return np.column_stack([np.ones(ROWS), x]), (data.y - data.y.mean()) / data.y.std()


def value(found: xr.Dataset, criterion: str, experts: int) -> float:
    return found.value.sel(criterion=criterion, experts=experts).item()


def log_marginal(x: np.ndarray, y: np.ndarray, nu: float, degree: float = 1.0) -> float:
    """log of int N(y; X eta, nu)^degree N(eta; 0, 2.5²) d eta."""
    n, scale = len(y), nu / degree
    cover = scale * np.eye(n) + 2.5**2 * x @ x.T
    whole = stats.multivariate_normal.logpdf(y, np.zeros(n), cover)
    # N(y; m, nu)^degree is N(y; m, nu / degree) but for its constant.
    power = 0.5 * n * ((1 - degree) * np.log(2 * np.pi * nu) - np.log(degree))
    return float(whole + power)


def log_evidence(x: np.ndarray, y: np.ndarray, degree: float = 1.0) -> float:
    """The same over nu ~ LogNormal(log 1/2, 1.5), by quadrature on the log scale."""
    top = log_marginal(x, y, 0.5, degree)

    def density(t: float) -> float:
        prior = stats.norm.logpdf(t, np.log(0.5), 1.5)
        return float(np.exp(log_marginal(x, y, np.exp(t), degree) + prior - top))

    mass, _ = integrate.quad(density, -4.0, 4.0, limit=200, epsabs=0, epsrel=1e-9)
    return top + np.log(mass)


def test_one_expert_is_a_regression(found: xr.Dataset, own) -> None:
    x, y = own
    residual = y - x @ np.linalg.lstsq(x, y)[0]
    loglik = stats.norm.logpdf(residual, scale=residual.std()).sum()
    assert found.loglik.values[0] == pytest.approx(loglik, abs=1e-6)
    assert found.parameters.values.tolist() == [3, 8]
    assert value(found, "AIC", 1) == pytest.approx(-2 * loglik + 6, abs=1e-5)
    assert value(found, "BIC", 1) == pytest.approx(-2 * loglik + 3 * np.log(ROWS), abs=1e-5)
    assert value(found, "sBIC", 1) == pytest.approx(-loglik + 1.5 * np.log(ROWS), abs=1e-5)


def test_evidence_and_its_derivative_by_quadrature(found: xr.Dataset, own) -> None:
    x, y = own
    exact = log_evidence(x, y)
    assert value(found, "evidence", 1) == pytest.approx(-exact, abs=0.7)
    error = found.error.sel(criterion="bridge", experts=1).item()
    assert error < 0.1
    assert value(found, "bridge", 1) == pytest.approx(-exact, abs=5 * error)
    # The mean log-likelihood at a temperature is the derivative by it.
    degree, step = 1 / np.log(ROWS), 1e-3
    ends = [log_evidence(x, y, degree + s * step) for s in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * step)
    # 256 draws of a mean whose spread is sqrt(3 / 2) log n at most.
    assert value(found, "WBIC", 1) == pytest.approx(-slope, abs=4 * 1.3 * np.log(ROWS) / 256**0.5)


def test_rows_left_out_one_after_the_other(found: xr.Dataset, own) -> None:
    x, y = own
    whole = log_evidence(x, y)
    left = [whole - log_evidence(np.delete(x, i, 0), np.delete(y, i)) for i in range(0, ROWS, 10)]
    # Every tenth row stands for all: compared by its own error.
    error = np.std(left, ddof=1) * ROWS / len(left) ** 0.5
    assert value(found, "PSIS-LOO", 1) == pytest.approx(-np.mean(left) * ROWS, abs=3 * error)
    stated = found.error.sel(criterion="PSIS-LOO", experts=1).item()
    assert stated == pytest.approx(np.std(left) * ROWS**0.5, rel=0.6)


def test_two_experts_reach_the_largest_likelihood(found: xr.Dataset, own) -> None:
    x, y = own

    def minus(v: np.ndarray) -> float:
        theta = {
            "beta": v[:1, None], "tau": v[1:2], "a": v[2:4, None], "b": v[4:6],
            "nu": np.exp(v[6:]),
        }  # fmt: skip
        return -float(log_density(theta, x[:, 1:], y).sum())

    rng = np.random.default_rng(0)
    ends = [
        optimize.minimize(minus, rng.normal(0.0, 1.0, 8) - np.repeat([0, 1], [6, 2])).fun
        for _ in range(12)
    ]
    assert found.loglik.values[1] >= -min(ends) - 1e-4
    assert found.loglik.values[1] == pytest.approx(-min(ends), abs=0.5)
    assert value(found, "AIC", 2) == pytest.approx(-2 * found.loglik.values[1] + 16, rel=1e-12)


def test_two_ways_to_the_evidence_agree(found: xr.Dataset) -> None:
    """Bridge sampling within one order of the experts, and tempering over all of them."""
    error = found.error.sel(criterion="bridge", experts=2).item()
    assert error < 0.4
    difference = value(found, "bridge", 2) - value(found, "evidence", 2)
    # Without the two orders of the experts it is off by log 2 = .7, and tempering scatters by .5.
    assert abs(difference) < 1.2


def test_the_dendrogram_is_of_the_merged_fit(found: xr.Dataset) -> None:
    assert np.isnan(value(found, "dendrogram", 1))
    mean = found.loglik.values[1] / ROWS
    height = -value(found, "dendrogram", 2) - np.log(ROWS) * mean
    assert 0.0 < height < 10.0


def test_a_level_of_the_dendrogram_is_height_and_likelihood(data: Data) -> None:
    """Two atoms of known places: their distance over 1/w + 1/w', and log n times the mean."""
    named = {
        "beta": np.array([[0.4]]), "tau": np.array([0.3]), "a": np.array([[-0.5], [0.8]]),
        "b": np.array([-0.6, 0.5]), "nu": np.array([0.7, 0.4]),
    }  # fmt: skip
    own = experts._in_own_units(data)
    compiled = [experts._compiled(MOE, "linear", 1, k) for k in (1, 2)]
    theta = compiled[1].posterior.layout.ravel(named)
    found = experts._dendrogram(compiled, own, SimpleNamespace(theta=theta), MOE.losses)
    weight = np.exp([0.3, 0.0]) / np.exp([0.3, 0.0]).sum()
    apart = 1.1**2 + np.linalg.norm([0.4, 1.3, 0.3])
    mean = log_density(named, own.x, own.y).mean()
    expected = apart / np.sum(1.0 / weight) + np.log(ROWS) * mean
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(-expected, rel=1e-10)


def test_bridge_sampling_counts_the_orders_of_experts(data: Data, monkeypatch) -> None:
    """What it finds is the mass of one order; each of the two has as much."""
    monkeypatch.setattr(experts, "bridged", lambda *args, **others: experts.Evidence(-5.0, 0.1))
    own = experts._in_own_units(data)
    for k, orders in ((1, 1.0), (2, 2.0)):
        energies = experts._compiled(MOE, "linear", 1, k)
        points = np.random.default_rng(0).normal(size=(4, energies.posterior.layout.size))
        rows = experts._rows(energies, own)
        found = experts._bridge(energies, rows, points, np.random.default_rng(1))
        assert found.log == pytest.approx(-5.0 + np.log(orders))
        assert found.error == 0.1


def test_merging_has_every_draw(found: xr.Dataset) -> None:
    shares = -found.value.sel(criterion="merging").values
    assert shares.sum() == pytest.approx(1.0)
    assert np.all(shares >= 0)


def test_picks_are_the_least(found: xr.Dataset) -> None:
    assert found.criterion.values.tolist() == list(CRITERIA)
    for name in CRITERIA:
        own = found.sel(criterion=name)
        values = np.where(np.isnan(own.value), np.inf, own.value)
        assert own.pick.item() == int(np.argmin(values)) + 1
    assert all(a <= b for a, b in pairwise(found.loglik.values))


def test_coefficients_of_ones_own(data: Data) -> None:
    """One for each pair of numbers of experts."""
    with pytest.raises(InputError, match=r"2 models and learning coefficients of shape \(3, 3\)"):
        number_of_experts(data, 2, particles=64, coefficients=np.ones((3, 3)))


def test_what_is_asked_has_to_make_sense(data: Data) -> None:
    with pytest.raises(InputError, match="not a mixture of trainable experts alone"):
        number_of_experts(data, variant="constant_contaminated")
    with pytest.raises(InputError, match="whole number from 2"):
        number_of_experts(data, 1)
    with pytest.raises(InputError, match="20 particles for 8 parameters: give 32"):
        number_of_experts(data, 2, particles=20)
    with pytest.raises(InputError, match="the same in all rows"):
        number_of_experts(Data([1.0, 1.0, 1.0], [0.0, 1.0, 2.0]))
