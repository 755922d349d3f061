"""The matching engine on plain limit flow: half orders, half cancels, a fifth of the orders trading; peer: nanobook."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.cli.bench import RUNS, Row
from qflib.kernels import engine_codes as c
from qflib.kernels.engine_state import COMMAND
from qflib.orderbook.engine_running import Running

_N = 500_000
_PEER_N = 50_000
_MID = 10_000
_LIVE = 1_000_000


def plain_flow(n: int, seed: int = 1, live: float = 500.0) -> NDArray[Any]:
    """Limit orders around a fixed middle, each but the last few cancelled some `live` orders later.

    Parameters
    ----------
    n
        Commands.
    seed
        Of the random numbers.
    live
        How many orders later a cancel comes, in the mean.
    """
    rng = np.random.default_rng(seed)
    rows = np.zeros(n, COMMAND)
    made, alive = 0, 0
    new = np.zeros(n, bool)
    ids = np.zeros(n, np.uint64)
    due: list[list[int]] = [[] for _ in range(n)]
    waiting: list[int] = []
    delay = rng.exponential(live, n).astype(np.int64) + 1
    for i in range(n):
        waiting += due[i]
        if waiting and i % 2:
            ids[i] = waiting.pop()
            alive -= 1
            continue
        made += 1
        alive += 1
        new[i], ids[i] = True, made
        if i + 2 * delay[i] < n:
            due[i + 2 * int(delay[i])].append(made)
    off = np.minimum(rng.exponential(6.0, n).astype(np.int64), 300) - 1
    rows["action"] = np.where(new, c.NEW, c.CANCEL)
    rows["ord_type"], rows["time_in_force"] = c.LIMIT, c.GTC
    rows["side"] = rng.integers(1, 3, n)
    rows["price_ticks"] = np.where(rows["side"] == 1, _MID - off, _MID + 1 + off)
    rows["qty"] = rng.integers(1, 6, n)
    rows["order_id"] = ids
    return rows


def rows(peers: bool) -> Iterator[Row]:
    """Nanoseconds an order, and what a million live orders take."""
    flow = plain_flow(_N)
    Running(1).run(flow[:1_000])
    figures = [_timed(flow) for _ in range(RUNS)]
    beside = {} if not peers else _peers(flow[:_PEER_N])
    yield Row("limit_flow", median(figures), min(figures), "ns/order", beside)
    size = _bytes_per_order()
    yield Row("bytes_per_live_order", size, size, "bytes")


def _timed(flow: NDArray[Any]) -> float:
    engine = Running(1, 4_096)
    begun = time.perf_counter_ns()
    for _ in engine.batches(flow):  # events are written; what is done with them is not the engine's
        pass
    return (time.perf_counter_ns() - begun) / len(flow)


def _bytes_per_order() -> float:
    """Of the arrays of an engine in which a million orders rest."""
    orders = np.zeros(_LIVE, COMMAND)
    orders["action"], orders["ord_type"], orders["time_in_force"] = c.NEW, c.LIMIT, c.GTC
    orders["side"], orders["qty"] = 1, 1
    orders["order_id"], orders["price_ticks"] = np.arange(1, _LIVE + 1), _MID - np.arange(_LIVE) % 500
    engine = Running(1, _LIVE)
    for at in range(0, _LIVE, 10_000):
        engine.run(orders[at : at + 10_000])
    return engine.memory_bytes / _LIVE


def _peers(flow: NDArray[Any]) -> dict[str, float]:
    """Nanoseconds an order of other engines that are installed, each by its own calls from Python (full queues)."""
    try:
        import nanobook
    except ImportError:
        print("qflib: peer nanobook is left out: pip install nanobook", file=sys.stderr)
        return {}
    exchange = nanobook.Exchange()
    told: dict[int, int] = {}
    orders = list(zip(*(flow[n].tolist() for n in ("action", "side", "price_ticks", "qty", "order_id")), strict=True))
    begun = time.perf_counter_ns()
    for action, side, price, qty, oid in orders:
        if action == c.NEW:
            told[oid] = exchange.submit_limit("buy" if side == 1 else "sell", price, qty).order_id
        elif oid in told:
            exchange.cancel(told[oid])
    return {"nanobook (full queue)": (time.perf_counter_ns() - begun) / len(orders)}
