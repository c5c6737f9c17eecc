"""Is the prompt distinguishable from the frozen expert, and is its expert strongly identifiable?

Both ask whether functions of (x, y) are linearly independent: f0, f and df (order 1); f, df and
d²f (order 2). Their values at sampled points come from the model's row log-density alone. At the
gate level pi(x) = 1/2,

    f0/p = 1 - D/2,   f/p = 1 + D/2,   D = dlog p/dpi = (f - f0)/p,
    df/p = 2 dlog p,  d²f/p = 2 (d²log p + dlog p dlog p'),

and an exact relation is a singular value at rounding level of these columns, scaled to unit norm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pymc as pm
import xarray as xr
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.data import Data
from bayes_cmoe.errors import InputError
from bayes_cmoe.experts import Expert, expert_named
from bayes_cmoe.frozen import Frozen
from bayes_cmoe.likelihood import Likelihood
from bayes_cmoe.regime import Regime
from bayes_cmoe.simulate import Simulator
from bayes_cmoe.theory.relations import (
    Relation,
    Term,
    null_relations,
    readable,
    without_multiples,
)
from bayes_cmoe.variant import Variant, variant_named

__all__ = ["Case", "Distinguishability", "distinguishability"]

Array = Any
Case = tuple[Frozen, str | Expert, Mapping[str, ArrayLike]]
"""A frozen expert, a trainable expert's form and its parameters (with ``nu`` where it has one)."""

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
    are linear in h for Gaussian and multinomial logistic prompts).

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
    setting = _setting(variant_named(variant), case, gate)
    columns = _Columns(setting, rows, seed)
    tested: list[NDArray] = []
    relations: list[Relation] = []
    sets = _density_terms(columns, order)
    union = list(dict.fromkeys(term for terms in sets.values() for term in terms))
    table, sizes = columns.of(union)
    place = {term: j for j, term in enumerate(union)}
    for terms in sets.values():
        chosen = [place[term] for term in terms]
        values, found = null_relations(terms, table[:, chosen], sizes[chosen])
        tested.append(values)
        relations += found
    polynomial = columns.inputs if columns.softmax else ()
    kept = [readable(relation) for relation in without_multiples(relations, polynomial)]
    dataset = xr.Dataset(
        {"density": (("tested", "rank"), np.array(tested))}, coords={"tested": list(sets)}
    )
    smallest = [float(values[-1]) for values in tested]
    if order == 2:
        values, of_expert = _expert_relations(columns)
        kept += of_expert
        dataset["expert"] = ("rank_expert", values)
        smallest.append(float(values[-1]))
    point = MappingProxyType(setting.point)
    return Distinguishability(order, tuple(kept), 0.0 if kept else min(smallest), dataset, point)


@dataclass(frozen=True, eq=False)
class _Setting:
    model: pm.Model
    frozen: Frozen
    expert: Expert
    point: dict[str, NDArray]
    inputs: Callable[[Generator, int], NDArray]


def _setting(variant: Variant, case: str | Regime | Case, gate: str | None) -> _Setting:
    if isinstance(case, tuple):
        frozen, form, given = case
        expert = expert_named(form)
        point = {name: np.asarray(value, dtype=float) for name, value in given.items()}
        missing = set(expert.dims) - set(point)
        if missing:
            raise InputError(f"the case lacks the expert's parameters {', '.join(sorted(missing))}")
        with_inputs = [name for name, dims in expert.dims.items() if "feature" in dims]
        features = point[with_inputs[0]].shape[-1] if with_inputs else 1
        first = next(iter(expert.dims))
        classes = None if variant.scalar else len(point[first]) + 1
        options = {"gate": gate} if gate is not None else {}
        inputs: Callable[[Generator, int], NDArray] = partial(_standard_normal, features)
    else:
        regime = variant.regime(case)
        frozen, expert = regime.frozen, expert_named(regime.expert)
        point = {k: np.asarray(v, dtype=float) for k, v in regime.path.center.items()}
        classes, options = regime.classes, dict(regime.options)
        inputs = regime.draw_inputs
    data = Data(inputs(np.random.default_rng(0), 2), np.zeros(2), classes=classes)
    model = variant.build(data, frozen=frozen, expert=expert, prior="weak", **options)
    return _Setting(model, frozen, expert, point, inputs)


def _standard_normal(features: int, rng: Generator, n: int) -> NDArray:
    return rng.standard_normal((n, features))


class _Columns:
    """f0, f and their derivatives over p at sampled points, and the names that go with them."""

    def __init__(self, setting: _Setting, rows: int, seed: int) -> None:
        likelihood, simulator = Likelihood(setting.model), Simulator(setting.model)
        layout = likelihood.layout
        self.softmax = "tau" in layout.names
        level = "tau" if self.softmax else "lam"
        gate = ("beta", "tau") if self.softmax else ("lam",)
        if not set(gate) <= set(layout.names):
            raise InputError(
                "the test needs a gate whose share can be set to 1/2 at every x: "
                "constant (lam) or softmax (beta, tau)"
            )
        features = np.shape(setting.inputs(np.random.default_rng(0), 1))[1]
        half: dict[str, ArrayLike] = {"lam": 0.5, "beta": np.zeros(features), "tau": 0.0}
        theta = layout.ravel({**setting.point, **{name: half[name] for name in gate}})
        owner = np.repeat(layout.names, layout.sizes)
        self.free = np.flatnonzero(~np.isin(owner, gate))
        self.owner = tuple(owner[self.free])
        size = dict(zip(layout.names, layout.sizes, strict=True))
        self.labels = tuple(
            str(owner[i]) if size[owner[i]] == 1 else layout.labels[i] for i in self.free
        )
        in_h = [j for j, name in enumerate(self.owner) if name in setting.expert.dims]
        self.blocks = _same_logit(in_h, [layout.labels[self.free[j]] for j in in_h], setting.model)
        names = tuple(setting.model.coords["feature"])
        self.inputs = names if features > 1 else ("x",)

        rng = np.random.default_rng(seed)
        x = setting.inputs(rng, rows)
        known = {"x": x, **setting.frozen.columns(x)}
        (response,) = setting.model.observed_RVs
        label = setting.model.rvs_to_values[response].name
        self.x = x
        place = int(layout.slices[level].start)
        scale = 4.0 if self.softmax else 1.0
        derivatives = jax.jit(jax.vmap(_row(likelihood, theta, place, self.free)))

        def parts() -> tuple[NDArray, NDArray, NDArray]:
            drawn = known | {label: simulator.draw(theta, known, rng)}
            entries = [jnp.asarray(drawn[name], dtype=float) for name in likelihood.columns]
            d, s, h = derivatives(*entries)
            return scale * np.asarray(d), np.asarray(s), np.asarray(h)

        self.first, self.second = parts(), parts()

    def of(self, terms: list[Term]) -> tuple[NDArray, NDArray]:
        """Columns of the terms over p, reduced to (term, term), and norms without cancellation."""
        d, s, h = self.first
        where = {label: i for i, label in enumerate(self.labels)}
        if len(d) < 2 * len(terms):
            raise InputError(
                f"{len(d)} rows cannot tell {len(terms)} functions apart: "
                f"give at least {2 * len(terms)}"
            )
        columns, sizes = [], []
        for term in terms:
            index = [where[label] for label in term.derivative]
            if not index:
                value = 1.0 - d / 2 if term.symbol == "f0" else 1.0 + d / 2
                whole = np.ones_like(d)
            elif len(index) == 1:
                value = whole = 2.0 * s[:, index[0]]
            else:
                i, j = index
                value = 2.0 * (h[:, i, j] + s[:, i] * s[:, j])
                whole = 2.0 * (np.abs(h[:, i, j]) + np.abs(s[:, i] * s[:, j]))
            factor = np.ones(len(d))
            for name in term.monomial:
                factor = factor * self.x[:, self.inputs.index(name)]
            columns.append(value * factor)
            sizes.append(np.linalg.norm(whole * factor))
        # R has the columns' inner products: what follows depends no more on the number of rows.
        scale = np.array([np.linalg.norm(column) or 1.0 for column in columns])
        reduced = np.linalg.qr((np.array(columns) / scale[:, None]).T, mode="r") * scale
        return reduced, np.array(sizes)

    def log_prompt(self, rows: NDArray, which: int) -> tuple[NDArray, NDArray, NDArray]:
        """Gradient, Hessian and (for its size) their products, of log f at chosen rows."""
        d, s, h = (part[rows] for part in (self.first, self.second)[which])
        share = 1.0 + d / 2
        gradient = 2.0 * s / share[:, None]
        products = gradient[:, :, None] * gradient[:, None, :]
        curvature = 2.0 * (h + s[:, :, None] * s[:, None, :]) / share[:, None, None]
        return gradient, curvature - products, np.abs(products) + np.abs(curvature)

    def prompt_rows(self) -> NDArray:
        """Rows where the prompt has a fair share in both responses."""
        return np.flatnonzero((self.first[0] > -1.98) & (self.second[0] > -1.98))


def _row(
    likelihood: Likelihood, theta: NDArray, level: int, free: NDArray
) -> Callable[..., tuple[Array, Array, Array]]:
    def derivatives(*row: Array) -> tuple[Array, Array, Array]:
        columns = [entry[None] for entry in row]

        def logp(share: Array, expert: Array) -> Array:
            point = jnp.asarray(theta).at[level].set(share).at[free].set(expert)
            return likelihood.block_logp(point, columns)[0]

        share, expert = jnp.asarray(theta[level]), jnp.asarray(theta[free])
        by_share, by_expert = jax.grad(logp, argnums=(0, 1))(share, expert)
        return by_share, by_expert, jax.hessian(logp, argnums=1)(share, expert)

    return derivatives


def _same_logit(indices: list[int], labels: list[str], model: pm.Model) -> list[list[int]]:
    """The expert's entries in groups that enter the same component of h."""
    if "free_class" not in model.coords:
        return [indices]
    classes = [label.split("[")[1].rstrip("]").split(",")[0] for label in labels]
    groups = [[i for i, c in zip(indices, classes, strict=True) if c == k] for k in set(classes)]
    return sorted(groups)


def _density_terms(columns: _Columns, order: int) -> dict[str, list[Term]]:
    """The sets of terms to test, named by the parameter whose derivative x may multiply."""
    inputs = columns.inputs if columns.softmax else ()
    first = [Term("f", (label,)) for label in columns.labels]
    monomials = [
        monomial
        for degree in range(order + 1)
        for monomial in combinations_with_replacement(inputs, degree)
    ]
    own = [Term("f").times(*monomial) for monomial in monomials]
    if order == 1:
        return {"": [*(Term("f0").times(*monomial) for monomial in monomials), *own, *first]}
    second = [Term("f", pair) for pair in combinations_with_replacement(columns.labels, 2)]
    if not inputs:
        return {"": [*own, *first, *second]}
    return {
        label: [*own, *first, *(Term("f", (label,)).times(name) for name in inputs), *second]
        for label in columns.labels
    }


def _expert_relations(columns: _Columns) -> tuple[NDArray, list[str]]:
    """Relations that hold a second derivative of h, for each component of h by itself."""
    rows = columns.prompt_rows()
    here, there = columns.log_prompt(rows, 0), columns.log_prompt(rows, 1)
    gradient, curvature, size = here[0] - there[0], here[1] - there[1], here[2] + there[2]
    found: list[str] = []
    spectra = []
    for block in columns.blocks:
        names = list(dict.fromkeys(columns.owner[j] for j in block))
        pairs = list(combinations_with_replacement(block, 2))
        second = np.array([curvature[:, i, j] for i, j in pairs]).T
        second_size = np.array([np.linalg.norm(size[:, i, j]) for i, j in pairs])
        table = np.concatenate([gradient[:, block], second], axis=1)
        sizes = np.concatenate([np.linalg.norm(gradient[:, block], axis=0), second_size])
        terms = [Term("h", (columns.labels[j],)) for j in block]
        terms += [Term("h", (columns.labels[i], columns.labels[j])) for i, j in pairs]
        values, relations = null_relations(terms, table, sizes)
        curved: list[Relation] = [r for r in relations if len(next(iter(r)).derivative) == 2]
        if len(curved) == len(pairs) and all(len(r) == 1 for r in curved):
            what = names[0] if len(names) == 1 else f"({', '.join(names)})"
            found.append(f"d²h/d{what}² = 0")
        else:
            found += [readable(relation) for relation in curved]
        spectra.append(values)
    return min(spectra, key=lambda values: values[-1]), list(dict.fromkeys(found))
