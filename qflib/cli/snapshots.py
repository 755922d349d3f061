"""From where a desk's run stands to what its live view shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qflib.cli.view import Greeks, HedgeCount, HedgeTrade, Position, ShortfallFigures, Snapshot, Top
from qflib.records import Batch, Book, ExecType, Instruments, Side

if TYPE_CHECKING:
    from qflib.desk import Progressed
    from qflib.desk.record import Recorder

_NS_A_DAY = 86_400_000_000_000
_TRADES = 8  # shown


def snapshot(now: Progressed) -> Snapshot:
    """What the view shows of a run: tops, positions and risk of the latest reports, hedges so far."""
    recorder = now.recorder
    shown: Snapshot = {
        "elapsed_s": now.seconds,
        "events": now.events,
        "tops": list(_tops(recorder.instruments, recorder.tops)),
    }
    if now.market_time_ns:
        shown["market_time"] = pd.Timestamp(now.market_time_ns, unit="ns", tz="UTC").isoformat(" ", "milliseconds")
    report: Batch | None = recorder.latest.get("risk")
    if report is not None:
        shown["positions"] = _positions(recorder.instruments, report)
        shown["greeks"] = _greeks(report)
        shown["es"] = _shortfall(report)
    shown["hedge"], shown["trades"] = _hedges(recorder)
    return shown


def _tops(instruments: Instruments, latest: dict[str, Any]) -> Iterator[Top]:
    """The futures' and spots' books: an option's quote is not a book."""
    for tops in latest.values():
        for k, i in enumerate(tops.instrument.tolist()):
            if instruments[i].kind != "option":
                yield {
                    "instrument": instruments[i].symbol,
                    "bid": _price(instruments, i, tops.bid_ticks[k], tops.bid_qty[k]),
                    "bid_qty": instruments.to_qty(i, tops.bid_qty[k]),
                    "ask": _price(instruments, i, tops.ask_ticks[k], tops.ask_qty[k]),
                    "ask_qty": instruments.to_qty(i, tops.ask_qty[k]),
                    "last": _price(instruments, i, tops.last_ticks[k], tops.last_qty[k]),
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


def _hedges(recorder: Recorder) -> tuple[HedgeCount, list[HedgeTrade]]:
    """Counts so far, and the last fills, newest first."""
    table, x, decided = recorder.instruments, recorder.columns("executions"), recorder.columns("hedges")
    fills = np.flatnonzero((x.exec_type == ExecType.FILL) & (x.hedge_no > 0))
    trades: list[HedgeTrade] = []
    for k in fills[: -_TRADES - 1 : -1].tolist():
        i, sign = int(x.instrument[k]), 1 if x.side[k] == Side.BID else -1
        trades.append(
            {
                "time": f"{pd.Timestamp(int(x.time_ns[k]), unit='ns'):%H:%M:%S.%f}"[:-3],
                "instrument": table[i].symbol,
                "qty": sign * table.to_qty(i, x.qty[k]),
                "price": table.to_price(i, x.price_ticks[k]),
                "fee": float(x.fee[k]),
            }
        )
    count: HedgeCount = {
        "orders": recorder.hedge_orders,
        "fills": len(fills),
        "rejects": int(((x.exec_type == ExecType.REJECTED) & (x.hedge_no > 0)).sum()),
        "cost": float(decided.cost[decided.price > 0].sum()),  # an order still alive is told again without a price
    }
    return count, trades
