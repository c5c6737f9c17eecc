# %% [markdown]
# # A frozen text recogniser meets hand-written digits
# The frozen expert is PP-OCRv6, a network that reads printed and written lines of text in many
# scripts; the new task is scikit-learn's 1,797 hand-written digits, each shown to it as a line of
# one character (`data/ocr_digits.py` rebuilds the table that is read here). It is right in 95.7 %
# of them without having seen one. What does it not know, where, and can a small adapter learn it?
# Takes two to four minutes on one processor; figures go to out/ocr_digits. With `--explain` also
# the page of `bayes-cmoe explain`, which takes two more: what the prompt learned, in words.
#
# Half of the digits are fitted to, the other half is held out. The prompt is a multinomial logistic
# regression on eight principal components, of the pixels or of the network's own features (what its
# last layer reads): under a constant or a softmax gate, and about the network itself (log f0 + Ax,
# which holds the network at A = 0). Beside it stand the network alone, the network recalibrated (a
# temperature; a temperature and a bias for each class), and the adapter alone.
#
# What is found, on the digits held out:
#
# - The network's features know more than its ten probabilities say. Alone, a logistic regression on
#   eight components of them is right in 98.1 % and gains .046 +- .014 nats a digit on the network;
#   on eight of the pixels it is right in 88.6 % and loses .219 +- .027.
# - A prompt that does not know the network gains little on pixels (softmax gate .017 +- .012,
#   constant gate .007 +- .006), less than ten numbers of recalibration (.025 +- .011); on the
#   features it gains .060 +- .015. A prompt about the network gains .060 +- .016 on pixels and .064
#   +- .015 on the features, half of the network's whole loss, 96.2 to 98.6 and 97.9 % right: where
#   the prompt holds the network, its inputs hardly matter.
# - It mends the sevens, which many writers cross and the network doubts (mean log-score -0.42 to
#   -0.02), the ones, the nines and the eights, and costs the threes (-0.03 to -0.15). It needs few
#   labels: on features, fitted to 225 digits it is at -0.072, where the network alone is at -0.115
#   and the adapter alone at -0.144.
# - Rows left out of the fits say the same as those held out: every gain by leaving one out is
#   within 1.5 standard errors of the gain held out. They are left out by refits, which take
#   seconds.
# - PSIS-LOO, of 1,000 draws by NUTS (`fit(..., method="nuts", log_likelihood=True)`), scores the
#   posterior, not its maximum. On pixels it fails with so many parameters: k is above .67 in 18 %
#   of the rows under the softmax gate, and about the network in 74 %, up to 3.9. Under the constant
#   gate it holds (k .42 at most), and the posterior all but shuts the prompt: -.002 +- .0003.
#
# What is not found is whose a digit is. A prompt that holds the network takes nine tenths of the
# rows, and the plan says why: to know its nine logits to one it would take millions of digits,
# since a network that is nearly always sure leaves almost nothing to see. On pixels the two fits
# that do not know the network have the status `spike`, too many parameters for the digits that they
# rest on: what they predict of digits held out may be trusted, their parameters may not.

# %%
import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

import bayes_cmoe
from bayes_cmoe import advise, explain, fit, leave_one_out, predict

COMPONENTS = 8
PIXELS = [f"pc{j + 1}" for j in range(COMPONENTS)]
FEATURES = [f"net{j + 1}" for j in range(COMPONENTS)]
TABLE = Path(bayes_cmoe.__file__).parents[1] / "analyses" / "data" / "ocr_digits.csv"
FROZEN = {"probs": {digit: f"f0_{digit}" for digit in range(10)}}
# Gate, form and inputs of each prompt; log f0 + Ax holds the network itself, at A = 0.
PROMPTS = {
    "pixels, constant gate": ("constant", "linear", PIXELS),
    "pixels, softmax gate": ("softmax", "linear", PIXELS),
    "pixels, softmax gate, log f0 + Ax": ("softmax", "calibration", PIXELS),
    "features, softmax gate": ("softmax", "linear", FEATURES),
    "features, softmax gate, log f0 + Ax": ("softmax", "calibration", FEATURES),
}
BEST = "features, softmax gate, log f0 + Ax"
INPUTS = PROMPTS[BEST][2]
SIZES = (225, 450)
ERROR = 1.0

# %% [markdown]
# ## Data
# Rows are dealt by their parity, so that both halves hold every writer's hand.


# %%
@dataclass(frozen=True)
class Task:
    """The digits with the network's probabilities and the components, fitted to and held out."""

    fitted: pd.DataFrame
    held_out: pd.DataFrame
    images: NDArray


def load(file: Path = TABLE) -> Task:
    table = pd.read_csv(file)
    images = load_digits().images
    even = np.arange(len(table)) % 2 == 0
    pixels = images.reshape(len(images), -1)
    components = PCA(COMPONENTS, whiten=True, random_state=0).fit(pixels[even])
    found = components.transform(pixels)
    table = table.assign(**dict(zip(PIXELS, found.T, strict=True)))
    return Task(table[even], table[~even], images[~even])


def log_frozen(rows: pd.DataFrame) -> NDArray:
    """log f0 of every class, (row, class)."""
    return np.log(np.maximum(rows[list(FROZEN["probs"].values())].to_numpy(), 1e-12))


# %% [markdown]
# ## The network recalibrated, and the adapter alone


# %%
def recalibrated(task: Task, bias: bool) -> NDArray:
    """Held-out log-probabilities of p ~ f0^t exp(c), with t and c by maximum likelihood."""
    own, labels = log_frozen(task.fitted), task.fitted["digit"].to_numpy()

    def cost(v: NDArray) -> float:
        scores = log_softmax(np.exp(v[0]) * own + (np.append(v[1:], 0.0) if bias else 0.0), axis=1)
        return float(-scores[np.arange(len(labels)), labels].mean())

    best = minimize(cost, np.zeros(10 if bias else 1), method="L-BFGS-B").x
    shift = np.append(best[1:], 0.0) if bias else 0.0
    found: NDArray = log_softmax(np.exp(best[0]) * log_frozen(task.held_out) + shift, axis=1)
    return found


def alone(task: Task, inputs: list[str]) -> NDArray:
    """Held-out log-probabilities of a logistic regression that does without f0."""
    model = LogisticRegression(max_iter=2000).fit(task.fitted[inputs], task.fitted["digit"])
    found: NDArray = model.predict_log_proba(task.held_out[inputs])
    return found


# %% [markdown]
# ## The network with a prompt beside it


# %%
@dataclass(frozen=True)
class Adapted:
    """A fit with its predictions of the rows held out."""

    tree: xr.DataTree
    found: xr.Dataset


def adapt(task: Task, prompt: str, starts: int = 64) -> Adapted:
    gate, expert, inputs = PROMPTS[prompt]
    tree = fit(
        task.fitted, y="digit", x=inputs, frozen=FROZEN, gate=gate, expert=expert,
        starts=starts,
    )  # fmt: skip
    return Adapted(tree, predict(tree, task.held_out, calibrate=None))


def scores(task: Task, log_probs: NDArray) -> NDArray:
    """The log-score of each row held out."""
    found: NDArray = log_probs[np.arange(len(task.held_out)), task.held_out["digit"].to_numpy()]
    return found


def comparison(task: Task, fits: dict[str, Adapted]) -> tuple[Table, dict[str, NDArray]]:
    ways = {
        "network alone": log_frozen(task.held_out),
        "network, temperature": recalibrated(task, bias=False),
        "network, temperature and biases": recalibrated(task, bias=True),
        "adapter alone, pixels": alone(task, PIXELS),
        "adapter alone, features": alone(task, FEATURES),
        **{
            f"prompt, {name}": np.log(own.found["probability"].to_numpy())
            for name, own in fits.items()
        },
    }
    each = {name: scores(task, found) for name, found in ways.items()}
    table = Table("held out", "right", "mean log-score", "gain on the network", "se of it")
    labels = task.held_out["digit"].to_numpy()
    for name, found in ways.items():
        gain = each[name] - each["network alone"]
        right = (found.argmax(axis=1) == labels).mean()
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        table.add_row(
            name, f"{right:.3f}", f"{each[name].mean():.4f}", f"{gain.mean():+.4f}", f"{error:.4f}"
        )
    return table, each


def by_digit(task: Task, own: Adapted) -> Table:
    """Where the prompt is at work: its share, and what both say of each digit."""
    table = Table("digit", "rows", "prompt's share", "responsibility", "network", "with the prompt")
    labels = task.held_out["digit"].to_numpy()
    for digit in range(10):
        rows = np.flatnonzero(labels == digit)
        part = own.found.isel(obs=rows)
        table.add_row(
            str(digit), str(len(rows)), f"{float(part['share'].mean()):.3f}",
            f"{float(part['responsibility'].mean()):.3f}",
            f"{float(part['frozen_log_score'].mean()):.3f}",
            f"{float(part['log_score'].mean()):.3f}",
        )  # fmt: skip
    table.caption = "network, with the prompt: mean log-score of the right digit, nats"
    return table


# %% [markdown]
# ## Rows left out of the fit
# Without rows held out the same can be asked of the rows fitted to: each is left out in turn and
# the maximum found again. The network has no parameters, so its score is what it is.


# %%
def left_out(task: Task, fits: dict[str, Adapted]) -> Table:
    """Mean gains on the network by leaving out one of the rows fitted to, and on those held out."""
    table = Table("prompt", "left out", "se of it", "held out", "se of it", "apart", "status")
    for name, own in fits.items():
        gains = [
            (one["log_score"] - one["frozen_log_score"]).to_numpy()
            for one in (leave_one_out(own.tree), own.found)
        ]
        means = [gain.mean() for gain in gains]
        errors = [gain.std(ddof=1) / np.sqrt(len(gain)) for gain in gains]
        columns = [f"{own:+.4f}" for pair in zip(means, errors, strict=True) for own in pair]
        apart = (means[0] - means[1]) / np.hypot(*errors)
        status = str(own.tree["optimizer_result"]["status"].item())
        table.add_row(name, *columns, f"{apart:+.1f}", status)
    network = log_frozen(task.fitted)[np.arange(len(task.fitted)), task.fitted["digit"]].mean()
    table.caption = (
        f"gains on the network, nats a digit ({network:.4f} on the digits fitted to); apart: their "
        "difference in standard errors"
    )
    return table


# %% [markdown]
# ## More rows, or fewer
# What the same ways are worth on the same digits held out when they see fewer, and, from the
# inputs and the network alone, how many rows it would take to know the prompt's logits themselves.


# %%
def with_fewer(task: Task, one: Adapted, starts: int = 64, sizes: tuple[int, ...] = SIZES) -> Table:
    """Held-out mean log-scores by digits fitted to; `one` is fitted to all."""
    columns = ("digits fitted to", "adapter alone", "network and prompt")
    table = Table(*columns, title=f"mean log-score held out ({BEST})")
    for size in (*sizes, len(task.fitted)):
        few = replace(task, fitted=task.fitted.iloc[:size])
        own = one if size == len(task.fitted) else adapt(few, BEST, starts)
        found = scores(few, alone(few, INPUTS)).mean(), float(own.found["log_score"].mean())
        table.add_row(str(size), *(f"{score:.4f}" for score in found))
    return table


def plan(task: Task, truths: int = 3) -> xr.Dataset:
    """Rows at which the prompt's nine logits would be known to one, root mean square."""
    return advise(
        task.fitted, x=INPUTS, frozen=FROZEN, experts=["linear", "calibration"], error=ERROR,
        truths=truths,
    )  # fmt: skip


# %% [markdown]
# ## Figures


# %%
def draw_gains(task: Task, own: Adapted) -> plt.Figure:
    """Each digit held out by the network's log-score and the prompt's, and the largest gains."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(10, 4.4), layout="constrained", width_ratios=(1, 1)
    )
    before, after = own.found["frozen_log_score"], own.found["log_score"]
    shown = left.scatter(
        before, after, c=own.found["responsibility"], cmap="RdYlBu_r", s=10, vmin=0, vmax=1
    )
    low = float(min(before.min(), after.min()))
    left.plot([low, 0], [low, 0], color="0.5", linewidth=1)
    left.set_xlabel("log-score of the network alone (nats)")
    left.set_ylabel("with the prompt")
    figure.colorbar(shown, ax=left, label="probability that the prompt wrote the row")
    gains = np.argsort(-(after - before).to_numpy())[:20]
    tiles = [np.pad(16.0 - task.images[row], 1, constant_values=16.0) for row in gains]
    grid = np.vstack([np.hstack(tiles[5 * i : 5 * i + 5]) for i in range(4)])
    right.imshow(grid, cmap="gray")
    right.set_axis_off()
    right.set_title("the twenty digits on which the prompt gains most")
    return figure


# %% [markdown]
# ## Run

# %% tags=["parameters", "active-ipynb"]
# STARTS = 64

# %% tags=["active-ipynb"]
# task = load()
# fits = {prompt: adapt(task, prompt, STARTS) for prompt in PROMPTS}

# %% tags=["active-ipynb"]
# comparison(task, fits)[0]

# %% tags=["active-ipynb"]
# left_out(task, fits)

# %% tags=["active-ipynb"]
# by_digit(task, fits[BEST])

# %% tags=["active-ipynb"]
# gains = draw_gains(task, fits[BEST])

# %% tags=["active-ipynb"]
# with_fewer(task, fits[BEST], STARTS)

# %% tags=["active-ipynb"]
# planned = plan(task)
# print(*planned["advice"].to_numpy(), sep="\n")


# %% tags=["active-py"]
def main(arguments: list[str]) -> dict[str, Adapted]:
    parser = argparse.ArgumentParser(description="A frozen text recogniser on written digits.")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/ocr_digits"), metavar="DIR")
    parser.add_argument(
        "--explain", action="store_true",
        help="write the page of the prompt about the network too",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    out = given.output
    out.mkdir(parents=True, exist_ok=True)
    console, task = Console(), load()
    fits = {}
    for prompt in PROMPTS:
        with console.status(f"fitting: {prompt}"):
            fits[prompt] = adapt(task, prompt)
    best = fits[BEST]
    console.print(comparison(task, fits)[0])
    with console.status("leaving out one row at a time"):
        console.print(left_out(task, fits))
    console.print(by_digit(task, best))
    with console.status("fewer digits, and how many would be needed"):
        console.print(with_fewer(task, best), *plan(task)["advice"].to_numpy(), sep="\n")
    path = out / "gains.png"
    draw_gains(task, best).savefig(path, dpi=130)
    console.print(f"wrote {path}", soft_wrap=True)
    if given.explain:
        with console.status("explaining") as shown:
            console.print(explain(best.tree, out / "explained", on_stage=shown.update))
        console.print(f"wrote {out / 'explained' / 'explanation.html'}", soft_wrap=True)
    return fits


if __name__ == "__main__":
    main(sys.argv[1:])
