"""What an order book is made of: pools of orders, levels and pages, for many instruments in one state.

Layout. A *book* is one side of one instrument: row ``2 * instrument + side - 1``. Inside, prices are *ranks*: the price
for a bid, its bitwise complement for an ask, so that a higher rank is always better and any int64 price has one.
A *page* is 64 neighbouring ranks: a word of occupancy bits and a level row a bit, 0 where there is none. A book's
*directory* holds its pages sorted by rank, the best last, in a segment of one arena; its *window* holds the pages of
`NEAR` neighbouring keys around the touch by place, and moves with the touch. A *level* heads a queue of *orders*. An
order is found by (instrument, id): see `qflib.kernels.book_ids`. Row 0 of each pool means "none", and of orders is
scribbled on; free rows are chained, the last freed is used first. Rows do not straddle cache lines.
"""

from __future__ import annotations

import mmap
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import folded, kernel

ORDER = np.dtype(
    [("id", "u8"), ("qty", "i8"), ("level", "u4"), ("next", "u4"), ("prev", "u4"), ("instrument", "u4")], align=True
)
LEVEL = np.dtype(
    [
        ("qty", "i8"),  # of its orders and of what is told without orders
        ("rank", "i8"),
        ("book", "u4"),
        ("count", "u4"),
        ("head", "u4"),
        ("tail", "u4"),
    ],
    align=True,
)
BOOK = np.dtype(
    [
        ("near_key", "i8"),  # rank >> 6 of the window's first page
        ("best_rank", "i8"),  # of the best level; NO_PRICE: there is none
        ("best", "u4"),
        ("levels", "u4"),
        ("start", "u4"),  # of its directory in the arena
        ("pages", "u4"),
        ("room", "u4"),
    ],
    align=True,
)
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
HASHED: Final = 8  # orders found by hash
ID_BOUND: Final = 9  # ids below it index `rows_by_id`
ID_WANTED: Final = 10  # the id that did not fit there
N_HEADS: Final = 11

NEAR: Final = 8  # pages in a window
AHEAD: Final = 32  # events

# Statuses of `apply_event`. Below zero the event did not change the book. A batch counts each at its size, from 1.
OK: Final = 0
OVERDRAWN: Final = 11  # more was taken off an order than it had: it went
UNKNOWN_ID: Final = -1
DUPLICATE_ID: Final = -2
BAD_QTY: Final = -3
BAD_SIDE: Final = -4
BAD_PRICE: Final = -5
BAD_INSTRUMENT: Final = -6
UNKNOWN_KIND: Final = -7
NEED_ORDERS: Final = -8
NEED_LEVELS: Final = -9

#: Rows of orders that are kept, used or not.
MUCH: Final = 65_536
NO_PRICE: Final = -(2**63)
MAX_QTY: Final = 2**60  # of a level; sums of a few levels stay inside int64

_ONE = np.uint64(1)
_LINE = 64  # bytes of a cache line
_PAGES = 1 << 18  # bytes from which an array has pages of its own: an allocator keeps what it once grew to

#: Whole numbers in kernels: Python's outside, int64 inside.
Int: TypeAlias = int | np.integer[Any]


class BookState(NamedTuple):
    """All books of a set of instruments, as plain arrays (see the module)."""

    orders: NDArray[Any]  # ORDER
    cells: NDArray[np.uint64]  # a power of two, at least twice the orders
    rows_by_id: NDArray[np.uint32]
    levels: NDArray[Any]  # LEVEL
    page_bits: NDArray[np.uint64]
    page_rows: NDArray[np.uint32]  # 64 a page
    near: NDArray[np.uint32]  # pages, NEAR a book
    dir_key: NDArray[np.int64]  # rank >> 6
    dir_page: NDArray[np.uint32]
    books: NDArray[Any]  # BOOK, two an instrument
    info: NDArray[Any]  # INFO, one an instrument
    heads: NDArray[np.int64]
    ahead: NDArray[np.uint64]  # scratch: hashes of the ids of AHEAD events


@folded
def vacant(rows: Int, live: Int) -> bool:
    """Whether less than an eighth of many rows is used."""
    return bool(rows > MUCH and 8 * live < rows)


def new_state(n_instruments: int, orders: int = 1024, levels: int = 256, pages: int = 64, ids: int = 0) -> BookState:
    """Empty books.

    Parameters
    ----------
    n_instruments
        Rows of the instrument table.
    orders, levels, pages
        First capacities; `grow` doubles them.
    ids
        Ids below this bound index an array that grows with the ids that come, 4 bytes an id: for venues that count
        their ids, as ITCH does. All others are hashed, 16 to 32 bytes a live order.

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
        orders=_zeros(orders + 1, ORDER),
        cells=_zeros(1 << max(4, (2 * orders - 1).bit_length()), np.uint64),
        rows_by_id=_zeros(min(ids, 4096), np.uint32),
        levels=_zeros(levels + 1, LEVEL),
        page_bits=_zeros(pages + 1, np.uint64),
        page_rows=_zeros(64 * (pages + 1), np.uint32),
        near=_zeros(NEAR * 2 * n_instruments, np.uint32),
        dir_key=_zeros(8 * n_instruments + 4 * pages, np.int64),
        dir_page=_zeros(8 * n_instruments + 4 * pages, np.uint32),
        books=_zeros(2 * n_instruments, BOOK),
        info=_zeros(n_instruments, INFO),
        heads=_zeros(N_HEADS, np.int64),
        ahead=_zeros(AHEAD, np.uint64),
    )
    b.books["best_rank"] = NO_PRICE
    b.heads[HASH_SHIFT] = 65 - len(b.cells).bit_length()
    b.heads[ID_BOUND] = ids
    _chain(b, 1, 1, 1)
    return b


def needed(b: BookState) -> int:
    """What a state that refused an event is short of: NEED_ORDERS or NEED_LEVELS."""
    heads = b.heads
    return NEED_ORDERS if heads[ORDER_FREE] == 0 or heads[ID_WANTED] >= len(b.rows_by_id) > 0 else NEED_LEVELS


def grow(b: BookState, need: int = 0) -> BookState:
    """A state with more room and the same content; `b` is not to be used afterwards.

    Parameters
    ----------
    b
        Any state.
    need
        The status that asked: NEED_ORDERS doubles orders and their table, or the ids' array; NEED_LEVELS what is short
        of levels, pages and directory; 0 doubles all. O(size).
    """
    heads, made = b.heads.copy(), b
    if heads[ID_WANTED] >= len(b.rows_by_id) > 0:
        ids = min(int(heads[ID_BOUND]), max(2 * len(b.rows_by_id), int(heads[ID_WANTED]) + 1))
        made = made._replace(rows_by_id=_longer(b.rows_by_id, ids))
    if need == 0 or (need == NEED_ORDERS and heads[ORDER_FREE] == 0):
        cells = _zeros(2 * len(b.cells), np.uint64)
        heads[HASH_SHIFT] -= 1
        made = made._replace(orders=_longer(b.orders, 2 * len(b.orders)), cells=cells)
        _rehash(b.cells, cells, np.uint64(heads[HASH_SHIFT]))
    if need != NEED_ORDERS:
        if need == 0 or 2 * heads[LEVEL_LIVE] >= len(b.levels):
            made = made._replace(levels=_longer(b.levels, 2 * len(b.levels)))
        if need == 0 or 2 * heads[PAGE_LIVE] >= len(b.page_bits):
            bits, rows = _longer(b.page_bits, 2 * len(b.page_bits)), _longer(b.page_rows, 2 * len(b.page_rows))
            made = made._replace(page_bits=bits, page_rows=rows)
        arena = 4 * int(b.books["room"].sum()) + 4 * len(made.page_bits)  # any one directory can double
        keys, pages = (_zeros(max(arena, len(old)), old.dtype) for old in (b.dir_key, b.dir_page))
        made = made._replace(dir_key=keys, dir_page=pages)
        heads[ARENA_USED] = _pack_directories(b.books, b.dir_key, b.dir_page, keys, pages)
    made = made._replace(heads=heads)
    _chain(made, len(b.orders), len(b.levels), len(b.page_bits))
    return made


@folded
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
    had = len(b.info)
    if n_instruments <= had:
        return b
    books = _longer(b.books, 2 * n_instruments)
    books["best_rank"][2 * had :] = NO_PRICE
    near = _longer(b.near, NEAR * 2 * n_instruments)
    return grow(b._replace(books=books, near=near, info=_longer(b.info, n_instruments)))


@kernel
def _rehash(old: NDArray[np.uint64], cells: NDArray[np.uint64], shift: Any) -> None:
    """A cell's upper half is that of its hash: it has the home of a table up to 2**32 cells."""
    mask = np.uint64(len(cells) - 1)
    for cell in old:
        if cell != 0:
            i = cell >> shift
            while cells[i] != 0:
                i = (i + _ONE) & mask
            cells[i] = cell


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


@kernel
def _pack_directories(
    books: NDArray[Any], keys: NDArray[np.int64], pages: NDArray[np.uint32], to_keys: NDArray[np.int64],
    to_pages: NDArray[np.uint32],
) -> Any:  # fmt: skip
    """Directories side by side again: segments left behind by growth go. How much of the arena they use."""
    at: Any = 0
    for k in range(len(books)):
        start = np.int64(books[k].start)
        for i in range(np.int64(books[k].pages)):
            to_keys[at + i], to_pages[at + i] = keys[start + i], pages[start + i]
        books[k].start = at
        at += np.int64(books[k].room)
    return at


def _longer(a: NDArray[Any], n: int) -> NDArray[Any]:
    out = _zeros(n, a.dtype)
    out[: len(a)] = a
    return out


def _zeros(n: int, dtype: Any) -> NDArray[Any]:
    """Zeros that begin at a cache line: NumPy's own begin anywhere. Many of them go back to the system when let go."""
    size = n * np.dtype(dtype).itemsize
    if size >= _PAGES and hasattr(mmap, "MAP_PRIVATE"):
        own = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        return np.frombuffer(own, np.uint8).view(dtype)
    raw = np.zeros(size + _LINE, np.uint8)
    at = -raw.ctypes.data % _LINE
    return raw[at : at + size].view(dtype)
