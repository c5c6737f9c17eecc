"""A regime with its exponents, as a design names it."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from bayes_cmoe.errors import InputError, choose
from bayes_cmoe.study.regime import Regime
from bayes_cmoe.study.variant import variant_named

__all__ = ["Setting"]

STEEPEST = 10
"""Exponents at most, in absolute value."""
_LABEL = re.compile(r"(?P<variant>[\w-]+)/(?P<regime>[\w-]+)(\[(?P<exponents>[^\]]*)\])?")
_NUMBER = re.compile(r"-?[0-9]{1,9}(/[1-9][0-9]{0,8}|\.[0-9]{1,9})?")


@dataclass(frozen=True)
class Setting:
    """A regime of a variant, with its own exponents or others.

    Examples
    --------
    >>> Setting.parse("constant_contaminated/merging[gamma=1/8]").gamma
    Fraction(1, 8)
    """

    variant: str
    regime: str
    alpha: Fraction | None = None
    gamma: Fraction | None = None

    @cached_property
    def label(self) -> str:
        """``variant/regime``, with the exponents in brackets where they are not the regime's."""
        given = {"alpha": self.alpha, "gamma": self.gamma}
        marks = ",".join(f"{name}={value}" for name, value in given.items() if value is not None)
        return f"{self.variant}/{self.regime}" + (f"[{marks}]" if marks else "")

    @property
    def name(self) -> str:
        """The label without its variant."""
        return self.label.removeprefix(f"{self.variant}/")

    @property
    def study(self) -> Regime:
        """The regime itself."""
        return variant_named(self.variant).regime(self.regime)

    @property
    def powers(self) -> tuple[Fraction, Fraction]:
        """alpha and gamma along the truth path: its own, or the regime's."""
        path = self.study.path
        return (
            path.alpha if self.alpha is None else self.alpha,
            path.gamma if self.gamma is None else self.gamma,
        )

    @cached_property
    def slug(self) -> str:
        """The label as part of a file name."""
        return re.sub(r"[\[,]", ".", self.label.replace("=", "")).replace("/", "-").rstrip("]")

    @classmethod
    def parse(cls, label: str) -> "Setting":
        """A setting from its label.

        Raises
        ------
        InputError
            When it is not of the form ``variant/regime[alpha=1/8,gamma=1/16]``.
        """
        match = _LABEL.fullmatch(label) if isinstance(label, str) else None
        if match is None:
            raise InputError(
                f"regime {label!r}: write variant/regime, or variant/regime[alpha=1/8,gamma=1/16]"
            )
        exponents: dict[str, Fraction] = {}
        for mark in filter(None, (match["exponents"] or "").split(",")):
            name, _, value = (part.strip() for part in mark.partition("="))
            if choose("exponent", name, ("alpha", "gamma")) in exponents:
                raise InputError(f"regime {label!r} gives {name} twice: leave one out")
            if not _NUMBER.fullmatch(value) or abs(Fraction(value)) > STEEPEST:
                raise InputError(
                    f"regime {label!r}: {mark!r} is no exponent: write {name}=1/8, or another "
                    f"number up to {STEEPEST}"
                )
            exponents[name] = Fraction(value)
        return cls(match["variant"], match["regime"], **exponents)
