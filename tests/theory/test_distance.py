"""The distance of prompt and frozen expert that `diagnose` gives, in standard errors."""

import numpy as np
import pytest

from bayes_cmoe import Data, fit_map, frozen_predictions, variant_named
from bayes_cmoe.theory.diagnosis import diagnose
from bayes_cmoe.theory.null_law import NullLaw


def test_it_is_the_closed_form_of_normals_by_the_delta_method():
    """1 - H² = sqrt(2 s t / (s² + t²)) exp(-(m - m')² / 4 (s² + t²)) of N(m, s²) and N(m', t²)."""
    rng = np.random.default_rng(1)
    n, scale = 400, 0.5
    x = rng.uniform(-1.0, 1.0, n)
    new = rng.random(n) < 0.4
    y = np.where(new, 0.8 + 0.5 * x, 0.3 * x) + rng.normal(0.0, np.where(new, 0.4, scale))
    f0 = frozen_predictions("gaussian", mean=0.3 * x, scale=scale)
    variant = variant_named("constant_contaminated")
    model = variant.build(Data(x, y), frozen=f0, expert="linear", prior="weak")
    tree = fit_map(model, near={"lam": 0.4, "a": [0.5], "b": 0.8, "nu": 0.16})
    known = NullLaw(9.0, 2.8, 0.001)
    found = diagnose(model, tree, null=known)
    assert float(found["null_statistic"]) == known.statistic

    def distance(v):
        a, b, nu = v
        both = scale**2 + nu
        overlap = np.sqrt(2.0 * scale * np.sqrt(nu) / both)
        overlap = overlap * np.exp(-((a * x + b - 0.3 * x) ** 2) / (4.0 * both))
        return np.sqrt(np.mean(1.0 - overlap))

    entries = ["a[x1]", "b", "nu"] if "a[x1]" in found["entry"] else ["a[0]", "b", "nu"]
    part = found.sel(entry=entries, entry_=entries)
    v = part["estimate"].to_numpy()
    error = part["stderr"].to_numpy()
    covariance = part["correlation"].to_numpy() * np.outer(error, error)
    slope = np.array([
        (distance(v + 1e-6 * unit) - distance(v - 1e-6 * unit)) / 2e-6 for unit in np.eye(3)
    ])  # fmt: skip
    # 65,536 draws: a relative error of half a per cent or so, and the slopes' of a few.
    assert float(found["hellinger"]) == pytest.approx(distance(v), rel=0.02)
    expected = np.sqrt(slope @ covariance @ slope)
    assert float(found["hellinger_se"]) == pytest.approx(expected, rel=0.05)
    assert float(found["distance"]) == pytest.approx(distance(v) / expected, rel=0.05)
