"""Numbers as a page or a terminal shows them."""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["count", "fixed", "fraction", "significant", "span", "vector"]

NONE = "–"


def _signed(text: str) -> str:
    return text.replace("-", "−")


def fixed(value: float, digits: int = 3) -> str:
    """A number with so many decimals.

    Examples
    --------
    >>> fixed(-0.25), fixed(float("nan"))
    ('−0.250', '–')
    """
    if not math.isfinite(value):
        return NONE
    text = f"{value:.{digits}f}"
    return _signed(text if float(text) else text.removeprefix("-"))


def span(low: float, high: float, digits: int = 3) -> str:
    """An interval.

    Examples
    --------
    >>> span(-0.5, 1.0, 1)
    '[−0.5, 1.0]'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{fixed(low, digits)}, {fixed(high, digits)}]"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits.

    Examples
    --------
    >>> significant(0.00012345), significant(1e-9)
    ('0.000123', '1.00 × 10⁻⁹')
    """
    if not math.isfinite(value):
        return NONE
    if value and not 1e-4 <= abs(value) < 1e6:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{_signed(mantissa)} × 10{raised}"
    return _signed(f"{value:#.{digits}g}".rstrip("."))


def fraction(value: float) -> str:
    """An exponent as the fraction that it is.

    Examples
    --------
    >>> fraction(-0.375), fraction(0.0)
    ('−3/8', '0')
    """
    if not math.isfinite(value):
        return NONE
    return _signed(str(Fraction(value).limit_denominator(1000)))


def count(value: float) -> str:
    """A whole number with its thousands parted.

    Examples
    --------
    >>> count(31623)
    '31\u202f623'
    """
    return f"{int(value):,}".replace(",", "\u202f")


def vector(values: ArrayLike) -> str:
    """A parameter's value: a number, or its entries in brackets, rows parted by semicolons.

    Examples
    --------
    >>> vector(0.25), vector([1.0, -0.5]), vector([[1.0, 2.0], [3.0, 4.0]])
    ('0.25', '(1, −0.5)', '(1, 2; 3, 4)')
    """
    array = np.asarray(values, dtype=float)
    if array.ndim == 0:
        return _signed(f"{float(array):.4g}")
    rows = array.reshape(-1, array.shape[-1])
    lines = [", ".join(_signed(f"{value:.4g}") for value in row) for row in rows]
    return f"({'; '.join(lines)})"
