"""Where designs come from: presets by name, and TOML files."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from bayes_cmoe.errors import InputError, choose, shortened
from bayes_cmoe.files.regular import regular_content
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.design import Design, MapPlan, NutsPlan
from bayes_cmoe.sweep.setting import Setting

__all__ = ["PRESETS", "design_named", "preset", "read_design", "toml_of"]

LARGEST_FILE = 2**18
"""Bytes."""
MOST_DOTS = 2000
"""The time that TOML takes grows with the square of a dotted key's parts."""


def _sizes(smallest: float, largest: float, count: int) -> tuple[int, ...]:
    """Sizes evenly spaced in log n, rounded to whole rows."""
    return tuple(int(n) for n in np.round(np.geomspace(smallest, largest, count)))


def _settings(variant: str, *regimes: str) -> tuple[Setting, ...]:
    return tuple(Setting(variant, regime) for regime in regimes)


def _quick() -> Design:
    """Enough to decide: sizes at which the merging prompt's share is resolved, or nearly.

    Posteriors of one size, for their coverage and their loss: so few decide no slope.
    """
    return Design(
        "quick",
        _settings("constant_contaminated", "distinguishable", "merging"),
        map=MapPlan((10_000, 50_000, 250_000), 40),
        nuts=NutsPlan((3000,), 8, draws=300, engine="nested"),
        margin=0.1,
    )


def _regimes() -> Design:
    """Every contaminated regime but the designs of paper B, which have a preset of their own."""
    names = ("constant_contaminated", "softmax_contaminated", "multinomial_contaminated")
    chosen = [
        Setting(name, regime)
        for name in names
        for regime in variant_named(name).regimes
        if not regime.startswith("paper-")
    ]
    return Design(
        "regimes",
        tuple(chosen),
        map=MapPlan(_sizes(1e3, 1e6, 5), 80),
        nuts=NutsPlan(_sizes(1e2, 1e4, 3), 12, draws=200, tune=250, engine="nested"),
        until=0.03,
        modulus=True,
    )


def _distinguishable() -> Design:
    """As many data sets as it takes to know efficiency and coverage to two hundredths."""
    names = ("constant_contaminated", "softmax_contaminated", "multinomial_contaminated")
    return Design(
        "distinguishable",
        tuple(Setting(name, "distinguishable") for name in names),
        map=MapPlan((10_000, 100_000), 120),
        nuts=NutsPlan((1000, 10_000), 150, draws=200, tune=250, engine="nested"),
    )


def _paper_a() -> Design:
    regimes = variant_named("constant_contaminated").regimes
    return Design(
        "paper-a",
        _settings("constant_contaminated", *regimes),
        map=MapPlan(_sizes(1e3, 1e5, 20), 40),
        until=0.02,
    )


def _paper_b() -> Design:
    """Sizes and replications of arXiv:2505.18455; its three designs as printed, and one mended."""
    return Design(
        "paper-b",
        _settings(
            "softmax_contaminated", "paper-b-a", "paper-b-b1", "paper-b-b2", "paper-b-mended"
        ),
        map=MapPlan(_sizes(1e3, 1e5, 20), 40),
        until=0.02,
    )


def _paper_c() -> Design:
    regimes = variant_named("multinomial_contaminated").regimes
    return Design(
        "paper-c",
        _settings("multinomial_contaminated", *regimes),
        map=MapPlan(_sizes(1e3, 1e6, 13), 40),
        until=0.02,
    )


def _paper_d() -> Design:
    """The authors' truth of arXiv:2305.03288 by two, three and four experts; and a plane's.

    Over-specified fits of 10^5 rows take ten seconds each, and what they show, medians over data
    sets, sharpens slowly: as many of them as there are, not until they decide.
    """
    return Design(
        "paper-d",
        _settings(
            "softmax_gaussian_moe", "exact", "exact-grid", "over-3", "tilt-4", "plane-3", "plane-4"
        ),
        map=MapPlan(_sizes(1e3, 1e5, 5), 40),
    )


PRESETS = {
    "quick": _quick,
    "regimes": _regimes,
    "distinguishable": _distinguishable,
    "paper-a": _paper_a,
    "paper-b": _paper_b,
    "paper-c": _paper_c,
    "paper-d": _paper_d,
}
"""Ready-made designs by name."""


def preset(name: str) -> Design:
    """The preset of that name.

    Examples
    --------
    >>> preset("paper-b").map.replications
    40
    """
    return PRESETS[choose("preset", name, PRESETS)]()


def design_named(name: str | Path) -> Design:
    """A preset by its name, or a design by its file's name, which ends in ``.toml``."""
    if str(name).endswith(".toml"):
        return read_design(Path(name))
    return preset(str(name))


def read_design(file: Path) -> Design:
    """A design from a TOML file.

    Raises
    ------
    InputError
        When the file cannot be read, is no TOML, or says what makes no design; it is named.
    """
    try:
        text = regular_content(file, LARGEST_FILE)
        if text.count(b".") > MOST_DOTS:
            raise InputError(f"{file}: more than {MOST_DOTS} dots: a design has no such keys")
        # Some editors begin a file with a byte-order mark.
        content = tomllib.loads(text.decode("utf-8-sig"))
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read: {error.strerror or error}: check its name"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not a TOML file: {shortened(error, 200)}: mend it") from None
    try:
        return Design.of(content)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _lines(content: dict[str, Any]) -> list[str]:
    return [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in content.items()
        if not isinstance(value, dict | list)
    ]


def toml_of(design: Design) -> str:
    """A design as TOML; `read_design` reads the same design from it."""
    content = design.content()
    lines = [*_lines(content), "regimes = ["]
    lines += [f"    {json.dumps(label)}," for label in content["regimes"]]
    lines += ["]"]
    for method in design.plans:
        plan = content[method]
        lines += ["", f"[{method}]", f"sizes = {plan['sizes']}", *_lines(plan)]
    return "\n".join(lines) + "\n"
