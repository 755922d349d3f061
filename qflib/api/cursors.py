"""Cursors of lists: where a record stands, as a text that means nothing to its holder."""

from __future__ import annotations

import base64
import binascii
import struct

from qflib.errors import InputError

Cursor = tuple[int, int, int, int]  # append time in ms, partition, offset, row
_FORM = struct.Struct(">QIQI")


def cursor_text(cursor: Cursor) -> str:
    """A cursor as text.

    Examples
    --------
    >>> cursor_of(cursor_text((1_767_600_000_000, 3, 17, 0)))
    (1767600000000, 3, 17, 0)
    """
    return base64.urlsafe_b64encode(_FORM.pack(*cursor)).decode()


def cursor_of(text: str) -> Cursor:
    """The cursor that a text stands for.

    Raises
    ------
    InputError
        If it is none that `cursor_text` wrote.
    """
    try:
        made: Cursor = _FORM.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, ValueError):
        raise InputError(
            f"cursor {text[:40]!r} is none of ours; give `next` of the page before, or leave it out"
        ) from None
    return made
