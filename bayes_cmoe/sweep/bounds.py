"""The theory beside a sweep: what efficient estimates and posteriors would show at its sizes."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.plain import read_plain, write_plain
from bayes_cmoe.files.sealed import BrokenSealError, sealed, unsealed
from bayes_cmoe.study.losses import LOSS, loss_names, losses_at
from bayes_cmoe.study.rates import Exponent
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.targets import Targets
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.limits import Limit
from bayes_cmoe.sweep.moduli import moduli
from bayes_cmoe.sweep.processes import over_processes
from bayes_cmoe.sweep.provenance import THEORY_ROOMS, truth_of, versions
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.draws import DRAWS
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.information import information_along
from bayes_cmoe.theory.published import formula, rate_of
from bayes_cmoe.theory.scores import scores_of

__all__ = ["all_bounds", "bounds_of", "kept_bounds"]

NUMBERS = ("bound", "bound_se", "expected", "median", "radius")
"""One a target and size."""
DIMS = {
    **dict.fromkeys((*NUMBERS, "modulus"), ("target", "n")),
    "resolution": ("n",),
    **dict.fromkeys(("exponent", "lower", "formula", "source"), ("target",)),
    "entries": ("target", "measured"),
    **dict.fromkeys(("pull", "spread"), ("n", "measured", "entry")),
}
"""Of what is kept."""
COORDINATES = ("target", "n", "entry")
KEPT = ("draws", "reason", "share", "share_parameter")
"""Attributes that are kept with it; the last two say how large the prompt's share is."""
OF_LOSS = Exponent(Fraction(-1, 2))
"""A regime's own loss is weighted so that it is n^-1/2."""


def bounds_of(design: Design, setting: Setting, draws: int = DRAWS) -> xr.Dataset:
    """Information bound, limit of the posterior expected loss, and resolution at a design's sizes.

        bound      = sqrt(trace D I^-1 D' / n), D the derivative of the target
        median     = that of ‖D z‖, z ~ N(0, I^-1 / n)
        expected   = E ‖D z‖, z ~ N(0, 2 I^-1 / n): the estimate's error and the posterior's own
        radius     = mean radius about the truth that holds 90 % of N(z, I^-1 / n); at the sizes at
                     which the design has posteriors
        modulus    = half of what the target can move within two standard errors: the bound where
                     theory is local, and elsewhere, for share and expert of a design that asks for
                     it, the modulus of continuity (`bayes_cmoe.theory.modulus`)
        resolution = share* / bound of the share: sqrt(n) lam* ‖Delta*‖² in units of information;
                     of several prompts the smallest

    Losses are no smooth functions of the parameters; their ``bound`` is the root mean square that
    an efficient estimate would show.

    Parameters
    ----------
    design : Design
    setting : Setting
        One of its settings.
    draws : int
        Of the Fisher information.

    Returns
    -------
    xarray.Dataset with ``bound``, its relative Monte-Carlo error ``bound_se``, ``expected``,
    ``median``, ``radius`` and ``modulus`` (target, n), ``exponent``, ``lower`` (that of the minimax
    lower bound), ``formula`` and ``source`` (target), ``resolution`` (n), and the parts of
    `bayes_cmoe.sweep.limits.Limit`: ``entries`` and ``spread``; and ``pull``, J I^-1, which makes
    linearised errors of mean scores. Numbers are NaN, and the
    attribute ``reason`` says why, where the information is singular.

    References
    ----------
    van der Vaart (1998), Asymptotic Statistics, chapters 8 and 10.

    Examples
    --------
    >>> from bayes_cmoe.sweep.presets import preset
    >>> quick = preset("quick")
    >>> found = bounds_of(quick, quick.settings[0], draws=2**15).sel(target="lam", n=3000)
    >>> round(float(found.expected / found.bound), 2)  # of one number: E|N(0, 2)|
    1.13
    """
    variant = variant_named(setting.variant)
    regime = variant.regime(setting.regime)
    measured = scores_of(variant, regime).targets
    sizes = sorted({n for plan in design.plans.values() for n in plan.sizes})
    truths = [regime.truth(n, setting.alpha, setting.gamma) for n in sizes]
    try:
        found = information_along(variant, regime, truths, draws=draws)
        reason = ""
    except InputError as error:
        found, reason = [], str(error)

    losses = loss_names(regime)
    targets = (*measured.names, *losses)
    numbers = _nothing(measured, len(losses), len(sizes))
    of_posteriors = design.nuts.sizes if design.nuts else ()
    for i, information in enumerate(found):
        n, losses_there = sizes[i], losses_at(regime, truths[i])
        own = _limits(targets, measured, information, losses_there, n, n in of_posteriors)
        for name, value in own.items():
            numbers[name][i] = value
    of_shares = numbers["bound"][:, [targets.index(name) for name in measured.share_names]]
    shares = [measured.shares_of(measured.layout.ravel(truth)) for truth in truths]
    uppers = [_exponent(regime, name) for name in targets]
    sources = [rate.source if (rate := rate_of(regime, name)) else "" for name in targets]
    lowers = [rate.lower if (rate := rate_of(regime, name)) else None for name in targets]
    exponents, least = (
        [float(one.at(*setting.powers)) if one else np.nan for one in own]
        for own in (uppers, lowers)
    )
    resolution = np.min(shares / of_shares, axis=1)
    arrays = {
        **{name: numbers[name].T for name in NUMBERS},
        "modulus": moduli(design, setting, measured, numbers["bound"].T, resolution),
        "resolution": resolution,
        "exponent": exponents,
        "lower": least,
        "formula": np.array([formula(upper) for upper in uppers], dtype=object),
        "source": np.array(sources, dtype=object),
        "entries": np.pad(_entries(measured), ((0, len(losses)), (0, 0))),
        **{name: numbers[name] for name in ("pull", "spread")},
    }
    return xr.Dataset(
        {name: (dims, arrays[name]) for name, dims in DIMS.items()},
        coords={
            "target": np.array(targets, dtype=object), "n": sizes,
            "entry": np.array(measured.layout.labels, dtype=object),
        },
        attrs={
            "setting": setting.label, "draws": draws, "reason": reason, "share": measured.share,
            "share_parameter": regime.gate.share.parameter,
        },
    )  # fmt: skip


def _entries(targets: Targets) -> NDArray:
    """Which entries of the measured vector each target is made of, (target, measured)."""
    count = 1 + max(max(own) for own in targets.components.values())
    return np.array([np.isin(np.arange(count), own) for own in targets.components.values()])


def _nothing(targets: Targets, losses: int, sizes: int) -> dict[str, NDArray]:
    """What is found at each size, before anything is."""
    count, measured = len(targets.components) + losses, _entries(targets).shape[1]
    numbers = {name: np.full((sizes, count), np.nan) for name in NUMBERS}
    matrices = ("pull", "spread")
    return numbers | {
        name: np.full((sizes, measured, targets.layout.size), np.nan) for name in matrices
    }


def _exponent(regime: Regime, target: str) -> Exponent | None:
    if target == LOSS and regime.published:
        return OF_LOSS
    rate = rate_of(regime, target)
    return rate.upper if rate else None


def _limits(
    names: tuple[str, ...],
    targets: Targets,
    information: Information,
    losses: Callable[[Mapping[str, NDArray]], NDArray],
    n: int,
    posterior: bool,
) -> dict[str, NDArray]:
    """The limit experiment at one size and its averages; errors of the bounds are relative."""
    jacobian = targets.slopes(information.theta)
    root = information.spread(np.eye(targets.layout.size))
    limit = Limit(
        names,
        _entries(targets),
        spread=jacobian @ root.T / n**0.5,
        losses=losses,
    )
    influences = [
        information.deviation(jacobian[list(own)])[1] for own in targets.components.values()
    ]
    errors = [own.std(ddof=1) / len(own) ** 0.5 for own in influences]
    return {
        "bound": limit.rms(),
        # Losses weigh the others' errors: their own bounds are no better known than theirs.
        "bound_se": np.append(errors, [max(errors)] * (len(names) - len(errors))),
        "expected": limit.expected(),
        "median": limit.median(),
        **({"radius": limit.radius()} if posterior else {}),
        "pull": jacobian @ root.T @ root,
        "spread": limit.spread,
    }


def all_bounds(design: Design, folder: Path, workers: int = 1) -> dict[str, xr.Dataset]:
    """The bounds of every setting by its label; computed once and kept in the folder.

    Parameters
    ----------
    design : Design
    folder : Path
        That of the design's run.
    workers : int
        Processes that compute what is missing, each with one thread.

    Raises
    ------
    InputError
        When the folder cannot be written to.
    """
    kept = kept_bounds(design, folder)
    calls = [(design, setting) for setting in design.settings if setting.label not in kept]
    if calls:
        with over_processes(min(workers, len(calls)), _named_bounds, calls) as results:
            for setting, found in results:
                kept[setting.label] = found
                _write(folder, design, setting, found)
    return {setting.label: kept[setting.label] for setting in design.settings}


def kept_bounds(design: Design, folder: Path) -> dict[str, xr.Dataset]:
    """The bounds that the folder holds, by their setting's label, as they would be computed now."""
    found = {setting.label: _read(folder, design, setting) for setting in design.settings}
    return {label: own for label, own in found.items() if own is not None}


def _named_bounds(design: Design, setting: Setting) -> tuple[Setting, xr.Dataset]:
    return setting, bounds_of(design, setting)


def _file(folder: Path, setting: Setting) -> Path:
    return folder / "bounds" / f"{setting.slug}.arrows"


def _marks(design: Design, setting: Setting) -> dict[str, str]:
    """What bounds depend on; kept ones are used while it is the same."""
    return {
        "design": design.hash, "setting": setting.label, "truth": truth_of(design, setting),
        **versions(THEORY_ROOMS),
    }  # fmt: skip


def _write(folder: Path, design: Design, setting: Setting, found: xr.Dataset) -> None:
    file = _file(folder, setting)
    arrays = {str(name): variable.to_numpy() for name, variable in found.variables.items()}
    about = {name: str(found.attrs[name]) for name in KEPT}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_plain(file, sealed(arrays, {**_marks(design, setting), **about}))
    except OSError as error:
        raise InputError(
            f"{file.parent}: cannot be written: {error.strerror or error}: free space, or choose "
            "another folder"
        ) from None


def _read(folder: Path, design: Design, setting: Setting) -> xr.Dataset | None:
    """What the folder holds, if it is as it was written, and as it would be computed now."""
    try:
        arrays, marks = unsealed(read_plain(_file(folder, setting)))
    except (OSError, BrokenSealError):
        return None
    if any(marks.get(name) != value for name, value in _marks(design, setting).items()):
        return None
    return xr.Dataset(
        {name: (dims, arrays[name]) for name, dims in DIMS.items()},
        coords={name: arrays[name] for name in COORDINATES},
        attrs={
            **{name: marks[name] for name in KEPT},
            "setting": setting.label, "draws": int(marks["draws"]),
        },
    )  # fmt: skip
