"""Order-flow imbalance at several levels, and its first principal component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from qflib.errors import DataError, InputError
from qflib.kernels.covariance import fold_covariance
from qflib.kernels.level_flow import fold_level_flow
from qflib.orderbook.columns import F8, numbers
from qflib.orderbook.result import Result


def multi_level_ofi(frame: pd.DataFrame) -> pd.DataFrame:
    """Order-flow imbalance of each level between successive rows.

    Parameters
    ----------
    frame
        What `OrderBook.replay` gives with the feature "depth": columns bid_price_0, bid_qty_0, ask_price_0, ... in time
        order. With ``sample="event"`` the flows are those of the papers; sums over bars are
        ``.resample(...).sum()``, or those of `.qf.bars` with these quotes.

    Returns
    -------
    DataFrame
        The frame's index; columns ofi_0 (the best level's) and on. NaN in the first row. O(rows x levels). Shown by
        ``.qf.plot_book()``.

    Raises
    ------
    InputError
        If the frame has no depth.

    Notes
    -----
    Xu, Gould and Howison, "Multi-level order-flow imbalance in a limit order book", Market Microstructure and
    Liquidity 4 (2018): e_n of Cont, Kukanov and Stoikov (2014), section 2.1, at each level.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import multi_level_ofi
    >>> depth = pd.DataFrame({"bid_price_0": [99.0, 99.0], "bid_qty_0": [3.0, 5.0],
    ...                       "ask_price_0": [101.0, 100.0], "ask_qty_0": [1.0, 4.0]})
    >>> multi_level_ofi(depth)["ofi_0"].tolist()
    [nan, -2.0]
    """
    levels = sum(str(c).startswith("bid_qty_") for c in frame.columns)
    if levels == 0:
        raise InputError("the frame has no depth; give what OrderBook.replay(features=['depth']) returned")
    bid, bid_qty, ask, ask_qty = (
        np.ascontiguousarray(np.column_stack([numbers(frame, f"{side}_{what}_{m}") for m in range(levels)]))
        for side, what in (("bid", "price"), ("bid", "qty"), ("ask", "price"), ("ask", "qty"))
    )
    out = np.empty(bid.shape)
    fold_level_flow(bid, bid_qty, ask, ask_qty, np.full((4, levels), np.nan), out)
    return pd.DataFrame(out, index=frame.index, columns=[f"ofi_{m}" for m in range(levels)])


@dataclass(frozen=True, eq=False)
class IntegratedOFI(Result):
    """Order-flow imbalance of all levels in one number: their first principal component.

    Attributes
    ----------
    weights
        (levels,) of the first principal component, divided by the sum of their sizes; the sum is positive.
    explained
        (levels,) the part of the variance each principal component explains.

    Notes
    -----
    Cont, Cucuringu and Zhang, "Cross-impact of order flow imbalance in equity markets", Quantitative Finance 23
    (2023), section 2: ofi^I = w1' ofi / |w1|_1. They divide flows by the mean depth first. The covariance is folded row
    by row (`qflib.kernels.covariance`): weights are the same to the bit wherever batches are cut.

    Examples
    --------
    >>> import pandas as pd
    >>> from qflib.orderbook import IntegratedOFI
    >>> flows = pd.DataFrame({"ofi_0": [1.0, -1.0, 2.0, -2.0], "ofi_1": [2.0, -2.0, 4.0, -4.0]})
    >>> made = IntegratedOFI.fit(flows)
    >>> made.weights.round(3).tolist(), made.apply(flows).round(3).tolist()
    ([0.333, 0.667], [1.667, -1.667, 3.333, -3.333])
    """

    weights: F8
    explained: F8

    @classmethod
    def fit(cls, flows: pd.DataFrame) -> IntegratedOFI:
        """Fit to flows over equal times, as sums of `multi_level_ofi` over bars; rows with a NaN are left out.

        Raises
        ------
        InputError
            If there are no columns ofi_0, ofi_1, ...
        DataError
            If there are fewer than two rows, or flows that do not vary.
        """
        table = _flows(flows)
        levels = table.shape[1]
        products = np.zeros((levels, levels))
        rows = fold_covariance(table, np.zeros(1 + levels), products)
        if rows < 2:
            raise DataError(f"{rows} rows of flows are finite; give two or more")
        values, vectors = np.linalg.eigh(products / (rows - 1))
        if not values[-1] > 0:
            raise DataError("the flows do not vary; give a longer recording")
        first = vectors[:, -1] if vectors[:, -1].sum() >= 0 else -vectors[:, -1]
        return cls(first / np.abs(first).sum(), np.maximum(values[::-1], 0.0) / np.maximum(values, 0.0).sum())

    def apply(self, flows: pd.DataFrame) -> pd.Series[float]:
        """The integrated flow of each row. O(rows x levels).

        Raises
        ------
        InputError
            If the flows have not as many levels as those it was fitted to.
        """
        table = _flows(flows)
        if table.shape[1] != len(self.weights):
            raise InputError(f"the flows have {table.shape[1]} levels; this was fitted to {len(self.weights)}")
        out = np.zeros(len(table))
        for m, w in enumerate(self.weights):  # level by level: a row's sum does not depend on the rows around it
            out += w * table[:, m]
        return pd.Series(out, flows.index, name="integrated_ofi")

    def to_frame(self) -> pd.DataFrame:
        """A row a level: weight, and the part explained by the principal component of that number."""
        return pd.DataFrame(
            {"weight": self.weights, "explained": self.explained}, index=pd.RangeIndex(len(self.weights), name="level")
        )

    def plot(self) -> Any:
        """Weights of the levels."""
        import hvplot.pandas  # noqa: F401

        title = f"Integrated OFI: {self.explained[0]:.0%} of the variance"
        return self.to_frame().reset_index().hvplot.bar(x="level", y="weight", width=600, height=320, title=title)


def _flows(frame: pd.DataFrame) -> F8:
    levels = sum(str(c).startswith("ofi_") for c in frame.columns)
    if levels == 0:
        raise InputError("the frame has no columns ofi_0, ofi_1, ...; give what multi_level_ofi returned, or its sums")
    return np.ascontiguousarray(np.column_stack([numbers(frame, f"ofi_{m}") for m in range(levels)]))
