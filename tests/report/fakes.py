"""A comparison made of numbers that were chosen, not measured, so that figures can be checked."""

from itertools import product

import numpy as np
import pandas as pd
import xarray as xr

from bayes_cmoe.report.comparison import Comparison

SCALES = {"lam": 0.8, "b": 3.0, "$a_1$": 5.0, "loss": 2.0}
EXPONENTS = {"lam": -0.25, "b": float("nan"), "$a_1$": -0.375, "loss": -0.5}
LEVELS = (0.5, 0.8, 0.9)


def bound(parameter, n):
    """SCALE n^-0.4, off every exponent."""
    return SCALES[parameter] * n**-0.4


def resolution(n):
    """Five at n = 1296."""
    return 5.0 * (n / 1296.0) ** 0.25


def theory(sizes):
    names = list(SCALES)
    bounds = np.array([[bound(name, n) for n in sizes] for name in names])
    return xr.Dataset(
        {
            "bound": (("target", "n"), bounds),
            "expected": (("target", "n"), 1.1 * bounds),
            "resolution": ("n", [resolution(n) for n in sizes]),
            "exponent": ("target", [EXPONENTS[name] for name in names]),
            "lower": ("target", [EXPONENTS[name] for name in names]),
        },
        coords={"target": np.array(names, dtype=object), "n": sizes},
        attrs={"share": "lam", "share_parameter": "lam"},
    )


def comparison_of(design):
    """RMSE a fifth above the bound, the intervals that hold the truth as often as they say."""
    regimes = [setting.label for setting in design.settings]
    sizes = sorted({n for plan in design.plans.values() for n in plan.sizes})
    errors, coverage, spread, agreement = [], [], [], []
    for method, plan in design.plans.items():
        for regime, n, name in product(regimes, plan.sizes, SCALES):
            limit = bound(name, n) * (1.1 if method == "nuts" else 1.0)
            row = {"regime": regime, "method": method, "parameter": name, "n": n}
            row |= {"rmse": 1.2 * limit, "low": 1.1 * limit, "high": 1.4 * limit, "bound": limit}
            errors.append(row | {"median": 0.8 * limit, "resolution": resolution(n)})
    if design.nuts is not None:
        fits = design.nuts.replications
        for regime, n, name in product(regimes, design.nuts.sizes, ("lam", "b", "$a_1$")):
            spread.append(
                {"regime": regime, "parameter": name, "n": n, "sd_over_bound": 1.0 + 30 / n}
            )
            for level in LEVELS:
                row = {"regime": regime, "parameter": name, "n": n, "level": level}
                row |= {"covered": round(level * fits) / fits, "low": 0.0, "high": 1.0}
                coverage.append(row | {"fits": fits})
    if design.map is not None and design.map.starts:
        for regime, n in product(regimes, design.map.sizes):
            row = {"regime": regime, "n": n, "fits": design.map.replications}
            agreement.append(row | {"same": 0.7, "better": 0.2, "worse": 0.1})
    nothing = pd.DataFrame()
    return Comparison(
        design=design,
        table=xr.Dataset(),
        bounds={regime: theory(sizes) for regime in regimes},
        rates=nothing,
        errors=pd.DataFrame(errors),
        coverage=pd.DataFrame(coverage),
        pooled=nothing,
        spread=pd.DataFrame(spread),
        sampling=nothing,
        agreement=pd.DataFrame(agreement),
        statuses=nothing,
    )
