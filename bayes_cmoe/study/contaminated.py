"""A whole variant from its parts: the factory that every contaminated variant has, made once."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from bayes_cmoe.errors import InputError
from bayes_cmoe.lazy import pm
from bayes_cmoe.parts.data import Data
from bayes_cmoe.parts.experts import Expert
from bayes_cmoe.parts.families import Family, family_named
from bayes_cmoe.parts.frozen import Frozen
from bayes_cmoe.parts.gates import Gate, gate_named
from bayes_cmoe.parts.mixture import contaminated_model
from bayes_cmoe.parts.priors import Prior
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import Variant

__all__ = ["contaminated_variant"]


def contaminated_variant(
    name: str,
    *,
    title: str,
    source: str,
    gates: Iterable[str | Gate],
    expert: str | Expert,
    family: str | Family = "gaussian",
    regimes: Iterable[Regime] = (),
) -> Variant:
    """A variant p(y|x) = (1 - pi(x)) f0(y|x) + pi(x) f(y | h(x; eta), nu) from its parts.

    Its factory is ``build(data, *, frozen, expert, prior="weak", gate, prompts=1)``; expert and
    gate have the variant's own as their defaults.

    Parameters
    ----------
    name, title, source : str
        As of a `Variant`.
    gates : iterable of str or Gate
        The gates that it can have, the default first.
    expert : str or Expert
        The form of the trainable expert unless another is asked for.
    family : str or Family
        Density of the trainable expert.
    regimes : iterable of Regime

    Returns
    -------
    Variant

    Raises
    ------
    InputError
        When a part is unknown, there is no gate, two regimes have the same name, or a regime has a
        gate that is not among `gates`.

    Examples
    --------
    >>> variant = contaminated_variant(
    ...     "mine", title="Mine", source="unpublished", gates=["softmax"], expert="tanh"
    ... )
    >>> variant.response, [gate.name for gate in variant.gates]
    ('number', ['softmax'])
    """
    known = tuple(gate_named(gate) for gate in gates)
    density, form, own = family_named(family), expert, tuple(regimes)
    if not known:
        raise InputError(f"variant {name!r} has no gate: give one")
    named = {regime.name: regime for regime in own}
    if len(named) < len(own):
        raise InputError(f"variant {name!r} has two regimes of the same name: rename one")
    for regime in own:
        if regime.gate not in known:
            raise InputError(
                f"regime {regime.name!r} has the gate {regime.gate.name!r}, which is none of "
                f"variant {name!r}: add it to its gates"
            )

    def build(
        data: Data,
        *,
        frozen: Frozen,
        expert: str | Expert = form,
        prior: Prior = "weak",
        gate: str | Gate = known[0],
        prompts: int = 1,
    ) -> pm.Model:
        """The PyMC model of the variant; see `bayes_cmoe.parts.mixture.contaminated_model`."""
        return contaminated_model(
            data,
            frozen=frozen,
            gate=gate_named(gate),
            expert=expert,
            prior=prior,
            prompt=density,
            prompts=prompts,
        )

    # As of a named tuple: what is declared belongs to the module that declares it, and a sweep
    # keeps a fingerprint of that module.
    build.__module__ = sys._getframemodulename(1) or __name__
    return Variant(name, title, source, build, known, named, density)
