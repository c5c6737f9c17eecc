"""Which failures of a fit are numerical: they become rows; any other is a mistake and stops a run.

NumPy raises types of its own for such failures. SciPy, XLA and nutpie say in a ValueError or a
RuntimeError that a number is not finite, so there the words count.
"""

import re

import numpy as np

from bayes_cmoe.errors import InputError

__all__ = ["CARRIERS", "is_numerical"]

CARRIERS = (ArithmeticError, ValueError, RuntimeError)
"""Types that a numerical failure may have; JAX's own errors are RuntimeErrors."""
TYPES = (ArithmeticError, np.linalg.LinAlgError)
_WORDS = re.compile(
    r"\b(nans?|infs?|infinit(y|e)|(non-?|not )finite|singular|not converge)\b", re.IGNORECASE
)
_NUTPIE = re.compile(r"BadLogp\(|bad initial gradient")
_NUTPIE_PYTHON = re.compile(r"PyError\(PyErr \{ type: <class '([\w.]+)'>, value: (.*?), traceback")
_NAMES = ("ArithmeticError", "FloatingPointError", "OverflowError", "ZeroDivisionError")


def is_numerical(error: Exception) -> bool:
    """Whether numbers failed, and not the program.

    Parameters
    ----------
    error : Exception

    Examples
    --------
    >>> is_numerical(FloatingPointError("overflow"))
    True
    >>> is_numerical(ValueError("array must not contain infs or NaNs"))
    True
    >>> is_numerical(ValueError("operands could not be broadcast together"))
    False
    """
    if isinstance(error, TYPES):
        return True
    if isinstance(error, InputError) or not isinstance(error, CARRIERS):
        return False
    message = str(error)
    inside = _NUTPIE_PYTHON.search(message)
    if inside:
        # nutpie wraps what the density raised, with a traceback that may hold any word.
        kind, value = inside.groups()
        return kind.rpartition(".")[2] in (*_NAMES, "LinAlgError") or bool(_WORDS.search(value))
    first = message.partition("\n\nStack backtrace")[0]
    return bool(_NUTPIE.search(first) or _WORDS.search(first))
