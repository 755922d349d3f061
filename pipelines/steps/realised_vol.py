"""realised_vol: promoted from notebooks/promotion/realised_vol.ipynb; edit the notebook, then `qflib promote` it.

cell sha256 13584e9d39fc3baebd9808a04db19cd16f998a254e01a6d2cf038044dc54ee8e
"""

# --- the cell
import numpy as np
from numba import njit

State = np.dtype(
    [
        ("mid", "f8"),
        ("time_ns", "i8"),
        ("variance", "f8"),  # of squared returns, a second
        ("bipower", "f8"),  # of products of neighbouring absolute returns, a second
        ("last", "f8"),  # the absolute return before, a root second
        ("rows", "i8"),
    ]
)
Out = np.dtype(
    [
        ("instrument", "u4"),
        ("time_ns", "i8"),
        ("vol", "f8"),  # a year
        ("jump", "f8"),  # share of the variance that is no diffusion, 0 to 1
    ]
)
PARAMS = {"half_life_s": 10.0, "least_rows": 20, "year_s": 31_536_000.0}


@njit
def realised_vol(tops, state, out, params):
    n = 0
    for i in range(tops.instrument.size):
        k = tops.instrument[i]
        if tops.bid_qty[i] == 0 or tops.ask_qty[i] == 0:
            continue
        s = state[k]
        mid = 0.5 * (tops.bid_ticks[i] + tops.ask_ticks[i]) * params.tick[k]
        if s.rows > 0 and mid > 0.0 and s.mid > 0.0:
            seconds = (tops.time_ns[i] - s.time_ns) * 1e-9
            if seconds <= 0.0:
                continue
            move = abs(mid - s.mid) / s.mid / np.sqrt(seconds)
            # a rational stand-in for 2 ** (-seconds / half_life): the same bits on every processor
            kept = 1.0 / (1.0 + 0.6931471805599453 * seconds / params.half_life_s)
            s.variance = kept * s.variance + (1.0 - kept) * move * move
            s.bipower = kept * s.bipower + (1.0 - kept) * 1.5707963267948966 * move * s.last
            s.last = move
        s.mid = mid
        s.time_ns = tops.time_ns[i]
        s.rows += 1
        if s.rows > params.least_rows:
            row = out[n]
            row.instrument = k
            row.time_ns = tops.time_ns[i]
            row.vol = np.sqrt(s.variance * params.year_s)
            row.jump = max(0.0, 1.0 - s.bipower / s.variance) if s.variance > 0.0 else 0.0
            n += 1
    return n
