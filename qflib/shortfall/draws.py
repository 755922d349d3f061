"""Joint draws of a multivariate normal or Student t fitted to moves."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError

F8 = NDArray[np.float64]


def student_t_draws(moves: F8, n: int, seed: int, df: float | None = None) -> F8:
    """Draws with the covariance and the tail thickness of moves, centred on zero.

    x = √((ν − 2) / W) L z with L Lᵀ the covariance, z standard normal, W chi-squared of ν degrees of freedom, one W
    a draw: tails come together (McNeil, Frey and Embrechts 2015, Quantitative Risk Management, example 6.7).
    ν is that of the median excess kurtosis κ over the columns, 4 + 6 / κ, held within 4.5 and 50.

    Parameters
    ----------
    moves
        (rows, d), two rows at least.
    n
        How many draws.
    seed
        Of NumPy's PCG64.
    df
        ν, above 2; infinite: normal draws. None: from the kurtosis.

    Returns
    -------
    (n, d) float64

    Raises
    ------
    InputError
        If there are fewer than two moves, or df is 2 or less.

    Notes
    -----
    No BLAS: sums are in a fixed order, so that a seed gives the same draws whatever library and threads NumPy has.
    O(rows d² + n d²).

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.draws import student_t_draws
    >>> moves = np.random.default_rng(1).normal(size=(500, 2))
    >>> student_t_draws(moves, 4, seed=7).shape
    (4, 2)
    """
    rows, d = moves.shape
    if rows < 2:
        raise InputError(f"{rows} moves fit no covariance; give a history of 3 rows at least")
    if df is not None and not df > 2.0:
        raise InputError(f"df is {df}; expected more than 2, so that there is a covariance")
    centred = moves - moves.mean(axis=0)
    covariance = np.empty((d, d))
    for i in range(d):
        for j in range(i + 1):
            covariance[i, j] = covariance[j, i] = np.sum(centred[:, i] * centred[:, j]) / (rows - 1)
    nu = _degrees_of_freedom(centred) if df is None else df
    rng = np.random.Generator(np.random.PCG64(seed))
    out = correlated(cholesky(covariance), rng.standard_normal((n, d)))
    if np.isfinite(nu):
        out *= np.sqrt((nu - 2.0) / rng.chisquare(nu, n))[:, None]
    return out


def correlated(root: F8, z: F8) -> F8:
    """Rows of z times the root's transpose, summed in a fixed order."""
    out = np.zeros(z.shape)
    for i in range(len(root)):
        for j in range(i + 1):
            out[:, i] += root[i, j] * z[:, j]
    return out


def _degrees_of_freedom(centred: F8) -> float:
    variance = np.mean(centred**2, axis=0)
    moving = variance > 0
    if not moving.any():
        return 50.0
    kurtosis = float(np.median(np.mean(centred**4, axis=0)[moving] / variance[moving] ** 2)) - 3.0
    return min(max(4.0 + 6.0 / kurtosis, 4.5), 50.0) if kurtosis > 0 else 50.0


def cholesky(a: F8) -> F8:
    """Lower Cholesky root; a column that others explain wholly (pivot below 1e-12 of its variance) adds nothing."""
    d = len(a)
    root = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1):
            rest = float(a[i, j])
            for k in range(j):
                rest -= float(root[i, k]) * float(root[j, k])
            if i == j:
                root[i, i] = math.sqrt(rest) if rest > 1e-12 * float(a[i, i]) else 0.0
            elif root[j, j] > 0.0:
                root[i, j] = rest / float(root[j, j])
    return root
