"""Profiles: how far a density feels that the atoms of an over-specified fit lie apart.

    H(s) = min { Hellinger(p_theta, p_*) : theta_i - theta_j = 2 s in one coordinate }

over the parameters of a fit that has two atoms i, j, of even shares, for one expert of the truth.
Where H(s) ~ s^p the split can be told no better than n^(-1/(2 p)) in the worst case, since all
densities within n^-1/2 look the same. The sum of squares is minimised on rows that are the same for
all s: H² is its value on them.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.random import Generator, SeedSequence
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.parameter import Role
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.hellinger import Hellinger
from bayes_cmoe.theory.least_hellinger import Frame, least, squares_of
from bayes_cmoe.theory.nodes import Columns
from bayes_cmoe.theory.scores import Scores, scores_of

__all__ = ["half_splits", "profile", "split_pair"]

DRAWS = 2**13
FIRST, STEP, STEPS = 1e-3, 2.0, 40
"""Half-splits are sought from this share of the box on, by this factor, so many times at most."""
BETWEEN = 1.5
"""Half-splits between which others are interpolated are apart by this factor."""


def split_pair(regime: Regime) -> tuple[int, int]:
    """The first two of a fit's experts that stand for the same expert of the truth.

    Raises
    ------
    InputError
        When the fit has no more experts than the truth.
    """
    if not regime.over_specified:
        raise InputError(
            f"regime {regime.name!r} has as many experts as its truth: give one with more of them"
        )
    twice = next(own for own in regime.copies if regime.copies.count(own) > 1)
    first, second, *_ = (i for i, own in enumerate(regime.copies) if own == twice)
    return first, second


def profile(
    variant: str | Variant,
    regime: str | Regime,
    parameter: str,
    sizes: ArrayLike,
    *,
    entry: int = 0,
    draws: int = DRAWS,
    seed: int = 0,
) -> xr.Dataset:
    """H(s) along one coordinate of a split, and its local exponents.

    Parameters
    ----------
    variant : str or Variant
    regime : str or Regime
        One whose fit has more experts than its truth; of the pair `split_pair`.
    parameter : str
        One of the experts' own or of the gate's slopes.
    sizes : array, shape (s,)
        Half-splits s, positive; they are taken in increasing order.
    entry : int
        Which entry of an expert's parameter.
    draws, seed : int
        Rows on which H is an average.

    Returns
    -------
    xarray.Dataset over ``s``: ``hellinger``; ``exponent``, d log H / d log s between neighbours
    (NaN at the first); ``theta`` (s, label), where the minimum is.

    Raises
    ------
    InputError
        When a name is unknown, a size is not positive, the fit has no more experts than the truth,
        or the parameter does not belong to single experts.

    References
    ----------
    Donoho and Liu (1991), doi:10.1214/aos/1176348114.
    """
    chosen = variant_named(variant)
    setting = chosen.regime(regime)
    split = np.sort(np.atleast_1d(np.asarray(sizes, dtype=float)))
    if not (len(split) and np.all(split > 0)):
        raise InputError("a half-split s has to be positive: give sizes such as 0.1, 0.2")
    pair = split_pair(setting)
    scores = scores_of(chosen, setting)
    tied = _tied(scores, setting, parameter, entry, pair)
    layout, truth = scores.layout, scores.layout.ravel(setting.truth(1.0))
    shapes = dict(zip(layout.names, layout.shapes, strict=True))
    lower, upper = (
        layout.ravel({name: np.full(shape, setting.box[name][i]) for name, shape in shapes.items()})
        for i in (0, 1)
    )
    frame = Frame(truth, tied, lower, upper)

    def inputs(rng: Generator, count: int) -> Columns:
        x = setting.draw_inputs(rng, count)
        return {"x": x, **setting.frozen.columns(x)}

    hellinger = Hellinger(scores, inputs, setting.classes)
    first, later = SeedSequence(seed).spawn(2)
    apart = truth.copy()
    apart[tied[0][0]] += split[-1]
    apart[tied[0][1]] -= split[-1]
    sample = hellinger.sample(truth, [np.clip(apart, lower, upper)], draws, first)
    squares = squares_of(hellinger, truth, sample)
    rng, found, points = np.random.default_rng(later), [], []
    last = truth
    for s in split:
        value, last = least(frame, squares, last, float(s), rng)
        found.append(value)
        points.append(last)
    distances = np.sqrt(np.array(found))
    steps = np.diff(np.log(distances)) / np.diff(np.log(split))
    return xr.Dataset(
        {
            "hellinger": ("s", distances),
            "exponent": ("s", np.concatenate([[np.nan], steps])),
            "theta": (("s", "label"), np.array(points)),
        },
        coords={"s": split, "label": list(layout.labels)},
        attrs={"variant": chosen.name, "regime": setting.name, "parameter": parameter},
    )


def half_splits(
    variant: str | Variant,
    regime: str | Regime,
    parameter: str,
    distances: ArrayLike,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> NDArray:
    """How far atoms may part unseen: the largest half-splits s with H(s) up to some distances.

    Interpolated between the logarithms of a few; infinite where no split inside the regime's box is
    so far, as where one of the atoms can be had without any rows.

    Parameters
    ----------
    variant, regime, parameter, draws, seed
        As of `profile`, of the parameter's first entry.
    distances : array, shape (distance,)
        Hellinger distances, such as c n^-1/2; positive.

    Returns
    -------
    array, shape (distance,)

    Raises
    ------
    InputError
        As `profile`; when a distance is not positive.
    """
    wanted = np.asarray(distances, dtype=float)
    if not (wanted.size and np.all(wanted > 0)):
        raise InputError("a Hellinger distance has to be positive: give some such as 0.01")
    setting = variant_named(variant).regime(regime)

    def found(sizes: ArrayLike) -> NDArray:
        own = profile(variant, regime, parameter, sizes, draws=draws, seed=seed)
        return own["hellinger"].to_numpy()

    lower, upper = setting.box.get(parameter, (0.0, 1.0))
    low, widest = FIRST * (upper - lower), 0.5 * (upper - lower)
    for _ in range(STEPS):
        if found([low])[0] <= wanted.min():
            break
        low /= STEP
    high = low
    while high * STEP < widest and found([high])[0] < wanted.max():
        high *= STEP
    sizes = np.geomspace(low, high, 2 + int(np.log(high / low) / np.log(BETWEEN)))
    # What counts is the widest split that is no farther than a distance.
    reached = np.minimum.accumulate(found(sizes)[::-1])[::-1]
    return np.exp(np.interp(np.log(wanted), np.log(reached), np.log(sizes), right=np.inf))


def _tied(
    scores: Scores, regime: Regime, parameter: str, entry: int, pair: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """The entries of the split coordinate and of the shares, of both atoms."""
    mixture, layout = scores.targets.mixture, scores.layout
    share = mixture.gate.share.parameter
    names = [name for name in mixture.names(*Role) if name != share]
    name = choose("parameter of an expert", parameter, names)
    count = len(layout.coords[layout.dims[layout.names.index(name)][0]])
    if max(pair) >= count:
        raise InputError(
            f"regime {regime.name!r}: expert {max(pair)} is the gate's reference, without {name}: "
            "give its copies in another order"
        )
    width = layout.sizes[layout.names.index(name)] // count
    if not 0 <= entry < width:
        raise InputError(f"{name} of an expert has {width} entries: give one from 0")
    places, level = layout.slices[name], layout.slices[share]
    return (
        (places.start + pair[0] * width + entry, places.start + pair[1] * width + entry),
        (level.start + pair[0], level.start + pair[1]),
    )
