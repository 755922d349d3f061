"""ES of a sample as it happened: exact, by age, or by a peer's rule."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from qflib.errors import InputError
from qflib.kernels.expected_shortfall import es_of_worst, tail_mass, worst
from qflib.shortfall.conventions import DECAYING, DEFAULT, OF_WORST, RULES, Sample, age_weights, rule_of
from qflib.shortfall.estimated import F8, Estimated, Settings
from qflib.shortfall.inputs import share_of


def historical(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """By the convention; the default exact (Rockafellar and Uryasev 2002, Proposition 8)."""
    rule = rule_of(s.convention)
    if rule != DEFAULT:
        if s.weights is not None:
            raise InputError(f"convention {s.convention!r} takes no weights; use {DEFAULT}")
        return _by_rule(pnl, levels, rule, s)
    if s.weights is not None or s.decay is not None:
        if s.n is not None or (s.weights is not None and s.decay is not None):
            raise InputError("weights, decay and n exclude each other; give one of them")
        if s.decay is not None:
            return _weighted(pnl, levels, age_weights(len(pnl), s.decay), sampled=True)
        return _weighted(pnl, levels, _checked(s.weights, len(pnl)), sampled=False)
    return _plain(pnl, levels, s.confidence) if s.n is None else _of_worst(pnl, levels, s.n)


def age_weighted(pnl: F8, levels: F8, s: Settings) -> Estimated:
    """Boudoukh, Richardson and Whitelaw (1998), by the exact ES of the weighted sample."""
    decay = 0.98 if s.decay is None else s.decay
    made = _weighted(pnl, levels, age_weights(len(pnl), decay), sampled=True)
    return Estimated(made.es, made.var, made.n_tail, made.se, made.var_se, parameters={"decay": decay})


def _plain(pnl: F8, levels: F8, confidence: float) -> Estimated:
    n = len(pnl)
    masses = [tail_mass(n, c) for c in levels.tolist()]
    tails = [math.ceil(m) for m in masses]
    ranks = [_ranks(n, c, confidence) for c in levels.tolist()]
    work = np.empty(n)
    worst(pnl, min(n, max(*tails, *(r[0] for r in ranks))), work)
    out = np.full((5, len(levels)), np.nan)
    for i, (mass, k, (last, first)) in enumerate(zip(masses, tails, ranks, strict=True)):
        out[0, i], out[1, i] = es_of_worst(work, mass), 0.0 - work[k - 1]
        if k >= 2:
            excess = -work[:k] - out[1, i]
            total = float(np.sum(excess))
            spread = max(float(excess @ excess) - total * total / n, 0.0) / (n - 1)
            out[2, i] = math.sqrt(spread / n) / (1.0 - levels[i])
        if last <= n:
            out[3, i] = 0.0 - work[last - 1]
        if first >= 1:
            out[4, i] = 0.0 - work[first - 1]
    es, var, se, var_low, var_high = out
    return Estimated(es, var, np.array(tails, np.int64), se, np.full(len(levels), np.nan), var_low, var_high)


@lru_cache(1024)
def _ranks(n: int, level: float, confidence: float) -> tuple[int, int]:
    """Ranks, worst first, of the losses that bound VaR: how many lie beyond it is binomial, whatever the law."""
    tail = 0.5 * (1.0 - confidence)
    counts = np.ceil(special.bdtrik([1.0 - tail, tail], n, 1.0 - level) - 1e-9)
    counts[~(counts > 0.0)] = 0.0  # NaN where already none beyond it is as likely
    return int(counts[0]) + 1, int(counts[1])


def _of_worst(pnl: F8, levels: F8, n: int) -> Estimated:
    tail = np.sort(pnl)
    masses = [tail_mass(n, c) for c in levels]
    counts = np.array([math.ceil(m) for m in masses], np.int64)
    if counts.max() > len(tail):
        raise InputError(f"the tail of n = {n} holds {counts.max()} values and x {len(tail)}; give more of the worst")
    es = np.array([es_of_worst(tail, m) for m in masses])
    return _without_errors(es, 0.0 - tail[counts - 1], counts)


def _weighted(pnl: F8, levels: F8, weights: F8, sampled: bool) -> Estimated:
    """Rockafellar and Uryasev (2002), Proposition 8, with unequal probabilities."""
    order = np.argsort(pnl, kind="stable")
    ordered, held = pnl[order], weights[order]
    before = np.r_[0.0, np.cumsum(held)[:-1]]
    es, var, counts = np.empty(len(levels)), np.empty(len(levels)), np.empty(len(levels), np.int64)
    se = np.full(len(levels), np.nan)
    for i, c in enumerate(levels):
        mass = 1.0 - c
        taken = np.clip(mass - before, 0.0, held)
        taken[taken < 1e-14] = 0.0  # what rounding leaves of a tail that ends between two observations
        counts[i] = int(np.count_nonzero(taken))
        es[i] = 0.0 - float(np.sum(taken * ordered)) / float(np.sum(taken))
        var[i] = 0.0 - ordered[np.flatnonzero(taken)[-1]]
        if sampled and counts[i] >= 2:
            excess = np.maximum(-ordered - var[i], 0.0) / mass
            se[i] = math.sqrt(float(np.sum((held * (excess - float(held @ excess))) ** 2)))
    return Estimated(es, var, counts, se, np.full(len(levels), np.nan))


def _checked(weights: ArrayLike | None, n: int) -> F8:
    try:
        w = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"weights are no numbers; expected ({n},) probabilities") from None
    if w.shape != (n,) or not np.isfinite(w).all() or (w < 0).any() or not (w > 0).any():
        raise InputError(f"weights have shape {w.shape} or hold negative or NaN values; expected ({n},) probabilities")
    w = w / float(np.max(w))  # their sum may overflow
    return w / float(np.sum(w))


def _by_rule(pnl: F8, levels: F8, rule: str, s: Settings) -> Estimated:
    if (s.decay is None) == (rule in DECAYING):
        raise InputError(f"convention {s.convention!r} {'needs' if s.decay is None else 'takes no'} decay")
    if s.decay is not None:
        share_of(s.decay, "decay", 0.94)
    if s.n is not None and rule not in OF_WORST:
        raise InputError(
            f"convention {s.convention!r} needs all observations; leave n out, or use {', '.join(OF_WORST)}"
        )
    sample = Sample(0.0 - pnl, len(pnl) if s.n is None else s.n, 0.0 if s.decay is None else s.decay)
    made = [RULES[rule](sample, float(c)) for c in levels]
    es, var = np.array([m[0] for m in made]), np.array([m[1] for m in made])
    return _without_errors(es, var, np.array([m[2] for m in made], np.int64))


def _without_errors(es: F8, var: F8, n_tail: NDArray[np.int64]) -> Estimated:
    return Estimated(es, var, n_tail, np.full(len(es), np.nan), np.full(len(es), np.nan))
