# %% [markdown]
# # Distinguishable or not: the theory in five pictures
# A frozen expert f0, a prompt f with a share lambda: p = (1 - lambda) f0 + lambda f. Why the share
# is learnt like any mean when f0 and f are *distinguishable*, why it is not when f may merge into
# f0, and what that costs in rows. Takes about a minute on two cores.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from bayes_cmoe import simulate, variant_named
from bayes_cmoe.compiled.likelihood import Likelihood, columns_of
from bayes_cmoe.theory.distinguishability import distinguishability
from bayes_cmoe.theory.information import information
from bayes_cmoe.theory.modulus import modulus

# %% tags=["parameters"]
VARIANT = "constant_contaminated"
EASY, HARD = "distinguishable", "linear-merging-a"
ROWS, SEED = 1000, 2
DISTANCES = (0.15, 0.3, 0.6, 1.2)
SIZES = (1e2, 1e3, 1e4, 1e5)

# %% [markdown]
# ## 1. Two mixtures that nobody can tell apart
# At x = 1, beside a Gaussian f0: a prompt of share 0.3 at distance 0.4, and one of share 0.6 at
# half the distance, have the same lambda Delta. Their densities differ by a few thousandths; what
# is left is lambda Delta². Beside a Laplace f0 the same two prompts leave another mark, because no
# Gaussian is near a Laplace density, however small Delta.

# %%
y = np.linspace(-4.0, 4.5, 600)
normal, laplace = stats.norm(0.0, 1.0), stats.laplace(0.0, 0.5**0.5)
pictured, panels = plt.subplots(2, 2, figsize=(9.6, 5.4), layout="constrained", sharex=True)
for column, (name, f0) in enumerate({"Gaussian f0": normal, "Laplace f0": laplace}.items()):
    above, below = panels[:, column]
    for (share, delta), style in zip(((0.3, 0.4), (0.6, 0.2)), ("-", "--"), strict=True):
        mixed = (1 - share) * f0.pdf(y) + share * stats.norm(delta, 1.0).pdf(y)
        label = f"lambda = {share}, Delta = {delta}"
        above.plot(y, mixed, style, color="black", lw=1.5, label=label)
        below.plot(y, mixed - f0.pdf(y), style, color="black", lw=1.5)
    above.plot(y, f0.pdf(y), ":", color="tab:blue", lw=2, label="f0 alone")
    above.set_title(name)
    below.axhline(0.0, color="0.7", lw=0.8)
    below.set(xlabel="y at x = 1")
panels[0, 0].set_ylabel("density")
panels[1, 0].set_ylabel("density - f0")
panels[0, 0].legend(frameon=False, fontsize="x-small", loc="upper left")
_ = pictured.suptitle("The same lambda Delta beside a Gaussian and a Laplace frozen expert")

# %% [markdown]
# ## 2. The definition, decided by calculation
# f0 and f are distinguishable when f0, f and the derivatives of f are linearly independent;
# strongly identifiable when the second derivatives are independent too. `distinguishability` looks
# for exact linear relations and prints the ones it finds.

# %%
for name in (EASY, HARD, "merging"):
    for order in (1, 2):
        print(f"{name}, order {order}: {distinguishability(VARIANT, name, order=order)}")

# %% [markdown]
# ## 3. What merging costs: the information bound against the distance
# The smallest error that an unbiased estimator of lambda can have from 10,000 rows, when the
# prompt's slope is Delta away from the frozen expert's. Beside a Gaussian f0 of the same form it
# grows as Delta^-2, so the rows needed grow as Delta^-4; beside a Laplace f0 Delta costs nothing.

# %%
variant = variant_named(VARIANT)


def share_bound(name: str, distance: float) -> float:
    """The bound on lambda's RMSE at 10,000 rows, with the slope so far from where it merges."""
    regime = variant.regime(name)
    center = {key: np.asarray(value, dtype=float) for key, value in regime.path.center.items()}
    truth = {**center, "lam": np.asarray(0.3), "a": center["a"] + distance}
    found = information(variant, regime, n=1e4, truth=truth, draws=2**16, accuracy=0.05)
    return float(found["bound"].sel(parameter="lam"))


bounds = pd.DataFrame(
    {name: [share_bound(name, distance) for distance in DISTANCES] for name in (EASY, HARD)},
    index=pd.Index(DISTANCES, name="Delta"),
)
costs, panel = plt.subplots(figsize=(6.0, 4.2), layout="constrained")
panel.loglog(bounds.index, bounds[HARD], "o-", color="black", label="Gaussian f0 of the same form")
panel.loglog(bounds.index, bounds[EASY], "s--", color="tab:blue", label="Laplace f0")
line = bounds[HARD].iloc[0] * (np.array(DISTANCES) / DISTANCES[0]) ** -2.0
panel.loglog(DISTANCES, line, ":", color="0.4", label="Delta^-2")
panel.axhline(0.3, color="0.7", lw=0.8)
panel.annotate("lambda itself", (DISTANCES[-1], 0.3), ha="right", va="bottom", color="0.4")
panel.set(xlabel="distance Delta", ylabel="bound on the error of lambda, 10,000 rows")
panel.set_xticks(DISTANCES, [f"{distance:g}" for distance in DISTANCES], minor=False)
panel.minorticks_off()
panel.legend(frameon=False, loc="lower left")
print(bounds.round(4))

# %% [markdown]
# ## 4. One likelihood of each kind
# The log-likelihood of one data set over (lambda, slope), the other parameters at the truth. Where
# the experts are distinguishable it is a bowl; where they merge, a banana along lambda Delta =
# const that opens towards f0 itself, the line Delta = 0, on which lambda means nothing.

# %%
bowls, panels = plt.subplots(1, 2, figsize=(9.6, 4.2), layout="constrained")
for panel, name in zip(panels, (EASY, HARD), strict=True):
    regime = variant.regime(name)
    truth = {**regime.truth(ROWS), "lam": np.asarray(0.3)}
    data = simulate(variant, regime, ROWS, seed=SEED)
    likelihood = Likelihood(variant.model(regime, data))
    rows = likelihood.rows(columns_of(variant.model(regime, data)))
    middle = float(truth["a"].item())
    shares, slopes = np.linspace(0.03, 0.97, 33), np.linspace(middle - 1.2, middle + 1.2, 33)
    height = np.array(
        [
            [
                likelihood.value(
                    likelihood.layout.ravel({**truth, "lam": share, "a": [slope]}), rows
                )
                for share in shares
            ]
            for slope in slopes
        ]
    )
    levels = height.max() - np.array([50.0, 20.0, 10.0, 4.6, 2.3, 0.5])
    shown = panel.contourf(shares, slopes, height, [*levels, height.max()], cmap="Greys")
    panel.contour(shares, slopes, height, levels, colors="0.3", linewidths=0.6)
    center = float(np.ravel(regime.path.center["a"])[0])
    if slopes[0] < center < slopes[-1]:
        panel.axhline(center, color="tab:red", ls="--", label="the frozen expert's slope")
        place = np.unravel_index(height.argmax(), height.shape)
        product = shares[place[1]] * (slopes[place[0]] - center)
        panel.plot(
            shares, center + product / shares, color="tab:blue", label="lambda Delta = const"
        )
        panel.legend(frameon=False, loc="upper right", fontsize="small")
    panel.set(title=name, xlabel="share lambda", ylim=(slopes[0], slopes[-1]))
panels[0].set_ylabel("slope of the prompt")
_ = bowls.suptitle(
    f"Log-likelihood of {ROWS:,} rows; contours 0.5, 2.3, 4.6, 10, 20, 50 below the top"
)

# %% [markdown]
# ## 5. How far off the share may be, whatever the estimator
# Two truths within a Hellinger distance of c / sqrt(n) cannot be told apart from n rows. The
# modulus of continuity is how far lambda can move within that distance. The straight line, the
# information bound, promises more than there is as long as the prompt is lost in the noise.

# %%
moduli = {name: modulus(variant, name, "lam", SIZES, draws=2**12) for name in (EASY, HARD)}
limits, panel = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for (name, found), color, mark in zip(moduli.items(), ("tab:blue", "black"), "so", strict=True):
    panel.loglog(found.n, found.modulus, mark + "-", color=color, label=f"{name}: modulus")
    panel.loglog(found.n, found.linear, ":", color=color, label=f"{name}: information bound")
panel.set(xlabel="rows n", ylabel="change of lambda that n rows do not show")
_ = panel.legend(frameon=False, fontsize="small")

# %% [markdown]
# So: distinguishable experts are learnt as n^-1/2. Where they merge as Delta ~ n^-gamma and the
# share vanishes as lambda ~ n^-alpha, the share's error is n^(-1/2 + 2 gamma), and from alpha + 2
# gamma = 1/2 on nothing is learnt at all (`phase_diagram`). What a posterior makes of it:
# `explore_posterior`.

# %% tags=["active-py"]
if __name__ == "__main__":
    from pathlib import Path

    folder = Path("out/distinguishable_or_not")
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"densities": pictured, "cost": costs, "likelihood": bowls, "modulus": limits}
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110)
    print(f"wrote {', '.join(f'{name}.png' for name in figures)} to {folder}")
