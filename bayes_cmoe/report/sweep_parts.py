"""What a sweep's page says beside its tables: progress, regimes, failures, seeds, environment."""

import os
import platform
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayes_cmoe.report.numbers import vector
from bayes_cmoe.study.losses import LOSS
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.rows import FAILURES
from bayes_cmoe.sweep.setting import Setting

__all__ = [
    "KINDS",
    "PLACES",
    "environment",
    "failed_fits",
    "kind_of",
    "leading",
    "progress",
    "regimes",
    "status_table",
]

KINDS = ("distinguishable", "non-distinguishable", "no published rate")
"""What the theory says of a regime, in the order in which a page shows them."""
PLACES = {
    False: ("where prompt and frozen expert are distinguishable", "where they are not"),
    True: ("where the fit has as many experts as the truth", "where it has more"),
}
"""What the first two kinds are, of prompts beside a frozen expert and of experts alone."""
BESIDE = ("pytensor", "jaxlib", "numba", "dask", "distributed")
"""Packages that matter beside the direct dependencies, where they are installed."""


def kind_of(setting: Setting) -> str:
    """Whether a regime is distinguishable: its rates do not depend on how the prompt merges.

    No fit with more experts than the truth is: many parameters have the same density.

    Examples
    --------
    >>> kind_of(Setting("constant_contaminated", "merging"))
    'non-distinguishable'
    """
    rates = setting.study.published
    if not rates:
        return KINDS[2]
    moves = any(rate.upper.gamma for rate in rates)
    return KINDS[1] if moves or setting.study.over_specified else KINDS[0]


def leading(setting: Setting, theory: xr.Dataset) -> str:
    """The target that a page begins with: the prompt's share, or the loss that a regime declares.

    Parameters
    ----------
    setting : Setting
    theory : Dataset
        Its bounds.
    """
    return LOSS if setting.study.loss is not None else str(theory.attrs["share"])


def progress(design: Design, table: xr.Dataset, waiting: Mapping[str, int]) -> list[dict[str, Any]]:
    """Finished fits, and these with those that are still to come, by method."""
    method = table["method"].to_numpy()
    counts = {name: int(np.sum(method == name)) for name in design.plans}
    return [
        {"method": name, "finished": count, "total": count + waiting.get(name, 0)}
        for name, count in counts.items()
    ]


def _truth_lines(truth: dict[str, Any]) -> list[str]:
    return [f"{name} = {vector(value)}" for name, value in truth.items()]


def regimes(design: Design) -> list[dict[str, Any]]:
    """Each regime: what it is, its exponents, and its truth at the smallest and largest size."""
    sizes = sorted({n for plan in design.plans.values() for n in plan.sizes})
    found = []
    for setting in design.settings:
        regime = setting.study
        alpha, gamma = setting.powers
        here, there = (
            _truth_lines(regime.truth(n, setting.alpha, setting.gamma))
            for n in (sizes[0], sizes[-1])
        )
        found.append(
            {
                "label": setting.label,
                "variant": setting.variant,
                "name": setting.name,
                "kind": kind_of(setting),
                "over_specified": regime.over_specified,
                "summary": regime.summary,
                "expert": regime.expert,
                "prompts": regime.prompts,
                "frozen": regime.frozen.description,
                "features": regime.features,
                "alpha": alpha,
                "gamma": gamma,
                "truth": [
                    first if first == last else f"{first} → {last.partition(' = ')[2]}"
                    for first, last in zip(here, there, strict=True)
                ],
                "key": design.seed(setting, sizes[0], 0).spawn_key[:2],
            }
        )
    return found


def status_table(design: Design, statuses: pd.DataFrame) -> tuple[list[str], list[dict[str, Any]]]:
    """Status codes that occur, and finished fits by regime, method and code."""
    order = ("converged", "local", "sampled", "weighted", "edge", *FAILURES)
    met = dict.fromkeys(statuses["status"])
    codes = [*(code for code in order if code in met), *(code for code in met if code not in order)]
    rows = []
    for setting in design.settings:
        for method, plan in design.plans.items():
            own = statuses[(statuses["regime"] == setting.label) & (statuses["method"] == method)]
            counts = own.groupby("status")["fits"].sum()
            rows.append(
                {
                    "regime": setting.label,
                    "method": method,
                    "planned": len(plan.sizes) * plan.replications,
                    "finished": int(counts.sum()),
                    "counts": [int(counts.get(code, 0)) for code in codes],
                }
            )
    return codes, rows


def failed_fits(design: Design, table: xr.Dataset) -> pd.DataFrame:
    """Every fit that failed, with all that is needed to draw it again."""
    place = np.flatnonzero(np.isin(table["status"].to_numpy(), FAILURES))
    own = table.isel(fit=place)
    settings = {setting.label: setting for setting in design.settings}
    labels = [str(label) for label in own["setting"].to_numpy()]
    sizes, replicates = own["n"].to_numpy(), own["replicate"].to_numpy()
    keys = [
        design.seed(settings[label], int(n), int(replicate)).spawn_key
        for label, n, replicate in zip(labels, sizes, replicates, strict=True)
    ]
    return pd.DataFrame(
        {
            "regime": labels,
            "method": own["method"].to_numpy().astype(str),
            "n": sizes,
            "replicate": replicates,
            "status": own["status"].to_numpy().astype(str),
            "message": own["message"].to_numpy().astype(str),
            "entropy": own["entropy"].to_numpy(),
            "spawn_key": [" ".join(str(part) for part in key) for key in keys],
        }
    )


def _packages() -> Iterator[str]:
    yield "bayes-cmoe"
    for line in requires("bayes-cmoe") or ():
        name = re.match(r"[\w.-]+", line)
        if name and "extra ==" not in line:
            yield name[0]
    yield from BESIDE


def environment() -> dict[str, str]:
    """Versions of Python and the packages, and the platform, of this process.

    Examples
    --------
    >>> environment()["Python"] == platform.python_version()
    True
    """
    found = {
        "Python": platform.python_version(),
        "platform": platform.platform(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }
    for name in _packages():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
