"""Two engines on one posterior: do their means and standard deviations agree?"""

import arviz as az
import numpy as np
from numpy.typing import NDArray

from bayes_cmoe.estimate.importance import Weights

__all__ = ["disagreements"]

APART = 4.5
"""Standard errors of the difference; by chance 7 in a million normal figures are further apart."""


def disagreements(
    labels: tuple[str, ...], draws: NDArray, others: NDArray, weights: Weights
) -> list[str]:
    """Parameters whose mean or spread differs by more than Monte-Carlo error.

    z = (m_1 - m_2) / sqrt(se_1^2 + se_2^2), of means and of standard deviations.

    Parameters
    ----------
    labels : tuple of str, one a parameter
    draws : array, shape (chain, draw, parameter)
        Of a Markov chain.
    others : array, shape (draw, parameter)
        Of a proposal.
    weights : Weights
        Of the `others`.

    Returns
    -------
    list of str
        A line for each figure further apart than 4.5 standard errors; empty when all agree.
    """
    lines = []
    for i, label in enumerate(labels):
        chain, other = draws[..., i], others[:, i]
        mean = weights.share @ other
        away = (other - mean) ** 2
        spread = np.sqrt(weights.share @ away)
        ours = {"mean": chain.mean(), "sd": chain.std()}
        theirs = {"mean": mean, "sd": spread}
        errors = {
            "mean": (_mcse(chain, "mean"), _error(weights.share, other - mean)),
            # The delta method: the standard deviation moves by half the variance's share.
            "sd": (
                _mcse(chain, "sd"),
                _error(weights.share, away - spread**2) / max(2.0 * spread, 1e-300),
            ),
        }
        for figure, (first, second) in errors.items():
            gap, error = abs(ours[figure] - theirs[figure]), np.hypot(first, second)
            if gap > APART * error:
                lines.append(
                    f"{label} {figure} {ours[figure]:.3g} by NUTS, {theirs[figure]:.3g} by nested "
                    f"Laplace ({gap / error:.1f} standard errors)"
                )
    return lines


def _mcse(chain: NDArray, figure: str) -> float:
    return float(az.mcse(chain, method=figure))


def _error(share: NDArray, deviation: NDArray) -> float:
    """Standard error of a weighted mean whose deviations these are."""
    return float(np.sqrt(np.sum((share * deviation) ** 2)))
