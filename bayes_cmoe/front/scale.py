"""The scale of a frozen model's errors among rows of which some are new."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["error_scale"]

STEPS = 500
ENOUGH = 1e-8
SMALLEST = 0.1
"""Quantile of the sizes of errors at which the search begins."""
NORMAL = 0.12566134685507402
"""The same quantile of |N(0, 1)|."""


def error_scale(errors: NDArray) -> tuple[float, float]:
    """Standard deviation of the errors that are the frozen model's, by maximum likelihood.

        e ~ (1 - s) N(0, scale²) + s U(min e, max e)

    New rows may lie anywhere: a uniform background takes them, where the median absolute error
    takes each for one of the model's own and is twice too large when 40 % of the rows are new.

    Parameters
    ----------
    errors : array, shape (n,)

    Returns
    -------
    scale : float
        In the units of the errors; zero where most errors are.
    background : float
        s.

    References
    ----------
    Banfield and Raftery (1993), doi:10.2307/2532201 (a uniform background of noise); EM.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> own, new = rng.normal(0.0, 2.0, 6000), rng.uniform(-20.0, 30.0, 4000)
    >>> scale, background = error_scale(np.concatenate([own, new]))
    >>> round(scale, 1), round(background, 1)
    (2.0, 0.4)
    """
    squares, width = errors**2, float(np.ptp(errors))
    scale = float(np.quantile(np.abs(errors), SMALLEST)) / NORMAL
    share = 0.5
    if not scale > 0 or not width > 0:
        return 0.0, 0.0
    for _ in range(STEPS):
        own = (1.0 - share) * np.exp(-0.5 * squares / scale**2) / (scale * np.sqrt(2.0 * np.pi))
        weight = own / (own + share / width)
        after = float(np.sqrt(np.sum(weight * squares) / np.sum(weight)))
        share, moved = float(1.0 - weight.mean()), abs(after / scale - 1.0)
        scale = after
        if moved < ENOUGH:
            break
    return scale, share
