"""flow_strategy: promoted from notebooks/promotion/flow_strategy.ipynb; edit the notebook, then `qflib promote` it.

cell sha256 ad6e48d265e1bc436525419ae6daa2b1004a71ea0c63e22cc9d5d041fc6d1b6d
"""

# --- the cell
import numpy as np
from numba import njit

from qflib.kernels import band_update, ofi_update

State = np.dtype(
    [
        ("bid", "i8"),
        ("bid_qty", "i8"),
        ("ask", "i8"),
        ("ask_qty", "i8"),
        ("time_ns", "i8"),
        ("flow", "f8"),  # decayed sum, lots
        ("depth", "f8"),  # decayed mean of the touch, lots
        ("position", "i8"),
        ("sent", "i8"),  # lots on their way, signed
        ("sent_ns", "i8"),
        ("rows", "i8"),
    ]
)
Out = np.dtype(
    [
        ("instrument", "u4"),
        ("time_ns", "i8"),
        ("signal", "f8"),  # flow in touches
        ("target", "f8"),  # lots
        ("fill_cost", "f8"),  # of the order against the mid, quote currency
        ("side", "i8"),
        ("qty", "i8"),
        ("price_ticks", "i8"),
    ]
)
PARAMS = {"half_life_s": 5.0, "enter": 3.0, "lots": 2.0, "band": 0.5, "least_rows": 50, "again_ns": 1_000_000_000}


@njit
def flow_strategy(tops, state, out, params):
    n = 0
    for i in range(tops.instrument.size):
        k = tops.instrument[i]
        if params.strike[k] > 0.0:  # options are not traded here
            continue
        bid, bid_qty, ask, ask_qty = tops.bid_ticks[i], tops.bid_qty[i], tops.ask_ticks[i], tops.ask_qty[i]
        if bid_qty == 0 or ask_qty == 0 or bid >= ask:
            continue
        s = state[k]
        now = tops.time_ns[i]
        if s.rows > 0:
            flow = ofi_update(s.bid, s.bid_qty, s.ask, s.ask_qty, bid, bid_qty, ask, ask_qty)
            kept = 1.0 / (1.0 + 0.6931471805599453 * (now - s.time_ns) * 1e-9 / params.half_life_s)
            s.flow = kept * s.flow + flow
            s.depth = kept * s.depth + (1.0 - kept) * 0.5 * (bid_qty + ask_qty)
        else:
            s.depth = 0.5 * (bid_qty + ask_qty)
        s.bid, s.bid_qty, s.ask, s.ask_qty, s.time_ns = bid, bid_qty, ask, ask_qty, now
        s.rows += 1
        if s.rows < params.least_rows or s.depth <= 0.0:
            continue
        signal = s.flow / s.depth
        target = 0.0
        if signal > params.enter:
            target = params.lots
        elif signal < -params.enter:
            target = -params.lots
        trade = 0
        if s.sent == 0 or now - s.sent_ns > params.again_ns:
            trade = int(band_update(float(s.position), target, params.band))
        size = min(abs(trade), ask_qty if trade > 0 else bid_qty)
        if size == 0:
            continue
        side = 1 if trade > 0 else 2
        s.sent = size if trade > 0 else -size
        s.sent_ns = now
        row = out[n]
        row.instrument = k
        row.time_ns = now
        row.signal = signal
        row.target = target
        row.fill_cost = size * 0.5 * (ask - bid) * params.tick[k] * params.multiplier[k]
        row.side = side
        row.qty = size
        row.price_ticks = ask if trade > 0 else bid
        n += 1
    return n


@njit
def own_fills(executions, state, out, params):
    for i in range(executions.instrument.size):
        s = state[executions.instrument[i]]
        if executions.exec_type[i] == FILL:
            s.position += executions.qty[i] if executions.side[i] == 1 else -executions.qty[i]
        if executions.leaves_qty[i] == 0:
            s.sent = 0
    return 0


FILL = 2  # of ExecType
