# %% [markdown]
# # Explore a posterior where the prompt merges
# One data set of the merging regime, as a PyMC user would go about it: the prior and what it says
# of the data, the posterior of (lambda, Delta) and the ridge it lies on, prior beside posterior,
# and how far the prior decides. Takes about a minute on two cores.
#
# The frozen expert is a line with Gaussian noise, the prompt another line with a slope Delta away.
# What data tell easily is the product lambda Delta, to n^-1/2 like any mean; lambda by itself is
# known through lambda Delta² only, a much smaller number. So the posterior is a ridge along lambda
# Delta = const, and along the ridge the prior has its say.

# %%
import logging

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

from bayes_cmoe import (
    Data,
    fit_nuts,
    posterior_predictive,
    prior_predictive,
    simulate,
    summary,
    variant_named,
)

# %% tags=["parameters"]
VARIANT, REGIME = "constant_contaminated", "linear-merging-a"
ROWS, FEW, GAMMA, SEED, DRAWS = 3000, 300, 0.25, 1, 700

# %% [markdown]
# ## The data, the model and its prior
# `model` is a plain `pm.Model`: everything of PyMC's works on it. The weak prior is on the scale of
# the data, and shown with its numbers.

# %%
variant = variant_named(VARIANT)
regime = variant.regime(REGIME)
data = simulate(variant, regime, ROWS, seed=SEED, gamma=GAMMA)
model = variant.build(data, frozen=regime.frozen, expert=regime.expert, prior="weak")
truth, center = regime.truth(ROWS, gamma=GAMMA), float(np.ravel(regime.path.center["a"])[0])
print(data, regime, f"Delta = {truth['a'].item() - center:.3f}", sep="\n")

# %%
before = prior_predictive(model, draws=200, seed=SEED)
x, y = data.x[:, 0], data.y
seen, panel = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
panel.hist(
    before["prior_predictive"]["y"].to_numpy().ravel(), np.linspace(-25, 25, 101), density=True,
    color="0.8", label="prior predictive",
)  # fmt: skip
panel.hist(y, np.linspace(-25, 25, 101), density=True, histtype="step", color="black", label="data")
panel.set(xlabel="y", ylabel="density")
_ = panel.legend(frameon=False)

# %% [markdown]
# ## The posterior
# `tree` is a `DataTree` that ArviZ reads as it is: `az.extract(tree)` or any `az.plot_*` goes on
# from here.

# %%
tree = fit_nuts(model, draws=DRAWS, seed=SEED, log_likelihood=True)
tree["prior"] = before["prior"]
tree["posterior_predictive"] = posterior_predictive(model, tree, draws=100, seed=SEED)[
    "posterior_predictive"
]
summary(tree)

# %% [markdown]
# ## The ridge
# Delta is the prompt's slope less the frozen expert's. The lines are lambda Delta = const at the 5
# %, 50 % and 95 % quantiles of the product: the posterior runs along them, and the truth lies on
# the ridge, though far from where its middle may be.

# %%
posterior = tree["posterior"].to_dataset()
delta = posterior["a"].isel(feature=0, drop=True) - center
share = posterior["lam"]
moments = {"lam*Delta": share * delta, "lam*Delta^2": share * delta**2}
edges = moments["lam*Delta"].quantile([0.05, 0.5, 0.95]).to_numpy()
grid = np.linspace(0.02, 1.0, 300)
ridge, (panel, beside) = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
panel.plot(share.to_numpy().ravel(), delta.to_numpy().ravel(), ".", color="0.6", ms=2, zorder=1)
for edge, style in zip(edges, (":", "-", ":"), strict=True):
    panel.plot(grid, edge / grid, style, color="tab:blue", lw=1.5)
panel.plot([], [], "-", color="tab:blue", label="lambda Delta = const (5, 50, 95 %)")
panel.plot(truth["lam"], truth["a"] - center, "*", color="black", ms=13, label="truth")
low, high = np.quantile(delta, [0.001, 0.999])
panel.set(xlim=(0, 1), ylim=(min(0.0, low), 1.1 * high), xlabel="share lambda", ylabel="Delta")
panel.legend(frameon=False)
spread = {
    "lambda": share, "Delta": delta, "lambda Delta": moments["lam*Delta"],
    "lambda Delta²": moments["lam*Delta^2"],
}  # fmt: skip
relative = [float(own.std() / abs(own.mean())) for own in spread.values()]
beside.barh(list(spread), relative, color=["0.8", "0.8", "tab:blue", "0.8"], edgecolor="0.3")
beside.invert_yaxis()
beside.set(xlabel="posterior sd / mean")
_ = ridge.suptitle(f"What {ROWS:,} rows know of a merging prompt: the product, before its factors")

# %% [markdown]
# ## Prior beside posterior
# Where the two curves look alike the data have said little.

# %%
compared = az.plot_prior_posterior(tree, var_names=["lam", "b", "nu"])

# %% [markdown]
# ## How far the prior decides
# Power scaling (Kallioinen et al. 2024, doi:10.1007/s11222-023-10366-5): how much the posterior
# moves when the prior, or the likelihood, counts a little more. **Above 0.05 a number is as much
# the prior's as the data's.** Beside the parameters stand the products with the share; beside the
# whole table its first 300 rows, on which the prompt can hardly be seen.


# %%
def with_products(found: xr.DataTree) -> xr.DataTree:
    """A fit with lambda Delta and lambda Delta² among its posterior's variables."""
    own = found["posterior"].to_dataset()
    shift = own["a"].isel(feature=0, drop=True) - center
    products = {"lam*Delta": own["lam"] * shift, "lam*Delta^2": own["lam"] * shift**2}
    wide = found.copy()
    wide["posterior"] = own.assign(products)
    return wide


first = Data(data.x[:FEW], data.y[:FEW])
few_model = variant.build(first, frozen=regime.frozen, expert=regime.expert, prior="weak")
few = fit_nuts(few_model, draws=DRAWS, seed=SEED, log_likelihood=True)
logging.getLogger("arviz_stats").setLevel(logging.ERROR)  # it says below what it would say here
sensitivity = pd.DataFrame(
    {
        f"{data.n} rows": az.psense_summary(with_products(tree))["prior"],
        f"{FEW} rows": az.psense_summary(with_products(few))["prior"],
    }
)
sensitivity  # noqa: B018 (shown in a notebook)

# %%
for rows, prior_says in sensitivity.items():
    doubtful = [str(name) for name, value in prior_says.items() if value > 0.05]
    verdict = (
        f"WARNING, the prior decides on {', '.join(doubtful)}" if doubtful else "the data decide"
    )
    print(f"{rows}: {verdict}")
print(
    "Remedy: report the product with the share, which the data know first (lam*Delta); or state a\n"
    "prior that you would defend, build(..., prior={'lam': 'beta(2, 8)'}), and report it with the\n"
    "answer; or take more rows: `bayes-cmoe plan` says how many."
)

# %% [markdown]
# The few rows under another prior of the share: the share follows its prior, the product hardly.

# %%
informed = variant.build(
    first, frozen=regime.frozen, expert=regime.expert, prior={"lam": "beta(8, 24)"}
)
again = with_products(fit_nuts(informed, draws=DRAWS, seed=SEED))["posterior"].to_dataset()
weakly = with_products(few)["posterior"].to_dataset()
remedy, panels = plt.subplots(1, 3, figsize=(9.6, 3.0), layout="constrained")
names = {"lam": "lambda", "a": "slope of the prompt", "lam*Delta": "lambda Delta"}
for panel, (name, words) in zip(panels, names.items(), strict=True):
    pair = [own[name].to_numpy().ravel() for own in (weakly, again)]
    bins = np.linspace(*np.quantile(np.concatenate(pair), [0.005, 0.995]), 50)
    panel.hist(pair[0], bins, density=True, color="0.8", label="weak prior")
    panel.hist(
        pair[1], bins, density=True, histtype="step", color="tab:blue", lw=1.5,
        label="lam ~ Beta(8, 24)",
    )  # fmt: skip
    panel.set(xlabel=words, yticks=[])
panels[0].legend(frameon=False, fontsize="small")
_ = panels[0].set_ylabel(f"posterior density, {FEW} rows")

# %% tags=["active-py"]
if __name__ == "__main__":
    from pathlib import Path

    from rich.console import Console

    folder = Path("out/explore_posterior")
    folder.mkdir(parents=True, exist_ok=True)
    Console(highlight=False).print(summary(tree), sensitivity.to_string(), sep="\n\n")
    figures = {"before": seen, "ridge": ridge, "remedy": remedy}
    figures["prior_posterior"] = compared.viz["figure"].item()
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110)
    print(f"wrote {', '.join(f'{name}.png' for name in figures)} to {folder}")
