"""The theory beside a sweep: what efficient estimates and posteriors would show at its sizes."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats.qmc import MultivariateNormalQMC

from bayes_cmoe.errors import InputError
from bayes_cmoe.files.plain import read_plain, write_plain
from bayes_cmoe.files.sealed import BrokenSealError, sealed, unsealed
from bayes_cmoe.study.losses import merging_distance, published_loss
from bayes_cmoe.study.rates import Exponent
from bayes_cmoe.study.regime import Regime, Truth
from bayes_cmoe.study.targets import Targets
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.design import Design
from bayes_cmoe.sweep.processes import over_processes
from bayes_cmoe.sweep.provenance import THEORY_ROOMS, truth_of, versions
from bayes_cmoe.sweep.setting import Setting
from bayes_cmoe.theory.draws import DRAWS
from bayes_cmoe.theory.fisher import Information
from bayes_cmoe.theory.information import information_along
from bayes_cmoe.theory.published import formula, rate_of
from bayes_cmoe.theory.scores import scores_of

__all__ = ["all_bounds", "bounds_of"]

LIMIT_DRAWS = 2**14
"""Quasi-random draws of the limiting normal distribution."""
DIMS = {
    "bound": ("target", "n"), "expected": ("target", "n"), "resolution": ("n",),
    "exponent": ("target",), "lower": ("target",), "formula": ("target",), "source": ("target",),
}  # fmt: skip
"""Of what is kept."""
KEPT = ("draws", "reason", "share", "share_parameter")
"""Attributes that are kept with it; the last two say how large the prompt's share is."""
LOSS = Exponent(Fraction(-1, 2))
"""The losses are weighted so that they are n^-1/2."""


def bounds_of(design: Design, setting: Setting, draws: int = DRAWS) -> xr.Dataset:
    """Information bound, limit of the posterior expected loss, and resolution at a design's sizes.

        bound      = sqrt(trace D I^-1 D' / n), D the derivative of the target
        expected   = E ‖D z‖, z ~ N(0, 2 I^-1 / n): the estimate's error and the posterior's own
        resolution = share* / bound of the share: sqrt(n) lam* ‖Delta*‖² in units of information;
                     of several prompts the smallest

    The loss is no smooth function of the parameters; its ``bound`` is the root mean square that an
    efficient estimate would show.

    Parameters
    ----------
    design : Design
    setting : Setting
        One of its settings.
    draws : int
        Of the Fisher information.

    Returns
    -------
    xarray.Dataset with ``bound`` and ``expected`` (target, n), ``exponent``, ``lower`` (that of the
    minimax lower bound), ``formula`` and ``source`` (target), ``resolution`` (n). Numbers are NaN,
    and the attribute ``reason`` says why, where the information is singular.

    References
    ----------
    van der Vaart (1998), Asymptotic Statistics, chapters 8 and 10.

    Examples
    --------
    >>> from bayes_cmoe.sweep.presets import preset
    >>> quick = preset("quick")
    >>> found = bounds_of(quick, quick.settings[0], draws=2**15).sel(target="lam", n=1000)
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

    targets = (*measured.names, "loss")
    normal = MultivariateNormalQMC(np.zeros(measured.layout.size), rng=0).random(LIMIT_DRAWS)
    bound, expected = np.full((2, len(targets), len(sizes)), np.nan)
    for i, information in enumerate(found):
        bound[:, i], expected[:, i] = _limits(
            measured, information, normal, regime, truths[i], sizes[i]
        )
    of_shares = bound[[targets.index(name) for name in measured.share_names]].T
    shares = [measured.shares_of(measured.layout.ravel(truth)) for truth in truths]
    uppers = [_exponent(regime, name) for name in targets]
    sources = [rate.source if (rate := rate_of(regime, name)) else "" for name in targets]
    lowers = [rate.lower if (rate := rate_of(regime, name)) else None for name in targets]
    exponents, least = (
        [float(one.at(*setting.powers)) if one else np.nan for one in own]
        for own in (uppers, lowers)
    )
    return xr.Dataset(
        {
            "bound": (("target", "n"), bound),
            "expected": (("target", "n"), expected),
            "resolution": ("n", np.min(shares / of_shares, axis=1)),
            "exponent": ("target", exponents),
            "lower": ("target", least),
            "formula": ("target", np.array([formula(upper) for upper in uppers], dtype=object)),
            "source": ("target", np.array(sources, dtype=object)),
        },
        coords={"target": np.array(targets, dtype=object), "n": sizes},
        attrs={
            "setting": setting.label, "draws": draws, "reason": reason, "share": measured.share,
            "share_parameter": regime.gate.share.parameter,
        },
    )  # fmt: skip


def _exponent(regime: Regime, target: str) -> Exponent | None:
    if target == "loss" and regime.published:
        return LOSS
    rate = rate_of(regime, target)
    return rate.upper if rate else None


def _limits(
    targets: Targets,
    information: Information,
    normal: NDArray,
    regime: Regime,
    truth: Truth,
    n: int,
) -> tuple[NDArray, NDArray]:
    """Bound and limiting expected loss of every target, the loss last, by standard normal draws."""
    jacobian = targets.slopes(information.theta)
    entries = targets.components.values()
    deviations = [information.deviation(jacobian[list(own)])[0] for own in entries]
    efficient = information.spread(normal) @ jacobian.T / n**0.5

    def losses(scale: float) -> NDArray:
        errors = targets.distances(scale * efficient)
        named = {name: errors[:, i] for i, name in enumerate(targets.names)}
        distance = merging_distance(truth, regime.path.center)
        loss = published_loss(named, regime.published, regime.share(truth), distance)
        return np.column_stack([np.abs(errors), loss])

    loss = np.sqrt(np.mean(losses(1.0)[:, -1] ** 2))
    return np.append(np.array(deviations) / n**0.5, loss), losses(2.0**0.5).mean(axis=0)


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
    kept = {setting: _read(folder, design, setting) for setting in design.settings}
    calls = [(design, setting) for setting, found in kept.items() if found is None]
    if calls:
        with over_processes(min(workers, len(calls)), _named_bounds, calls) as results:
            for setting, found in results:
                kept[setting] = found
                _write(folder, design, setting, found)
    return {setting.label: found for setting, found in kept.items() if found is not None}


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
        coords={name: arrays[name] for name in ("target", "n")},
        attrs={
            **{name: marks[name] for name in KEPT},
            "setting": setting.label, "draws": int(marks["draws"]),
        },
    )  # fmt: skip
