"""Published rates: exponents on a truth path, what they are stated for, and where."""

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Exponent", "Rate", "rates_in_delta"]


@dataclass(frozen=True)
class Exponent:
    """A rate's exponent on a truth path: error ~ n^(constant + alpha·A + gamma·G)

    at gate exponent A and merging exponent G.

    Examples
    --------
    >>> Exponent(Fraction(-1, 2), gamma=Fraction(2)).at(alpha=0.0, gamma=Fraction(1, 8))
    Fraction(-1, 4)
    """

    constant: Fraction
    alpha: Fraction = Fraction(0)
    gamma: Fraction = Fraction(0)

    def at(self, alpha: Fraction | float, gamma: Fraction | float) -> Fraction:
        """The exponent at given (alpha, gamma)."""
        return self.constant + self.alpha * Fraction(alpha) + self.gamma * Fraction(gamma)


@dataclass(frozen=True)
class Rate:
    """A published rate for one parameter.

    Parameters
    ----------
    parameter : str
        A parameter's name, ``exp_tau``, or ``expert`` for the joint norm of the expert's.
    upper : Exponent
        Of the maximum-likelihood estimator's error.
    lower : Exponent or None
        Of the minimax lower bound, where one is published.
    source : str
        Paper and where in it.
    condition : str
        When it holds; empty when always.
    mark : {"published", "derived"}
        Stated in the paper, or worked out from an expansion that `source` names.
    """

    parameter: str
    upper: Exponent
    lower: Exponent | None
    source: str
    condition: str = ""
    mark: str = "published"


def rates_in_delta(
    source: str, condition: str, mark: str = "published", **power: int
) -> tuple[Rate, ...]:
    """Rates n^-1/2 ‖Delta*‖^-power by target, upper and lower.

    Examples
    --------
    >>> rate, *_ = rates_in_delta("arXiv:2505.18455", "fixed gate", exp_tau=2, beta=1, expert=1)
    >>> rate.parameter, rate.upper.at(Fraction(0), Fraction(1, 8))
    ('exp_tau', Fraction(-1, 4))
    """
    exponents = {
        name: Exponent(Fraction(-1, 2), gamma=Fraction(delta)) for name, delta in power.items()
    }
    return tuple(Rate(name, one, one, source, condition, mark) for name, one in exponents.items())
