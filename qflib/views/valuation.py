"""From views to the domain's own objects: the market now, a portfolio as it is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from qflib.errors import DataError

if TYPE_CHECKING:
    from qflib.hedging import Portfolio
    from qflib.pricing import Market
    from qflib.views.books import BookView
    from qflib.views.report import Report


def market_of(books: BookView) -> Market:
    """The market that the newest tops show; vols are implied from the options' mids.

    Parameters
    ----------
    books
        The view of the books.

    Raises
    ------
    DataError
        If nothing has been told of any book yet.

    Notes
    -----
    O(instruments).
    """
    from qflib.pricing import Market

    tops = books.tops_frame()
    if tops.empty:
        raise DataError("the desk has published no book yet; wait until its market has begun")
    at = pd.Timestamp(books.market_time_ns(), unit="ns", tz="UTC")
    return Market.from_quotes(books.instruments, tops, at)


def portfolio_of(report: Report, book: Literal["client", "hedge", "both"] = "both", currency: str = "USD") -> Portfolio:
    """The positions of a report, as `qf.Portfolio`.

    Parameters
    ----------
    report
        The last word on it.
    book
        Client positions, the hedges, or both added up.
    currency
        The reporting currency.
    """
    from qflib.hedging import Portfolio

    rows = report.positions
    if book != "both":
        rows = rows[rows["book"] == book]
    weighted = rows.assign(paid=rows["qty"] * rows["avg_price"])
    held = weighted.groupby("instrument", sort=False)[["qty", "paid"]].sum()
    held = held[held["qty"] != 0]
    last = rows.groupby("instrument", sort=False)["avg_price"].last()
    average = np.where(held["qty"] != 0, held["paid"] / held["qty"], last.reindex(held.index))
    frame = pd.DataFrame({"instrument": held.index, "qty": held["qty"].to_numpy(), "avg_price": average})
    return Portfolio.from_frame(frame, name=report.portfolio, currency=currency)
