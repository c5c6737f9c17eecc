"""Losses between mixing measures of softmax-gated experts, modulo what no data can tell.

Fitted atom i lies in the cell A_j of the true atom j nearest to it. With weights w_i = e^tau_i,

    D1 = inf sum_j [ sum_{i in A_j} w_i |theta_i - theta_j - t| + |sum_{A_j} w_i - c w_j| ]

over a common translation t of the gates' slopes, with the cells as they are where some atom's
slopes meet some true one's, and a factor c of the weights. In D2 a cell of m > 1
atoms has the powers r(m) = 2 m for the gate's slopes and the slow parameters, r(m)/2 for the fast
ones, since its atoms may part from one another so far before the density feels it; see
`bayes_cmoe.theory.polynomial`. |.|^p is the sum over
the coordinates, equivalent to any norm's power and a sum of functions of one coordinate of t each:
a convex search a dimension. Weights are divided by their sum, which makes both losses the same for
all translations of a fit.

From twice as many atoms as the truth has on, every gate may be multiplied by one common tilt
R(x) = sum_m c_m exp(delta_m'x) without any change of the density, which the losses above do see.
The tilt-free one compares the cells' gate measures with one common measure R instead of a point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.parts.gates import Gate

__all__ = ["Atoms", "Voronoi"]

SEARCHES = 90
"""Steps of the golden section, which leave a share 0.618^90 = 1e-19 of the bracket."""
GOLDEN = (5.0**0.5 - 1.0) / 2.0

Named = Mapping[str, ArrayLike]
Power = Callable[[NDArray], NDArray]
"""From the numbers of atoms in the atoms' cells to the powers of what they are off by."""


def _one(count: NDArray) -> NDArray:
    return np.ones(count.shape)


def _slow(count: NDArray) -> NDArray:
    return np.where(count > 1, 2.0 * count, 1.0)


def _fast(count: NDArray) -> NDArray:
    return np.where(count > 1, 1.0 * count, 1.0)


class Atoms(NamedTuple):
    """A mixing measure: any axes in front, then the atoms'.

    Parameters
    ----------
    weight : array, shape (..., atom)
        e^tau over its sum.
    gate : array, shape (..., atom, feature)
        The gate's slopes.
    slow, fast : array, shape (..., atom, entry)
        The experts' parameters whose atoms may part as delta^r(m), and as delta^(r(m)/2).
    """

    weight: NDArray
    gate: NDArray
    slow: NDArray
    fast: NDArray


@dataclass(frozen=True, eq=False)
class Voronoi:
    """The losses of a mixture of trainable experts.

    Parameters
    ----------
    gate : Gate
        Whose slopes and level weigh the experts.
    level, slopes : str
        The gate's parameters.
    slow, fast : sequence of str
        The experts' parameters with power r(m), and r(m)/2, in a cell of m atoms.
    between : callable, optional
        ``between(gate, slow)``: what atoms that lie off their mean by so much, (..., atom, entry)
        each, add to the fast parameters of the one atom that the density takes them for.

    References
    ----------
    Nguyen, Nguyen and Ho (2023), Demystifying softmax gating function in Gaussian mixture of
    experts, arXiv:2305.03288.
    """

    gate: Gate
    level: str
    slopes: str
    slow: Sequence[str]
    fast: Sequence[str]
    between: Callable[[NDArray, NDArray], NDArray] | None = None

    def atoms(self, named: Named) -> Atoms:
        """The mixing measure of a model's parameters, any axes in front of theirs."""
        values = {name: np.asarray(value, dtype=float) for name, value in named.items()}
        own = self.gate.atoms({name: values[name] for name in (self.level, self.slopes)})
        level = own[self.level]
        weight = np.exp(level - level.max(axis=-1, keepdims=True))
        slow, fast = (
            np.concatenate([values[name].reshape(*level.shape, -1) for name in names], axis=-1)
            for names in (self.slow, self.fast)
        )
        return Atoms(weight / weight.sum(axis=-1, keepdims=True), own[self.slopes], slow, fast)

    def named(self, atoms: Atoms, shapes: Mapping[str, Sequence[int]]) -> dict[str, NDArray]:
        """A model's parameters again, from a mixing measure; `atoms` undone.

        Parameters
        ----------
        atoms : Atoms
        shapes : mapping of str to tuple
            Those of the model's parameters, as its layout has them; a single expert has no gate's.
        """
        found: dict[str, NDArray] = {}
        for names, values in ((self.slow, atoms.slow), (self.fast, atoms.fast)):
            first = 0
            for name in names:
                width = int(np.prod(shapes[name][1:]))
                part = values[..., first : first + width]
                found[name] = part.reshape(*part.shape[:-2], *shapes[name])
                first += width
        if self.level in shapes:
            scores = {self.level: np.log(atoms.weight), self.slopes: atoms.gate}
            found |= self.gate.stuck(scores)
        return found

    def exact(self, fitted: Named, truth: Named) -> NDArray:
        """D1, for a fit with as many experts as the truth.

        Parameters
        ----------
        fitted : mapping of str to array
            A model's parameters, any axes (draws) in front.
        truth : mapping of str to array

        Returns
        -------
        array, shape (...)
        """
        here, there = self._flat(fitted, truth)
        return self._shaped(_infimum(here, there, _one, _one)[0], fitted)

    def over_specified(self, fitted: Named, truth: Named) -> NDArray:
        """D2, for a fit with more experts than the truth; parameters as of `exact`."""
        here, there = self._flat(fitted, truth)
        return self._shaped(_infimum(here, there, _slow, _fast)[0], fitted)

    def tilt_free(self, fitted: Named, truth: Named) -> NDArray:
        """The loss that no tilt of the gates changes; parameters as of `exact`.

        The expert terms of D2, and the root of sum_j w_j ‖nu_j - R‖²: nu_j is the measure of a
        cell's gate slopes beyond the truth's, with weights w_i / w_j, and R = sum_j w_j nu_j the
        nearest common one; ‖.‖ is the norm of the Gaussian kernel exp(-‖.‖²/2). Cells are by the
        experts alone.
        """
        here, there = self._flat(fitted, truth)
        cells = _nearest(here, there, None)
        experts = _experts(here, there, cells, _slow, _fast)
        return self._shaped(experts + _kernel_distance(here, there, cells), fitted)

    def cells(self, fitted: Named, truth: Named) -> NDArray:
        """The true atom in whose cell each fitted one lies, (..., atom), after the best shift."""
        here, there = self._flat(fitted, truth)
        own = _infimum(here, there, _slow, _fast)[1]
        return own.reshape(*np.shape(fitted[self.level])[:-1], -1)

    def masses(self, fitted: Named, truth: Named) -> NDArray:
        """How far the cells' masses are off, the second term of D2; parameters as of `exact`."""
        here, there = self._flat(fitted, truth)
        cells = _infimum(here, there, _slow, _fast)[1]
        return self._shaped(_least_mass(here.weight, cells, there.weight), fitted)

    def spread(self, name: str) -> Callable[[Named, Named], NDArray]:
        """The function of a fit and a truth that is one parameter's of `spreads`."""
        return lambda fitted, truth: self.spreads(fitted, truth)[name]

    def spreads(self, fitted: Named, truth: Named) -> dict[str, NDArray]:
        """How far the atoms of a cell lie apart, for each parameter but the level; (...) each.

        The root of the variance within a cell, weighted by the atoms' shares of it and summed over
        cells and coordinates; zero where every cell has one atom. Cells are those of D2.
        """
        here, there = self._flat(fitted, truth)
        cells = _infimum(here, there, _slow, _fast)[1]
        member = cells[..., None] == np.arange(len(there.weight))
        mass = np.einsum("si,sij->sj", here.weight, member)
        share = here.weight / np.take_along_axis(mass, cells, axis=1)
        parts = {self.slopes: here.gate - there.gate[cells]}
        for name in (*self.slow, *self.fast):
            value = np.asarray(fitted[name], dtype=float)
            parts[name] = value.reshape(*here.weight.shape, -1)
        found = {}
        for name, value in parts.items():
            means = np.einsum("si,sij,sid->sjd", share, member, value)
            away = value - np.take_along_axis(means, cells[..., None], axis=1)
            variance = np.sum(share[..., None] * away**2, axis=(1, 2))
            found[name] = self._shaped(np.sqrt(variance), fitted)
        return found

    def _flat(self, fitted: Named, truth: Named) -> tuple[Atoms, Atoms]:
        """Fits with one axis in front, and the truth without any."""
        here, there = self.atoms(fitted), self.atoms(truth)
        front = here.weight.ndim - 1
        return Atoms(*(part.reshape(-1, *part.shape[front:]) for part in here)), there

    def _shaped(self, values: NDArray, fitted: Named) -> NDArray:
        return values.reshape(np.shape(fitted[self.level])[:-1])


def _infimum(here: Atoms, there: Atoms, slow: Power, fast: Power) -> tuple[NDArray, NDArray]:
    """The least loss over the translations, (fit,), and the cells there, (fit, atom).

    A loss depends on the translation by its cells alone, and few pairs of atoms to shift onto one
    another give cells of their own: each fit's are looked at once.
    """
    fits = np.arange(len(here.weight))
    met = [
        np.column_stack([fits, _nearest(here, there, here.gate[:, i : i + 1] - own)])
        for i in range(here.weight.shape[1])
        for own in there.gate
    ]
    tried = np.unique(np.concatenate(met), axis=0)
    fit, cells = tried[:, 0], tried[:, 1:]
    atoms = Atoms(*(part[fit] for part in here))
    total = _experts(atoms, there, cells, slow, fast)
    total += _least(atoms.gate - there.gate[cells], atoms.weight, slow(_own_count(cells, there)))
    total += _least_mass(atoms.weight, cells, there.weight)
    order = np.lexsort((total, fit))
    least = order[np.searchsorted(fit[order], fits)]
    return total[least], cells[least]


def _nearest(here: Atoms, there: Atoms, shift: NDArray | None) -> NDArray:
    """The true atom nearest to each fitted one, (fit, atom).

    Their gates are compared after the shift is taken off; without one by the experts alone.
    """
    pairs = [(here.slow, there.slow), (here.fast, there.fast)]
    if shift is not None:
        pairs.append((here.gate - shift, there.gate))
    distance = sum(np.sum((own[:, :, None] - true) ** 2, axis=-1) for own, true in pairs)
    return np.argmin(distance, axis=-1)


def _own_count(cells: NDArray, there: Atoms) -> NDArray:
    """The number of atoms in each fitted atom's cell, (fit, atom)."""
    member = cells[..., None] == np.arange(len(there.weight))
    return np.take_along_axis(member.sum(axis=1), cells, axis=1)


def _experts(here: Atoms, there: Atoms, cells: NDArray, slow: Power, fast: Power) -> NDArray:
    """The terms of the experts' parameters, (fit,)."""
    count = _own_count(cells, there)
    away = np.sum(np.abs(here.slow - there.slow[cells]) ** slow(count)[..., None], axis=-1)
    away = away + np.sum(np.abs(here.fast - there.fast[cells]) ** fast(count)[..., None], axis=-1)
    return np.sum(here.weight * away, axis=-1)


def _least(apart: NDArray, weight: NDArray, power: NDArray) -> NDArray:
    """The least over t of sum_i w_i |d_i - t|^p_i, summed over the coordinates; (fit,).

    Convex in each coordinate of t: a golden section between the least and the largest d_i, and
    these themselves, where a power of one has its kinks.
    """

    def value(t: NDArray) -> NDArray:
        away = np.abs(apart - t[:, None]) ** power[..., None]
        return np.sum(weight[..., None] * away, axis=1)

    low, high = apart.min(axis=1), apart.max(axis=1)
    best = np.min([value(apart[:, i]) for i in range(apart.shape[1])], axis=0)
    if np.all(power == 1.0):
        # Piecewise linear: least at one of its kinks.
        return np.asarray(best.sum(axis=-1))
    first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_first, at_second = value(first), value(second)
    for _ in range(SEARCHES):
        left = at_first < at_second
        low, high = np.where(left, low, first), np.where(left, second, high)
        fresh = np.where(left, high - GOLDEN * (high - low), low + GOLDEN * (high - low))
        at_fresh = value(fresh)
        first, second = np.where(left, fresh, second), np.where(left, first, fresh)
        at_first, at_second = (
            np.where(left, at_fresh, at_second),
            np.where(left, at_first, at_fresh),
        )
        best = np.minimum(best, at_fresh)
    return best.sum(axis=-1)


def _least_mass(weight: NDArray, cells: NDArray, true: NDArray) -> NDArray:
    """The least over c of sum_j |M_j - c w_j|, (fit,): c is a weighted median of M_j / w_j.

    The sum is convex and piecewise linear in c, so it is least at one of its kinks.
    """
    member = cells[..., None] == np.arange(len(true))
    mass = np.einsum("si,sij->sj", weight, member)
    kinks = mass / true
    sums = np.sum(np.abs(mass[:, None, :] - kinks[:, :, None] * true), axis=-1)
    return sums.min(axis=-1)


def _kernel_distance(here: Atoms, there: Atoms, cells: NDArray) -> NDArray:
    """The root of sum_j w_j ‖nu_j - R‖², (fit,), with the fit's weights in the truth's units."""
    apart = here.gate - there.gate[cells]
    kernel = np.exp(-0.5 * np.sum((apart[:, :, None] - apart[:, None]) ** 2, axis=-1))
    member = cells[..., None] == np.arange(len(there.weight))
    # nu_j as weights on all atoms, (fit, cell, atom), and what is left of it beside R.
    measures = np.swapaxes(here.weight[..., None] * member, 1, 2) / there.weight[:, None]
    common = np.einsum("j,sji->si", there.weight, measures)
    left = measures - common[:, None]
    squares = np.einsum("sji,sik,sjk->sj", left, kernel, left)
    return np.sqrt(np.maximum(squares @ there.weight, 0.0))
