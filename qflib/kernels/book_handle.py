"""One event on books by one number: a call from Python that takes twelve arrays apart costs ten times its work."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

from qflib.kernels.book import apply_one
from qflib.kernels.book_batch import GAP, LAST, crossing
from qflib.kernels.book_state import BOOK, INFO, LEVEL, OK, ORDER, ORDER_LIVE, OVERDRAWN, BookState, Int, vacant
from qflib.kernels.jit import inlined, lean_kernel

# What `apply_row` returns beside the statuses of `apply_event`, CROSSED and LOCKED.
ELSEWHERE: Final = 10  # of another instrument: left out
OVER: Final = 20  # more was taken off than the order had; beside it CROSSED and LOCKED
SEVERAL: Final = 11  # not one row, one with GAP, or room is to be given back: nothing was done

_U4, _U8, _I8 = np.dtype("u4"), np.dtype("u8"), np.dtype("i8")
_WORDS = 2 * len(BookState._fields)


def handle(b: BookState) -> NDArray[np.int64]:
    """Where the arrays of a state lie, and how long they are. It is good for as long as they are there: keep `b`."""
    return np.array([word for a in b for word in (a.ctypes.data, len(a))], np.int64)


def _typed(typing: Any, address: Any, length: Any, dtype: Any) -> Any:
    """The array of a type that lies at an address."""
    made = types.Array(dtype.dtype, 1, "C")

    def code(context: Any, builder: Any, _: Any, args: Any) -> Any:
        out = context.make_array(made)(context, builder)
        item = context.get_data_type(made.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(item))
        data = builder.inttoptr(args[0], item.as_pointer())
        populate_array(out, data=data, shape=[args[1]], strides=[size], itemsize=size, meminfo=None)  # type: ignore[no-untyped-call]
        return out._getvalue()

    return made(types.int64, types.int64, dtype), code


_array: Any = intrinsic(_typed)


@inlined
def _opened(h: Any) -> Any:
    """The state that a handle names."""
    return BookState(
        _array(h[0], h[1], ORDER),
        _array(h[2], h[3], _U8),
        _array(h[4], h[5], _U4),
        _array(h[6], h[7], LEVEL),
        _array(h[8], h[9], _U8),
        _array(h[10], h[11], _U4),
        _array(h[12], h[13], _U4),
        _array(h[14], h[15], _I8),
        _array(h[16], h[17], _U4),
        _array(h[18], h[19], BOOK),
        _array(h[20], h[21], INFO),
        _array(h[22], h[23], _I8),
        _array(h[24], h[25], _U8),
    )


@lean_kernel
def apply_row(address: Int, events: NDArray[Any], instrument: Int) -> Int:
    """Apply one row of `MARKET_EVENTS` to the books' first instrument. O(1), half a microsecond a call from Python.

    Parameters
    ----------
    address
        Of a `handle`.
    events
        A structured array of one row.
    instrument
        The row's, that is the books' first.

    Returns
    -------
    status
        As `apply_event`; CROSSED or LOCKED where the event was applied, ends its message and leaves such a book;
        ELSEWHERE, SEVERAL.
    """
    if len(events) != 1:
        return SEVERAL
    row = events[0]
    if np.int64(row.flags) & GAP != 0:
        return SEVERAL
    if np.int64(row.instrument) != instrument:
        return ELSEWHERE
    b = _opened(_array(address, _WORDS, _I8))
    if vacant(len(b.orders), b.heads[ORDER_LIVE]):
        return SEVERAL
    status: Any = apply_one(
        b, np.int64(row.kind), np.int64(0), np.int64(row.side), row.order_id, row.price_ticks, row.qty
    )
    if status >= OK:
        u = np.uint64(0)
        b.info[u].time_ns = max(b.info[u].time_ns, row.receipt_ns)
        taken = np.int64(OVER) if status == OVERDRAWN else np.int64(0)
        status = taken + (crossing(b, u) if np.int64(row.flags) & LAST != 0 else np.int64(0))
    return np.int64(status)
