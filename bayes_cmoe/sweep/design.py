"""The design of a sweep: what is to be measured, as a small frozen value."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

from numpy.random import SeedSequence

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.shown import Shown
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import variant_named
from bayes_cmoe.sweep.checks import (
    MARGIN,
    check_name,
    check_prior,
    check_slopes,
    check_values,
    shown,
)
from bayes_cmoe.sweep.plans import METHODS, CalibratePlan, MapPlan, NutsPlan, plan_of
from bayes_cmoe.sweep.setting import Setting

__all__ = ["PURPOSES", "CalibratePlan", "Design", "MapPlan", "NutsPlan", "Task", "fits_of"]

KEYS = ("name", "prior", "entropy", "margin", "until", "modulus", "regimes")
ENTROPY = 20240817
FIRST_ROUND = 20
"""Replications of the first round of a design that runs until it is decided; rounds double."""
ROWS_A_TASK = {"map": 1_000_000, "nuts": 5_000, "calibrate": 500}
"""About how many rows a task goes through: a few seconds of work, lost at most when a run stops."""
LEAST_ROWS = {"map": 1, "nuts": 1, "calibrate": 100}
"""Rows that a fit counts for at least: a sampler takes its seconds on few rows too."""
UNSAID = (
    ("nuts", "engine", "nuts"), ("nuts", "keep_draws", 0), ("calibrate", "gate", ""),
    ("calibrate", "expert", ""),
)  # fmt: skip
"""Method, key and the value with which a key is left out of a design's content."""
PURPOSES = {
    "data": (), "starts": (1,), "sampler": (2,), "inputs": (3,), "prior": (4,), "ties": (5,),
}  # fmt: skip
"""What random numbers are for -> the end of their spawn key."""


def _identity(name: str) -> int:
    """A number for a name that depends on the name alone."""
    return crc32(name.encode())


@dataclass(frozen=True)
class Task:
    """A chunk of replications of one method, setting and size."""

    method: str
    setting: Setting
    n: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.method}.{self.setting.slug}.n{self.n}.r{self.first}+{self.count}.arrows"

    @property
    def replicates(self) -> range:
        """Its replications."""
        return range(self.first, self.first + self.count)


def fits_of(tasks: Iterable[Task]) -> Counter[str]:
    """How many fits tasks have, by method."""
    found: Counter[str] = Counter()
    for task in tasks:
        found[task.method] += task.count
    return found


@dataclass(frozen=True, repr=False)
class Design(Shown):
    """What a sweep measures.

    Parameters
    ----------
    name : str
    settings : tuple of Setting
    map : MapPlan, optional
    nuts : NutsPlan, optional
    prior : {"flat", "weak"} or str
        ``flat`` is uniform on each regime's box, so that MAP is maximum likelihood; ``weak`` is
        scaled by a reference data set of the regime, the same for all replications. Else a prior
        as a value, in JSON: an object with the parameters' names.
    entropy : int
        Of all random numbers.
    margin : float
        Difference of slopes that matters: a rate agrees with theory when it is surely nearer.
    until : float, optional
        Half-width of the interval of that difference at which a regime has replications enough:
        they come in rounds, each size by itself, and those of the plans are the most there can be.
    modulus : bool
        Whether the moduli of continuity of share and expert are computed where theory is not local:
        seconds to a minute a regime.
    calibrate : CalibratePlan, optional
        Stands alone, and needs a prior that is fixed beforehand: flat or a value.

    Raises
    ------
    InputError
        When a name is unknown, a count or size makes no sense, nothing is to be done, or a truth
        lies outside its regime's box at some size.

    Examples
    --------
    >>> design = Design(
    ...     "one", (Setting("constant_contaminated", "merging"),), map=MapPlan((1000, 4000), 10)
    ... )
    >>> design.fits, [task.count for task in design.tasks()]
    (20, [10, 10])
    """

    name: str
    settings: tuple[Setting, ...]
    map: MapPlan | None = None
    nuts: NutsPlan | None = None
    prior: str = "flat"
    entropy: int = ENTROPY
    calibrate: CalibratePlan | None = None
    margin: float = MARGIN
    until: float | None = None
    modulus: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        check_slopes(self.margin, self.until)
        if type(self.modulus) is not bool:
            raise InputError(f"modulus = {shown(self.modulus)}: give true or false")
        check_prior(self.prior)
        self._check_calibration()
        if type(self.entropy) is not int or not 0 <= self.entropy < 2**63:
            raise InputError(f"entropy = {shown(self.entropy)}: give a whole number, 0 to 2^63 - 1")
        if not self.settings or not self.plans:
            raise InputError(
                f"design {self.name!r} has nothing to do: give regimes, and [map], [nuts] or "
                "[calibrate] sizes"
            )
        if len({setting.label for setting in self.settings}) < len(self.settings):
            raise InputError(f"design {self.name!r} names a regime twice: leave one out")
        for setting in self.settings:
            variant = variant_named(setting.variant)
            regime = self.regime(setting)
            if self.prior not in ("flat", "weak"):
                own = variant.mixture(regime).parameters
                check_values(self.prior, own, whole=self.calibrate is not None)
            for n in sorted({n for plan in self.plans.values() for n in plan.sizes}):
                regime.truth(n, setting.alpha, setting.gamma)

    def shown(self) -> dict[str, Any]:
        """Name, regimes, what is run of each, prior and fingerprint."""
        plans = {
            method: f"n = {', '.join(map(str, plan.sizes))}; {plan.replications} data sets"
            for method, plan in self.plans.items()
        }
        regimes = tuple(setting.label for setting in self.settings)
        own = {"name": self.name, "regimes": regimes, **plans, "prior": self.prior}
        return own | {"fits": self.fits, "hash": self.hash}

    def _check_calibration(self) -> None:
        if self.calibrate is None:
            return
        if self.map is not None or self.nuts is not None:
            raise InputError(
                f"design {self.name!r} has [calibrate] and other methods: give it a design of its "
                "own, since its truths are drawn from the prior"
            )
        if self.until is not None:
            raise InputError(
                f"design {self.name!r} is calibrated and says until: it has no rates to decide; "
                "leave it out"
            )
        if self.prior == "weak":
            raise InputError(
                f"design {self.name!r} is to be calibrated: give a prior that is fixed beforehand, "
                "as a JSON object of values or 'flat' (`bayes-cmoe calibrate` makes one)"
            )

    def regime(self, setting: Setting) -> Regime:
        """The regime of one of its settings, with the gate and expert that a calibration names."""
        variant = variant_named(setting.variant)
        if self.calibrate is None:
            return variant.regime(setting.regime)
        return variant.altered(setting.regime, self.calibrate.gate, self.calibrate.expert)

    @property
    def plans(self) -> dict[str, MapPlan | NutsPlan | CalibratePlan]:
        """The methods that are to be run."""
        pairs = {"map": self.map, "nuts": self.nuts, "calibrate": self.calibrate}
        return {method: plan for method, plan in pairs.items() if plan is not None}

    @property
    def fits(self) -> int:
        """Number of fits."""
        sizes = sum(len(plan.sizes) * plan.replications for plan in self.plans.values())
        return sizes * len(self.settings)

    def content(self) -> dict[str, Any]:
        """The design as plain values, as its TOML file has them."""
        plans = {method: asdict(plan) for method, plan in self.plans.items()}
        for plan in plans.values():
            plan["sizes"] = list(plan["sizes"])
        # Designs that do not say these keep the fingerprint that they had.
        for method, name, usual in UNSAID:
            if method in plans and plans[method][name] == usual:
                del plans[method][name]
        regimes = [setting.label for setting in self.settings]
        own = {"name": self.name, "prior": self.prior, "entropy": self.entropy, "regimes": regimes}
        said: dict[str, Any] = {"margin": self.margin, "until": self.until, "modulus": self.modulus}
        unsaid = {"margin": MARGIN, "until": None, "modulus": False}
        return {**own, **{key: said[key] for key in said if said[key] != unsaid[key]}, **plans}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Design":
        """A design from plain values.

        Raises
        ------
        InputError
            When a key is unknown or missing, or a value makes no sense.
        """
        given = dict(content)
        for key in given:
            choose("key of a design", key, (*KEYS, *METHODS))
        for key in ("name", "regimes"):
            if key not in given:
                raise InputError(f"the design lacks {key!r}: add it")
        if not isinstance(given["regimes"], list):
            raise InputError("the design's 'regimes' is not a list: write regimes = [\"...\"]")
        plans: dict[str, Any] = {}
        for method in METHODS:
            if method in given:
                plans[method] = plan_of(method, given.pop(method))
        settings = tuple(Setting.parse(label) for label in given.pop("regimes"))
        return cls(settings=settings, **given, **plans)

    @cached_property
    def hash(self) -> str:
        """A fingerprint of everything but the name."""
        content = {key: value for key, value in self.content().items() if key != "name"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def rounds(self) -> int:
        """How many rounds a size can have: one, unless the design runs until it is decided."""
        most = max(plan.replications for plan in self.plans.values())
        return 1 if self.until is None else 1 + max(0, math.ceil(math.log2(most / FIRST_ROUND)))

    def replications(self, method: str, rounds: int | None = None) -> int:
        """Replications of a method after so many rounds; after all of them when left out."""
        most = self.plans[method].replications
        if self.until is None or rounds is None:
            return most
        return min(most, FIRST_ROUND * 2 ** (rounds - 1)) if rounds else 0

    def tasks(self) -> Iterator[Task]:
        """All tasks: a method's together, then a setting's, its largest sizes first; by rounds."""
        for number in range(1, self.rounds + 1):
            yield from self.round(number)

    def round(self, number: int) -> Iterator[Task]:
        """The tasks of one round, counted from one."""
        for method, plan in self.plans.items():
            begin, end = (self.replications(method, own) for own in (number - 1, number))
            if self.until is None:
                begin = 0
            if begin == end:
                continue
            for setting in self.settings:
                for n in reversed(plan.sizes):
                    rows = max(n, LEAST_ROWS[method])
                    chunks = math.ceil((end - begin) * rows / ROWS_A_TASK[method])
                    count = math.ceil((end - begin) / min(chunks, end - begin))
                    for first in range(begin, end, count):
                        yield Task(method, setting, n, first, min(count, end - first))

    def seed(self, setting: Setting, n: int, replicate: int, purpose: str = "data") -> SeedSequence:
        """Random numbers of one replication.

        The spawn key is (variant, regime, n, replicate), names as their CRC-32: it does not depend
        on what else the design holds, and MAP and NUTS see the same data.
        """
        key = (
            _identity(setting.variant),
            _identity(setting.name),
            n,
            replicate,
            *PURPOSES[purpose],
        )
        return SeedSequence(self.entropy, spawn_key=key)
