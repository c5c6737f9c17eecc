"""Which adapter form: the rows that each needs for a wanted error, before any label is known.

The information bound at plausible truths: n = D I^-1 D' / error², I the mean over the table's rows
of the expected information of a row (`bayes_cmoe.theory.expected`). The truth is not known, so it
is drawn from what is believed of it (`bayes_cmoe.theory.plausible`), the same sizes for every form.
Where the share would not be `LOCAL_SHARE` times its bound at that n no estimate attains the bound,
and the modulus of continuity stands in the place of a promise, as in `bayes_cmoe.theory.planner`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.shown import Shown
from bayes_cmoe.theory.form_moduli import form_moduli
from bayes_cmoe.theory.forms import Form
from bayes_cmoe.theory.functions import FUNCTION, SHARE, check_errors
from bayes_cmoe.theory.nearest import SAME, Nearest, nearest
from bayes_cmoe.theory.plausible import Beliefs, Sizes, plausible
from bayes_cmoe.theory.standing import LOCAL_SHARE

__all__ = ["Advice", "advice", "rows_in_words"]

QUANTILES = (0.5, 0.9, 1.0)
MOST_ROWS = 1e15
"""Of a modulus; beyond it nothing is practical."""
MOST_TRUTHS = 1000
FAR = 0.5
"""Part of the truths that a form may be unable to have, and still be judged."""


class Advice(Shown, xr.Dataset):
    """What `bayes_cmoe.advise` returns: an xarray.Dataset that shows the rows each form needs."""

    __slots__ = ()

    def shown(self) -> dict[str, Any]:
        """What is wanted, and of each form the rows at the median truth and at the worst."""
        wanted = ", ".join(
            f"{name} to {float(error):.3g}"
            for name, error in zip(self["wanted"].to_numpy(), self["error"].to_numpy(), strict=True)
        )
        return {"wanted": wanted, **{form: rows_in_words(self, form) for form in self.forms}}

    @property
    def forms(self) -> list[str]:
        """The names of the expert forms."""
        return [str(name) for name in self["form"].to_numpy()]


def rows_in_words(found: xr.Dataset, form: str) -> str:
    """The rows that a form needs, at the median truth and at the worst."""
    own = found.sel(form=form)
    standing = str(own["standing"].item())
    if standing == "out of reach":
        return standing
    median, _, worst = own["needed"].to_numpy()
    rows = f"{count_in_words(median)}, worst {count_in_words(worst)}"
    return f"{rows} rows" if standing == "local" else f"no promise (bound {rows})"


def count_in_words(rows: float) -> str:
    """A number of rows."""
    if not np.isfinite(rows):
        return "never"
    return f"{rows:,.0f}" if rows < 1e7 else f"{rows:.1e}"


@dataclass(frozen=True, eq=False)
class _Found:
    """One form at all truths."""

    form: Form
    nearest: Nearest
    truths: list[NDArray | None]
    deviations: list[dict[str, float]]
    rows: NDArray
    resolved: NDArray

    @property
    def needed(self) -> NDArray:
        """Rows for all wanted errors, shape (truth,)."""
        found: NDArray = self.rows.max(axis=0)
        return found


def advice(
    forms: Sequence[Form],
    *,
    error: Mapping[str, float],
    beliefs: Beliefs,
    truths: int,
    truth: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
) -> Advice:
    """Rows for a wanted error of each expert form, at plausible truths.

    Parameters
    ----------
    forms : sequence of Form
    error : mapping of str to float
        Wanted root mean squared error of each target.
    beliefs : Beliefs
    truths : int
        How many are drawn.
    truth : mapping of str to array, optional
        The truth itself, in place of any that are drawn.
    seed : int

    Returns
    -------
    Advice
        See `bayes_cmoe.advise`.

    Raises
    ------
    InputError
        When a target is unknown or an error is not positive.
    """
    if not 1 <= truths <= MOST_TRUTHS:
        raise InputError(f"{truths} truths: give a number from 1 to {MOST_TRUTHS}")
    check_errors(error)
    known = list(dict.fromkeys(name for own in forms for name in own.known))
    for form in forms:
        for name in error:
            choose(f"target of the form {form.expert.name}", name, form.known)
    drawn = beliefs.drawn(1 if truth is not None else truths, seed)
    found = [_at_truths(form, error, drawn, truth, seed) for form in forms]
    words = [_judged(own, seed) for own in found]
    return _dataset(found, words, known, error, drawn if truth is None else [], seed)


def _at_truths(
    form: Form,
    error: Mapping[str, float],
    drawn: Sequence[Sizes],
    truth: Mapping[str, ArrayLike] | None,
    seed: int,
) -> _Found:
    near = nearest(form, seed)
    points: list[NDArray | None]
    if truth is not None:
        points = [_given(form, truth)]
    else:
        points = [
            plausible(form, near.theta, sizes, np.random.default_rng([1412, seed, j]))
            for j, sizes in enumerate(drawn)
        ]
    deviations = [{} if point is None else form.deviations(point) for point in points]
    rows = np.array(
        [
            [(own.get(name, np.nan) / wanted) ** 2 for own in deviations]
            for name, wanted in error.items()
        ]
    )
    resolved = [
        np.nan if point is None else (LOCAL_SHARE * own[SHARE] / form.share(point).mean()) ** 2
        for point, own in zip(points, deviations, strict=True)
    ]
    return _Found(form, near, points, deviations, rows, np.array(resolved))


def _given(form: Form, truth: Mapping[str, ArrayLike]) -> NDArray:
    """The truth as a vector, checked against the parameters' supports."""
    theta = form.engine.layout.ravel(dict(truth))
    named = form.engine.layout.unravel(theta)
    for parameter in form.targets.mixture.parameters:
        low, high = parameter.support
        value = named[parameter.name]
        if not (np.all(np.isfinite(value)) and np.all(value > low) and np.all(value < high)):
            raise InputError(
                f"the truth {parameter.name} = {value} is outside of ({low:g}, {high:g}): give a "
                "value inside"
            )
    return theta


def _judged(own: _Found, seed: int) -> tuple[str, str, NDArray]:
    """The form's standing at its median truth, that in words, and the moduli there."""
    none, name = np.full(2, np.nan), own.form.expert.name
    if own.nearest.distance < SAME:
        kind = (
            f"{name} holds f0 itself (homogeneous), so the prompt may merge with it: the smaller "
            "its shift, the more rows, by some power"
        )
    else:
        kind = (
            f"{name} cannot become f0 (heterogeneous, Hellinger distance "
            f"{own.nearest.distance:.2g} at the nearest)"
        )
    needed = own.needed
    possible = np.flatnonzero(~np.isnan(needed))
    missing = 1.0 - len(possible) / len(needed)
    if missing > 0:
        kind += f"; it cannot move as far as {missing:.0%} of the truths ask for"
    if missing > FAR:
        return "out of reach", f"{kind}: bring the response to the scale of this form", none
    order = possible[np.argsort(needed[possible], kind="stable")]
    middle = int(order[(len(order) - 1) // 2])
    n, resolved = float(needed[middle]), float(own.resolved[middle])
    if n >= resolved:
        later = float(np.mean(needed[possible] < own.resolved[possible]))
        rest = (
            f"; at {later:.0%} of the truths so many rows do not resolve the share, and are no "
            "promise"
        )
        said = f"{kind}; {count_in_words(n)} rows at the median truth{rest if later else ''}"
        return "local", said, none
    there = own.truths[middle]
    moduli = None
    if there is not None and n < MOST_ROWS:
        moduli = form_moduli(own.form, there, n, seed)
    if moduli is None:
        said = "the data hardly tell it from f0" if n < np.inf else "no data tell it from f0"
        return "unresolved", f"{kind}; no promise at the median truth: {said} there", none
    return (
        "unresolved",
        f"{kind}; no promise: with the {count_in_words(n)} rows of the bound the share is not "
        f"resolved at the median truth, {count_in_words(resolved)} are needed for that; within "
        f"what the former tell apart the share may move by {moduli[0]:.2g} and the function by "
        f"{moduli[1]:.2g} (modulus of continuity)",
        moduli,
    )


def _dataset(
    found: Sequence[_Found],
    words: Sequence[tuple[str, str, NDArray]],
    known: list[str],
    error: Mapping[str, float],
    drawn: Sequence[Sizes],
    seed: int,
) -> Advice:
    labels = list(dict.fromkeys(label for own in found for label in own.form.engine.layout.labels))
    count = len(found[0].truths)
    truth = np.full((len(found), count, len(labels)), np.nan)
    deviation = np.full((len(found), count, len(known)), np.nan)
    for i, own in enumerate(found):
        places = [labels.index(label) for label in own.form.engine.layout.labels]
        for j, (point, bounds) in enumerate(zip(own.truths, own.deviations, strict=True)):
            if point is not None:
                truth[i, j, places] = point
                for name, value in bounds.items():
                    deviation[i, j, known.index(name)] = value
    rows = np.array([own.rows for own in found])
    sizes = {
        name: ("truth", [getattr(own, name) for own in drawn])
        for name in (vars(drawn[0]) if drawn else ())
    }
    return Advice(
        {
            "rows": (("form", "wanted", "truth"), rows),
            "needed": (("form", "quantile"), np.array([_quantiles(own.needed) for own in found])),
            "resolved": (("form", "truth"), np.array([own.resolved for own in found])),
            "deviation": (("form", "truth", "target"), deviation),
            "theta": (("form", "truth", "entry"), truth),
            "error": ("wanted", list(error.values())),
            "distance": ("form", [own.nearest.distance for own in found]),
            "homogeneous": ("form", [own.nearest.distance < SAME for own in found]),
            "standing": ("form", [name for name, _, _ in words]),
            "advice": ("form", [text for _, text, _ in words]),
            "modulus": (("form", "moved"), np.array([moduli for _, _, moduli in words])),
            "scale": ("form", [own.form.scale for own in found]),
            **sizes,
        },
        coords={
            "form": [own.form.expert.name for own in found],
            "wanted": list(error),
            "truth": np.arange(count),
            "target": known,
            "entry": labels,
            "quantile": list(QUANTILES),
            "moved": [SHARE, FUNCTION],
        },
        attrs={"gate": found[0].form.targets.mixture.gate.name, "seed": seed},
    )


def _quantiles(rows: NDArray) -> NDArray:
    """Over the truths of a form: each one of them and none between; NaN where it has none."""
    own = np.sort(rows[~np.isnan(rows)])
    if len(own) == 0:
        return np.full(len(QUANTILES), np.nan)
    return own[[int(np.ceil(level * len(own))) - 1 for level in QUANTILES]]
