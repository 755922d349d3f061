"""A feed through one book: top, spread and features on a grid of receipt time, or after every message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qflib.errors import InputError
from qflib.kernels import event_features as E
from qflib.kernels import features as F
from qflib.orderbook.books import Books
from qflib.orderbook.resync import Heard, Resync
from qflib.records import MARKET_EVENTS, Instruments

_CHUNK = 16_384  # rows a kernel call
#: The period that asks for a row after every message.
EVENT: Final = "event"
FEATURES = ("micro_price", "ofi", "imbalance", "depth")


class _Told(NamedTuple):
    """What a kernel told, a row a sample: ticks and lots; prices with quantity 0 are none."""

    time_ns: NDArray[np.int64]
    top: NDArray[np.int64]  # bid, bid_qty, ask, ask_qty
    micro: NDArray[np.float64]  # ticks
    ofi: NDArray[np.int64]
    imbalance: NDArray[np.float64]
    ladder: NDArray[np.int64]  # bid, bid_qty, ask, ask_qty a level


def replay(
    books: Books,
    feed: Any,
    instrument: int,
    period: str,
    features: Sequence[str],
    *,
    levels: int = 5,
    progress: bool = False,
    resync: Resync | Heard,
    counters: NDArray[np.int64],
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Apply a feed's events of one instrument to row 0 of `books` and sample them (see `OrderBook.replay`)."""
    if unknown := [f for f in features if f not in FEATURES]:
        raise InputError(f"feature {unknown[0]!r} is unknown; expected some of {', '.join(FEATURES)}")
    if levels < 1:
        raise InputError(f"levels={levels} must be 1 or more")
    batches = _bar(feed, feed.instruments[instrument].symbol) if progress else feed.events()
    batches = resync.through(batches, instrument)
    ladder = levels if "depth" in features else 0
    if period == EVENT:
        told = _at_events(books, batches, instrument, levels, ladder, counters)
    else:
        told = _at_times(books, batches, instrument, _period_ns(period), levels, ladder, counters)
    frame = _to_frame(told, feed.instruments, instrument, features)
    frame.attrs["symbol"] = feed.instruments[instrument].symbol
    return frame, counters


def snapshots(
    books: Books,
    batches: Iterator[Any],
    instrument: int,
    times: Any,
    depth: Callable[[], pd.DataFrame],
    counters: NDArray[np.int64],
) -> pd.DataFrame:
    """Apply the events of one instrument to row 0 of `books`, and take what `depth` gives at times."""
    wanted = _times(times)
    due = np.unique(wanted).tolist()
    taken: list[pd.DataFrame] = []

    def take(until_ns: int | None) -> None:
        while len(taken) < len(due) and (until_ns is None or due[len(taken)] <= until_ns):
            frame = depth()
            frame.insert(0, "time", np.full(len(frame), due[len(taken)]))
            taken.append(frame)

    for e in batches:
        newest = np.maximum.accumulate(e.receipt_ns) if len(e.receipt_ns) else e.receipt_ns
        cuts = np.searchsorted(newest, np.array(due[len(taken) :], np.int64)).tolist()
        mine = np.flatnonzero(e.instrument == instrument)
        at = 0
        for cut in [*(c for c in cuts if c < len(newest)), len(newest)]:
            rows = mine[(mine >= at) & (mine < cut)]
            part = MARKET_EVENTS.take(e, rows)
            books.count(part._replace(instrument=np.zeros_like(part.instrument)), counters)
            if cut < len(newest):
                take(int(newest[cut]))
            at = cut
    take(None)
    whole = pd.concat(taken) if taken else depth().assign(time=np.int64(0)).iloc[:0]
    whole["time"] = pd.DatetimeIndex(whole["time"].to_numpy().astype("M8[ns]"), tz="UTC")
    return whole.set_index(["time", "level"])


def _times(times: Any) -> NDArray[np.int64]:
    try:
        index = pd.DatetimeIndex(times)
    except (ValueError, TypeError) as e:
        raise InputError(f"times {times!r} are no times ({e}); give tz-aware ones") from None
    if len(index) and (index.tz is None or index.hasnans):
        raise InputError("a time has no time zone, or is none; use pd.to_datetime(times, utc=True)")
    return (index.tz_convert("UTC") if index.tz is not None else index).as_unit("ns").asi8


def _at_times(
    books: Books, batches: Iterator[Any], instrument: int, period_ns: int, levels: int, ladder: int, counters: Any
) -> _Told:
    memory = np.zeros(F.N_MEMORY, np.int64)
    samples = np.zeros((_CHUNK, F.N_SAMPLE + 4 * ladder), np.int64)
    parts = [samples[:0]]
    for e in batches:
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
    table = np.concatenate(parts)
    top = table[:, F.BID : F.ASK_QTY + 1]
    bid, bid_qty, ask, ask_qty = top.T.astype(float)
    bids, asks = table[:, F.BID_DEPTH].astype(float), table[:, F.ASK_DEPTH].astype(float)
    both = (bid_qty > 0) & (ask_qty > 0)
    return _Told(
        time_ns=table[:, F.TIME],
        top=top,
        micro=_over(bid * ask_qty + ask * bid_qty, bid_qty + ask_qty, both),
        ofi=table[:, F.OFI],
        imbalance=_over(bids - asks, bids + asks, bids + asks > 0),
        ladder=table[:, F.N_SAMPLE :],
    )


def _at_events(books: Books, batches: Iterator[Any], instrument: int, levels: int, ladder: int, counters: Any) -> _Told:
    memory, near = E.new_memory(levels)
    tops, values = np.zeros((_CHUNK, E.N_TOP), np.int64), np.zeros((_CHUNK, E.N_VALUE))
    rungs = np.zeros((_CHUNK, 4 * ladder), np.int64)
    parts = [(tops[:0], values[:0], rungs[:0])]
    for e in batches:
        row = 0
        while row < len(e.kind):
            row, n = E.replay_events(
                books.state, e.kind, e.flags, e.instrument, e.side, e.order_id, e.price_ticks, e.qty, e.receipt_ns, row,
                instrument,
                memory, near, tops, values, rungs, counters,
            )  # fmt: skip
            parts.append((tops[:n].copy(), values[:n].copy(), rungs[:n].copy()))
            if row < len(e.kind) and n < _CHUNK:
                books.grow()
                near[:, 0] = -1
    top, value, rung = (np.concatenate(p) for p in zip(*parts, strict=True))
    return _Told(
        time_ns=top[:, E.TIME],
        top=top[:, E.BID :],
        micro=value[:, E.MICRO],
        ofi=value[:, E.OFI],
        imbalance=value[:, E.IMBALANCE],
        ladder=rung,
    )


def _over(above: Any, below: Any, where: Any) -> NDArray[np.float64]:
    out: NDArray[np.float64] = np.full(len(below), np.nan)
    np.divide(above, below, out=out, where=where)
    return out


def _to_frame(told: _Told, instruments: Instruments, instrument: int, features: Sequence[str]) -> pd.DataFrame:
    """Prices and quantities of what was told.

    The micro-price is the mid weighted by the other side's quantity (Gatheral and Oomen, "Zero-intelligence realized
    variance estimation", 2010), what Stoikov, "The micro-price" (2018), compares with; the imbalance (bid - ask) /
    (bid + ask) lots over the levels asked for: of the best one, the queue imbalance of Gould and Bonart (2016).
    """

    def levels(table: NDArray[np.int64], at: int) -> tuple[Any, Any]:
        price = instruments.to_price(instrument, table[:, at])
        return np.where(table[:, at + 1] > 0, price, np.nan), instruments.to_qty(instrument, table[:, at + 1])

    index = pd.DatetimeIndex(told.time_ns.astype("M8[ns]"), tz="UTC", name="time")
    (bid, bid_qty), (ask, ask_qty) = levels(told.top, 0), levels(told.top, 2)
    columns = {"bid": bid, "ask": ask, "bid_qty": bid_qty, "ask_qty": ask_qty}
    columns |= {"mid": (bid + ask) / 2, "spread": ask - bid}
    made = {
        "micro_price": instruments.to_price(instrument, told.micro),
        "ofi": instruments.to_qty(instrument, told.ofi),
        "imbalance": told.imbalance,
    }
    columns |= {name: made[name] for name in features if name in made}
    for j in range(told.ladder.shape[1] // 4):
        for s, side in enumerate(("bid", "ask")):
            columns[f"{side}_price_{j}"], columns[f"{side}_qty_{j}"] = levels(told.ladder, 4 * j + 2 * s)
    return pd.DataFrame(columns, index=index)


def _period_ns(period: str) -> int:
    try:
        ns = int(pd.Timedelta(period).as_unit("ns").value)
    except (ValueError, TypeError):
        ns = 0
    if ns <= 0:
        raise InputError(f"sample {period!r} is not a positive duration; give one as '100ms' or '1s', or '{EVENT}'")
    return ns


def _bar(feed: Any, symbol: str) -> Any:
    """Market seconds gone through, where the feed tells its ends."""
    from qflib.progress import through_market

    start, end = (getattr(feed, name, None) for name in ("start", "end"))
    if start is None or end is None:
        return feed.events()
    return through_market(feed.events(), start.as_unit("ns").value, end.as_unit("ns").value, f"book {symbol}")
