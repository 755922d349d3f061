"""Levels of a book: find, make, drop, walk. Any int64 price; the best is at hand.

A level's page is found by its place in its book's window (O(1), the case near the touch), else by halving in the sorted
directory (O(log pages)). A new page moves the better pages up by one. The window moves when the best price leaves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.bits import highest_bit, signed
from qflib.kernels.book_state import (
    ARENA_USED,
    LEVEL_FREE,
    LEVEL_LIVE,
    NEAR,
    NO_PRICE,
    PAGE_FREE,
    PAGE_LIVE,
    BookState,
    Int,
)
from qflib.kernels.jit import folded, inlined, lean_kernel

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_NEAR = np.uint64(NEAR)
_AHEAD = NEAR // 4  # pages of a window beyond the best


@inlined
def rank_of(book: Any, price: Any) -> Any:
    """Price to rank and back: higher is better on both sides."""
    return price ^ -(np.int64(book) & 1)


@inlined
def _bit(rank: Any) -> Any:
    return _ONE << np.uint64(rank & 63)


@inlined
def _row_at(page: Any, rank: Any) -> Any:
    return np.uint64(page) * np.uint64(64) + np.uint64(rank & 63)


@folded
def page_of(b: BookState, book: Any, key: Any) -> Any:
    """The page of a key (rank >> 6), a uint64; 0: none."""
    k = np.uint64(book)
    place = np.uint64(key) - np.uint64(b.books[k].near_key)
    return np.uint64(b.near[k * _NEAR + place]) if place < _NEAR else np.uint64(_far_page(b, np.int64(book), key))


@folded
def likely_place(b: BookState, instrument: Any, side: Any, price: Any) -> Any:
    """Where in `page_rows` the level at a price stands, if its page is in the window; 0: it is not, or nothing fits."""
    book = 2 * np.int64(instrument) + np.int64(side) - 1
    place = _ZERO
    if np.uint64(book) < np.uint64(len(b.books)):
        rank = rank_of(book, price)
        at = np.uint64(rank >> 6) - np.uint64(b.books[np.uint64(book)].near_key)
        if at < _NEAR:
            place = _row_at(b.near[np.uint64(book) * _NEAR + at], rank)
    return place


@lean_kernel
def _far_page(b: BookState, book: Int, key: Int) -> Int:
    place = _place(b, book, key)
    return 0 if place < 0 else signed(b.dir_page[np.uint64(b.books[book].start) + np.uint64(place)])


@folded
def _place(b: BookState, book: Any, key: Any) -> Any:
    """Place of a page in its book's directory; ``-1 - p`` where it is absent and belongs at p."""
    n = np.int64(b.books[book].pages)
    start = np.int64(b.books[book].start)
    low, high = np.int64(0), n
    while low < high:
        middle = (low + high) >> 1
        if b.dir_key[np.uint64(start + middle)] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < n and b.dir_key[np.uint64(start + low)] == key else -1 - low


@lean_kernel
def _look_around(b: BookState, book: Int) -> None:
    """Move a book's window to its best pages. O(NEAR)."""
    start, n = np.int64(b.books[book].start), np.int64(b.books[book].pages)
    if n == 0:
        return
    first = b.dir_key[start + n - 1] - (NEAR - 1 - _AHEAD)
    b.books[book].near_key = first
    for i in range(NEAR):
        b.near[NEAR * book + i] = 0
    for i in range(n - 1, -1, -1):
        if b.dir_key[start + i] < first:
            break
        b.near[NEAR * book + b.dir_key[start + i] - first] = b.dir_page[start + i]


@inlined
def level_at(b: BookState, book: Any, rank: Any) -> Any:
    """As `find_level`, in the caller."""
    page = page_of(b, book, rank >> 6)
    return signed(b.page_rows[_row_at(page, rank)])  # of page 0 all are 0


@lean_kernel
def find_level(b: BookState, book: Int, rank: Int) -> Int:
    """Row of the level at a rank; 0: none. O(1) near the best, else O(log pages)."""
    return signed(level_at(b, book, rank))


@folded
def level_for(b: BookState, book: Any, rank: Any) -> Any:
    """As `make_level`, in the caller."""
    k = np.uint64(book)
    page = page_of(b, book, rank >> 6)
    row = np.uint64(b.page_rows[_row_at(page, rank)])
    if row == _ZERO:
        free = np.uint64(b.heads[LEVEL_FREE])
        if page == _ZERO and free != _ZERO:
            page = np.uint64(_new_page(b, np.int64(book), rank >> 6))
        if page != _ZERO and free != _ZERO:  # noqa: PLR1714
            row = free
            b.heads[LEVEL_FREE] = b.levels[row].head
            b.heads[LEVEL_LIVE] += 1
            b.page_bits[page] |= _bit(rank)
            b.page_rows[_row_at(page, rank)] = row
            b.levels[row].qty = 0
            b.levels[row].rank = rank
            b.levels[row].book = k
            b.levels[row].count = 0
            b.levels[row].head = 0
            b.levels[row].tail = 0
            b.books[k].levels += np.uint32(1)
            if b.books[k].best == 0 or rank > b.books[k].best_rank:
                b.books[k].best = row
                b.books[k].best_rank = rank
    return signed(row)


@lean_kernel
def make_level(b: BookState, book: Int, rank: Int) -> Int:
    """Row of the level at a rank, made empty where there is none; 0: no room, nothing changed."""
    return signed(level_for(b, book, rank))


@folded
def take_level_out(b: BookState, row: Any) -> None:
    """As `drop_level`, in the caller; the row a uint64."""
    k = np.uint64(b.levels[row].book)
    rank = b.levels[row].rank
    page = page_of(b, k, rank >> 6)
    left = b.page_bits[page] & ~_bit(rank)
    b.page_bits[page] = left
    b.page_rows[_row_at(page, rank)] = 0
    b.books[k].levels -= np.uint32(1)
    b.levels[row].head = b.heads[LEVEL_FREE]
    b.heads[LEVEL_FREE] = row
    b.heads[LEVEL_LIVE] -= 1
    if left == _ZERO:
        _remove_page(b, np.int64(k), rank >> 6)
    elif np.uint64(b.books[k].best) == row:  # its page is the best one
        top = highest_bit(left)
        b.books[k].best = b.page_rows[_row_at(page, top)]
        b.books[k].best_rank = (rank & ~np.int64(63)) | top


@lean_kernel
def drop_level(b: BookState, row: Int) -> None:
    """Take an empty level out. O(1); O(pages) where its page goes with it."""
    take_level_out(b, np.uint64(row))


@lean_kernel
def worse_level(b: BookState, book: Int, rank: Int) -> Int:
    """Row of the best level worse than a rank (which need not be there); 0: none. O(1) near the best."""
    page = page_of(b, book, rank >> 6)
    if page != _ZERO:
        below = b.page_bits[page] & (_bit(rank) - _ONE)
        if below != _ZERO:
            return signed(b.page_rows[_row_at(page, highest_bit(below))])
    place = _place(b, book, rank >> 6)
    if place < 0:
        place = -1 - place
    if place == 0:
        return 0
    page = np.uint64(b.dir_page[np.uint64(b.books[book].start) + np.uint64(place - 1)])
    return signed(b.page_rows[_row_at(page, highest_bit(b.page_bits[page]))])


@folded
def best_rows(b: BookState, book: Int, rows: NDArray[np.int64]) -> None:
    """Rows of a book's best levels, best first, to fill `rows`; 0 beyond the last. O(rows + pages they lie in)."""
    k = np.uint64(book)
    start, place = np.int64(b.books[k].start), np.int64(b.books[k].pages)
    page, bits = _ZERO, _ZERO
    for j in range(len(rows)):
        if bits == _ZERO:
            place -= 1
            if place < 0:
                rows[j:] = 0
                return
            page = np.uint64(b.dir_page[np.uint64(start + place)])
            bits = b.page_bits[page]
        bit = highest_bit(bits)
        bits ^= _ONE << np.uint64(bit)
        rows[j] = b.page_rows[_row_at(page, bit)]


@lean_kernel
def best(b: BookState, instrument: Int, side: Int) -> Int:
    """Best price of a side; NO_PRICE: the side is empty. O(1)."""
    k = np.uint64(2 * instrument + side - 1)
    return NO_PRICE if b.books[k].best == 0 else signed(rank_of(k, b.books[k].best_rank))


@lean_kernel
def next_price(b: BookState, instrument: Int, side: Int, price_ticks: Int) -> Int:
    """The next worse price of a side that has a level; NO_PRICE: none. The price itself need not have one."""
    k = 2 * instrument + side - 1
    row = np.uint64(worse_level(b, k, rank_of(k, price_ticks)))
    return NO_PRICE if row == _ZERO else signed(rank_of(k, b.levels[row].rank))


@lean_kernel
def level_qty(b: BookState, instrument: Int, side: Int, price_ticks: Int) -> Int:
    """Lots at a price; 0: no level."""
    k = 2 * instrument + side - 1
    row = np.uint64(find_level(b, k, rank_of(k, price_ticks)))
    return 0 if row == _ZERO else signed(b.levels[row].qty)


@lean_kernel
def level_orders(b: BookState, instrument: Int, side: Int, price_ticks: Int) -> Int:
    """Orders at a price; 0 also where a venue tells levels only."""
    k = 2 * instrument + side - 1
    row = np.uint64(find_level(b, k, rank_of(k, price_ticks)))
    return 0 if row == _ZERO else signed(b.levels[row].count)


@lean_kernel
def _new_page(b: BookState, book: Int, key: Int) -> Int:
    """A page for a key that has none; 0: no page is free or the arena is full, nothing changed. O(better pages)."""
    page = b.heads[PAGE_FREE]
    n, room, start = np.int64(b.books[book].pages), np.int64(b.books[book].room), np.int64(b.books[book].start)
    if page == 0:
        return 0
    place = -1 - _place(b, book, key)
    if n == room:
        wider = max(4, 2 * room)
        if b.heads[ARENA_USED] + wider > len(b.dir_key):
            return 0
        moved = b.heads[ARENA_USED]
        for i in range(n):
            b.dir_key[moved + i] = b.dir_key[start + i]
            b.dir_page[moved + i] = b.dir_page[start + i]
        b.heads[ARENA_USED] += wider
        b.books[book].start, b.books[book].room = moved, wider
        start = moved
    for i in range(start + n, start + place, -1):
        b.dir_key[i] = b.dir_key[i - 1]
        b.dir_page[i] = b.dir_page[i - 1]
    b.heads[PAGE_FREE] = np.int64(b.page_bits[page])
    b.heads[PAGE_LIVE] += 1
    b.page_bits[page] = _ZERO
    b.dir_key[start + place] = key
    b.dir_page[start + place] = page
    b.books[book].pages = n + 1
    near = np.uint64(key) - np.uint64(b.books[book].near_key)
    if near < _NEAR and n > 0:
        b.near[NEAR * book + np.int64(near)] = page
    elif place == n:
        _look_around(b, book)
    return signed(page)


@lean_kernel
def _remove_page(b: BookState, book: Int, key: Int) -> None:
    """A page without levels goes; the best level is looked for anew. O(better pages)."""
    place = _place(b, book, key)
    start, n = np.int64(b.books[book].start), np.int64(b.books[book].pages)
    page = np.int64(b.dir_page[start + place])
    for i in range(start + place, start + n - 1):
        b.dir_key[i] = b.dir_key[i + 1]
        b.dir_page[i] = b.dir_page[i + 1]
    b.books[book].pages = n - 1
    b.page_bits[page] = np.uint64(b.heads[PAGE_FREE])
    b.heads[PAGE_FREE] = page
    b.heads[PAGE_LIVE] -= 1
    near = np.uint64(key) - np.uint64(b.books[book].near_key)
    if near < _NEAR:
        b.near[NEAR * book + np.int64(near)] = 0
    if n == 1:
        b.books[book].best = 0
        b.books[book].best_rank = NO_PRICE
        return
    if place == n - 1:
        best_key = b.dir_key[start + n - 2]
        page = np.int64(b.dir_page[start + n - 2])
        top = highest_bit(b.page_bits[page])
        b.books[book].best = b.page_rows[64 * page + top]
        b.books[book].best_rank = (best_key << 6) | top
        if np.uint64(best_key) - np.uint64(b.books[book].near_key) >= _NEAR:
            _look_around(b, book)
