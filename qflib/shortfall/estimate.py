"""Expected shortfall of a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import es_of_worst, es_var, tail_mass
from qflib.shortfall.conventions import DECAYING, OF_WORST, RULES, Sample, age_weights
from qflib.shortfall.inputs import Kind, levels_of, pnl_of
from qflib.shortfall.result import ESResult

F8 = NDArray[np.float64]
DEFAULT = "rockafellar_uryasev"


def expected_shortfall(
    x: ArrayLike | pd.Series[Any],
    level: float | Sequence[float] = 0.975,
    *,
    kind: Kind | None = None,
    convention: str = DEFAULT,
    weights: ArrayLike | None = None,
    decay: float | None = None,
    n: int | None = None,
    confidence: float = 0.95,
) -> ESResult:
    """Expected shortfall and value at risk of a sample.

    By default exact for any n and level: the mean of the worst n(1 − level) observations, the last of them in part
    (Rockafellar and Uryasev 2002, Proposition 8; Acerbi and Tasche 2002, Definition 2.6). Fewer observations than
    1 / (1 − level) are no error: the tail is then part of the worst one, and ES and VaR are that loss (n_tail 1,
    standard error NaN).

    Parameters
    ----------
    x
        (n,) finite, newest last (which matters where a rule takes age into account).
    level
        Confidence, or several.
    kind
        "pnl" or "return": gains positive. "loss": losses positive. There is no default: a sample does not tell.
    convention
        "rockafellar_uryasev", or a peer's rule by name: see `qflib.shortfall.conventions`.
    weights
        (n,) probabilities, not negative; scaled to sum to one. With the default convention only.
    decay
        Of the weights by age (default convention, age_quarks) or of the volatility (ewma_volatility).
    n
        How many observations there were, where x holds only the worst of them.
    confidence
        Of the interval (low, high).

    Returns
    -------
    ESResult
        With the asymptotic standard error sd((L − VaR)₊) / ((1 − level) √n) for equally weighted samples
        (Trindade, Uryasev, Shapiro and Zrazhevsky 2007, Financial prediction with constrained tail risk, Theorem 2.2),
        which holds for independent observations.

    Raises
    ------
    InputError
        If kind is missing, kind, level or convention is unknown, a value is NaN or infinite, x is empty, or a rule's
        tail is empty.

    Notes
    -----
    O(n + k log k), k = n(1 − level).

    Examples
    --------
    >>> import qflib.shortfall as shortfall
    >>> r = shortfall.expected_shortfall([0, 1, 2, 3, 4], level=0.75, kind="loss")
    >>> r.es, r.var  # (4 + 3/4) / 1.25, not the mean of the two worst
    (3.8, 3.0)
    """
    if kind is None:
        raise InputError('kind is missing; give kind="pnl", "return" (gains positive) or "loss" (losses positive)')
    pnl, levels = pnl_of(x, kind), levels_of(level)
    if convention != DEFAULT and convention not in RULES:
        raise InputError(f"convention is {convention!r}; expected {DEFAULT}, {', '.join(RULES)}")
    if n is not None and n < len(pnl):
        raise InputError(f"n is {n} and x holds {len(pnl)} values; n counts all, x the worst of them")
    count = len(pnl) if n is None else n
    if convention == DEFAULT:
        es, var, n_tail = _exact(pnl, levels, weights, decay, n)
    elif weights is not None:
        raise InputError(f"convention {convention!r} takes no weights; use {DEFAULT}")
    else:
        es, var, n_tail = _by_rule(pnl, levels, convention, decay, n)
    plain = convention == DEFAULT and weights is None and decay is None and n is None
    se = _standard_errors(pnl, levels, var, n_tail) if plain else np.full(len(levels), np.nan)
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    half = float(special.ndtri(0.5 + 0.5 * confidence)) * se
    figures = (es, var, levels, n_tail, se, es - half, es + half)
    e, v, c, t, s, low, high = figures if np.ndim(level) else (a[0].item() for a in figures)
    return ESResult(e, v, c, count, t, s, low, high, confidence, convention, pnl)


def _exact(
    pnl: F8, levels: F8, weights: ArrayLike | None, decay: float | None, n: int | None
) -> tuple[F8, F8, NDArray[np.int64]]:
    if weights is not None or decay is not None:
        if n is not None or (weights is not None and decay is not None):
            raise InputError("weights, decay and n exclude each other; give one of them")
        probabilities = _checked(weights, len(pnl)) if decay is None else age_weights(len(pnl), decay)
        return _weighted(pnl, levels, probabilities)
    if n is not None:
        return _of_worst(pnl, levels, n)
    out = np.empty((len(levels), 2))
    es_var(pnl, levels, out, np.empty(len(pnl)))
    tails = np.array([math.ceil(tail_mass(len(pnl), c)) for c in levels], np.int64)
    return out[:, 0], out[:, 1], tails


def _of_worst(pnl: F8, levels: F8, n: int) -> tuple[F8, F8, NDArray[np.int64]]:
    tail = np.sort(pnl)
    masses = [tail_mass(n, c) for c in levels]
    counts = np.array([math.ceil(m) for m in masses], np.int64)
    if counts.max() > len(tail):
        raise InputError(f"the tail of n = {n} holds {counts.max()} values and x {len(tail)}; give more of the worst")
    es = np.array([es_of_worst(tail, m) for m in masses])
    return es, 0.0 - tail[counts - 1], counts


def _weighted(pnl: F8, levels: F8, weights: F8) -> tuple[F8, F8, NDArray[np.int64]]:
    """Rockafellar and Uryasev (2002), Proposition 8, with unequal probabilities."""
    order = np.argsort(pnl, kind="stable")
    worst, held = pnl[order], weights[order]
    before = np.r_[0.0, np.cumsum(held)[:-1]]
    es, var, counts = np.empty(len(levels)), np.empty(len(levels)), np.empty(len(levels), np.int64)
    for i, c in enumerate(levels):
        mass = 1.0 - c
        taken = np.clip(mass - before, 0.0, held)
        taken[taken < 1e-14] = 0.0  # what rounding leaves of a tail that ends between two observations
        counts[i] = int(np.count_nonzero(taken))
        es[i] = 0.0 - float(np.sum(taken * worst)) / float(np.sum(taken))
        var[i] = 0.0 - worst[np.flatnonzero(taken)[-1]]
    return es, var, counts


def _checked(weights: ArrayLike | None, n: int) -> F8:
    w = np.asarray(weights, np.float64)
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not w.sum() > 0:
        raise InputError(f"weights have shape {w.shape} or hold negative or NaN values; expected ({n},) probabilities")
    return w / float(np.sum(w))


def _by_rule(
    pnl: F8, levels: F8, convention: str, decay: float | None, n: int | None
) -> tuple[F8, F8, NDArray[np.int64]]:
    if (decay is None) == (convention in DECAYING):
        raise InputError(f"convention {convention!r} {'needs' if decay is None else 'takes no'} decay")
    if decay is not None and not 0.0 < decay < 1.0:
        raise InputError(f"decay is {decay}; expected a number between 0 and 1, such as 0.94")
    if n is not None and convention not in OF_WORST:
        raise InputError(f"convention {convention!r} needs all observations; leave n out, or use {', '.join(OF_WORST)}")
    sample = Sample(0.0 - pnl, len(pnl) if n is None else n, 0.0 if decay is None else decay)
    made = [RULES[convention](sample, float(c)) for c in levels]
    return (
        np.array([m[0] for m in made]),
        np.array([m[1] for m in made]),
        np.array([m[2] for m in made], np.int64),
    )


def _standard_errors(pnl: F8, levels: F8, var: F8, n_tail: NDArray[np.int64]) -> F8:
    n = len(pnl)
    se = np.full(len(levels), np.nan)
    for i, c in enumerate(levels):
        if n_tail[i] >= 2:
            se[i] = float(np.std(np.maximum(-pnl - var[i], 0.0), ddof=1)) / ((1.0 - c) * math.sqrt(n))
    return se
