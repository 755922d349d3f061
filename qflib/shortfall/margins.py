"""Quantiles of one factor's moves: of those that happened, with tails of their own."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from qflib.errors import InputError

F8 = NDArray[np.float64]
Margins: TypeAlias = Literal["empirical", "gpd"]

#: The share of moves in each tail that a generalised Pareto law is fitted to, and how many it needs.
_TAIL, _LEAST = 0.1, 20


def quantiles(moves: F8, u: F8, margins: Margins = "gpd") -> F8:
    """Values of one factor at probabilities.

    Parameters
    ----------
    moves
        (rows,) that happened.
    u
        (n,) within 0 and 1.
    margins
        "empirical": between order statistics on straight lines, at probabilities (i − 1/2)/rows, never beyond the
        least and greatest. "gpd": beyond the 10 % in each tail, by a generalised Pareto law fitted to them.

    Raises
    ------
    InputError
        If margins is unknown, or there are fewer than 200 moves for "gpd".

    Notes
    -----
    O(rows log rows + n log rows). McNeil and Frey (2000), Estimation of tail-related risk measures for heteroscedastic
    financial time series; the probability beyond a threshold is that of the order statistic it is.

    Examples
    --------
    >>> import numpy as np
    >>> from qflib.shortfall.margins import quantiles
    >>> moves = np.random.default_rng(1).standard_t(4, 1000)
    >>> quantiles(moves, np.array([0.5, 0.9999]), "empirical").round(2)
    array([-0.01,  7.16])
    """
    if margins not in get_args(Margins):
        raise InputError(f"margins is {margins!r}; expected one of {', '.join(get_args(Margins))}")
    rows = len(moves)
    ordered = np.sort(moves)
    out = np.interp(u, (np.arange(rows) + 0.5) / rows, ordered)
    if margins == "empirical":
        return out
    k = int(_TAIL * rows)
    if k < _LEAST:
        raise InputError(
            f"{rows} moves leave {k} in each tail; margins='gpd' needs {_LEAST / _TAIL:.0f} moves: give a longer "
            f"history, or margins='empirical'"
        )
    for sign, side, share in ((1.0, ordered, 1.0 - u), (-1.0, -ordered[::-1], u)):
        threshold = float(side[-1 - k])
        # fewer than k where values tie at the threshold; a tail of few has no law, and stays as it happened
        exceed = int(np.sum(side > threshold))
        if exceed >= _LEAST:
            mass = (exceed + 0.5) / rows
            beyond = share < mass
            out[beyond] = sign * _beyond(side, threshold, share[beyond] / mass)
    return out


def _beyond(ordered: F8, threshold: float, share: F8) -> F8:
    """Values that are exceeded by a share of those beyond the threshold, and half of it."""
    from qflib.shortfall.evt import fit_pot  # SciPy's statistics take half a second

    fit = fit_pot(ordered, threshold, kind="loss")
    gone = -np.log(share)
    if abs(fit.shape) < 1e-9:
        return np.asarray(threshold + fit.scale * gone)
    return np.asarray(threshold + fit.scale / fit.shape * np.expm1(fit.shape * gone))
