"""A plugin with engines for few rows, in NumPy and SciPy alone: draws from the prior, resampled.

``resampled`` weighs them by the likelihood, which is exact up to the number of draws; ``tempered``
by its square, so that the posterior is too narrow; ``unweighted`` does not look at the data.
``stuck`` gives every draw forty times. ``honest`` is too narrow on half of the data sets, and says
of these that it is not to be trusted. ``prior-draws`` draws from the prior of any model.
"""

import numpy as np
import pymc as pm
import xarray as xr
from scipy import stats

from bayes_cmoe.compiled.likelihood import columns_of
from bayes_cmoe.estimate.engines import Engine, register_engine
from bayes_cmoe.parts.fixed_prior import priors_of

MANY, CHAINS, DRAWS = 20_000, 2, 200


def drawn_from_prior(model, rng):
    prior = priors_of(model)
    beta, slope, level, variance = (prior[name] for name in ("lam", "a", "b", "nu"))
    assert (beta.kind, slope.kind, level.kind, variance.kind) == (
        "beta", "normal", "normal", "lognormal",
    )  # fmt: skip
    return {
        "lam": rng.beta(1.5, 1.5, MANY),
        "a": rng.normal(slope.center, slope.sd, (MANY, 1)),
        "b": rng.normal(level.center, level.sd, MANY),
        "nu": variance.center * np.exp(rng.normal(0.0, variance.sd, MANY)),
    }


def log_likelihood(model, theta):
    """Of the constant gate with a Laplace frozen expert and a tanh prompt, shape (draw,)."""
    own = columns_of(model)
    y = own["response"]
    location = np.tanh(theta["a"] * own["x"][:, 0] + theta["b"][:, None])
    new = stats.norm.logpdf(y, location, np.sqrt(theta["nu"])[:, None])
    known = stats.laplace.logpdf(y, own["frozen_mean"], own["frozen_scale"])
    lam = theta["lam"][:, None]
    return np.logaddexp(np.log1p(-lam) + known, np.log(lam) + new).sum(axis=1)


def fitted(model, seed, power):
    rng = np.random.default_rng(seed)
    theta = drawn_from_prior(model, rng)
    log_weight = power * log_likelihood(model, theta)
    weight = np.exp(log_weight - log_weight.max())
    chosen = rng.choice(MANY, CHAINS * DRAWS, p=weight / weight.sum())
    posterior = {
        name: (
            ("chain", "draw", *(("feature",) if value.ndim == 2 else ())),
            value[chosen].reshape(CHAINS, DRAWS, *value.shape[1:]),
        )
        for name, value in theta.items()
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(posterior)})


def stuck(model, seed, posterior):
    tree = fitted(model, seed, 1.0)
    few = tree["posterior"].to_dataset().isel(draw=np.arange(DRAWS) // 40)
    return xr.DataTree.from_dict({"posterior": few})


def honest(model, seed, posterior):
    # Of the data alone.
    wrong = columns_of(model)["response"][0] > 0
    tree = fitted(model, seed, 4.0 if wrong else 1.0)
    tree.attrs["wrong"] = bool(wrong)
    return tree


def weighing(name, power):
    def fit(model, seed, posterior):
        return fitted(model, seed, power)

    return Engine(name, fit, lambda tree: "")


def prior_draws(model, seed, posterior):
    drawn = pm.draw(list(model.free_RVs), draws=CHAINS * DRAWS, random_seed=seed)
    groups = {
        rv.name: (
            ("chain", "draw", *(f"{rv.name}_{i}" for i in range(values.ndim - 1))),
            values.reshape(CHAINS, DRAWS, *values.shape[1:]),
        )
        for rv, values in zip(model.free_RVs, drawn, strict=True)
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(groups)})


for own in (weighing("resampled", 1.0), weighing("tempered", 2.0), weighing("unweighted", 0.0)):
    register_engine(own)
register_engine(
    Engine("honest", honest, lambda tree: "first response positive" if tree.attrs["wrong"] else "")
)
register_engine(Engine("stuck", stuck, lambda tree: ""))
register_engine(Engine("prior-draws", prior_draws, lambda tree: ""))
