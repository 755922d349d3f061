"""A feed through one book: top, spread and features on a grid of receipt time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels import features as F
from qflib.kernels.book_batch import N_COUNTERS
from qflib.orderbook.books import Books, Counters
from qflib.records import Instruments

_CHUNK = 16_384  # samples a kernel call


def replay(
    books: Books,
    feed: Any,
    instrument: int,
    period: str,
    features: Sequence[str],
    *,
    levels: int = 5,
    progress: bool = False,
) -> tuple[pd.DataFrame, Counters]:
    """Apply a feed's events of one instrument to row 0 of `books` and sample them (see `OrderBook.replay`)."""
    if unknown := [f for f in features if f not in FEATURES]:
        raise InputError(f"feature {unknown[0]!r} is unknown; expected some of {', '.join(FEATURES)}")
    if levels < 1:
        raise InputError(f"levels={levels} must be 1 or more")
    period_ns = _period_ns(period)
    ladder = levels if "depth" in features else 0
    memory = np.zeros(F.N_MEMORY, np.int64)
    samples = np.zeros((_CHUNK, F.N_SAMPLE + 4 * ladder), np.int64)
    counters = np.zeros(N_COUNTERS, np.int64)
    parts: list[NDArray[np.int64]] = []
    for e in _bar(feed, feed.instruments[instrument].symbol) if progress else feed.events():
        row = 0
        while row < len(e.kind):
            row, n = F.replay_sampled(
                books.state, e.kind, e.flags, e.instrument, e.side, e.order_id, e.price_ticks, e.qty, e.receipt_ns, row,
                instrument, period_ns, levels, ladder,
                memory, samples, counters,
            )  # fmt: skip
            parts.append(samples[:n].copy())
            if row < len(e.kind) and n < _CHUNK:
                books.grow()
    if memory[F.DUE] != 0:  # what came after the last multiple
        F.sample(books.state, levels, ladder, memory, samples, 0)
        parts.append(samples[:1].copy())
    table = np.concatenate(parts) if parts else samples[:0]
    counts = Counters(*counters.tolist())
    frame = _to_frame(table, feed.instruments, instrument, features, ladder)
    frame.attrs["symbol"] = feed.instruments[instrument].symbol
    return frame, counts


def micro_price(top: pd.DataFrame, table: NDArray[np.int64]) -> Any:
    """Mid weighted by the other side's quantity: what Stoikov, "The micro-price" (2018), starts from."""
    return (top["bid"] * top["ask_qty"] + top["ask"] * top["bid_qty"]) / (top["bid_qty"] + top["ask_qty"])


def imbalance(top: pd.DataFrame, table: NDArray[np.int64]) -> Any:
    """(bid - ask) / (bid + ask) lots over the levels asked for: Gould and Bonart, "Queue imbalance" (2016)."""
    bid, ask = table[:, F.BID_DEPTH].astype(float), table[:, F.ASK_DEPTH].astype(float)
    return np.divide(bid - ask, bid + ask, out=np.full(len(bid), np.nan), where=bid + ask > 0)


#: Features by name; "ofi" and "depth" come from the kernel as they are.
FEATURES: dict[str, Callable[[pd.DataFrame, NDArray[np.int64]], Any] | None] = {
    "micro_price": micro_price,
    "ofi": None,
    "imbalance": imbalance,
    "depth": None,
}


def _to_frame(
    table: NDArray[np.int64], instruments: Instruments, instrument: int, features: Sequence[str], ladder: int
) -> pd.DataFrame:
    index = pd.DatetimeIndex(table[:, F.TIME].astype("M8[ns]"), tz="UTC", name="time")

    def price(at: int) -> Any:
        return np.where(table[:, at + 1] > 0, instruments.to_price(instrument, table[:, at]), np.nan)

    def qty(at: int) -> Any:
        return instruments.to_qty(instrument, table[:, at])

    frame = pd.DataFrame(
        {"bid": price(F.BID), "ask": price(F.ASK), "bid_qty": qty(F.BID_QTY), "ask_qty": qty(F.ASK_QTY)}, index=index
    )
    frame["mid"] = (frame["bid"] + frame["ask"]) / 2
    frame["spread"] = frame["ask"] - frame["bid"]
    made: dict[str, Any] = {}
    for name in features:
        compute = FEATURES[name]
        if compute is not None:
            made[name] = compute(frame, table)
        elif name == "ofi":
            made["ofi"] = qty(F.OFI)
    for j in range(ladder):
        for s, side in enumerate(("bid", "ask")):
            made[f"{side}_price_{j}"] = price(F.N_SAMPLE + 4 * j + 2 * s)
            made[f"{side}_qty_{j}"] = qty(F.N_SAMPLE + 4 * j + 2 * s + 1)
    return frame.assign(**made)


def _period_ns(period: str) -> int:
    try:
        ns = int(pd.Timedelta(period).as_unit("ns").value)
    except (ValueError, TypeError):
        ns = 0
    if ns <= 0:
        raise InputError(f"sample {period!r} is not a positive duration; give one as '100ms' or '1s'")
    return ns


def _bar(feed: Any, symbol: str) -> Any:
    """Market seconds gone through, where the feed tells its ends."""
    from qflib.progress import through_market

    start, end = (getattr(feed, name, None) for name in ("start", "end"))
    if start is None or end is None:
        return feed.events()
    return through_market(feed.events(), start.as_unit("ns").value, end.as_unit("ns").value, f"book {symbol}")
