"""Criteria for the number of components, from log-likelihoods and learning coefficients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayes_cmoe.errors import InputError

__all__ = ["least_coefficients", "singular_bic"]


def least_coefficients(parameters: ArrayLike) -> NDArray:
    """Upper bounds of the learning coefficients of nested mixtures, by counting.

    A fit of k components to a truth of j has j regular ones, half a unit for each parameter. Each
    of the k - j further ones shares a component of the truth: what it and the other have together
    is a parameter of the truth's, how they share their weight costs nothing, and by how much they
    lie apart changes the density by the square of it: H² is of the fourth order in that, so each
    such parameter costs a quarter of a unit at most.

        lambda_kj <= parameters_j / 2 + sum_(j < i <= k) (parameters_i - parameters_(i-1) - 1) / 4

    Parameters
    ----------
    parameters : array, shape (k,)
        How many the mixtures with 1, 2, ... components have.

    Returns
    -------
    array, shape (k, j)
        NaN for j > k.
    """
    count = np.asarray(parameters, dtype=float)
    extra = np.concatenate([[0.0], np.cumsum(np.diff(count) - 1.0)]) / 4.0
    table = count / 2.0 + extra[:, None] - extra
    return np.where(np.tri(len(count), dtype=bool), table, np.nan)


def singular_bic(loglik: ArrayLike, coefficients: ArrayLike, n: int) -> NDArray:
    """Singular BIC of nested models, shape (k,): approximate log evidences, the larger the better.

    With L_kj = loglik_k - lambda_kj log n, x_k = exp(sBIC_k) is the positive solution of

        sum_(j <= k) (x_k - exp L_kj) x_j = 0.

    Parameters
    ----------
    loglik : array, shape (k,)
        Largest log-likelihoods.
    coefficients : array, shape (k, j)
        lambda_kj, the learning coefficient of model k at a truth in model j; j > k is not read.
    n : int
        Rows.

    Raises
    ------
    InputError
        When the coefficients are not one for each pair of models.

    References
    ----------
    Drton and Plummer (2017), doi:10.1111/rssb.12187.
    """
    height, table = np.asarray(loglik, dtype=float), np.asarray(coefficients, dtype=float)
    known = np.tri(len(height), dtype=bool)
    if table.shape != known.shape or np.isnan(table[known]).any():
        raise InputError(
            f"{len(height)} models and learning coefficients of shape {table.shape}: give one for "
            "each model k and truth j <= k"
        )
    found: list[float] = []
    for k, own in enumerate(height):
        log_l = own - table[k] * np.log(n)
        before = np.array(found)
        # In units of the largest term, so that nothing overflows.
        top = max([log_l[k], *log_l[:k], *found])
        half = 0.5 * (np.exp(log_l[k] - top) - np.sum(np.exp(before - top)))
        product = np.sum(np.exp(log_l[:k] + before - 2.0 * top))
        root = np.hypot(half, np.sqrt(product))
        # The form without a difference of nearly equal numbers.
        found.append(float(top + np.log(half + root if half >= 0 else product / (root - half))))
    return np.array(found)
