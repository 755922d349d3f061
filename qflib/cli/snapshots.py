"""From where a desk's run stands to what its live view shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.cli.view import Greeks, HedgeCount, HedgeTrade, Position, ShortfallFigures, Snapshot, Top
from qflib.records import Batch, Book, Instruments

if TYPE_CHECKING:
    from qflib.desk import Progressed
    from qflib.desk.standing import Standing

_NS_A_DAY = 86_400_000_000_000


def snapshot(now: Progressed) -> Snapshot:
    """What the view shows of a run: tops, positions and risk of the latest reports, hedges so far."""
    standing = now.recorder
    shown: Snapshot = {
        "elapsed_s": now.seconds,
        "events": now.events,
        "tops": list(_tops(standing)),
    }
    if now.market_time_ns:
        shown["market_time"] = pd.Timestamp(now.market_time_ns, unit="ns", tz="UTC").isoformat(" ", "milliseconds")
    report: Batch | None = standing.latest.get("risk")
    if report is not None:
        shown["positions"] = _positions(standing.instruments, report)
        shown["greeks"] = _greeks(report)
        shown["es"] = _shortfall(report)
    shown["hedge"], shown["trades"] = _hedges(standing)
    return shown


def _tops(standing: Standing) -> Iterator[Top]:
    """The futures' and spots' books: an option's quote is not a book."""
    table = standing.instruments
    for i in np.flatnonzero(standing.topped).tolist():
        if table[i].kind != "option":
            bid, bid_qty, ask, ask_qty, last, last_qty = standing.tops[i].tolist()
            yield {
                "instrument": table[i].symbol,
                "bid": _price(table, i, bid, bid_qty),
                "bid_qty": table.to_qty(i, bid_qty),
                "ask": _price(table, i, ask, ask_qty),
                "ask_qty": table.to_qty(i, ask_qty),
                "last": _price(table, i, last, last_qty),
            }


def _price(instruments: Instruments, i: int, ticks: Any, qty: Any) -> float | None:
    return float(instruments.to_price(i, ticks)) if qty else None


def _positions(instruments: Instruments, report: Batch) -> list[Position]:
    p = report.positions
    order = np.lexsort((-np.abs(p.delta), -np.abs(p.value)))
    return [
        {
            "instrument": instruments[int(p.instrument[k])].symbol,
            "book": Book(int(p.book[k])).name.lower(),
            "qty": instruments.to_qty(int(p.instrument[k]), p.qty[k]),
            "avg_price": float(p.avg_price[k]),
            "mark": float(p.mark[k]),
            "unrealised": float(p.unrealised[k]),
        }
        for k in order.tolist()
    ]


def _greeks(report: Batch) -> list[Greeks]:
    """Client and hedges together, an underlying."""
    g = report.greeks
    names = list(dict.fromkeys(g.underlying.tolist()))
    made: list[Greeks] = []
    for name in names:
        rows = g.underlying == name
        both = rows & (g.book == 0)  # a row of both books where it is told, else their sum
        rows = both if both.any() else rows
        made.append(
            {
                "underlying": name.decode(),
                "delta": float(g.delta[rows].sum()),
                "gamma": float(g.gamma[rows].sum()),
                "vega": float(g.vega[rows].sum()),
                "theta": float(g.theta[rows].sum()),
            }
        )
    return made


def _shortfall(report: Batch) -> ShortfallFigures:
    r = report.risk
    return {
        "level": float(r.level[0]),
        "horizon": f"{r.horizon_ns[0] / _NS_A_DAY:g}D",
        "unhedged": float(r.es_unhedged[0]),
        "current": float(r.es_current[0]),
        "target": float(r.es_target[0]),
    }


def _hedges(standing: Standing) -> tuple[HedgeCount, list[HedgeTrade]]:
    """Counts so far, and the last fills, newest first."""
    table = standing.instruments
    trades: list[HedgeTrade] = [
        {
            "time": f"{pd.Timestamp(f.time_ns, unit='ns'):%H:%M:%S.%f}"[:-3],
            "instrument": table[f.instrument].symbol,
            "qty": float(table.to_qty(f.instrument, f.qty)),
            "price": float(table.to_price(f.instrument, f.price_ticks)),
            "fee": f.fee,
        }
        for f in reversed(standing.trades)
    ]
    count: HedgeCount = {
        "orders": standing.hedge_orders,
        "fills": standing.hedge_fills,
        "rejects": standing.hedge_rejects,
        "cost": standing.expected_cost,
    }
    return count, trades
