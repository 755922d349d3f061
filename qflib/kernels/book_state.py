"""What an order book is made of: pools of orders, levels and pages, for many instruments in one state.

Layout. A *book* is one side of one instrument: row ``2 * instrument + side - 1``. Inside, prices are *ranks*: the price
for a bid, its bitwise complement for an ask, so that a higher rank is always better and any int64 price has one.
A *page* is 64 neighbouring ranks: a word of occupancy bits and a level row a bit. A book's *directory* holds its pages
sorted by rank, the best last, in a segment of one arena. A *level* heads a queue of *orders*. An order is found by
(instrument, id) in an open-addressing table. Row 0 of each pool means "none"; free rows are chained, the last freed is
used first.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import inlined, kernel

ORDER = np.dtype([("id", "u8"), ("qty", "i8"), ("level", "u4"), ("next", "u4"), ("prev", "u4")], align=True)
CELL = np.dtype([("id", "u8"), ("row", "u4"), ("instrument", "u4")], align=True)
LEVEL = np.dtype(
    [
        ("qty", "i8"),  # of its orders and of what is told without orders
        ("rank", "i8"),
        ("page", "u4"),
        ("book", "u4"),
        ("count", "u4"),
        ("head", "u4"),
        ("tail", "u4"),
    ],
    align=True,
)
BOOK = np.dtype([("start", "u4"), ("pages", "u4"), ("room", "u4"), ("best", "u4"), ("levels", "u4")])
INFO = np.dtype(
    [
        ("last_ticks", "i8"),
        ("last_qty", "i8"),
        ("settlement_ticks", "i8"),
        ("time_ns", "i8"),  # receipt time of the newest event applied
        ("status", "u4"),
        ("settled", "u4"),  # 1: settlement_ticks is known
    ]
)

# Places in `BookState.heads`.
ORDER_FREE: Final = 0
ORDER_LIVE: Final = 1
LEVEL_FREE: Final = 2
LEVEL_LIVE: Final = 3
PAGE_FREE: Final = 4
PAGE_LIVE: Final = 5
ARENA_USED: Final = 6
HASH_SHIFT: Final = 7

# Statuses of `apply_event`. Below zero the event did not change the book.
OK: Final = 0
UNKNOWN_ID: Final = -1
DUPLICATE_ID: Final = -2
BAD_QTY: Final = -3
BAD_SIDE: Final = -4
BAD_PRICE: Final = -5
BAD_INSTRUMENT: Final = -6
UNKNOWN_KIND: Final = -7
NEED_ORDERS: Final = -8
NEED_LEVELS: Final = -9

NO_PRICE: Final = -(2**63)
MAX_QTY: Final = 2**60  # of a level; sums of a few levels stay inside int64

#: Whole numbers in kernels: Python's outside, int64 inside.
Int: TypeAlias = int | np.integer[Any]

_FIBONACCI = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)


class BookState(NamedTuple):
    """All books of a set of instruments, as plain arrays (see the module)."""

    orders: NDArray[Any]  # ORDER
    cells: NDArray[Any]  # CELL, a power of two, at least twice the orders
    levels: NDArray[Any]  # LEVEL
    page_bits: NDArray[np.uint64]
    page_rows: NDArray[np.uint32]  # 64 a page
    dir_key: NDArray[np.int64]  # rank >> 6
    dir_page: NDArray[np.uint32]
    books: NDArray[Any]  # BOOK, two an instrument
    info: NDArray[Any]  # INFO, one an instrument
    heads: NDArray[np.int64]


def new_state(n_instruments: int, orders: int = 1024, levels: int = 256, pages: int = 64) -> BookState:
    """Empty books.

    Parameters
    ----------
    n_instruments
        Rows of the instrument table.
    orders, levels, pages
        First capacities; `grow` doubles them.

    Examples
    --------
    >>> from qflib.kernels.book import apply_event, best, new_state
    >>> b = new_state(1)
    >>> apply_event(b, 1, 0, 0, 1, 77, 10050, 3)  # add order 77: buy 3 at 10050
    0
    >>> best(b, 0, 1)
    10050
    """
    b = BookState(
        orders=np.zeros(orders + 1, ORDER),
        cells=np.zeros(1 << max(4, int(2 * orders + 1).bit_length()), CELL),
        levels=np.zeros(levels + 1, LEVEL),
        page_bits=np.zeros(pages + 1, np.uint64),
        page_rows=np.zeros(64 * (pages + 1), np.uint32),
        dir_key=np.zeros(8 * n_instruments + 4 * pages, np.int64),
        dir_page=np.zeros(8 * n_instruments + 4 * pages, np.uint32),
        books=np.zeros(2 * n_instruments, BOOK),
        info=np.zeros(n_instruments, INFO),
        heads=np.zeros(8, np.int64),
    )
    b.heads[HASH_SHIFT] = 65 - len(b.cells).bit_length()
    _chain(b, 1, 1, 1)
    return b


def grow(b: BookState, need: int = 0) -> BookState:
    """A state with more room and the same content; `b` is not to be used afterwards.

    Parameters
    ----------
    b
        Any state.
    need
        The status that asked: NEED_ORDERS doubles orders and their table, NEED_LEVELS what is short of levels, pages
        and directory; 0 doubles all. O(size).
    """
    heads = b.heads.copy()
    orders, cells, levels, bits, rows = b.orders, b.cells, b.levels, b.page_bits, b.page_rows
    if need != NEED_LEVELS:
        orders = _longer(orders, 2 * len(orders))
        cells = np.zeros(2 * len(cells), CELL)
        heads[HASH_SHIFT] -= 1
    if need != NEED_ORDERS:
        if need == 0 or 2 * heads[LEVEL_LIVE] >= len(levels):
            levels = _longer(levels, 2 * len(levels))
        if need == 0 or 2 * heads[PAGE_LIVE] >= len(bits):
            bits, rows = _longer(bits, 2 * len(bits)), _longer(rows, 2 * len(rows))
    arena = 4 * int(b.books["room"].sum()) + 4 * len(bits)  # any one directory can double
    made = BookState(
        orders=orders,
        cells=cells,
        levels=levels,
        page_bits=bits,
        page_rows=rows,
        dir_key=np.zeros(max(arena, len(b.dir_key)), np.int64),
        dir_page=np.zeros(max(arena, len(b.dir_page)), np.uint32),
        books=b.books.copy(),
        info=b.info,
        heads=heads,
    )
    _pack_directories(b, made)
    _chain(made, len(b.orders), len(b.levels), len(b.page_bits))
    if cells is not b.cells:
        _rehash(b.cells, made)
    return made


@inlined
def short_of(b: BookState) -> Any:
    """What there is no room for where one more order comes at a new level: NEED_ORDERS, NEED_LEVELS; 0: nothing."""
    short = np.int64(0)
    if b.heads[ORDER_FREE] == 0:
        short = np.int64(NEED_ORDERS)
    elif (
        b.heads[LEVEL_FREE] == 0
        or b.heads[PAGE_FREE] == 0
        or b.heads[ARENA_USED] + max(4, 2 * b.heads[PAGE_LIVE]) > len(b.dir_key)
    ):
        short = np.int64(NEED_LEVELS)
    return short


def with_instruments(b: BookState, n_instruments: int) -> BookState:
    """The same content with room for more instruments; `b` is not to be used afterwards."""
    extra = n_instruments - len(b.info)
    if extra <= 0:
        return b
    return grow(b._replace(books=_longer(b.books, 2 * n_instruments), info=_longer(b.info, n_instruments)))


@inlined
def home(b: BookState, instrument: Any, order_id: Any) -> Any:
    """Where the table's search for an order starts (Fibonacci hashing: Knuth, TAOCP 3, 6.4)."""
    x = order_id ^ (np.uint64(instrument) * _MIX)
    x ^= x >> np.uint64(32)
    return (x * _FIBONACCI) >> np.uint64(b.heads[HASH_SHIFT])


@kernel
def _rehash(old: Any, b: BookState) -> None:
    mask = np.uint64(len(b.cells) - 1)
    for k in range(len(old)):
        if old[k].row != 0:
            i = home(b, old[k].instrument, old[k].id)
            while b.cells[i].row != 0:
                i = (i + _ONE) & mask
            b.cells[i] = old[k]


@kernel
def _chain(b: BookState, order: int, level: int, page: int) -> None:
    """Put the rows from `order`, `level` and `page` on before the free ones, the lowest first."""
    for i in range(len(b.orders) - 1, order - 1, -1):
        b.orders[i].next = b.heads[ORDER_FREE]
        b.heads[ORDER_FREE] = i
    for i in range(len(b.levels) - 1, level - 1, -1):
        b.levels[i].head = b.heads[LEVEL_FREE]
        b.heads[LEVEL_FREE] = i
    for i in range(len(b.page_bits) - 1, page - 1, -1):
        b.page_bits[i] = np.uint64(b.heads[PAGE_FREE])
        b.heads[PAGE_FREE] = i


def _pack_directories(old: BookState, made: BookState) -> None:
    """Directories side by side again: segments left behind by growth go."""
    at = 0
    for k in np.flatnonzero(old.books["room"]):
        start, pages, room = (int(old.books[k][f]) for f in ("start", "pages", "room"))
        made.dir_key[at : at + pages] = old.dir_key[start : start + pages]
        made.dir_page[at : at + pages] = old.dir_page[start : start + pages]
        made.books[k]["start"] = at
        at += room
    made.heads[ARENA_USED] = at


def _longer(a: NDArray[Any], n: int) -> NDArray[Any]:
    out = np.zeros(n, a.dtype)
    out[: len(a)] = a
    return out
