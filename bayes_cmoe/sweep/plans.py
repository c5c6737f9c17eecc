"""How a sweep's methods go about it: sizes, replications, and what each method asks for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.estimate.chosen import CHOICES
from bayes_cmoe.estimate.engines import engine_named
from bayes_cmoe.sweep.checks import check_counts, check_sizes

__all__ = ["METHODS", "CalibratePlan", "MapPlan", "NutsPlan", "plan_of"]


FEWEST_KEPT = 4
"""Draws of a chain of which ArviZ's figures make something."""


@dataclass(frozen=True)
class MapPlan:
    """MAP fits: sample sizes, data sets of each, and starts from the prior.

    Each fit starts at the truth (the papers' start near it) and has a rival, the best of a few
    other starts: the better is the row's estimate. With `starts` > 0 another starts from that many
    points that cover the prior, at sizes up to `starts_up_to`. What others gain is recorded.
    """

    sizes: tuple[int, ...]
    replications: int
    starts: int = 0
    starts_up_to: int = 100_000

    def __post_init__(self) -> None:
        check_sizes("map", self.sizes)
        counts = {name: value for name, value in asdict(self).items() if name != "sizes"}
        check_counts("map", **counts)


@dataclass(frozen=True)
class NutsPlan:
    """Posteriors: sample sizes, data sets of each, draws, and the engine that makes them.

    By NUTS; or by nested Laplace, and by NUTS where that does not trust its weights. Of each fit
    `keep_draws` draws are kept, thinned evenly, as many of each chain.
    """

    sizes: tuple[int, ...]
    replications: int
    draws: int = 500
    tune: int = 300
    chains: int = 2
    engine: str = "nuts"
    keep_draws: int = 0

    def __post_init__(self) -> None:
        check_sizes("nuts", self.sizes)
        words = ("sizes", "engine")
        counts = {name: value for name, value in asdict(self).items() if name not in words}
        check_counts("nuts", **counts)
        choose("engine of [nuts]", self.engine, CHOICES)
        least, most = FEWEST_KEPT * self.chains, self.draws * self.chains
        if self.keep_draws and not least <= self.keep_draws <= most:
            raise InputError(
                f"[nuts] keep_draws = {self.keep_draws}: give 0, or {least} to {most} "
                f"({self.chains} chains of {self.draws} draws)"
            )


@dataclass(frozen=True)
class CalibratePlan:
    """Simulation-based calibration: sizes, data sets of each, the engine, and draws ranked among.

    Each data set is drawn at parameters drawn from the design's prior, at inputs that stay. Gate
    and expert are the regimes' own unless others are named.
    """

    sizes: tuple[int, ...]
    replications: int
    engine: str = "nuts"
    ranked: int = 99
    gate: str = ""
    expert: str = ""

    def __post_init__(self) -> None:
        check_sizes("calibrate", self.sizes)
        check_counts("calibrate", replications=self.replications, ranked=self.ranked)
        engine_named(self.engine)


METHODS: dict[str, type[MapPlan] | type[NutsPlan] | type[CalibratePlan]] = {
    "map": MapPlan, "nuts": NutsPlan, "calibrate": CalibratePlan,
}  # fmt: skip
"""The methods and their plans."""


def plan_of(method: str, content: Any) -> MapPlan | NutsPlan | CalibratePlan:
    """A method's plan from plain values.

    Raises
    ------
    InputError
        When they are no table, or a key is unknown or missing, or a value makes no sense.
    """
    kind = METHODS[method]
    if not isinstance(content, Mapping):
        raise InputError(f"the design's {method!r} is not a table: write [{method}] and its keys")
    for key in content:
        choose(f"key of [{method}]", key, [own.name for own in fields(kind)])
    for key in ("sizes", "replications"):
        if key not in content:
            raise InputError(f"the design's [{method}] lacks {key!r}: add it")
    if not isinstance(content["sizes"], list):
        raise InputError(f"the design's [{method}] sizes are not a list: write sizes = [1000]")
    return kind(**{**content, "sizes": tuple(content["sizes"])})
