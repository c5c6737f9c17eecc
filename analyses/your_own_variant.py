# %% [markdown]
# # A variant of your own, from a gate to its rates
# A gate of one's own, lambda sigmoid(beta'x + tau): a prompt that never has all the rows. It is
# declared once; simulation, fit, prediction and theory follow from the declaration. Takes about a
# minute on two cores.

# %%
from math import log

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pytensor.tensor as pt

from bayes_cmoe import (
    Gate,
    Path,
    Regime,
    Share,
    along,
    contaminated_variant,
    fit_map,
    fit_nested,
    frozen_expert,
    posterior_predictive,
    simulate,
    summary,
)
from bayes_cmoe.compiled.components import responsibilities
from bayes_cmoe.parts.parameter import gate_level, gate_slopes, share
from bayes_cmoe.theory.distinguishability import distinguishability
from bayes_cmoe.theory.information import information

# %% tags=["parameters"]
ROWS, SEED, DRAWS = 2000, 1, 500

# %% [markdown]
# ## The gate
# Its parameters, the logarithms of both shares, and what of it vanishes. `level`, `shut` and
# `opened` are values at which the prompt has half of the rows, none and all that it can have:
# searches begin there.

# %%


def log_weights(x, lam, beta, tau):  # type: ignore[no-untyped-def]
    """log(1 - pi(x)) and log pi(x)."""
    score = x @ beta + tau
    stay = pt.logaddexp(pt.log1p(-lam) - pt.softplus(-score), -pt.softplus(score))
    return stay, pt.log(lam) - pt.softplus(-score)


gate = Gate(
    "lam-sigmoid",
    (share("lam"), gate_slopes("beta"), gate_level("tau")),
    log_weights,
    level={"lam": 0.75, "beta": 0.0, "tau": log(2.0)},
    shut={"lam": 0.0, "beta": 0.0, "tau": 0.0},
    opened={"lam": 1.0, "beta": 0.0, "tau": 30.0},
    share=Share("lam", "lam", lambda lam: lam, lambda lam, n, alpha: lam * n**-alpha),
)
gate  # noqa: B018 (shown in a notebook)

# %% [markdown]
# ## The variant and a regime
# A regime is a truth that may move with n, its inputs, and the box of the flat prior.

# %%
center = {"a": [1.0], "b": 0.3, "nu": 1.0}
regime = Regime(
    "far",
    "a tanh prompt far from a Gaussian f0, on at most 7 of 10 rows",
    Path({"lam": 0.7, "beta": [2.0], "tau": 0.5}, center, along(a=[-3.0], b=1.5, nu=-0.75)),
    gate,
    "tanh",
    frozen_expert("gaussian", "tanh", {"a": [1.0], "b": 0.3}, scale=1.0),
    features=1,
    box={
        "lam": (0.0, 1.0),
        "beta": (-10.0, 10.0),
        "tau": (-10.0, 10.0),
        "a": (-6.0, 6.0),
        "b": (-6.0, 6.0),
        "nu": (0.05, 10.0),
    },
)
variant = contaminated_variant(
    "sigmoid_gate",
    title="Contaminated Gaussian MoE, constant times sigmoid gate",
    source="an example",
    gates=[gate],
    expert="tanh",
    regimes=[regime],
)
variant  # noqa: B018 (shown in a notebook)

# %% [markdown]
# ## Data, fit, posterior

# %%
data = simulate(variant, regime, ROWS, seed=SEED)
model = variant.build(data, frozen=regime.frozen, expert=regime.expert, prior="weak")
point = fit_map(model)
tree = fit_nested(model, start=point, draws=DRAWS, seed=SEED)
summary(tree)

# %%
truth = regime.truth(ROWS)
forest = az.plot_forest(tree, combined=True)

# %% [markdown]
# ## What was found, row by row, and at new rows

# %%
rows = responsibilities(model, tree)
new = np.linspace(-3.0, 3.0, 200)
predicted = posterior_predictive(model, tree, new, draws=50, seed=SEED)["predictions"]["y"]
low, high = predicted.quantile([0.05, 0.95], ("chain", "draw")).to_numpy()
seen, (panel, beside) = plt.subplots(1, 2, figsize=(9.6, 4.0), layout="constrained")
shown = panel.scatter(
    data.x[:, 0], data.y, c=rows["responsibility"], cmap="Greys", s=8, edgecolors="0.5", lw=0.3
)
panel.fill_between(new, low, high, color="tab:blue", alpha=0.2, lw=0, label="90 % of new responses")
panel.set(xlabel="x", ylabel="y")
panel.legend(frameon=False, loc="lower left")
seen.colorbar(shown, ax=panel, label="posterior probability of the prompt")
order = np.argsort(data.x[:, 0])
own = truth["lam"] / (1.0 + np.exp(-(data.x[order, 0] * truth["beta"][0] + truth["tau"])))
beside.plot(data.x[order, 0], rows["share"].to_numpy()[order], color="tab:blue", label="posterior")
beside.plot(data.x[order, 0], own, "k--", label="truth")
beside.set(xlabel="x", ylabel="share of the prompt pi(x)", ylim=(0, 1))
_ = beside.legend(frameon=False)

# %% [markdown]
# ## What theory says of it
# Nothing more was declared, and yet the information bound is known, and whether the experts can be
# told apart.

# %%
bound = information(variant, regime, n=float(ROWS), draws=2**16, accuracy=0.05)["bound"]
spread = tree["posterior"].to_dataset().std(("chain", "draw"))
for name in ("lam", "tau", "b", "nu"):
    print(f"{name}: bound {float(bound.sel(parameter=name)):.3f}, posterior sd {spread[name]:.3f}")
print(distinguishability(variant, regime))

# %% [markdown]
# For the command line, put the gate and the variant into a file of their own
# (`register_gate(gate)`, `VARIANT = ...`) and name it with `--plugin`, or under the entry point
# group `bayes_cmoe`.

# %% tags=["active-py"]
if __name__ == "__main__":
    from pathlib import Path as Folder

    folder = Folder("out/your_own_variant")
    folder.mkdir(parents=True, exist_ok=True)
    print(summary(tree))
    seen.savefig(folder / "rows.png", dpi=110)
    forest.viz["figure"].item().savefig(folder / "forest.png", dpi=110)
    print(f"wrote rows.png and forest.png to {folder}")
