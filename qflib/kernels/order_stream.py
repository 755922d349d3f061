"""A seeded stream of orders in the mix of an equity venue (ITCH), with the number of live orders held: for benchmarks.

Shares of messages about the target: 44 % adds, 43.5 % cancels (young orders first), 2 % partial cancels, 4.5 %
executions at the head of the best queue, 6 % replaces under a new id: a CANCEL and an ADD. Prices lie at exponential
distances from a wandering mid. Ids count up from 1; no event crosses the book.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.book import apply_event, best, find_level, find_order, grow, new_state, rank_of
from qflib.kernels.book_state import NEED_LEVELS, NEED_ORDERS, NO_PRICE, OK, BookState
from qflib.kernels.jit import inlined, kernel, lean_kernel
from qflib.kernels.random_stream import mixed, next_uniform, next_word

ADD, CANCEL, EXECUTE = 1, 3, 4
LAST: Final = 1

_FIRST_MID = 10_000
_MEAN_DISTANCE = 4.0  # ticks from the mid
_FAR_SHARE, _FAR = 0.02, 300.0  # a few orders stand anywhere within so many ticks
_NEWEST = 0.25  # of the live orders: mean age of the one that is cancelled

# Places in `Stream.at`; the first word is the random stream's.
_RNG, _NEXT_ID, _LIVE, _FILLED = range(4)


class Stream(NamedTuple):
    """Where a stream stands."""

    book: BookState  # ids counted up: `apply_event` keeps the stream consistent
    mid: NDArray[np.int64]  # one an instrument
    share: NDArray[np.float64]  # cumulative: Zipf, exponent 0.9
    live: NDArray[np.int64]  # rows of live orders, the oldest first at the start
    place: NDArray[np.int64]  # of a row in `live`
    at: NDArray[np.int64]


class Rows(NamedTuple):
    """The columns of `MARKET_EVENTS` that a book reads."""

    kind: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    instrument: NDArray[np.uint32]
    side: NDArray[np.uint32]
    order_id: NDArray[np.uint64]
    price_ticks: NDArray[np.int64]
    qty: NDArray[np.int64]


def new_stream(live: int, instruments: int = 1, seed: int = 1) -> Stream:
    """A stream that will hold `live` orders."""
    weight = 1.0 / np.arange(1, instruments + 1) ** 0.9
    room = live + live // 4 + 64
    return Stream(
        book=new_state(instruments, room, 64 * instruments, 16 * instruments),
        mid=np.full(instruments, _FIRST_MID, np.int64),
        share=np.cumsum(weight / weight.sum()),
        live=np.zeros(room + 1, np.int64),
        place=np.zeros(room + 1, np.int64),
        at=np.array([seed, 1, 0, 0], np.int64),
    )


def take_rows(s: Stream, n: int, target: int) -> tuple[Stream, Rows]:
    """The next rows of a stream; adds only until `target` orders are live. O(n).

    Examples
    --------
    >>> stream, rows = take_rows(new_stream(100), 100, 100)
    >>> set(rows.kind.tolist()), int(stream.book.heads[1])
    ({1}, 100)
    """
    types = (np.uint32,) * 4 + (np.uint64, np.int64, np.int64)
    made: Any = [np.zeros(n, t) for t in types]
    rows = Rows(*made)
    done = 0
    while done < n:
        done = _run(s, rows, done, n, target)
        if done < n:
            s = s._replace(book=grow(s.book, NEED_LEVELS))
    return s, rows


@kernel
def scrambled(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Arbitrary 64-bit ids for counted ones, without order or collision. O(n)."""
    out = np.empty_like(ids)
    for i in range(len(ids)):
        out[i] = mixed(ids[i])
    return out


@lean_kernel
def _run(s: Stream, rows: Rows, start: int, stop: int, target: int) -> int:
    """Rows from `start` on; short of `stop`: the book is full of levels."""
    n = start
    while n < stop:
        if s.at[_FILLED] == 0:
            s.at[_FILLED] = s.at[_LIVE] >= target
        full = s.at[_FILLED] != 0
        u = next_uniform(s.at) if full else 0.0
        share = 0.44 + 0.05 * math.copysign(1.0, target - s.at[_LIVE])
        if u <= share or s.at[_LIVE] < 2:  # nothing is taken from an empty market
            k = np.searchsorted(s.share, next_uniform(s.at))
            made = _add(s, rows, n, min(k, len(s.mid) - 1), np.int64(1 + (next_word(s.at) & np.uint64(1))))
            if made < 0:
                break
            n += made
        elif u <= share + 0.045:
            n += _execute(s, rows, n)
        elif u <= share + 0.045 + 0.02:
            n += _reduce(s, rows, n, _pick(s))
        elif u <= 0.94 or n + 1 == stop:  # a replace has two rows
            n += _cancel(s, rows, n, _pick(s), LAST)
        else:
            row = _pick(s)
            book = np.int64(s.book.levels[s.book.orders[row].level].book)
            made = _add(s, rows, n + 1, book >> 1, (book & 1) + 1)
            if made < 0:
                break
            if made == 1:
                n += 1 + _cancel(s, rows, n, row, 0)
    return n


@inlined
def _pick(s: Stream) -> Any:
    """A live order, rather a young one."""
    n = s.at[_LIVE]
    back = np.int64(-math.log(next_uniform(s.at)) * _NEWEST * n)
    if back >= n:
        back = np.int64(next_word(s.at) % np.uint64(n))
    return s.live[n - 1 - back]


@lean_kernel
def _add(s: Stream, rows: Rows, n: int, k: Any, side: Any) -> int:
    """One order: 1; 0 where the price drawn is not to be had; -1: the book is full."""
    if next_uniform(s.at) < 0.02:
        s.mid[k] += 1 if next_word(s.at) & np.uint64(1) else -1
    away = -math.log(next_uniform(s.at)) * _MEAN_DISTANCE
    if next_uniform(s.at) < _FAR_SHARE:
        away = next_uniform(s.at) * _FAR
    other = best(s.book, k, 3 - side)
    price = s.mid[k] - np.int64(away) if side == 1 else s.mid[k] + 1 + np.int64(away)
    if other != NO_PRICE:
        price = min(price, other - 1) if side == 1 else max(price, other + 1)
    round_lot = next_uniform(s.at) < 0.8
    word = next_word(s.at)
    qty = np.int64(100 * (1 + word % np.uint64(5))) if round_lot else np.int64(1 + word % np.uint64(99))
    oid = np.uint64(s.at[_NEXT_ID])
    status = apply_event(s.book, np.int64(ADD), np.int64(LAST), k, side, oid, price, qty)
    if status <= NEED_ORDERS:
        return -1
    if status != OK:
        return 0
    row = find_order(s.book, k, oid)
    s.place[row] = s.at[_LIVE]
    s.live[s.at[_LIVE]] = row
    s.at[_LIVE] += 1
    s.at[_NEXT_ID] += 1
    _tell(rows, n, ADD, LAST, k, side, oid, price, qty)
    return 1


@lean_kernel
def _take_out(s: Stream, rows: Rows, n: int, row: Any, kind: Any, qty: Any, flags: Any) -> int:
    """Lots off an order; it leaves the live ones with its last."""
    level = s.book.orders[row].level
    book = np.int64(s.book.levels[level].book)
    k, side, oid, had = book >> 1, (book & 1) + 1, s.book.orders[row].id, s.book.orders[row].qty
    price = rank_of(book, s.book.levels[level].rank)
    _tell(rows, n, kind, flags, k, side, oid, price, qty)
    apply_event(s.book, kind, flags, k, side, oid, price, qty)
    if qty == had:
        s.at[_LIVE] -= 1
        newest = s.live[s.at[_LIVE]]
        s.live[s.place[row]] = newest
        s.place[newest] = s.place[row]
    return 1


@lean_kernel
def _cancel(s: Stream, rows: Rows, n: int, row: Any, flags: Any) -> int:
    return _take_out(s, rows, n, row, np.int64(CANCEL), s.book.orders[row].qty, np.int64(flags))


@lean_kernel
def _reduce(s: Stream, rows: Rows, n: int, row: Any) -> int:
    had = s.book.orders[row].qty
    if had < 2:
        return 0
    part = np.int64(1 + next_word(s.at) % np.uint64(had - 1))
    return _take_out(s, rows, n, row, np.int64(CANCEL), part, np.int64(LAST))


@lean_kernel
def _execute(s: Stream, rows: Rows, n: int) -> int:
    """An execution of the best queue's first order, whole in six of ten."""
    k: Any = np.searchsorted(s.share, next_uniform(s.at))
    k = min(k, len(s.mid) - 1)
    side = np.int64(1 + (next_word(s.at) & np.uint64(1)))
    price = best(s.book, k, side)
    if price == NO_PRICE:
        return 0
    book = 2 * k + side - 1
    row = np.int64(s.book.levels[find_level(s.book, book, rank_of(book, price))].head)
    qty = s.book.orders[row].qty
    if qty > 1 and next_uniform(s.at) > 0.6:
        qty = np.int64(1 + next_word(s.at) % np.uint64(qty - 1))
    return _take_out(s, rows, n, row, np.int64(EXECUTE), qty, np.int64(LAST))


@inlined
def _tell(rows: Rows, n: Any, kind: Any, flags: Any, k: Any, side: Any, oid: Any, price: Any, qty: Any) -> None:
    rows.kind[n] = kind
    rows.flags[n] = flags
    rows.instrument[n] = k
    rows.side[n] = side
    rows.order_id[n] = oid
    rows.price_ticks[n] = price
    rows.qty[n] = qty
