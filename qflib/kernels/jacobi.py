"""JACOBI's 32-byte records to rows of market events: side and price of an order are told once, and remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import lean_kernel
from qflib.kernels.order_memory import LIVE, OrderMemory, forget, keep, lessen, recall

ADD, MODIFY, CANCEL, EXECUTE = 1, 2, 3, 4
# The records' own codes.
_ADD, _EXEC, _REDUCE, _MODIFY, _DELETE = 0, 1, 2, 3, 4
# DeadReason's codes.
GOOD, UNKNOWN_INSTRUMENT, BAD_VALUE, UNKNOWN_KIND = 0, 3, 7, 9


@lean_kernel
def decode(
    records: NDArray[Any], row: NDArray[np.int64], m: OrderMemory, start: int,
    why: NDArray[np.uint8], kind: NDArray[np.uint32], side: NDArray[np.uint32], price: NDArray[np.int64],
    qty: NDArray[np.int64],
) -> int:  # fmt: skip
    """Decode records from `start` on.

    Parameters
    ----------
    records
        Of `qflib.venues.jacobi.RECORD`.
    row
        Each record's row of the instrument table; below 0: it has none.
    m
        The live orders; changed in place.
    why
        Written: GOOD, or why the record is refused.
    kind, side, price, qty
        Written, a row a record: the event; of an order that is not known side and price are 0.

    Returns
    -------
    Where it stopped: at the end, or where the memory has no room.
    """
    for i in range(start, len(records)):
        if 2 * (m.heads[LIVE] + 1) > len(m.cells):
            return i
        r = records[i]
        op, k = np.int64(r.op), row[i]
        if k < 0:
            why[i] = UNKNOWN_INSTRUMENT
            continue
        if op > _DELETE:
            why[i] = UNKNOWN_KIND
            continue
        if op in (_ADD, _MODIFY) and r.price >= np.uint64(1) << np.uint64(62):
            why[i] = BAD_VALUE
            continue
        why[i] = GOOD
        cell = recall(m, k, r.id)
        left = np.int64(m.cells[cell].qty)
        qty[i] = r.qty
        if op == _ADD:
            kind[i], side[i], price[i] = ADD, 1 + (r.side == 0), np.int64(r.price)
            if left == 0 and r.qty > 0:
                keep(m, cell, k, np.int64(side[i]), r.id, price[i], r.qty)
            continue
        if left > 0:
            side[i] = (m.cells[cell].at & np.uint32(1)) + np.uint32(1)
            price[i] = m.cells[cell].price
        if op == _MODIFY:
            kind[i], price[i] = MODIFY, np.int64(r.price)
            if left > 0 and r.qty > 0:
                m.cells[cell].price = price[i]
                m.cells[cell].qty = r.qty
            elif left > 0:
                forget(m, cell)
            continue
        kind[i] = EXECUTE if op == _EXEC else CANCEL
        if op == _DELETE:
            qty[i] = left
        if left > 0:
            lessen(m, cell, qty[i])
    return len(records)
