"""Engines against reference posteriors: means, sds and quantiles within Monte-Carlo error."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_cmoe import variant_named
from bayes_cmoe.compiled.posterior import Posterior
from bayes_cmoe.estimate.diagnostics import SamplingWarning
from bayes_cmoe.estimate.engines import ENGINES
from tests import reference as densities
from tests.estimate.agreement import discrepancies, limit
from tests.estimate.references import FOLDER, IN_TAILS, KEPT, RHAT, Reference, recorded

RECORDED = {known.name: known for known in recorded()}
SMALLEST = "constant-distinguishable-100"
SHIPPED = sorted(ENGINES)
MEGABYTES = 3.0


def fit(known: Reference, engine: str, **other_priors) -> tuple[xr.DataTree, str]:
    """An engine's draws and its own doubt."""
    model = known.model(**other_priors)
    own = ENGINES[engine]
    with warnings.catch_warnings():
        # What it warns of is its doubt, which is looked at.
        warnings.simplefilter("ignore", SamplingWarning)
        tree = own.fit(model, 11, Posterior(model))
    return tree, own.doubt(tree)


@pytest.mark.parametrize("name", RECORDED)
def test_a_record_is_whole_and_its_chains_agreed(name):
    known = RECORDED[name]
    model = known.model()
    assert {rv.name for rv in model.free_RVs} == set(known.draws)
    for draws in known.draws.values():
        assert len(draws) == KEPT
        assert draws.dtype == np.float32
        assert np.isfinite(draws).all()
    made = known.made
    assert made["rhat"] < RHAT
    assert made["ess_bulk"] >= KEPT
    assert made["ess_tail"] >= IN_TAILS
    assert made["chains"] >= 4
    assert made["divergences"] <= 1e-4 * made["chains"] * made["draws"]


def test_the_records_are_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < MEGABYTES * 1e6


def test_the_smallest_record_is_the_posterior_of_an_independent_density():
    """Means by importance sampling of a density in NumPy and SciPy."""
    known = RECORDED[SMALLEST]
    draws, prior = known.draws, known.made["prior"]
    regime = variant_named(known.made["variant"]).regime(known.made["regime"])
    columns = {
        "x": known.data.x, "response": known.data.y, **regime.frozen.columns(known.data.x),
    }  # fmt: skip
    # A wide t about the draws, on scales without edges: lam and nu by their logits and logs.
    free = np.column_stack(
        [
            np.log(draws["lam"] / (1.0 - draws["lam"])), draws["a"][:, 0], draws["b"],
            np.log(draws["nu"]),
        ]
    ).astype(float)  # fmt: skip
    proposal = stats.multivariate_t(free.mean(axis=0), 1.5 * np.cov(free.T), df=5, seed=1)
    points = proposal.rvs(4000)
    lam, nu = 1.0 / (1.0 + np.exp(-points[:, 0])), np.exp(points[:, 3])
    slope, level, variance = prior["a"], prior["b"], prior["nu"]
    log_weight = (
        stats.beta(1.5, 1.5).logpdf(lam) + np.log(lam * (1.0 - lam))
        + stats.norm(slope["center"], slope["sd"][0]).logpdf(points[:, 1])
        + stats.norm(level["center"], level["sd"]).logpdf(points[:, 2])
        + stats.norm(np.log(variance["center"]), variance["sd"]).logpdf(points[:, 3])
        - proposal.logpdf(points)
    )  # fmt: skip
    log_weight += [
        densities.contaminated(
            "tanh", "laplace", {"lam": one, "a": point[1:2], "b": point[2], "nu": own}, columns
        ).sum()
        for one, point, own in zip(lam, points, nu, strict=True)
    ]
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    for here, there in ((lam, draws["lam"]), (points[:, 1], draws["a"][:, 0]), (nu, draws["nu"])):
        mean = weight @ here
        error = np.hypot(np.sqrt(weight**2 @ (here - mean) ** 2), there.std() / KEPT**0.5)
        assert abs(there.mean() - mean) < 4.0 * error


def test_a_comparison_of_the_same_law_passes_and_of_another_fails():
    rng = np.random.default_rng(1)
    known = Reference("normal", None, {"a": rng.normal(size=(KEPT, 2)).astype(np.float32)}, {})

    def worst(scale=1.0, shift=0.0):
        draws = shift + scale * rng.normal(size=(4, 500, 2))
        own = xr.Dataset({"a": (("chain", "draw", "feature"), draws)})
        found = discrepancies(xr.DataTree.from_dict({"posterior": own}), known)
        assert len(found) == 14
        return max(map(abs, found.values())) / limit(len(found))

    assert max(worst() for _ in range(20)) < 1.0
    assert worst(scale=1.15) > 1.0
    assert worst(scale=0.85) > 1.0
    assert worst(shift=0.15) > 1.0


@pytest.mark.parametrize(
    "engine",
    [pytest.param(own, marks=pytest.mark.slow) if own == "nuts" else own for own in SHIPPED],
)
def test_engines_agree_with_the_smallest_reference(engine):
    known = RECORDED[SMALLEST]
    tree, doubt = fit(known, engine)
    found = discrepancies(tree, known)
    assert doubt == ""
    assert max(map(abs, found.values())) < limit(len(found))


@pytest.mark.slow
@pytest.mark.parametrize("engine", SHIPPED)
def test_a_prior_of_another_scale_is_seen(engine):
    """What a mistake in a default would be: half the width on the log scale of one parameter."""
    known = RECORDED[SMALLEST]
    narrow = known.made["prior"]["nu"] | {"sd": known.made["prior"]["nu"]["sd"] / 2.0}
    found = discrepancies(fit(known, engine, nu=narrow)[0], known)
    assert max(map(abs, found.values())) > limit(len(found))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(RECORDED) - {SMALLEST}))
@pytest.mark.parametrize("engine", SHIPPED)
def test_engines_agree_with_the_references_or_say_that_they_do_not(engine, name):
    known = RECORDED[name]
    tree, doubt = fit(known, engine)
    found = discrepancies(tree, known)
    worst = max(found, key=lambda figure: abs(found[figure]))
    assert doubt or abs(found[worst]) < limit(len(found)), f"{worst}: {found[worst]:.1f}"
