"""Raw shocks to expected shortfall: 1,000 options on 20 underlyings, 100,000 scenarios; peers: NumPy, QuantLib."""

from __future__ import annotations

import sys
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
_PEER_SCENARIOS = 200


def rows(peers: bool) -> Iterator[Row]:
    """Seconds on all cores: logarithms, revaluation, tail; and the error of expected shortfall by each way."""
    book = _book()
    returns, shifts = _shocks(_SCENARIOS)

    def es(accuracy: Accuracy) -> float:
        moves = tuple(Moves.of(returns[u], shifts[u], _YEARS) for u in range(_UNDERLYINGS))
        pnl = np.zeros(_SCENARIOS)
        add_scenario_pnl(book, moves, pnl, accuracy)
        return float(expected_shortfall(pnl, level=_LEVEL, kind="pnl").es)

    beside = _peers(book, returns, shifts) if peers else {}
    yield timed("grid", lambda: es("fast"), unit="s")
    row = timed("exact", lambda: es("full"), unit="s")
    yield row._replace(peers=beside)
    whole = float(expected_shortfall(_plain(book, returns, shifts), level=_LEVEL, kind="pnl").es)
    for name, accuracy in (("grid", "fast"), ("exact", "full")):
        error = abs(es(accuracy) / whole - 1.0)  # type: ignore[arg-type]
        yield Row(f"{name}_rel_error", error, error, "relative")


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


def _peers(book: tuple[Valued, ...], returns: F, shifts: F) -> dict[str, float]:
    """Seconds on the same scenarios; QuantLib's from the first of them, an option a call, told as such."""
    found = {"numpy + scipy ndtr": timed("", lambda: _plain(book, returns, shifts), unit="s").value}
    try:
        import QuantLib as ql
    except ImportError:
        print("qflib: peer QuantLib is left out: pip install QuantLib", file=sys.stderr)
        return found

    def revalued() -> Any:
        total = 0.0
        for u, v in enumerate(book):
            listed = list(zip(v.right.tolist(), v.strike.tolist(), v.years.tolist(), v.vol.tolist(), strict=True))
            for j in range(_PEER_SCENARIOS):
                s, shift = v.forward * (1.0 + returns[u, j]), float(shifts[u, j])
                for right, strike, years, vol in listed:
                    root = max(vol + shift, VOL_FLOOR) * (years - _YEARS) ** 0.5
                    total += ql.blackFormula(ql.Option.Call if right > 0 else ql.Option.Put, strike, s, root)
        return total

    took = timed("", revalued, unit="s").value
    return found | {f"QuantLib blackFormula, {_PEER_SCENARIOS} scenarios": took}
