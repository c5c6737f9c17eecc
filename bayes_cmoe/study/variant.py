"""A variant: what a file in `models/` declares; and the registry that finds these files."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import expert_named
from bayes_cmoe.parts.families import Family
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate
from bayes_cmoe.parts.mixture import Mixture
from bayes_cmoe.parts.outside import READERS, REGISTRIES, load_outside
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.shown import Shown
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.voronoi import Voronoi

__all__ = ["Variant", "register_variant", "variant_named", "variants"]

WIDE = 10.0
"""Half of the box of a gate's parameter that a regime does not have itself and that has no ends."""


@dataclass(frozen=True, eq=False, repr=False)
class Variant(Shown):
    """A model of the suite.

    Parameters
    ----------
    name, title, source : str
        Registry name, one line in words, and the paper.
    build : callable
        The factory ``build(data, *, frozen, expert, prior, **options)`` that returns a `pm.Model`;
        without ``frozen`` where the gates weigh trainable experts only.
    gates : tuple of Gate
        The gates that it can have, the default first.
    regimes : mapping of str to Regime
    family : Family
        Density of the trainable experts; its response is the variant's.
    losses : Voronoi, optional
        Those of its mixing measures, where all experts are trainable and their number is an option.
    """

    name: str
    title: str
    source: str
    build: Callable[..., Any]
    gates: tuple[Gate, ...]
    regimes: Mapping[str, Regime]
    family: Family
    losses: Voronoi | None = None

    def shown(self) -> dict[str, Any]:
        """What it is called, where it comes from, and what it can be studied in."""
        return {
            "name": self.name,
            "title": self.title,
            "source": self.source,
            "gates": [gate.name for gate in self.gates],
            "response": self.response,
            "regimes": list(self.regimes),
        }

    @property
    def response(self) -> str:
        """What is observed: number, class or count."""
        return self.family.response

    def regime(self, name: str | Regime) -> Regime:
        """The regime of that name; a `Regime` is returned as it is.

        Raises
        ------
        InputError
            When there is none; the message gives the nearest name.
        """
        if isinstance(name, Regime):
            return name
        return self.regimes[choose(f"regime of {self.name}", name, self.regimes)]

    def altered(self, regime: str | Regime, gate: str = "", expert: str = "") -> Regime:
        """A regime with another gate of the variant or another expert; its own where none is said.

        The truth's share is then the new gate's at its level. Of the expert's parameters those that
        the other form has too stay as they are; a form with others has no truth and no box.

        Raises
        ------
        InputError
            When the variant has no such gate, or there is no such expert.

        Examples
        --------
        >>> variant = variant_named("multinomial_contaminated")
        >>> variant.altered("distinguishable", "constant").gate.name
        'constant'
        """
        own = self.regime(regime)
        form = expert_named(expert).name if expert else own.expert
        gates = {known.name: known for known in self.gates}
        if gate in ("", own.gate.name) and form == own.expert:
            return own
        if not gate or gate == own.gate.name:
            return replace(own, expert=form)
        chosen = gates[choose(f"gate of {self.name}", gate, gates)]
        level, limits = {}, {}
        several = tuple(
            Mixture(chosen, expert_named(form), self.family, own.prompts).sizes.values()
        )
        for parameter in chosen.parameters:
            shape = several[:1] + (own.features,) * len(parameter.dims)
            level[parameter.name] = np.full(shape, chosen.level[parameter.name])
            low, high = parameter.support
            limits[parameter.name] = (max(low, -WIDE), min(high, WIDE))
        box = {name: ends for name, ends in own.box.items() if name not in own.gate.dims}
        path = replace(own.path, gate=level, alpha=Fraction(0))
        return replace(own, gate=chosen, expert=form, path=path, box={**limits, **box})

    def options(self, gate: Gate) -> dict[str, Any]:
        """What the factory is told of a gate: nothing where there is one only."""
        return {"gate": gate} if len(self.gates) > 1 else {}

    def mixture(self, regime: str | Regime) -> Mixture:
        """What a regime's model is made of beside its frozen expert."""
        own = self.regime(regime)
        return Mixture(own.gate, expert_named(own.expert), self.family, own.prompts)

    def model(self, regime: str | Regime, data: Data, prior: Prior | None = None) -> Any:
        """The PyMC model of a regime for given data; flat prior on the regime's box by default."""
        chosen = self.regime(regime)
        return self.built(
            data,
            chosen.frozen,
            expert=chosen.expert,
            prior=dict(chosen.box) if prior is None else prior,
            **self.options(chosen.gate),
            **chosen.options,
        )

    @property
    def frozen(self) -> bool:
        """Whether its models have a frozen expert."""
        return self.gates[0].frozen

    def built(self, data: Data, frozen: Frozen, **parts: Any) -> Any:
        """What the factory makes of these, the frozen expert left out where there is none."""
        return self.build(data, **({"frozen": frozen} if self.frozen else {}), **parts)


_REGISTERED: dict[str, Variant] = {}
REGISTRIES.append(_REGISTERED)


def register_variant(variant: Variant) -> Variant:
    """Make a variant known by its name, as the files in `models/` are.

    Raises
    ------
    InputError
        When the name is taken by another variant.
    """
    if {**_shipped(), **_REGISTERED}.get(variant.name, variant) is not variant:
        raise InputError(f"a variant named {variant.name!r} exists already: choose another name")
    _REGISTERED[variant.name] = variant
    return variant


def _register_declared(module: ModuleType) -> None:
    declared = getattr(module, "VARIANT", None)
    if isinstance(declared, Variant):
        register_variant(declared)


READERS.append(_register_declared)


@cache
def _shipped() -> dict[str, Variant]:
    package = importlib.import_module("bayes_cmoe.models")
    found = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"bayes_cmoe.models.{info.name}")
        if isinstance(getattr(module, "VARIANT", None), Variant):
            found[module.VARIANT.name] = module.VARIANT
    return found


def variants() -> dict[str, Variant]:
    """All known variants by name: one for each file in `models/`, and those from outside.

    Raises
    ------
    InputError
        When a plugin or an entry point fails.
    """
    load_outside()
    return {**_shipped(), **_REGISTERED}


def variant_named(variant: str | Variant) -> Variant:
    """Return the variant of that name; a `Variant` is returned as it is."""
    if isinstance(variant, Variant):
        return variant
    known = {**_shipped(), **_REGISTERED}
    if variant not in known:
        known = variants()
    if variant not in known:
        try:
            choose("variant", variant, known)
        except InputError as error:
            raise InputError(f"{error}; one of your own: name its file with --plugin") from None
    return known[variant]
