"""Realised variance by sampling interval: the signature plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import InputError
from qflib.kernels import realised_variance as R
from qflib.orderbook.columns import F8, duration_ns, refuse, times_ns
from qflib.orderbook.result import Result

INTERVALS = ("1s", "2s", "5s", "10s", "30s", "1min", "2min", "5min", "10min")


@dataclass(frozen=True, eq=False)
class SignaturePlot(Result):
    """Realised variance against how often prices are sampled.

    Attributes
    ----------
    table
        Index `interval`; columns realised_variance, bipower_variation (sums over the whole of the prices) and returns
        (how many).
    """

    table: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.table

    def plot(self) -> Any:
        """Both variances over the interval, in seconds, on a logarithmic axis."""
        import hvplot.pandas  # noqa: F401

        frame = self.table.assign(seconds=pd.TimedeltaIndex(self.table.index).total_seconds())
        return frame.hvplot.line(
            x="seconds", y=["realised_variance", "bipower_variation"], logx=True, grid=True, width=700, height=360,
            xlabel="sampling interval, seconds", ylabel="variance", title="Signature plot",
        )  # fmt: skip


def signature_plot(prices: pd.Series[float], intervals: Sequence[str | pd.Timedelta] = INTERVALS) -> SignaturePlot:
    """Realised variance and bipower variation of log prices at each sampling interval.

    Parameters
    ----------
    prices
        Above 0, or NaN (left out), with a tz-aware index in time order: mids, or trades.
    intervals
        Grids since 1970; at each point the newest price before it is sampled.

    Returns
    -------
    SignaturePlot
        O(prices x intervals).

    Raises
    ------
    InputError
        If a price is not above 0, the index has no time zone or falls, or an interval is no positive duration.

    Notes
    -----
    The plot: Andersen, Bollerslev, Diebold and Labys, "Great realizations", Risk 13 (2000), their "volatility signature
    plot". Realised variance, the sum of squared returns: their "Modeling and forecasting realized volatility",
    Econometrica 71 (2003). Bipower variation: Barndorff-Nielsen and Shephard, "Power and bipower variation with
    stochastic volatility and jumps", Journal of Financial Econometrics 2 (2004), theirs of r = s = 1 divided by
    mu_1^2 = 2 / pi: pi / 2 times the sum of |r_i| |r_i-1|, which jumps do not enter.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from qflib.orderbook import signature_plot
    >>> at = pd.date_range("2026-01-05T14:30Z", periods=6, freq="1s")
    >>> made = signature_plot(pd.Series(np.exp([0.0, 0.1, 0.0, 0.1, 0.2, 0.1]), at), ["1s", "2s"])
    >>> made.table["realised_variance"].round(4).tolist()
    [0.04, 0.0]
    """
    kept = prices.dropna()
    price: F8 = np.ascontiguousarray(kept.to_numpy(np.float64), np.float64)
    refuse(~(np.isfinite(price) & (price > 0)), price, "price", "a finite number above 0")
    time = times_ns(kept)
    if not len(intervals):
        raise InputError("there are no intervals; give some, as ['1s', '1min']")
    rows = []
    for interval in intervals:
        period_ns = duration_ns(interval, "interval")
        memory = np.zeros(R.N_MEMORY)
        R.fold_realised(time, price, period_ns, memory, np.zeros(1, np.int64))
        rows.append((pd.Timedelta(period_ns, "ns"), memory[R.VARIANCE], memory[R.BIPOWER], int(memory[R.RETURNS])))
    table = pd.DataFrame(rows, columns=["interval", "realised_variance", "bipower_variation", "returns"])
    return SignaturePlot(table.set_index("interval"))
