"""Two fits that the tests of this folder share: of a number by columns, of classes by a model."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from bayes_cmoe import fit

N = 240


@pytest.fixture(scope="session")
def measured():
    """A table with its response and what a frozen model says of each row."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-2.0, 2.0, (N, 2))
    share = 1.0 / (1.0 + np.exp(-(1.5 * x[:, 0] - 0.5)))
    new = rng.random(N) < share
    frozen = 0.5 * x[:, 0] + x[:, 1]
    y = np.where(new, 2.0 - x[:, 1], frozen) + rng.normal(0.0, 0.4, N)
    return pd.DataFrame({"p": x[:, 0], "q": x[:, 1], "y": y, "f0": frozen, "s0": 0.4})


STATED = {"family": "gaussian", "mean": "f0", "scale": "s0"}


@pytest.fixture(scope="session")
def number_fit(measured):
    """By MAP."""
    return fit(measured, y="y", x=["p", "q"], frozen=STATED, expert="linear")


@pytest.fixture(scope="session")
def number_posterior(measured):
    """By nested Laplace."""
    return fit(
        measured, y="y", x=["p", "q"], frozen=STATED, expert="linear", method="nested", draws=100,
        chains=2,
    )  # fmt: skip


@pytest.fixture(scope="session")
def sorted_animals():
    """Labelled rows, and a classifier of an older task."""
    rng = np.random.default_rng(9)
    names = np.array(["cat", "dog", "eel"])
    old = rng.normal(size=(400, 2))
    before = np.argmax(np.column_stack([old[:, 0], old[:, 1], -old.sum(axis=1)]), axis=1)
    model = LogisticRegression().fit(old, names[before])
    x = rng.normal(size=(N, 2))
    kind = names[np.argmax(np.column_stack([x[:, 0], x[:, 1], -x.sum(axis=1)]), axis=1)]
    new = rng.random(N) < 0.5
    kind = np.where(new & (x[:, 0] > 0), "eel", kind)
    return pd.DataFrame({"p": x[:, 0], "q": x[:, 1], "kind": kind}), model


@pytest.fixture(scope="session")
def class_fit(sorted_animals):
    """By MAP."""
    table, model = sorted_animals
    return fit(table, y="kind", frozen=model, x=["p", "q"])


@pytest.fixture(scope="session")
def two_groups():
    """Rows of the frozen line, of another line, and far above both, and whose each is: 0, 1, 2."""
    rng = np.random.default_rng(3)
    p, q = rng.uniform(-2.0, 2.0, (2, 300))
    group = np.where(rng.random(300) < 1.0 / (1.0 + np.exp(-3.0 * p)), 0, 1)
    y = np.where(group == 0, 1.0 + p, -1.0 - 2.0 * q) + rng.normal(0.0, 0.4, 300)
    above = rng.random(300) < 0.2
    y = np.where(above, 6.0 + rng.normal(0.0, 0.3, 300), y)
    return pd.DataFrame({"p": p, "q": q, "y": y, "f0": 1.0 + p}), np.where(above, 2, group)


@pytest.fixture(scope="session")
def prompts_fit(two_groups):
    return fit(
        two_groups[0], y="y", frozen={"family": "gaussian", "mean": "f0", "scale": 0.4},
        variant="softmax_several_prompts", expert="linear", prompts=2, starts=16,
    )  # fmt: skip
