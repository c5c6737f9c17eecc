"""Engines: ways to draw from a posterior, by name, so that a study can be made with any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bayes_cmoe.lazy import pm, xr
from bayes_cmoe.parts.outside import REGISTRIES, register, registered

if TYPE_CHECKING:
    from bayes_cmoe.compiled.posterior import Posterior

__all__ = ["ENGINES", "Engine", "engine_named", "register_engine"]


@dataclass(frozen=True, eq=False)
class Engine:
    """A way to draw from a posterior, in one thread.

    Parameters
    ----------
    name : str
    fit : callable
        ``fit(model, seed, posterior)`` with the model compiled already; a tree with the group
        ``posterior`` (chain, draw, ...).
    doubt : callable
        ``doubt(tree)``: one line that says why its own draws are not to be trusted; empty when
        they are.
    """

    name: str
    fit: Callable[[pm.Model, int, Posterior], xr.DataTree]
    doubt: Callable[[xr.DataTree], str]


def _nuts(model: pm.Model, seed: int, posterior: Posterior) -> xr.DataTree:
    from bayes_cmoe.estimate.nuts import fit_nuts

    return fit_nuts(model, seed=seed, posterior=posterior, cores=1)


def _nested(model: pm.Model, seed: int, posterior: Posterior) -> xr.DataTree:
    from bayes_cmoe.estimate.nested import fit_nested

    return fit_nested(model, seed=seed, posterior=posterior)


def _doubt(tree: xr.DataTree) -> str:
    """Where the engines of the suite say themselves that they are not to be trusted."""
    if tree.attrs["trusted"]:
        return ""
    return "; ".join(filter(None, (tree.attrs.get("disagreements"), tree.attrs["summary"])))


ENGINES = {"nuts": Engine("nuts", _nuts, _doubt), "nested": Engine("nested", _nested, _doubt)}

REGISTRIES.append(ENGINES)


def register_engine(engine: Engine) -> Engine:
    """Make an engine known by its name, to the command line too.

    Raises
    ------
    InputError
        When the name is taken by another engine.
    """
    return register("engine", ENGINES, engine)


def engine_named(name: str) -> Engine:
    """The engine of that name.

    Raises
    ------
    InputError
        When there is none; the message gives the nearest name.
    """
    return registered("engine", ENGINES, name)
