"""Trades among quotes: who began each, the mid before it and the mid a while after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qflib.kernels.jit import kernel

# Places of `memory`: mid in force, last trade's price, sign of the last price change; of `places`: oldest, newest + 1.
MID, PRICE, TICK, N_MEMORY = range(4)


@kernel
def fold_trades(
    is_trade: NDArray[np.bool_],
    time_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    side: NDArray[np.int64],
    delay_ns: int,
    memory: NDArray[np.float64],
    places: NDArray[np.int64],
    due_ns: NDArray[np.int64],
    sign: NDArray[np.float64],
    mid: NDArray[np.float64],
    later: NDArray[np.float64],
) -> Any:
    """Fold rows in time order: each a quote's mid or a trade. O(1) a row, amortised.

    A trade above the mid in force was bought (+1), below it sold (-1); at the mid, or where there is none, the tick
    rule speaks: the sign of the last price change. Lee and Ready, "Inferring trade direction from intraday data",
    Journal of Finance 46 (1991), section III, without their five seconds' lag.

    Parameters
    ----------
    is_trade
        (rows,) False: `price` is the mid from here on, NaN where a side is empty.
    time_ns, price
        (rows,) times that do not fall.
    side
        (rows,) of a trade: +1 or -1 where the venue tells who began it, else 0.
    delay_ns
        After a trade, to the mid that `later` holds: the last one at or before that time.
    memory, places
        (N_MEMORY,) and (2,), NaN with TICK 0, and 0, at first; kept between calls.
    due_ns
        A ring for the trades whose delay is not over, as long as there may be of them; kept between calls.
    sign, mid, later
        Filled from 0, a trade a row, in order. `later` lags: it is told where a row shows that the delay is over.

    Returns
    -------
    trades, past
        How many were written to `sign` and `mid`, and to `later`.
    """
    n, past = 0, 0
    for i in range(len(time_ns)):
        while places[0] < places[1] and due_ns[places[0] % len(due_ns)] < time_ns[i]:
            later[past] = memory[MID]
            past += 1
            places[0] += 1
        if not is_trade[i]:
            memory[MID] = price[i]
            continue
        if price[i] != memory[PRICE] and not np.isnan(memory[PRICE]):
            memory[TICK] = 1.0 if price[i] > memory[PRICE] else -1.0
        memory[PRICE] = price[i]
        mid[n] = memory[MID]
        if side[i] != 0:
            sign[n] = side[i]
        elif price[i] > memory[MID]:
            sign[n] = 1.0
        elif price[i] < memory[MID]:
            sign[n] = -1.0
        else:
            sign[n] = memory[TICK]
        due_ns[places[1] % len(due_ns)] = time_ns[i] + delay_ns
        places[1] += 1
        n += 1
    return n, past
