"""Is the prompt distinguishable from the frozen expert, and is its expert strongly identifiable?

Both ask whether functions of (x, y) are linearly independent: f0, f and df (order 1); f, df and
d²f (order 2). An exact relation is a singular value at rounding level of their values at sampled
points, each over the density p and scaled to unit norm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from types import MappingProxyType

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from bayes_cmoe.errors import InputError
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant, variant_named
from bayes_cmoe.theory.relations import (
    Relation,
    Term,
    null_relations,
    readable,
    without_multiples,
)
from bayes_cmoe.theory.tangents import Case, Tangents, setting_of

__all__ = ["Case", "Distinguishability", "distinguishability"]

ROWS = 2000


@dataclass(frozen=True, eq=False)
class Distinguishability:
    """What the test found.

    Parameters
    ----------
    order : int
        1 for distinguishability, 2 for strong identifiability.
    relations : tuple of str
        The exact linear relations, each solved for one term; none when independent.
    margin : float
        Smallest singular value over all sets of columns (of unit norm each); 0 when dependent.
    singular_values : xr.Dataset
        ``density`` (tested, rank): of the columns made of f0 and f, one row for each set of columns
        tested; and at order 2 ``expert`` (rank_expert): of the derivatives of h.
    point : mapping of str to array
        The expert's parameters at which the columns were taken.
    """

    order: int
    relations: tuple[str, ...]
    margin: float
    singular_values: xr.Dataset
    point: Mapping[str, NDArray]

    @property
    def independent(self) -> bool:
        """Distinguishable (order 1) or strongly identifiable (order 2)."""
        return not self.relations

    def __str__(self) -> str:
        name = "distinguishable" if self.order == 1 else "strongly identifiable"
        if self.independent:
            return f"{name}: margin {self.margin:.3g}"
        return f"not {name}: {'; '.join(self.relations)}"


def distinguishability(
    variant: str | Variant,
    case: str | Regime | Case,
    *,
    order: int = 1,
    gate: str | None = None,
    rows: int = ROWS,
    seed: int = 0,
) -> Distinguishability:
    """Test for exact linear relations between f0, f and their derivatives in (eta, nu).

    Order 1 (distinguishability) takes f0, f and df. Order 2 (strong identifiability) is about the
    prompt alone: f, df and d²f, and, since the published definition is about the expert function,
    dh and d²h as well (seen in the model through differences of log f between two responses, which
    are linear in h for Gaussian and multinomial logistic prompts). A relu fails by these alone.

    Under a softmax gate coefficients are functions of x. The expansion at beta* = 0 brings them in
    as monomials: f0 and f up to degree `order`, and at order 2 the first derivative in *one*
    parameter times each input, since that coefficient is a product (beta - beta*) x shift. So
    df/da = x df/db counts; x2 df/da[x1] = x1 df/da[x2], which needs two shifts at once and holds
    for any function of a'x, does not.

    Parameters
    ----------
    variant : str or Variant
    case : str, Regime or (frozen, expert, parameters)
        A regime is tested where its prompt merges to, at Delta* = 0.
    order : {1, 2}
    gate : str, optional
        For a variant with several gates and a case that is not a regime; its default when left out.
    rows : int
        Points (x, y), drawn from the regime's inputs and from the model.
    seed : int

    Raises
    ------
    InputError
        When the order, gate or case is unknown, or the rows are too few for the columns.

    Examples
    --------
    >>> print(distinguishability("constant_contaminated", "merging"))
    not distinguishable: f0 = f
    >>> print(distinguishability("constant_contaminated", "linear-merging-b", order=2).relations[0])
    d²f/db² = 2 df/dnu
    """
    if order not in (1, 2):
        raise InputError(f"order {order} makes no sense: give 1 (distinguishable) or 2 (strongly)")
    setting = setting_of(variant_named(variant), case, gate)
    tangents = Tangents(setting, rows, seed)
    tested: list[NDArray] = []
    relations: list[Relation] = []
    sets = _density_terms(tangents, order)
    union = list(dict.fromkeys(term for terms in sets.values() for term in terms))
    table, sizes = tangents.of(union)
    place = {term: j for j, term in enumerate(union)}
    for terms in sets.values():
        chosen = [place[term] for term in terms]
        values, found = null_relations(terms, table[:, chosen], sizes[chosen])
        tested.append(values)
        relations += found
    polynomial = tangents.inputs if tangents.varying else ()
    kept = [readable(relation) for relation in without_multiples(relations, polynomial)]
    dataset = xr.Dataset(
        {"density": (("tested", "rank"), np.array(tested))}, coords={"tested": list(sets)}
    )
    smallest = [float(values[-1]) for values in tested]
    if order == 2:
        values, of_expert = _expert_relations(tangents)
        kept += of_expert
        dataset["expert"] = ("rank_expert", values)
        smallest.append(float(values[-1]))
    point = MappingProxyType(setting.point)
    return Distinguishability(order, tuple(kept), 0.0 if kept else min(smallest), dataset, point)


def _density_terms(tangents: Tangents, order: int) -> dict[str, list[Term]]:
    """The sets of terms to test, named by the parameter whose derivative x may multiply."""
    inputs = tangents.inputs if tangents.varying else ()
    first = [Term("f", (label,)) for label in tangents.labels]
    monomials = [
        monomial
        for degree in range(order + 1)
        for monomial in combinations_with_replacement(inputs, degree)
    ]
    own = [Term("f").times(*monomial) for monomial in monomials]
    if order == 1:
        return {"": [*(Term("f0").times(*monomial) for monomial in monomials), *own, *first]}
    second = [Term("f", pair) for pair in combinations_with_replacement(tangents.labels, 2)]
    if not inputs:
        return {"": [*own, *first, *second]}
    return {
        label: [*own, *first, *(Term("f", (label,)).times(name) for name in inputs), *second]
        for label in tangents.labels
    }


def _expert_relations(tangents: Tangents) -> tuple[NDArray, list[str]]:
    """Relations that hold a second derivative of h, for each component of h by itself."""
    rows = tangents.prompt_rows()
    here, there = tangents.log_prompt(rows, 0), tangents.log_prompt(rows, 1)
    gradient, curvature, size = here[0] - there[0], here[1] - there[1], here[2] + there[2]
    found: list[str] = []
    spectra = []
    for block in tangents.blocks:
        names = list(dict.fromkeys(tangents.owner[j] for j in block))
        pairs = list(combinations_with_replacement(block, 2))
        second = np.array([curvature[:, i, j] for i, j in pairs]).T
        second_size = np.array([np.linalg.norm(size[:, i, j]) for i, j in pairs])
        table = np.concatenate([gradient[:, block], second], axis=1)
        sizes = np.concatenate([np.linalg.norm(gradient[:, block], axis=0), second_size])
        terms = [Term("h", (tangents.labels[j],)) for j in block]
        terms += [Term("h", (tangents.labels[i], tangents.labels[j])) for i, j in pairs]
        values, relations = null_relations(terms, table, sizes)
        curved: list[Relation] = [r for r in relations if len(next(iter(r)).derivative) == 2]
        if len(curved) == len(pairs) and all(len(r) == 1 for r in curved):
            what = names[0] if len(names) == 1 else f"({', '.join(names)})"
            found.append(f"d²h/d{what}² = 0")
        else:
            found += [readable(relation) for relation in curved]
        spectra.append(values)
    return min(spectra, key=lambda values: values[-1]), list(dict.fromkeys(found))
