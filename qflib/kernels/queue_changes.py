"""Orders that came to the best queues and went from them, counted from successive quotes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

# Places of `memory`: the last row's bid, bid quantity, ask, ask quantity; then quantities that came and went.
BID, BID_QTY, ASK, ASK_QTY, CAME_QTY, WENT_QTY, N_MEMORY = range(7)
# Places of `counts`: rows, changes that came and that went, first and last time.
ROWS, CAME, WENT, FIRST_NS, LAST_NS, N_COUNT = range(6)


@kernel
def fold_queue_changes(
    time_ns: NDArray[np.int64],
    bid: NDArray[np.float64],
    bid_qty: NDArray[np.float64],
    ask: NDArray[np.float64],
    ask_qty: NDArray[np.float64],
    memory: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Fold quotes: a queue's growth at its price came; its shrinking, and the whole of a queue that emptied, went.

    A queue at a better price than before took nothing from the one behind it. O(rows).

    Parameters
    ----------
    time_ns
        (rows,) that do not fall.
    bid, bid_qty, ask, ask_qty
        (rows,) an empty side has a NaN price and quantity 0.
    memory, counts
        (N_MEMORY,) and (N_COUNT,), zero at first, kept between calls.
    """
    for i in range(len(time_ns)):
        if counts[ROWS] == 0:
            counts[FIRST_NS] = time_ns[i]
        else:
            for side in range(2):
                was, had = memory[2 * side], memory[2 * side + 1]
                now, has = (bid[i], bid_qty[i]) if side == 0 else (ask[i], ask_qty[i])
                change = has - had if now == was else 0.0
                worse = now < was if side == 0 else now > was
                if worse or (np.isnan(now) and not np.isnan(was)):
                    change = -had
                if change > 0.0:
                    memory[CAME_QTY] += change
                    counts[CAME] += 1
                elif change < 0.0:
                    memory[WENT_QTY] -= change
                    counts[WENT] += 1
        memory[BID], memory[BID_QTY], memory[ASK], memory[ASK_QTY] = bid[i], bid_qty[i], ask[i], ask_qty[i]
        counts[ROWS] += 1
        counts[LAST_NS] = time_ns[i]
