"""Merging the atoms of a mixing measure: the dendrogram, and the count of what is left of draws.

Two atoms i, j that lie close, or of which one weighs little, are one to the density:

    d_ij = ( |db|² + ‖(dbeta, da, dnu)‖ ) / ( 1/w_i + 1/w_j ),   w = e^tau over their sum,

the slow parameters squared, all others as they are: in a cell of two atoms all terms then fall
alike, as n^-1/4. (The published distance leaves the gate's slopes out and has the root of
‖da‖² + dnu², the same as here.) The one atom that stands for both has their weight and their
weighted means, and its fast parameters have what the distance adds to them (`Voronoi.between`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.study.voronoi import Atoms, Voronoi

__all__ = ["Level", "dendrogram", "left_after_merging"]


class Level(NamedTuple):
    """One level of a dendrogram.

    Parameters
    ----------
    atoms : Atoms
    height : float
        Least distance of two atoms, at which the next level begins; NaN for a single atom.
    """

    atoms: Atoms
    height: float


def dendrogram(atoms: Atoms, losses: Voronoi) -> list[Level]:
    """The levels from all atoms of a measure down to one, the two nearest merged at each.

    Parameters
    ----------
    atoms : Atoms
        A single measure, no axes in front.
    losses : Voronoi
        Of the model; has ``between``.

    Raises
    ------
    InputError
        When the model does not say what merged atoms add to one another.

    References
    ----------
    Do, Do, McKinley, Terhorst and Nguyen (2024), arXiv:2403.01684, for mixtures.
    """
    if losses.between is None:
        raise InputError("merging asks for Voronoi(between=...): say what merged atoms add")
    levels = []
    while len(atoms.weight) > 1:
        distance = _apart(atoms) / (1.0 / atoms.weight[:, None] + 1.0 / atoms.weight)
        np.fill_diagonal(distance, np.inf)
        i, j = sorted(divmod(int(np.argmin(distance)), len(distance)))
        levels.append(Level(atoms, float(distance[i, j])))
        atoms = _merged(atoms, i, j, losses)
    return [*levels, Level(atoms, float("nan"))]


def _apart(atoms: Atoms) -> NDArray:
    """The slow parameters' squared distance and the others' norm, (atom, atom)."""
    slow = atoms.slow[:, None] - atoms.slow
    rest = np.concatenate([atoms.gate, atoms.fast], axis=1)
    return np.sum(slow**2, axis=-1) + np.linalg.norm(rest[:, None] - rest, axis=-1)


def _merged(atoms: Atoms, i: int, j: int, losses: Voronoi) -> Atoms:
    """The measure with its atoms i < j as one, in the place of i."""
    assert losses.between is not None
    pair = [i, j]
    share = (atoms.weight[pair] / atoms.weight[pair].sum())[:, None]
    gate, slow = (np.sum(share * part[pair], axis=0) for part in (atoms.gate, atoms.slow))
    added = losses.between(atoms.gate[pair] - gate, atoms.slow[pair] - slow)
    fast = np.sum(share * (atoms.fast[pair] + added), axis=0)
    parts = []
    for part, new in zip(atoms, (atoms.weight[pair].sum(), gate, slow, fast), strict=True):
        own = np.array(part)
        own[i] = new
        parts.append(np.delete(own, j, axis=0))
    return Atoms(*parts)


def left_after_merging(
    atoms: Atoms, reach: float, rng: Generator, *, power: float = 2.0
) -> NDArray:
    """Atoms that are left of each draw after merging, truncating and merging again; (draw,).

    Atoms in random order, the heavy ones sooner, join an earlier one within `reach` of them. Of
    those that are left, an atom counts when its weight is above reach^power and so is its weight
    times distance^power from every heavier one that counts. Distances are the numerators of
    the dendrogram's.

    Parameters
    ----------
    atoms : Atoms
        One axis of draws in front.
    reach : float
        The rate at which the atoms of a cell come together.
    rng : Generator
    power : float
        Of the distance in the law's rate: weight times distance^power falls as n^-1/2.

    References
    ----------
    Guha, Ho and Nguyen (2021), On posterior contraction of parameters and interpretability in
    Bayesian mixture modeling, arXiv:1901.05078.
    """
    counts = np.empty(len(atoms.weight), dtype=int)
    for draw in range(len(counts)):
        own = Atoms(*(part[draw] for part in atoms))
        apart = _apart(own)
        # By weights without replacement: the exponential race of each.
        order = np.argsort(rng.exponential(size=len(own.weight)) / own.weight, kind="stable")
        kept: list[int] = []
        weight = np.zeros(len(own.weight))
        for i in order:
            near = [j for j in kept if apart[i, j] <= reach]
            home = near[0] if near else int(i)
            weight[home] += own.weight[i]
            if not near:
                kept.append(int(i))
        counts[draw] = _counted(weight, apart, kept, reach**power, power)
    return counts


def _counted(weight: NDArray, apart: NDArray, kept: list[int], least: float, power: float) -> int:
    """Atoms that are heavy, and far from every heavier one that counts."""
    counted: list[int] = []
    for i in sorted(kept, key=lambda i: -weight[i]):
        far = all(weight[i] * apart[i, j] ** power > least for j in counted)
        if not counted or (weight[i] > least and far):
            counted.append(i)
    return len(counted)
