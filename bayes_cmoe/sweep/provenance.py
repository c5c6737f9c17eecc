"""What made a sweep's numbers: versions of the code and of its packages, and the truth as numbers.

Both are written into every file of a run, and must be the same again before anything is added to
it: one table is made by one code at one truth.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bayes_cmoe.estimate.engines import Engine, engine_named
from bayes_cmoe.parts.experts import Expert, evaluate, expert_named
from bayes_cmoe.parts.outside import source_of
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.setting import Setting

__all__ = ["FIT_ROOMS", "THEORY_ROOMS", "difference", "truth_of", "versions"]

PACKAGES = ("pymc", "pytensor", "jax", "jaxlib", "numpy", "scipy", "nutpie")
FIT_ROOMS = (
    "compiled", "parts", "study", "estimate", "sweep/design.py", "sweep/plans.py",
    "sweep/setting.py", "sweep/rows.py", "sweep/worker.py", "sweep/calibration.py",
)  # fmt: skip
"""Code that a fit's numbers come from."""
THEORY_ROOMS = (
    "compiled", "parts", "study", "theory", "sweep/bounds.py", "sweep/limits.py", "sweep/moduli.py",
)  # fmt: skip
"""Code that a bound's numbers come from."""
ROWS = 16
"""Inputs at which a frozen expert and an expert's form are looked at."""
DIGITS = 9
"""Significant digits of a number in a fingerprint: processors differ in the last ones."""


@cache
def versions(rooms: tuple[str, ...] = FIT_ROOMS) -> Mapping[str, str]:
    """Versions of Python, of the packages that numbers come from, and of our own code.

    Parameters
    ----------
    rooms : tuple of str
        Folders and files of this package; their statements make the code's fingerprint, in which
        comments, docstrings and layout do not count.

    Returns
    -------
    mapping of str to str

    Examples
    --------
    >>> versions()["numpy"] == np.__version__
    True
    """
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    found |= {name: version(name) for name in PACKAGES}
    root = Path(__file__).parents[1]
    places = [root / room for room in rooms]
    files = chain.from_iterable(
        sorted(place.rglob("*.py")) if place.is_dir() else [place] for place in places
    )
    return {"bayes_cmoe": f"{version('bayes-cmoe')} (code {_code(files)})", **found}


def _code(files: Iterable[Path]) -> str:
    """A fingerprint of what the files do."""
    return _digest(_statements(file.read_bytes()) for file in files)


def _digest(texts: Iterable[str]) -> str:
    seen = hashlib.sha256()
    for text in texts:
        seen.update(text.encode())
    return seen.hexdigest()[:12]


@cache
def _statements(source: bytes | str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(statement: Any) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def truth_of(design: Design, setting: Setting) -> str:
    """A fingerprint of what a setting's data are drawn from, and of the set that is searched.

    It is of numbers: the true parameters at the design's sizes, the box, inputs, what the frozen
    expert says of them, the expert's form at fixed parameters, and the code of the modules that the
    variant and its parts come from, also where these are plugins.

    Parameters
    ----------
    design : Design
    setting : Setting
        One of its settings.

    Returns
    -------
    str
    """
    variant = variant_named(setting.variant)
    sizes = tuple(sorted({n for plan in design.plans.values() for n in plan.sizes}))
    engine = engine_named(design.calibrate.engine) if design.calibrate is not None else None
    plan, regime = design.calibrate, variant.regime(setting.regime)
    if plan is not None:
        regime = variant.altered(regime, plan.gate, plan.expert)
    return _truth(variant, regime, setting, sizes, engine)


@cache
def _truth(
    variant: Variant,
    regime: Regime,
    setting: Setting,
    sizes: tuple[int, ...],
    engine: Engine | None,
) -> str:
    expert = expert_named(regime.expert)
    x = regime.draw_inputs(np.random.default_rng(0), ROWS)
    content = {
        "truths": [regime.truth(n, setting.alpha, setting.gamma) for n in sizes],
        "box": regime.box,
        "gate": [regime.gate.name, {name: list(dims) for name, dims in regime.gate.dims.items()}],
        "options": {name: str(value) for name, value in regime.options.items()},
        "classes": regime.classes,
        "inputs": x,
        "frozen": [regime.frozen.family.name, regime.frozen.columns(x)],
        "expert": [expert.name, {name: list(dims) for name, dims in expert.dims.items()}],
        "form": _form(expert, x),
        "code": _source(variant, regime, expert, engine),
    }
    return hashlib.sha256(json.dumps(content, default=_plain).encode()).hexdigest()[:16]


def _form(expert: Expert, x: np.ndarray) -> np.ndarray:
    """An expert at fixed parameters, each entry another number."""
    width = {**expert.sizes, "feature": x.shape[1]}
    shapes = {name: tuple(width.get(dim, 1) for dim in dims) for name, dims in expert.dims.items()}
    start = 0.3
    parameters = {}
    for name, shape in shapes.items():
        parameters[name] = start + 0.1 * np.arange(np.prod(shape, dtype=int)).reshape(shape)
        start += 0.27
    return evaluate(expert, x, parameters)


def _source(variant: Variant, regime: Regime, expert: Expert, engine: Engine | None = None) -> str:
    """The code of the files that declare the variant, its parts and the engine, where there are."""
    gate, family, known = regime.gate, variant.family, regime.frozen
    share = gate.share
    parts: list[Callable[..., Any] | None] = [
        variant.build, gate.log_weights, share.value, share.vanish, expert.mean, family.logp,
        family.random, known.family.logp, known.family.random, known.columns, regime.path.shift,
        regime.inputs, *((engine.fit, engine.doubt) if engine is not None else ()),
    ]  # fmt: skip
    modules = sorted({_module(part) for part in parts if part is not None} - {"", "__main__"})
    return _digest(_statements(text) for text in map(_text, modules) if text is not None)


def _module(part: Callable[..., Any]) -> str:
    while isinstance(part, partial):
        part = part.func
    return str(getattr(part, "__module__", None) or "")


def _text(module: str) -> bytes | str | None:
    """The source of a module that is a plugin or lies in a file; our own rooms have versions."""
    package = __name__.partition(".")[0]
    if module.startswith(f"{package}.") and not module.startswith(f"{package}.models."):
        return None
    own = source_of(module)
    if own is not None:
        return own
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file).read_bytes() if file and file.endswith(".py") else None


def _plain(value: Any) -> Any:
    """Numbers as text of so many digits, mappings as they are."""
    if isinstance(value, Mapping):
        return dict(value)
    numbers = np.asarray(value, dtype=float)
    # What is nothing but rounding has no digits.
    numbers = np.where(np.abs(numbers) < 10.0**-DIGITS, 0.0, numbers)
    return [list(numbers.shape), [f"{number:.{DIGITS - 1}e}" for number in numbers.ravel()]]


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """What differs between two sets of versions, in words; empty when nothing does.

    Examples
    --------
    >>> difference({"pymc": "6.4.0", "jax": "0.12"}, {"pymc": "6.5.0", "jax": "0.12"})
    'pymc 6.4.0, not 6.5.0'
    """
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ", ".join(
        f"{name} {there.get(name, 'none')}, not {here.get(name, 'none')}" for name in names
    )
