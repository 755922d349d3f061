"""Books as bytes: a book is asked for far more often than it changes, and only its age differs meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qflib.api.shapes import age_ms, book_form, encode

if TYPE_CHECKING:
    from qflib.records import Instruments
    from qflib.views.books import BookState

_AGE = b'"age_ms":0,'


class BookBytes:
    """Remembers each book's bytes as long as it stands.

    Parameters
    ----------
    instruments
        The instrument table: of each of its books so many depths are kept.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._kept: dict[tuple[int, int], tuple[BookState, bytes, bytes]] = {}

    def of(self, book: BookState, levels: int, now_ns: int) -> bytes:
        """`book_form` as JSON; O(1) while the book stands."""
        key = book.instrument, levels
        kept = self._kept.get(key)
        if kept is None or kept[0] is not book:
            whole = encode(book_form(book, self._instruments, levels, now_ns=book.stamp.append_ns))
            head, _, tail = whole.partition(_AGE)
            kept = self._kept[key] = book, head + _AGE[:-2], b"," + tail
        return kept[1] + b"%d" % age_ms(book.stamp.append_ns, now_ns) + kept[2]
