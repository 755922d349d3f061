"""Order-flow imbalance of a best quote: what one change of it says of supply and demand."""

from __future__ import annotations

from qflib.kernels.jit import kernel


@kernel
def ofi_update(
    last_bid: float,
    last_bid_qty: float,
    last_ask: float,
    last_ask_qty: float,
    bid: float,
    bid_qty: float,
    ask: float,
    ask_qty: float,
) -> float:
    """The flow e_n of one change of the best quote; positive where buyers press.

    Parameters
    ----------
    last_bid, last_bid_qty, last_ask, last_ask_qty
        Price and quantity of each side before; in ticks and lots, or in any unit.
    bid, bid_qty, ask, ask_qty
        The same after.

    Notes
    -----
    O(1). Cont, Kukanov and Stoikov 2014, The price impact of order book events, Journal of Financial Econometrics 12,
    equation 4.

    Examples
    --------
    >>> from qflib.kernels import ofi_update
    >>> ofi_update(100, 5, 101, 4, 100, 8, 101, 4), ofi_update(100, 5, 101, 4, 100, 5, 100.5, 2)
    (3.0, -2.0)
    """
    flow = 0.0
    if bid >= last_bid:
        flow += bid_qty
    if bid <= last_bid:
        flow -= last_bid_qty
    if ask <= last_ask:
        flow -= ask_qty
    if ask >= last_ask:
        flow += last_ask_qty
    return flow
