"""Levels of a book: find, make, drop, walk. Any int64 price; the best is at hand.

A level's page is found in its book's sorted directory: at the place that holds if the pages are neighbours (O(1), the
case near the touch), else by halving (O(log pages)). A new page moves the better pages up by one.
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
    NO_PRICE,
    PAGE_FREE,
    PAGE_LIVE,
    BookState,
    Int,
)
from qflib.kernels.jit import inlined, lean_kernel

_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@inlined
def rank_of(book: Any, price: Any) -> Any:
    """Price to rank and back: higher is better on both sides."""
    return price ^ -(np.int64(book) & 1)


@inlined
def _bit(rank: Any) -> Any:
    return _ONE << np.uint64(rank & 63)


@inlined
def _row_at(b: BookState, page: Any, rank: Any) -> Any:
    return np.uint64(page) * np.uint64(64) + np.uint64(rank & 63)


@inlined
def _place(b: BookState, book: Any, key: Any) -> Any:
    """Place of a page in its book's directory; ``-1 - p`` where it is absent and belongs at p."""
    n = np.int64(b.books[book].pages)
    start = np.int64(b.books[book].start)
    place = np.int64(-1)
    if n > 0:
        guess = n - 1 - (b.dir_key[np.uint64(start + n - 1)] - key)
        if 0 <= guess < n and b.dir_key[np.uint64(start + guess)] == key:
            place = guess
        else:
            low, high = np.int64(0), n
            while low < high:
                middle = (low + high) >> 1
                if b.dir_key[np.uint64(start + middle)] < key:
                    low = middle + 1
                else:
                    high = middle
            place = low if low < n and b.dir_key[np.uint64(start + low)] == key else -1 - low
    return place


@inlined
def first_order(b: BookState, level: Any) -> Any:
    """Row of the first order of a level's queue; 0: none."""
    return np.uint64(b.levels[level].head)


@inlined
def next_order(b: BookState, row: Any) -> Any:
    """Row of the order behind one; 0: none."""
    return np.uint64(b.orders[row].next)


@lean_kernel
def find_level(b: BookState, book: Int, rank: Int) -> Int:
    """Row of the level at a rank; 0: none. O(1) near the best, else O(log pages)."""
    k = np.uint64(book)
    place = _place(b, k, rank >> 6)
    if place < 0:
        return 0
    page = b.dir_page[np.uint64(b.books[k].start) + np.uint64(place)]
    if b.page_bits[np.uint64(page)] & _bit(rank) == _ZERO:
        return 0
    return signed(b.page_rows[_row_at(b, page, rank)])


@lean_kernel
def make_level(b: BookState, book: Int, rank: Int) -> Int:
    """Row of the level at a rank, made empty where there is none; 0: no room, nothing changed."""
    k = np.uint64(book)
    key = rank >> 6
    place = _place(b, k, key)
    if place >= 0:
        page = np.int64(b.dir_page[np.uint64(b.books[k].start) + np.uint64(place)])
        if b.page_bits[np.uint64(page)] & _bit(rank) != _ZERO:
            return signed(b.page_rows[_row_at(b, page, rank)])
        if b.heads[LEVEL_FREE] == 0:
            return 0
    else:
        if b.heads[LEVEL_FREE] == 0 or b.heads[PAGE_FREE] == 0:
            return 0
        page = np.int64(_insert_page(b, book, -1 - place, key))
        if page == 0:
            return 0
    row = np.uint64(b.heads[LEVEL_FREE])
    b.heads[LEVEL_FREE] = b.levels[row].head
    b.heads[LEVEL_LIVE] += 1
    b.page_bits[np.uint64(page)] |= _bit(rank)
    b.page_rows[_row_at(b, page, rank)] = row
    b.levels[row].qty = 0
    b.levels[row].rank = rank
    b.levels[row].page = page
    b.levels[row].book = book
    b.levels[row].count = 0
    b.levels[row].head = 0
    b.levels[row].tail = 0
    b.books[k].levels += np.uint32(1)
    top = np.uint64(b.books[k].best)
    if top == _ZERO or rank > b.levels[top].rank:
        b.books[k].best = row
    return signed(row)


@lean_kernel
def drop_level(b: BookState, row: Int) -> None:
    """Take an empty level out. O(1); O(pages) where its page goes with it."""
    r = np.uint64(row)
    k = np.uint64(b.levels[r].book)
    page = np.uint64(b.levels[r].page)
    b.page_bits[page] &= ~_bit(b.levels[r].rank)
    b.books[k].levels -= np.uint32(1)
    b.levels[r].head = b.heads[LEVEL_FREE]
    b.heads[LEVEL_FREE] = row
    b.heads[LEVEL_LIVE] -= 1
    if b.page_bits[page] == _ZERO:
        _remove_page(b, np.int64(k), b.levels[r].rank >> 6)
    if np.uint64(b.books[k].best) == r:
        n = np.uint64(b.books[k].pages)
        if n == _ZERO:
            b.books[k].best = 0
        else:
            page = np.uint64(b.dir_page[np.uint64(b.books[k].start) + n - _ONE])
            b.books[k].best = b.page_rows[_row_at(b, page, highest_bit(b.page_bits[page]))]


@lean_kernel
def worse_level(b: BookState, book: Int, rank: Int) -> Int:
    """Row of the best level worse than a rank (which need not be there); 0: none."""
    k = np.uint64(book)
    place = _place(b, k, rank >> 6)
    start = np.uint64(b.books[k].start)
    if place >= 0:
        page = np.uint64(b.dir_page[start + np.uint64(place)])
        below = b.page_bits[page] & (_bit(rank) - _ONE)
        if below != _ZERO:
            return signed(b.page_rows[_row_at(b, page, highest_bit(below))])
    else:
        place = -1 - place
    if place == 0:
        return 0
    page = np.uint64(b.dir_page[start + np.uint64(place - 1)])
    return signed(b.page_rows[_row_at(b, page, highest_bit(b.page_bits[page]))])


@lean_kernel
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
        rows[j] = b.page_rows[_row_at(b, page, bit)]


@lean_kernel
def best(b: BookState, instrument: Int, side: Int) -> Int:
    """Best price of a side; NO_PRICE: the side is empty. O(1)."""
    k = np.uint64(2 * instrument + side - 1)
    row = np.uint64(b.books[k].best)
    return NO_PRICE if row == _ZERO else signed(rank_of(k, b.levels[row].rank))


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
def _insert_page(b: BookState, book: Int, place: Int, key: Int) -> Int:
    """A new page at a place of the directory; 0: the arena is full, nothing changed."""
    k = np.uint64(book)
    n, room, start = np.int64(b.books[k].pages), np.int64(b.books[k].room), np.int64(b.books[k].start)
    if n == room:
        wider = max(4, 2 * room)
        if b.heads[ARENA_USED] + wider > len(b.dir_key):
            return 0
        moved = b.heads[ARENA_USED]
        for i in range(n):
            b.dir_key[moved + i] = b.dir_key[start + i]
            b.dir_page[moved + i] = b.dir_page[start + i]
        b.heads[ARENA_USED] += wider
        b.books[k].start, b.books[k].room = moved, wider
        start = moved
    for i in range(start + n, start + place, -1):
        b.dir_key[i] = b.dir_key[i - 1]
        b.dir_page[i] = b.dir_page[i - 1]
    page = b.heads[PAGE_FREE]
    b.heads[PAGE_FREE] = np.int64(b.page_bits[page])
    b.heads[PAGE_LIVE] += 1
    b.page_bits[page] = _ZERO
    b.dir_key[start + place] = key
    b.dir_page[start + place] = page
    b.books[k].pages = n + 1
    return signed(page)


@lean_kernel
def _remove_page(b: BookState, book: Int, key: Int) -> None:
    k = np.uint64(book)
    place = _place(b, k, key)
    start, n = np.int64(b.books[k].start), np.int64(b.books[k].pages)
    page = np.int64(b.dir_page[start + place])
    for i in range(start + place, start + n - 1):
        b.dir_key[i] = b.dir_key[i + 1]
        b.dir_page[i] = b.dir_page[i + 1]
    b.books[k].pages = n - 1
    b.page_bits[page] = np.uint64(b.heads[PAGE_FREE])
    b.heads[PAGE_FREE] = page
    b.heads[PAGE_LIVE] -= 1
