"""Raw shocks to expected shortfall: 1,000 options on 20 underlyings, 100,000 scenarios; peers: NumPy, QuantLib."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.cli.bench import Row, timed
from qflib.hedging.revaluation import VOL_FLOOR, Moves, Valued
from qflib.hedging.scenario_table import Accuracy, add_scenario_pnl
from qflib.pricing import black76
from qflib.shortfall import expected_shortfall

F = NDArray[np.float64]
_OPTIONS, _UNDERLYINGS, _SCENARIOS, _LEVEL = 1_000, 20, 100_000, 0.975
_RATE, _YEARS = 0.03, 1 / 252
_TOLD_EVERY_S = 5.0


def rows(peers: bool) -> Iterator[Row]:
    """Seconds on all cores: logarithms, revaluation, tail; and the error of expected shortfall by each way."""
    book = _book()
    returns, shifts = _shocks(_SCENARIOS)

    def es(accuracy: Accuracy) -> float:
        moves = tuple(Moves.of(returns[u], shifts[u], _YEARS) for u in range(_UNDERLYINGS))
        pnl = np.zeros(_SCENARIOS)
        add_scenario_pnl(book, moves, pnl, accuracy)
        return _tail(pnl)

    yield timed("grid", lambda: es("fast"), unit="s")
    row = timed("exact", lambda: es("full"), unit="s")
    seconds, others = _peers(book, returns, shifts) if peers else ({}, {})
    yield row._replace(peers=seconds, note=f"QuantLib: one run over all {_SCENARIOS:,} scenarios" if others else "")
    whole = _tail(_plain(book, returns, shifts))
    for name, accuracy in (("grid", "fast"), ("exact", "full")):
        error = abs(es(accuracy) / whole - 1.0)  # type: ignore[arg-type]
        theirs = {peer: abs(x / whole - 1.0) for peer, x in others.items()} if name == "exact" else {}
        yield Row(f"{name}_rel_error", error, error, "relative", theirs)
    pnl = np.zeros(_SCENARIOS)
    moves = tuple(Moves.of(returns[u], shifts[u], _YEARS) for u in range(_UNDERLYINGS))
    bound = add_scenario_pnl(book, moves, pnl, "fast") / float(np.abs(pnl).max())
    yield Row("grid_bound", bound, bound, "of the greatest P&L")


def _tail(pnl: F) -> float:
    return float(expected_shortfall(pnl, level=_LEVEL, kind="pnl").es)


def _book() -> tuple[Valued, ...]:
    rng = np.random.default_rng(1)
    of, forward = rng.integers(0, _UNDERLYINGS, _OPTIONS), rng.uniform(50, 500, _UNDERLYINGS)
    strike, years = forward[of] * rng.uniform(0.8, 1.2, _OPTIONS), rng.uniform(0.05, 2.0, _OPTIONS)
    vol, right = rng.uniform(0.15, 0.5, _OPTIONS), rng.choice([1.0, -1.0], _OPTIONS)
    qty = rng.normal(0, 100, _OPTIONS)
    made = []
    for u in range(_UNDERLYINGS):
        at = np.flatnonzero(of == u)
        n = len(at)
        price = np.asarray(black76(right[at], forward[u], strike[at], years[at], vol[at], _RATE))
        yes, no = np.ones(n, bool), np.zeros(n, bool)
        made.append(
            Valued(
                str(u), float(forward[u]), _RATE, at, yes, no, right[at], strike[at], years[at], vol[at], price,
                qty[at], np.zeros(n),
            )
        )  # fmt: skip
    return tuple(made)


def _shocks(n: int) -> tuple[F, F]:
    """Relative returns with heavy tails and a common part, and vol shifts: (underlyings, scenarios)."""
    rng = np.random.default_rng(2)
    own, common = rng.standard_t(4, (_UNDERLYINGS, n)), rng.standard_t(4, n)
    return np.expm1(0.012 * np.sqrt(0.5) * (own + common)), rng.normal(0, 0.02, (_UNDERLYINGS, n))


def _plain(book: tuple[Valued, ...], returns: F, shifts: F) -> F:
    """The P&L of the textbook's formula with SciPy's normal distribution, an option at a time."""
    from scipy.special import ndtr

    out = np.zeros(returns.shape[1])
    for u, v in enumerate(book):
        s = v.forward * (1.0 + returns[u])
        for i in range(len(v.strike)):
            t = v.years[i] - _YEARS
            root = np.maximum(v.vol[i] + shifts[u], VOL_FLOOR) * np.sqrt(t)
            d1 = np.log(s / v.strike[i]) / root + 0.5 * root
            c, discount = v.right[i], np.exp(-_RATE * t)
            out += v.cash_qty[i] * c * discount * (s * ndtr(c * d1) - v.strike[i] * ndtr(c * (d1 - root)))
            out -= v.cash_qty[i] * v.price[i]
    return out


def _peers(book: tuple[Valued, ...], returns: F, shifts: F) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds, and expected shortfall, on the same scenarios; QuantLib's of one run, for it takes minutes."""
    name = "numpy + scipy ndtr"
    seconds = {name: timed("", lambda: _tail(_plain(book, returns, shifts)), unit="s").value}
    try:
        import QuantLib as ql
    except ImportError:
        print("qflib: peer QuantLib is left out: pip install QuantLib", file=sys.stderr)
        return seconds, {}
    start = time.perf_counter()
    pnl = _quantlib(ql, book, returns, shifts, start)
    es = _tail(pnl)
    whole = "QuantLib blackFormula"
    return seconds | {whole: time.perf_counter() - start}, {whole: es}


def _quantlib(ql: Any, book: tuple[Valued, ...], returns: F, shifts: F, start: float) -> F:
    """The P&L of every option in every scenario, a call each; how far it is, on stderr."""
    black, due = ql.blackFormula, start
    listed = []
    for v in book:
        columns = (v.right, v.strike, v.years, v.vol, v.cash_qty, v.price)
        rows = list(zip(*(c.tolist() for c in columns), strict=True))
        terms = []
        for right, strike, years, vol, qty, price in rows:
            left, kind = years - _YEARS, ql.Option.Call if right > 0 else ql.Option.Put
            terms.append((kind, strike, left**0.5, vol, float(np.exp(-_RATE * left)), qty, price))
        listed.append((v.forward, terms))
    out, n = np.zeros(returns.shape[1]), returns.shape[1]
    for j in range(n):
        total = 0.0
        for (forward, terms), up, shift in zip(listed, returns[:, j].tolist(), shifts[:, j].tolist(), strict=True):
            s = forward * (1.0 + up)
            for kind, strike, root, vol, discount, qty, price in terms:
                total += qty * (black(kind, strike, s, max(vol + shift, VOL_FLOOR) * root, discount) - price)
        out[j] = total
        if time.perf_counter() >= due:
            due = time.perf_counter() + _TOLD_EVERY_S
            print(
                f"qflib: QuantLib: {j + 1:,} of {n:,} scenarios, {time.perf_counter() - start:.0f} s", file=sys.stderr
            )
    return out
